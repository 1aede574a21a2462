"""Small runs, made once for all tests of reports."""

from functools import cache

import pytest

from archgym import api
from archgym.reports import importance
from archgym.reports.data import report_data
from archgym.search import Interrupted

SMALL = {  # the default space held to 512 designs, whose optimum is found at once
    "array_rows": [32, 128],
    "array_columns": [32, 128],
    "arrays": [1, 4],
    "dataflow": ["ws", "os"],
    "fold_overlap": ["overlapped"],
    "ifmap_sram_kib": [256, 1024],
    "filter_sram_kib": [512],
    "ofmap_sram_kib": [512, 1024],
    "clock_ghz": [0.5, 0.7],
    "memory": ["hbm2-x1", "lpddr5-6400-x64"],
    "vector_lanes": [128, 512],
    "operand_bits": [8],
    "accumulator_bits": [32],
}


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="session")
def known(folder):
    """One objective in a space whose optimum is known."""
    shared = {"environment": "systolic", "workload": "alexnet", "constraints": ["area_mm2<=60"], "choices": SMALL}
    api.optimum(**shared)
    return api.search(**shared, agent="genetic", budget=400, seed=3, out=folder / "known").path


@pytest.fixture(scope="session")
def two(folder):
    """Two objectives."""
    objective = ["latency_s", "energy_j"]
    return api.search("systolic", "alexnet", "genetic", objective, budget=600, out=folder / "two").path


@pytest.fixture(scope="session")
def several(folder):
    """Three seeds of one agent and one of another."""
    for agent, seed in (("random", 0), ("random", 1), ("random", 2), ("genetic", 0)):
        api.search("systolic", "alexnet", agent, budget=200, seed=seed, out=folder / "several" / f"{agent}-{seed}")
    return folder / "several"


@pytest.fixture(scope="session")
def nothing(folder):
    """No design meets the constraint."""
    return api.search("systolic", "alexnet", "random", (), ["area_mm2<=0.01"], 200, out=folder / "nothing").path


@pytest.fixture(scope="session")
def unfinished(folder):
    """Stopped on its way."""

    def stop(now):
        if now.evaluated >= 300:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted):
        api.search("systolic", "alexnet", "random", budget=200_000_000, out=folder / "unfinished", on_progress=stop)
    return folder / "unfinished"


@pytest.fixture(scope="session")
def task():
    """The only task of a run, read once."""
    return cache(lambda path: report_data([path]).tasks[0])


@pytest.fixture(autouse=True)
def few_trees(monkeypatch):
    """A forest large enough for a test."""
    monkeypatch.setattr(importance, "TREES", 12)
    monkeypatch.setattr(importance, "REPEATS", 2)
