"""Cost of an operator on a sub-accelerator, and of a whole scenario on all of them.

Loops as in XRBench's dataflow files (see devices.py). With C input channels, K filters, R x S taps and an output map of
H rows and X columns (a matrix product has its rows as pixels of one map and one tap):

    ws  ceil(C/16) ceil(K/16) H ceil(X/clusters) R S        filters stay, the map is read again for every 16 filters
    os  K ceil(H/clusters) ceil(X/4) ceil(C/16) R S         outputs stay, the map is read again for every filter
    rs  ceil(K/clusters) H ceil(X/16) C S ceil(R/4)         kernel rows stay along an output row

All functions are pure and run as plain Python or compiled; sizes are float64 counts.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba.extending import register_jitable

from archgym.envs.scales import group_sums
from archgym.envs.xr.budget import (
    FEASIBLE,
    MEMORY_J_PER_BYTE,
    OS,
    RS,
    WS,
    budget,
    clusters_of,
    dataflow_of,
)
from archgym.envs.xr.devices import (
    L1_ACCESSES,
    L1_MACS,
    L2_MACS,
    MAC_PJ,
    OS_CHANNELS,
    OS_COLUMNS,
    PES_PER_LANE,
    RS_COLUMNS,
    RS_ROWS,
    TILE,
    WS_CHANNELS,
    WS_FILTERS,
    XRBENCH,
)
from archgym.envs.xr.runtime import LOG_FIELDS, simulate
from archgym.workloads.operators import WEIGHT_A, WEIGHT_B

__all__ = ["LayerCost", "Metrics", "bottleneck", "budget", "cost", "network"]


class LayerCost(NamedTuple):
    """Cost of one occurrence of an operator."""

    why: int
    latency_s: float
    compute_s: float
    noc_s: float
    memory_s: float
    vector_s: float
    macs: float
    noc_bytes: float
    dram_bytes: float
    layer_mac_j: float
    layer_sram_j: float
    layer_vector_j: float
    layer_dram_j: float


@register_jitable
def overlap(dataflow, side, rows, columns):
    """How often XRBench's evaluation computes an output: its tiles are TILE inputs a side whatever the kernel's side.

    Tiles follow each other as if they had one output (ws, rows of os, lanes of rs) or one per column lane (os, rs),
    so neighbours compute the same outputs again.
    """
    tile = max(TILE - side + 1.0, 1.0)
    if dataflow == WS:
        return min(tile, rows) * min(tile, columns)
    if dataflow == OS:
        return min(tile, rows) * np.ceil(min(max(OS_COLUMNS + TILE - side, 1.0), columns) / OS_COLUMNS)
    return min(tile, columns) * np.ceil(min(max(RS_COLUMNS + TILE - side, 1.0), columns) / RS_COLUMNS)


@register_jitable
def loops(dataflow, clusters, m, k, n, kernel, width, published):
    """Cycles of one product, and how often A and B are read from on-chip memory: (cycles, reads of A, of B)."""
    channels, side = k / kernel, math.sqrt(kernel)
    rows = m / width
    flat = kernel == 1.0 and width == 1.0 and not published  # a matrix product: its rows fill any lanes
    if dataflow == WS:
        folds = np.ceil(m / clusters) if flat else rows * np.ceil(width / clusters)
        filters = np.ceil(n / WS_FILTERS)
        return np.ceil(channels / WS_CHANNELS) * filters * folds * kernel, filters, 1.0
    if dataflow == OS:
        folds = np.ceil(m / (clusters * OS_COLUMNS)) if flat else np.ceil(rows / clusters) * np.ceil(width / OS_COLUMNS)
        return n * folds * np.ceil(channels / OS_CHANNELS) * kernel, n, folds
    folds = np.ceil(m / RS_COLUMNS) if flat else rows * np.ceil(width / RS_COLUMNS)
    filters = np.ceil(n / clusters)
    return filters * folds * channels * (kernel / side) * np.ceil(side / RS_ROWS), filters, folds


@register_jitable
def off_chip_bytes(operator, half_bytes):
    """Bytes that cross the chip's boundary.

    Weights and external tensors always do. Another activation stays on chip between its producer and its consumer when
    it fits in half the memory of a sub-accelerator. Where neither operand fits, one is read in parts and the other once
    per part, whichever moves less.
    """
    a, b, out = 0.0, 0.0, 0.0
    if operator.a_external or operator.weight == WEIGHT_A or operator.a_bytes > half_bytes:
        a = operator.a_bytes
    if operator.b_external or operator.weight == WEIGHT_B or operator.b_bytes > half_bytes:
        b = operator.b_bytes
    if operator.k > 0 and operator.a_bytes > half_bytes and operator.b_bytes > half_bytes:
        products = operator.batch * operator.groups
        parts_a = np.ceil(operator.a_bytes / products / half_bytes)
        parts_b = np.ceil(operator.b_bytes / products / half_bytes)
        if a * parts_b + b < a + b * parts_a:
            a *= parts_b
        else:
            b *= parts_a
    if operator.out_external or operator.out_bytes > half_bytes:
        out = operator.out_bytes
    return a + b + out


@register_jitable
def cost_on(design, accelerator, operator, technology, budget):
    """LayerCost of one occurrence of `operator` on one sub-accelerator."""
    published = technology.evaluation == XRBENCH
    dataflow = dataflow_of(design, accelerator)
    clusters, cluster = clusters_of(design, accelerator, budget.accelerators)
    lanes = max(clusters * cluster / PES_PER_LANE, 1.0)
    products = operator.batch * operator.groups
    macs = products * operator.m * operator.k * operator.n
    # XRBench's conventions: off-chip memory and vector work are free.
    charged = 0.0 if published else 1.0
    moved = charged * off_chip_bytes(operator, budget.half_bytes)
    vector_ops = charged * (operator.vector_ops + group_sums(operator))  # codes are multiplied, sums of groups scaled
    words, cycles = charged * (operator.a_bytes + operator.b_bytes + operator.out_bytes), 0.0
    again, passes = 1.0, np.ceil(operator.a_bits / 8.0) * np.ceil(operator.b_bits / 8.0)
    if operator.k > 0:
        m, k, n, kernel, width = operator.m, operator.k, operator.n, operator.kernel, operator.width
        cycles, reads_a, reads_b = loops(dataflow, clusters, m, k, n, kernel, width, published)
        words = operator.a_bytes * reads_a + operator.b_bytes * reads_b + operator.out_bytes
        if published:
            again = overlap(dataflow, math.sqrt(kernel), m / width, width)
    if published:
        mac_j = MAC_PJ * 1e-12 * macs * again * (1.0 + L1_ACCESSES * L1_MACS)
        sram_j = MAC_PJ * 1e-12 * L2_MACS * words
    else:
        mac_j = macs * (passes * budget.mac_j + (budget.scratchpad_j if dataflow == RS else 0.0))
        sram_j = (words + moved) * budget.sram_j_per_byte
    compute_s = products * cycles * again * passes * budget.cycle_s
    noc_s = words / design.noc_bytes_per_cycle * budget.cycle_s
    memory_s = moved * budget.memory_s_per_byte
    vector_s = vector_ops / lanes * budget.cycle_s
    return LayerCost(
        why=FEASIBLE,
        latency_s=max(compute_s, noc_s, memory_s, vector_s),
        compute_s=compute_s,
        noc_s=noc_s,
        memory_s=memory_s,
        vector_s=vector_s,
        macs=macs,
        noc_bytes=words,
        dram_bytes=moved,
        layer_mac_j=mac_j,
        layer_sram_j=sram_j,
        layer_vector_j=vector_ops * budget.vector_j,
        layer_dram_j=moved * MEMORY_J_PER_BYTE,
    )


@register_jitable
def cost(design, operator, technology, budget):
    """LayerCost of one occurrence of `operator` on the sub-accelerator that runs it fastest."""
    best = cost_on(design, 0, operator, technology, budget)
    for accelerator in range(1, budget.accelerators):
        layer = cost_on(design, accelerator, operator, technology, budget)
        if layer.latency_s < best.latency_s:
            best = layer
    return best


def bottleneck(layer: LayerCost) -> str:
    """What limits an operator."""
    times = {
        "compute": layer.compute_s,
        "on-chip memory": layer.noc_s,
        "off-chip memory": layer.memory_s,
        "vector unit": layer.vector_s,
    }
    return max(times, key=times.__getitem__)


# Columns of the table of networks: what one frame costs on one sub-accelerator.
LATENCY, MACS, DRAM, NOC, MAC_J, SRAM_J, VECTOR_J, DRAM_J = range(8)
COLUMNS = 8


@register_jitable
def frames(design, operators, tasks, technology, budget):
    """Table [tasks, sub-accelerators, COLUMNS]: a network is the sum of its operators, on one sub-accelerator."""
    table = np.zeros((tasks.shape[0], budget.accelerators, COLUMNS))
    for accelerator in range(budget.accelerators):
        twin = accelerator - 1  # equal sub-accelerators cost the same
        same = (
            accelerator > 0
            and dataflow_of(design, twin) == dataflow_of(design, accelerator)
            and clusters_of(design, twin, budget.accelerators) == clusters_of(design, accelerator, budget.accelerators)
        )
        if same:
            table[:, accelerator, :] = table[:, twin, :]
            continue
        for j in range(operators.shape[0]):
            operator = operators[j]
            layer = cost_on(design, accelerator, operator, technology, budget)
            row, count = table[operator.task, accelerator], operator.count
            row[LATENCY] += count * layer.latency_s
            row[MACS] += count * layer.macs
            row[DRAM] += count * layer.dram_bytes
            row[NOC] += count * layer.noc_bytes
            row[MAC_J] += count * layer.layer_mac_j
            row[SRAM_J] += count * layer.layer_sram_j
            row[VECTOR_J] += count * layer.layer_vector_j
            row[DRAM_J] += count * layer.layer_dram_j
    return table


class Metrics(NamedTuple):
    """What a design achieves in a scenario; fields as in `space.METRICS`."""

    why: int
    latency_s: float
    energy_j: float
    area_mm2: float
    power_w: float
    score: float
    score_realtime: float
    score_energy: float
    score_qoe: float
    frame_latency_s: float
    frames: float
    drops: float
    deadline_misses: float
    utilisation: float
    off_chip_bytes: float
    noc_bytes: float
    energy_mac_j: float
    energy_sram_j: float
    energy_vector_j: float
    energy_dram_j: float
    energy_leakage_j: float
    area_array_mm2: float
    area_sram_mm2: float
    area_vector_mm2: float
    area_memory_phy_mm2: float


@register_jitable
def times_and_energies(table):
    """Milliseconds and millijoules of a frame [tasks, sub-accelerators], from the table of `frames`."""
    milliseconds, millijoules = np.empty(table.shape[:2]), np.empty(table.shape[:2])
    for i in range(table.shape[0]):
        for j in range(table.shape[1]):
            row = table[i, j]
            milliseconds[i, j] = 1e3 * row[LATENCY]
            millijoules[i, j] = 1e3 * (row[MAC_J] + row[SRAM_J] + row[VECTOR_J] + row[DRAM_J])
    return milliseconds, millijoules


@register_jitable
def network(design, operators, tasks, technology, budget):
    """Metrics of a scenario: every network's cost on every sub-accelerator, then the discrete-event run."""
    table = frames(design, operators, tasks, technology, budget)
    milliseconds, millijoules = times_and_energies(table)
    log = np.empty((0, LOG_FIELDS))
    run, finished = simulate(
        milliseconds, millijoules, tasks, design.scheduler, technology.duration_ms, technology.seed, log
    )
    total = np.zeros(COLUMNS)
    for i in range(table.shape[0]):
        for j in range(table.shape[1]):
            for column in range(COLUMNS):
                total[column] += finished[i, j] * table[i, j, column]
    latency = 1e-3 * run.end_ms
    leakage_j = budget.leakage_w * latency
    energy = total[MAC_J] + total[SRAM_J] + total[VECTOR_J] + total[DRAM_J] + leakage_j
    return Metrics(
        why=FEASIBLE,
        latency_s=latency,
        energy_j=energy,
        area_mm2=budget.area_array_mm2 + budget.area_sram_mm2 + budget.area_vector_mm2 + budget.area_memory_phy_mm2,
        power_w=energy / latency,
        score=run.score,
        score_realtime=run.realtime,
        score_energy=run.energy,
        score_qoe=run.qoe,
        frame_latency_s=1e-3 * run.response_ms,
        frames=run.frames,
        drops=run.drops,
        deadline_misses=run.misses,
        utilisation=total[MACS] * budget.cycle_s / (budget.pes * latency),
        off_chip_bytes=total[DRAM],
        noc_bytes=total[NOC],
        energy_mac_j=total[MAC_J],
        energy_sram_j=total[SRAM_J],
        energy_vector_j=total[VECTOR_J],
        energy_dram_j=total[DRAM_J],
        energy_leakage_j=leakage_j,
        area_array_mm2=budget.area_array_mm2,
        area_sram_mm2=budget.area_sram_mm2,
        area_vector_mm2=budget.area_vector_mm2,
        area_memory_phy_mm2=budget.area_memory_phy_mm2,
    )
