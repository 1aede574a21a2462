"""How a tiled engine takes the weights of a product: their width at the multipliers, zeros it skips, bytes in memory.

A chain of DSP slices that skips zeros has 2 products for each window of M activations, selected by multiplexers; the
weights of every window are padded with zeros to a multiple of 2. Weights below 8 bits carry a scale per group: the
`weights` dequantiser multiplies them by it in front of the products, which makes them 8 bits wide as in FlightLLM, the
`sums` dequantiser the sums of groups behind them; without either they are expanded beforehand and kept at 8 bits. All
functions are pure and run as plain Python or compiled; constants come from devices.py.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba.extending import register_jitable

from archgym.compression.setting import GROUP, NARROW
from archgym.envs.fpga.devices import (
    ACCUMULATOR_FF,
    ACCUMULATOR_LUT,
    AIE_BLOCK,
    AIE_MHZ,
    CHAIN_SLOTS,
    CODE_BITS,
    FINN_MULTIPLIER_LUT,
    SCALE_DSP,
)
from archgym.envs.scales import group_scaled
from archgym.workloads.operators import WEIGHT_B

NO_SCALES, WEIGHTS, SUMS = 0, 1, 2  # codes of the dequantise parameter
FULL_PORT, NARROW_PORT = 0, 1  # codes of the weight_port parameter


class Weights(NamedTuple):
    """The weights of a product, as an engine takes them.

    Attributes:
        bits: width at the multipliers.
        density: products computed over those of a dense network, padding included.
        share: bytes in memory over those of the operator's dense table, indices included.
        stored_bits: bits in memory for each position of the dense table, indices included, scales not.
    """

    bits: float
    density: float
    share: float
    stored_bits: float


@register_jitable
def chain_window(code):
    """M of the windows out of which the chain selects; 1 without one."""
    if code == 1:
        return 4.0
    return 8.0 if code == 2 else 1.0


@register_jitable
def chain_density(window, kept, group):
    """Products per weight of a chain with 2 per window, for weights of which `kept` of `group` neighbours are left.

    A window holds whole groups, or is part of one and then holds at most `kept`. So 2:4 weights run on a 2:8 chain, and
    2:8 weights as 2:4 ones on a 2:4 chain; 4:8 weights may fill a window of 4, so a 2:4 chain gains nothing.
    """
    most = min(kept * np.ceil(window / group), window)
    return min(np.ceil(most / CHAIN_SLOTS - 1e-9) * CHAIN_SLOTS / window, 1.0)


@register_jitable
def port_bits(design, technology, device, kind):
    """Width of the weight port of the multipliers; AI engines have none narrower than their precision's."""
    if design.weight_port == NARROW_PORT and technology.aie[device] == 0:
        return technology.mac_narrow_bits[kind]
    return technology.mac_weight_bits[kind]


@register_jitable
def weights_of(design, operator, technology):
    """How the engines take the weights of an operator."""
    bits, stored, density, share = operator.b_bits, operator.b_bits, 1.0, 1.0
    if operator.weight != WEIGHT_B:
        return Weights(bits, density, share, stored)
    if group_scaled(operator) and (design.dequantise != SUMS or technology.aie[int(design.board)] > 0):
        if design.dequantise != WEIGHTS or bits > CODE_BITS:
            share = NARROW * operator.batch * operator.groups * operator.k * operator.n / (8.0 * operator.b_bytes)
            stored = NARROW * 1.0
        bits = NARROW * 1.0
    window = chain_window(design.sparse_chain)
    if operator.pattern_m > 0 and operator.weight_density < 1.0 and window > 1.0:
        density = chain_density(window, operator.weight_density * operator.pattern_m, operator.pattern_m)
        if density < 1.0:  # each weight left is stored with its place in the window
            longer = density * (1.0 + np.log2(window) / stored)
            share, stored = share * longer, stored * longer
    return Weights(bits, density, share, stored)


@register_jitable
def slices_of(design, technology, device, kind):
    """DSP slices of a product of a weight and an activation."""
    narrow = design.weight_port == NARROW_PORT
    if technology.versal[device] > 0:
        return technology.mac_narrow_dsp58[kind] if narrow else technology.mac_dsp58[kind]
    return technology.mac_narrow_dsp[kind] if narrow else technology.mac_dsp[kind]


@register_jitable
def scale_units(design, technology, device):
    """Units of an engine that scale sums of groups: as many as groups end per cycle, which skipped zeros make more."""
    if design.dequantise != SUMS or technology.aie[device] > 0:
        return 0.0
    window = chain_window(design.sparse_chain)
    faster = window / CHAIN_SLOTS if window > 1.0 else 1.0
    return np.ceil(design.tile_m * design.tile_k * design.tile_n * faster / GROUP)


@register_jitable
def dequantiser(design, technology, device):
    """(DSP, LUT, FF) of the dequantiser of all engines.

    `weights`: a multiplier in LUTs and a register for each weight that the engines take in a cycle; AI engines take a
    block's weights for 32 rows. `sums`: a multiplier of a 32-bit sum and a 16-bit scale, and an adder.
    """
    if design.dequantise == WEIGHTS:
        weights = design.tile_k * design.tile_n * design.engines
        if technology.aie[device] > 0:
            weights *= AIE_MHZ / (AIE_BLOCK * design.clock_mhz)
        return 0.0, weights * multiplier_lut(CODE_BITS, NARROW), weights * NARROW
    units = scale_units(design, technology, device) * design.engines
    return units * SCALE_DSP, units * ACCUMULATOR_LUT, units * ACCUMULATOR_FF


@register_jitable
def multiplier_lut(one, other):
    """LUTs of a multiplier of these widths [FINN]."""
    return FINN_MULTIPLIER_LUT * (2.0 * np.ceil((one + other) / 6.0) - 1.0) * (one + other)
