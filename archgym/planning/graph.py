"""What a memory plan decides about: the activations of a workload, who reads them, and what a miss costs.

A tensor is the output of a layer and is numbered by it. Where a `Workload` leaves open which operand a dependence
feeds, sizes decide (`operand_parts`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from archgym.workloads import Workload
from archgym.workloads.operators import WEIGHT_A, WEIGHT_B, WEIGHT_NONE, Operator

_SUMS = 4096  # different subset sums that operand_parts looks at before it takes the nearest so far


@dataclass(frozen=True)
class Read:
    """One layer that reads one tensor.

    Attributes:
        tensor, layer: indices of layers.
        a_bytes, b_bytes: what operand A and B fetch of it when it is off chip; 0 where the operand does not read it,
            or crosses the chip's boundary anyway (external: its bytes are compulsory).
        whole: a fetch brings the whole tensor, which may then stay.
        streams: it is fetched in any plan.
    """

    tensor: int
    layer: int
    a_bytes: float
    b_bytes: float
    whole: bool
    streams: bool

    @property
    def bytes(self) -> float:
        """Bytes of a miss."""
        return self.a_bytes + self.b_bytes


@dataclass(frozen=True)
class Graph:
    """A workload as a planning problem; all bytes are of one occurrence of a layer.

    Attributes:
        sizes: bytes of each layer's output [L].
        stores: bytes of writing it [L]: 0 where the network writes it anyway.
        counts: occurrences of each layer [L].
        reads: every pair of tensor and reader once, by reader.
        edges: data dependences, as in the workload.
        compulsory_bytes: weights and external tensors of the whole network.
        scratchpad_bytes: room for whole tensors.
    """

    sizes: tuple[float, ...]
    stores: tuple[float, ...]
    counts: tuple[float, ...]
    reads: tuple[Read, ...]
    edges: tuple[tuple[int, int], ...]
    compulsory_bytes: float
    scratchpad_bytes: float

    @cached_property
    def readers(self) -> dict[int, list[Read]]:
        """Reads of each tensor that is read."""
        found: dict[int, list[Read]] = {}
        for read in self.reads:
            found.setdefault(read.tensor, []).append(read)
        return found

    @cached_property
    def written(self) -> frozenset[int]:
        """Tensors that every plan writes off the chip because a reader streams them."""
        return frozenset(read.tensor for read in self.reads if read.streams)

    def store_bytes(self, tensor: int) -> float:
        """Bytes of writing a tensor, over all occurrences."""
        return self.counts[tensor] * self.stores[tensor]

    def read_bytes(self, read: Read) -> float:
        """Bytes of a miss, over all occurrences."""
        return self.counts[read.layer] * read.bytes

    def traffic(self, hits: frozenset[tuple[int, int]]) -> float:
        """Off-chip bytes of a plan that finds these (tensor, layer) reads on chip."""
        missed = [read for read in self.reads if (read.tensor, read.layer) not in hits]
        stored = {read.tensor for read in missed}
        return (
            self.compulsory_bytes
            + sum(self.read_bytes(read) for read in missed)
            + sum(self.store_bytes(tensor) for tensor in stored)
        )


def graph_of(workload: Workload, scratchpad_bytes: float, largest_bytes: float = float("inf")) -> Graph:
    """The planning problem of a workload.

    Args:
        workload: its layers, unmerged.
        scratchpad_bytes: room for whole tensors; larger ones stream.
        largest_bytes: the largest tensor, and operand, that the chip keeps whatever its scratchpad.
    """
    operators = [layer.operator for layer in workload.layers]
    producers: dict[int, list[int]] = {}
    for source, target in workload.edges:
        producers.setdefault(target, []).append(source)
    keep = min(scratchpad_bytes, largest_bytes)
    reads: list[Read] = []
    for layer, sources in sorted(producers.items()):
        reads += _reads(layer, operators, sorted(set(sources)), keep, largest_bytes)
    return Graph(
        sizes=tuple(operator.out_bytes for operator in operators),
        stores=tuple(0.0 if operator.out_external else operator.out_bytes for operator in operators),
        counts=tuple(operator.count for operator in operators),
        reads=tuple(reads),
        edges=tuple(sorted(set(workload.edges))),
        compulsory_bytes=workload.compulsory_bytes,
        scratchpad_bytes=scratchpad_bytes,
    )


def _reads(layer: int, operators: list[Operator], sources: list[int], keep: float, largest: float) -> list[Read]:
    """What one layer reads of the tensors it depends on."""
    operator = operators[layer]
    sizes = [operators[source].out_bytes for source in sources]
    parts = operand_parts(operator, sizes)
    operands = ((operator.a_bytes, operator.a_external), (operator.b_bytes, operator.b_external))
    reads = []
    for index, source in enumerate(sources):
        fetched, whole = [0.0, 0.0], False
        streams = sizes[index] > keep or operators[source].count != operator.count
        for side, ((size, external), chosen) in enumerate(zip(operands, parts, strict=True)):
            if index in chosen:
                share = sizes[index] / max(sum(sizes[other] for other in chosen), 1.0)
                fetched[side] = 0.0 if external else size * share
                whole |= size * share >= sizes[index] * (1 - 1e-9)
                streams |= bool(external) or size > largest
        reads.append(Read(source, layer, fetched[0], fetched[1], whole, streams))
    return reads


def operand_parts(operator: Operator, sizes: list[float]) -> tuple[frozenset[int], frozenset[int]]:
    """Which of the tensors that a layer depends on, of these sizes, are parts of operand A and of operand B.

    A workload's edges do not say. With two activations the split is taken whose sums come nearest to the sizes of the
    operands; one tensor alone feeds both, unless the other one is external.
    """
    every, none = frozenset(range(len(sizes))), frozenset[int]()
    if operator.weight == WEIGHT_B or (operator.weight == WEIGHT_NONE and operator.b_bytes == 0):
        return every, none
    if operator.weight == WEIGHT_A:
        return none, every
    if len(sizes) == 1 and not (operator.a_external or operator.b_external):
        return every, every
    sums: dict[float, frozenset[int]] = {0.0: none}
    for index, size in enumerate(sizes):
        if len(sums) > _SUMS:
            break
        sums = {total + size: chosen | {index} for total, chosen in sums.items()} | sums
    total = sum(sizes)

    def mismatch(a: float) -> float:
        return _mismatch(a, operator.a_bytes, operator.a_external) + _mismatch(
            total - a, operator.b_bytes, operator.b_external
        )

    chosen = sums[min(sums, key=mismatch)]
    return chosen, every - chosen


def _mismatch(parts: float, operand: float, external: int) -> float:
    """Distance of an operand from its parts; an external one may hold more than what was produced here."""
    return max(parts - operand, 0.0) if external else abs(parts - operand)
