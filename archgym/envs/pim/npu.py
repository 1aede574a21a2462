"""The host's part of an operator: weight-stationary arrays in closed form, and what crosses the memory's pins."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba.extending import register_jitable

from archgym.envs.systolic.codes import OVERLAPPED, WS
from archgym.envs.systolic.cost import fold_cycles, folds_of, sram_words, time_tiles
from archgym.workloads.operators import WEIGHT_A, WEIGHT_B

ACCUMULATOR_BYTES = 4.0


class Gemm(NamedTuple):
    """Work of one device: seconds of arrays and of memory, bytes over the pins (weights apart), SRAM bytes.

    `b_loads`: how often B comes into the SRAM; `b_words`: its words that enter the arrays.
    """

    compute_s: float
    memory_s: float
    pin_bytes: float
    b_bytes: float
    sram_bytes: float
    b_loads: float
    b_words: float


@register_jitable
def pin_bytes(operator, budget):
    """Bytes of A and the output that cross the pins: external ones, and activations that half the SRAM cannot hold."""
    a, out = 0.0, 0.0
    if operator.a_external or operator.weight == WEIGHT_A or operator.a_bytes > budget.half_sram_bytes:
        a = operator.a_bytes
    if operator.out_external or operator.out_bytes > budget.half_sram_bytes:
        out = operator.out_bytes
    return a, out


@register_jitable
def gemm(products, m, k, n, operator, form, share, budget):
    """`products` products [m, k] x [k, n] on one of the devices, which has `share` of the operands."""
    # 16-bit PEs multiply two 8-bit pairs at once: twice the rows; or one input with narrower weights of more columns.
    double = 16.0 / form.width
    left = k * form.computed * form.inputs
    fr, fc, sc, _ = folds_of(WS, m, left, n, budget.side * double, budget.side * form.outputs)
    tiles = time_tiles(WS, fr, budget.side, sc, m, ACCUMULATOR_BYTES, budget.half_sram_bytes / 2.0)
    # Arrays share out products, column folds and pieces of the streamed dimension that still hide a fold's load.
    split = min(max(np.floor(m / (tiles * budget.side)), 1.0), budget.arrays)
    folds = np.ceil(products * fc * split / budget.arrays) * fr * tiles
    fold, once = fold_cycles(WS, OVERLAPPED, budget.side, budget.side, np.ceil(m / (tiles * split)))

    a, out = pin_bytes(operator, budget)
    # Half the SRAM holds a block of B; A is read once for each block, unless all of it fits. Tiles of the streamed
    # dimension read B again, unless the columns at work stay.
    kept_bits = max(operator.a_bits, form.stored_bits) if form.unpacked > 0 else form.stored_bits
    a_each, b_each = m * k * operator.a_bits / 8.0, k * n * form.inputs * kept_bits / 8.0
    loads_a = 1.0 if a_each <= budget.half_sram_bytes else np.ceil(b_each / budget.half_sram_bytes)
    loads_b = 1.0 if b_each * min(1.0, budget.side / n) <= budget.half_sram_bytes else tiles
    stays = operator.weight != WEIGHT_B and operator.b_external == 0 and operator.b_bytes <= budget.half_sram_bytes
    b = 0.0 if stays else operator.b_bytes * form.bytes_share * form.inputs * loads_b * share
    moved = (a * loads_a + out) * share + b
    memory_s = moved / budget.bandwidth
    if budget.array_bandwidth < budget.bandwidth and operator.weight != WEIGHT_B:
        # Each head is one multiprocessor's, which cannot draw the whole bandwidth (AttAcc's model of the A100).
        blocks = products * np.ceil(m / budget.side)
        if blocks < budget.arrays:
            memory_s = moved / blocks / budget.array_bandwidth

    a_words, b_words, out_words = sram_words(WS, m, left, n, fr, fc, tiles)
    words = a_words / form.computed * operator.a_bits / 8.0 + b_words * kept_bits / form.computed / 8.0
    words += (2.0 * out_words - m * n) * ACCUMULATOR_BYTES
    return Gemm(
        compute_s=(folds * fold + once) * budget.macs_cycle_s,
        memory_s=memory_s,
        pin_bytes=moved,
        b_bytes=b,
        sram_bytes=products * words + moved,
        b_loads=loads_b,
        b_words=products * b_words,
    )
