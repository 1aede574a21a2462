"""hls4ml dense layers in closed form, checked against Vitis HLS reports (archgym validate fpga).

A layer of n_in x n_out weights with reuse factor RF has m = ceil(n_in * n_out / RF) multipliers. With RF > 2 n_in each
of them adds to several outputs, in an order that the compiler does not see through, so it gets a multiplexer over all
accumulators, padded to a power of two: the jump in LUTs that a linear formula misses. All multipliers share one
multiplexer over the inputs.

The coefficients of LUT and FF (resource) are least-squares fits over the even rows of the 274 reports with RF > 1
(n_in, n_out 32 to 256, 2 to 14 bit, RF 384 to 1280, U250 at 5 ns, 16-bit data; wa-hls4ml project), checked on the odd
rows. The tables of the latency strategy are means over its even rows. They are constants of the tool and the
technology; all forms are the circuit's.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba.extending import register_jitable

from archgym.envs.fpga.memories import bram18

LUT_FIXED = 4298.1
LUT_PER_INPUT = 32.56  # about two LUTs per bit of a 16-bit input: the shared input multiplexer
LUT_PER_OUTPUT = 25.27
LUT_PER_MULTIPLIER = 41.44
LUT_PER_MUX_INPUT = 5.249  # of a multiplier's multiplexer over the accumulators
LUT_PER_NARROW = 4.73  # of a multiplier built in LUTs
FF_FIXED, FF_PER_OUTPUT = 120.69, 15.76  # a 16-bit accumulator per output
FF_PER_DSP, FF_PER_SHARED, FF_PER_BIT = 8.372, 7.045, 0.2689
NARROW_BITS = 4.0  # weights up to this width are multiplied in LUTs

# Latency strategy, per multiplier, by weight width of 2, 4 ... 14 bit.
LATENCY_DSP = (0.0, 0.0, 0.0, 0.222, 0.620, 0.844, 0.942)
LATENCY_LUT = (7.21, 13.89, 24.06, 30.85, 29.06, 26.25, 24.41)
LATENCY_FF = (0.75, 1.46, 2.01, 2.56, 2.97, 3.27, 3.41)


@register_jitable
def multipliers(n_in: float, n_out: float, reuse: float) -> float:
    """Multipliers of a layer."""
    return np.ceil(n_in * n_out / reuse)


@register_jitable
def cycles(n_in: float, bits: float, reuse: float) -> float:
    """Cycles of a layer, worst case; its initiation interval is the reuse factor itself.

    Two beyond the reuse factor, one where LUTs multiply and no accumulator is shared.
    """
    shared = reuse > 2 * n_in
    return reuse + 2.0 if shared or bits > NARROW_BITS else reuse + 1.0


@register_jitable
def dsp(m: float, bits: float) -> float:
    """DSP slices: none for narrow weights, and the compiler saves one at 6 bit."""
    if bits <= NARROW_BITS:
        return 0.0
    return m if bits >= 8 else max(m - 1.0, 0.0)


@register_jitable
def memories(n_in: float, m: float, bits: float, reuse: float) -> float:
    """18-Kbit memories: the weights, m of them wide and RF deep, and from 1 Kbit on the table of accumulators."""
    weights = bram18(m * bits, reuse)
    if reuse > 2 * n_in:
        index_bits = np.ceil(np.log2(np.ceil(reuse / n_in)))
        if index_bits * reuse >= 1024:
            return weights + bram18(index_bits, reuse)
    return weights


@register_jitable
def lut(n_in: float, n_out: float, m: float, bits: float, reuse: float) -> float:
    """Look-up tables of the resource strategy."""
    total = LUT_FIXED + LUT_PER_INPUT * n_in + LUT_PER_OUTPUT * n_out + LUT_PER_MULTIPLIER * m
    if reuse > 2 * n_in:
        total += LUT_PER_MUX_INPUT * m * 2.0 ** np.ceil(np.log2(n_out))
    if bits <= NARROW_BITS:
        total += LUT_PER_NARROW * m
    return total


@register_jitable
def ff(n_in: float, n_out: float, m: float, bits: float, reuse: float) -> float:
    """Flip-flops of the resource strategy."""
    total = FF_FIXED + FF_PER_OUTPUT * n_out
    if reuse > 2 * n_in:
        total += FF_PER_SHARED * m
    if bits > NARROW_BITS:
        total += FF_PER_DSP * m
        if reuse <= 2 * n_in:
            total += FF_PER_BIT * m * bits
    return total


@register_jitable
def per_multiplier(table: tuple[float, ...], bits: float) -> float:
    """A quantity of the latency strategy by weight width, interpolated; held constant outside 2 to 14 bit."""
    position = min(max(bits / 2.0 - 1.0, 0.0), 6.0)
    low = min(int(position), 5)
    return table[low] + (table[low + 1] - table[low]) * (position - low)


class Circuit(NamedTuple):
    """A layer in hardware: its resources, cycles between inputs, and cycles from an input to its output."""

    multipliers: float
    dsp: float
    lut: float
    ff: float
    bram18: float
    interval: float
    latency: float


@register_jitable
def resource_layer(n_in: float, n_out: float, bits: float, reuse: float) -> Circuit:
    """A layer of the resource strategy."""
    m = multipliers(n_in, n_out, reuse)
    return Circuit(
        m,
        dsp(m, bits),
        lut(n_in, n_out, m, bits, reuse),
        ff(n_in, n_out, m, bits, reuse),
        memories(n_in, m, bits, reuse),
        reuse,
        cycles(n_in, bits, reuse),
    )


@register_jitable
def latency_layer(n_in: float, n_out: float, bits: float, density: float = 1.0) -> Circuit:
    """A layer of the latency strategy, fully unrolled: a multiplier per weight, a new input in every cycle.

    The compiler removes the multipliers of the weights that are zero [Duarte et al., arXiv 1804.06913].
    """
    m = n_in * n_out * density
    return Circuit(
        m,
        m * per_multiplier(LATENCY_DSP, bits),
        m * per_multiplier(LATENCY_LUT, bits),
        m * per_multiplier(LATENCY_FF, bits),
        0.0,
        1.0,
        2.0,
    )
