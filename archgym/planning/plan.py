"""Memory plans: which layer runs when, and which tensor stays on chip until its next reader."""

from __future__ import annotations

import math
import re
import time
from dataclasses import dataclass
from typing import Any

from archgym.errors import InputError, unknown
from archgym.planning.graph import Graph, graph_of
from archgym.planning.greedy import greedy_hits
from archgym.planning.replay import Hits, Residency, allocate, peak_bytes, residencies
from archgym.planning.search import Schedule, least_traffic
from archgym.workloads import Workload

METHODS = ("ilp", "greedy", "none")
_UNITS = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30}


@dataclass(frozen=True)
class Plan:
    """A memory plan; bytes are of one run of the network.

    Attributes:
        workload: canonical spec.
        method: ilp, greedy or none.
        scratchpad_bytes: room for whole tensors.
        largest_bytes: the largest tensor that the chip keeps whatever its scratchpad.
        layers: names by index.
        order: layer indices as they run.
        hits: (tensor, layer): reads that find their tensor on chip. A tensor is numbered by its layer.
        stays: every stay of a tensor in the scratchpad, by first step.
        fetches: (tensor, layer): reads that come from off chip.
        stores: tensors written off the chip, the network's outputs aside.
        none_bytes: off-chip traffic when every activation goes off the chip and back.
        planned_bytes: off-chip traffic of this plan.
        compulsory_bytes: weights and external tensors, once each: part of any plan.
        bound_bytes: no plan can need less: of any order, but for `given_order_blocks`.
        peak_bytes: the most that lies in the scratchpad during a step.
        contiguous_bytes: what the addresses need; above the scratchpad where holes would have to be closed.
        blocks: independent blocks that the network was cut into.
        given_order_blocks: of these, too large to search their order: they run in the given one.
        seconds: it took to plan.
    """

    workload: str
    method: str
    scratchpad_bytes: float
    largest_bytes: float
    layers: tuple[str, ...]
    order: tuple[int, ...]
    hits: Hits
    stays: tuple[Residency, ...]
    fetches: tuple[tuple[int, int], ...]
    stores: tuple[int, ...]
    none_bytes: float
    planned_bytes: float
    compulsory_bytes: float
    bound_bytes: float
    peak_bytes: float
    contiguous_bytes: float
    blocks: int
    given_order_blocks: int
    seconds: float

    @property
    def saved(self) -> float:
        """Share of the non-compulsory traffic that the plan saves."""
        avoidable = self.none_bytes - self.compulsory_bytes
        return (self.none_bytes - self.planned_bytes) / avoidable if avoidable > 0 else 1.0

    @property
    def gap(self) -> float:
        """Share of the plan's own non-compulsory traffic that a better plan might still save."""
        above = self.planned_bytes - self.compulsory_bytes
        return (self.planned_bytes - self.bound_bytes) / above if above > 0 else 0.0

    @property
    def proven(self) -> bool:
        """No plan needs less, of the orders that were searched."""
        return self.planned_bytes - self.bound_bytes <= 1e-9 * self.planned_bytes

    @property
    def optimal(self) -> bool:
        """No plan of any order needs less."""
        return self.proven and not self.given_order_blocks

    def summary(self) -> dict[str, Any]:
        """What a report shows: plain numbers and text."""
        names = (
            *("method", "scratchpad_bytes", "largest_bytes", "none_bytes", "planned_bytes", "compulsory_bytes"),
            *("bound_bytes", "saved", "optimal", "proven", "gap", "peak_bytes", "contiguous_bytes", "blocks"),
            *("given_order_blocks", "seconds"),
        )
        told = {name: getattr(self, name) for name in names}
        return told | {"order_changed": self.order != tuple(sorted(self.order))}

    def steps(self) -> list[dict[str, Any]]:
        """One row per step: the layer, what lies in the scratchpad (name to address), what is fetched and stored."""
        stored = set(self.stores)
        rows = []
        for step, layer in enumerate(self.order):
            here = {self.layers[stay.tensor]: stay.address for stay in self.stays if stay.first <= step <= stay.last}
            fetched = [self.layers[tensor] for tensor, reader in self.fetches if reader == layer]
            rows.append({"layer": self.layers[layer], "resident": here, "fetched": fetched, "stored": layer in stored})
        return rows


