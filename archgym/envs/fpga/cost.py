"""Cost of one operator on an FPGA, in closed form.

Tiled engines follow FlightLLM (arXiv 2401.03868): T_compute = M K N / (pM pK pN), here with ceilings, T_memory = bytes
over bandwidth, double-buffered, so the longer of both (traffic.py). Execution styles follow InTAR (arXiv 2502.08807).
Circuits of hls4ml are in hls4ml.py. All functions are pure and run as plain Python or compiled.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba.extending import register_jitable

from archgym.envs.fpga.budget import (
    DATAFLOW,
    FEASIBLE,
    HLS4ML,
    HYBRID,
    LATENCY,
    MEMORY_FULL,
    NO_WEIGHTS,
    ON,
    PRECISION,
    budget,
    fullest,
    reached_mhz,
)
from archgym.envs.fpga.devices import BRAM18_PJ, DSP_PJ, FF_PJ, LUT_PJ, VECTOR_DSP, VECTOR_FF, VECTOR_LUT
from archgym.envs.fpga.hls4ml import Circuit, latency_layer, resource_layer
from archgym.envs.fpga.traffic import ATTENTION, SOFTMAX, hand_over_bytes, stream_s, traffic
from archgym.envs.fpga.weights import port_bits, weights_of
from archgym.workloads.operators import WEIGHT_B

__all__ = ["LayerCost", "Metrics", "bottleneck", "budget", "combine", "cost", "metrics"]

CIRCUIT_LANES = 16.0  # operations per cycle of hls4ml's pooling, addition, normalisation layers (assumption)
WIDEST_CIRCUIT_BITS = 16.0  # weights beyond those of the reports behind hls4ml.py


class LayerCost(NamedTuple):
    """Cost of one occurrence of an operator; of a network, as `combine` reduces it.

    Attributes:
        engine_s, attention_s: time that the engines, or the attention engine, are taken.
        fill_s: time until a circuit's first output.
        longest_s: the longest stage of a pipeline (engine or circuit).
        last_s, joins: hybrid execution: computing time of the last operator on the engines; 1 for one that takes over
            an intermediate too large for the chip and so runs beside its producer, 2 for one that does so in the vector
            unit.
        multipliers, dsp, lut, ff, bram18: circuits of its own (hls4ml-dense).
    """

    why: int
    latency_s: float
    compute_s: float
    memory_s: float
    vector_s: float
    engine_s: float
    attention_s: float
    fill_s: float
    longest_s: float
    last_s: float
    joins: float
    macs: float
    dram_bytes: float
    resident_bytes: float
    multipliers: float
    dsp: float
    lut: float
    ff: float
    bram18: float
    energy_dsp_j: float
    energy_sram_j: float


@register_jitable(inline="always")
def cost(design, operator, technology, budget):
    """LayerCost of one occurrence of `operator`; `budget` is that of the same design."""
    if design.engine == HLS4ML:
        return _circuit_cost(design, operator, technology, budget)
    if operator.k > 0:
        return _matrix_cost(design, operator, technology, budget)
    return _vector_cost(design, operator, budget)


@register_jitable
def _vector_cost(design, operator, budget):
    """Pooling, normalisation, softmax, additions: the vector unit or their traffic, whichever is slower."""
    largest = hand_over_bytes(design, budget)
    # a streaming attention kernel takes the scores as they come; hybrid execution pipelines any large intermediate
    streamed = operator.kind == SOFTMAX and design.streaming_attention == ON
    fused = design.execution == HYBRID and design.engines > 1
    spills = not streamed and not fused
    a, b, out, joins = 0.0, 0.0, 0.0, 0.0
    if operator.a_external or (spills and operator.a_bytes > largest):
        a = operator.a_bytes
    elif fused and not streamed and operator.a_bytes > largest:
        joins = 2.0
    if operator.b_external or (spills and operator.b_bytes > largest):
        b = operator.b_bytes
    if operator.out_external or (spills and operator.out_bytes > largest):
        out = operator.out_bytes
    vector_s = operator.vector_ops * budget.vector_s
    memory_s = stream_s(a, b, out, 1.0, 2.0, budget)
    return LayerCost(
        why=FEASIBLE,
        latency_s=max(vector_s, memory_s),
        compute_s=0.0,
        memory_s=memory_s,
        vector_s=vector_s,
        engine_s=0.0,
        attention_s=0.0,
        fill_s=0.0,
        longest_s=max(vector_s, memory_s),
        last_s=0.0,
        joins=joins,
        macs=0.0,
        dram_bytes=a + b + out,
        resident_bytes=operator.resident_bytes,
        multipliers=0.0,
        dsp=0.0,
        lut=0.0,
        ff=0.0,
        bram18=0.0,
        energy_dsp_j=0.0,
        energy_sram_j=0.0,
    )


@register_jitable
def _matrix_cost(design, operator, technology, budget):
    """Products on the engines, or attention on its streaming kernel."""
    kind = int(design.precision)
    m, k, n = operator.m, operator.k, operator.n
    products = operator.batch * operator.groups
    device, weights = int(design.board), operator.weight == WEIGHT_B
    own_unit = operator.kind == ATTENTION and design.attention_lanes > 0

    why, passes = FEASIBLE, 1.0
    widest = technology.mac_weight_bits[kind] if weights else technology.mac_activation_bits[kind]
    taken = weights_of(design, operator, technology)
    port = port_bits(design, technology, device, kind)
    if operator.a_bits > technology.mac_activation_bits[kind] or taken.bits > widest:
        why = PRECISION
    elif taken.bits > port:  # wide operands through the weight port, part after part
        passes = np.ceil(taken.bits / port)

    macs = products * m * k * taken.density * n
    wide_k, wide_n, work_s = 1.0, 1.0, 0.0  # how much padding widens the tensors
    if own_unit:
        compute_s = macs * budget.attention_s
        energy_dsp = compute_s * budget.attention_w
    else:
        sharing = 1.0 if design.execution == DATAFLOW else design.engines
        if budget.columns > 1.0:
            wide_k = np.ceil(k / budget.grain_k) * budget.grain_k / k
            wide_n = np.ceil(n / budget.columns) * budget.columns / n
        tiles = products * np.ceil(m / budget.grain_m) * np.ceil(n * wide_n / budget.grain_n)
        steps = np.ceil(k * taken.density / budget.grain_k) * passes
        compute_s = np.ceil(tiles / sharing) * steps * budget.block_s
        work_s = compute_s
        energy_dsp = tiles * steps * budget.block_s * budget.engine_w
    energy_sram = compute_s * budget.sram_w

    moved = traffic(design, operator, budget, taken, wide_k, wide_n)
    vector_s = operator.vector_ops * budget.vector_s
    latency_s = max(compute_s, moved.memory_s, vector_s) + moved.exposed_s
    engine_s, attention_s = latency_s, 0.0
    if own_unit:
        engine_s, attention_s = 0.0, latency_s
    return LayerCost(
        why=why,
        latency_s=latency_s,
        compute_s=compute_s,
        memory_s=moved.memory_s,
        vector_s=vector_s,
        engine_s=engine_s,
        attention_s=attention_s,
        fill_s=0.0,
        longest_s=latency_s,
        last_s=work_s,
        joins=moved.joins,
        macs=macs,
        dram_bytes=moved.dram_bytes,
        resident_bytes=operator.resident_bytes * taken.share,
        multipliers=0.0,
        dsp=0.0,
        lut=0.0,
        ff=0.0,
        bram18=0.0,
        energy_dsp_j=energy_dsp,
        energy_sram_j=energy_sram,
    )


@register_jitable
def _circuit_cost(design, operator, technology, budget):
    """A layer as a circuit of its own, weights on chip (hls4ml); inputs pass one position after the other."""
    cycle_s = 1.0 / budget.clock_hz
    k, n, bits = operator.k, operator.n, operator.b_bits
    a = operator.a_bytes if operator.a_external else 0.0
    b = operator.b_bytes if operator.b_external else 0.0
    out = operator.out_bytes if operator.out_external else 0.0
    why, macs = FEASIBLE, 0.0
    if k == 0:
        cycles = max(np.ceil(operator.vector_ops / CIRCUIT_LANES), 1.0)
        lanes = CIRCUIT_LANES
        circuit = Circuit(0.0, VECTOR_DSP * lanes, VECTOR_LUT * lanes, VECTOR_FF * lanes, 0.0, cycles, 2.0)
        busy = cycles
    else:
        if operator.weight != WEIGHT_B:
            why = NO_WEIGHTS
        elif bits > WIDEST_CIRCUIT_BITS:
            why = PRECISION
        macs = operator.batch * operator.groups * operator.m * k * n
        if design.strategy == LATENCY:  # weights are constants in the logic: zeros anywhere have no multiplier
            circuit = latency_layer(k, n, bits, operator.weight_density)
            macs *= operator.weight_density
        else:
            circuit = resource_layer(k, n, bits, min(design.reuse_factor, k * n))
        busy = operator.m * circuit.interval
    copies = operator.groups  # each slice of the channels has a circuit of its own
    memory_s = stream_s(a, b, out, 1.0, 1.0, budget)
    busy_s = busy * cycle_s
    return LayerCost(
        why=why,
        latency_s=max(busy_s + (circuit.latency - circuit.interval) * cycle_s, memory_s),
        compute_s=busy_s,
        memory_s=memory_s,
        vector_s=0.0,
        engine_s=0.0,
        attention_s=0.0,
        fill_s=circuit.latency * cycle_s,
        longest_s=busy_s,
        last_s=0.0,
        joins=0.0,
        macs=macs,
        dram_bytes=a + b + out,
        resident_bytes=0.0,
        multipliers=copies * circuit.multipliers,
        dsp=copies * circuit.dsp,
        lut=copies * circuit.lut,
        ff=copies * circuit.ff,
        bram18=copies * circuit.bram18,
        energy_dsp_j=busy * copies * circuit.dsp * DSP_PJ * 1e-12,
        energy_sram_j=busy * copies * circuit.bram18 * BRAM18_PJ * 1e-12,
    )


@register_jitable
def combine(total, layer, count):
    """Operators in turn: times, bytes and circuits add up; the longest stage is the longest.

    Hybrid execution: an operator that takes over an intermediate too large for the chip runs on half the engines while
    its producer runs on the other half, so the pair takes twice the longer of the two (the stall of an unbalanced
    pipeline); in the vector unit it runs beside its producer. [InTAR: pipelined only where the data are large.]
    """
    latency_s = layer.latency_s
    if layer.joins == 1.0:
        pair = 2.0 * max(total.last_s, layer.last_s)
        latency_s = max(pair - total.last_s, latency_s)
    elif layer.joins == 2.0:
        latency_s = max(latency_s - total.last_s, layer.memory_s)
    return LayerCost(
        why=0,
        latency_s=total.latency_s + count * latency_s,
        compute_s=total.compute_s + count * layer.compute_s,
        memory_s=total.memory_s + count * layer.memory_s,
        vector_s=total.vector_s + count * layer.vector_s,
        engine_s=total.engine_s + count * layer.engine_s,
        attention_s=total.attention_s + count * layer.attention_s,
        fill_s=total.fill_s + count * layer.fill_s,
        longest_s=max(total.longest_s, layer.longest_s),
        last_s=layer.last_s,
        joins=0.0,
        macs=total.macs + count * layer.macs,
        dram_bytes=total.dram_bytes + count * layer.dram_bytes,
        resident_bytes=total.resident_bytes + count * layer.resident_bytes,
        multipliers=total.multipliers + count * layer.multipliers,
        dsp=total.dsp + count * layer.dsp,
        lut=total.lut + count * layer.lut,
        ff=total.ff + count * layer.ff,
        bram18=total.bram18 + count * layer.bram18,
        energy_dsp_j=total.energy_dsp_j + count * layer.energy_dsp_j,
        energy_sram_j=total.energy_sram_j + count * layer.energy_sram_j,
    )


def bottleneck(layer: LayerCost) -> str:
    """What limits an operator: the longest of compute, off-chip memory and vector unit."""
    times = {"compute": layer.compute_s, "off-chip memory": layer.memory_s, "vector unit": layer.vector_s}
    return max(times, key=times.__getitem__)


class Metrics(NamedTuple):
    """What a design achieves on a whole workload; fields as in `space.METRICS`."""

    why: int
    latency_s: float
    interval_s: float
    energy_j: float
    power_w: float
    utilisation: float
    throughput_tops: float
    dram_bytes: float
    clock_mhz: float
    dsp: float
    lut: float
    ff: float
    bram18: float
    uram: float
    aie: float
    fill_dsp: float
    fill_lut: float
    fill_ff: float
    fill_bram18: float
    fill_uram: float
    energy_dsp_j: float
    energy_sram_j: float
    energy_logic_j: float
    energy_dram_j: float
    energy_static_j: float


@register_jitable
def metrics(design, technology, budget, total):
    """Metrics of a workload.

    The interval between runs is the latency, but for pipelines: then the slowest of engines (each operator runs on one
    of them, and their work is spread evenly, or the longest operator), attention kernel, vector unit and memory.
    """
    device = int(design.board)
    why, latency_s, clock_hz, peak = budget.why, total.latency_s, budget.clock_hz, budget.peak_macs_per_s
    interval_s = latency_s
    dsp, lut, ff, bram = budget.dsp, budget.lut, budget.ff, budget.bram18
    if design.engine == HLS4ML:
        dsp, lut, ff, bram = dsp + total.dsp, lut + total.lut, ff + total.ff, bram + total.bram18
        why, filled = fullest(technology, device, dsp, lut, ff, bram, 0.0)
        reached_hz = reached_mhz(technology, device, design.clock_mhz, filled) * 1e6
        slower = clock_hz / reached_hz
        clock_hz = reached_hz
        interval_s = max(total.longest_s * slower, total.memory_s)
        first_s = (1.0 if design.strategy == LATENCY else design.reuse_factor) / budget.clock_hz
        latency_s = max((total.longest_s + total.fill_s - first_s) * slower, interval_s)
        peak = total.multipliers * clock_hz
    elif design.execution == DATAFLOW and budget.stages > 1:
        interval_s = max(total.engine_s / design.engines, total.longest_s, total.attention_s)
        interval_s = max(interval_s, total.vector_s, total.memory_s)
    if why == FEASIBLE and total.resident_bytes > technology.capacity_gb[device] * 2.0**30:
        why = MEMORY_FULL
    logic_j = (lut * LUT_PJ + ff * FF_PJ) * 1e-12 * clock_hz * interval_s
    dram_j = total.dram_bytes * technology.pj_per_bit[device] * 8e-12
    static_j = technology.static_w[device] * interval_s
    energy_j = total.energy_dsp_j + total.energy_sram_j + logic_j + dram_j + static_j
    return Metrics(
        why=why,
        latency_s=latency_s,
        interval_s=interval_s,
        energy_j=energy_j,
        power_w=energy_j / interval_s,
        utilisation=min(total.macs / (peak * interval_s), 1.0),  # a last bit of rounding
        throughput_tops=2e-12 * total.macs / interval_s,
        dram_bytes=total.dram_bytes,
        clock_mhz=clock_hz * 1e-6,
        dsp=dsp,
        lut=lut,
        ff=ff,
        bram18=bram,
        uram=budget.uram,
        aie=budget.aie,
        fill_dsp=dsp / technology.dsp[device],
        fill_lut=lut / technology.lut[device],
        fill_ff=ff / technology.ff[device],
        fill_bram18=bram / technology.bram18[device],
        fill_uram=budget.uram / max(technology.uram[device], 1.0),
        energy_dsp_j=total.energy_dsp_j,
        energy_sram_j=total.energy_sram_j,
        energy_logic_j=logic_j,
        energy_dram_j=dram_j,
        energy_static_j=static_j,
    )
