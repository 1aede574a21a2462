"""Cost models that stand in for the equations: wherever designs are evaluated, and never mixed with others."""

import importlib
import json
import re
import shutil
from pathlib import Path

import gymnasium
import numpy as np
import pytest

import archgym
from archgym import api, datasets
from archgym.costmodels import COST_MODELS, build, needed
from archgym.datasets import DataError
from archgym.envs.evaluator import Evaluator
from archgym.envs.systolic import SYSTOLIC
from archgym.errors import ArchGymError, InputError, RunError, UnknownNameError
from archgym.metrics import Metric, metrics_dtype
from archgym.search import load_run, resume_search
from archgym.search.compare import compare_runs
from archgym.search.request import evaluator_of
from archgym.workloads import Workload

DOCS = Path(__file__).parent.parent / "docs"
WORKLOAD = "tpu-v1-mlp0"
SMALL = {
    "arrays": [1, 4],
    "array_rows": [32, 128],
    "array_columns": [32, 128],
    "fold_overlap": "overlapped",
    "ifmap_sram_kib": 256,
    "filter_sram_kib": 512,
    "ofmap_sram_kib": [512, 1024],
    "memory": "hbm2-x1",
    "accumulator_bits": 32,
    "operand_bits": 8,
    "vector_lanes": 128,
}


class Times(Evaluator):
    """Analytical latencies times the number in a file, and how sure it is of them."""

    def __init__(self, argument, family, workload, scenario, threads=None):
        super().__init__(family, workload, scenario, threads)
        path = Path(needed(argument, "times:FILE")).resolve()
        self.factor, self.cost_model = float(path.read_text()), f"times:{path}"
        self.metrics = (*family.metrics, Metric("uncertainty", "", "of the latency"))
        self.dtype = metrics_dtype(self.metrics)

    def identity(self):
        return f"times-{self.factor}"

    def _fill(self, designs, out):
        inner = np.empty(len(designs), metrics_dtype(self.family.metrics))
        super()._fill(designs, inner)
        for name in inner.dtype.names:
            out[name] = inner[name]
        out["latency_s"] *= self.factor
        out["power_w"] /= self.factor
        out["uncertainty"] = np.where(out["feasible"], 0.01 * designs["arrays"], np.nan)


class Nameless(Evaluator):
    """Forgets to say which cost model it is."""

    def __init__(self, argument, *problem):
        super().__init__(*problem)


class Unidentified(Nameless):
    """Forgets to identify its numbers."""

    cost_model = "unidentified"


@pytest.fixture(scope="module", autouse=True)
def registered():
    for name in ("times", "nameless", "unidentified"):
        COST_MODELS.register(name, f"{__name__}:{name.capitalize()}", "for tests")
    yield
    for name in ("times", "nameless", "unidentified"):
        del COST_MODELS.entries[name]


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """A directory with the file `two`, and a cache of optima of its own beside the shared compiled code."""
    Evaluator(SYSTOLIC, Workload.load(WORKLOAD), threads=1).compile()
    (tmp_path / "two").write_text("2")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ARCHGYM_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path


def searched(cost_model="times:two", agent="random", budget=200, **options):
    options = {"choices": SMALL} | options
    return archgym.search("systolic", WORKLOAD, agent, budget=budget, cost_model=cost_model, **options)


# -- the spec


def test_an_unknown_cost_model_is_named_with_its_nearest_match():
    with pytest.raises(UnknownNameError, match=r"unknown cost model 'surogate'; did you mean 'surrogate'\?"):
        api.evaluator("systolic", WORKLOAD, "surogate:x")


def test_arguments_are_missed_and_refused():
    with pytest.raises(InputError, match="cost model 'times' needs an argument: times:FILE"):
        searched("times")
    with pytest.raises(InputError, match="the analytical cost model takes no argument, not 'x'"):
        searched("analytical:x")


@pytest.mark.parametrize("name", ["nameless", "unidentified"])
def test_a_cost_model_that_could_be_mistaken_for_another_is_refused(name):
    with pytest.raises(ArchGymError, match="must set cost_model and override identity"):
        build(name, SYSTOLIC, Workload.load(WORKLOAD))