def plan(
    workload: Workload,
    scratchpad_bytes: float,
    method: str = "ilp",
    time_limit_s: float = 60.0,
    largest_bytes: float = math.inf,
) -> Plan:
    """Plan a network's memory.

    Args:
        workload: one network.
        scratchpad_bytes: room for whole tensors.
        method: `ilp` for the least traffic, `greedy` for an upper bound at once, `none` where nothing stays.
        time_limit_s: of the solver; a plan it could not finish is the best found, with its bound.
        largest_bytes: the largest tensor, and operand, that the chip keeps whatever its scratchpad.

    Raises:
        InputError: a scratchpad that is no size, an unknown method, or a workload of several networks.
        MissingExtraError: `ilp` without SciPy.
    """
    if method not in METHODS:
        raise unknown("planning method", method, METHODS)
    if not (isinstance(scratchpad_bytes, int | float) and 0 <= scratchpad_bytes < math.inf):
        raise InputError(f"a scratchpad has zero or more bytes, not {scratchpad_bytes!r}")
    if len(workload.tasks) > 1:
        raise InputError(
            f"memory planning takes one network; {workload.name!r} is {len(workload.tasks)} that share an accelerator"
        )
    start = time.perf_counter()
    graph = graph_of(workload, float(scratchpad_bytes), largest_bytes)
    schedule = _schedule(graph, method, time_limit_s)
    stays, contiguous = allocate(residencies(graph, schedule.order, schedule.hits), graph.scratchpad_bytes)
    fetches = tuple((read.tensor, read.layer) for read in graph.reads if (read.tensor, read.layer) not in schedule.hits)
    return Plan(
        workload=workload.name,
        method=method,
        scratchpad_bytes=float(scratchpad_bytes),
        largest_bytes=largest_bytes,
        layers=tuple(layer.name for layer in workload.layers),
        order=schedule.order,
        hits=schedule.hits,
        stays=tuple(stays),
        fetches=fetches,
        stores=tuple(sorted({tensor for tensor, _ in fetches if graph.stores[tensor]})),
        none_bytes=graph.traffic(frozenset()),
        planned_bytes=graph.traffic(schedule.hits),
        compulsory_bytes=graph.compulsory_bytes,
        bound_bytes=_fixed_bytes(graph) + schedule.bound,
        peak_bytes=peak_bytes(stays, len(schedule.order)),
        contiguous_bytes=contiguous,
        blocks=schedule.blocks,
        given_order_blocks=schedule.given_order,
        seconds=time.perf_counter() - start,
    )


def _schedule(graph: Graph, method: str, time_limit_s: float) -> Schedule:
    """The plan of a method; the ILP's is never worse than the greedy one, even when its time is over."""
    given = tuple(range(len(graph.sizes)))
    if method == "none":
        return Schedule(given, frozenset(), 0.0, 1, 0)
    greedy = Schedule(given, greedy_hits(graph, given), 0.0, 1, 0)
    if method == "greedy":
        return greedy
    found = least_traffic(graph, time_limit_s)
    if graph.traffic(greedy.hits) < graph.traffic(found.hits):
        return Schedule(given, greedy.hits, found.bound, found.blocks, found.given_order)
    return found


def _fixed_bytes(graph: Graph) -> float:
    """Traffic of every plan: compulsory bytes, tensors that stream, and their stores."""
    streamed = sum(graph.read_bytes(read) for read in graph.reads if read.streams)
    return graph.compulsory_bytes + streamed + sum(graph.store_bytes(tensor) for tensor in graph.written)


def size_bytes(size: str | float) -> float:
    """Bytes of a size such as `2MiB`, `512 KiB`, `1.5 MB` or `65536`.

    Raises:
        InputError: it is none, or negative.
    """
    text = f"{size:.17g}" if isinstance(size, int | float) else str(size)
    parts = re.fullmatch(r"([0-9]*\.?[0-9]+(?:[eE][+-]?[0-9]+)?)\s*([A-Za-z]*)", text.strip())
    if parts is None or parts[2].lower() not in _UNITS:
        raise InputError(
            f"{size!r} is no size; write bytes, or e.g. 512KiB, 2MiB, 1.5MB (units KiB, MiB, GiB, kB, MB, GB)"
        )
    return float(parts[1]) * _UNITS[parts[2].lower()]
