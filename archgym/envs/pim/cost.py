"""Cost of one operator on a PIM system, and of a network from the sums over its operators.

Products with weights run where `fc_mapping` says, attention over a key-value cache (decode) where it is faster, other
products and prefill on the NPU where there is one. Tensor parallelism divides outputs of weights and heads; an operator
is priced on one device, energies and counts on all.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba.extending import register_jitable

from archgym.envs.pim.budget import DUAL, FEASIBLE, MEMORY_CAPACITY, budget
from archgym.envs.pim.devices import ACCESS_BYTES
from archgym.envs.pim.formats import WIDER, WIDTHS, Format, format_of, may_store
from archgym.envs.pim.placement import place, stream
from archgym.workloads.operators import DECODE, KINDS, WEIGHT_NONE

__all__ = ["LayerCost", "Metrics", "bottleneck", "budget", "cost", "metrics"]

DENSE = Format(8.0, 1.0, 8.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0)  # of what has no products
ELEMENTWISE, NORM, SOFTMAX, CONV = (KINDS.index(kind) for kind in ("elementwise", "norm", "softmax", "conv"))


class LayerCost(NamedTuple):
    """One occurrence of an operator; `half_` of half the requests, decode only; `stall_s` waits for weights."""

    why: int
    latency_s: float
    compute_s: float
    memory_s: float
    pim_s: float
    vector_s: float
    link_s: float
    decode_s: float
    decode_pim_s: float
    half_npu_s: float
    half_pim_s: float
    stall_s: float
    attentions: float
    macs: float
    work: float  # multiply-accumulates really computed, weighted by operand width over 16 bit
    dram_bytes: float
    pin_bytes: float
    reload_bytes: float
    activations: float
    columns: float
    npu_work: float
    pu_work: float
    npu_conversions: float
    pu_conversions: float
    sram_bytes: float
    link_bytes: float
    vector_ops: float
    resident_weights: float
    resident_cache: float
    residuals: float
    residual_bytes: float


@register_jitable(inline="always")
def cost(design, operator, technology, budget):
    """LayerCost of one occurrence of `operator`; `budget` is that of the same design."""
    # shares of 0 or 1: a call with many keywords and conditions in them does not compile
    weights = 1.0 if operator.weight != WEIGHT_NONE else 0.0
    product = 1.0 if operator.k > 0 else 0.0
    decode = 1.0 if operator.phase == DECODE else 0.0
    requests = max(operator.requests, 1.0)
    half = np.ceil(requests / 2.0) / requests
    macs = operator.batch * operator.groups * operator.m * operator.k * operator.n

    form = DENSE
    if operator.k > 0:
        form, part = stored_and_placed(design, operator, technology, budget, half)
    else:
        part = stream(design, operator, budget)
    # what is really multiplied, counted as 16-bit products
    work = macs * form.width / 16.0 / form.outputs
    npu_work = work * (1.0 - part.on_pim) * part.npu_kept
    pu_work = work * part.on_pim * part.pu_kept
    kept = part.npu_kept + (part.pu_kept - part.npu_kept) * part.on_pim
    residual = operator.kind == ELEMENTWISE and operator.b_bytes > 0 and operator.vector_ops == operator.m
    vector_s = vector_work_s(design, operator, budget, residual, part, 1.0)
    half_vector_s = vector_work_s(design, operator, budget, residual, part, half)
    link_bytes, link_s = link(design, operator, technology, budget, residual, 1.0)
    _, half_link_s = link(design, operator, technology, budget, residual, half)
    latency_s = part.npu_s + part.pim_s + vector_s + link_s
    if operator.k > 0 and budget.has_npu > 0:  # the epilogue is fused: it streams behind the arrays
        latency_s = max(part.npu_s, vector_s) + part.pim_s + link_s
    residuals = 1.0 if residual else 0.0
    return LayerCost(
        why=FEASIBLE,
        latency_s=latency_s,
        compute_s=part.compute_s,
        memory_s=product * part.memory_s,
        pim_s=part.pim_s,
        vector_s=vector_s,
        link_s=link_s,
        decode_s=decode * latency_s,
        decode_pim_s=decode * part.pim_s,
        half_npu_s=decode * (max(part.half_npu_s, half_vector_s) + half_link_s),
        half_pim_s=decode * part.half_pim_s,
        stall_s=decode * weights * max(part.npu_s - part.compute_s, 0.0),
        attentions=decode * product * (1.0 - weights),
        macs=macs,
        work=work * kept,
        dram_bytes=part.pin_bytes + part.columns * ACCESS_BYTES,
        pin_bytes=part.pin_bytes + part.io_bytes,
        reload_bytes=part.weight_bytes,
        activations=part.activations,
        columns=part.columns,
        npu_work=npu_work,
        pu_work=pu_work,
        npu_conversions=part.npu_conversions,
        pu_conversions=part.pu_conversions,
        sram_bytes=part.sram_bytes,
        link_bytes=link_bytes,
        vector_ops=operator.vector_ops + part.unpack_ops,
        resident_weights=weights * operator.resident_bytes * form.bytes_share,
        resident_cache=(1.0 - weights) * operator.resident_bytes * form.bytes_share,
        residuals=residuals,
        residual_bytes=residuals * operator.out_bytes,
    )


@register_jitable
def stored_and_placed(design, operator, technology, budget, half):
    """Format and place of an operator with products. B is stored wider than its elements are where that takes less
    time: what unpacks them may be slower than reading more, and wide columns leave lanes for further vectors.
    """
    form = format_of(design, operator, operator.b_bits, budget)
    part = place(design, operator, form, technology, budget, half)
    best_s = WIDER * product_s(design, operator, budget, part)
    for bits in WIDTHS:
        if may_store(operator, bits):
            other = format_of(design, operator, bits, budget)
            if other.stored_bits > form.stored_bits:
                other_part = place(design, operator, other, technology, budget, half)
                other_s = product_s(design, operator, budget, other_part)
                if other_s < best_s:
                    form, part, best_s = other, other_part, other_s
    return form, part


@register_jitable
def product_s(design, operator, budget, placed):
    """Time of an operator with products, messages apart; with an NPU its epilogue streams behind the arrays."""
    vector_s = vector_work_s(design, operator, budget, False, placed, 1.0)
    if budget.has_npu > 0:
        return max(placed.npu_s, vector_s) + placed.pim_s
    return placed.npu_s + placed.pim_s + vector_s


@register_jitable
def vector_work_s(design, operator, budget, residual, placed, part):
    """Time of vector work of `part` of the requests: epilogues of products, and operators without products, which may
    wait for their operands. Weights are unpacked for each part anew.

    Devices share it, but normalisations and residual additions; without an NPU one device has all of it (CENT). A
    softmax in front of attention on PUs is part of their pipeline and is not started by itself (AttAcc).
    """
    everywhere = operator.kind == NORM or residual or budget.has_npu == 0
    seconds = part * operator.vector_ops * budget.vector_s_per_op / (1.0 if everywhere else design.tensor_parallel)
    pipelined = operator.kind == SOFTMAX and operator.phase == DECODE and budget.has_pim > 0 and budget.has_npu > 0
    if operator.k > 0:
        return seconds + placed.unpack_ops * budget.vector_s_per_op / design.tensor_parallel
    return max(seconds if pipelined else seconds + budget.vector_fixed_s, part * placed.memory_s)


@register_jitable
def link(design, operator, technology, budget, residual, part):
    """Bytes and time of messages between devices under tensor parallelism, for `part` of the requests.

    With an NPU, partial sums meet before each residual addition (Megatron-LM): one all-reduce of tp - 1 exchanges, as
    AttAcc's model of NVLink; a convolution gathers its outputs. Without, one device holds all vectors: it broadcasts
    the inputs of each product with weights and gathers the outputs (CENT).
    """
    tp = design.tensor_parallel
    if tp <= 1:
        return 0.0, 0.0
    bandwidth = technology.link_gb_s * 1e9
    out_bytes = part * operator.out_bytes
    if budget.has_npu == 0:
        if operator.k > 0 and operator.weight != WEIGHT_NONE:
            moved = part * operator.a_bytes + out_bytes * (tp - 1.0) / tp
            return moved, 2.0 * technology.link_s + moved / bandwidth
    elif residual:
        return out_bytes * (tp - 1.0), (tp - 1.0) * (technology.link_s + out_bytes / tp / bandwidth)
    elif operator.kind == CONV:
        moved = out_bytes * (tp - 1.0) / tp
        return moved * tp, technology.link_s + moved / bandwidth
    return 0.0, 0.0


def bottleneck(layer: LayerCost) -> str:
    """What limits an operator: the longest of its parts."""
    times = {
        "NPU compute": layer.compute_s,
        "off-chip memory": layer.memory_s,
        "PIM": layer.pim_s,
        "vector unit": layer.vector_s,
        "link": layer.link_s,
    }
    return max(times, key=times.__getitem__)


class Metrics(NamedTuple):
    """What a design achieves on a whole workload; fields as in `space.METRICS`."""

    why: int
    latency_s: float
    interval_s: float
    energy_j: float
    area_mm2: float
    power_w: float
    utilisation: float
    throughput_tops: float
    dram_bytes: float
    pin_bytes: float
    activations: float
    column_commands: float
    npu_s: float
    pim_s: float
    link_s: float
    energy_activate_j: float
    energy_column_j: float
    energy_io_j: float
    energy_pu_j: float
    energy_npu_j: float
    energy_sram_j: float
    energy_vector_j: float
    energy_link_j: float
    energy_standby_j: float
    area_pu_mm2: float
    area_buffer_mm2: float
    area_npu_mm2: float
    area_sram_mm2: float
    area_vector_mm2: float
    area_phy_mm2: float


@register_jitable
def step_s(design, total, budget):
    """Time of all operators on one request batch: (seconds, 1 where halves were interleaved).

    In line: each operator after the other; dual row buffers let the host fetch the next weights while PUs work, as
    far as they waited for memory and half the SRAM holds them. Interleaved (NeuPIMs, section 5): both halves swap
    between NPU and PUs, 2 max(NPU of a half, PUs of a half), with one layer's prologue; weights are loaded twice.
    """
    dual = design.row_buffers == DUAL and budget.has_npu > 0 and budget.has_pim > 0
    if not dual:
        return total.latency_s, 0.0
    layers = max(total.attentions / 2.0, 1.0)
    ahead_s = layers * budget.half_sram_bytes / budget.bandwidth
    in_line = total.decode_s - min(min(total.stall_s, total.decode_pim_s), ahead_s)
    if design.sub_batches < 2:
        return total.latency_s - total.decode_s + in_line, 0.0
    longer, shorter = max(total.half_npu_s, total.half_pim_s), min(total.half_npu_s, total.half_pim_s)
    interleaved = 2.0 * longer + shorter / layers
    if interleaved < in_line:
        return total.latency_s - total.decode_s + interleaved, 1.0
    return total.latency_s - total.decode_s + in_line, 0.0


@register_jitable
def metrics(design, technology, budget, total):
    """Metrics of a workload from the sum of its layer costs."""
    pp = design.pipeline_parallel
    seconds, interleaved = step_s(design, total, budget)
    # A stage hands the activations of one residual addition to the next one.
    hop_bytes = total.residual_bytes / max(total.residuals, 1.0)
    hop_s = technology.link_s + hop_bytes / (technology.link_gb_s * 1e9)
    hops = pp - 1.0
    latency = seconds + hops * hop_s + technology.sampling_s
    interval = latency / pp

    reloaded = interleaved * total.reload_bytes
    pin_bytes, dram_bytes = total.pin_bytes + reloaded, total.dram_bytes + reloaded
    # What comes over the pins without PUs passed the banks too; what went to buffers and registers did not.
    host_bytes = dram_bytes - total.columns * ACCESS_BYTES
    activate = total.activations * budget.row_j
    column = total.columns * budget.column_j + host_bytes * (budget.pin_j_per_byte - budget.outside_j_per_byte)
    io = pin_bytes * budget.outside_j_per_byte
    pu = total.pu_work * budget.mac_j + total.pu_conversions * budget.pu_conversion_j
    npu = total.npu_work * budget.npu_mac_j + total.npu_conversions * budget.npu_conversion_j
    sram = total.sram_bytes * budget.sram_j_per_byte if budget.has_npu > 0 else 0.0
    vector = total.vector_ops * budget.vector_j
    linked = (total.link_bytes + hops * hop_bytes) * technology.link_j_per_byte
    standby = budget.standby_w * interval
    energy = activate + column + io + pu + npu + sram + vector + linked + standby

    area = budget.area_pu_mm2 + budget.area_buffer_mm2 + budget.area_npu_mm2
    area += budget.area_sram_mm2 + budget.area_vector_mm2 + budget.area_phy_mm2
    # Every stage keeps its weights and the caches of all runs that are under way.
    resident = total.resident_weights + total.resident_cache * pp
    why = MEMORY_CAPACITY if resident > budget.capacity_bytes else FEASIBLE
    return Metrics(
        why=why,
        latency_s=latency,
        interval_s=interval,
        energy_j=energy,
        area_mm2=area,
        power_w=energy / interval,
        utilisation=total.work / (budget.peak_macs_per_s * interval),
        throughput_tops=2e-12 * total.macs / interval,
        dram_bytes=dram_bytes,
        pin_bytes=pin_bytes,
        activations=total.activations,
        column_commands=total.columns,
        npu_s=total.latency_s - total.pim_s - total.link_s,
        pim_s=total.pim_s,
        link_s=total.link_s + hops * hop_s,
        energy_activate_j=activate,
        energy_column_j=column,
        energy_io_j=io,
        energy_pu_j=pu,
        energy_npu_j=npu,
        energy_sram_j=sram,
        energy_vector_j=vector,
        energy_link_j=linked,
        energy_standby_j=standby,
        area_pu_mm2=budget.area_pu_mm2,
        area_buffer_mm2=budget.area_buffer_mm2,
        area_npu_mm2=budget.area_npu_mm2,
        area_sram_mm2=budget.area_sram_mm2,
        area_vector_mm2=budget.area_vector_mm2,
        area_phy_mm2=budget.area_phy_mm2,
    )