def test_the_analytical_cost_model_compiles_nothing_before_it_is_used():
    evaluator = build("analytical", SYSTOLIC, Workload.load(WORKLOAD))
    assert "_drive" not in vars(evaluator)
    assert type(evaluator) is Evaluator


# -- wherever designs are evaluated


def test_search_is_over_its_numbers():
    theirs, ours = searched(objective=["latency_s"]), searched("analytical", objective=["latency_s"])
    assert theirs.best == ours.best
    assert theirs.metrics["latency_s"] == 2 * ours.metrics["latency_s"]
    assert theirs.metrics["uncertainty"] == 0.01 * theirs.best["arrays"]


def test_its_own_metrics_may_be_objectives_and_constraints():
    found = searched(objective=["latency_s", "uncertainty"], constraints=["uncertainty<=0.02"])
    assert found.violating > 0
    assert found.metrics["uncertainty"] == 0.01
    with pytest.raises(UnknownNameError, match="unknown metric 'uncertainty'"):
        searched("analytical", objective=["uncertainty"])


def test_gymnasium_environments_take_it():
    make = {"workload": WORKLOAD, "cost_model": "times:two"}
    env = gymnasium.make("archgym/Systolic-v0", objective="latency_s", constraints=["uncertainty<=0.2"], **make)
    action = SYSTOLIC.space.centre
    env.reset(seed=0)
    _, _, _, _, info = env.step(action)
    plain = archgym.make("systolic", WORKLOAD)
    plain.reset(seed=0)
    _, _, _, _, own = plain.step(action)
    assert info["metrics"]["latency_s"] == 2 * own["metrics"]["latency_s"]
    assert info["metrics"]["uncertainty"] == 0.01 * env.unwrapped.design["arrays"]
    many = archgym.make("systolic", WORKLOAD, num_envs=3, cost_model="times:two")
    many.reset(seed=0)
    _, _, _, _, infos = many.step(np.repeat(action[None], 3, axis=0))
    assert (infos["metrics"]["latency_s"] == info["metrics"]["latency_s"]).all()


def test_agents_that_read_bottlenecks_do_without():
    assert searched(agent="bottleneck").evaluated == 200
    evaluator = api.evaluator("systolic", WORKLOAD, "times:two")
    with pytest.raises(InputError, match="gives no costs of single operators"):
        evaluator.breakdown(SYSTOLIC.space.design(SYSTOLIC.preset("tpu-v1").values))


def test_evaluate_has_no_operators_where_the_cost_model_knows_none():
    theirs = archgym.evaluate("tpu-v1", workload=WORKLOAD, cost_model="times:two")
    ours = archgym.evaluate("tpu-v1", workload=WORKLOAD)
    assert theirs.metrics["latency_s"] == 2 * ours.metrics["latency_s"]
    assert not theirs.operators
    assert ours.operators
    assert theirs.cost_model == f"times:{Path('two').resolve()}"
    assert ours.cost_model == "analytical"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"memory_plan": "greedy"}, "takes no memory plan"),
        ({"design": ["tpu-v1", "weight_bits=4"]}, "evaluates networks as they come: it has no parameter 'weight_bits'"),
        ({"quality": {"method": "best"}}, "options of quality belong to the cost model 'analytical'"),
    ],
)
def test_evaluate_refuses_what_it_cannot_do(arguments, message):
    with pytest.raises(InputError, match=message):
        archgym.evaluate(**{"design": "tpu-v1", "workload": WORKLOAD, "cost_model": "times:two"} | arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"objective": ["latency_s", "quality_loss"]}, "knows no quality: leave quality_loss out"),
        ({"choices": {"weight_bits": 4}}, "it has no parameter 'weight_bits'"),
        ({"choices": {"row": 4}}, "unknown parameter 'row'"),
    ],
)
def test_search_refuses_what_it_cannot_do(arguments, message):
    with pytest.raises(InputError, match=message):
        searched(**arguments)


