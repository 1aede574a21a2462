"""Every run of the tests is the same: fixed examples, no deadlines that a busy machine would miss, few threads."""

import os
import sys
from pathlib import Path

import pytest
from hypothesis import settings

from archgym.cli import main

settings.register_profile("archgym", deadline=None, derandomize=True)
settings.load_profile("archgym")
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):  # two test processes share two cores
    os.environ.setdefault(variable, "1")


@pytest.fixture(scope="session")
def reference() -> Path | None:
    """Folder with other projects' data ($ARCHGYM_REFERENCE), where there is one: see `archgym validate --reference`."""
    folder = Path(os.environ.get("ARCHGYM_REFERENCE") or "nowhere").resolve()
    return folder if folder.is_dir() else None


@pytest.fixture
def run(capsys, monkeypatch, tmp_path):
    """Run a command in this process, in a directory of its own: (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")

    def call(*arguments: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["archgym", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            main()
        printed = capsys.readouterr()
        return stop.value.code or 0, printed.out, printed.err

    return call
