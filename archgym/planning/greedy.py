"""The greedy plan: the given order, and whatever is read soonest stays (Belady's rule for tensors of several sizes).

Belady, IBM Systems Journal 5(2), 1966: of equal pages the one whose next use lies furthest ahead is evicted. With
unequal sizes the rule is no longer optimal: an upper bound of the least traffic, in O(layers x live tensors).
"""

from __future__ import annotations

from collections.abc import Sequence

from archgym.planning.graph import Graph, Read
from archgym.planning.replay import Hits


def greedy_hits(graph: Graph, order: Sequence[int]) -> Hits:
    """The reads that find their tensor on chip when layers run in this order."""
    step = {layer: index for index, layer in enumerate(order)}
    coming: dict[int, list[Read]] = {  # reads still to come, the next one last
        tensor: sorted((read for read in reads if not read.streams), key=lambda read: -step[read.layer])
        for tensor, reads in graph.readers.items()
    }
    held: set[int] = set()
    hits: set[tuple[int, int]] = set()
    reading: dict[int, list[Read]] = {}
    for read in graph.reads:
        if not read.streams:
            reading.setdefault(read.layer, []).append(read)
    for layer in order:
        candidates, pinned = set(held), 0.0
        for read in reading.get(layer, []):
            coming[read.tensor].pop()
            if read.tensor in held:
                hits.add((read.tensor, layer))
                pinned += graph.sizes[read.tensor]  # it is read from the scratchpad during this step
            elif read.whole:
                candidates.add(read.tensor)
        pins = {read.tensor for read in reading.get(layer, [])} & held
        wanted = sorted(
            (tensor for tensor in (candidates | {layer}) - pins if coming.get(tensor)),
            key=lambda tensor: (step[coming[tensor][-1].layer], -graph.sizes[tensor]),
        )
        held = {tensor for tensor in pins if coming[tensor]}
        room = graph.scratchpad_bytes - pinned
        for tensor in wanted:
            if graph.sizes[tensor] <= room:
                held.add(tensor)
                room -= graph.sizes[tensor]
    return frozenset(hits)
