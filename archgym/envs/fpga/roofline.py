"""Rooflines of FPGA accelerators, at the clock that an empty device reaches."""

from __future__ import annotations

import numpy as np

from archgym.envs.fpga.budget import GEMM, LATENCY
from archgym.envs.fpga.cost import CIRCUIT_LANES, WIDEST_CIRCUIT_BITS
from archgym.envs.fpga.devices import AIE_BLOCK, AIE_MHZ, DDR_THREE, HBM_LOCAL, LUT_LIMIT
from archgym.envs.fpga.hls4ml import LATENCY_LUT, LUT_PER_MULTIPLIER, LUT_PER_NARROW
from archgym.envs.roofline import Engine
from archgym.objective import FloatArray

BRAM18_BYTES = 18 * 1024 / 8


def engines(designs: np.recarray, technology: np.record) -> dict[str, Engine]:
    """Tiled engines, the lanes of an attention engine, and the circuits of hls4ml, which no design has beside them."""
    device = designs.board.astype(np.int64)
    clock_hz = 1e6 * np.minimum(designs.clock_mhz, technology.base_mhz[device])
    gemm = _gemm(designs, technology, clock_hz)
    return {
        "gemm": gemm,
        "attention": _attention(designs, technology, clock_hz, gemm),
        "circuits": _circuits(designs, technology, clock_hz),
    }


def _gemm(designs: np.recarray, technology: np.record, clock_hz: FloatArray) -> Engine:
    """A tile per cycle; AI engines take blocks for each of its rows, columns and sets of K."""
    device, kind = designs.board.astype(np.int64), designs.precision.astype(np.int64)
    versal, built = technology.aie[device] > 0, designs.engine == GEMM
    parallel = designs.tile_m * designs.tile_k * designs.tile_n * designs.engines
    block = np.where(versal, AIE_BLOCK, 1.0)
    deep = np.maximum(designs.tile_k / technology.mac_aie_macs[kind], 1.0)
    return Engine(
        macs_per_s=built * parallel * _product_hz(designs, technology, clock_hz),
        bytes_per_s=built * _memory(designs, technology, clock_hz),
        vector_per_s=built * designs.tile_n * designs.engines * clock_hz,
        a_bytes=1024.0 * designs.activation_buffer_kib,
        b_bytes=1024.0 * designs.weight_buffer_kib,
        out_bytes=1024.0 * designs.output_buffer_kib,
        m=designs.tile_m * block,
        k=np.where(versal, deep * block, designs.tile_k),
        n=designs.tile_n * block,
        copies=np.asarray(designs.engines),
    )


def _attention(designs: np.recarray, technology: np.record, clock_hz: FloatArray, gemm: Engine) -> Engine:
    """Lanes of both halves, filled by whatever comes; buffers, memory and vector unit are those of the engines."""
    built, one = (designs.engine == GEMM) & (designs.attention_lanes > 0), np.ones(len(designs))
    macs_per_s = built * 2.0 * designs.attention_lanes * _product_hz(designs, technology, clock_hz)
    return gemm._replace(
        macs_per_s=macs_per_s,
        bytes_per_s=built * gemm.bytes_per_s,
        vector_per_s=built * gemm.vector_per_s,
        m=one,
        k=one,
        n=one,
        copies=one,
    )


def _circuits(designs: np.recarray, technology: np.record, clock_hz: FloatArray) -> Engine:
    """As many multipliers of the narrowest weights as the device has room for, each with its weights beside it.

    Lanes are those of layers without products; what follows a product is part of its circuit.
    """
    device, one = designs.board.astype(np.int64), np.ones(len(designs))
    built, on_chip = designs.engine != GEMM, BRAM18_BYTES * technology.bram18[device]
    lut = np.where(designs.strategy == LATENCY, min(LATENCY_LUT), LUT_PER_MULTIPLIER + LUT_PER_NARROW)
    macs_per_s = built * LUT_LIMIT * technology.lut[device] / lut * clock_hz
    return Engine(
        macs_per_s=macs_per_s,
        bytes_per_s=macs_per_s * WIDEST_CIRCUIT_BITS / 8,
        vector_per_s=built * CIRCUIT_LANES * clock_hz,
        a_bytes=on_chip,
        b_bytes=on_chip,
        out_bytes=on_chip,
        m=one,
        k=one,
        n=one,
        copies=one,
    )


def _product_hz(designs: np.recarray, technology: np.record, clock_hz: FloatArray) -> FloatArray:
    """Clock of the multipliers: that of the logic, or of AI engines in the cycles in which they compute."""
    device, kind = designs.board.astype(np.int64), designs.precision.astype(np.int64)
    return np.where(technology.aie[device] > 0, 1e6 * AIE_MHZ * technology.mac_aie_efficiency[kind], clock_hz)


def _memory(designs: np.recarray, technology: np.record, clock_hz: FloatArray) -> FloatArray:
    """Bytes per second of all streams: three of a DDR memory side by side, or what HBM gives to all."""
    device = designs.board.astype(np.int64)
    streams = np.where(technology.hbm[device] > 0, 1.0, 3.0)
    share = np.where(technology.hbm[device] > 0, HBM_LOCAL, DDR_THREE)
    port = technology.port_bits[device] / 8 * clock_hz
    channels = designs.memory_channels * np.minimum(share * 1e9 * technology.channel_gb_s[device], port)
    return np.asarray(streams * np.minimum(channels, share * 1e9 * technology.total_gb_s[device]))
