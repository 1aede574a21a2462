from __future__ import annotations

import numpy as np
import pytest

from archgym.agents.exhaustive import Exhaustive, permuted
from archgym.testing.agents import check_agent, play, problems


def test_conformance() -> None:
    check_agent(Exhaustive, improves=False)


def test_every_design_comes_once_and_then_again() -> None:
    problem = problems()[6]
    agent = Exhaustive(problem.space, 1, 0)
    first, second = (np.concatenate(play(agent, problem, 3, n=2)) for _ in range(2))
    assert len(np.unique(problem.space.rank(first))) == problem.space.size == 6
    assert np.array_equal(first, second)


@pytest.mark.parametrize("size", [1, 2, 3, 64, 65, 1000, 4097])
def test_the_order_is_a_permutation(size: int) -> None:
    keys = np.random.default_rng(0).integers(0, 2**64, 6, np.uint64)
    assert sorted(permuted(np.arange(size, dtype=np.uint64), size, keys)) == list(range(size))


def test_the_beginning_is_a_uniform_sample() -> None:
    """Also of the largest space that can be ranked: mean and deviation of the first 20,000 ranks."""
    keys = np.random.default_rng(1).integers(0, 2**64, 6, np.uint64)
    for size in (10**6, 2**63 - 1):
        share = permuted(np.arange(20_000, dtype=np.uint64), size, keys) / size
        assert abs(share.mean() - 0.5) < 0.01
        assert abs(share.std() - 12**-0.5) < 0.01
        assert abs(np.corrcoef(share[:-1], share[1:])[0, 1]) < 0.03
