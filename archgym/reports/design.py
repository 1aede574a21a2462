"""The best design, operator by operator: what bounds each, and where it lies under the rooflines of its engines.

Source of the roofline: S. Williams, A. Waterman, D. Patterson, Communications of the ACM 52(4), 2009. Intensity is
operations over bytes that move between the chip and the memory that holds the weights: the cost model's own count
(`dram_bytes`), or the compulsory bytes where it keeps none. One multiply-accumulate is two operations.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from archgym.reports.absent import Absent
from archgym.reports.runs import RunData
from archgym.surrogates.features import off_chip_bytes
from archgym.workloads.operators import KINDS

Row = Mapping[str, Any]
ABOVE = 1.001  # a point on a roof is not above it


class Roof(NamedTuple):
    """An engine: operations and bytes per second at most, and lane operations of the vector unit beside it."""

    engine: str
    ops_per_s: float
    bytes_per_s: float
    vector_per_s: float

    def at(self, intensity: float) -> float:
        """Operations per second at most with so many operations per byte; an engine without memory has no slope."""
        return min(self.ops_per_s, intensity * self.bytes_per_s) if self.bytes_per_s > 0 else self.ops_per_s


class Point(NamedTuple):
    """An operator; `intensity` in operations per byte is infinite where it moves none. `vector`: it has no products."""

    operator: str
    shape: str
    bottleneck: str
    vector: bool
    intensity: float
    ops_per_s: float
    latency_s: float
    share: float


@dataclass(frozen=True)
class Roofline:
    """Roofs of the engines that a design has, and its operators.

    Attributes:
        roofs: of each engine, and of all at once where an operator needs several to be as fast as it is.
        bytes_counted: what the bytes of the intensity are, in words.
    """

    roofs: tuple[Roof, ...]
    points: tuple[Point, ...]
    bytes_counted: str


@dataclass(frozen=True)
class BestDesign:
    """The best design of a run.

    Attributes:
        operators: one row per merged operator, as `Evaluator.breakdown` gives them.
        title: what the rows are about.
    """

    design: Mapping[str, Any]
    metrics: Mapping[str, float]
    objectives: tuple[float, ...]
    trial: int
    operators: Sequence[Row] | Absent
    title: str
    roofline: Roofline | Absent


def best_design(run: RunData) -> BestDesign:
    """The best design of a run that has one."""
    result, workload = run.result, run.request.evaluator.workload
    rows = _operators(run)
    return BestDesign(
        design=result["best"],
        metrics=result["metrics"],
        objectives=tuple(result["objectives"]),
        trial=result["trial"],
        operators=rows,
        title="one frame of each network" if workload.tasks else "the workload",
        roofline=rows if isinstance(rows, Absent) else _roofline(run, rows),
    )


def _operators(run: RunData) -> Sequence[Row] | Absent:
    evaluator = run.request.evaluator
    if not evaluator.explains:
        return Absent(f"The cost model {evaluator.cost_model} gives no costs of single operators.")
    if not run.current:
        return Absent(
            "The cost model, the workload or the space has changed since this run: costs of single operators would be "
            "those of other numbers than the run's."
        )
    return evaluator.breakdown(evaluator.space.design(run.result["best"]))


def _roofline(run: RunData, rows: Sequence[Row]) -> Roofline | Absent:
    evaluator = run.request.evaluator
    if evaluator.family.engines is None:
        return Absent(f"The environment {evaluator.family.name} says nothing of its engines.")
    record = evaluator.space.design(run.result["best"])
    engines = evaluator.family.engines(record, evaluator.technology)
    roofs = [
        Roof(name, 2 * float(engine.macs_per_s[0]), float(engine.bytes_per_s[0]), float(engine.vector_per_s[0]))
        for name, engine in engines.items()
    ]
    operators, _ = evaluator.operators_of(record)
    counted = "dram_bytes" in rows[0]
    moved = [row["dram_bytes"] for row in rows] if counted else off_chip_bytes(operators) * operators["count"]
    total = sum(row["latency_s"] for row in rows)
    points = [
        _point(row, operator, float(n_bytes), total)
        for row, operator, n_bytes in zip(rows, operators, moved, strict=True)
        if row["latency_s"] > 0
    ]
    points = [point for point in points if point.ops_per_s > 0]
    roofs = [roof for roof in roofs if roof.ops_per_s > 0]
    return Roofline(
        roofs=(*roofs, *_at_once(roofs, points)),
        points=tuple(points),
        bytes_counted="bytes from and to memory" if counted else "weights, and what crosses the chip's boundary",
    )


def _at_once(roofs: Sequence[Roof], points: Sequence[Point]) -> list[Roof]:
    """The roof of all engines together, where an operator is above that of each: it ran on several."""
    above = [
        point
        for point in points
        if not point.vector and all(point.ops_per_s > ABOVE * roof.at(point.intensity) for roof in roofs)
    ]
    if len(roofs) < 2 or not above:
        return []
    return [Roof("all at once", sum(r.ops_per_s for r in roofs), sum(r.bytes_per_s for r in roofs), 0.0)]


def _point(row: Row, operator: np.record, n_bytes: float, total: float) -> Point:
    vector = operator.k == 0
    work = float(operator.vector_ops * operator["count"]) if vector else 2 * row["macs"]
    return Point(
        operator=row["operator"],
        shape=shape_of(operator),
        bottleneck=row["bottleneck"],
        vector=bool(vector),
        intensity=work / n_bytes if n_bytes > 0 else np.inf,
        ops_per_s=work / row["latency_s"],
        latency_s=row["latency_s"],
        share=row["latency_s"] / total,
    )


def shape_of(operator: np.record) -> str:
    """Kind and sizes of one occurrence: `conv 3136 x 576 x 64`, M, K and N of a product."""
    kind, copies = KINDS[int(operator.kind)], operator.batch * operator.groups
    if operator.k == 0:
        return f"{kind}, {operator.m:,.0f} elements"
    several = f"{copies:,.0f} of " if copies > 1 else ""
    return f"{kind}, {several}{operator.m:,.0f} x {operator.k:,.0f} x {operator.n:,.0f} (M x K x N)"


def parts_of(metrics: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """The metrics that add up to the total energy and area: parts by name, by total."""
    totals = {"energy_j": "energy_", "area_mm2": "area_"}
    found = {
        total: {name: value for name, value in metrics.items() if name.startswith(prefix) and name != total}
        for total, prefix in totals.items()
        if total in metrics
    }
    return {total: parts for total, parts in found.items() if parts}
