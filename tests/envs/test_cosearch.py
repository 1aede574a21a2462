"""Hardware and compression as one design."""

import math
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from archgym import api
from archgym.compression import QUALITY, Estimate
from archgym.compression.judge import Judge
from archgym.compression.knobs import DEFAULTS
from archgym.envs import ENVIRONMENTS
from archgym.envs.cosearch import JointEvaluator
from archgym.errors import InputError, RunError, UnknownNameError
from archgym.registry import Entry
from archgym.search import Interrupted
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


def test_a_run_keeps_its_judge(tmp_path, monkeypatch) -> None:
    """Resumed and evaluated from elsewhere by the same rows; refused once they have changed."""
    from archgym.search import load_run, resume_search
    from archgym.search.loop import search

    rows = tmp_path / "rows.csv"
    head = "model,metric,method,weight_bits,activation_bits,value,baseline,source\n"
    rows.write_text(head + "mynet,top-1 %,own,8,8,55,56,me\n")
    monkeypatch.chdir(tmp_path)
    posed = api.problem("systolic", "resnet18", OBJECTIVE, BOUND, quality={"rows": "rows.csv", "model": "mynet"})
    request = (posed.evaluator, posed.objective, "genetic", 400, 0)
    whole = search(*request, out=tmp_path / "whole", space=posed.space)
    assert whole.best is not None
    assert whole.best["weight_bits"] == 8
    stopped = tmp_path / "stopped"

    def stop(standing) -> None:
        if standing.evaluated >= 192:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted):
        search(*request, out=stopped, space=posed.space, on_progress=stop, checkpoint_s=0)
    monkeypatch.chdir(tmp_path.parent)
    assert resume_search(stopped).best == whole.best
    assert load_run(stopped).trials.equals(load_run(tmp_path / "whole").trials)
    assert api.evaluate(str(stopped)).quality["network"] == "mynet"
    rows.write_text(head + "mynet,top-1 %,own,8,8,54,56,me\n")
    with pytest.raises(RunError, match="results that quality comes from"):
        resume_search(stopped)


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
    for wrong, message in (
        (["activation_sparsity=0.5"], "needs a method"),
        (["sparsity_method=teal"], "needs a share"),
        (["weight_bits=7"], "one of 2, 3, 4"),
        (["wieght_bits=4"], "did you mean 'weight_bits'"),
    ):
        with pytest.raises(InputError, match=message):
            api.evaluate(["wse-3", *wrong], "wafer", "llama3-8b:decode")
    with pytest.raises(InputError, match="slicing"):
        api.evaluate(["tpu-v1", "pattern=slice-25"], "systolic", "resnet18")
    with pytest.raises(UnknownNameError, match="nope"):
        api.evaluate(["tpu-v1", "weight_bits=8"], "systolic", "resnet18", quality={"model": "nope"})
    with pytest.raises(InputError, match="cannot read"):
        api.evaluate(["tpu-v1", "weight_bits=8"], "systolic", "resnet18", quality={"rows": "missing.csv"})
    with pytest.raises(InputError, match="compression setting"):
        api.evaluate(["tpu-v1"], "systolic", "resnet18", quality={"allow_extrapolation": True})
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


def own_function(model, setting, **_options):
    """A quality function: every bit below 16 of the weights costs 0.001."""
    loss = 0.001 * (16 - setting.weight_bits) if setting.pattern == "dense" else math.nan
    return Estimate(model, setting, "own", loss, loss, loss, (), loss == loss, "own", "by hand", "nat")


def test_ones_own_quality_function_judges_a_search(monkeypatch) -> None:
    monkeypatch.setitem(QUALITY.entries, "mine", Entry(f"{__name__}:own_function"))
    monkeypatch.setitem(sys.modules, __name__, sys.modules.get(__name__) or SimpleNamespace(own_function=own_function))
    posed = api.problem("systolic", "alexnet", OBJECTIVE, ["quality_loss<=0.008"], quality={"function": "mine"})
    assert posed.evaluator.networks == ("alexnet",)
    assert posed.space["weight_bits"].choices == (2, 3, 4, 6, 8, 16)  # it may be a measurement: asked while searching
    assert posed.space["token_pruning"].choices == (0,)  # no attention
    metrics = posed.evaluator.evaluate(posed.space.sample(500, np.random.default_rng(0)))
    good = metrics[metrics.feasible]
    assert set(np.round(good.quality_loss, 6)) <= {0.0, 0.008, 0.01, 0.012, 0.013, 0.014}
    assert len(good)


def test_what_a_network_cannot_have_is_told_from_what_is_unknown() -> None:
    family = ENVIRONMENTS.load("systolic")
    for judge in (None, Judge(allow_extrapolation=True)):
        evaluator = JointEvaluator(family, Workload.load("resnet18"), judge=judge)
        hardware = family.presets["tpu-v1"].values
        features = {feature.name: feature.choices[0] for feature in family.space.fixed}
        sliced = evaluator.space.design({**hardware, **features, **DEFAULTS, "pattern": "slice-25"})
        why = evaluator.why(int(evaluator.evaluate_designs(sliced).why[0]))
        assert why.startswith("not_applicable" if judge is None else "unsupported")


def test_widths_cannot_be_named_twice() -> None:
    with pytest.raises(InputError, match="bits=4"):
        api.problem("systolic", "llama2-7b:decode?bits=4", OBJECTIVE, BOUND)
    assert api.problem("systolic", "llama2-7b:decode?bits=16", OBJECTIVE, BOUND).space["kv_bits"].choices == (4, 8, 16)
