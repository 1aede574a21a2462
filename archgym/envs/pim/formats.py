"""How a design keeps B of a product (weights, or a cache) in memory, and what its lanes do for a position of B.

There is one copy in memory for NPU and PUs alike. Where PUs may read it, it lies as they can multiply it. All functions
are pure, plain or compiled; archgym/envs/sparsity.py says what the engines are.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba.extending import register_jitable

from archgym.compression.setting import GROUP
from archgym.envs.pim.budget import FC_NPU, MIXED, PACKED, UNIFORM
from archgym.envs.pim.devices import LARGEST_SKIP
from archgym.envs.scales import group_scaled
from archgym.envs.sparsity import BITMAP, N_OF_M, input_share, skips_weights
from archgym.workloads.operators import WEIGHT_A, WEIGHT_B, WEIGHT_NONE

WIDTHS = (3.0, 4.0, 6.0, 8.0, 16.0)  # bits that narrower elements of B may be stored with
WIDER = 0.95  # and are, where the time of a product falls below this share: wider costs bytes and energy


class Format(NamedTuple):
    """B in memory and its products, per position of B.

    Attributes:
        stored_bits: in memory, with scales of groups, indices or bitmap.
        bytes_share: of the stored bytes over those of the operator table.
        width: of an operand in a 16-bit lane, which does 16 / width products at once.
        outputs: products of one input with narrower weights that such an operand's place takes (mixed), 1 otherwise.
        computed: positions that take time, N of M at best every second.
        kept: positions whose products are really computed.
        widened: weights that a converter widens on their way to the multipliers.
        selected: weights that come with an index, or are spread by a bitmap.
        unpacked: weights that the host's vector unit must widen, as there is no converter.
        npu_sums, pu_sums: multiplications of a group's sum by its scale.
        inputs: rows of B that the NPU must fetch, as not all its inputs are zero.
    """

    stored_bits: float
    bytes_share: float
    width: float
    outputs: float
    computed: float
    kept: float
    widened: float
    selected: float
    unpacked: float
    npu_sums: float
    pu_sums: float
    inputs: float


@register_jitable
def table_bits(operator):
    """Bits of a position of B with its share of the scales, which elements of less than 8 bits have."""
    if operator.b_bits >= 8.0:
        return operator.b_bits
    bits = 8.0 * operator.b_bytes / (operator.batch * operator.groups * operator.k * operator.n)
    return min(max(bits, operator.b_bits), operator.b_bits + 1.0)


@register_jitable
def read_by_pus(design, operator, budget):
    """Whether PUs may read B: weights unless the mapping keeps them to the NPU, caches always."""
    if budget.has_pim == 0:
        return False
    if operator.weight == WEIGHT_NONE:
        return operator.resident_bytes > 0 or budget.has_npu == 0
    return design.fc_mapping != FC_NPU


@register_jitable
def product_bits(design, operator, bits):
    """(operand width, width of a weight among operands): 16 and 8 bits are native, 4 bits where lanes are split."""
    widest = max(operator.a_bits, bits)
    width = 4.0 if design.arithmetic >= PACKED and widest <= 4.0 else max(widest, 8.0)
    if design.arithmetic == MIXED and bits < operator.a_bits:
        return width, 4.0 if bits <= 4.0 else max(bits, 8.0)
    return width, width


@register_jitable
def converted(operator, bits):
    """Whether elements of B stored with `bits` bits are narrower than their product, or have scales for groups."""
    if operator.weight == WEIGHT_A:
        return False
    return bits < operator.a_bits or (bits < 8.0 and group_scaled(operator))


@register_jitable
def may_store(operator, bits):
    """Whether B may be stored with `bits` bits instead of its own: up to the inputs' width, or 8 bits."""
    own = operator.b_bits
    return converted(operator, own) and own < bits and bits <= max(operator.a_bits, 8.0)


@register_jitable
def format_of(design, operator, bits, budget):
    """Format of B of an operator with products, its elements stored with `bits` bits: its own, or more.

    With more, B is what a network of that width would have: from 8 bits on, scales of groups are multiplied in.
    """
    width, narrow = product_bits(design, operator, bits)
    pus = read_by_pus(design, operator, budget)
    dense = table_bits(operator)
    scales = 0.0 if bits >= 8.0 else dense - operator.b_bits
    stored = bits + scales
    widened = unpacked = selected = 0.0
    scaled = group_scaled(operator)
    if converted(operator, bits) and bits < width:
        if design.arithmetic == UNIFORM and pus:
            stored, scales = width, 0.0  # widened beforehand, scales multiplied in (for 8 bits as QoQ, 2405.04532)
        elif design.arithmetic == UNIFORM:
            unpacked = 1.0
        elif narrow == width:
            widened = 1.0
    # Converters of the NPU multiply by the scale; sums of integers, and those of PUs, have it after each group.
    pu_sums = 1.0 / GROUP if scales > 0.0 and scaled else 0.0
    npu_sums = pu_sums if narrow < 16.0 else 0.0

    computed = kept = inputs = 1.0
    if operator.weight == WEIGHT_B:
        inputs = input_share(operator, design.sparsity_engine)
        density = operator.weight_density
        if skips_weights(operator, design.sparsity_engine):
            if design.sparsity_engine == N_OF_M:
                stored = density * (stored + np.ceil(np.log2(operator.pattern_m)))
                computed, kept, selected = max(density, LARGEST_SKIP), density, density
            elif design.sparsity_engine == BITMAP and not pus:
                stored, kept, selected = density * stored + 1.0, density, 1.0
    return Format(
        stored,
        stored / dense,
        width,
        width / narrow,
        computed,
        kept,
        widened,
        selected,
        unpacked,
        npu_sums,
        pu_sums,
        inputs,
    )


@register_jitable
def lane_slots(form):
    """Slots of 16-bit lanes of PUs per position of B: products, and the group's scale."""
    return form.width / 16.0 / form.outputs * (form.computed + form.pu_sums)
