"""What an operator of the tiled engines moves off the chip, and how long that takes.

Tiles, concurrent streams and padding follow the design-space exploration of CHARM (arXiv 2301.02359); which tensors
stay on chip depends on the execution style (InTAR, arXiv 2502.08807).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba.extending import register_jitable

from archgym.envs.fpga.budget import DATAFLOW, HYBRID, ON
from archgym.workloads.operators import KINDS, WEIGHT_A, WEIGHT_B

ATTENTION, SOFTMAX = KINDS.index("attention"), KINDS.index("softmax")


class Traffic(NamedTuple):
    """Off-chip bytes, their time, the part of it that nothing hides, and LayerCost.joins."""

    dram_bytes: float
    memory_s: float
    exposed_s: float
    joins: float


@register_jitable
def on_chip_tile(m, n, words):
    """Rows and columns of the output tile whose partial sums stay on chip: square, or longer if one side is short."""
    side = np.sqrt(words)
    rows = min(m, max(side, words / n))
    return rows, min(n, words / rows)


@register_jitable
def stream_s(a, b, out, stored, streams, budget):
    """Time of moving A, B (in) and the output; `stored` is the share of tile steps that also store.

    DDR, as CHARM's exploration has it: A and B stream side by side, and the output joins them in the steps that finish
    a tile; the longest stream counts, at the rate of that many streams. With one operand kept on chip there is one
    stream less. HBM: all share one bandwidth.
    """
    if budget.shared > 0:
        return (a + b + out) / budget.rate_1
    longest = max(a, b)
    if streams < 2:
        return (1.0 - stored) * longest / budget.rate_1 + max(stored * longest, out) / budget.rate_2
    return (1.0 - stored) * longest / budget.rate_2 + max(stored * longest, out) / budget.rate_3


@register_jitable
def hand_over_bytes(design, budget):
    """Largest intermediate tensor that is handed over on chip.

    Half the activation buffer; with all stages of a pipeline in flight at once, each needs its share of it.
    """
    if design.execution == DATAFLOW:
        return budget.activation_bytes / budget.stages
    return budget.activation_bytes


@register_jitable
def traffic(design, operator, budget, taken, wide_k, wide_n):
    """Traffic of a product: `taken` is how engines take its weights, padding widens K and N by `wide_*`."""
    m, k, n = operator.m, operator.k, operator.n
    products = operator.batch * operator.groups
    weights = operator.weight == WEIGHT_B
    streamed = operator.kind == ATTENTION and design.streaming_attention == ON

    # operands that fit their buffer are read once, others once per output tile that needs them
    a_bytes, b_bytes = operator.a_bytes * wide_k, operator.b_bytes * wide_k * wide_n
    out_bytes = operator.out_bytes * wide_n
    a_once, b_once = a_bytes / products, b_bytes / products
    rows, columns = on_chip_tile(m, n * wide_n, budget.output_words)
    loads_a, loads_b, streams, stored, first = 1.0, 1.0, 2.0, 1.0, a_once
    if a_once <= budget.activation_bytes or b_once * taken.share <= budget.weight_bytes:
        streams = 1.0
    else:
        loads_a, loads_b = np.ceil(n * wide_n / columns), np.ceil(m / rows)
        deep = min(
            budget.activation_bytes * 8.0 / (rows * operator.a_bits),
            budget.weight_bytes * 8.0 / (columns * taken.stored_bits),
        )
        deep = max(deep, budget.grain_k)
        stored = min(1.0, deep / k)
        first = min(a_once, rows * deep * operator.a_bits / 8.0)
    largest = hand_over_bytes(design, budget)
    fused = design.execution == HYBRID and design.engines > 1
    keeps_a = streamed and a_bytes >= out_bytes  # the scores stay in the kernel
    keeps_out = streamed and not keeps_a
    a, b, out, joins = 0.0, 0.0, 0.0, 0.0
    if operator.a_external or operator.weight == WEIGHT_A or (a_bytes > largest and not fused and not keeps_a):
        a = a_bytes * loads_a
    elif fused and a_bytes > largest and not streamed:
        joins = 1.0
    if weights:
        b = b_bytes * loads_b * taken.share
    elif operator.b_external or (b_bytes > largest and not fused):
        b = b_bytes * loads_b
    if operator.out_external or (out_bytes > largest and not fused and not keeps_out):
        out = out_bytes
    # double buffers hide neither the first tile of activations nor the last of outputs; weights are fetched ahead
    exposed_s = (min(a, first) + min(out, rows * columns * operator.out_bits / 8.0)) / budget.rate_1
    return Traffic(a + b + out, stream_s(a, b, out, stored, streams, budget), exposed_s, joins)
