"""What is known of a search so far, kept up to date design by design in little memory."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import moocore
import numpy as np
from numpy.typing import NDArray

from archgym.objective import FloatArray, Outcome
from archgym.space import DesignSpace, Indices

MERGE_AT = 4096  # points a front collects before it sorts out the dominated ones


class Front:
    """Non-dominated points under a stream of points; of equal points the one of the lowest rank stays.

    Attributes:
        ranks: [F] of the designs (see DesignSpace.rank), in increasing order of the first objective once merged.
        points: [F, K] objectives, minimised.
    """

    def __init__(self, n_objectives: int) -> None:
        self.ranks: NDArray[np.int64] = np.empty(0, np.int64)
        self.points: FloatArray = np.empty((0, n_objectives))
        self._waiting: list[tuple[NDArray[np.int64], FloatArray]] = []
        self._n_waiting = 0

    def add(self, ranks: NDArray[np.int64], points: FloatArray) -> None:
        """Add designs and their objectives [N, K]."""
        if len(ranks) > 1:
            ranks, points = _nondominated(ranks, points)
        if not len(ranks):
            return
        self._waiting.append((ranks, points))
        self._n_waiting += len(ranks)
        if self._n_waiting > max(MERGE_AT, len(self.ranks)):
            self.merge()

    def merge(self) -> Front:
        """Sort out dominated points: `ranks` and `points` are exact afterwards."""
        if self._waiting:
            ranks = np.concatenate([self.ranks, *(ranks for ranks, _ in self._waiting)])
            points = np.concatenate([self.points, *(points for _, points in self._waiting)])
            self.ranks, self.points = _nondominated(ranks, points)
            self._waiting, self._n_waiting = [], 0
        return self

    def __len__(self) -> int:
        return len(self.merge().ranks)


def _nondominated(ranks: NDArray[np.int64], points: FloatArray) -> tuple[NDArray[np.int64], FloatArray]:
    """The points that no other dominates, sorted; of equal points the first by rank."""
    if (np.diff(ranks) < 0).any():
        order = np.argsort(ranks, kind="stable")
        ranks, points = ranks[order], points[order]
    keep = moocore.is_nondominated(points)  # of equal points the first
    ranks, points = ranks[keep], points[keep]
    order = np.lexsort(points.T[::-1])
    return ranks[order], points[order]


class RankSet:
    """A set of ranks in 8 bytes each: sorted runs of doubling length, so that adding N costs O(N log N) in all."""

    def __init__(self) -> None:
        self._runs: list[NDArray[np.int64]] = []

    def __len__(self) -> int:
        return sum(map(len, self._runs))

    def add(self, ranks: NDArray[np.int64]) -> None:
        """Add ranks; those already there change nothing."""
        new = np.unique(ranks)
        for run in self._runs:
            position = np.searchsorted(run, new).clip(max=len(run) - 1)
            new = new[run[position] != new]
        if not len(new):
            return
        self._runs.append(new)
        while len(self._runs) > 1 and len(self._runs[-1]) * 2 > len(self._runs[-2]):
            merged = np.concatenate([self._runs.pop(), self._runs.pop()])
            merged.sort(kind="stable")  # two sorted runs: a linear merge
            self._runs.append(merged)


@dataclass
class Leader:
    """The best design so far by one measure (smaller is better); the earliest of equals."""

    value: float = np.inf
    trial: int = -1
    index: Indices | None = None
    metrics: np.ndarray | None = None  # [1]

    def challenge(self, values: FloatArray, first_trial: int, indices: Indices, metrics: np.ndarray) -> None:
        """Replace by the best of these designs if that is better."""
        row = int(np.argmin(values))
        if values[row] < self.value:
            self.value, self.trial = float(values[row]), first_trial + row
            self.index, self.metrics = indices[row].copy(), metrics[row : row + 1].copy()


@dataclass
class Tally:
    """Counts, best design and front of the designs told so far.

    Attributes:
        evaluated: designs told, repeats and infeasible ones included.
        violating: feasible designs outside a constraint.
        why: designs by `why` code; code 0 stands for feasible.
        best: smallest first objective among valid designs.
        closest: smallest violation among feasible designs; of use where nothing is valid.
    """

    space: DesignSpace
    n_objectives: int
    evaluated: int = 0
    violating: int = 0
    why: Counter[int] = field(default_factory=Counter)
    best: Leader = field(default_factory=Leader)
    closest: Leader = field(default_factory=Leader)

    def __post_init__(self) -> None:
        self.front = Front(self.n_objectives)
        self.seen = RankSet()

    def add(self, indices: Indices, outcome: Outcome) -> None:
        """Count designs [N, P] and their outcome."""
        ranks, valid = self.space.rank(indices), outcome.valid
        feasible = outcome.metrics["feasible"]
        self.seen.add(ranks)
        self.violating += int((feasible & ~valid).sum())
        codes, counts = np.unique(outcome.metrics["why"], return_counts=True)
        self.why.update(dict(zip(codes.tolist(), counts.tolist(), strict=True)))
        if valid.any():
            self.best.challenge(outcome.scores, self.evaluated, indices, outcome.metrics)
        elif self.best.trial < 0:
            self.closest.challenge(outcome.violation, self.evaluated, indices, outcome.metrics)
        if self.n_objectives > 1:
            self.front.add(ranks[valid], outcome.objectives[valid])
        self.evaluated += len(indices)

    @property
    def feasible(self) -> int:
        """Designs the model could evaluate."""
        return self.why[0]

    @property
    def infeasible(self) -> int:
        """Designs that break a rule of the hardware."""
        return self.evaluated - self.feasible

    @property
    def distinct(self) -> int:
        """Different designs among those evaluated."""
        return len(self.seen)
