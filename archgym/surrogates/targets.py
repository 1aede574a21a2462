"""Metrics as targets of regression: their logarithms."""

from __future__ import annotations

import numpy as np

from archgym.objective import FloatArray

SMALL = 1e-3  # of a metric's median size: what is added to metrics that may be zero
SHIFT = 2.0  # of the least negative value: what is added to metrics that have such, so that it is not near zero


def offsets_of(values: FloatArray) -> FloatArray:
    """What to add to metrics [N, T] before taking logarithms [T]: nothing, or what makes all of them positive."""
    sizes = np.abs(values)
    medians = np.array([np.median(column[column > 0]) if (column > 0).any() else 1.0 for column in sizes.T])
    shift = -SHIFT * np.fmin.reduce(values, axis=0, initial=0.0)  # passes over NaN, of infeasible designs
    return np.where((values <= 0).any(axis=0), SMALL * medians + shift, 0.0)


def least_of(values: FloatArray) -> FloatArray:
    """What metrics [N, T] do not fall below [T]: zero, or nothing where they are negative."""
    return np.where((values < 0).any(axis=0), -np.inf, 0.0)
