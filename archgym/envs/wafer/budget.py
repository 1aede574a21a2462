"""What a wafer costs whatever it runs: geometry, yield, areas, static power, latencies of the mesh, feasibility.

All functions are pure and run as plain Python or compiled; constants come from devices.py.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba.extending import register_jitable

from archgym.envs.systolic.budget import supply_ratio
from archgym.envs.wafer.devices import (
    CHAIN_CYCLES,
    PARTIAL_SUM_BITS,
    RETICLE_MM,
    RETICLE_PJ_PER_BIT,
    ROUTER_STATIC_EXPONENT,
    ROUTER_STATIC_W,
    TREE_LEVELS,
    WAFER_MM,
)

FEASIBLE, CLOCK_TOO_FAST, RETICLE_TOO_LARGE, WAFER_TOO_LARGE, YIELD, MESH_TOO_LARGE, NO_MEMORY = range(7)  # of REASONS
MEMORY_CAPACITY, SRAM_WEIGHTS, SRAM_CACHE, SRAM_BUFFERS = range(7, 11)
ALLGATHER, SUMMA, CANNON, MESHGEMM = range(4)  # codes of the gemm parameter
PIPELINE, RING, K_TREE = range(3)  # codes of the allreduce parameter
FP16, WIDENING, PACKED = range(3)  # codes of the arithmetic parameter
STREAM_NONE, STREAM_WEIGHTS, STREAM_ALL = range(3)  # codes of the streaming parameter


class Budget(NamedTuple):
    """Per design: areas in mm2, energies in J, latencies of collectives in cycles; forward and decode meshes."""

    why: int
    core_mm2: float
    area_mac_mm2: float
    area_sram_mm2: float
    area_router_mm2: float
    area_gap_mm2: float
    active_cores: float
    usable_share: float
    wafer_yield: float
    static_w: float
    mac_j: float
    sram_j: float
    conversion_j: float
    hop_j_per_bit: float
    cycle_s: float
    macs_per_cycle: float
    words_per_bit: float
    forward_cores: float
    decode_cores: float
    forward_reduce: float
    decode_reduce: float
    forward_step: float
    decode_step: float
    reduce_words: float
    chain: float
    sram_bytes: float
    memory_bytes: float
    memory_s_per_byte: float
    relayout_s_per_byte: float


@register_jitable
def row_yield(cores, spares, broken):
    """Probability that at most `spares` of a row's cores are broken: sum of C(n, i) q^i (1 - q)^(n - i) [Theseus]."""
    term = (1.0 - broken) ** cores
    total = term
    for i in range(int(spares)):
        term *= (cores - i) / (i + 1.0) * broken / (1.0 - broken)
        total += term
    return min(total, 1.0)


@register_jitable
def allreduce_cycles(allreduce, side, technology):
    """Hops and routing stages of an allreduce over `side` cores [WaferLLM, section 5].

    Pipeline 2 N hops and N stages; ring (2 alpha + beta) N; K-tree N hops and K/2 N^(1/K) stages.
    """
    hop, stage = technology.hop_cycles, technology.stage_cycles
    if allreduce == K_TREE:
        return hop * side + stage * TREE_LEVELS / 2.0 * side ** (1.0 / TREE_LEVELS)
    return (2.0 * hop + stage) * side


@register_jitable
def step_cycles(gemm, side, technology):
    """Critical path of a step of a distributed GEMM without its MACs [WaferLLM, section 4].

    Allgather and SUMMA (alpha + beta) N, Cannon alpha N over the wrap-around, MeshGEMM two hops; and the software's.
    """
    hop = technology.hop_cycles
    if gemm == MESHGEMM:
        return technology.step_cycles + 2.0 * hop
    if gemm == CANNON:
        return technology.step_cycles + hop * side
    return technology.step_cycles + (hop + technology.stage_cycles) * side


@register_jitable
def unit_um2(design, technology):
    """Area of a multiply-accumulate unit with what narrow weights and zeros ask for."""
    um2 = technology.mac_um2
    if design.arithmetic >= WIDENING:
        um2 += technology.converter_um2
    if design.arithmetic >= PACKED:
        um2 += technology.packing_um2
    return um2 + technology.engine_um2 if design.sparsity_engine > 0 else um2


