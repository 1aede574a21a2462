"""What an XR design costs whatever it runs: processing elements of its sub-accelerators, areas, leakage, energies."""

from __future__ import annotations

from typing import NamedTuple

from numba.extending import register_jitable

from archgym.envs.systolic.arithmetic import mac_pj, pe_um2
from archgym.envs.systolic.budget import bank_kib, sram_j_per_byte, supply_ratio
from archgym.envs.technology import (
    CELL_DENSITY,
    SMALLEST_BANK_KIB,
    VECTOR_LANE_UM2,
)
from archgym.envs.xr.devices import (
    ACCUMULATOR_BITS,
    MEMORY,
    OS_CHANNELS,
    OS_COLUMNS,
    PES_PER_LANE,
    RS_COLUMNS,
    RS_ROWS,
    RS_SCRATCHPAD_KIB,
    WS_CHANNELS,
    WS_FILTERS,
)

NONE, WS, OS, RS = 0, 1, 2, 3  # codes of the dataflow parameters
EQUAL, BIG_LITTLE, LITTLE_BIG = 0, 1, 2  # codes of the split parameter
GREEDY, EDF, PRIORITY = 0, 1, 2  # codes of the scheduler parameter
FEASIBLE, GAP, SPLIT_OF_ONE, TOO_FEW_PES, CLOCK_TOO_FAST, SRAM_TOO_SMALL = range(6)  # codes of REASONS
OPERAND_BITS = 8
SHARE = 3.0  # processing elements of the larger sub-accelerator over those of a smaller one, as in XRBench's K and L

WS_CLUSTER, OS_CLUSTER, RS_CLUSTER = WS_CHANNELS * WS_FILTERS, OS_CHANNELS * OS_COLUMNS, RS_COLUMNS * RS_ROWS
MEMORY_J_PER_BYTE = MEMORY.pj_per_bit * 8e-12
PHY_MM2_PER_GB_S = MEMORY.phy_mm2 / MEMORY.bandwidth_gb_s


class Budget(NamedTuple):
    """What a design costs whatever it runs: areas in mm2, leakage in W, energies in J, times in s."""

    why: int
    accelerators: int
    pes: float
    area_array_mm2: float
    area_sram_mm2: float
    area_vector_mm2: float
    area_memory_phy_mm2: float
    leakage_w: float
    mac_j: float
    scratchpad_j: float
    sram_j_per_byte: float
    vector_j: float
    cycle_s: float
    memory_s_per_byte: float
    half_bytes: float


@register_jitable
def dataflow_of(design, accelerator):
    """Dataflow code of a sub-accelerator, NONE where there is none."""
    if accelerator == 0:
        return design.dataflow_1
    if accelerator == 1:
        return design.dataflow_2
    if accelerator == 2:
        return design.dataflow_3
    return design.dataflow_4


@register_jitable
def accelerators_of(design):
    """Number of sub-accelerators, and whether a NONE stands before one of them."""
    count, gap = 1, False
    for accelerator in range(1, 4):
        if dataflow_of(design, accelerator) != NONE:
            gap = gap or count != accelerator
            count += 1
    return count, gap


@register_jitable
def clusters_of(design, accelerator, accelerators):
    """Whole clusters of a sub-accelerator; what is left of its share of the processing elements is not built."""
    first, other = 1.0, 1.0
    if design.split == BIG_LITTLE:
        first = SHARE
    elif design.split == LITTLE_BIG:
        other = SHARE
    share = (first if accelerator == 0 else other) / (first + other * (accelerators - 1))
    dataflow = dataflow_of(design, accelerator)
    cluster = WS_CLUSTER if dataflow == WS else OS_CLUSTER if dataflow == OS else RS_CLUSTER
    return (design.pes * share + 1e-6) // cluster, cluster


@register_jitable
def budget(design, technology):
    """Areas, leakage and unit energies. Dynamic energy scales with V^2, leakage with V."""
    accelerators, gap = accelerators_of(design)
    pes, with_scratchpad, smallest = 0.0, 0.0, 1e9
    for accelerator in range(accelerators):
        clusters, cluster = clusters_of(design, accelerator, accelerators)
        smallest = min(smallest, clusters)
        pes += clusters * cluster
        if dataflow_of(design, accelerator) == RS:
            with_scratchpad += clusters * cluster

    um2_to_mm2 = 1e-6 * technology.logic_area_scale
    registers = 2 * OPERAND_BITS + ACCUMULATOR_BITS
    kib = design.memory_kib + with_scratchpad * RS_SCRATCHPAD_KIB
    area_array = pes * pe_um2(OPERAND_BITS, ACCUMULATOR_BITS, registers) * um2_to_mm2
    area_vector = pes / PES_PER_LANE * VECTOR_LANE_UM2 / CELL_DENSITY * um2_to_mm2
    area_sram = kib * 8192.0 * technology.sram_um2_per_bit * 1e-6

    bank = bank_kib(design.memory_kib / accelerators, design.noc_bytes_per_cycle * 8.0)
    why = FEASIBLE
    if gap:
        why = GAP
    elif accelerators == 1 and design.split != EQUAL:
        why = SPLIT_OF_ONE
    elif smallest < 1:
        why = TOO_FEW_PES
    elif design.clock_ghz > technology.fastest_clock_ghz:
        why = CLOCK_TOO_FAST
    elif bank < SMALLEST_BANK_KIB:
        why = SRAM_TOO_SMALL

    ratio = supply_ratio(design.clock_ghz, technology)
    dynamic = ratio * ratio
    # Eyeriss' scratchpads: an ifmap and a filter value read, a partial sum read and written per MAC.
    scratchpad_bytes = 2 * OPERAND_BITS / 8 + 2 * ACCUMULATOR_BITS / 8
    return Budget(
        why=why,
        accelerators=accelerators,
        pes=pes,
        area_array_mm2=area_array,
        area_sram_mm2=area_sram,
        area_vector_mm2=area_vector,
        area_memory_phy_mm2=design.memory_gb_s * PHY_MM2_PER_GB_S,
        leakage_w=technology.leakage_w_per_mm2 * (area_array + area_sram + area_vector) * ratio,
        mac_j=mac_pj(OPERAND_BITS, ACCUMULATOR_BITS, technology) * dynamic * 1e-12,
        scratchpad_j=dynamic * scratchpad_bytes * sram_j_per_byte(RS_SCRATCHPAD_KIB, technology),
        sram_j_per_byte=dynamic * sram_j_per_byte(bank, technology),
        vector_j=technology.vector_pj * dynamic * 1e-12,
        cycle_s=1e-9 / design.clock_ghz,
        memory_s_per_byte=accelerators / (design.memory_gb_s * 1e9),  # an equal share each
        half_bytes=design.memory_kib / accelerators * 512.0,
    )
