"""What an FPGA design takes whatever it runs: resources, clock, bandwidth, feasibility.

All functions are pure and run as plain Python or compiled; constants come from devices.py. The circuits of
`hls4ml-dense` depend on the workload: cost.py adds them up and its metrics() checks them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba.extending import register_jitable

from archgym.envs.fpga.devices import (
    ACCUMULATOR_BITS,
    ACCUMULATOR_FF,
    ACCUMULATOR_LUT,
    AIE_BLOCK,
    AIE_MHZ,
    AIE_PJ,
    BRAM18_PJ,
    BRAM_LIMIT,
    CASCADE,
    CLOCK_KNEE,
    CLOCK_SLOPE,
    DDR_BRAM18,
    DDR_DSP,
    DDR_FF,
    DDR_LUT,
    DDR_ONE,
    DDR_THREE,
    DDR_TWO,
    DSP_LIMIT,
    DSP_PJ,
    FF_LIMIT,
    HBM_ACROSS,
    HBM_BRAM18,
    HBM_FF,
    HBM_LOCAL,
    HBM_LUT,
    LUT_LIMIT,
    MUX_INPUTS_PER_LUT,
    OPERAND_FF,
    SCALE_DSP,
    SCORE_ROW,
    URAM_LIMIT,
    URAM_PJ,
    VECTOR_DSP,
    VECTOR_FF,
    VECTOR_LUT,
)
from archgym.envs.fpga.memories import bram18, buffer_memories
from archgym.envs.fpga.weights import chain_window, dequantiser, port_bits, scale_units, slices_of

GEMM, HLS4ML = 0, 1  # codes of the engine parameter
SEQUENTIAL, DATAFLOW, HYBRID = 0, 1, 2  # codes of the execution parameter
LATENCY, RESOURCE = 0, 1  # codes of the strategy parameter
OFF, ON = 0, 1  # codes of the streaming_attention parameter
(
    FEASIBLE,
    DSP_FULL,
    LUT_FULL,
    FF_FULL,
    BRAM_FULL,
    URAM_FULL,
    AIE_FULL,
    CHANNELS,
    MEMORY_FULL,
    PRECISION,
    NO_WEIGHTS,
    BUFFER_TOO_SMALL,
) = range(12)  # codes of REASONS


class Budget(NamedTuple):
    """Resources and rates of a design.

    `grain_*` is what each dimension of a product is padded to, `products_per_s` the rate of one engine, `rate_1` to
    `rate_3` the bytes per second of each of as many concurrent streams, `columns` what the columns of a
    statically scheduled product are padded to, `shared` 1 where streams share one bandwidth,
    `*_w` power of one engine, of the attention kernel and of the buffers while they compute.
    """

    why: int
    dsp: float
    lut: float
    ff: float
    bram18: float
    uram: float
    aie: float
    clock_hz: float
    grain_m: float
    grain_k: float
    grain_n: float
    block_s: float
    attention_s: float
    vector_s: float
    rate_1: float
    rate_2: float
    rate_3: float
    shared: float
    activation_bytes: float
    weight_bytes: float
    output_words: float
    peak_macs_per_s: float
    stages: float
    columns: float
    engine_w: float
    attention_w: float
    sram_w: float


@register_jitable
def fullest(technology, device, dsp, lut, ff, bram, ultra):
    """Why these resources do not fit the device (FEASIBLE where they do), and the largest filled share."""
    has_uram = max(technology.uram[device], 1.0)
    filled = (
        dsp / technology.dsp[device],
        lut / technology.lut[device],
        ff / technology.ff[device],
        bram / technology.bram18[device],
        ultra / has_uram,
    )
    why = FEASIBLE
    if filled[0] > DSP_LIMIT:
        why = DSP_FULL
    elif filled[1] > LUT_LIMIT:
        why = LUT_FULL
    elif filled[2] > FF_LIMIT:
        why = FF_FULL
    elif filled[3] > BRAM_LIMIT:
        why = BRAM_FULL
    elif filled[4] > URAM_LIMIT:
        why = URAM_FULL
    return why, max(filled[0], filled[1], filled[2], filled[3], filled[4])


@register_jitable
def reached_mhz(technology, device, target_mhz, filled):
    """Clock: the target, or what the device reaches at this filled share of its fullest resource."""
    base = technology.base_mhz[device] * (1.0 - CLOCK_SLOPE * max(filled - CLOCK_KNEE, 0.0))
    return min(target_mhz, base)


@register_jitable
def controllers(technology, device, channels):
    """(LUT, FF, BRAM18, DSP) of the memory controllers [FINN]; Zynq and Versal have them hardened."""
    if technology.hbm[device] > 0:
        return HBM_LUT, HBM_FF, HBM_BRAM18, 0.0
    if technology.total_gb_s[device] <= technology.channel_gb_s[device]:
        return 0.0, 0.0, 0.0, 0.0
    return DDR_LUT * channels, DDR_FF * channels, DDR_BRAM18 * channels, DDR_DSP * channels


@register_jitable
def stream_rates(technology, device, channels, engines, clock_hz):
    """Bytes per second of each of 1, 2 or 3 concurrent streams, and whether they share one bandwidth (HBM).

    A port is as fast as its channel or its width at the kernel's clock. HBM: an engine with a channel of its own gets
    HBM_LOCAL of it; one whose data lie on several reads across the crossbar. DDR: the table of concurrent streams.
    """
    channel = technology.channel_gb_s[device] * 1e9
    port = technology.port_bits[device] / 8.0 * clock_hz
    total = technology.total_gb_s[device] * 1e9
    if technology.hbm[device] > 0:
        rate = max(HBM_LOCAL * min(engines, channels), HBM_ACROSS * channels) * min(channel, port)
        return rate, rate, rate, 1.0
    # every stream has a port of its own on each channel
    one = min(min(DDR_ONE * channel, port) * channels, DDR_ONE * total)
    two = min(min(DDR_TWO * channel, port) * channels, DDR_TWO * total)
    three = min(min(DDR_THREE * channel, port) * channels, DDR_THREE * total)
    return one, two, three, 0.0


@register_jitable
def logic(design, technology, device, kind):
    """(DSP, LUT, FF, AI engines) of engines, dequantiser, attention engine and vector unit.

    Products are in DSP slices or AI engines; a cascade of slices shares an accumulator in the logic.
    """
    vector_lanes = design.tile_n * design.engines
    dsp, lut, ff = dequantiser(design, technology, device)
    dsp, lut, ff = dsp + vector_lanes * VECTOR_DSP, lut + vector_lanes * VECTOR_LUT, ff + vector_lanes * VECTOR_FF
    macs = design.tile_m * design.tile_k * design.tile_n * design.engines
    attention_macs = 2.0 * design.attention_lanes
    if technology.aie[device] > 0:
        per_tile = technology.mac_aie_macs[kind]
        return dsp, lut, ff, np.ceil(macs / per_tile) + np.ceil(attention_macs / per_tile)
    weight_bits, activation_bits = port_bits(design, technology, device, kind), technology.mac_activation_bits[kind]
    dsp += np.ceil(macs * slices_of(design, technology, device, kind))
    dsp += np.ceil(attention_macs * technology.mac_attention_dsp[kind])
    chain = min(design.tile_k, CASCADE)
    lut += (macs + attention_macs) * ACCUMULATOR_LUT / chain
    ff += (macs + attention_macs) * (ACCUMULATOR_FF / chain + OPERAND_FF * (weight_bits + activation_bits))
    window = chain_window(design.sparse_chain)
    if window > 1.0:  # each product selects its activation out of M
        lut += macs * activation_bits * window / MUX_INPUTS_PER_LUT
        ff += macs * np.log2(window)
    return dsp, lut, ff, 0.0


@register_jitable
def buffers(design, technology, device, kind):
    """(BRAM18, UltraRAM) of the buffers, and whether one of them does not hold a step of the tile twice."""
    weight_bits, activation_bits = port_bits(design, technology, device, kind), technology.mac_activation_bits[kind]
    sizes = (
        (design.activation_buffer_kib, design.tile_m * design.tile_k * activation_bits),
        (design.weight_buffer_kib, design.engines * design.tile_k * design.tile_n * weight_bits),
        (design.output_buffer_kib, design.engines * design.tile_m * design.tile_n * ACCUMULATOR_BITS),
    )
    bram, ultra, small = 0.0, 0.0, False
    if design.streaming_attention == ON:  # a row of scores per row of the tile
        bram += bram18(design.tile_m * ACCUMULATOR_BITS, SCORE_ROW)
    for kib, width in sizes:
        small = small or 2.0 * width > kib * 8192.0
        if technology.aie[device] > 0:  # streams feed 32-bit words of a block row after row, not whole tiles
            width = max(width / AIE_BLOCK, 512.0)
        blocks, large = buffer_memories(kib * 8192.0, width, technology.uram[device])
        bram += blocks
        ultra += large
    return bram, ultra, small


class Engines(NamedTuple):
    """What an engine and the attention engine do per step, and the power they take; fields as in Budget."""

    grain_m: float
    grain_k: float
    grain_n: float
    block_s: float
    attention_s: float
    peak_macs_per_s: float
    columns: float
    engine_w: float
    attention_w: float


@register_jitable
def dsp_engines(design, technology, device, kind, clock_hz):
    """Engines of DSP slices: a tile per cycle."""
    parallel = design.tile_m * design.tile_k * design.tile_n
    attention_macs = 2.0 * design.attention_lanes
    slice_w = DSP_PJ * 1e-12 * clock_hz
    scale_dsp = scale_units(design, technology, device) * SCALE_DSP
    return Engines(
        grain_m=design.tile_m,
        grain_k=design.tile_k,
        grain_n=design.tile_n,
        block_s=1.0 / clock_hz,
        attention_s=1.0 / (max(attention_macs, 2.0) * clock_hz),
        peak_macs_per_s=(parallel * design.engines + attention_macs) * clock_hz,
        columns=1.0,
        engine_w=(parallel * slices_of(design, technology, device, kind) + scale_dsp) * slice_w,
        attention_w=attention_macs * technology.mac_attention_dsp[kind] * slice_w,
    )


@register_jitable
def ai_engines(design, technology, kind):
    """Engines of tile_m x tile_n x tile_k / macs-per-tile AI engines, each of which multiplies 32 x 32 x 32 blocks.

    The array's data movers are scheduled ahead: products are padded to the columns of the on-chip tile [CHARM].
    """
    parallel = design.tile_m * design.tile_k * design.tile_n
    attention_macs = 2.0 * design.attention_lanes
    per_tile, hz = technology.mac_aie_macs[kind], AIE_MHZ * 1e6
    kernel_hz = technology.mac_aie_efficiency[kind] * hz
    grain_m, grain_n = AIE_BLOCK * design.tile_m, AIE_BLOCK * design.tile_n
    grain_k = max(AIE_BLOCK * design.tile_k / per_tile, AIE_BLOCK)
    tile_w = AIE_PJ * 1e-12 * hz / per_tile
    return Engines(
        grain_m=grain_m,
        grain_k=grain_k,
        grain_n=grain_n,
        block_s=grain_m * grain_k * grain_n / (parallel * kernel_hz),
        attention_s=1.0 / (max(attention_macs, 2.0) * kernel_hz),
        peak_macs_per_s=(parallel * design.engines + attention_macs) * hz,
        columns=max(np.floor(np.sqrt(design.output_buffer_kib * 256.0) / grain_n), 1.0) * grain_n,
        engine_w=parallel * tile_w,
        attention_w=attention_macs * tile_w,
    )


@register_jitable
def budget(design, technology):
    """Resources, clock and rates of a design."""
    device, kind = int(design.board), int(design.precision)
    if design.engine == HLS4ML:
        return _circuit_budget(design, technology, device)
    lut, ff, bram, dsp = controllers(technology, device, design.memory_channels)
    more_dsp, more_lut, more_ff, aie = logic(design, technology, device, kind)
    more_bram, ultra, small = buffers(design, technology, device, kind)
    dsp, lut, ff, bram = dsp + more_dsp, lut + more_lut, ff + more_ff, bram + more_bram
    why, filled = fullest(technology, device, dsp, lut, ff, bram, ultra)
    if design.memory_channels > technology.channels[device]:
        why = CHANNELS
    elif aie > technology.aie[device]:
        why = AIE_FULL
    elif small:
        why = BUFFER_TOO_SMALL

    clock_hz = reached_mhz(technology, device, design.clock_mhz, filled) * 1e6
    if technology.aie[device] > 0:
        engines = ai_engines(design, technology, kind)
    else:
        engines = dsp_engines(design, technology, device, kind, clock_hz)
    rate_1, rate_2, rate_3, shared = stream_rates(technology, device, design.memory_channels, design.engines, clock_hz)
    return Budget(
        why=why,
        dsp=dsp,
        lut=lut,
        ff=ff,
        bram18=bram,
        uram=ultra,
        aie=aie,
        clock_hz=clock_hz,
        grain_m=engines.grain_m,
        grain_k=engines.grain_k,
        grain_n=engines.grain_n,
        block_s=engines.block_s,
        attention_s=engines.attention_s,
        vector_s=1.0 / (design.tile_n * design.engines * clock_hz),
        rate_1=rate_1,
        rate_2=rate_2,
        rate_3=rate_3,
        shared=shared,
        activation_bytes=design.activation_buffer_kib * 512.0,
        weight_bytes=design.weight_buffer_kib * 512.0,
        output_words=design.output_buffer_kib * 256.0,
        peak_macs_per_s=engines.peak_macs_per_s,
        stages=design.engines + min(design.attention_lanes, 1.0),
        columns=engines.columns,
        engine_w=engines.engine_w,
        attention_w=engines.attention_w,
        sram_w=(bram * BRAM18_PJ + ultra * URAM_PJ) * 1e-12 * clock_hz,
    )


@register_jitable
def _circuit_budget(design, technology, device):
    """Budget of hls4ml-dense: nothing but the memory controller of one channel and the clock to aim at."""
    lut, ff, bram, dsp = controllers(technology, device, 1.0)
    clock_hz = reached_mhz(technology, device, design.clock_mhz, 0.0) * 1e6
    rate_1, rate_2, rate_3, shared = stream_rates(technology, device, 1.0, 1.0, clock_hz)
    return Budget(
        why=FEASIBLE,
        dsp=dsp,
        lut=lut,
        ff=ff,
        bram18=bram,
        uram=0.0,
        aie=0.0,
        clock_hz=clock_hz,
        grain_m=1.0,
        grain_k=1.0,
        grain_n=1.0,
        block_s=0.0,
        attention_s=0.0,
        vector_s=0.0,
        rate_1=rate_1,
        rate_2=rate_2,
        rate_3=rate_3,
        shared=shared,
        activation_bytes=0.0,
        weight_bytes=0.0,
        output_words=0.0,
        peak_macs_per_s=0.0,
        stages=1.0,
        columns=1.0,
        engine_w=0.0,
        attention_w=0.0,
        sram_w=0.0,
    )
