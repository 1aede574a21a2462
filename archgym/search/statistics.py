"""Comparing algorithms by few runs: interquartile means, their intervals, and who is better how often.

Source: R. Agarwal et al., "Deep reinforcement learning at the edge of the statistical precipice", NeurIPS 2021 (arXiv
2108.13264), whose library rliable cannot be imported beside pandas 3 (it needs arch < 8). Scores are [runs, tasks].
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float64]
SAMPLES = 2000  # of the bootstrap
CONFIDENCE = 0.95


class Interval(NamedTuple):
    """A statistic and its stratified bootstrap interval."""

    value: float
    low: float
    high: float


def iqm(scores: Scores) -> float:
    """Interquartile mean: of the middle half of all runs of all tasks (section 4.3), whole scores and parts of two."""
    ordered = np.sort(scores, axis=None)
    n = len(ordered)
    edges = np.clip(np.arange(n + 1) / n, 0.25, 0.75)
    weights = np.diff(edges)
    used = weights > 0  # what is cut off may be infinite
    return float(np.sum(ordered[used] * weights[used]) / 0.5)


def interval(
    statistic: Callable[[Scores], float], scores: Scores, seed: int = 0, confidence: float = CONFIDENCE
) -> Interval:
    """A statistic of scores [runs, tasks] with its interval: runs are drawn again within each task (section 4.1).

    NaN where a score is missing.
    """
    if np.isnan(scores).any():
        return Interval(np.nan, np.nan, np.nan)
    rng = np.random.default_rng(seed)
    runs, tasks = scores.shape
    rows = rng.integers(0, runs, (SAMPLES, runs, tasks))
    drawn = np.array([statistic(np.take_along_axis(scores, sample, axis=0)) for sample in rows])
    low, high = np.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(statistic(scores), float(low), float(high))


def probability_of_improvement(ours: Scores, theirs: Scores) -> float:
    """How often a run of ours is better (smaller) than one of theirs, mean over tasks; ties count half (4.3)."""
    better = ours[:, None] < theirs[None]
    equal = ours[:, None] == theirs[None]
    return float(np.mean(better + 0.5 * equal))


def improvement_interval(ours: Scores, theirs: Scores, seed: int = 0, confidence: float = CONFIDENCE) -> Interval:
    """`probability_of_improvement` with its interval; both sides are drawn again, paired where they share seeds."""
    both = np.stack([ours, theirs], axis=-1)
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, len(both), (SAMPLES, len(both)))
    drawn = [probability_of_improvement(both[sample][..., 0], both[sample][..., 1]) for sample in rows]
    low, high = np.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(probability_of_improvement(ours, theirs), float(low), float(high))


def performance_profile(scores: Scores, levels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of runs at or below each level [T]: smaller is better (section 4.2)."""
    return np.array([np.mean(scores <= level) for level in levels])
