"""A small data set and a small surrogate trained on it."""

import shutil

import pytest

from archgym import datasets, surrogates

FOREST = "forest?members=3"


@pytest.fixture(scope="session")
def known():
    """Choices that are mostly feasible, and not all memories and clocks."""
    return {
        "clock_ghz": [0.3, 0.5],
        "accumulator_bits": [32, 48],
        "memory": ["ddr4-3200-x2", "gddr6-16-x64", "lpddr5-6400-x64"],
    }


@pytest.fixture(scope="session")
def data(known, tmp_path_factory):
    """3,000 designs of each of three workloads, one of them held out."""
    out = tmp_path_factory.mktemp("data") / "designs"
    workloads = ["resnet18", "tpu-v1-mlp0", "alexnet"]
    return datasets.generate("systolic", workloads, 3000, out=out, choices=known, hold_out=["alexnet"])


@pytest.fixture(scope="session")
def trained(data, tmp_path_factory):
    """A forest of three trees per metric, and its directory."""
    out = tmp_path_factory.mktemp("surrogate") / "forest"
    return surrogates.train(data, FOREST, out, most=1000), out


@pytest.fixture
def copy(trained, tmp_path):
    """The directory of the forest, to be broken."""
    return shutil.copytree(trained[1], tmp_path / "copy")
