from __future__ import annotations

import subprocess
import sys

import numpy as np

from archgym.agents.policy import Memory, shaped
from archgym.agents.random import Random
from archgym.agents.reinforce import Reinforce, entropy_gradient, likelihood_gradient, softmax
from archgym.objective import Objective
from archgym.testing import agents as testing


def test_conformance() -> None:
    testing.check_agent(Reinforce)


def test_finds_the_optimum_of_a_small_space() -> None:
    space = testing.mixed_space(ordinal=4, categorical=1, choices=6)  # 3888 designs
    problem = testing.Problem("small", space, Objective("near_m"))
    optimum = problem(np.concatenate(list(space.enumerate()))).scores.min()
    for seed in testing.SEEDS:
        asked = np.concatenate(testing.play(Reinforce(space, 1, seed), problem, rounds=40))
        assert len(np.unique(space.rank(asked))) == len(asked) <= 640
        assert problem(asked).scores.min() == optimum


def test_goes_on_after_it_has_converged() -> None:
    space = testing.mixed_space(ordinal=3, categorical=1, choices=8)  # 1536 designs
    problem = testing.Problem("long", space, Objective("near_m"))
    asked = np.concatenate(testing.play(Reinforce(space, 1, 0), problem, rounds=90))
    assert len(asked) > 1000  # of 1440 asked for: a policy may draw fewer
    assert len(np.unique(space.rank(asked))) == len(asked)


def test_lists_every_design_of_a_small_space_once() -> None:
    space = testing.mixed_space(ordinal=1, categorical=1, choices=8)  # 24 designs
    problem = testing.Problem("tiny", space, Objective("near_m"))
    agent, seen = Reinforce(space, 1, 0), set()
    while len(seen) < space.size:
        indices = agent.ask(agent.batch)
        ranks = set(space.rank(indices).tolist())
        assert len(ranks) == len(indices)
        assert not ranks & seen
        agent.tell(indices, problem(indices))
        seen |= ranks
    assert len(agent.ask(3)) >= 1  # nothing new is left


def test_gradients_are_those_of_finite_differences() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(3, 4))
    logits[1, 3] = -np.inf  # a parameter with three choices
    indices, utilities = rng.integers(0, 3, (5, 3)), rng.normal(size=5)

    def utility(logits: np.ndarray) -> float:
        return float(np.mean(utilities * np.log(softmax(logits)[np.arange(3), indices]).sum(axis=1)))

    def entropy(logits: np.ndarray) -> float:
        policy = softmax(logits)
        return float(-(policy * np.log(np.where(policy > 0, policy, 1))).sum())

    policy = softmax(logits)
    gradients = likelihood_gradient(policy, indices, utilities), entropy_gradient(policy)
    for function, gradient in zip((utility, entropy), gradients, strict=True):
        assert gradient[1, 3] == 0
        for place in np.argwhere(np.isfinite(logits)):
            step = np.zeros(logits.shape)
            step[tuple(place)] = 1e-6
            slope = (function(logits + step) - function(logits - step)) / 2e-6
            np.testing.assert_allclose(gradient[tuple(place)], slope, atol=1e-8)


def test_needs_no_torch() -> None:
    program = "import sys, archgym.agents.reinforce; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_shaped_rewards() -> None:
    utilities = shaped(np.array([-40.0, 3.0, 1.0, 1.0, 2.0]))
    assert abs(utilities.mean()) < 1e-12
    assert abs(utilities.std() - 1) < 1e-6
    assert utilities[1] > utilities[4] > utilities[2] == utilities[3] == utilities[0]  # the worse half is alike
    assert np.isfinite(shaped(np.ones(4))).all()


def test_memory_proposes_no_known_design() -> None:
    space = testing.mixed_space(ordinal=1, categorical=0, choices=4)
    memory = Memory(space)
    memory.drawn = space.unrank([0, 0, 1, 2])
    first = memory.tell(space.unrank([0, 2]), np.array([1.0, 2.0]))
    assert (first.drawn, first.known, first.rewards.tolist()) == (4, 0, [1.0, 1.0, 2.0])
    assert memory.new(4, lambda: space.unrank([0, 1, 2, 1]))[:, 0].tolist() == [1]
    assert memory.new(4, lambda: space.unrank([0, 2])).shape == (0, 2)
    assert sorted(memory.others(4, np.random.default_rng(0))[:, 0].tolist()) == [1, 3]


def test_better_than_random() -> None:
    problem = testing.problems()[2]
    ours, baseline = [], []
    for seed in range(5):
        ours.append(problem(np.concatenate(testing.play(Reinforce(problem.space, 1, seed), problem, 40))).scores.min())
        baseline.append(problem(Random(problem.space, 1, seed).ask(640)).scores.min())
    assert np.median(ours) < min(baseline)
