"""The compiled driver: cached, fresh after an edit, constant in memory."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from archgym.envs.evaluator import Evaluator, imported_sources
from archgym.envs.systolic import SYSTOLIC
from archgym.errors import UnknownNameError
from archgym.workloads import Workload

PLUGIN = """
from typing import NamedTuple
from numba.extending import register_jitable
from toy.constants import SECONDS
class Budget(NamedTuple):
    why: int
class LayerCost(NamedTuple):
    why: int
    latency_s: float
class Metrics(NamedTuple):
    why: int
    latency_s: float
@register_jitable
def budget(design, technology):
    return Budget(0)
@register_jitable
def cost(design, operator, technology, budget):
    return LayerCost(0, SECONDS * design.rows)
@register_jitable
def metrics(design, technology, budget, total):
    return Metrics(0, total.latency_s)
"""
RUN = """
import sys; sys.path.insert(0, sys.argv[1])
import numpy as np
from numba.core import event
from archgym.envs.evaluator import Evaluator
from archgym.envs.family import Family
from archgym.metrics import Metric
from archgym.space import DesignSpace, Parameter
from archgym.workloads import Workload
import toy.cost
def technology():
    return np.zeros(1, [("x", float)]).view(np.recarray)[0]
family = Family("toy", "Toy", 0, DesignSpace([Parameter("rows", (1, 2))]), (Metric("latency_s", "s", ""),),
                ("feasible",), toy.cost, technology, {}, lambda layer: "compute", "resnet18", "latency_s")
evaluator = Evaluator(family, Workload.load("tpu-v1-mlp0"))
result = evaluator.evaluate([[1]]).latency_s[0]
print(result, sum(evaluator._drive.stats.cache_hits.values()))
"""


SLOWEST = """
@register_jitable
def combine(total, layer, count):
    return LayerCost(0, max(total.latency_s, layer.latency_s))
"""

SCHEDULE = """
@register_jitable
def network(design, operators, tasks, technology, budget):
    total = 0.0
    for i in range(operators.shape[0]):
        total += operators[i].count * cost(design, operators[i], technology, budget).latency_s
    return Metrics(0, total * tasks.shape[0])
"""


def run_plugin(tmp_path: Path, seconds: int, monkeypatch: pytest.MonkeyPatch, model: str = PLUGIN) -> tuple[float, int]:
    package = tmp_path / "toy"
    package.mkdir(exist_ok=True)
    (package / "__init__.py").touch()
    (package / "constants.py").write_text(f"SECONDS = {seconds}.0\n")
    (package / "cost.py").write_text(model)
    monkeypatch.setenv("ARCHGYM_CACHE_DIR", str(tmp_path / "cache"))
    command = [sys.executable, "-c", RUN, str(tmp_path)]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return float(printed[0]), int(printed[1])


def test_compiled_code_is_cached_and_an_edit_in_another_file_changes_the_result(tmp_path, monkeypatch) -> None:
    layers = len(Workload.load("tpu-v1-mlp0").layers)
    assert run_plugin(tmp_path, 3, monkeypatch) == (2 * 3 * layers, 0)
    assert run_plugin(tmp_path, 3, monkeypatch) == (2 * 3 * layers, 1)
    assert run_plugin(tmp_path, 5, monkeypatch) == (2 * 5 * layers, 0)


def test_a_family_may_combine_its_operators_and_refuse_a_whole_network(tmp_path, monkeypatch) -> None:
    assert run_plugin(tmp_path, 3, monkeypatch, PLUGIN + SLOWEST) == (2 * 3, 0)
    layers = len(Workload.load("tpu-v1-mlp0").layers)
    assert run_plugin(tmp_path, 3, monkeypatch, PLUGIN + SCHEDULE) == (2 * 3 * layers, 0)
    refused = PLUGIN.replace("Metrics(0, ", "Metrics(1, ")
    value, _ = run_plugin(tmp_path, 3, monkeypatch, refused)
    assert np.isnan(value)


def test_the_hash_covers_what_the_cost_model_imports() -> None:
    assert {"archgym.envs.systolic.cost", "archgym.envs.technology"} <= set(imported_sources(SYSTOLIC.cost.__name__))


def test_stream_evaluates_in_order_and_scenarios_are_checked() -> None:
    evaluator = Evaluator(SYSTOLIC, Workload.load("resnet18"), {"node_nm": 7})
    assert evaluator.name == "systolic?node_nm=7"
    indices = SYSTOLIC.space.sample(30, np.random.default_rng(0))
    parts = list(evaluator.stream(np.array_split(indices, 4)))
    assert np.concatenate([metrics for _, metrics in parts]).tobytes() == evaluator.evaluate(indices).tobytes()
    with pytest.raises(UnknownNameError, match="did you mean 'node_nm'"):
        Evaluator(SYSTOLIC, evaluator.workload, {"node": 7})
