from __future__ import annotations

import numpy as np
import pytest

from archgym.agents.cma_es import CMAES
from archgym.objective import Objective
from archgym.testing.agents import (
    Problem,
    check_agent,
    check_proposals,
    check_same_trials,
    mixed_space,
    play,
    problems,
)


def test_conformance() -> None:
    check_agent(CMAES)


@pytest.mark.parametrize("seed", range(3))
def test_finds_the_optimum_of_a_small_space(seed: int) -> None:
    """Within 1500 of 2.4 million designs."""
    problem = problems()[0]
    agent = CMAES(problem.space, 1, seed)
    found = min(problem(indices).scores.min() for indices in play(agent, problem, 1500 // agent.batch))
    assert found == pytest.approx(optimum())


def test_no_design_comes_twice() -> None:
    for problem in problems()[:5]:
        agent = CMAES(problem.space, len(problem.objective), 0)
        ranks = problem.space.rank(np.concatenate(play(agent, problem, 600 // agent.batch)))
        assert len(ranks) == len(set(ranks.tolist()))


def optimum() -> float:
    """Of the problem with one objective: names do not matter there, numbers are enumerated."""
    problem = problems()[0]
    small = np.indices((3,) * 6).reshape(6, -1).T + 1  # the target is between the choices 2 and 3 of 0..7
    names = np.indices((3, 3)).reshape(2, -1).T
    designs = np.concatenate(
        [np.column_stack([small, np.repeat([name], len(small), axis=0), np.zeros(len(small))]) for name in names]
    )
    return float(problem(designs.astype(np.int64)).scores.min())


@pytest.mark.parametrize("kinds", [(4, 0), (0, 6)])
def test_spaces_of_one_kind(kinds: tuple[int, int]) -> None:
    problem = Problem("one kind", mixed_space(*kinds), Objective("near_m"))
    check_same_trials(CMAES, problem)
    check_proposals(CMAES, problem)
