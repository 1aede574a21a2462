"""Cuts a planning problem where it splits exactly, so that each part is small enough for the ILP.

Components of the graph are independent: running one after the other is never worse than interleaving them. Within a
component, a layer that comes before or after every other one in any order has a fixed place; where at most one
tensor that may stay crosses that place, what comes before and after share one bit: whether it stays.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from archgym.planning.graph import Graph, Read


class Tensor(NamedTuple):
    """A tensor of a block that may stay on chip; layers are numbered within the block.

    `producer` is -1 for the one that comes from the block before. `reads` are (layer, bytes of a miss, whether a miss
    brings the whole tensor). `last` says that it goes on to the next block, where all its reads are.
    """

    size: float
    store: float
    producer: int
    reads: tuple[tuple[int, float, bool], ...]
    last: bool


class Problem(NamedTuple):
    """A block without names: equal blocks of a network are equal problems."""

    layers: int
    edges: tuple[tuple[int, int], ...]
    tensors: tuple[Tensor, ...]
    scratchpad_bytes: float

    @property
    def enters(self) -> bool:
        """A tensor comes from the block before."""
        return any(tensor.producer < 0 for tensor in self.tensors)

    @property
    def leaves(self) -> bool:
        """A tensor goes on to the next block."""
        return any(tensor.last for tensor in self.tensors)


@dataclass(frozen=True)
class Block:
    """Part of a network: the layers of a problem, in the given order, and the tensors it numbers."""

    layers: tuple[int, ...]
    tensors: tuple[int, ...]
    problem: Problem


def blocks_of(graph: Graph) -> Iterator[Block]:
    """The blocks of a graph in an order in which they can run."""
    kept: dict[int, list[Read]] = {}
    for read in graph.reads:
        if not read.streams:
            kept.setdefault(read.tensor, []).append(read)
    for component in _components(len(graph.sizes), graph.edges):
        entering: int | None = None
        for layers, leaving in _cuts(component, graph.edges, kept):
            yield _block(graph, kept, layers, entering, leaving)
            entering = leaving


def _components(layers: int, edges: Sequence[tuple[int, int]]) -> list[list[int]]:
    """Connected components, each in the given order."""
    root = list(range(layers))

    def find(layer: int) -> int:
        while root[layer] != layer:
            root[layer] = layer = root[root[layer]]
        return layer

    for source, target in edges:
        low, high = sorted((find(source), find(target)))
        root[high] = low
    found: dict[int, list[int]] = {}
    for layer in range(layers):
        found.setdefault(find(layer), []).append(layer)
    return list(found.values())


def _cuts(
    component: list[int], edges: Sequence[tuple[int, int]], kept: dict[int, list[Read]]
) -> Iterator[tuple[list[int], int | None]]:
    """Runs of layers, and the tensor that goes on to the next run, if any."""
    fixed = _fixed(component, edges)
    read_by: dict[int, list[int]] = {}
    for tensor, reads in kept.items():
        for read in reads:
            read_by.setdefault(read.layer, []).append(tensor)
    place = {layer: position for position, layer in enumerate(component)}
    start, live = 0, dict[int, int]()  # reads still to come of each tensor
    for position, layer in enumerate(component):
        for tensor in read_by.get(layer, []):
            live[tensor] -= 1
            if not live[tensor]:
                del live[tensor]
        if layer in kept:
            live[layer] = len(kept[layer])
        crossing = next(iter(live), None)
        splits = crossing is None or (
            len(live) == 1 and live[crossing] == len(kept[crossing]) and place[crossing] >= start
        )
        if position + 1 == len(component) or (layer in fixed and splits):
            yield component[start : position + 1], crossing
            start = position + 1


def _fixed(component: list[int], edges: Sequence[tuple[int, int]]) -> frozenset[int]:
    """Layers that are before or after every other layer of the component in any order."""
    before, after = relatives(component, edges)
    others = len(component) - 1
    return frozenset(x for x in component if before[x].bit_count() + after[x].bit_count() == others)


def relatives(layers: Sequence[int], edges: Sequence[tuple[int, int]]) -> tuple[dict[int, int], dict[int, int]]:
    """Ancestors and descendants of each layer as sets of bits, by position in `layers`."""
    bit = {layer: 1 << position for position, layer in enumerate(layers)}
    before, after = dict.fromkeys(layers, 0), dict.fromkeys(layers, 0)
    inner = [(source, target) for source, target in edges if source in bit and target in bit]
    for source, target in sorted(inner, key=lambda edge: edge[1]):
        before[target] |= before[source] | bit[source]
    for source, target in sorted(inner, key=lambda edge: -edge[0]):
        after[source] |= after[target] | bit[target]
    return before, after


def _block(
    graph: Graph, kept: dict[int, list[Read]], layers: list[int], entering: int | None, leaving: int | None
) -> Block:
    local = {layer: index for index, layer in enumerate(layers)}
    tensors = [] if entering is None else [entering]
    tensors += [layer for layer in layers if kept.get(layer)]
    rows = tuple(
        Tensor(
            graph.sizes[tensor],
            0.0 if tensor in graph.written else graph.store_bytes(tensor),
            local.get(tensor, -1),
            ()
            if tensor == leaving
            else tuple((local[read.layer], graph.read_bytes(read), read.whole) for read in kept[tensor]),
            tensor == leaving,
        )
        for tensor in tensors
    )
    edges = tuple((local[s], local[t]) for s, t in graph.edges if s in local and t in local)
    return Block(tuple(layers), tuple(tensors), Problem(len(layers), edges, rows, graph.scratchpad_bytes))