def test_data_sets_say_what_labelled_them(place):
    made = datasets.generate("systolic", [WORKLOAD], 50, "random", out="data", choices=SMALL, cost_model="times:two")
    assert made.info["cost_model"] == f"times:{place / 'two'}"
    assert made.info["cost_model_hash"] == "times-2.0"
    assert "uncertainty" in made.frame()
    ours = datasets.generate("systolic", [WORKLOAD], 50, "random", out="ours", choices=SMALL)
    assert ours.info["cost_model_hash"] == ours.info["model_hash"] == made.info["model_hash"]
    assert np.array_equal(made.frame()["latency_s"], 2 * ours.frame()["latency_s"], equal_nan=True)


# -- runs


def test_a_run_resumes_to_the_same_trials_from_another_directory(place, monkeypatch):
    whole = searched(agent="genetic?population=16", budget=320, out="run")
    copy = shutil.copytree("run", place / "copy")
    config = json.loads((copy / "config.json").read_text()) | {"budget": 640}  # as if stopped half-way
    (copy / "config.json").write_text(json.dumps(config))
    (copy / "result.json").unlink()
    elsewhere = place / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    resumed = resume_search(copy)
    monkeypatch.chdir(place)
    longer = searched(agent="genetic?population=16", budget=640)
    assert resumed.trials.equals(longer.trials)
    assert resumed.trials[:320].equals(whole.trials)


def test_a_run_with_other_numbers_is_not_resumed(place):
    searched(out="run")
    assert load_run("run").config["cost_model"] == f"times:{place / 'two'}"
    with pytest.raises(RunError, match=r"was made with cost_model times:.*, not analytical"):
        searched_again("analytical")
    (place / "two").write_text("3")
    with pytest.raises(RunError, match=r"the cost model has changed since \(times-2.0 is now times-3.0\)"):
        resume_search("run")
    with pytest.raises(DataError, match=r"the cost model 'times:.*' has changed since the run was made"):
        datasets.export(["run"], "data")


def searched_again(cost_model):
    from archgym.search.loop import search

    posed = api.problem("systolic", WORKLOAD, choices=SMALL, cost_model=cost_model)
    return search(posed.evaluator, posed.objective, "random", 200, out="run", resume=True, space=posed.space)


def test_a_run_from_before_there_were_others_is_analytical():
    result = searched("analytical", out="run", constraints=[])
    path = Path("run/config.json")
    config = json.loads(path.read_text())
    assert config["cost_model_hash"] == config["model_hash"]
    old = {key: value for key, value in config.items() if not key.startswith("cost_model")}
    path.write_text(json.dumps(old))
    run = load_run("run")
    assert type(evaluator_of(run.config, Workload.load(WORKLOAD))) is Evaluator
    assert resume_search("run").best == result.best
    assert archgym.evaluate("run").cost_model == "analytical"
    assert datasets.export(["run"], "data").info["cost_model"] == "analytical"


def test_evaluate_follows_the_cost_model_of_a_run():
    result = searched(out="run")
    again = archgym.evaluate("run")
    assert again.metrics["latency_s"] == result.metrics["latency_s"]
    true = archgym.evaluate("run", cost_model="analytical")
    assert true.metrics["latency_s"] == result.metrics["latency_s"] / 2


# -- never mixed


def test_every_cost_model_has_an_optimum_of_its_own(place):
    question = {"environment": "systolic", "workload": WORKLOAD, "objective": ["latency_s"], "choices": SMALL}
    ours = archgym.optimum(**question)
    theirs = archgym.optimum(**question, cost_model="times:two")
    assert not theirs.cached
    assert archgym.optimum(**question, cost_model="times:two").cached
    assert theirs.value == 2 * ours.value
    assert searched(objective=["latency_s"], budget=2000).optimum == theirs.value
    assert searched("analytical", objective=["latency_s"]).optimum == ours.value
    (place / "two").write_text("3")
    assert searched(objective=["latency_s"]).optimum is None


def test_an_optimum_is_remembered_although_batches_round_differently(monkeypatch):
    def rounding(self, designs, out):
        filled(self, designs, out)
        out["latency_s"] *= 1 + 1e-15 * len(designs)

    filled = Times._fill
    monkeypatch.setattr(Times, "_fill", rounding)
    question = {"environment": "systolic", "workload": WORKLOAD, "choices": SMALL, "cost_model": "times:two"}
    assert archgym.optimum(**question).value == archgym.optimum(**question).value
    assert archgym.optimum(**question).cached


