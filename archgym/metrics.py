"""Metrics: what an evaluation says of a design.

`metrics` travel as a record array [N] with one float64 field per metric, then `feasible` (bool) and `why` (int64, an
index into the reasons of the environment; 0 = feasible). All metrics of an infeasible design are NaN.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Metric:
    """One column: `name` ends in its unit (`latency_s`), `doc` is one line for tables."""

    name: str
    unit: str
    doc: str


def metrics_dtype(metrics: Sequence[Metric]) -> np.dtype[np.void]:
    """Record type of the metrics of an environment."""
    return np.dtype([(metric.name, np.float64) for metric in metrics] + [("feasible", np.bool_), ("why", np.int64)])


def metric_names(metrics: np.ndarray) -> list[str]:
    """Names of the float64 columns of a metrics array."""
    return [name for name in metrics.dtype.names or () if name not in ("feasible", "why")]
