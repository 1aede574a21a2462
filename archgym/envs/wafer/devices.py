"""Constants of wafer-scale machines: value, unit, source. `scenario` packs them into the record that `cost` reads.

Sources:
    [WaferLLM]   He et al., OSDI 2025, arXiv 2502.04563: PLMR model, WSE-2 as its kernels use it.
    [Luczynski]  Luczynski et al., HPDC 2024: reductions on the CS-2.
    [Theseus]    design space, areas at about 7 nm and energies of a wafer-scale explorer.
    [WSE]        Cerebras' published figures of WSE-2 and WSE-3.
    [WSC-LLM]    WSC-LLM and WATOS: stacked or edge DRAM of wafer-scale designs.
    [technology] archgym/envs/technology.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from archgym.envs.technology import (
    ADD_UM2_PER_BIT,
    CELL_DENSITY,
    MUX_UM2_PER_BIT,
    REGISTER_UM2_PER_BIT,
    VECTOR_LANE_UM2,
    VOLTAGE_STEPS,
    technology,
)
from archgym.errors import InputError

# -- time, in cycles

HOP_CYCLES = 1.0  # alpha: a wavelet moves one core per cycle [WSE]
STAGE_CYCLES = 17.9  # beta: a software routing stage. FITTED on the decode rows of Llama3-8B [WaferLLM]
STEP_CYCLES = 196.0  # launch and synchronisation of a GEMM step. FITTED on the prefill rows of Llama3-8B [WaferLLM]
CHAIN_CYCLES = 2 * 2.0 + 1.0  # a core of a pipelined reduction: 2 T_R + 1, T_R = 2 [Luczynski]
TREE_LEVELS = 2.0  # K of the K-tree [WaferLLM]
PARTIAL_SUM_BITS = 32.0  # width of partial sums: a MAC a cycle on two 32-bit read ports [WaferLLM]

# -- area at 7 nm, um2

MAC_UM2_45NM = VECTOR_LANE_UM2 / CELL_DENSITY  # fp16 multiply and add [technology]
SRAM_48KIB_UM2 = 44_000.0  # with two 32-bit read ports [Theseus]
SRAM_BITS_48KIB, SRAM_PORT_BITS = 48 * 8192.0, 64.0
ROUTER_UM2_PER_BIT = 8_300.0 / 32  # [Theseus]; in proportion to the width: an assumption

# -- narrow weights and zeros (features `arithmetic` and `sparsity_engine`), area at 45 nm

CONVERTER_BITS = 16.0  # widening or placing a weight costs a 16-bit addition in energy and area: an assumption
CONVERTER_UM2_45NM = CONVERTER_BITS * ADD_UM2_PER_BIT / CELL_DENSITY
PACKING_UM2_45NM = 3.0 * PARTIAL_SUM_BITS * ADD_UM2_PER_BIT / CELL_DENSITY  # adders of four products: an assumption
# An engine finds the operand of a kept weight or of an input that came: an index or count, one of 16 operands.
ENGINE_UM2_45NM = 16.0 * (ADD_UM2_PER_BIT + REGISTER_UM2_PER_BIT + 15.0 * MUX_UM2_PER_BIT) / CELL_DENSITY

# -- energy at 7 nm

SRAM_PJ_PER_BIT = 0.07  # 0.06 to 0.08 [Theseus]
WIRE_PJ_PER_BIT_MM = 0.15  # [Theseus]
RETICLE_PJ_PER_BIT = 0.25  # over a scribe line, stitched [Theseus]
DRAM_PJ_PER_BIT = 8.75  # [Theseus]
ROUTER_STATIC_W = 5.1e-3  # 32 bit; 196 mW at 4096 bit [Theseus], a power of the width in between
ROUTER_STATIC_EXPONENT = float(np.log(196 / 5.1) / np.log(4096 / 32))

# -- wafer

WAFER_MM = 215.0  # side of the square cut from a 300 mm wafer [WSE]
RETICLE_MM = (26.0, 33.0)  # largest exposure field [Theseus]
DEFECTS_PER_MM2 = 0.001  # D0 [WSE]


@dataclass(frozen=True)
class Memory:
    """Memory beside the SRAM of the cores: per wafer, or per full reticle (26 mm x 33 mm) where it is stacked."""

    gb_s: float
    gb: float
    per_reticle: bool
    source: str


MEMORIES = {
    "none": Memory(0.0, 0.0, False, "everything stays in the cores"),
    "edge": Memory(900.0, 2_400.0, False, "[Theseus]: from 900 GB/s; capacity of an external store: an assumption"),
    "stacked": Memory(2_000.0, 70.0, True, "[WSC-LLM]: 2 TB/s and 70 GB a die, taken as a full reticle: an assumption"),
}

_NAMES = (
    "fastest_clock_ghz",
    "mac_pj",
    "mac_um2",
    "conversion_pj",
    "converter_um2",
    "packing_um2",
    "engine_um2",
    "sram_um2_per_bit",
    "sram_port_um2_per_bit",
    "router_um2_per_bit",
    "leakage_w_per_mm2",
    "sram_pj_per_bit",
    "wire_pj_per_bit_mm",
    "hop_cycles",
    "stage_cycles",
    "step_cycles",
    "defects_per_mm2",
    "reticle_gap_mm",
    "lowest_yield",
)
TECHNOLOGY_DTYPE = np.dtype(
    [(name, np.float64) for name in _NAMES]
    + [("voltage_ratio", np.float64, (VOLTAGE_STEPS + 1,))]
    + [(name, np.float64, (len(MEMORIES),)) for name in ("memory_bytes_per_s", "memory_bytes", "memory_per_reticle")]
)


def scenario(
    node_nm: int = 7,
    reticle_gap_mm: float = 0.0,
    lowest_yield: float = 0.5,
    stage_cycles: float = STAGE_CYCLES,
    step_cycles: float = STEP_CYCLES,
) -> np.record:
    """Technology of a scenario.

    Args:
        node_nm: process node.
        reticle_gap_mm: between reticles: 0 where cores are stitched over the scribe lines (Cerebras; the 0.1 mm of a
            line are neglected), 0.8 for dies on a carrier [Theseus].
        lowest_yield: share of wafers that must work, else the design needs more spare cores: an assumption.
        stage_cycles, step_cycles: the two fitted constants of the software.

    Raises:
        InputError: a length, share or time out of range.
        UnknownNameError: no such node.
    """
    given = {"reticle_gap_mm": reticle_gap_mm, "stage_cycles": stage_cycles, "step_cycles": step_cycles}
    for name, value in given.items():
        if not 0 <= value < float("inf"):
            raise InputError(f"{name} must be finite and not negative, not {value}")
    if not 0 <= lowest_yield < 1:
        raise InputError(f"lowest_yield must be a share from 0 to below 1, not {lowest_yield}")
    return _record(node_nm, reticle_gap_mm, lowest_yield, stage_cycles, step_cycles)


@cache
def _record(
    node_nm: int, reticle_gap_mm: float, lowest_yield: float, stage_cycles: float, step_cycles: float
) -> np.record:
    node, seven = technology(node_nm), technology(7)
    logic, cells = (node[name] / seven[name] for name in ("logic_area_scale", "sram_um2_per_bit"))
    ports = (SRAM_48KIB_UM2 - seven.sram_um2_per_bit * SRAM_BITS_48KIB) / SRAM_PORT_BITS
    record = np.zeros(1, TECHNOLOGY_DTYPE).view(np.recarray)[0]
    record.fastest_clock_ghz = node.fastest_clock_ghz
    record.voltage_ratio[:] = node.voltage_ratio
    record.mac_pj = node.vector_pj
    record.mac_um2 = MAC_UM2_45NM * node.logic_area_scale
    record.conversion_pj = CONVERTER_BITS * node.add_pj_per_bit
    record.converter_um2 = CONVERTER_UM2_45NM * node.logic_area_scale
    record.packing_um2 = PACKING_UM2_45NM * node.logic_area_scale
    record.engine_um2 = ENGINE_UM2_45NM * node.logic_area_scale
    record.sram_um2_per_bit = node.sram_um2_per_bit
    record.sram_port_um2_per_bit = ports * cells  # [Theseus] gives one size; what exceeds the cells is the ports'
    record.router_um2_per_bit = ROUTER_UM2_PER_BIT * logic
    record.leakage_w_per_mm2 = node.leakage_w_per_mm2
    record.sram_pj_per_bit = SRAM_PJ_PER_BIT * node.sram_32kib_pj_per_bit / seven.sram_32kib_pj_per_bit
    record.wire_pj_per_bit_mm = WIRE_PJ_PER_BIT_MM
    record.hop_cycles, record.stage_cycles, record.step_cycles = HOP_CYCLES, stage_cycles, step_cycles
    record.defects_per_mm2, record.reticle_gap_mm, record.lowest_yield = DEFECTS_PER_MM2, reticle_gap_mm, lowest_yield
    record.memory_bytes_per_s[:] = [memory.gb_s * 1e9 for memory in MEMORIES.values()]
    record.memory_bytes[:] = [memory.gb * 1e9 for memory in MEMORIES.values()]
    record.memory_per_reticle[:] = [memory.per_reticle for memory in MEMORIES.values()]
    return record
