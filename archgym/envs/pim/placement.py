"""Where a product runs: on the NPU, on the PUs or on both, and what it takes there.

Times are those of one device, bytes and counts those of all. All functions are pure, plain or compiled.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba.extending import register_jitable

from archgym.envs.pim.budget import DUAL, FC_AUTO, FC_COPROCESS, FC_PIM
from archgym.envs.pim.devices import ACCESS_BYTES
from archgym.envs.pim.dram import gemv, gemv_by_inputs, imbalance
from archgym.envs.pim.formats import lane_slots
from archgym.envs.pim.npu import gemm, pin_bytes
from archgym.envs.sparsity import ACTIVATIONS
from archgym.workloads.operators import DECODE, WEIGHT_NONE


class OnNpu(NamedTuple):
    """A product on the NPU; `half_s` is the time of half the requests.

    `unpack_ops` are lane operations of the vector unit on weights, `conversions` those of converters.
    """

    compute_s: float
    memory_s: float
    half_s: float
    pin_bytes: float
    weight_bytes: float
    sram_bytes: float
    unpack_ops: float
    conversions: float


class OnPim(NamedTuple):
    """A product on the PUs; `half_s` is the time of half the requests."""

    seconds: float
    half_s: float
    activations: float
    columns: float
    io_bytes: float
    used: float
    conversions: float


class Placed(NamedTuple):
    """A product where it runs.

    `on_pim` is the share of its work that PUs do; of all products NPU and PUs really compute the shares `npu_kept` and
    `pu_kept`. What both do at once counts in `npu_s` and not in `pim_s`; `half_*_s` is what half the requests take of
    each side.
    """

    on_pim: float
    npu_s: float
    compute_s: float
    memory_s: float
    half_npu_s: float
    pim_s: float
    half_pim_s: float
    pin_bytes: float
    weight_bytes: float
    sram_bytes: float
    activations: float
    columns: float
    io_bytes: float
    npu_kept: float
    pu_kept: float
    unpack_ops: float
    npu_conversions: float
    pu_conversions: float


@register_jitable
def sides(design, operator, budget):
    """Whether an operator may run on the NPU, whether on the PUs, and whether they may share its outputs."""
    npu, pim = budget.has_npu > 0, budget.has_pim > 0
    if operator.weight == WEIGHT_NONE:  # PUs read caches in place; attention of a prefill has none
        return npu, pim and (operator.phase == DECODE or not npu), False
    if not npu:
        return False, pim, False
    wide = operator.n >= 2.0 * operator.k or operator.k >= 2.0 * operator.n  # feed-forward layers
    both = pim and wide and design.fc_mapping == FC_COPROCESS
    return (
        design.fc_mapping != FC_PIM,
        pim and (both or design.fc_mapping == FC_PIM or design.fc_mapping == FC_AUTO),
        both,
    )


@register_jitable
def on_npu(design, operator, form, budget, half):
    """A product on the NPUs; the larger half of the requests is the share `half` of them."""
    tp = design.tensor_parallel
    if operator.weight == WEIGHT_NONE:  # devices share the products
        products = np.ceil(operator.batch * operator.groups / tp)
        part = gemm(products, operator.m, operator.k, operator.n, operator, form, 1.0 / tp, budget)
        half_s, weight_bytes = max(part.compute_s, part.memory_s) * half, 0.0
    else:  # devices share the outputs, or the groups if there are several
        products, n = operator.batch, np.ceil(operator.n / tp)
        if operator.groups > 1.0:
            products, n = operator.batch * np.ceil(operator.groups / tp), operator.n
        part = gemm(products, operator.m, operator.k, n, operator, form, 1.0 / tp, budget)
        halved = gemm(products, np.ceil(operator.m * half), operator.k, n, operator, form, 1.0 / tp, budget)
        half_s, weight_bytes = max(halved.compute_s, halved.memory_s), part.b_bytes * tp
    positions = operator.batch * operator.groups * operator.k * operator.n * form.inputs
    products_left = positions * operator.m * form.computed
    return OnNpu(
        part.compute_s,
        part.memory_s,
        half_s,
        part.pin_bytes * tp,
        weight_bytes,
        part.sram_bytes * tp,
        form.unpacked * positions * part.b_loads + form.npu_sums * products_left,
        (form.widened + form.selected) * part.b_words * tp,
    )


@register_jitable
def on_pim(design, operator, form, technology, budget, half):
    """A product on the PUs of all channels of all devices.

    Weights are spread over all of them. A head of a request lies in one channel, or in several when there are fewer
    heads than channels.
    """
    channels = budget.channels * design.tensor_parallel
    m, k, n, a_bits, b_bits = operator.m, operator.k, operator.n, operator.a_bits, form.stored_bits
    slot = lane_slots(form)
    if operator.weight != WEIGHT_NONE:
        m, n = m * operator.batch, n * operator.groups
        part = gemv(m, k, n, a_bits, b_bits, operator.out_bits, slot, channels, False, budget)
        if design.sparsity_engine == ACTIVATIONS and operator.groups == 1.0:  # with or without zeros
            density = operator.activation_density
            other = gemv_by_inputs(m, k, n, a_bits, b_bits, operator.out_bits, slot, density, channels, budget)
            if other.seconds < part.seconds:
                part = other
        rounds, spread, used, uneven = 1.0, half, channels, 1.0
    else:
        heads = operator.batch * operator.groups
        span = max(np.floor(channels / heads), 1.0)
        rounds = np.ceil(heads * span / channels)
        spread = np.ceil(np.ceil(heads * half) * span / channels) / rounds
        part = gemv(m, k, n, a_bits, b_bits, operator.out_bits, slot, span, k > n, budget)
        used = heads * span / rounds
        uneven = imbalance(design.packing, technology.length_spread, max(operator.requests, 1.0), budget.channels)
    seconds, work = part.seconds * rounds * uneven, rounds * used
    columns = part.columns * work * budget.pus
    read = columns * ACCESS_BYTES * 8.0 / b_bits  # positions of B
    return OnPim(
        seconds,
        seconds * spread,
        part.rows * work * budget.pus,
        columns,
        part.io_bytes * work,
        part.used,
        read * (form.widened + form.selected),
    )


@register_jitable
def share_on_pim(design, both, npu_s, pim_s):
    """Share of the work for the PUs: so that both sides end together (AttAcc, feed-forward co-processing), or all to
    the faster side.
    """
    if both and design.row_buffers == DUAL:
        return npu_s / (npu_s + pim_s)
    return 1.0 if pim_s < npu_s else 0.0


@register_jitable
def place(design, operator, form, technology, budget, half):
    """A product on the side that runs it; what both share takes the NPU's time."""
    npu_too, pim_too, both = sides(design, operator, budget)
    npu, pim = OnNpu(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0), OnPim(0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0)
    share = 0.0
    if npu_too:
        npu = on_npu(design, operator, form, budget, half)
    if pim_too:
        pim = on_pim(design, operator, form, technology, budget, half)
        share = share_on_pim(design, both, max(npu.compute_s, npu.memory_s), pim.seconds) if npu_too else 1.0
    rest = 1.0 - share
    alone = 1.0 if share == 1.0 else 0.0
    moved = npu.pin_bytes * rest
    if share > 0:
        a, out = pin_bytes(operator, budget)
        moved += share * (a * operator.a_external + out * operator.out_external)
    return Placed(
        on_pim=share,
        npu_s=max(npu.compute_s, npu.memory_s) * rest,
        compute_s=npu.compute_s * rest,
        memory_s=npu.memory_s * rest,
        half_npu_s=npu.half_s * rest,
        pim_s=pim.seconds * alone,
        half_pim_s=pim.half_s * share,
        pin_bytes=moved,
        weight_bytes=npu.weight_bytes * rest,
        sram_bytes=npu.sram_bytes * rest,
        activations=pim.activations * share,
        columns=pim.columns * share,
        io_bytes=pim.io_bytes * share,
        npu_kept=form.kept * form.inputs,
        pu_kept=form.kept * pim.used,
        unpack_ops=npu.unpack_ops * rest,
        npu_conversions=npu.conversions * rest,
        pu_conversions=pim.conversions * share,
    )


@register_jitable
def stream(design, operator, budget):
    """An operator without products: what it moves over the pins, past the vector unit."""
    a, out = pin_bytes(operator, budget)
    moved = a + out
    if operator.b_external or operator.b_bytes > budget.half_sram_bytes:
        moved += operator.b_bytes
    sram = operator.a_bytes + operator.b_bytes + operator.out_bytes + moved
    memory_s = moved / (budget.bandwidth * design.tensor_parallel)
    return Placed(0.0, 0.0, 0.0, memory_s, 0.0, 0.0, 0.0, moved, 0.0, sram, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0)