def test_compare_measures_every_run_against_its_own_cost_model(place):
    archgym.optimum("systolic", WORKLOAD, ["latency_s"], choices=SMALL)
    archgym.optimum("systolic", WORKLOAD, ["latency_s"], choices=SMALL, cost_model="times:two")
    for number, cost_model in enumerate(("analytical", "times:two")):
        searched(cost_model, objective=["latency_s"], out=place / f"run-{number}", budget=1000)
    found = compare_runs([("random", place / "run-0"), ("random", place / "run-1")])
    assert found.reference == "the true optimum"
    assert len({entry.task for entry in found.entries}) == 2
    assert all(entry.values[-1] == 0 for entry in found.entries)
    (place / "two").write_text("1")
    archgym.optimum("systolic", WORKLOAD, ["latency_s"], choices=SMALL, cost_model="times:two")
    assert compare_runs([("random", place / "run-1")]).reference == "the best known optimum"


def test_runs_of_two_cost_models_are_exported_apart(place):
    for number, cost_model in enumerate(("analytical", "times:two")):
        searched(cost_model, out=place / f"run-{number}")
    with pytest.raises(InputError, match="differ in the cost model"):
        datasets.export(["run-0", "run-1"], "data")
    assert datasets.export(["run-1"], "theirs").info["cost_model_hash"] == "times-2.0"


# -- the command line


def test_commands_take_a_cost_model(run, place):
    options = ["--workload", WORKLOAD, "--cost-model", "times:two"]
    sets = [part for name, value in SMALL.items() for part in ("--set", f"{name}={spelled(value)}")]
    code, out, _ = run("evaluate", "tpu-v1", *options)
    assert code == 0
    assert "uncertainty" in out
    assert f"by times:{place / 'two'}" in out
    assert "bottleneck" not in out
    code, out, _ = run("optimum", *options, *sets, "--quiet")
    assert code == 0
    assert "uncertainty" in out
    code, out, _ = run("search", *options, *sets, "--agent", "random", "--budget", "1000", "--out", "run", "--quiet")
    assert code == 0
    assert f"Cost model times:{place / 'two'}" in out
    assert "Regret: 0.00 %" in out
    assert "bottleneck" not in out
    code, out, _ = run("search", "--resume", "run", "--json")
    assert code == 0
    code, _, err = run("search", "--resume", "run", "--cost-model", "times:two")
    assert code == 2
    assert "leave out --cost-model" in err
    code, out, _ = run("dataset", "generate", "--workloads", WORKLOAD, "--n", "20", *options[2:], "--out", "data")
    assert code == 0
    assert datasets.load("data").info["cost_model"] == f"times:{place / 'two'}"
    for command in ("search", "optimum", "compare", "dataset"):
        words = [command, "generate", "--out", "x"] if command == "dataset" else [command]
        code, _, err = run(*words, "--cost-model", "time")
        assert code == 2
        assert "did you mean 'times'?" in err


def spelled(value):
    return ",".join(map(str, value)) if isinstance(value, list) else value


# -- the page


def test_the_example_of_the_page_works(place, monkeypatch):
    (example,) = re.findall(r"```python\n(.*?)```", (DOCS / "extending.md").read_text(), re.DOTALL)
    assert len(example.splitlines()) <= 40
    (place / "corner_of_the_page.py").write_text(example)
    monkeypatch.syspath_prepend(place)
    importlib.import_module("corner_of_the_page")
    theirs = archgym.search("systolic", WORKLOAD, "random", budget=50, cost_model="corner:25", out="corner")
    ours = archgym.evaluate("corner", cost_model="analytical")
    assert theirs.metrics["latency_s"] == pytest.approx(1.25 * ours.metrics["latency_s"])
    assert theirs.metrics["derating"] == 1.25
    assert resume_search("corner").metrics == theirs.metrics
    del COST_MODELS.entries["corner"]
