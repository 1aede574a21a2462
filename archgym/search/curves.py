"""How good a run was after 10, 30, 100, ... designs: regret for one objective, hypervolume and IGD+ for several."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import moocore
import numpy as np
import pyarrow as pa

from archgym.objective import FloatArray

STEPS = (10, 30, 100, 300, 1000, 3000, 10_000, 30_000, 100_000)
MARGIN = 0.1  # of the reference point beyond the worst of the reference front, as a share of its extent


def checkpoints(budget: int) -> list[int]:
    """Numbers of designs at which runs are compared; the last is the budget."""
    return [*(step for step in STEPS if step < budget), budget]


def objectives_of(tables: Iterable[pa.Table], n_objectives: int) -> FloatArray:
    """Objectives [N, K] of all trials in order; infinite where a design is not valid."""
    parts = []
    for table in tables:
        columns = [table[f"objective_{k}"].to_numpy() for k in range(n_objectives)]
        values = np.stack(columns, axis=1)
        values[table["violation"].to_numpy() > 0] = np.inf
        parts.append(values)
    return np.concatenate(parts)


def best_so_far(objectives: FloatArray, at: Sequence[int]) -> FloatArray:
    """Smallest first objective after each number of designs: [C]; NaN beyond the last."""
    best = np.minimum.accumulate(objectives[:, 0])
    return np.array([best[n - 1] if n <= len(best) else np.nan for n in at])


@dataclass(frozen=True)
class Reference:
    """A front that others are measured against, in the unit box that it spans.

    Attributes:
        points: [F, K] in the box.
        low, span: of the front, per objective: where all points are positive, of its logarithms.
        logarithmic: per objective.
    """

    points: FloatArray
    low: FloatArray
    span: FloatArray
    logarithmic: tuple[bool, ...]

    @classmethod
    def of(cls, front: FloatArray) -> Reference:
        """From the points of a front [F, K]."""
        logarithmic = tuple(bool((column > 0).all()) for column in front.T)
        scaled = _scaled(front, logarithmic)
        low, span = scaled.min(axis=0), np.ptp(scaled, axis=0)
        span = np.where(span > 0, span, 1.0)
        return cls((scaled - low) / span, low, span, logarithmic)

    def box(self, objectives: FloatArray) -> FloatArray:
        """Valid points [N, K] in the box of the front; others are dropped."""
        finite = objectives[np.isfinite(objectives).all(axis=1)]
        scaled: FloatArray = (_scaled(finite, self.logarithmic) - self.low) / self.span
        return scaled

    def hypervolume_gap(self, objectives: FloatArray) -> float:
        """Share of the front's hypervolume that points [N, K] do not reach, up to 1."""
        corner = np.full(len(self.low), 1 + MARGIN)
        whole = moocore.hypervolume(self.points, ref=corner)
        points = self.box(objectives)
        reached = moocore.hypervolume(points, ref=corner) if len(points) else 0.0
        return float(1 - reached / whole)

    def igd_plus(self, objectives: FloatArray) -> float:
        """IGD+ [Ishibuchi et al., EMO 2015]: mean distance from the front to what dominates it least; inf for none."""
        points = self.box(objectives)
        return float(moocore.igd_plus(points, ref=self.points)) if len(points) else math.inf


def _scaled(values: FloatArray, logarithmic: Sequence[bool]) -> FloatArray:
    columns = [
        np.log10(np.maximum(column, 1e-300)) if log else column
        for column, log in zip(values.T, logarithmic, strict=True)
    ]
    return np.stack(columns, axis=1)


def front_of(objectives: FloatArray) -> FloatArray:
    """Non-dominated valid points [F, K]."""
    valid = objectives[np.isfinite(objectives).all(axis=1)]
    front: FloatArray = valid[moocore.is_nondominated(valid)] if len(valid) else valid
    return front
