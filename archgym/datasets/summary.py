"""What is in a data set, counted row after row: how much, what is feasible, ranges, coverage of the choices."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from archgym.datasets.schema import Layout

PER_DECADE = 20  # bins of a histogram
LOWEST, HIGHEST = -18, 18  # decades; values outside count in the last bins
EDGES = np.linspace(LOWEST, HIGHEST, (HIGHEST - LOWEST) * PER_DECADE + 1)  # of log10


class Summary:
    """Counts over rows; constant memory however many there are.

    Attributes:
        rows, feasible: numbers of rows.
        by_workload: workload -> split -> (rows, feasible rows).
        reasons: workload -> code -> rows.
        ranges: workload -> metric -> (smallest, largest) of the feasible rows.
        coverage: parameter -> rows and feasible rows of each choice, [choices, 2].
        histograms: workload -> metric -> rows per bin of EDGES; zero and below count in the first.
    """

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.rows = self.feasible = 0
        self.by_workload: dict[str, dict[str, tuple[int, int]]] = {}
        self.reasons: dict[str, Counter[str]] = {}
        self.ranges: dict[str, dict[str, tuple[float, float]]] = {}
        self.coverage = {p.name: np.zeros((len(p.choices), 2), np.int64) for p in layout.space.parameters}
        self.histograms: dict[str, dict[str, NDArray[np.int64]]] = {}

    def add(self, table: pa.Table) -> None:
        """Count rows, all of one workload."""
        if not len(table):
            return
        workload = table["workload"][0].as_py()
        feasible = table["feasible"].to_numpy()
        self.rows += len(table)
        self.feasible += int(feasible.sum())
        self._count_splits(workload, table)
        reasons = self.reasons.setdefault(workload, Counter())
        reasons.update({row["values"]: row["counts"] for row in pc.value_counts(table["why"]).to_pylist()})
        reasons.pop("", None)
        for parameter in self.layout.space.parameters:
            index = table[f"i_{parameter.name}"].to_numpy()
            counts = self.coverage[parameter.name]
            counts[:, 0] += np.bincount(index, minlength=len(counts))
            counts[:, 1] += np.bincount(index[feasible], minlength=len(counts))
        if feasible.any():
            for name in self.layout.metric_names:
                self._count_values(workload, name, table[name].to_numpy()[feasible])

    def _count_splits(self, workload: str, table: pa.Table) -> None:
        counts = self.by_workload.setdefault(workload, {})
        for row in table.group_by("design_split").aggregate([("feasible", "count"), ("feasible", "sum")]).to_pylist():
            rows, feasible = counts.get(row["design_split"], (0, 0))
            counts[row["design_split"]] = (rows + row["feasible_count"], feasible + row["feasible_sum"])

    def _count_values(self, workload: str, name: str, values: NDArray[np.float64]) -> None:
        ranges = self.ranges.setdefault(workload, {})
        low, high = ranges.get(name, (np.inf, -np.inf))
        ranges[name] = (min(low, float(values.min())), max(high, float(values.max())))
        histograms = self.histograms.setdefault(workload, {})
        logs = np.log10(np.maximum(values, 10.0**LOWEST))
        bins = np.clip((logs - LOWEST) * PER_DECADE, 0, len(EDGES) - 2).astype(np.int64)
        found = np.bincount(bins, minlength=len(EDGES) - 1)
        histograms[name] = histograms[name] + found if name in histograms else found

    def rows_of(self, workload: str) -> int:
        """Rows of a workload."""
        return sum(rows for rows, _ in self.by_workload.get(workload, {}).values())

    def feasible_of(self, workload: str) -> int:
        """Feasible rows of a workload."""
        return sum(feasible for _, feasible in self.by_workload.get(workload, {}).values())

    def rows_in(self, split: str) -> int:
        """Rows of a split by design."""
        return sum(counts[split][0] for counts in self.by_workload.values() if split in counts)

    def range_of(self, metric: str) -> tuple[float, float] | None:
        """Smallest and largest value over all workloads; None where nothing is feasible."""
        found = [ranges[metric] for ranges in self.ranges.values() if metric in ranges]
        return (min(low for low, _ in found), max(high for _, high in found)) if found else None

    def covered(self, parameter: str) -> int:
        """Choices of a parameter that some row has."""
        return int(np.count_nonzero(self.coverage[parameter][:, 0]))

    def as_dict(self) -> dict[str, Any]:
        """Plain values for --json."""
        units = self.layout.units
        workloads = {
            name: {
                "rows": self.rows_of(name),
                "feasible": self.feasible_of(name),
                "splits": {split: rows for split, (rows, _) in splits.items()},
                "reasons": dict(self.reasons[name]),
                "ranges": {
                    metric: {"least": low, "most": high, "unit": units[metric]}
                    for metric, (low, high) in self.ranges.get(name, {}).items()
                },
            }
            for name, splits in self.by_workload.items()
        }
        coverage = {
            parameter.name: [
                {"choice": choice, "rows": int(rows), "feasible": int(feasible)}
                for choice, (rows, feasible) in zip(parameter.choices, self.coverage[parameter.name], strict=True)
            ]
            for parameter in self.layout.space.parameters
        }
        return {"rows": self.rows, "feasible": self.feasible, "workloads": workloads, "coverage": coverage}
