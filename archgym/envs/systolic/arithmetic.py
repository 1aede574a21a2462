"""Processing elements: how fast each arithmetic multiplies data of any width, and its gates, area and energy.

    bit-parallel    one multiplier of operand_bits x operand_bits; wider data take passes, narrower ones gain no time
    bit-serial      dot product of 4 inputs of operand_bits and 4 weights, two bits of the weights a cycle [BitMoD]
    mixed           one shift-and-add multiplier of operand_bits x 4: wider weights take passes [MixPE]
    outlier-victim  operand_bits / 4 multipliers of 4 x 4 bits, fused for wider data, or side by side [OliVe]

The narrow operand of `bit-serial` and `mixed` is the weight; in attention it is B, the keys or values.

Weights below 8 bits come in groups of 128 with a scale (envs/scales.py). Bit-parallel arrays have nothing for scales:
either the vector unit widens each weight that enters to operand_bits, one lane operation a word, or the weights were
expanded to 8 bits, which need none, before they were stored; the faster for each operator. Bit-serial and mixed arrays
multiply integers and scale the sums of groups. Outlier-victim pairs do without: outliers are shifted, after a decoder
at the edge has told them from victims. Scales of key-value caches belong to tokens, and so to scores and
probabilities, where softmax applies them.

All functions are pure and run as plain Python or compiled. Gates are counted in units of technology.py at 45 nm.

Sources:
    [BitMoD] arXiv 2411.11745 and its simulator: ceil(bits / 2) cycles per 4-wide dot product; group sums scaled one
             bit of the 8-bit scale at a time, behind the next group.
    [MixPE]  arXiv 2411.16158: shift and add instead of multipliers; one dequantisation per group sum.
    [OliVe]  arXiv 2304.07493: pairs of 4-bit operands, of which one may be an outlier; several make a wider product.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba.extending import register_jitable

from archgym.compression.setting import GROUP, NARROW
from archgym.envs.scales import group_scaled
from archgym.envs.sparsity import weight_bits
from archgym.envs.systolic.codes import BIT_PARALLEL, BIT_SERIAL, MIXED, OS, OUTLIER_VICTIM, OVERLAPPED, WS
from archgym.envs.technology import (
    ADD_UM2_PER_BIT,
    CELL_DENSITY,
    MULTIPLY_8BIT_UM2,
    MULTIPLY_AREA_EXPONENT,
    MUX_UM2_PER_BIT,
    REGISTER_UM2_PER_BIT,
)
from archgym.workloads.operators import WEIGHT_A

SPAN, DIGIT_BITS = 4.0, 2.0  # inputs of a serial dot product, weight bits of a cycle [BitMoD]
LOW_BITS = 4.0  # of a mixed multiplier's weights [MixPE] and of an outlier-victim multiplier [OliVe]
SCALE_BITS = 8.0  # of a group's scale [BitMoD]
SHIFTER_BITS = 9.0 + 11.0 + 15.0 + 23.0  # multiplexers: an 8-bit product shifted by 1, 2, 4 and 8 [OliVe, abfloat]
DECODER_BITS = 8.0  # a word's decoder: adders and multiplexers to find and to expand outliers (an assumption)
MUX_OVER_ADD = MUX_UM2_PER_BIT / ADD_UM2_PER_BIT  # energies are taken in proportion to areas: an assumption


class Rate(NamedTuple):
    """How a PE goes over products of some width.

    Attributes:
        span: products along K that it takes side by side.
        cycles: cycles for each such set.
        again_a, again_b, again_out: how often inputs, weights and partial sums cross the array's edge for it.
    """

    span: float
    cycles: float
    again_a: float
    again_b: float
    again_out: float


class Stored(NamedTuple):
    """The form in which an operator's operands lie in memory and enter the array.

    Attributes:
        a_bytes, b_bytes: bytes of each, without what zeros save.
        a_bits, b_bits: width of a word.
        wider: bits that its sums are wider than those of the operator's own widths.
        unpacked: whether the vector unit widens each weight at the array's edge.
    """

    a_bytes: float
    b_bytes: float
    a_bits: float
    b_bits: float
    wider: float
    unpacked: bool


@register_jitable
def needs_scales(operator):
    """Whether something must be done for scales of the weights: they are narrow and a sum runs over several groups."""
    return group_scaled(operator) and weight_bits(operator) < NARROW


@register_jitable
def as_given(operator):
    """Operands at their own widths, which the array takes as they are."""
    return Stored(operator.a_bytes, operator.b_bytes, operator.a_bits, operator.b_bits, 0.0, False)


@register_jitable
def packed(design, operator):
    """Weights at their own width, each widened to operand_bits by the vector unit when it enters the array."""
    wider = max(design.operand_bits - weight_bits(operator), 0.0)
    return Stored(operator.a_bytes, operator.b_bytes, operator.a_bits, operator.b_bits, wider, True)


@register_jitable
def expanded(operator):
    """Weights that were multiplied by their scales before they were stored, at 8 bits and without scales."""
    each, wider = operator.batch * operator.groups * operator.k * NARROW / 8.0, NARROW - weight_bits(operator)
    if operator.weight == WEIGHT_A:
        return Stored(each * operator.m, operator.b_bytes, float(NARROW), operator.b_bits, wider, False)
    return Stored(operator.a_bytes, each * operator.n, operator.a_bits, float(NARROW), wider, False)


@register_jitable
def passes_of(design, operator):
    """Rate of bit-parallel multipliers: passes of wider data as on TPU v1 (arXiv 1704.04760, section 2)."""
    wide_a, wide_b = np.ceil(operator.a_bits / design.operand_bits), np.ceil(operator.b_bits / design.operand_bits)
    return Rate(1.0, wide_a * wide_b, wide_b, wide_a, wide_a * wide_b)


@register_jitable
def rate_of(design, operator):
    """Rate of an operator's products. What waits in a PE's registers crosses the edge once."""
    arithmetic, bits = design.arithmetic, design.operand_bits
    if arithmetic == BIT_PARALLEL:
        return passes_of(design, operator)
    wide_a, wide_b = np.ceil(operator.a_bits / bits), np.ceil(operator.b_bits / bits)
    if arithmetic == OUTLIER_VICTIM:
        parts = np.ceil(operator.a_bits / LOW_BITS) * np.ceil(operator.b_bits / LOW_BITS)
        units = units_of(bits)
        span = max(np.floor(units / parts), 1.0)
        return Rate(span, np.ceil(parts / units), wide_b, wide_a, wide_a * wide_b)
    by_a = operator.weight == WEIGHT_A
    narrow, wide = (operator.a_bits, wide_b) if by_a else (operator.b_bits, wide_a)
    if arithmetic == BIT_SERIAL:
        cycles = np.ceil(narrow / DIGIT_BITS) * wide
        return Rate(SPAN, cycles, wide if by_a else 1.0, 1.0 if by_a else wide, wide)
    passes = np.ceil(narrow / LOW_BITS)
    return Rate(1.0, passes * wide, wide if by_a else passes, passes if by_a else wide, passes * wide)


@register_jitable
def units_of(bits):
    """4 x 4 multipliers of an outlier-victim PE for operands of `bits`."""
    return max(np.floor(bits / LOW_BITS), 1.0)


@register_jitable
def peak_span(design):
    """Products a PE makes in a cycle with the narrowest data that it gains from."""
    if design.arithmetic == BIT_SERIAL:
        return SPAN
    if design.arithmetic == OUTLIER_VICTIM:
        return units_of(design.operand_bits)
    return 1.0


@register_jitable
def input_ports(design):
    """Inputs of operand_bits that a row takes in a cycle; columns take operand_bits of weights with any arithmetic."""
    return SPAN if design.arithmetic == BIT_SERIAL else 1.0


@register_jitable
def loading(design, operator):
    """Cycles in which a column takes the next row of stationary weights, four of them for each serial PE."""
    if design.arithmetic == BIT_SERIAL and design.dataflow == WS:
        return np.ceil(SPAN * operator.b_bits / design.operand_bits)
    return 1.0


# -- area, um2 at 45 nm before placement


@register_jitable
def multiplier_um2(a, b):
    """A multiplier of a x b bits; of equal widths as in `pe_um2`, else by the product of the widths (an assumption)."""
    return MULTIPLY_8BIT_UM2 * (a * b / 64.0) ** (MULTIPLY_AREA_EXPONENT / 2.0)


@register_jitable
def pe_um2(bits, accumulator, registers):
    """Area of a bit-parallel PE: multiplier, adder, registers; all in bits. Placed, before scaling from 45 nm."""
    multiplier = MULTIPLY_8BIT_UM2 * (bits / 8) ** MULTIPLY_AREA_EXPONENT
    return (multiplier + ADD_UM2_PER_BIT * accumulator + REGISTER_UM2_PER_BIT * registers) / CELL_DENSITY


@register_jitable
def registers_of(design):
    """Bits of a PE's registers: its inputs, weights and the sum; overlapped folds double what stays (sum for os).

    Streamed weights of serial PEs are there two bits at a time; stationary ones have room for operand_bits.
    """
    inputs = weights = design.operand_bits
    if design.arithmetic == BIT_SERIAL:
        inputs = SPAN * design.operand_bits
        weights = SPAN * (design.operand_bits if design.dataflow == WS else DIGIT_BITS)
    elif design.arithmetic == MIXED:
        weights = LOW_BITS
    registers = inputs + weights + design.accumulator_bits
    if design.fold_overlap == OVERLAPPED:
        if design.dataflow == OS:
            registers += design.accumulator_bits
        else:
            registers += weights if design.dataflow == WS else inputs
    return registers


@register_jitable
def element_um2(design):
    """Area of a PE of any arithmetic, placed, before scaling from 45 nm."""
    bits, accumulator, registers = design.operand_bits, design.accumulator_bits, registers_of(design)
    if design.arithmetic == BIT_PARALLEL:
        return pe_um2(bits, accumulator, registers)
    if design.arithmetic == OUTLIER_VICTIM:
        units = units_of(bits)
        gates = units * multiplier_um2(LOW_BITS, LOW_BITS) + (units - 1.0) * ADD_UM2_PER_BIT * 3.0 * LOW_BITS
        gates += np.ceil(units / 2.0) * SHIFTER_BITS * MUX_UM2_PER_BIT  # a pair has one outlier
    elif design.arithmetic == BIT_SERIAL:
        gates = SPAN * multiplier_um2(bits, DIGIT_BITS) + (SPAN - 1.0) * ADD_UM2_PER_BIT * (bits + 2.0 * DIGIT_BITS)
    else:
        gates = multiplier_um2(bits, LOW_BITS)
    if design.dataflow == OS and design.arithmetic != OUTLIER_VICTIM:  # a serial scaling unit of its own
        gates += (ADD_UM2_PER_BIT + REGISTER_UM2_PER_BIT) * accumulator
    return (gates + ADD_UM2_PER_BIT * accumulator + REGISTER_UM2_PER_BIT * registers) / CELL_DENSITY


@register_jitable
def edge_um2(design):
    """Area at the edges of one array: multipliers that scale group sums, or decoders of pairs. Placed, at 45 nm."""
    if design.arithmetic == OUTLIER_VICTIM:
        words = (design.array_rows + design.array_columns) * units_of(design.operand_bits)
        return words * DECODER_BITS * (ADD_UM2_PER_BIT + MUX_UM2_PER_BIT) / CELL_DENSITY
    if design.arithmetic == BIT_PARALLEL or design.dataflow == OS:
        return 0.0
    span = SPAN if design.arithmetic == BIT_SERIAL else 1.0
    units = design.array_columns * np.ceil(design.array_rows * span / GROUP)
    return units * multiplier_um2(SCALE_BITS, design.accumulator_bits) / CELL_DENSITY


# -- energy at nominal supply, pJ


@register_jitable
def multiply_pj(a, b, technology):
    """A multiplication of a x b bits; [QKeras] for equal widths, else by product and mean of the widths."""
    return technology.multiply_pj_per_bit2 * a * b + technology.multiply_pj_per_bit * (a + b) / 2.0


@register_jitable
def mac_pj(bits, accumulator, technology):
    """A multiply-accumulate of a bit-parallel PE [QKeras]."""
    multiply = technology.multiply_pj_per_bit2 * bits * bits + technology.multiply_pj_per_bit * bits
    return multiply + technology.add_pj_per_bit * accumulator


@register_jitable
def element_pj(design, technology):
    """A busy cycle of a PE of any arithmetic."""
    bits, accumulate = design.operand_bits, technology.add_pj_per_bit * design.accumulator_bits
    if design.arithmetic == BIT_SERIAL:
        tree = (SPAN - 1.0) * technology.add_pj_per_bit * (bits + 2.0 * DIGIT_BITS)
        return SPAN * multiply_pj(bits, DIGIT_BITS, technology) + tree + accumulate
    if design.arithmetic == MIXED:
        return multiply_pj(bits, LOW_BITS, technology) + accumulate
    if design.arithmetic == OUTLIER_VICTIM:
        units = units_of(bits)
        merge = (units - 1.0) * 3.0 * LOW_BITS * technology.add_pj_per_bit
        shift = np.ceil(units / 2.0) * SHIFTER_BITS * MUX_OVER_ADD * technology.add_pj_per_bit
        return units * multiply_pj(LOW_BITS, LOW_BITS, technology) + merge + shift + accumulate
    return mac_pj(bits, design.accumulator_bits, technology)


@register_jitable
def scale_pj(design, technology):
    """Scaling one group sum: as many additions as the scale has bits."""
    return SCALE_BITS * technology.add_pj_per_bit * design.accumulator_bits


@register_jitable
def decode_pj(design, technology):
    """Decoding the four bits of one word of an outlier-victim pair."""
    if design.arithmetic != OUTLIER_VICTIM:
        return 0.0
    return DECODER_BITS * (1.0 + MUX_OVER_ADD) * technology.add_pj_per_bit
