import json
import os
import signal
import sys
from types import ModuleType

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from archgym.agents import AGENTS
from archgym.agents.random import Random
from archgym.envs.evaluator import Evaluator
from archgym.errors import ArchGymError, InputError, RunError
from archgym.objective import Objective
from archgym.registry import Entry
from archgym.search import Interrupted, load_run, new_run_path, resume_search, search


@pytest.fixture
def register(monkeypatch):
    """Make a class available as an agent by name."""

    def add(name, build):
        module = ModuleType(f"agents_of_a_test_{name}")
        module.Build = build
        monkeypatch.setitem(sys.modules, module.__name__, module)
        monkeypatch.setitem(AGENTS.entries, name, Entry(f"{module.__name__}:Build"))

    return add


def test_result_agrees_with_the_trials(evaluator, objective, tmp_path):
    result = search(evaluator, objective, "random", budget=3000, out=tmp_path / "run")
    trials = load_run(tmp_path / "run").trials
    assert len(trials) == result.evaluated == 3000
    assert list(trials.trial) == list(range(3000))
    valid = trials[trials.violation == 0]
    best = valid.loc[valid.objective_0.idxmin()]
    assert result.trial == best.trial
    assert result.objectives == [best.objective_0]
    assert result.best == {name: best[name] for name in evaluator.family.space.names}
    assert result.metrics["latency_s"] == best.latency_s
    assert result.infeasible == (~trials.feasible).sum() == sum(result.reasons.values())
    assert result.violating == (trials.feasible & (trials.violation > 0)).sum()
    assert set(trials.why) == {"", *result.reasons}
    assert result.closest is None
    assert result.regret is None
    assert json.loads((tmp_path / "run/result.json").read_text()) == json.loads(json.dumps(result.as_dict()))


def test_indices_columns_decode_to_the_value_columns(evaluator, objective):
    trials = search(evaluator, objective, "random", budget=50).trials
    space = evaluator.family.space
    indices = trials[[f"i_{name}" for name in space.names]].to_numpy()
    values = space.values(space.decode(indices))
    for name in space.names:
        assert list(trials[name]) == [value[name] for value in values]


@pytest.mark.parametrize("agent", ["random", "genetic?offspring=40"])
def test_trials_depend_neither_on_checkpoints_nor_on_where_they_are_kept(evaluator, objective, tmp_path, agent):
    here = search(evaluator, objective, agent, budget=300, seed=3)
    often = search(evaluator, objective, agent, budget=300, seed=3, out=tmp_path / "run", checkpoint_s=0)
    assert here.trials.equals(often.trials)
    assert not here.trials.equals(search(evaluator, objective, agent, budget=300, seed=4).trials)


def test_repeats_are_counted(evaluator, objective, register):
    class Stubborn(Random):
        def propose(self, n, rng):
            return np.repeat(self.space.centre[None], n, axis=0)

    register("stubborn", Stubborn)
    result = search(evaluator, objective, "stubborn", budget=2500)
    assert (result.evaluated, result.distinct, result.repeated) == (2500, 1, 2499)


def test_front_is_the_non_dominated_set_of_the_trials(evaluator, two_objectives):
    result = search(evaluator, two_objectives, "random", budget=4000)
    valid = result.trials[result.trials.violation == 0]
    points = valid[["objective_0", "objective_1"]].to_numpy()
    dominated = [((points <= p).all(axis=1) & (points < p).any(axis=1)).any() for p in points]
    expected = np.unique(points[~np.array(dominated)], axis=0)
    assert_array_equal(result.front_objectives, expected)
    outcome = two_objectives(evaluator.evaluate(result.front_indices))
    assert_array_equal(outcome.objectives, expected)
    assert len(result.as_dict()["front"]) == len(expected)


def test_without_a_valid_design_the_closest_is_told(evaluator):
    objective = Objective("latency_s", ["area_mm2<=0.1", "latency_s<=1000"])
    result = search(evaluator, objective, "random", budget=2000)
    assert result.best is result.metrics is result.objectives is None
    assert result.front_indices.shape == (0, 13)
    feasible = result.trials[result.trials.feasible]
    assert result.closest["violation"] == feasible.violation.min()
    (missed,) = result.closest["missed"]
    assert missed == {"constraint": "area_mm2<=0.1", "value": feasible.area_mm2.min(), "bound": 0.1}
    json.dumps(result.as_dict(), allow_nan=False)


def test_a_restricted_space_is_kept_to(evaluator, objective, small, tmp_path):
    result = search(evaluator, objective, "random", budget=500, space=small, out=tmp_path / "run")
    assert set(result.trials.memory) == {"hbm2-x1", "ddr4-3200-x1"}
    assert load_run(tmp_path / "run").config["space"]["arrays"] == [4]


def test_progress_is_reported_and_ends_at_the_budget(evaluator, objective):
    seen = []
    search(evaluator, objective, "random", budget=5000, on_progress=seen.append)
    assert seen[-1].evaluated == seen[-1].budget == 5000
    assert seen[-1].best < np.inf
    assert 0 < seen[-1].feasible_share < 1