@register_jitable
def budget(design, technology):
    """Geometry, yield, areas, static power and latencies of a design."""
    ratio = supply_ratio(design.clock_ghz, technology)
    dynamic = ratio * ratio
    mac_mm2 = design.macs * unit_um2(design, technology) * 1e-6
    sram_um2 = design.sram_kib * 8192.0 * technology.sram_um2_per_bit
    sram_mm2 = (sram_um2 + design.sram_bits * technology.sram_port_um2_per_bit) * 1e-6
    router_mm2 = design.noc_bits * technology.router_um2_per_bit * 1e-6
    core_mm2 = mac_mm2 + sram_mm2 + router_mm2
    pitch_mm = math.sqrt(core_mm2)

    # Geometry: square cores; reticles in either orientation of the exposure field, the wafer's square side.
    width, height = design.core_columns * pitch_mm, design.core_rows * pitch_mm
    gap = technology.reticle_gap_mm
    wafer_width = design.reticle_columns * (width + gap) - gap
    wafer_height = design.reticle_rows * (height + gap) - gap
    reticles = design.reticle_rows * design.reticle_columns
    physical = reticles * design.core_rows * design.core_columns
    columns = design.reticle_columns * (design.core_columns - design.spare_cores)
    rows = design.reticle_rows * design.core_rows
    active = rows * columns

    # Yield: Poisson per core (Murphy's differs by 1e-5 of the defects here), spares per row, every row of the wafer.
    broken = 1.0 - math.exp(-core_mm2 * technology.defects_per_mm2)
    wafer_yield = row_yield(design.core_columns, design.spare_cores, broken) ** (reticles * design.core_rows)

    memory = int(design.memory)
    dies = 1.0
    if technology.memory_per_reticle[memory] > 0:  # in proportion to the silicon under it
        dies = reticles * width * height / (RETICLE_MM[0] * RETICLE_MM[1])
    bandwidth = technology.memory_bytes_per_s[memory] * dies
    forward, decode = design.prefill_side, design.decode_side
    why = FEASIBLE
    if design.clock_ghz > technology.fastest_clock_ghz:
        why = CLOCK_TOO_FAST
    elif min(width, height) > RETICLE_MM[0] or max(width, height) > RETICLE_MM[1]:
        why = RETICLE_TOO_LARGE
    elif max(wafer_width, wafer_height) > WAFER_MM:
        why = WAFER_TOO_LARGE
    elif wafer_yield < technology.lowest_yield or columns <= 0:
        why = YIELD
    elif max(forward, decode) > min(rows, columns):
        why = MESH_TOO_LARGE
    elif design.streaming != STREAM_NONE and bandwidth <= 0:
        why = NO_MEMORY

    # A mesh spans reticles: its slowest links set the rate of what streams through it.
    link_bits = design.noc_bits * design.reticle_bandwidth
    crossing = 0.5 * (1.0 / design.core_rows + 1.0 / design.core_columns)
    hop_pj = pitch_mm * technology.wire_pj_per_bit_mm + crossing * RETICLE_PJ_PER_BIT
    bisection = min(rows, columns) * link_bits / 8.0 * design.clock_ghz * 1e9
    seconds_per_byte = 1.0 / bandwidth if bandwidth > 0 else 0.0
    # The root of a K-tree takes K levels from two sides and sends once; a pipeline and a ring pass twice.
    reduce_words = 2.0 * TREE_LEVELS + 1.0 if design.allreduce == K_TREE else 2.0
    router_w = ROUTER_STATIC_W * (design.noc_bits / 32.0) ** ROUTER_STATIC_EXPONENT * physical
    return Budget(
        why=why,
        core_mm2=core_mm2,
        area_mac_mm2=physical * mac_mm2,
        area_sram_mm2=physical * sram_mm2,
        area_router_mm2=physical * router_mm2,
        area_gap_mm2=max(wafer_width * wafer_height - physical * core_mm2, 0.0),
        active_cores=active,
        usable_share=active / physical,
        wafer_yield=wafer_yield,
        static_w=(router_w + technology.leakage_w_per_mm2 * physical * core_mm2) * ratio,
        mac_j=technology.mac_pj * dynamic * 1e-12,
        sram_j=3.0 * PARTIAL_SUM_BITS * technology.sram_pj_per_bit * dynamic * 1e-12,  # two reads and a write
        conversion_j=technology.conversion_pj * dynamic * 1e-12,
        hop_j_per_bit=hop_pj * dynamic * 1e-12,
        cycle_s=1e-9 / design.clock_ghz,
        macs_per_cycle=min(design.macs, design.sram_bits / 2.0 / PARTIAL_SUM_BITS),
        words_per_bit=1.0 / link_bits,
        forward_cores=np.floor(active / (forward * forward)) * forward * forward,
        decode_cores=np.floor(active / (decode * decode)) * decode * decode,
        forward_reduce=allreduce_cycles(design.allreduce, forward, technology),
        decode_reduce=allreduce_cycles(design.allreduce, decode, technology),
        forward_step=step_cycles(design.gemm, forward, technology),
        decode_step=step_cycles(design.gemm, decode, technology),
        reduce_words=reduce_words,
        # A x B^T reduces every step's tile over half the row, core by core [Luczynski, chain].
        chain=(technology.hop_cycles + CHAIN_CYCLES) / 2.0,
        sram_bytes=design.sram_kib * 1024.0,
        memory_bytes=technology.memory_bytes[memory] * dies,
        memory_s_per_byte=seconds_per_byte,
        relayout_s_per_byte=0.5 / bisection,
    )
