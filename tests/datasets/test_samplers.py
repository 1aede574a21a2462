"""Distinct designs, as many as asked for, in any space."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archgym.datasets import samplers
from archgym.datasets.samplers import SAMPLERS, distinct
from archgym.space import DesignSpace, Parameter

SPACES = st.lists(st.integers(1, 6), min_size=1, max_size=5)


def space_of(sizes) -> DesignSpace:
    return DesignSpace(Parameter(f"p{k}", tuple(range(1, size + 1))) for k, size in enumerate(sizes))


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("largest_map", [2**30, 0])
@settings(max_examples=8)
@given(sizes=SPACES, share=st.floats(0.01, 1), seed=st.integers(0, 99))
def test_designs_are_distinct_and_as_many_as_asked_for(sampler, largest_map, sizes, share, seed) -> None:
    space = space_of(sizes)
    n = max(int(space.size * share), 1) if largest_map else 1 + int(share * space.size / 4)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(samplers, "CHUNK", 64)
        patch.setattr(samplers, "LARGEST_MAP", largest_map)
        chunks = list(distinct(space, sampler, n, seed))
    indices = np.concatenate(chunks)
    assert len(indices) == n == len(set(space.rank(space.check(indices)).tolist()))


def test_sobol_covers_every_choice_evenly() -> None:
    space = space_of([7, 3, 5, 8])
    indices = np.concatenate(list(distinct(space, "sobol", 420, 0)))
    for column, size in zip(indices.T, space.shape, strict=True):
        counts = np.bincount(column, minlength=size)
        assert counts.max() - counts.min() <= 0.2 * 420 / size


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_longer_sample_begins_as_a_shorter_one(sampler) -> None:
    space = space_of([6] * 8)
    short, long = (np.concatenate(list(distinct(space, sampler, n, 3))) for n in (100, 70_000))
    np.testing.assert_array_equal(short, long[:100])


def test_sobol_chunks_are_one_sequence(monkeypatch) -> None:
    space = space_of([6] * 8)
    whole = next(SAMPLERS["sobol"](space, 5))[:256]
    monkeypatch.setattr(samplers, "CHUNK", 64)
    parts = np.concatenate(list(itertools.islice(SAMPLERS["sobol"](space, 5), 4)))
    np.testing.assert_array_equal(parts, whole)
