from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from archgym.agents import AGENTS
from archgym.agents.base import Agent
from archgym.agents.genetic import Genetic, constrained_ranks, crowded_order, crowding_distance, reflect
from archgym.agents.random import Random
from archgym.envs.evaluator import Evaluator
from archgym.envs.systolic import SYSTOLIC
from archgym.objective import Objective
from archgym.space import DesignSpace
from archgym.spec import option_defaults
from archgym.sweeps.pbt import ADJUSTABLE
from archgym.testing import agents as testing
from archgym.workloads import Workload

OBJECTIVE = Objective("latency_s*energy_j", ["area_mm2<=100"])


HERE = ("random", "genetic", "tpe", "ppo")  # the others have a file of their own


@pytest.mark.parametrize("name", HERE)
def test_conformance(name: str) -> None:
    testing.check_agent(AGENTS.load(name), improves=name != "random")
    assert bool(AGENTS.load(name).adjustable) == (name in ADJUSTABLE)


@pytest.mark.parametrize("name", [name for name in AGENTS if name not in HERE])
def test_every_other_agent_has_its_own_conformance_test(name: str) -> None:
    module = AGENTS.entry(name).target.partition(":")[0].rpartition(".")[2]
    assert "check_agent(" in (Path(__file__).parent / f"test_{module}.py").read_text()
    declared = AGENTS.load(name).hyperparameters
    assert set(declared) <= set(option_defaults(AGENTS.load(name)))
    assert bool(AGENTS.load(name).adjustable) == (name in ADJUSTABLE)


# -- the suite itself finds broken agents


class Unseeded(Random):
    def propose(self, n, rng):
        return np.random.randint(0, self.space.shape, (n, len(self.space)))


class Amnesiac(Genetic):
    def load(self, state):
        self.asked = int(state["asked"])


class Greedy(Random):
    def propose(self, n, rng):
        return self.space.sample(n + 1, rng)


class Stubborn(Random):
    def propose(self, n, rng):
        return np.repeat(self.space.centre[None], n, axis=0)


