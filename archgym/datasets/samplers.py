"""Samplers of design spaces: distinct designs, chunk after chunk, in constant memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from archgym.errors import missing_extra
from archgym.space import DesignSpace, Indices

CHUNK = 2**16  # designs at a time
SOBOL_LENGTH = 2**30  # points of the sequence, as SciPy makes it
LARGEST_MAP = 2**30  # designs of a space whose known ones are kept as bits: 128 MiB
FEW_NEW = 0.01  # share of new designs in a chunk below which what is left of a space is listed

Sampler = Callable[[DesignSpace, int], Iterator[Indices]]


def sobol(space: DesignSpace, seed: int) -> Iterator[Indices]:
    """Points of a scrambled Sobol sequence, each taken to the choices whose share of the unit interval it falls in.

    Raises:
        MissingExtraError: SciPy is not installed.
    """
    try:
        from scipy.stats import qmc
    except ImportError as error:
        raise missing_extra("sampler 'sobol'", "optimisers", error) from error
    sequence = qmc.Sobol(len(space), rng=np.random.default_rng(seed))
    for _ in range(SOBOL_LENGTH // CHUNK):
        points = sequence.random(CHUNK)
        yield np.minimum((points * space.shape).astype(np.int64), space.shape - 1)


def uniform(space: DesignSpace, seed: int) -> Iterator[Indices]:
    """Uniform designs, without end."""
    rng = np.random.default_rng(seed)
    while True:
        yield space.sample(CHUNK, rng)


SAMPLERS: dict[str, Sampler] = {"sobol": sobol, "random": uniform}


def distinct(space: DesignSpace, sampler: str, n: int, seed: int) -> Iterator[Indices]:
    """`n` designs of a space (at most its size), each once, in the order of the sampler.

    Where a sampler brings hardly any new design, nearly all are known: the rest follow in random order.
    """
    known = _Known(space.size)
    left = n
    for proposed in SAMPLERS[sampler](space, seed):
        fresh = proposed[known.add(space.rank(proposed))][:left]
        left -= len(fresh)
        if len(fresh):
            yield fresh
        if not left or (len(fresh) < FEW_NEW * len(proposed) and space.size <= LARGEST_MAP):
            break
    if left:
        rest = np.random.default_rng([seed, n]).permutation(known.others())[:left]
        for start in range(0, len(rest), CHUNK):
            yield space.unrank(rest[start : start + CHUNK])


class _Known:
    """Which ranks of 0..size-1 have come: a bit each, or in larger spaces a sorted array of those that have."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._bits = np.zeros(-(-size // 8), np.uint8) if size <= LARGEST_MAP else None
        self._sorted = np.empty(0, np.int64)

    def add(self, ranks: NDArray[np.int64]) -> NDArray[np.int64]:
        """Positions of the ranks [N] that had not come, each where it comes first; they have come now."""
        distinct, first = np.unique(ranks, return_index=True)
        new = ~self._has(distinct)
        added = distinct[new]
        if self._bits is None:
            self._sorted = np.insert(self._sorted, np.searchsorted(self._sorted, added), added)
        else:
            np.bitwise_or.at(self._bits, added >> 3, np.left_shift(1, added & 7).astype(np.uint8))
        return np.sort(first[new])

    def _has(self, ranks: NDArray[np.int64]) -> NDArray[np.bool_]:
        if self._bits is not None:
            return (self._bits[ranks >> 3] >> (ranks & 7) & 1).astype(np.bool_)
        place = np.searchsorted(self._sorted, ranks)
        found = np.zeros(len(ranks), np.bool_)
        inside = place < len(self._sorted)
        found[inside] = self._sorted[place[inside]] == ranks[inside]
        return found

    def others(self) -> NDArray[np.int64]:
        """Ranks that have not come; of spaces with bits only."""
        assert self._bits is not None
        return np.flatnonzero(np.unpackbits(self._bits, count=self.size, bitorder="little") == 0)
