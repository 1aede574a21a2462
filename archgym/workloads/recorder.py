"""What the importers share: values are followed through a foreign graph, operators become layers.

An importer tells the recorder every operator in execution order. Free operators (reshapes, slices, concatenations)
pass values on; the rest become layers. `build` then does what every inference compiler does: an elementwise operator
with one input joins the layer that alone feeds it, and a batch normalisation or bias behind a product with weights
is folded into it.

An operator that cannot be costed stays in the network as an elementwise layer that moves its bytes and computes
nothing. Its type is kept in its name, `uncosted:TYPE:name`, so that every table shows it and a saved table keeps it;
`report` reads the names back into one warning.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from archgym.workloads.builder import SOFTMAX
from archgym.workloads.operators import WEIGHT_A, WEIGHT_B, WEIGHT_NONE, Operator
from archgym.workloads.workload import Layer, Workload

log = logging.getLogger(__name__)

# What an elementwise layer does when a single layer feeds it and has no other reader: join it with its lane
# operations; or, a scale and shift per channel behind a product with weights, vanish into those weights.
UNARY, FOLDED = "unary", "folded"


@dataclass(frozen=True)
class Value:
    """A tensor of the foreign graph.

    Attributes:
        elements: number of distinct elements; a broadcast view holds no more than its base.
        producers: indices of the layers whose output it holds.
        sources: names of the external tensors it holds.
        constant: names of the weights it is made of when it depends on nothing else, known before the run.
    """

    elements: float
    producers: frozenset[int] = frozenset()
    sources: frozenset[str] = frozenset()
    constant: frozenset[str] = frozenset()

    @property
    def is_constant(self) -> bool:
        """Known before the run: a weight, or something computed from weights alone."""
        return not self.producers and not self.sources

    def view(self, elements: float) -> Value:
        """The same data, or a part of it, in another shape."""
        return replace(self, elements=min(self.elements, elements) if self.elements else elements)


def joined(values: Iterable[Value], elements: float) -> Value:
    """A value of `elements` that holds data of several (concatenation)."""
    parts = list(values)
    return Value(
        elements,
        frozenset().union(*(part.producers for part in parts)),
        frozenset().union(*(part.sources for part in parts)),
        frozenset().union(*(part.constant for part in parts)),
    )


@dataclass(frozen=True)
class _Draft:
    name: str
    operator: Operator
    producers: frozenset[int]
    joins: str


class Recorder:
    """Collects the layers of a foreign graph; the counterpart of `Builder` for graphs that exist already.

    Args:
        bits: width of every element.
        requests: independent inputs (images, requests), the leading dimension of the graph's inputs.
    """

    def __init__(self, bits: int = 8, requests: float = 1) -> None:
        self.bits, self.requests = bits, requests
        self._drafts: list[_Draft] = []
        self._fetched: frozenset[str] = frozenset()
        self._stored: frozenset[str] = frozenset()
        self._names: dict[str, int] = {}

    @property
    def macs(self) -> float:
        """Multiply-accumulates so far."""
        return sum(draft.operator.macs for draft in self._drafts)

    def product(
        self,
        name: str,
        a: Value,
        b: Value,
        *,
        out: float,
        m: float,
        k: float,
        n: float,
        batch: float = 1,
        conv: tuple[float, float] | None = None,
        groups: float = 1,
        vector_ops: float = 0,
        count: float = 1,
    ) -> Value:
        """`batch * groups` products A [m, k] x B [k, n] of activations or with weights; returns a value of `out`.

        The kind follows from the operands: a convolution, for which `conv` is (taps of the kernel, columns of the
        output), a matmul with weights, or a product of activations (attention). Batches with weights of their own
        are groups. Heads that share one operand, seen by its distinct elements, are rows of one product
        (grouped-query attention).
        """
        if not batch * groups * m * k * n:
            return joined((a, b), out)  # of empty tensors
        weight = WEIGHT_B if b.is_constant else WEIGHT_A if a.is_constant else WEIGHT_NONE
        if weight != WEIGHT_NONE:
            groups, batch = groups * batch, 1
        elif conv is None and 0 < b.elements < batch * k * n and (batch * k * n) % b.elements == 0:
            shared = batch * k * n / b.elements
            if batch % shared == 0:
                batch, m = batch / shared, m * shared
        kind = "conv" if conv else "attention" if weight == WEIGHT_NONE else "matmul"
        stored = b if weight == WEIGHT_B else a
        new = weight != WEIGHT_NONE and not stored.constant <= self._stored
        self._stored |= stored.constant if weight != WEIGHT_NONE else frozenset()
        operator = self._operator(kind, a, b, out, m=m, k=k, n=n, vector_ops=vector_ops, count=count, weight=weight)
        kernel, width = conv or (1, 1)
        resident = self._bytes(stored) / count if new else 0.0
        operator = replace(operator, batch=batch, groups=groups, kernel=kernel, width=width, resident_bytes=resident)
        return self._emit(name, operator, (a, b), out)

    def vector(
        self,
        kind: str,
        name: str,
        inputs: Sequence[Value],
        *,
        out: float,
        ops: float,
        joins: str = "",
        count: float = 1,
    ) -> Value:
        """A layer of the vector unit with `ops` lane operations in all; returns a value of `out` elements.

        A is the largest input and B all others. `joins` is UNARY or FOLDED for what may join its producer.
        """
        if (inputs and all(value.is_constant for value in inputs)) or (ops and not out):  # known before; empty
            return joined(inputs, out)
        first, *others = sorted(inputs, key=lambda value: (value.is_constant, -value.elements)) or [Value(0)]
        rest = joined(others, sum(value.elements for value in others)) if others else None
        operator = self._operator(kind, first, rest, out, m=max(out, 1), k=0, n=1, vector_ops=ops, count=count)
        return self._emit(name, operator, inputs, out, joins)

    def attention(
        self, name: str, query: Value, key: Value, value: Value, size: tuple[float, float, float, float, float]
    ) -> Value:
        """Scores, softmax and weighted sum; size is (requests * heads, queries, keys, depth, depth of the values).

        The full square: masks are not exploited.
        """
        batch, queries, keys, depth, out_depth = size
        square = batch * queries * keys
        scores = self.product(f"{name}.scores", query, key, out=square, batch=batch, m=queries, k=depth, n=keys)
        shares = self.vector("softmax", f"{name}.softmax", [scores], out=square, ops=SOFTMAX * square)
        out, context = batch * queries * out_depth, f"{name}.context"
        return self.product(context, shares, value, out=out, batch=batch, m=queries, k=keys, n=out_depth)

    def uncosted(self, kind: str, name: str, inputs: Sequence[Value], *, out: float, macs: float = 0) -> Value:
        """An operator of a type that cannot be costed; `macs` of its contents where they are known."""
        known = f"({macs:.0f} MACs)" if macs else ""
        if inputs and all(value.is_constant for value in inputs) and not macs:
            return joined(inputs, out)
        return self.vector("elementwise", f"uncosted:{kind.replace(':', '.')}{known}:{name}", inputs, out=out, ops=0)

    def build(self, name: str, outputs: Iterable[Value]) -> Workload:
        """The workload, after joining and folding; the producers of `outputs` write off the chip."""
        final = frozenset().union(*(value.producers for value in outputs))
        home, folded = self._homes(final)
        kept = [index for index, place in enumerate(home) if place == index]
        position = {index: new for new, index in enumerate(kept)}
        ops = [0.0] * len(home)
        for index, place in enumerate(home):
            ops[place] += 0 if index in folded else self._drafts[index].operator.vector_ops
        written = {home[index] for index in final}
        layers = [
            Layer(
                self._drafts[index].name,
                replace(self._drafts[index].operator, vector_ops=ops[index], out_external=int(index in written)),
            )
            for index in kept
        ]
        edges = {
            (position[home[source]], position[home[index]])
            for index, draft in enumerate(self._drafts)
            for source in draft.producers
            if home[source] != home[index]
        }
        return Workload(name, tuple(layers), tuple(sorted(edges)))

    def _homes(self, final: frozenset[int]) -> tuple[list[int], set[int]]:
        """For every draft the draft that it joins, itself where it stays; and the drafts that vanish there."""
        readers = [0] * len(self._drafts)
        for draft in self._drafts:
            for source in draft.producers:
                readers[source] += 1
        home, folded = list(range(len(self._drafts))), set[int]()
        for index, draft in enumerate(self._drafts):
            if not draft.joins or len(draft.producers) != 1:
                continue
            (source,) = draft.producers
            before, after = self._drafts[source], draft.operator
            alone = readers[source] == 1 and source not in final and before.operator.count == 1
            whole = before.operator.out_bytes == after.a_bytes == after.out_bytes and not after.a_external
            if alone and whole and not before.name.startswith("uncosted:"):
                home[index] = home[source]
                if draft.joins == FOLDED and (source in folded or before.operator.weight != WEIGHT_NONE):
                    folded.add(index)  # its scale and shift become part of the weights and their bias
        return home, folded

    def _operator(
        self,
        kind: str,
        a: Value,
        b: Value | None,
        out: float,
        *,
        m: float,
        k: float,
        n: float,
        vector_ops: float,
        count: float,
        weight: int = WEIGHT_NONE,
    ) -> Operator:
        return Operator(
            kind=kind,
            m=m,
            k=k,
            n=n,
            a_bytes=self._bytes(a),
            b_bytes=self._bytes(b) if b else 0,
            out_bytes=out * self.bits / 8,
            a_bits=self.bits,
            b_bits=self.bits,
            out_bits=self.bits,
            weight=weight,
            a_external=0 if weight == WEIGHT_A else self._fetch(a),
            b_external=0 if weight == WEIGHT_B or not b else self._fetch(b),
            vector_ops=vector_ops,
            requests=self.requests,
            count=count,
        )

    def _emit(self, name: str, operator: Operator, inputs: Iterable[Value], out: float, joins: str = "") -> Value:
        """Append a layer; the output of one that occurs `count` times is all its occurrences' (`out` is of one)."""
        producers = frozenset().union(*(value.producers for value in inputs))
        self._drafts.append(_Draft(self._unique(name), operator, producers, joins))
        return Value(out * operator.count, frozenset({len(self._drafts) - 1}))

    def _unique(self, name: str) -> str:
        used = self._names.get(name, 0)
        self._names[name] = used + 1
        return self._unique(f"{name}.{used + 1}") if used else name

    def _bytes(self, value: Value) -> float:
        return value.elements * self.bits / 8

    def _fetch(self, value: Value) -> int:
        """1 when it comes from outside and nothing has fetched it yet: later readers may find it on chip."""
        new = (value.sources | (value.constant if value.is_constant else frozenset())) - self._fetched
        self._fetched |= new
        return int(bool(new))