@pytest.mark.parametrize("budget", [0, -1, 1.5, True, "many", float("nan")])
def test_bad_budgets_are_refused_and_leave_no_directory(evaluator, objective, tmp_path, budget):
    with pytest.raises(InputError, match="budget must be"):
        search(evaluator, objective, "random", budget=budget, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"agent": "rnadom"}, "did you mean 'random'"),
        ({"agent": "random?population=3"}, "has no options"),
        ({"agent": "genetic?populaton=3"}, "did you mean 'population'"),
        ({"seed": -1}, "seed must be at least 0"),
        ({"objective": Objective("latency")}, "did you mean 'latency_s'"),
        ({"resume": True}, "nothing to resume"),
    ],
)
def test_bad_arguments_are_refused(evaluator, objective, arguments, message):
    with pytest.raises(ArchGymError, match=message):
        search(**{"evaluator": evaluator, "objective": objective, "agent": "random", "budget": 9} | arguments)


@pytest.mark.parametrize(
    ("proposal", "message"),
    [
        (lambda n: np.zeros((n, 2), np.int64), "indices must be integers"),
        (lambda n: np.full((n, 13), 99), "outside 0"),
        (lambda n: np.zeros((n, 13)), "indices must be integers"),
        (lambda n: np.zeros((n + 1, 13), np.int64), "when asked for 1 to"),
        (lambda n: np.zeros((0, 13), np.int64), "proposed 0 designs"),
        (lambda n: None, "indices must be integers"),
    ],
)
def test_an_agent_that_misbehaves_is_named(evaluator, objective, register, proposal, message):
    class Bad(Random):
        def propose(self, n, rng):
            return proposal(n)

    register("bad", Bad)
    with pytest.raises(ArchGymError, match=f"agent 'bad'.*{message}"):
        search(evaluator, objective, "bad", budget=9)


def test_an_agent_whose_state_needs_pickle_is_refused(evaluator, objective, register, tmp_path):
    class Bad(Random):
        def state(self):
            return {"asked": self.asked, "history": None}

    register("bad", Bad)
    with pytest.raises(ArchGymError, match="'history' must be an array"):
        search(evaluator, objective, "bad", budget=9, out=tmp_path / "run")


def test_a_metric_that_is_no_number_is_an_error_that_names_the_design(evaluator, objective):
    class Broken(Evaluator):
        def evaluate_designs(self, designs):
            metrics = super().evaluate_designs(designs)
            metrics.energy_j[metrics.feasible] = np.nan
            return metrics

    broken = Broken(evaluator.family, evaluator.workload)
    with pytest.raises(ArchGymError, match=r"energy_j=nan for array_rows=\d+, array_columns"):
        search(broken, objective, "random", budget=100)


class Trigger:
    """Calls a function once, in the third report."""

    def __init__(self, function):
        self.function, self.calls = function, 0

    def __call__(self, progress):
        self.calls += 1
        if self.calls == 3:
            self.function()


def interrupt():
    raise KeyboardInterrupt


@pytest.mark.parametrize("stop", [interrupt, lambda: os.kill(os.getpid(), signal.SIGINT)], ids=["raised", "signal"])
def test_ctrl_c_saves_everything_and_the_run_can_be_resumed(evaluator, objective, tmp_path, monkeypatch, stop):
    monkeypatch.setattr("archgym.search.loop.PROGRESS_S", 0)
    arguments = evaluator, objective, "genetic?offspring=40"
    with pytest.raises(Interrupted, match=r"interrupted after \d+ of 400 designs; \d+ are saved in") as caught:
        search(*arguments, budget=400, out=tmp_path / "run", on_progress=Trigger(stop))
    assert isinstance(caught.value, RunError)
    assert caught.value.path == tmp_path / "run"
    done = caught.value.result.evaluated
    assert 0 < done < 400
    assert len(load_run(tmp_path / "run").trials) == done
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert resume_search(tmp_path / "run").trials.equals(search(*arguments, budget=400).trials)


def test_ctrl_c_within_a_batch_falls_back_to_the_last_checkpoint(evaluator, objective, tmp_path, register):
    calls = []

    class Slow(Random):
        batch = 10

        def tell(self, indices, outcome):
            calls.append(1)
            if len(calls) == 5:
                raise KeyboardInterrupt

    register("slow", Slow)
    with pytest.raises(Interrupted, match="after 40 of 100 designs"):
        search(evaluator, objective, "slow", budget=100, out=tmp_path / "run")
    resumed = search(evaluator, objective, "slow", budget=100, out=tmp_path / "run", resume=True)
    assert resumed.trials.equals(search(evaluator, objective, "slow", budget=100).trials)


def test_new_run_paths_are_fresh_and_safe(tmp_path):
    spec = ("systolic?node_nm=16", "llama3-8b:decode?batch=8&context=2048", "ppo?lr=3e-4", 7)
    path = new_run_path(tmp_path, *spec)
    assert path.name == "systolic_node_nm_16-llama3_8b_decode_batch_8_context_2048-ppo_lr_3e_4-s7-1"
    path.mkdir()
    assert new_run_path(tmp_path, *spec).name.endswith("-s7-2")
    assert new_run_path(tmp_path, "../..", "/etc/passwd", "a b", 0).parent == tmp_path
