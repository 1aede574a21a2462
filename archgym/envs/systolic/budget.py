"""What a systolic design costs whatever it runs: areas, leakage, energy per action, feasibility.

All functions are pure and run as plain Python or compiled; constants come from technology.py.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba.extending import register_jitable

from archgym.envs.systolic.arithmetic import decode_pj, edge_um2, element_pj, element_um2, input_ports, scale_pj
from archgym.envs.systolic.codes import CLOCK_TOO_FAST, FEASIBLE, SRAM_TOO_SMALL
from archgym.envs.systolic.engines import engine_edge_um2, feed, index_bits, scan_pj, selection_pj, selection_um2
from archgym.envs.technology import CELL_DENSITY, SMALLEST_BANK_KIB, VECTOR_LANE_UM2, VOLTAGE_STEPS


class Budget(NamedTuple):
    """What a design costs whatever it runs: areas in mm2, leakage in W, energies in J, half-buffer sizes in bytes.

    `element_j` is that of a PE's busy cycle, `select_j` of a product's input chosen, `scan_j` of an input compared with
    zero, `scale_j` of a group sum scaled, `decode_j` of four bits decoded.
    """

    why: int
    area_array_mm2: float
    area_sram_mm2: float
    area_vector_mm2: float
    area_memory_phy_mm2: float
    leakage_w: float
    element_j: float
    ifmap_j_per_byte: float
    filter_j_per_byte: float
    ofmap_j_per_byte: float
    vector_j: float
    memory_j_per_byte: float
    memory_s_per_byte: float
    cycle_s: float
    dispatch_s: float
    vector_s_per_op: float
    half_ifmap_bytes: float
    half_filter_bytes: float
    half_ofmap_bytes: float
    select_j: float
    scan_j: float
    scale_j: float
    decode_j: float


@register_jitable
def bank_kib(kib, ports_bits):
    """Size of a bank of a buffer split into the 64-bit wide banks that feed `ports_bits` of the array's edge."""
    return kib / max(np.ceil(ports_bits / 64.0), 1.0)


@register_jitable
def sram_j_per_byte(kib, technology):
    """Energy of a byte read or written in a 64-bit wide bank [TPUv4i].

    Between 8 KiB, 32 KiB and 1 MiB (and beyond) energy is a power of the bank's size through the table's points.
    """
    if kib < 32.0:
        ratio = technology.sram_32kib_pj_per_bit / technology.sram_8kib_pj_per_bit
        pj = technology.sram_32kib_pj_per_bit * (kib / 32.0) ** (math.log(ratio) / math.log(4.0))
    else:
        ratio = technology.sram_1mib_pj_per_bit / technology.sram_32kib_pj_per_bit
        pj = technology.sram_32kib_pj_per_bit * (kib / 32.0) ** (math.log(ratio) / math.log(32.0))
    return pj * 8e-12


@register_jitable
def supply_ratio(clock_ghz, technology):
    """Supply / nominal supply needed for a clock, read from the table of `technology`."""
    position = min(clock_ghz / technology.fastest_clock_ghz, 1.0) * VOLTAGE_STEPS
    step = min(int(position), VOLTAGE_STEPS - 1)
    low, high = technology.voltage_ratio[step], technology.voltage_ratio[step + 1]
    return low + (high - low) * (position - step)


@register_jitable
def budget(design, technology):
    """Areas, leakage and unit energies of a design. Dynamic energy scales with V^2, leakage with V."""
    bits, accumulator = design.operand_bits, design.accumulator_bits
    ratio = supply_ratio(design.clock_ghz, technology)
    dynamic = ratio * ratio
    um2_to_mm2 = 1e-6 * technology.logic_area_scale
    pes = design.array_rows * design.array_columns * design.arrays
    edges = design.arrays * (edge_um2(design) + engine_edge_um2(design))
    area_array = (pes * (element_um2(design) + selection_um2(design)) + edges) * um2_to_mm2
    area_vector = design.vector_lanes * VECTOR_LANE_UM2 / CELL_DENSITY * um2_to_mm2
    kib = design.ifmap_sram_kib + design.filter_sram_kib + design.ofmap_sram_kib
    area_sram = kib * 8192.0 * technology.sram_um2_per_bit * 1e-6
    memory = int(design.memory)
    rows, columns = design.array_rows * design.arrays, design.array_columns * design.arrays
    ifmap_bank = bank_kib(design.ifmap_sram_kib, rows * bits)
    filter_bank = bank_kib(design.filter_sram_kib, columns * bits)
    ofmap_bank = bank_kib(design.ofmap_sram_kib, columns * accumulator)
    # Ports of features need more banks, which must be possible. They make no byte cheaper, as they take no SRAM area.
    wide_ifmap_bank = bank_kib(design.ifmap_sram_kib, rows * bits * input_ports(design) * feed(design))
    wide_filter_bank = bank_kib(design.filter_sram_kib, columns * (bits + index_bits(design)))
    why = FEASIBLE
    if design.clock_ghz > technology.fastest_clock_ghz:
        why = CLOCK_TOO_FAST
    elif min(wide_ifmap_bank, wide_filter_bank, ofmap_bank) < SMALLEST_BANK_KIB:
        why = SRAM_TOO_SMALL
    return Budget(
        why=why,
        area_array_mm2=area_array,
        area_sram_mm2=area_sram,
        area_vector_mm2=area_vector,
        area_memory_phy_mm2=technology.memory_phy_mm2[memory],
        leakage_w=technology.leakage_w_per_mm2 * (area_array + area_sram + area_vector) * ratio,
        element_j=element_pj(design, technology) * dynamic * 1e-12,
        ifmap_j_per_byte=dynamic * sram_j_per_byte(ifmap_bank, technology),
        filter_j_per_byte=dynamic * sram_j_per_byte(filter_bank, technology),
        ofmap_j_per_byte=dynamic * sram_j_per_byte(ofmap_bank, technology),
        vector_j=technology.vector_pj * dynamic * 1e-12,
        memory_j_per_byte=technology.memory_j_per_byte[memory],
        memory_s_per_byte=1.0 / technology.memory_bytes_per_s[memory],
        cycle_s=1e-9 / design.clock_ghz,
        dispatch_s=technology.dispatch_s,
        vector_s_per_op=1e-9 / (design.clock_ghz * design.vector_lanes),
        half_ifmap_bytes=design.ifmap_sram_kib * 512.0,
        half_filter_bytes=design.filter_sram_kib * 512.0,
        half_ofmap_bytes=design.ofmap_sram_kib * 512.0,
        select_j=selection_pj(design, technology) * dynamic * 1e-12,
        scan_j=scan_pj(design, technology) * dynamic * 1e-12,
        scale_j=scale_pj(design, technology) * dynamic * 1e-12,
        decode_j=decode_pj(design, technology) * dynamic * 1e-12,
    )