class Sequential(Random):
    """Learns while asked."""

    calls = 0

    def propose(self, n, rng):
        self.calls += 1
        return self.space.unrank((np.arange(n) + self.calls) % self.space.size)


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (Unseeded, "ask must learn nothing"),
        (Amnesiac, "state and load"),
        (Greedy, "must return 1 to"),
        (Stubborn, "the seed is not used"),
        (Sequential, "ask must learn nothing"),
    ],
)
def test_the_suite_finds_broken_agents(broken: type[Agent], message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        testing.check_agent(broken)


def test_the_suite_finds_an_agent_that_does_not_improve() -> None:
    with pytest.raises(AssertionError, match="did not beat random"):
        testing.check_improves(Random)


def test_the_suite_finds_use_of_global_generators() -> None:
    with pytest.raises(AssertionError, match="changed the global random state of numpy"):
        testing.check_isolation(Unseeded)


# -- NSGA-II


def test_constrained_domination() -> None:
    objectives = np.array([[1.0, 4.0], [2.0, 2.0], [3.0, 3.0], [0.0, 0.0], [0.0, 0.0], [np.nan, np.nan]])
    violation = np.array([0.0, 0.0, 0.0, 0.5, 0.1, np.inf])
    # Deb 2002, definition 1: valid designs by Pareto domination, then the others by violation whatever their objectives
    assert constrained_ranks(objectives, violation).tolist() == [0, 0, 1, 3, 2, 4]
    assert crowded_order(objectives, violation)[2:].tolist() == [2, 4, 3, 5]


def test_crowding_distance() -> None:
    distance = crowding_distance(np.array([[0.0, 10.0], [1.0, 4.0], [5.0, 2.0], [10.0, 0.0]]))
    assert distance.tolist() == [np.inf, 0.5 + 0.8, 0.9 + 0.4, np.inf]
    assert np.isinf(crowding_distance(np.ones((1, 2)))).all()


def test_reflect_stays_inside() -> None:
    indices = np.array([[-2, -1, 0], [4, 3, 1], [1, 1, -2]])
    assert reflect(indices, np.array([4, 3, 1])).tolist() == [[2, 1, 0], [2, 1, 0], [1, 1, 0]]


def test_genetic_finds_the_whole_front() -> None:
    problem = testing.problems()[1]
    space = testing.mixed_space(ordinal=4, categorical=1, choices=6)  # 3888 designs
    everything = np.concatenate(list(space.enumerate()))
    problem = testing.Problem("front", space, problem.objective)
    truth = problem(everything).objectives
    truth = np.unique(truth[constrained_ranks(truth, np.zeros(len(truth))) == 0].round(12), axis=0)
    asked = np.concatenate(testing.play(Genetic(space, 2, 0), problem, rounds=12))
    assert len(np.unique(space.rank(asked))) == len(asked) < len(everything) / 3
    found = {tuple(row) for row in problem(asked).objectives.round(12)}
    share = np.mean([tuple(row) in found for row in truth])
    assert share > 0.95


def test_genetic_lists_every_design_of_a_small_space_once() -> None:
    space = testing.mixed_space(ordinal=2, categorical=1, choices=8)  # 192 designs
    problem = testing.Problem("small", space, Objective("near_m"))
    asked = np.concatenate(testing.play(Genetic(space, 1, 0), problem, rounds=8))
    assert sorted(space.rank(asked)) == list(range(space.size))


# -- against the truth on a small systolic space


@pytest.fixture(scope="module")
def small() -> tuple[DesignSpace, Evaluator]:
    """7 * 7 * 5 * 3 * 2 * 7 * 7 * 8 = 576,240 designs of mobilenetv2."""
    space = SYSTOLIC.space.restrict(
        filter_sram_kib=512, clock_ghz=0.7, vector_lanes=512, operand_bits=8, accumulator_bits=32
    )
    return space, Evaluator(SYSTOLIC, Workload.load("mobilenetv2"), threads=1)


def _scores(evaluator: Evaluator, space: DesignSpace, indices: np.ndarray) -> np.ndarray:
    return OBJECTIVE(evaluator.evaluate_designs(space.decode(indices))).scores


def _search(agent: Agent, evaluator: Evaluator, budget: int) -> float:
    best, n = np.inf, 0
    while n < budget:
        indices = agent.ask(min(agent.batch, budget - n))
        outcome = OBJECTIVE(evaluator.evaluate_designs(agent.space.decode(indices)))
        agent.tell(indices, outcome)
        best, n = min(best, outcome.scores.min()), n + len(indices)
    return best


@pytest.mark.parametrize(
    ("name", "budget", "within"), [("genetic", 3000, 1.01), ("ppo", 5000, 1.05), ("tpe", 300, 1.5)]
)
def test_agents_come_close_to_the_true_optimum(small, name: str, budget: int, within: float) -> None:
    space, evaluator = small
    optimum = min(_scores(evaluator, space, chunk).min() for chunk in space.enumerate())
    ours = _search(AGENTS.load(name)(space, 1, 0), evaluator, budget)
    baseline = np.median([_search(Random(space, 1, seed), evaluator, budget) for seed in range(5)])
    assert optimum <= ours <= within * optimum
    assert ours < baseline


@pytest.mark.slow
@pytest.mark.parametrize("workload", ["mobilenetv2", "bert-base"])
def test_ppo_is_within_five_percent_of_what_a_long_genetic_search_finds(workload: str) -> None:
    evaluator = Evaluator(SYSTOLIC, Workload.load(workload), threads=1)
    reference = min(_search(Genetic(SYSTOLIC.space, 1, seed), evaluator, 50_000) for seed in range(3))
    for seed in range(3):
        agent = AGENTS.load("ppo")(SYSTOLIC.space, 1, seed)
        assert _search(agent, evaluator, agent.budget) <= 1.05 * reference
