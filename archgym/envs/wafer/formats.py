"""How cores keep B of a product (weights, or a cache) and what its positions cost them.

All functions are pure, plain or compiled; archgym/envs/sparsity.py says what the engines are.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba.extending import register_jitable

from archgym.compression.setting import GROUP
from archgym.envs.scales import group_scaled
from archgym.envs.sparsity import (
    ACTIVATIONS,
    BITMAP,
    N_OF_M,
    input_share,
    lane_share,
    skips_weights,
    stored_share,
)
from archgym.envs.wafer.budget import FP16, PACKED
from archgym.workloads.operators import WEIGHT_A, WEIGHT_B


class Format(NamedTuple):
    """B in the cores and its products, per position of B.

    Attributes:
        pack: products of one sum that a 16-bit unit does at once.
        stored_bits: of a position with scales, indices or bitmap.
        bytes_share: of the stored bytes over those of the operator table.
        fetched: bytes that must be streamed over those that are stored, as no request has a use for the rest.
        kept: products really computed.
        group: positions along K that are skipped together, N of M; 1 otherwise.
        unpacked: operations of the units on a weight before its products.
        converted: weights that a converter widens, or an engine places.
        scales: multiplications of a sum, each for up to GROUP positions along K.
    """

    pack: float
    stored_bits: float
    bytes_share: float
    fetched: float
    kept: float
    group: float
    unpacked: float
    converted: float
    scales: float


@register_jitable
def format_of(design, operator):
    """Format of B of an operator with products."""
    widest = max(operator.a_bits, operator.b_bits)
    pack = 1.0
    if design.arithmetic == PACKED:
        pack = 4.0 if widest <= 4.0 else max(np.floor(16.0 / max(widest, 8.0)), 1.0)
    scaled = group_scaled(operator)
    narrow = operator.b_bits < operator.a_bits or (scaled and operator.b_bits < 8.0)
    narrow = narrow and operator.b_bits < 16.0 / pack and operator.weight != WEIGHT_A
    unpacked = 1.0 if narrow and design.arithmetic == FP16 else 0.0
    converted = 1.0 if narrow and design.arithmetic != FP16 else 0.0
    scales = 1.0 if scaled and unpacked == 0.0 else 0.0  # unpacking is a multiply-add with the scale
    stored = operator.b_bits
    if stored < 8.0:
        positions = operator.batch * operator.groups * operator.k * operator.n
        stored = min(max(8.0 * operator.b_bytes / positions, stored), stored + 1.0)

    share = kept = group = fetched = 1.0
    if operator.weight == WEIGHT_B:
        if skips_weights(operator, design.sparsity_engine):
            share = stored_share(operator, design.sparsity_engine)
            kept = operator.weight_density
            group = operator.pattern_m if design.sparsity_engine == N_OF_M else 1.0
            converted += 1.0
        elif design.sparsity_engine == ACTIVATIONS:
            kept = operator.activation_density
            fetched = input_share(operator, design.sparsity_engine)
    return Format(pack, stored * share, share, fetched, kept, group, unpacked, converted, scales)


@register_jitable
def products_of_tile(design, form, m, kt, nt, cores):
    """Turns of a unit for [m, kt] x [kt, nt] on each of `cores` cores that end together.

    N of M neighbours are kept in every group. Zeros anywhere leave other cores more: all wait for the fullest, whether
    weights of the tile or inputs are skipped. Products of one sum, neighbours along K, fill a unit up.
    """
    if form.kept < 1.0:
        if design.sparsity_engine == N_OF_M:
            kt = np.ceil(kt / form.group) * form.group * form.kept
        else:
            slots = kt * nt if design.sparsity_engine == BITMAP else m * kt
            kt *= lane_share(form.kept, cores, slots)
    turns = np.ceil(kt / form.pack) if form.pack > 1.0 else kt
    return m * turns * nt


@register_jitable
def extra_of_tile(form, steps, m, kt, nt):
    """Turns of a unit beside the products of all steps: weights to unpack, a group's sums to scale."""
    return form.unpacked * steps * kt * nt + form.scales * m * nt * np.ceil(steps * kt / GROUP)
