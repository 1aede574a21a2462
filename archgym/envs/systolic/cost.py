"""Cost of one operator on a systolic array, in closed form.

Compute cycles and SRAM words are those of SCALE-Sim 3.0.0 for stationary operands loaded between folds
(`fold_overlap` serial) and follow TPU v1 (arXiv 1704.04760, section 2) where the next tile is shifted in behind the
current one (overlapped). All functions are pure and run as plain Python or compiled; sizes are float64 counts.

With (Sr, Sc, T) the dimensions laid over rows, columns and time, os = (M, N, K), ws = (K, N, M), is = (K, M, N).

Compressed operators: arithmetic.py says how many products of which width a PE takes side by side along K and for how
many cycles, engines.py which share of K, bytes and products zeros leave over.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba.extending import register_jitable

from archgym.compression.setting import NARROW
from archgym.envs.scales import group_sums
from archgym.envs.sparsity import NONE
from archgym.envs.systolic.arithmetic import (
    LOW_BITS,
    as_given,
    expanded,
    loading,
    needs_scales,
    packed,
    passes_of,
    peak_span,
    rate_of,
)
from archgym.envs.systolic.budget import budget
from archgym.envs.systolic.codes import (
    ACCUMULATOR_OVERFLOW,
    BIT_PARALLEL,
    FEASIBLE,
    IS,
    OS,
    OUTLIER_VICTIM,
    OVERLAPPED,
    WS,
)
from archgym.envs.systolic.engines import ALL_KEPT, kept_of
from archgym.workloads.operators import WEIGHT_A, WEIGHT_B

__all__ = ["LayerCost", "Metrics", "bottleneck", "budget", "cost", "metrics"]


class LayerCost(NamedTuple):
    """Cost of one occurrence of an operator. `shift_s` is the time the array waits for a tile to be shifted in."""

    why: int
    latency_s: float
    compute_s: float
    memory_s: float
    vector_s: float
    shift_s: float
    macs: float
    sram_bytes: float
    dram_bytes: float
    energy_mac_j: float
    energy_sram_j: float
    energy_vector_j: float
    energy_dram_j: float


@register_jitable
def folds_of(dataflow, m, k, n, rows, columns):
    """Folds over rows and columns and the streamed length: (Fr, Fc, Sc, T); SCALE-Sim, arXiv 1811.02883, eq. 1-3."""
    if dataflow == OS:
        return np.ceil(m / rows), np.ceil(n / columns), n, k
    if dataflow == WS:
        return np.ceil(k / rows), np.ceil(n / columns), n, m
    return np.ceil(k / rows), np.ceil(m / columns), m, n


@register_jitable
def fold_cycles(dataflow, overlap, rows, columns, streamed):
    """Cycles of one fold, and cycles once per operator to fill the first fold and drain the last.

    Serial (SCALE-Sim): R + C + T - 2 for os, 2R + C + T - 2 for ws and is, whose stationary tile takes R to load.
    Overlapped (TPU v1): a second set of registers per PE lets folds follow each other every max(T, R) cycles.
    """
    load = 0.0 if dataflow == OS else rows
    edge = load + rows + columns - 2
    if overlap == OVERLAPPED:
        return max(streamed, rows), edge
    return streamed + edge, 0.0


@register_jitable
def time_tiles(dataflow, fr, columns, sc, streamed, accumulator_bytes, half_ofmap_bytes):
    """Tiles of the streamed dimension, so that partial sums of one column fold stay in half the ofmap buffer.

    TPU v1 keeps 2048 of its 4096 accumulator rows per half for this reason. One K fold leaves nothing to accumulate.
    """
    if dataflow == OS or fr <= 1:
        return 1.0
    return min(max(np.ceil(streamed * min(sc, columns) * accumulator_bytes / half_ofmap_bytes), 1.0), streamed)


@register_jitable
def sram_words(dataflow, m, k, n, fr, fc, tiles):
    """Words (ifmap read, filter read, ofmap written) of the three SRAMs; equal to SCALE-Sim at tiles = 1.

    SCALE-Sim adds Fr*Fc*(R+C) ofmap writes for os, the idle cycles of its own drain trace: left out here.
    """
    if dataflow == OS:
        return fc * m * k, fr * k * n, m * n
    if dataflow == WS:
        return fc * m * k, k * n * tiles, fr * m * n
    return m * k * tiles, fc * k * n, fr * m * n


@register_jitable
def loads_of(dataflow, a_bytes, b_bytes, slice_bytes, fr, fc, tiles, half_ifmap, half_filter):
    """How often each input crosses the chip boundary: (A, B). Order of loops: column folds outside, row folds inside.

    An operand that fits in half its double buffer is read once. `slice_bytes` is the slice of the stationary or
    reused operand that one column fold needs: for os B is re-read once per row fold unless its slice stays.
    """
    if dataflow == OS:
        return (1.0 if a_bytes < half_ifmap else fc), (1.0 if slice_bytes < half_filter else fr)
    if dataflow == WS:
        return (1.0 if a_bytes < half_ifmap else fc), (1.0 if slice_bytes < half_filter else tiles)
    return (1.0 if slice_bytes < half_ifmap else tiles), (1.0 if b_bytes < half_filter else fc)


@register_jitable
def overlapped(compute, moved, prefetched, time_per_byte):
    """Time of computing on double-buffered data: what was not prefetched must arrive meanwhile. Any unit of time."""
    return max(compute, max(moved - prefetched, 0.0) * time_per_byte)


@register_jitable
def off_chip_bytes(operator, budget, a_bytes, b_bytes, loads_a, loads_b):
    """Bytes of A, B and the output that cross the chip boundary; `a_bytes` and `b_bytes` are those of one load.

    Weights and external tensors always do. Another activation stays on chip between its producer and its consumer
    when it fits in half the ifmap buffer: the same rule for both, so nothing is read that was not written.
    """
    a, b, out = 0.0, 0.0, 0.0
    if operator.a_external or operator.weight == WEIGHT_A or operator.a_bytes > budget.half_ifmap_bytes:
        a = a_bytes * loads_a
    if operator.weight == WEIGHT_B or operator.b_external or operator.b_bytes > budget.half_ifmap_bytes:
        b = b_bytes * loads_b
    if operator.out_external or operator.out_bytes > budget.half_ifmap_bytes:
        out = operator.out_bytes
    return a, b, out


@register_jitable(inline="always")  # 1.5 times faster: LLVM would call it and copy the budget
def cost(design, operator, technology, budget):
    """LayerCost of one occurrence of `operator`; `budget` is that of the same design."""
    if operator.k > 0:
        if design.arithmetic == BIT_PARALLEL and design.sparsity_engine == NONE and not needs_scales(operator):
            rate, stored = passes_of(design, operator), as_given(operator)
            return _matrix_cost(design, operator, budget, rate, 1.0, ALL_KEPT, stored)
        return _featured_cost(design, operator, budget)
    a, b, out = off_chip_bytes(operator, budget, operator.a_bytes, operator.b_bytes, 1.0, 1.0)
    moved = a + b + out
    sram = operator.a_bytes + operator.b_bytes + operator.out_bytes
    vector_s = operator.vector_ops * budget.vector_s_per_op
    memory_s = moved * budget.memory_s_per_byte
    return LayerCost(
        why=FEASIBLE,
        latency_s=max(vector_s, memory_s) + budget.dispatch_s,
        compute_s=0.0,
        memory_s=memory_s,
        vector_s=vector_s,
        shift_s=0.0,
        macs=0.0,
        sram_bytes=sram,
        dram_bytes=moved,
        energy_mac_j=0.0,
        energy_sram_j=(sram + moved) * budget.ifmap_j_per_byte,
        energy_vector_j=operator.vector_ops * budget.vector_j,
        energy_dram_j=moved * budget.memory_j_per_byte,
    )


@register_jitable
def _featured_cost(design, operator, budget):
    """Of arrays with any feature, or of narrow weights: compiled apart, so that the plain loop stays free of it."""
    if design.arithmetic != BIT_PARALLEL or not needs_scales(operator):
        return _stored_cost(design, operator, budget, as_given(operator))
    layer = _stored_cost(design, operator, budget, packed(design, operator))
    if design.operand_bits < NARROW:
        return layer
    return _better(layer, _stored_cost(design, operator, budget, expanded(operator)))


@register_jitable
def _stored_cost(design, operator, budget, stored):
    kept = kept_of(design, operator, stored.a_bits if operator.weight == WEIGHT_A else stored.b_bits)
    rate, load = rate_of(design, operator), loading(design, operator)
    return _matrix_cost(design, operator, budget, rate, load, kept, stored)


@register_jitable
def _better(one, other):
    """The feasible one of two layer costs, the faster, or the one that takes less energy."""
    if one.why != other.why:
        return one if one.why == FEASIBLE else other
    if one.latency_s != other.latency_s:
        return one if one.latency_s < other.latency_s else other
    return one if _dynamic_j(one) <= _dynamic_j(other) else other


@register_jitable
def _dynamic_j(layer):
    return layer.energy_mac_j + layer.energy_sram_j + layer.energy_vector_j + layer.energy_dram_j


# -- one product, part by part


class Folding(NamedTuple):
    """An operator laid over the arrays.

    Attributes:
        fr, fc: folds over rows and columns.
        tiles: tiles of the streamed dimension.
        folds: folds that follow each other.
        length: cycles in which the streamed operand of one passes.
        cycles: of all, from the first word to the last.
    """

    fr: float
    fc: float
    tiles: float
    folds: float
    length: float
    cycles: float


@register_jitable(inline="always")
def _folding(design, operator, budget, rate, load, kept):
    """Independent column folds are spread over the arrays; spare arrays split the streamed dimension of ws and is."""
    dataflow, rows, columns = design.dataflow, design.array_rows, design.array_columns
    products = operator.batch * operator.groups
    depth = operator.k * kept.slots  # of K, as the array sees it
    if rate.span > 1.0:
        depth = np.ceil(depth / rate.span)
    fr, fc, sc, streamed = folds_of(dataflow, operator.m, depth, operator.n, rows, columns)
    tiles = time_tiles(dataflow, fr, columns, sc, streamed, design.accumulator_bits / 8, budget.half_ofmap_bytes)
    if dataflow == OS:
        units, split = products * fr * fc, 1.0
        folds = np.ceil(units / design.arrays)
    else:
        units = products * fc
        split = min(max(np.floor(design.arrays / units), 1.0), streamed)
        folds = np.ceil(units / design.arrays) * fr * tiles
    length = np.ceil(streamed / (tiles * split)) * rate.cycles
    fold, once = fold_cycles(dataflow, design.fold_overlap, rows, columns, length)
    if load > 1.0:
        fold = max(fold, load * rows) if design.fold_overlap == OVERLAPPED else fold + (load - 1.0) * rows
    cycles = folds * fold + once - 1.0  # SCALE-Sim prints the last cycle's index
    return Folding(fr, fc, tiles, folds, length, cycles)


@register_jitable(inline="always")
def _traffic(design, operator, budget, kept, stored, folding):
    """Off-chip bytes (A, B, output), per product as each has its own operands.

    Overlapped weights come in whole tiles (TPU v1), a word for each PE; where PEs take several, in as many as K fills.
    """
    dataflow, rows, columns = design.dataflow, design.array_rows, design.array_columns
    products = operator.batch * operator.groups
    a_bytes, b_bytes = stored.a_bytes, stored.b_bytes
    if operator.weight == WEIGHT_B:
        b_bytes *= kept.stored
    elif operator.weight == WEIGHT_A:
        a_bytes *= kept.stored
    a_each, b_each = a_bytes / products, b_bytes / products
    slice_bytes = a_each * min(1.0, columns / operator.m) if dataflow == IS else b_each * min(1.0, columns / operator.n)
    fr, fc, tiles = folding.fr, folding.fc, folding.tiles
    loads_a, loads_b = loads_of(
        dataflow, a_each, b_each, slice_bytes, fr, fc, tiles, budget.half_ifmap_bytes, budget.half_filter_bytes
    )
    if dataflow == WS and design.fold_overlap == OVERLAPPED and operator.weight == WEIGHT_B:
        slot_bits = stored.b_bits * kept.stored / kept.slots
        filled = np.ceil(operator.k * kept.slots / rows)
        b_bytes = max(products * filled * fc * rows * columns * slot_bits / 8, b_bytes)
    return off_chip_bytes(operator, budget, a_bytes, b_bytes, loads_a, loads_b)


@register_jitable
def _edge_words(design, operator, rate, kept, folding):
    """Words of A and of B that enter the array, of dense operands and of kept ones, and partial sums in and out.

    Every K fold and pass but the first also reads the partial sum it adds to; os adds up inside the array.
    """
    m, n, products = operator.m, operator.n, operator.batch * operator.groups
    a, b, sums = sram_words(design.dataflow, m, operator.k, n, folding.fr, folding.fc, folding.tiles)
    sums_written = sums if design.dataflow == OS else sums * rate.again_out
    a, b = a * (products * rate.again_a), b * (products * rate.again_b)
    a_kept, b_kept = a, b
    if kept.products < 1.0:
        a_kept *= kept.products if operator.weight == WEIGHT_A else kept.inputs
        b_kept *= kept.products if operator.weight == WEIGHT_B else 1.0
    return a, b, a_kept, b_kept, products * (2 * sums_written - m * n)


@register_jitable(inline="always")
def _extras(design, operator, budget, kept, stored, a_words, b_words):
    """Beside the multipliers: energy of choosing inputs, scaling groups and decoding pairs; operations of unpacking."""
    products = operator.batch * operator.groups
    energy_j, vector_ops = 0.0, 0.0
    if kept.scanned > 0.0:
        energy_j += products * operator.m * operator.k * budget.scan_j
    elif kept.products < 1.0:
        energy_j += products * operator.m * operator.k * operator.n * kept.products * budget.select_j
    if stored.unpacked:
        vector_ops = a_words if operator.weight == WEIGHT_A else b_words
    if design.arithmetic == OUTLIER_VICTIM:
        nibbles = a_words * np.ceil(operator.a_bits / LOW_BITS) + b_words * np.ceil(operator.b_bits / LOW_BITS)
        energy_j += nibbles * budget.decode_j
    elif design.arithmetic != BIT_PARALLEL and needs_scales(operator):
        energy_j += group_sums(operator) * budget.scale_j
    return energy_j, vector_ops


@register_jitable(inline="always")
def _matrix_cost(design, operator, budget, rate, load, kept, stored):
    products = operator.batch * operator.groups
    folding = _folding(design, operator, budget, rate, load, kept)
    compute_s = folding.cycles * budget.cycle_s
    a, b, out = _traffic(design, operator, budget, kept, stored, folding)
    moved = a + b + out
    memory_s = moved * budget.memory_s_per_byte

    # The array waits for each tile's shift where it starved for it, else only where streaming is too short to hide it.
    shift = 0.0
    if design.dataflow != OS:
        wait, hidden = load * design.array_rows, 0.0
        if design.fold_overlap == OVERLAPPED and compute_s >= memory_s:
            hidden = min(folding.length, wait)
        shift = folding.folds * (wait - hidden)

    a_dense, b_dense, a_words, b_words, sums = _edge_words(design, operator, rate, kept, folding)
    a_read, b_read = a_words * stored.a_bits / 8, b_words * stored.b_bits / 8
    if kept.products < 1.0:  # weights come with their indices; inputs may be looked at before
        if operator.weight == WEIGHT_A:
            a_read = a_dense * kept.stored * stored.a_bits / 8
        else:
            b_read = b_dense * kept.stored * stored.b_bits / 8
        a_read += kept.scanned * products * operator.m * operator.k * stored.a_bits / 8
    sums_bytes = sums * (design.accumulator_bits / 8)
    macs = products * operator.m * operator.k * operator.n * kept.products
    extra_j, unpacking = _extras(design, operator, budget, kept, stored, a_words, b_words)
    vector_ops = operator.vector_ops + unpacking
    vector_s = vector_ops * budget.vector_s_per_op
    # Nothing comes prefetched for free: it would have taken the memory's time during the operator before.
    latency_s = max(overlapped(compute_s, moved, 0.0, budget.memory_s_per_byte), vector_s)
    why = FEASIBLE
    if operator.accumulator_bits + stored.wider > design.accumulator_bits:
        why = ACCUMULATOR_OVERFLOW
    return LayerCost(
        why=why,
        latency_s=latency_s + budget.dispatch_s,
        compute_s=compute_s,
        memory_s=memory_s,
        vector_s=vector_s,
        shift_s=shift * budget.cycle_s,
        macs=macs,
        sram_bytes=a_read + b_read + sums_bytes,
        dram_bytes=moved,
        energy_mac_j=macs * rate.cycles * budget.element_j / rate.span + extra_j,
        energy_sram_j=(a_read + a) * budget.ifmap_j_per_byte
        + (b_read + b) * budget.filter_j_per_byte
        + (sums_bytes + out) * budget.ofmap_j_per_byte,
        energy_vector_j=vector_ops * budget.vector_j,
        energy_dram_j=moved * budget.memory_j_per_byte,
    )


def bottleneck(layer: LayerCost) -> str:
    """What limits an operator: the longest of compute, off-chip memory and vector unit."""
    times = {"compute": layer.compute_s, "off-chip memory": layer.memory_s, "vector unit": layer.vector_s}
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
    dram_bytes: float
    sram_bytes: float
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
def metrics(design, technology, budget, total):
    """Metrics of a workload from the sum of its layer costs; operators run one after the other."""
    leakage_j = budget.leakage_w * total.latency_s
    energy = total.energy_mac_j + total.energy_sram_j + total.energy_vector_j + total.energy_dram_j + leakage_j
    peak_macs_per_s = design.array_rows * design.array_columns * design.arrays * design.clock_ghz * 1e9
    peak_macs_per_s *= peak_span(design)
    return Metrics(
        why=FEASIBLE,
        latency_s=total.latency_s,
        energy_j=energy,
        area_mm2=budget.area_array_mm2 + budget.area_sram_mm2 + budget.area_vector_mm2 + budget.area_memory_phy_mm2,
        power_w=energy / total.latency_s,
        utilisation=total.macs / (peak_macs_per_s * total.latency_s),
        throughput_tops=2e-12 * total.macs / total.latency_s,
        dram_bytes=total.dram_bytes,
        sram_bytes=total.sram_bytes,
        energy_mac_j=total.energy_mac_j,
        energy_sram_j=total.energy_sram_j,
        energy_vector_j=total.energy_vector_j,
        energy_dram_j=total.energy_dram_j,
        energy_leakage_j=leakage_j,
        area_array_mm2=budget.area_array_mm2,
        area_sram_mm2=budget.area_sram_mm2,
        area_vector_mm2=budget.area_vector_mm2,
        area_memory_phy_mm2=budget.area_memory_phy_mm2,
    )
