"""What agents with a policy share: a memory of known designs, and rewards shaped by rank."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from archgym.agents.base import State
from archgym.agents.memory import LARGEST_LISTED
from archgym.objective import FloatArray
from archgym.space import DesignSpace, Indices

DRAWS = 4  # a policy is drawn from at most this many times to find a batch of new designs


class Lesson(NamedTuple):
    """What a policy drew and the rewards of it, repeats included.

    Attributes:
        indices, rewards: the designs drawn whose reward is known, [N, P] and [N].
        drawn: number of designs drawn.
        known: how many of them were known before they were told.
    """

    indices: Indices
    rewards: FloatArray
    drawn: int
    known: int


class Memory:
    """Rewards of known designs, and what the policy drew for the last ask.

    A converging policy mostly repeats itself. Known designs are not proposed again: their remembered rewards train the
    policy together with those of the new ones, so it learns from what it really draws and the budget goes to new ones.

    Attributes:
        rewards: by rank, of every design told of.
        drawn: by the policy for the last ask [N, P], repeats included.
    """

    def __init__(self, space: DesignSpace) -> None:
        self.space = space
        self.rewards: dict[int, float] = {}
        self.drawn = space.unrank([])

    def new(self, n: int, draw: Callable[[], Indices]) -> Indices:
        """At most `n` new designs of a few draws; none where the policy draws nothing new."""
        drawn: list[Indices] = []
        new: dict[int, Indices] = {}
        while len(new) < n and len(drawn) < DRAWS:
            drawn.append(draw())
            ranks = self.space.rank(drawn[-1]).tolist()
            new |= {rank: row for rank, row in zip(ranks, drawn[-1], strict=True) if rank not in self.rewards}
        self.drawn = np.concatenate(drawn)
        return np.array(list(new.values()))[:n] if new else self.space.unrank([])

    def others(self, n: int, rng: np.random.Generator) -> Indices:
        """Uniform designs in place of a policy's, new ones while there are any."""
        if self.space.size <= LARGEST_LISTED:
            ranks = rng.permutation(self.space.size).tolist()
        else:
            ranks = list(dict.fromkeys(self.space.rank(self.space.sample(4 * n, rng)).tolist()))
        new = [rank for rank in ranks if rank not in self.rewards]
        return self.space.unrank((new or ranks)[:n])

    def tell(self, indices: Indices, rewards: FloatArray) -> Lesson:
        """Remember rewards; returns what there is to learn."""
        ranks = self.space.rank(self.drawn).tolist()
        known = sum(rank in self.rewards for rank in ranks)
        self.rewards.update(zip(self.space.rank(indices).tolist(), rewards.tolist(), strict=True))
        recalled = np.array([self.rewards.get(rank, np.nan) for rank in ranks])
        told = ~np.isnan(recalled)
        return Lesson(self.drawn[told], recalled[told], len(ranks), known)

    def state(self) -> State:
        """All of it, as arrays."""
        known, rewards = np.array(list(self.rewards), np.int64), np.array(list(self.rewards.values()))
        return {"known": known, "rewards": rewards, "drawn": self.drawn}

    def load(self, state: State) -> None:
        """Continue from a saved state."""
        self.rewards = dict(zip(state["known"].tolist(), state["rewards"].tolist(), strict=True))
        self.drawn = np.asarray(state["drawn"])


def shaped(rewards: FloatArray) -> FloatArray:
    """Utilities [N] of rewards [N] by rank, of mean 0 and deviation 1: the better half counts, the best most.

    Ranks make the size of penalties and the scale of the objective irrelevant. Logarithmic weights are those of
    Wierstra et al., "Natural evolution strategies", JMLR 15, 2014, section 3.1; equal rewards share the mean rank.
    """
    utility = np.maximum(0.0, np.log(0.5) - np.log(from_top(rewards)))
    return (utility - utility.mean()) / (utility.std() + 1e-8)


def from_top(rewards: FloatArray) -> FloatArray:
    """Relative rank [N] of each reward, 0 best .. 1 worst and neither reached; equal rewards share the mean rank."""
    _, inverse, count = np.unique(rewards, return_inverse=True, return_counts=True)
    return (len(rewards) - np.cumsum(count) + count / 2)[inverse] / len(rewards)
