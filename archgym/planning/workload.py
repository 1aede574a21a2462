"""A plan as the cost models see it: the layers in the planned order, with what crosses the chip's boundary marked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from archgym.planning.graph import Read, graph_of
from archgym.planning.plan import Plan
from archgym.workloads import Layer, Operator, Workload


def planned(workload: Workload, plan: Plan) -> Workload:
    """A copy of a workload that runs as planned; its name stays.

    What a plan fetches or stores is marked external. Where only parts of an operand are fetched (a concatenation of
    which the rest is on chip), a layer of its own moves them, as marking the operand would fetch all of it.
    """
    graph = graph_of(workload, plan.scratchpad_bytes, plan.largest_bytes)
    reads: dict[int, list[Read]] = {}
    for read in graph.reads:
        reads.setdefault(read.layer, []).append(read)
    stores = set(plan.stores)
    layers: list[Layer] = []
    place: dict[int, int] = {}
    for index in plan.order:
        layers += _planned_layers(workload.layers[index], reads.get(index, []), plan, index in stores)
        place[index] = len(layers) - 1
    edges = tuple(sorted((place[source], place[target]) for source, target in workload.edges))
    return replace(workload, layers=tuple(layers), edges=edges)


def _planned_layers(layer: Layer, reads: list[Read], plan: Plan, stored: bool) -> Iterator[Layer]:
    """The layer with its operands marked, after a layer that fetches parts of them where that is needed."""
    operator, moved = layer.operator, 0.0
    marks: dict[str, Any] = {}
    for side in ("a", "b"):
        sizes = [(getattr(read, f"{side}_bytes"), (read.tensor, read.layer) in plan.hits) for read in reads]
        fetched = sum(size for size, hit in sizes if not hit)
        if fetched and any(hit for size, hit in sizes if size):
            moved += fetched
        elif fetched:
            marks[f"{side}_external"] = 1
    if moved:
        yield Layer(f"{layer.name}.fetch", _move(operator, moved))
    if stored:
        marks["out_external"] = 1
    yield replace(layer, operator=replace(operator, **marks)) if marks else layer


def _move(operator: Operator, moved_bytes: float) -> Operator:
    """A transfer from off chip on its own, without arithmetic."""
    return Operator(
        kind="elementwise",
        m=moved_bytes * 8 / operator.a_bits,
        k=0,
        n=1,
        a_bytes=moved_bytes,
        b_bytes=0,
        out_bytes=0,
        a_bits=operator.a_bits,
        a_external=1,
        phase=operator.phase,
        requests=operator.requests,
        count=operator.count,
    )
