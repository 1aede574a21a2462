"""What a PIM design costs whatever it runs: areas, standby power, unit energies, timings in seconds, feasibility.

A device is a host (an NPU, or none) with `stacks * channels` channels of DRAM. Tensor and pipeline parallelism
replicate it. All functions are pure and run as plain Python or compiled; constants come from devices.py.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba.extending import register_jitable

from archgym.envs.pim.devices import (
    ACCESS_BYTES,
    BANK_MM2,
    CONTROLLER_GB_S,
    CONTROLLER_WORDS,
    CONVERSION_BITS,
    DUAL_ROW_BUFFERS,
    INDEX_BITS,
    LANE_SUM_BITS,
    LOGIC_PU_MM2_PER_LANE_GHZ,
    PIM_VECTOR_ROWS,
    PU_MM2_PER_LANE,
)
from archgym.envs.sparsity import ACTIVATIONS, BITMAP, N_OF_M
from archgym.envs.systolic.arithmetic import mac_pj, pe_um2
from archgym.envs.systolic.budget import bank_kib, sram_j_per_byte
from archgym.envs.technology import (
    ADD_UM2_PER_BIT,
    CELL_DENSITY,
    MUX_UM2_PER_BIT,
    REGISTER_UM2_PER_BIT,
    VECTOR_LANE_UM2,
)

NONE, BANK, TWO_BANK, GROUP, BUFFER = 0, 1, 2, 3, 4  # codes of pu_placement
SINGLE, DUAL = 0, 1  # codes of row_buffers
FC_NPU, FC_PIM, FC_AUTO, FC_COPROCESS = 0, 1, 2, 3  # codes of fc_mapping
ROUND_ROBIN, MIN_LOAD = 0, 1  # codes of packing
UNIFORM, WIDENING, PACKED, MIXED = 0, 1, 2, 3  # codes of arithmetic
FEASIBLE, NO_NPU, NO_PIM, TOO_FEW_BANKS, POWER_LIMIT, MEMORY_CAPACITY = 0, 1, 2, 3, 4, 5  # codes of REASONS

PE_BITS = 16  # operands of NPU and PU multipliers; 8-bit operands run at twice the rate
ACCUMULATOR_BITS = 32


class Budget(NamedTuple):
    """Per device unless noted; times in s, energies in J, areas in mm2 of all devices."""

    why: int
    area_pu_mm2: float
    area_buffer_mm2: float
    area_npu_mm2: float
    area_sram_mm2: float
    area_vector_mm2: float
    area_phy_mm2: float
    standby_w: float  # all devices
    capacity_bytes: float  # all devices
    peak_macs_per_s: float  # all devices, 16 bit
    has_npu: float
    has_pim: float
    # PIM
    channels: float
    pus: float  # of a channel
    interleave: float  # banks that feed one PU in turn
    adder: float  # PUs whose sums are added in the bank group
    packed: float
    ccd_s: float
    fastest_ccd_s: float
    lane_rate: float  # multiply-accumulates per second of a PU
    row_columns: float
    row_open_s: float  # activate to the first column command
    row_close_s: float  # last column command to the row's precharge
    row_active_s: float
    precharge_s: float
    activate_s: float
    busy: float  # share of time not spent on refresh
    buffer_bytes: float
    registers: float
    io_s_per_byte: float  # of a channel
    row_j: float
    column_j: float
    mac_j: float
    # host
    bandwidth: float  # B/s that the host streams
    array_bandwidth: float
    side: float
    arrays: float
    macs_cycle_s: float
    half_sram_bytes: float
    npu_mac_j: float
    npu_conversion_j: float
    pu_conversion_j: float
    sram_j_per_byte: float
    pin_j_per_byte: float
    outside_j_per_byte: float  # from PU level to the host
    vector_s_per_op: float
    vector_fixed_s: float
    vector_j: float


@register_jitable
def pus_of(placement, banks, pseudo_channels):
    """PUs of a channel and the banks that feed each of them in turn."""
    if placement == BANK:
        return banks, 1.0
    if placement == TWO_BANK:
        return banks / 2.0, 2.0
    if placement == GROUP:
        return banks / 4.0, 4.0
    return pseudo_channels, banks / pseudo_channels


@register_jitable
def read_pj(placement, bank, group, buffer):
    """Energy of a bit from the cells to the PU [FGDRAM, as in AttAcc]."""
    if placement == GROUP:
        return group
    return buffer if placement == BUFFER else bank


@register_jitable
def pe_feature_um2(design):
    """What a 16-bit lane or PE needs for narrower weights and for N of M, at 45 nm before scaling."""
    um2 = 0.0
    if design.arithmetic >= PACKED:  # four products of 4 bits: two more adders than for two of 8 bits
        um2 += 2.0 * ACCUMULATOR_BITS * ADD_UM2_PER_BIT
    if design.arithmetic == MIXED:  # sums of four outputs at a time
        um2 += 3.0 * ACCUMULATOR_BITS * (ADD_UM2_PER_BIT + REGISTER_UM2_PER_BIT)
    if design.sparsity_engine == N_OF_M:  # a second input, the index, and one of eight inputs for each bit
        um2 += (PE_BITS + INDEX_BITS) * REGISTER_UM2_PER_BIT + PE_BITS * 7.0 * MUX_UM2_PER_BIT
    return um2 / CELL_DENSITY


@register_jitable
def converter_um2(design):
    """A converter of integers to 16-bit floating point in a lane of a PU, at 45 nm before scaling."""
    return CONVERSION_BITS * ADD_UM2_PER_BIT / CELL_DENSITY if design.arithmetic >= WIDENING else 0.0


@register_jitable
def edge_um2(design):
    """What a column of an array has at its edge: a converter with its scale, a decoder of bitmaps."""
    um2 = VECTOR_LANE_UM2 / CELL_DENSITY if design.arithmetic >= WIDENING else 0.0
    if design.sparsity_engine == BITMAP:  # positions are counted, and one of sixteen weights goes to each
        um2 += PE_BITS * (ADD_UM2_PER_BIT + 15.0 * MUX_UM2_PER_BIT) / CELL_DENSITY
    return um2


@register_jitable
def dram_mm2(design, technology, pus):
    """(PUs, buffers) of a channel: what PIM adds to the DRAM."""
    in_die = design.pu_placement != BUFFER
    lane_mm2 = PU_MM2_PER_LANE if in_die else LOGIC_PU_MM2_PER_LANE_GHZ * design.pu_clock_ghz
    register_mm2 = REGISTER_UM2_PER_BIT / CELL_DENSITY * 1e-6 * technology.dram_logic_area_scale
    buffers = design.buffer_kib * 8192.0 * technology.dram_sram_um2_per_bit * 1e-6
    sums = LANE_SUM_BITS if design.sparsity_engine == ACTIVATIONS else ACCUMULATOR_BITS
    buffers += pus * design.result_registers * sums * register_mm2
    if design.row_buffers == DUAL:
        buffers += DUAL_ROW_BUFFERS * BANK_MM2 * design.banks
    lane_mm2 += (pe_feature_um2(design) + converter_um2(design)) * 1e-6 * technology.dram_logic_area_scale
    return pus * design.pu_lanes * lane_mm2, buffers


@register_jitable
def host_mm2(design, technology):
    """(arrays, SRAM, vector lanes) of a device; without arrays there is nothing."""
    arrays, side = design.npu_arrays, design.npu_side
    vector = arrays * side * VECTOR_LANE_UM2 / CELL_DENSITY * 1e-6 * technology.logic_area_scale
    sram = design.sram_mib * 2.0**23 * technology.sram_um2_per_bit * 1e-6
    # weights have two registers: loads overlap
    pe = pe_um2(PE_BITS, ACCUMULATOR_BITS, 3 * PE_BITS + ACCUMULATOR_BITS) * 1e-6 * technology.logic_area_scale
    pe += pe_feature_um2(design) * 1e-6 * technology.logic_area_scale
    edge = edge_um2(design) * 1e-6 * technology.logic_area_scale
    return arrays * (side * side * pe + side * edge), min(arrays, 1.0) * sram, vector


@register_jitable
def row_power_w(design, technology, pus, interleave, interval_s, open_s, column_j):
    """Power of a channel whose banks all compute, row after row, with standby."""
    memory = int(design.memory)
    columns = design.row_bytes / ACCESS_BYTES
    row_j = design.row_bytes * 8e-12 * technology.row_pj[memory]
    busy_j = columns * (column_j + ACCESS_BYTES / 2 * technology.mac_pj[memory] * 1e-12) + row_j
    row_s = max(columns * interval_s, (columns * interval_s + open_s) / interleave)
    return pus * busy_j / row_s + technology.standby_w[memory]


@register_jitable
def reason(design, has_npu, has_pim, pus, interleave, overloaded):
    """Why the hardware cannot work, whatever it runs."""
    needs_npu = design.fc_mapping == FC_NPU or design.fc_mapping == FC_COPROCESS
    needs_pim = design.fc_mapping == FC_PIM or design.fc_mapping == FC_COPROCESS or not has_npu
    if needs_npu and not has_npu:
        return NO_NPU
    if needs_pim and not has_pim:
        return NO_PIM
    if has_pim and (pus < 1 or interleave < 1):
        return TOO_FEW_BANKS
    return POWER_LIMIT if has_pim and overloaded else FEASIBLE


@register_jitable
def budget(design, technology):
    """Areas, powers, timings and unit energies of a design."""
    memory, placement = int(design.memory), int(design.pu_placement)
    devices = design.tensor_parallel * design.pipeline_parallel
    channels = design.stacks * design.channels
    all_channels = devices * channels
    has_pim = 0.0 if placement == NONE else 1.0
    has_npu = 1.0 if design.npu_arrays > 0 else 0.0
    arrays, side = design.npu_arrays, design.npu_side
    lanes = arrays * side

    # Commands to several banks at once are stretched to limit power; those of the buffer die follow each other over
    # bank groups at tCCD_S, as reads do (AttAcc, section 5).
    pus, interleave = pus_of(placement, design.banks, technology.pseudo_channels[memory])
    fastest = technology.ccd_s[memory] if placement == BUFFER else technology.ccd_l[memory]
    ccd = fastest if placement == BUFFER else fastest * design.ccd_multiplier
    lane_rate = design.pu_lanes * design.pu_clock_ghz * 1e9
    activate_s = np.ceil(pus / 4.0) * technology.activate[memory] * 1e-9
    open_s = (technology.rcd[memory] + technology.rtp[memory] + technology.rp[memory]) * 1e-9

    read = read_pj(placement, technology.bank_pj[memory], technology.group_pj[memory], technology.buffer_pj[memory])
    column_j = ACCESS_BYTES * 8e-12 * read
    interval_s = max(ccd * 1e-9, ACCESS_BYTES / 2 / lane_rate)
    peak_w = row_power_w(design, technology, pus, interleave, interval_s, open_s + activate_s, column_j)
    overloaded = peak_w > technology.limit_w[memory]

    area_npu, area_sram, area_vector = host_mm2(design, technology)
    area_pu, area_buffer = dram_mm2(design, technology, pus)
    leakage_w = technology.leakage_w_per_mm2 * (area_npu + area_sram + area_vector)

    clock = technology.host_clock_ghz * 1e9
    busy = 1.0 - (technology.rfc[memory] + technology.rp[memory] + technology.rcd[memory]) / technology.refi[memory]
    bandwidth = channels * technology.io_gb_s[memory] * 1e9 * min(technology.host_memory, busy)
    array_bandwidth = bandwidth / arrays if technology.host_array_share > 0 and arrays > 0 else bandwidth
    if has_npu > 0:
        vector_s_per_op, vector_fixed_s = 1.0 / (lanes * clock), technology.host_dispatch_s
    else:  # two-byte words in and out of the memory's controller
        vector_s_per_op = CONTROLLER_WORDS * 2.0 / (channels * CONTROLLER_GB_S * 1e9)
        vector_fixed_s = PIM_VECTOR_ROWS * (open_s + technology.ras[memory] * 1e-9)
    sram_j = sram_j_per_byte(bank_kib(design.sram_mib * 1024.0, max(lanes, 1.0) * PE_BITS), technology)
    adder = technology.group_adder[memory] if placement == BANK else 1.0
    return Budget(
        why=reason(design, has_npu > 0, has_pim > 0, pus, interleave, overloaded),
        area_pu_mm2=has_pim * all_channels * area_pu,
        area_buffer_mm2=has_pim * all_channels * area_buffer,
        area_npu_mm2=devices * area_npu,
        area_sram_mm2=devices * area_sram,
        area_vector_mm2=devices * area_vector,
        area_phy_mm2=all_channels * technology.phy_mm2[memory],
        standby_w=all_channels * technology.standby_w[memory] + devices * leakage_w,
        capacity_bytes=all_channels * design.banks * technology.bank_mib[memory] * 2.0**20,
        peak_macs_per_s=devices * (has_pim * channels * pus * lane_rate + arrays * side * side * clock),
        has_npu=has_npu,
        has_pim=has_pim,
        channels=channels,
        pus=pus,
        interleave=interleave,
        adder=adder,
        packed=technology.packed[memory],
        ccd_s=ccd * 1e-9,
        fastest_ccd_s=fastest * 1e-9,
        lane_rate=lane_rate,
        row_columns=design.row_bytes / ACCESS_BYTES,
        row_open_s=technology.rcd[memory] * 1e-9,
        row_close_s=technology.rtp[memory] * 1e-9,
        row_active_s=technology.ras[memory] * 1e-9,
        precharge_s=technology.rp[memory] * 1e-9,
        activate_s=activate_s,
        busy=busy,
        buffer_bytes=design.buffer_kib * 1024.0,
        registers=design.result_registers,
        io_s_per_byte=1e-9 / technology.io_gb_s[memory],
        row_j=design.row_bytes * 8e-12 * technology.row_pj[memory],
        column_j=column_j,
        mac_j=technology.mac_pj[memory] * 1e-12,
        bandwidth=bandwidth,
        array_bandwidth=array_bandwidth,
        side=side,
        arrays=arrays,
        macs_cycle_s=1.0 / (clock * technology.host_compute),
        half_sram_bytes=has_npu * design.sram_mib * 2.0**19,
        npu_mac_j=mac_pj(PE_BITS, ACCUMULATOR_BITS, technology) * 1e-12,
        npu_conversion_j=CONVERSION_BITS * technology.add_pj_per_bit * 1e-12,
        pu_conversion_j=CONVERSION_BITS * technology.dram_add_pj_per_bit * 1e-12,
        sram_j_per_byte=sram_j,
        pin_j_per_byte=8e-12 * (technology.link_pj[memory] + technology.row_pj[memory]),
        outside_j_per_byte=8e-12 * (technology.link_pj[memory] - read),
        vector_s_per_op=vector_s_per_op,
        vector_fixed_s=vector_fixed_s,
        vector_j=technology.vector_pj * 1e-12,
    )
