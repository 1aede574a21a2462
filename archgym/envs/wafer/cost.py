"""Cost of one operator on a wafer-scale mesh (PLMR model, WaferLLM, arXiv 2502.04563), and of a network.

Forward operators run on the prefill mesh, decode operators on the decode mesh; every layer has its own cores and
layers run one after the other, as one request needs them. All functions are pure; sizes are float64 counts, times of
a mesh in cycles until `cost` multiplies them by the cycle time.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba.extending import register_jitable

from archgym.envs.sparsity import ACTIVATIONS
from archgym.envs.wafer.budget import (
    ALLGATHER,
    CANNON,
    FEASIBLE,
    MEMORY_CAPACITY,
    SRAM_BUFFERS,
    SRAM_CACHE,
    SRAM_WEIGHTS,
    STREAM_ALL,
    STREAM_NONE,
    budget,
)
from archgym.envs.wafer.devices import DRAM_PJ_PER_BIT, PARTIAL_SUM_BITS
from archgym.envs.wafer.formats import Format, extra_of_tile, format_of, products_of_tile
from archgym.workloads.operators import DECODE, KINDS, WEIGHT_A, WEIGHT_NONE

__all__ = ["LayerCost", "Metrics", "bottleneck", "budget", "combine", "cost", "metrics"]

DENSE = Format(1.0, 8.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0)  # of what has no products
ATTENTION, NORM, SOFTMAX = (KINDS.index(kind) for kind in ("attention", "norm", "softmax"))


class LayerCost(NamedTuple):
    """Cost of one occurrence of an operator; buffers are bytes per core and combine as maxima."""

    why: int
    latency_s: float
    compute_s: float
    routing_s: float
    payload_s: float
    vector_s: float
    stream_s: float
    forward_s: float
    decode_s: float
    macs: float
    work: float
    operations: float
    conversions: float
    bit_hops: float
    off_wafer_bytes: float
    weight_bytes: float
    cache_bytes: float
    forward_buffer: float
    decode_buffer: float


@register_jitable
def gemv(design, side, m, kt, nt, operator, form, reduce, budget):
    """MeshGEMV: (compute, routing, payload) in cycles and bytes of a core for `m` vectors.

    Weights stay where they are, every core multiplies its tile, one allreduce adds the partial sums of a column.
    Inputs differ from one row of cores to the next, tiles of weights from core to core.
    """
    cores = side if design.sparsity_engine == ACTIVATIONS else side * side
    compute = products_of_tile(design, form, m, kt, nt, cores) / budget.macs_per_cycle
    compute += extra_of_tile(form, 1.0, m, kt, nt) / budget.macs_per_cycle
    payload = budget.reduce_words * m * nt * operator.out_bits * budget.words_per_bit
    return compute, reduce, payload, m * (kt * operator.a_bits + nt * PARTIAL_SUM_BITS) / 8.0


@register_jitable
def gemm(design, side, mt, kt, nt, transposed, operator, form, step, budget):
    """Distributed GEMM in `side` steps: (compute, routing, payload) in cycles and bytes of a core.

    A and B shift along rows and columns while the core multiplies; allgather first collects, then multiplies. The
    transposed product keeps A and reduces each step's tile of the result along the row (WaferLLM: dist-GEMM-T).
    """
    algorithm = design.gemm
    a, b, c = mt * kt * operator.a_bits, kt * nt * form.stored_bits, mt * nt * operator.out_bits
    compute = side * products_of_tile(design, form, mt, kt, nt, side * side) / budget.macs_per_cycle
    compute += extra_of_tile(form, side, mt, kt, nt) / budget.macs_per_cycle
    shifted = side * max(a, b) * budget.words_per_bit
    routing = side * step
    payload = shifted if algorithm == ALLGATHER else max(shifted - compute, 0.0)
    if transposed:
        routing += side * side * budget.chain
        payload += side * c * budget.words_per_bit
    copies = side if algorithm == ALLGATHER else 2.0  # double buffers
    return compute, routing, payload, (copies * (a + b) + mt * nt * PARTIAL_SUM_BITS) / 8.0


class Mapped(NamedTuple):
    """A product on a mesh: cycles, bytes of a core, bits times hops of all links.

    `uses`: how often a weight is read anew; `extra`: operations of all cores beside the products.
    """

    compute: float
    routing: float
    payload: float
    buffer: float
    bit_hops: float
    uses: float
    extra: float


@register_jitable
def product(design, operator, form, side, reduce, step, budget):
    """A product as MeshGEMV or as distributed GEMM, whichever is faster.

    Independent products lie beside each other along the shorter of K and N: heads, channels of a group.
    """
    m, k, n, products = operator.m, operator.k, operator.n, operator.batch * operator.groups
    transposed = operator.kind == ATTENTION and k < n and operator.phase != DECODE
    if k < n:
        k *= products
    else:
        n *= products
    mt, kt, nt = np.ceil(m / side), np.ceil(k / side), np.ceil(n / side)
    compute, routing, payload, buffer = gemv(design, side, m, kt, nt, operator, form, reduce, budget)
    if m > 1:
        other = gemm(design, side, mt, kt, nt, transposed, operator, form, step, budget)
        # Copies of all rows of A may take at most a quarter of the SRAM (an assumption).
        if buffer > 0.25 * budget.sram_bytes or other[0] + other[1] + other[2] < compute + routing + payload:
            hops = 2.0 if design.gemm >= CANNON else 1.0  # a broadcast passes each link once
            moved = hops * (mt * kt * operator.a_bits + kt * nt * form.stored_bits)
            moved += transposed * mt * nt * operator.out_bits
            extra = side * side * extra_of_tile(form, side, mt, kt, nt)
            return Mapped(other[0], other[1], other[2], other[3], side * side * side * moved, side, extra)
    there_and_back = 2.0 * side * side * m * nt * operator.out_bits
    extra = side * side * extra_of_tile(form, 1.0, m, kt, nt)
    return Mapped(compute, routing, payload, buffer, there_and_back, 1.0, extra)


@register_jitable(inline="always")
def cost(design, operator, technology, budget):
    """LayerCost of one occurrence of `operator`; `budget` is that of the same design."""
    decode = operator.phase == DECODE
    if decode:
        side, reduce, step = design.decode_side, budget.decode_reduce, budget.decode_step
    else:
        side, reduce, step = design.prefill_side, budget.forward_reduce, budget.forward_step
    weights = operator.weight != WEIGHT_NONE
    mapped, form = Mapped(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0), DENSE
    if operator.k > 0:
        form = format_of(design, operator)
        mapped = product(design, operator, form, side, reduce, step, budget)
    elif operator.kind == NORM:
        mapped = Mapped(0.0, reduce, 0.0, 0.0, 0.0, 0.0, 0.0)  # the sum of squares
    elif operator.kind == SOFTMAX:
        mapped = Mapped(0.0, 2.0 * reduce, 0.0, 0.0, 0.0, 0.0, 0.0)  # maximum and sum
    macs = operator.batch * operator.groups * operator.m * operator.k * operator.n
    work = macs * form.kept / form.pack  # turns of a unit
    conversions = form.converted * operator.batch * operator.groups * operator.k * operator.n * mapped.uses
    vector = np.ceil(operator.vector_ops / (side * side)) / budget.macs_per_cycle

    # Weights, and keys and values, may come from memory while the cores compute.
    moved_bytes = 0.0
    if design.streaming != STREAM_NONE:
        if weights:
            moved_bytes = operator.a_bytes if operator.weight == WEIGHT_A else operator.b_bytes
        elif design.streaming == STREAM_ALL and operator.kind == ATTENTION:
            moved_bytes = operator.b_bytes if operator.b_external else operator.resident_bytes
    moved_bytes *= form.bytes_share * form.fetched
    stream_s = moved_bytes * budget.memory_s_per_byte
    latency_s = max((mapped.compute + mapped.routing + mapped.payload + vector) * budget.cycle_s, stream_s)
    forward_s = decode_s = forward_buffer = decode_buffer = weight_bytes = cache_bytes = 0.0
    if decode:
        decode_s, decode_buffer = latency_s, mapped.buffer
    else:
        forward_s, forward_buffer = latency_s, mapped.buffer
    if weights:
        weight_bytes = operator.resident_bytes * form.bytes_share
    else:
        cache_bytes = operator.resident_bytes
    return LayerCost(
        why=FEASIBLE,
        latency_s=latency_s,
        compute_s=mapped.compute * budget.cycle_s,
        routing_s=mapped.routing * budget.cycle_s,
        payload_s=mapped.payload * budget.cycle_s,
        vector_s=vector * budget.cycle_s,
        stream_s=stream_s,
        forward_s=forward_s,
        decode_s=decode_s,
        macs=macs,
        work=work,
        operations=work + mapped.extra + operator.vector_ops,
        conversions=conversions,
        bit_hops=mapped.bit_hops,
        off_wafer_bytes=moved_bytes,
        weight_bytes=weight_bytes,
        cache_bytes=cache_bytes,
        forward_buffer=forward_buffer,
        decode_buffer=decode_buffer,
    )


@register_jitable(inline="always")
def combine(total, layer, count):
    """Sums, but the largest buffers."""
    return LayerCost(
        why=0,
        latency_s=total.latency_s + count * layer.latency_s,
        compute_s=total.compute_s + count * layer.compute_s,
        routing_s=total.routing_s + count * layer.routing_s,
        payload_s=total.payload_s + count * layer.payload_s,
        vector_s=total.vector_s + count * layer.vector_s,
        stream_s=total.stream_s + count * layer.stream_s,
        forward_s=total.forward_s + count * layer.forward_s,
        decode_s=total.decode_s + count * layer.decode_s,
        macs=total.macs + count * layer.macs,
        work=total.work + count * layer.work,
        operations=total.operations + count * layer.operations,
        conversions=total.conversions + count * layer.conversions,
        bit_hops=total.bit_hops + count * layer.bit_hops,
        off_wafer_bytes=total.off_wafer_bytes + count * layer.off_wafer_bytes,
        weight_bytes=total.weight_bytes + count * layer.weight_bytes,
        cache_bytes=total.cache_bytes + count * layer.cache_bytes,
        forward_buffer=max(total.forward_buffer, layer.forward_buffer),
        decode_buffer=max(total.decode_buffer, layer.decode_buffer),
    )


def bottleneck(layer: LayerCost) -> str:
    """What limits an operator: compute, hops and routing stages, link bandwidth, vector work or the memory."""
    times = {
        "compute": layer.compute_s,
        "network latency": layer.routing_s,
        "network bandwidth": layer.payload_s,
        "vector unit": layer.vector_s,
    }
    if layer.stream_s >= layer.latency_s and layer.stream_s > 0:
        return "off-wafer memory"
    return max(times, key=times.__getitem__)


class Metrics(NamedTuple):
    """What a design achieves on a whole workload; fields as in `space.METRICS`."""

    why: int
    latency_s: float
    energy_j: float
    area_mm2: float
    power_w: float
    utilisation: float
    throughput_tops: float
    usable_share: float
    wafer_yield: float
    active_cores: float
    core_mm2: float
    core_bytes: float
    relayout_s: float
    off_wafer_bytes: float
    energy_mac_j: float
    energy_sram_j: float
    energy_noc_j: float
    energy_memory_j: float
    energy_static_j: float
    area_mac_mm2: float
    area_sram_mm2: float
    area_router_mm2: float
    area_gap_mm2: float


@register_jitable
def metrics(design, technology, budget, total):
    """Metrics of a workload; decides whether weights, cache and tiles fit the SRAM of the cores."""
    weights = total.weight_bytes if design.streaming == STREAM_NONE else 0.0
    cache = 0.0 if design.streaming == STREAM_ALL else total.cache_bytes
    streamed = total.weight_bytes - weights + total.cache_bytes - cache

    # As many meshes as there are cores for hold the layers of a phase.
    core_weights = core_cache = core_bytes = 0.0
    if total.forward_s > 0:
        core_weights, core_cache = weights / budget.forward_cores, cache / budget.forward_cores
        core_bytes = core_weights + core_cache + total.forward_buffer
    if total.decode_s > 0:
        core_weights = max(core_weights, weights / budget.decode_cores)
        core_cache = max(core_cache, cache / budget.decode_cores)
        core_bytes = max(core_bytes, (weights + cache) / budget.decode_cores + total.decode_buffer)
    why = FEASIBLE
    if streamed > budget.memory_bytes:
        why = MEMORY_CAPACITY
    elif core_weights > budget.sram_bytes:
        why = SRAM_WEIGHTS
    elif core_weights + core_cache > budget.sram_bytes:
        why = SRAM_CACHE
    elif core_bytes > budget.sram_bytes:
        why = SRAM_BUFFERS

    # Half of the weights cross the wafer's middle between prefill and decode.
    both = total.forward_s > 0 and total.decode_s > 0
    relayout_s = weights * budget.relayout_s_per_byte if both else 0.0
    latency_s = total.latency_s + relayout_s
    mac_j = total.operations * budget.mac_j + total.conversions * budget.conversion_j
    sram_j = total.operations * budget.sram_j
    noc_j = total.bit_hops * budget.hop_j_per_bit
    memory_j = total.off_wafer_bytes * 8e-12 * DRAM_PJ_PER_BIT
    static_j = budget.static_w * latency_s
    energy_j = mac_j + sram_j + noc_j + memory_j + static_j
    peak = budget.active_cores * budget.macs_per_cycle / budget.cycle_s
    return Metrics(
        why=why,
        latency_s=latency_s,
        energy_j=energy_j,
        area_mm2=budget.area_mac_mm2 + budget.area_sram_mm2 + budget.area_router_mm2 + budget.area_gap_mm2,
        power_w=energy_j / latency_s,
        utilisation=total.work / (peak * latency_s),
        throughput_tops=2e-12 * total.macs / latency_s,
        usable_share=budget.usable_share,
        wafer_yield=budget.wafer_yield,
        active_cores=budget.active_cores,
        core_mm2=budget.core_mm2,
        core_bytes=core_bytes,
        relayout_s=relayout_s,
        off_wafer_bytes=total.off_wafer_bytes,
        energy_mac_j=mac_j,
        energy_sram_j=sram_j,
        energy_noc_j=noc_j,
        energy_memory_j=memory_j,
        energy_static_j=static_j,
        area_mac_mm2=budget.area_mac_mm2,
        area_sram_mm2=budget.area_sram_mm2,
        area_router_mm2=budget.area_router_mm2,
        area_gap_mm2=budget.area_gap_mm2,
    )
