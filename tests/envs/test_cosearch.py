"""Hardware and compression as one design."""

import numpy as np
import pytest

from archgym import api
from archgym.compression.judge import Judge
from archgym.compression.knobs import DEFAULTS
from archgym.envs import ENVIRONMENTS
from archgym.envs.cosearch import JointEvaluator, searched
from archgym.errors import InputError, UnknownNameError
from archgym.workloads import Workload

BOUND = ["quality_loss<=0.05"]
OBJECTIVE = ["latency_s*energy_j"]


@pytest.fixture(scope="module")
def judged() -> JointEvaluator:
    family = ENVIRONMENTS.load("wafer")
    return JointEvaluator(family, Workload.load("llama3-8b:decode"), {"node_nm": 5}, judge=Judge())


def design(evaluator: JointEvaluator, **values: object) -> np.recarray:
    hardware = evaluator.family.presets["wse-3"].values
    features = {feature.name: feature.choices[0] for feature in evaluator.family.space.fixed}
    return evaluator.space.design({**hardware, **features, **DEFAULTS, **values})


def test_quality_is_that_of_the_setting_and_unsupported_ones_say_so(judged: JointEvaluator) -> None:
    loss = api.quality("llama3-8b", "weight_bits=8,activation_bits=8")
    metrics = judged.evaluate_designs(design(judged, weight_bits=8, activation_bits=8))
    assert metrics.quality_loss[0] == loss.quality_loss
    assert (metrics.quality_low[0], metrics.quality_high[0]) == (loss.low, loss.high)
    both = judged.evaluate_designs(design(judged, weight_bits=4, pattern="2:4"))
    assert not both.feasible[0]
    assert judged.why(int(both.why[0])).startswith("unsupported")
    wider = JointEvaluator(judged.family, judged.workload, {"node_nm": 5}, judge=Judge(allow_extrapolation=True))
    assert wider.evaluate_designs(design(wider, weight_bits=4, pattern="2:4")).feasible[0]


def test_compression_is_searched_where_quality_counts() -> None:
    hardware = api.problem("wafer", "llama3-8b:decode")
    assert hardware.space.names == hardware.evaluator.family.space.names
    both = api.problem("wafer", "llama3-8b:decode", OBJECTIVE, BOUND)
    assert both.space["weight_bits"].choices == (2, 3, 4, 8, 16)
    assert both.space["token_pruning"].choices == (0,)  # nothing of it is published
    front = api.problem("wafer", "llama3-8b:decode", ["latency_s", "quality_loss"])
    assert front.space.names == both.space.names
    asked = api.problem("wafer", "llama3-8b:decode", choices={"weight_bits": [4, 8]})
    assert asked.space["weight_bits"].choices == (4, 8)
    assert asked.space["kv_bits"].choices == (16,)
    assert "quality_loss" not in asked.evaluator.dtype.names


def test_a_workload_of_which_nothing_is_published_needs_a_model() -> None:
    with pytest.raises(InputError, match="--quality-model"):
        api.problem("systolic", "alexnet", OBJECTIVE, BOUND)
    api.problem("systolic", "alexnet", OBJECTIVE, BOUND, quality={"model": "resnet50"})
    with pytest.raises(UnknownNameError, match="resnet50"):
        api.problem("systolic", "alexnet", OBJECTIVE, BOUND, quality={"model": "resnet5"})
    with pytest.raises(InputError, match="where quality counts"):
        api.problem("systolic", "alexnet", quality={"model": "resnet50"})
    with pytest.raises(UnknownNameError, match="model"):
        api.problem("systolic", "alexnet", OBJECTIVE, BOUND, quality={"modle": "resnet50"})


def test_own_rows_make_a_network_known(tmp_path) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text(
        "model,metric,method,weight_bits,activation_bits,value,baseline,source\nalexnet,top-1 %,own,8,8,55,56,me\n"
    )
    posed = api.problem("systolic", "alexnet", OBJECTIVE, BOUND, quality={"rows": str(rows)})
    assert posed.space["weight_bits"].choices == (8, 16)


def test_a_search_resumes_with_the_same_judge(tmp_path) -> None:
    from archgym.search import load_run, resume_search

    result = api.search(
        "wafer", "llama3-8b:decode", "random", OBJECTIVE, BOUND, 500, out=tmp_path / "run",
        quality={"allow_extrapolation": True},
    )  # fmt: skip
    assert result.best is None or result.metrics["quality_loss"] <= 0.05
    assert load_run(tmp_path / "run").config["compression"]["judge"]["allow_extrapolation"] is True
    assert resume_search(tmp_path / "run").evaluated == 500


def test_evaluate_shows_hardware_also_where_quality_is_unknown() -> None:
    known = api.evaluate(["wse-3", "weight_bits=8"], "wafer", "llama3-8b:decode")
    assert known.quality["network"] == "llama3-8b"
    assert known.quality["low"] <= known.quality["quality_loss"] <= known.quality["high"]
    unknown = api.evaluate(["wse-3", "weight_bits=8", "pattern=2:4"], "wafer", "llama3-8b:decode")
    assert unknown.feasible
    assert unknown.quality["quality_loss"] is None
    assert "sparsity with low bits" in unknown.quality["why"]
    plain = api.evaluate("wse-3", "wafer", "llama3-8b:decode")
    assert plain.quality is None
    with pytest.raises(InputError, match="sparsity_method"):
        api.evaluate(["wse-3", "activation_sparsity=0.5"], "wafer", "llama3-8b:decode")
    with pytest.raises(InputError, match="memory plan"):
        api.evaluate(["tpu-v1", "weight_bits=8"], "systolic", "resnet18", memory_plan="greedy")


def test_gymnasium_environments_take_quality_too() -> None:
    env = api.make("wafer", "llama3-8b:decode", OBJECTIVE, BOUND)
    assert (
        env.action_space.nvec.tolist()
        == api.problem("wafer", "llama3-8b:decode", OBJECTIVE, BOUND).space.shape.tolist()
    )
    env.reset(seed=0)
    env.action_space.seed(0)
    seen = [env.step(env.action_space.sample())[4] for _ in range(300)]
    assert any(info["feasible"] for info in seen)
    assert all("quality_loss" in info["metrics"] for info in seen if info["feasible"])


def test_one_own_quality_function_is_asked_while_searching(judged: JointEvaluator) -> None:
    own = JointEvaluator(judged.family, judged.workload, judge=Judge(function="mine", model="anything"))
    assert own.networks == ("anything",)
    assert searched(own, {"weight_bits": [4]}) == {"weight_bits": [4]}
