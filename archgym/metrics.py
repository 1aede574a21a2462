"""Metrics: what an evaluation says of a design.

`metrics` travel as a record array [N] with one float64 field per metric, then `feasible` (bool) and `why` (int64, an
index into the reasons of the environment; 0 = feasible). All metrics of an infeasible design are NaN.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


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


def metric_values(metrics: np.ndarray) -> NDArray[np.float64]:
    """The float64 columns of a metrics array [N] as an array [N, M], copied as bytes: fields are slow."""
    head = 8 * len(metric_names(metrics))
    rows = np.ascontiguousarray(metrics).view(np.uint8).reshape(len(metrics), metrics.dtype.itemsize)
    return rows[:, :head].copy().view(np.float64)


_PREFIXED = ("s", "J", "W", "B")  # units that take SI prefixes
_PREFIXES = {-15: "f", -12: "p", -9: "n", -6: "u", -3: "m", 0: "", 3: "k", 6: "M", 9: "G", 12: "T", 15: "P"}


def quantity(value: float, unit: str) -> str:
    """A value with four digits and its unit, as text: `0.129 ms`, `96.9 mm2`, `34.6 %`."""
    if unit == "1":
        return f"{100 * value:.1f} %"
    if unit not in _PREFIXED or value == 0 or not math.isfinite(value):
        return f"{value:,.4g} {unit}".strip()
    power = min(max(3 * math.floor(math.log10(abs(value)) / 3), min(_PREFIXES)), max(_PREFIXES))
    return f"{value / 10.0**power:.4g} {_PREFIXES[power]}{unit}"


class OperatorTable(NamedTuple):
    """Operators for people: texts by column; `numbers` are the columns that are aligned to the right."""

    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]
    numbers: range


def operator_table(operators: Sequence[Mapping[str, Any]], at_most: int | None = None) -> OperatorTable:
    """The slowest operators first, with their share of all time and their bottleneck.

    Args:
        operators: rows of a breakdown, at least one; `dram_bytes` where the environment counts it.
        at_most: rows of the table.
    """
    total = sum(row["latency_s"] for row in operators)
    ordered = sorted(operators, key=lambda row: -row["latency_s"])[:at_most]
    traffic = ["dram_bytes"] if "dram_bytes" in operators[0] else []
    rows = [
        (
            row["operator"],
            quantity(row["latency_s"], "s"),
            f"{100 * row['latency_s'] / total:.1f} %",
            f"{row['macs'] / 1e6:,.1f}",
            *(quantity(row[name], "B") for name in traffic),
            row["bottleneck"],
        )
        for row in ordered
    ]
    columns = ("operator", "latency", "share", "MMACs", *("DRAM" for _ in traffic), "bottleneck")
    return OperatorTable(columns, rows, range(1, len(columns) - 1))
