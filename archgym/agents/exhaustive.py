"""Exhaustive search: every design once, in an order that makes a search stopped early a uniform sample.

Designs are numbered by their rank; the order is a pseudo-random permutation of ranks, computed and never stored.

Sources: M. Luby, C. Rackoff, "How to construct pseudorandom permutations from pseudorandom functions", SIAM Journal on
Computing 17(2), 1988 (Feistel rounds); J. Black, P. Rogaway, "Ciphers with arbitrary finite domains", CT-RSA 2002
(cycle walking, section 3); G. L. Steele, D. Lea, C. H. Flood, "Fast splittable pseudorandom number generators",
OOPSLA 2014 (the mixing function).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from archgym.agents.base import Agent, State
from archgym.objective import Outcome
from archgym.space import DesignSpace, Indices

ROUNDS = 6  # of the Feistel network: four are enough against chosen inputs of a good function, two more for a fast one


class Exhaustive(Agent):
    """Enumerates the space without repeats and in constant memory, then starts over."""

    batch = 4096

    def __init__(self, space: DesignSpace, n_objectives: int, seed: int) -> None:
        super().__init__(space, n_objectives, seed)
        self._keys = np.random.default_rng(seed).integers(0, 2**64, ROUNDS, np.uint64)
        self._position = 0  # designs told of

    def propose(self, n: int, rng: np.random.Generator) -> Indices:
        """The next designs of the order; not past its end."""
        start = self._position % self.space.size
        places = np.arange(start, min(start + n, self.space.size), dtype=np.uint64)
        return self.space.unrank(permuted(places, self.space.size, self._keys))

    def tell(self, indices: Indices, outcome: Outcome) -> None:
        """Go on."""
        self._position += len(indices)

    def state(self) -> State:
        """The place in the order."""
        return super().state() | {"position": self._position}

    def load(self, state: State) -> None:
        """Continue from a saved state."""
        super().load(state)
        self._position = int(state["position"])


def permuted(places: NDArray[np.uint64], size: int, keys: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Images [N] of places 0..size-1 under the permutation of 0..size-1 that `keys` stands for.

    A Feistel network permutes a power of four that is at least `size`; what falls outside goes through it again (Black
    and Rogaway 2002, section 3): under four times on average.
    """
    half = np.uint64(max((size - 1).bit_length() + 1, 2) // 2)
    images = feistel(places, half, keys)
    while (outside := images >= size).any():
        images[outside] = feistel(images[outside], half, keys)
    return images.astype(np.int64)


def feistel(places: NDArray[np.uint64], half: np.uint64, keys: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """One pass of a balanced Feistel network over numbers of 2 * half bits (Luby and Rackoff 1988)."""
    mask = (np.uint64(1) << half) - np.uint64(1)
    left, right = places >> half, places & mask
    for key in keys:
        left, right = right, left ^ (mix(right ^ key) & mask)
    return (left << half) | right


def mix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The mixing function of SplitMix64: flips about half of all bits where one bit of the input flips."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