class Uncosted(NamedTuple):
    """The operators of one type that could not be costed.

    Attributes:
        kind: operator type in the source (`NonMaxSuppression`, `aten.topk`).
        occurrences: how often it occurs.
        bytes_share: of the bytes that all layers read and write.
        macs: of their contents (subgraphs); None where unknown.
        macs_share: of the MACs of the network and these contents; None where unknown.
    """

    kind: str
    occurrences: int
    bytes_share: float
    macs: float | None
    macs_share: float | None


_MARK = re.compile(r"uncosted:([^:(]+)(?:\((\d+) MACs\))?:")


def uncosted_operators(workload: Workload) -> list[Uncosted]:
    """What of an imported workload could not be costed, by operator type, largest share of bytes first."""
    counts: dict[str, int] = {}
    moved: dict[str, float] = {}
    macs: dict[str, float] = {}
    total = 0.0
    for layer in workload.layers:
        operator = layer.operator
        size = operator.count * (operator.a_bytes + operator.b_bytes + operator.out_bytes)
        total += size
        if match := _MARK.match(layer.name):
            kind = match[1]
            counts[kind] = counts.get(kind, 0) + 1
            moved[kind] = moved.get(kind, 0) + size
            macs[kind] = macs.get(kind, 0) + (float(match[2]) if match[2] else math.nan)
    rows = []
    for kind, count in counts.items():
        known = None if math.isnan(macs[kind]) else macs[kind]
        share = None if known is None else known / ((workload.macs + known) or 1)
        rows.append(Uncosted(kind, count, moved[kind] / (total or 1), known, share))
    return sorted(rows, key=lambda row: -row.bytes_share)


def warn_uncosted(workload: Workload, name: str) -> None:
    """One warning through the `archgym` logger that names what could not be costed; none where all is costed."""
    parts = [
        f"{row.kind} x{row.occurrences} ({100 * row.bytes_share:.2g} % of bytes, "
        + ("unknown MACs)" if row.macs_share is None else f"{100 * row.macs_share:.2g} % of MACs)")
        for row in uncosted_operators(workload)
    ]
    if parts:
        log.warning("%s: not costed, counted as moving their bytes only: %s", name, ", ".join(parts))
