import shutil

import pytest

from archgym import datasets

WORKLOADS = ["resnet18", "resnet18?batch=8", "bert-base"]


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    """300 designs of three workloads, two of them one network."""
    out = tmp_path_factory.mktemp("data") / "small"
    return datasets.generate("systolic", WORKLOADS, 300, out=out, hold_out=["bert-base"])


@pytest.fixture
def copy(small, tmp_path):
    """The same, to be broken."""
    return shutil.copytree(small.path, tmp_path / "copy")
