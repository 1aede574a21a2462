"""What a compression setting does to a network: another table of operators.

Widths, whatever the workload came with: weights have `weight_bits`, activations `activation_bits`, key-value caches
`kv_bits`; below 8 bits a group of 128 carries a 16-bit scale (weights, AWQ: arXiv 2306.00978) or a scale and a zero
point (caches, QoQ: arXiv 2405.04532). Language models keep 16 bits, or 8 where activations are narrower, in the output
head, and at least 8 bits in attention, norms and residual sums: no published result has them narrower.

Zeros change no shape but the columns `weight_density`, `pattern_m` and `activation_density`, which hardware may make
use of or not. Slicing (SliceGPT, arXiv 2401.15024) removes a share of the residual stream's width and adds a square
product to each residual sum; pruned tokens and heads (SpAtten, arXiv 2012.09852) leave, and ranking them adds two
vector operations to each score.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from archgym.compression.setting import GROUP, NARROW, UNQUANTISED, Setting
from archgym.errors import InputError
from archgym.workloads import Workload
from archgym.workloads.operators import (
    DECODE,
    FORWARD,
    KINDS,
    WEIGHT_A,
    WEIGHT_B,
    WEIGHT_NONE,
    with_accumulators,
)

Mask = NDArray[np.bool_]

SCALE_BITS, ZERO_BITS = 16, 16  # of a group's scale and of its zero point
RANKING_OPS = 2  # per score: add it to its token's importance, compare [SpAtten, section 4]
ATTENTION, EMBEDDING, ELEMENTWISE, NORM, SOFTMAX = (
    KINDS.index(kind) for kind in ("attention", "embedding", "elementwise", "norm", "softmax")
)


@dataclass(frozen=True)
class Roles:
    """What the rows [L] of a table of operators are for, as far as compression treats them differently.

    Attributes:
        reads_cache, writes_cache: B, or the output, is a key-value cache.
        head: the product that makes the logits of a language model.
        after_norm: its input is the normalised residual stream.
        residual: the sum of the residual stream.
        before_attention, after_attention: its outputs, or its inputs, are split over heads.
        mixes: attention's second product, probabilities times values.
    """

    reads_cache: Mask
    writes_cache: Mask
    head: Mask
    after_norm: Mask
    residual: Mask
    before_attention: Mask
    after_attention: Mask
    mixes: Mask


def roles_of(workload: Workload) -> Roles:
    """Roles of the merged operators of a workload, from its data dependences.

    Layers that were merged take the role of the first. They have equal shapes, so it is the same whether K of one or N
    of the other shrinks (queries and outputs of attention, both square).
    """
    kinds = [layer.operator.kind for layer in workload.layers]
    feeds: list[set[str]] = [set() for _ in kinds]
    fed: list[set[str]] = [set() for _ in kinds]
    for source, target in workload.edges:
        feeds[source].add(kinds[target])
        fed[target].add(kinds[source])
    table, first = workload.operators, workload.first_layers
    has_cache = workload.cache_bytes > 0
    to_attention = np.array(["attention" in feeds[i] for i in first])
    from_attention = np.array(["attention" in fed[i] for i in first])
    from_softmax = np.array(["softmax" in fed[i] for i in first])
    from_norm = np.array(["norm" in fed[i] for i in first])
    product = (table.k > 0) & (table.weight != WEIGHT_NONE)
    attention = table.kind == ATTENTION
    writes = has_cache & to_attention & (table.out_external == 1) & ~attention
    return Roles(
        reads_cache=attention & (table.resident_bytes > 0),
        writes_cache=writes,
        head=has_cache & product & (table.out_external == 1) & ~writes,
        after_norm=product & from_norm,
        residual=(table.kind == ELEMENTWISE) & (table.b_bytes > 0) & (table.vector_ops == table.m),
        before_attention=product & to_attention,
        after_attention=product & from_attention,
        mixes=attention & from_softmax,
    )


class Network:
    """A workload that can be compressed.

    Attributes:
        workload: as it came.
        roles: of its operators.
    """

    def __init__(self, workload: Workload) -> None:
        self.workload, self.roles = workload, roles_of(workload)

    def labels(self, setting: Setting) -> list[str]:
        """One label per row of `compressed`."""
        added = ["slice adapter"] * (len(self.compressed(setting)) - len(self.workload.labels))
        return self.workload.labels + added

    def compressed(self, setting: Setting) -> np.recarray:
        """The table [L] of OPERATOR_DTYPE under a setting; sliced networks have a row more for each residual sum.

        Raises:
            InputError: pruned tokens or heads without attention, or slicing without a normalised residual stream.
        """
        table = self.workload.operators.copy()
        self._quantise(table, setting)
        if setting.token_pruning or setting.head_pruning:
            self._prune(table, 1 - setting.token_pruning, 1 - setting.head_pruning)
        if setting.pattern.startswith("slice"):
            table = self._slice(table, setting.weight_density)
        else:
            self._thin(table, setting)
        return with_accumulators(table)

    def _quantise(self, table: np.recarray, setting: Setting) -> None:
        """Set widths and bytes."""
        roles, language = self.roles, self.workload.cache_bytes > 0
        weights, activations, cache = setting.weight_bits, setting.activation_bits, setting.kv_bits
        kept = max(activations, NARROW) if language else activations  # of what is no input of a product with weights
        head = NARROW if activations <= NARROW else UNQUANTISED
        product = (table.k > 0) & (table.weight != WEIGHT_NONE)
        weight_bits = np.where(roles.head, head, weights)
        input_bits = np.where(roles.head, head, np.where(product, activations, kept))
        cached = np.where(roles.reads_cache & (table.phase == DECODE), cache, input_bits)
        new = {
            "a": np.where(table.weight == WEIGHT_A, weight_bits, input_bits),
            "b": np.where(table.weight == WEIGHT_B, weight_bits, cached),
            "out": np.where(roles.writes_cache, cache, np.where(roles.head, head, kept)),
        }
        stored = {
            "a": np.where(table.weight == WEIGHT_A, _with_scales(weight_bits, SCALE_BITS), new["a"]),
            "b": np.where(
                table.weight == WEIGHT_B,
                _with_scales(weight_bits, SCALE_BITS),
                np.where(roles.reads_cache, _with_scales(cached, SCALE_BITS + ZERO_BITS), new["b"]),
            ),
            "out": np.where(roles.writes_cache, _with_scales(new["out"], SCALE_BITS + ZERO_BITS), new["out"]),
        }
        resident = np.where(product, _with_scales(weight_bits, SCALE_BITS), _with_scales(cache, SCALE_BITS + ZERO_BITS))
        was = np.where(table.weight == WEIGHT_A, table.a_bits, table.b_bits)
        table.resident_bytes *= resident / was
        table.weight_group = np.where(product & (weight_bits < NARROW), GROUP, 0)
        for name, bits in new.items():
            table[f"{name}_bytes"] *= stored[name] / table[f"{name}_bits"]
            table[f"{name}_bits"] = bits

    def _thin(self, table: np.recarray, setting: Setting) -> None:
        """Zeros among weights and inputs of all products with weights but the head."""
        group = float(setting.pattern.partition(":")[2] or 0)
        sparse = (table.k > max(group, 1)) & (table.weight != WEIGHT_NONE) & ~self.roles.head
        table.weight_density[sparse] = setting.weight_density
        table.pattern_m[sparse] = group
        table.activation_density[sparse] = 1 - setting.activation_sparsity

    def _prune(self, table: np.recarray, tokens: float, heads: float) -> None:
        """Keep these shares of tokens and heads; every score that is left is ranked."""
        scores = table.kind == SOFTMAX
        if not scores.any():
            raise InputError("pruned tokens and heads are those of attention, which this network has not")
        self._prune_tokens(table, tokens)
        self._prune_heads(table, heads)
        table.vector_ops[scores] += RANKING_OPS * table.m[scores]

    def _prune_tokens(self, table: np.recarray, keep: float) -> None:
        """Tokens that leave: keys and values of a cache, rows of everything in a forward pass."""
        attention = table.kind == ATTENTION
        keys, values, scores = attention & ~self.roles.mixes, self.roles.mixes, table.kind == SOFTMAX
        _scale(table, keys, keep, "n", "b_bytes", "out_bytes", "resident_bytes", "vector_ops")
        _scale(table, values, keep, "k", "a_bytes", "b_bytes", "resident_bytes")
        _scale(table, scores, keep, "m", "a_bytes", "out_bytes", "vector_ops")
        rows = (table.phase == FORWARD) & ~self.roles.head & (table.kind != EMBEDDING)
        _scale(table, rows, keep, "m", "a_bytes", "out_bytes", "vector_ops")
        _scale(table, rows & (table.k == 0), keep, "b_bytes")

    def _prune_heads(self, table: np.recarray, keep: float) -> None:
        """Heads that leave: their attention, and their part of the projections around it."""
        roles = self.roles
        attention, scores = table.kind == ATTENTION, table.kind == SOFTMAX
        both = ("a_bytes", "b_bytes", "out_bytes", "resident_bytes", "vector_ops")
        _scale(table, attention, keep, "batch", *both)
        _scale(table, scores, keep, "m", *both)
        _scale(table, roles.before_attention, keep, "n", *both[1:])
        _scale(table, roles.after_attention, keep, "k", "a_bytes", "b_bytes", "resident_bytes")

    def _slice(self, table: np.recarray, keep: float) -> np.recarray:
        """A narrower residual stream: K of the products that read it, N of those that write it, and adapters."""
        roles = self.roles
        product = (table.k > 0) & (table.weight != WEIGHT_NONE)
        widths = np.unique(table.k[roles.after_norm])
        if len(widths) != 1:
            raise InputError("slicing is for networks with one normalised residual stream of one width")
        width = float(widths[0])
        _scale(table, roles.after_norm, keep, "k", "a_bytes", "b_bytes", "resident_bytes")
        _scale(table, product & ~roles.after_norm, keep, "n", "b_bytes", "out_bytes", "resident_bytes", "vector_ops")
        stream = roles.residual | (table.kind == NORM) | (table.kind == EMBEDDING)
        _scale(table, stream, keep, "m", "a_bytes", "b_bytes", "out_bytes", "vector_ops")
        both: np.recarray = np.concatenate([table, self._adapters(table, width * keep)]).view(np.recarray)
        return both

    def _adapters(self, table: np.recarray, width: float) -> np.recarray:
        """A product [m, width] x [width, width] for each residual sum, wide and resident as others of its phase."""
        rows: np.recarray = table[self.roles.residual].view(np.recarray)  # a copy
        for row in rows:
            like = table[self.roles.after_norm & (table.phase == row.phase)][0]
            bytes_each = like.b_bytes / (like.k * like.n)
            row.m, row.k, row.n, row.kind, row.weight = row.m / width, width, width, like.kind, WEIGHT_B
            row.a_bytes, row.a_bits, row.b_bits = row.a_bytes * like.a_bits / row.a_bits, like.a_bits, like.b_bits
            row.b_bytes, row.b_external, row.out_external, row.vector_ops = width * width * bytes_each, 0, 0, 0
            row.resident_bytes = row.b_bytes * like.resident_bytes / like.b_bytes
        return rows


def _with_scales(bits: NDArray[np.float64] | float, group_bits: float) -> NDArray[np.float64]:
    """Bits that an element takes in memory, its share of its group's scale included."""
    return np.where(np.asarray(bits) < NARROW, np.asarray(bits) + group_bits / GROUP, bits).astype(np.float64)


def _scale(table: np.recarray, rows: Mask, factor: float, *names: str) -> None:
    for name in names:
        table[name][rows] *= factor
