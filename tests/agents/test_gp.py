from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from archgym.agents.gp import GP
from archgym.objective import Objective
from archgym.testing.agents import Problem, check_agent, mixed_space, play


@pytest.mark.slow
def test_conformance() -> None:
    check_agent(lambda space, n_objectives, seed: GP(space, n_objectives, seed, batch=2, startup=10), improves=False)


def test_finds_the_optimum_of_a_small_space_behind_a_constraint() -> None:
    problem = Problem("small", mixed_space(2, 1), Objective("far_m", ["size_m<=1.2"]), feasible_size=1.6)
    optimum = min(problem(chunk).scores.min() for chunk in problem.space.enumerate())
    asked = np.concatenate(play(GP(problem.space, 1, 0, batch=4, startup=12), problem, 10))
    assert len(np.unique(problem.space.rank(asked))) == len(asked) == 40  # of 192
    assert problem(asked).scores.min() == optimum
