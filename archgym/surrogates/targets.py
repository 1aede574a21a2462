"""Metrics as targets of regression: their logarithms."""

from __future__ import annotations

import numpy as np

from archgym.objective import FloatArray

SMALL = 1e-3  # of a metric's median: what is added to metrics that may be zero


def offsets_of(values: FloatArray) -> FloatArray:
    """What to add to metrics [N, T] before taking logarithms [T]: nothing, or a little where they may be zero."""
    positive = np.where(values > 0, values, np.nan)
    medians = np.array([np.median(column[column > 0]) if (column > 0).any() else 1.0 for column in positive.T])
    return np.where((values <= 0).any(axis=0), SMALL * medians, 0.0)
