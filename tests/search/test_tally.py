import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from archgym.search.tally import Front, RankSet

grids = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=60)


def expected_front(points):
    """Rank and point of each non-dominated point by definition; of equal points the first."""
    firsts = {tuple(point): rank for rank, point in reversed(list(enumerate(points)))}
    keep = [p for p in firsts if not any(q != p and all(a <= b for a, b in zip(q, p, strict=True)) for q in firsts)]
    return [firsts[p] for p in sorted(keep)], sorted(keep)


@given(grids, st.integers(1, 7), st.randoms())
def test_front_is_exact_whatever_the_order_and_the_batches(points, batch, random):
    order = list(range(len(points)))
    random.shuffle(order)
    front = Front(3)
    for start in range(0, len(order), batch):
        ranks = np.array(order[start : start + batch])
        front.add(ranks, np.array(points, float)[ranks])
        if start % 2:
            front.merge()
    ranks, kept = expected_front(points)
    assert len(front) == len(ranks)
    assert_array_equal(front.ranks, ranks)
    assert_array_equal(front.points, kept)


@given(st.lists(st.lists(st.integers(0, 2**62), min_size=1, max_size=20), max_size=20))
def test_rank_set_counts_as_a_set(batches):
    ranks = RankSet()
    for batch in batches:
        ranks.add(np.array(batch))
    assert len(ranks) == len({rank for batch in batches for rank in batch})


def test_rank_set_takes_few_runs():
    ranks = RankSet()
    rng = np.random.default_rng(0)
    for _ in range(1000):
        ranks.add(rng.integers(0, 2**40, 64))
    assert len(ranks._runs) < 16
