"""What zeros save in a systolic array that has a sparsity engine, and what the engine's gates cost.

K is what shrinks: kept weights lie next to each other along K, in the array (ws), in time (os) or in the stream (is).

    n:m          each PE picks one of M = 8 inputs by its weight's index; columns stay in step by construction
    bitmap       each PE picks one of a window of 32 inputs; bitmaps are decoded to indices at the array's edge, and a
                 window takes as long as the fullest lane: columns that wait for each other are the lanes, or rows
                 where the weights are streamed through them (is)
    activations  comparators at the edge find the inputs that are zero for all requests; their rows of weights are
                 neither fetched nor multiplied. The inputs are read once more, to be looked at

Inputs are not compressed by the first two: for each kept weight 1 / density of them pass. Rows and ports are made for 4
a cycle, which is 1:4, the sparsest pattern in use; sparser ones gain no more.

All functions are pure and run as plain Python or compiled.

Sources:
    [Sparse TC] a multiplexer before each multiplier, driven by the kept weight's index (arXiv 2104.08378).
    [SparTen]   Gondimalla et al., MICRO 2019: bitmaps whose prefix sums give the positions. Its chunks of 128 have a
                buffer per multiplier; a window of 32, a word of bitmap, is an assumption for PEs without.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba.extending import register_jitable

from archgym.envs.sparsity import (
    ACTIVATIONS,
    BITMAP,
    N_OF_M,
    NONE,
    computed_share,
    input_share,
    skips_weights,
    stored_share_at,
)
from archgym.envs.systolic.arithmetic import MUX_OVER_ADD, input_ports
from archgym.envs.systolic.codes import IS
from archgym.envs.technology import ADD_UM2_PER_BIT, CELL_DENSITY, MUX_UM2_PER_BIT, REGISTER_UM2_PER_BIT
from archgym.workloads.operators import WEIGHT_B, WEIGHT_NONE

LARGEST_M = 8.0  # inputs that a PE of an n:m engine chooses from: 4:8 and 2:8
WINDOW = 32.0  # inputs that a PE of a bitmap engine chooses from
FEED = 4.0  # inputs that pass a PE for each product at most: M / N of 1:4
INDEX_BITS = 16.0  # of the address of a row of weights, as wide as the largest K in use


class Kept(NamedTuple):
    """Shares of dense work that are left.

    Attributes:
        products: multiplications.
        slots: positions along K that take time.
        stored: bytes of the weights, indices included.
        inputs: inputs that enter the array.
        scanned: inputs that are looked at before (0 or 1).
    """

    products: float
    slots: float
    stored: float
    inputs: float
    scanned: float


ALL_KEPT = Kept(1.0, 1.0, 1.0, 1.0, 0.0)


@register_jitable
def kept_of(design, operator, bits):
    """Shares of an operator's work that are left on a design that keeps its weights at `bits` in memory."""
    engine = design.sparsity_engine
    if engine == NONE or operator.weight == WEIGHT_NONE:
        return ALL_KEPT
    if engine == ACTIVATIONS:
        share = input_share(operator, engine) if operator.weight == WEIGHT_B else 1.0
        if share >= 1.0:
            return ALL_KEPT
        return Kept(share, share, share, share, 1.0)
    if not skips_weights(operator, engine) or (engine == N_OF_M and operator.pattern_m > LARGEST_M):
        return ALL_KEPT
    by_column = (operator.weight == WEIGHT_B) != (design.dataflow == IS)
    lanes = design.array_columns if by_column else design.array_rows
    slots = max(computed_share(operator, engine, lanes, min(WINDOW, operator.k)), 1.0 / FEED)
    return Kept(operator.weight_density, slots, stored_share_at(operator, engine, bits), 1.0, 0.0)


@register_jitable
def picks(design):
    """Inputs that a PE chooses from; 1 without a choice."""
    if design.sparsity_engine == N_OF_M:
        return LARGEST_M
    return WINDOW if design.sparsity_engine == BITMAP else 1.0


@register_jitable
def feed(design):
    """Input words that a row takes for each one that it multiplies, at most."""
    return FEED if picks(design) > 1.0 else 1.0


@register_jitable
def index_bits(design):
    """Bits that a column takes with each weight: its index, or the bits of up to 4 positions of the map."""
    if design.sparsity_engine == N_OF_M:
        return np.log2(LARGEST_M)
    return FEED if design.sparsity_engine == BITMAP else 0.0


@register_jitable
def selection_um2(design):
    """Area that a PE needs to choose: multiplexers, registers of inputs that pass, index. Placed, at 45 nm."""
    choices = picks(design)
    if choices <= 1.0:
        return 0.0
    bits = design.operand_bits
    registers = (FEED - 1.0) * bits + np.log2(choices)
    gates = (choices - 1.0) * bits * MUX_UM2_PER_BIT + registers * REGISTER_UM2_PER_BIT
    return input_ports(design) * gates / CELL_DENSITY


@register_jitable
def engine_edge_um2(design):
    """Area at the edges of one array: decoders of bitmaps per column, or comparators and addresses per row."""
    if design.sparsity_engine == BITMAP:  # a prefix sum over the window
        gates = design.array_columns * WINDOW * np.log2(WINDOW) * ADD_UM2_PER_BIT
    elif design.sparsity_engine == ACTIVATIONS:
        compare = design.operand_bits * MUX_UM2_PER_BIT
        gates = design.array_rows * (compare + INDEX_BITS * (ADD_UM2_PER_BIT + REGISTER_UM2_PER_BIT))
    else:
        return 0.0
    return input_ports(design) * gates / CELL_DENSITY


@register_jitable
def selection_pj(design, technology):
    """Choosing the input of one product: all multiplexers switch; a bitmap's prefix sum adds the index before."""
    choices = picks(design)
    switched = (choices - 1.0) * design.operand_bits * MUX_OVER_ADD
    if design.sparsity_engine == BITMAP:
        switched += np.log2(WINDOW)
    return switched * technology.add_pj_per_bit


@register_jitable
def scan_pj(design, technology):
    """Comparing one input with zero."""
    return design.operand_bits * MUX_OVER_ADD * technology.add_pj_per_bit
