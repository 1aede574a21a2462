"""What search agents remember: which designs are known, a pool of designs with their outcome, and one cost for them.

Source of the cost of several objectives: J. Knowles, "ParEGO: a hybrid algorithm with on-line landscape approximation
for expensive multiobjective optimization problems", IEEE Transactions on Evolutionary Computation 10(1), 2006: the
augmented Tchebycheff function (equation 2) of normalised objectives, with weights drawn anew for every descent, so that
descents end all along the front.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from archgym.agents.base import State
from archgym.objective import FloatArray, Outcome
from archgym.space import DesignSpace, Indices

LARGEST_LISTED = 2**16  # spaces up to this size are listed to find what is left of them
AUGMENTATION = 0.05  # rho of ParEGO's equation 2
DECADE = float(np.log(10))
SMALLEST = 1e-15  # objectives nearer to zero than this are alike
WORST = 1e9  # stands for the infinite violation of an infeasible design: above all others, and finite


class Known:
    """The designs an agent was told of, by rank."""

    def __init__(self, space: DesignSpace, ranks: Iterable[int] = ()) -> None:
        self.space = space
        self._ranks = set(ranks)

    def __len__(self) -> int:
        return len(self._ranks)

    @property
    def ranks(self) -> NDArray[np.int64]:
        """For the state of an agent: increasing."""
        return np.array(sorted(self._ranks), np.int64)

    def add(self, indices: Indices) -> None:
        """Remember designs [N, P]."""
        self._ranks.update(self.space.rank(indices).tolist())

    def has(self, indices: Indices) -> NDArray[np.bool_]:
        """Whether each design [N] is known."""
        return np.array([rank in self._ranks for rank in self.space.rank(indices).tolist()], bool)

    def fresh(self, indices: Indices) -> Indices:
        """The designs that are not known, each once, in order."""
        first: dict[int, int] = {}
        for row, rank in enumerate(self.space.rank(indices).tolist()):
            if rank not in self._ranks:
                first.setdefault(rank, row)
        return indices[list(first.values())]

    def filled(self, indices: Indices, n: int, rng: np.random.Generator) -> Indices:
        """`n` new designs: the first of `indices`, then random ones; fewer, then known ones, where none are left."""
        found = self.fresh(indices)[:n]
        if len(found) < n:
            found = self.fresh(np.concatenate([found, self.space.sample(4 * n, rng)]))[:n]
        if len(found) < n and self.space.size <= LARGEST_LISTED:
            rest = self.space.unrank(rng.permutation(self.space.size))
            found = self.fresh(np.concatenate([found, rest]))[:n]
        return found if len(found) else self.space.sample(n, rng)


@dataclass(frozen=True)
class Pool:
    """Designs with their outcome: indices [N, P], objectives [N, K], violation [N]."""

    indices: Indices
    objectives: FloatArray
    violation: FloatArray

    @classmethod
    def empty(cls, space: DesignSpace, n_objectives: int) -> Pool:
        """A pool of no designs."""
        return cls(np.zeros((0, len(space)), np.int64), np.zeros((0, n_objectives)), np.zeros(0))

    @classmethod
    def load(cls, state: State, name: str) -> Pool:
        """From the state of an agent."""
        parts = (np.asarray(state[f"{name}_{part}"]) for part in ("indices", "objectives", "violation"))
        return cls(*parts)

    def state(self, name: str) -> State:
        """For the state of an agent."""
        return {f"{name}_{part}": value for part, value in vars(self).items()}

    def __len__(self) -> int:
        return len(self.indices)

    def __add__(self, other: Pool) -> Pool:
        pairs = zip(vars(self).values(), vars(other).values(), strict=True)
        return Pool(*(np.concatenate(pair) for pair in pairs))

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_] | slice) -> Pool:
        """Some of its rows."""
        return Pool(self.indices[rows], self.objectives[rows], self.violation[rows])


class Span:
    """Range of each log objective over all valid designs told of."""

    def __init__(self, n_objectives: int) -> None:
        self.low, self.high = np.full(n_objectives, np.inf), np.full(n_objectives, -np.inf)

    def add(self, outcome: Outcome) -> None:
        """Widen by the valid designs of an outcome."""
        values = symmetric_log(outcome.objectives[outcome.valid])
        self.low = np.minimum(self.low, values.min(axis=0, initial=np.inf))
        self.high = np.maximum(self.high, values.max(axis=0, initial=-np.inf))

    def costs(self, pool: Pool, weights: FloatArray) -> FloatArray:
        """Costs [N] of a pool: valid designs first, then those outside a constraint by their violation.

        Of one objective: its decimal logarithm. Of several: the augmented Tchebycheff function in units of the range
        of each, under weights [K] or [N, K].
        """
        values = symmetric_log(pool.objectives)
        if len(self.low) == 1:
            valid, top = values[:, 0] / DECADE, self.high[0] / DECADE
        else:
            weighted = weights * (values - self.low) / np.maximum(self.high - self.low, 1e-12)
            valid, top = weighted.max(axis=1, initial=-np.inf) + AUGMENTATION * weighted.sum(axis=1), 1.5
        outside = (top if np.isfinite(top) else 0.0) + 1.0 + np.minimum(pool.violation, WORST)
        return np.where(pool.violation == 0, valid, outside)

    def best(self, pool: Pool, weights: FloatArray) -> Pool:
        """The design of least cost, the first of equal ones; none of none."""
        return pool.take(np.argsort(self.costs(pool, weights), kind="stable")[:1])

    def state(self) -> State:
        """For the state of an agent."""
        return {"low": self.low, "high": self.high}

    def load(self, state: State) -> None:
        """From the state of an agent."""
        self.low, self.high = np.asarray(state["low"]), np.asarray(state["high"])


def some_weights(shape: int | tuple[int, int], rng: np.random.Generator) -> FloatArray:
    """Weights [K] or [N, K], uniform among those that sum to one."""
    drawn = rng.exponential(size=shape)
    return drawn / drawn.sum(axis=-1, keepdims=True)


def symmetric_log(values: FloatArray) -> FloatArray:
    """Equal factors become equal steps, for either sign."""
    return np.arcsinh(values / SMALLEST)
