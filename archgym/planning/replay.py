"""What an order and a set of hits mean: which tensor lies in the scratchpad from which step to which, and where."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from archgym.planning.graph import Graph

Hits = frozenset[tuple[int, int]]
_ATTEMPTS = 200  # random orders of placing stays
_PAIRS = 2 * 10**7  # pairs of stays that these may compare: a second or two


@dataclass(frozen=True)
class Residency:
    """A stay of a tensor in the scratchpad.

    Attributes:
        tensor: index of the layer that produces it.
        first, last: steps of the plan, both included; it is made or fetched at the first and last read at the last.
        bytes: its size.
        fetched: it was read from off chip at the first step, not made there.
        address: of its first byte in the scratchpad.
    """

    tensor: int
    first: int
    last: int
    bytes: float
    fetched: bool
    address: float = 0.0


def residencies(graph: Graph, order: Sequence[int], hits: Hits) -> list[Residency]:
    """The stays that make these reads hits.

    Raises:
        ValueError: a hit on a tensor that cannot be there: only a slice of it was fetched.
    """
    step = {layer: index for index, layer in enumerate(order)}
    stays = []
    for tensor, reads in graph.readers.items():
        since, until, fetched = step[tensor], -1, False
        for read in sorted((read for read in reads if not read.streams), key=lambda read: step[read.layer]):
            now = step[read.layer]
            if (tensor, read.layer) in hits:
                if since < 0:
                    raise ValueError(f"layer {read.layer} finds tensor {tensor}, of which only a slice was fetched")
                until = now
                continue
            if until > since:
                stays.append(Residency(tensor, since, until, graph.sizes[tensor], fetched))
            since, until, fetched = (now if read.whole else -1), -1, True
        if until > since:
            stays.append(Residency(tensor, since, until, graph.sizes[tensor], fetched))
    return sorted(stays, key=lambda stay: (stay.first, stay.tensor))


def peak_bytes(stays: Sequence[Residency], steps: int) -> float:
    """The most bytes that lie in the scratchpad during a step."""
    changes = [0.0] * (steps + 1)
    for stay in stays:
        changes[stay.first] += stay.bytes
        changes[stay.last + 1] -= stay.bytes
    return max(accumulate(changes), default=0.0)


def allocate(stays: Sequence[Residency], scratchpad_bytes: float) -> tuple[list[Residency], float]:
    """Addresses of the stays, and the bytes of scratchpad that they need.

    Placing them in the least room is NP-hard (dynamic storage allocation). First fit by size, by length and by time,
    as allocators do it; where none of these fits the scratchpad, first fit from both ends of it in random orders of a
    fixed seed, until one does.
    """
    orders: tuple[Callable[[Residency], float], ...] = (
        lambda stay: -stay.bytes,
        lambda stay: stay.first - stay.last,
        lambda stay: stay.first,
    )
    best = min((_first_fit(sorted(stays, key=order)) for order in orders), key=_top)
    generator = random.Random(0)
    for _ in range(min(_ATTEMPTS, _PAIRS // max(len(stays) ** 2, 1))):
        if _top(best) <= scratchpad_bytes:
            break
        ranks = {stay: -stay.bytes * generator.uniform(0.5, 1) for stay in stays}
        down = frozenset(stay for stay in stays if generator.random() < 0.5)
        found = _first_fit(sorted(stays, key=ranks.__getitem__), scratchpad_bytes, down)
        best = min(best, found, key=_top)
    return sorted(best, key=lambda stay: (stay.first, stay.tensor)), _top(best)


def _top(stays: Sequence[Residency]) -> float:
    """Bytes of scratchpad that placed stays need; what was placed below address 0 does not fit at all."""
    if any(stay.address < 0 for stay in stays):
        return math.inf
    return max((stay.address + stay.bytes for stay in stays), default=0.0)


def _first_fit(
    stays: Sequence[Residency], scratchpad_bytes: float = 0.0, down: frozenset[Residency] = frozenset()
) -> list[Residency]:
    """Each stay at the lowest address that is free over all its steps, those in `down` at the highest."""
    placed: list[Residency] = []
    for stay in stays:
        taken = [
            (other.address, other.address + other.bytes)
            for other in placed
            if other.first <= stay.last and stay.first <= other.last
        ]
        if stay in down:
            address = scratchpad_bytes - stay.bytes
            for low, high in sorted(taken, key=lambda hole: -hole[1]):
                if address >= high:
                    break
                address = min(address, low - stay.bytes)
        else:
            address = 0.0
            for low, high in sorted(taken):
                if address + stay.bytes <= low:
                    break
                address = max(address, high)
        placed.append(replace(stay, address=address))
    return placed
