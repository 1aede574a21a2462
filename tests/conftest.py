"""Every run of the tests is the same: fixed examples, no deadlines that a busy machine would miss, few threads."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("archgym", deadline=None, derandomize=True)
settings.load_profile("archgym")
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):  # two test processes share two cores
    os.environ.setdefault(variable, "1")


@pytest.fixture(scope="session")
def reference() -> Path | None:
    """Folder with other projects' data ($ARCHGYM_REFERENCE), where there is one: see `archgym validate --reference`."""
    folder = Path(os.environ.get("ARCHGYM_REFERENCE") or "nowhere").resolve()
    return folder if folder.is_dir() else None
