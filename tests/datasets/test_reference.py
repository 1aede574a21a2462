"""The data sets of the repository: small, whole, made by the recorded command, with the cost model that is here."""

from pathlib import Path

import pytest

from archgym import datasets

FOLDER = Path(__file__).parents[2] / "datasets"


@pytest.mark.parametrize("environment", ["systolic", "pim", "wafer", "fpga", "xr"])
def test_a_reference_data_set(environment) -> None:
    data = datasets.load(FOLDER / environment)
    assert data.environment == environment
    assert len(data.workloads) == 4
    assert data.splits["workload"]["test"] == data.workloads[-1:]
    assert data.info["command"].endswith(f"--out datasets/{environment}")
    assert sum(path.stat().st_size for path in data.path.rglob("*") if path.is_file()) < 1_000_000
    assert data.notes == (), "the cost model has changed: `make datasets`, and a line in CHANGELOG.md"
