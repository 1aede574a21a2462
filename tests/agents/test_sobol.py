from __future__ import annotations

import warnings

import numpy as np

from archgym.agents.sobol import Sobol
from archgym.testing.agents import check_agent, mixed_space, play, problems


def test_conformance() -> None:
    check_agent(Sobol, improves=False)


def test_choices_are_covered_evenly() -> None:
    """Of 512 points of the sequence, 64 fall on each of the 8 choices of every ordinal parameter."""
    space = mixed_space()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        indices = Sobol(space, 1, 0).ask(512)
    counts = np.array([np.bincount(indices[:, column], minlength=8) for column in range(6)])
    assert (counts == 64).all()


def test_a_small_space_is_enumerated() -> None:
    problem = problems()[6]
    found = np.concatenate(play(Sobol(problem.space, 1, 0), problem, 3, n=2))
    assert sorted(problem.space.rank(found).tolist()) == list(range(6))
