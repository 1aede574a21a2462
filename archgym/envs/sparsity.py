"""What zeros save on hardware: bytes and products left, by the engine that a design has for them.

An operator says which share of its weights is kept and in which pattern, and which share of the inputs of one request
is not zero. Only an engine made for them makes use of zeros; without it they are stored, moved and multiplied.

    none         nothing is skipped
    n:m          N of M neighbours along K: kept weights with an index each, products of the kept ones alone
    bitmap       zeros anywhere: kept weights with one bit per position; lanes in step wait for the fullest
    activations  rows of weights whose inputs are zero for all requests are neither fetched nor multiplied

All functions are pure and run as plain Python or compiled.

Sources:
    [Sparse TC] N of M as in NVIDIA's sparse tensor cores (arXiv 2104.08378): ceil(log2 M) bits for each kept weight.
    [Extreme]   the largest of P binomial sums of n slots: n d + sqrt(2 n d (1 - d) ln P), at most n.
    [TEAL]      arXiv 2408.14690: what one request skips, another of the batch needs: 1 - (1 - d)^B is fetched.
"""

from __future__ import annotations

import math

import numpy as np
from numba.extending import register_jitable

from archgym.space import Parameter
from archgym.workloads.operators import WEIGHT_A, WEIGHT_NONE

NONE, N_OF_M, BITMAP, ACTIVATIONS = 0, 1, 2, 3  # codes of the sparsity_engine parameter

SPARSITY_ENGINE = Parameter(
    "sparsity_engine",
    ("none", "n:m", "bitmap", "activations"),
    "categorical",
    doc="zeros that the hardware makes use of: N of M weights, weights anywhere, or inputs",
)


@register_jitable
def weight_bits(operator):
    """Width of a weight of a product with weights."""
    return operator.a_bits if operator.weight == WEIGHT_A else operator.b_bits


@register_jitable
def skips_weights(operator, engine):
    """Whether the engine makes use of the zeros among an operator's weights."""
    if operator.weight == WEIGHT_NONE or operator.weight_density >= 1.0:
        return False
    return engine == BITMAP or (engine == N_OF_M and operator.pattern_m > 0)


@register_jitable
def stored_share(operator, engine):
    """Bytes of the stored weights over those of the dense ones, indices included; above 1 where indices cost more."""
    return stored_share_at(operator, engine, weight_bits(operator))


@register_jitable
def stored_share_at(operator, engine, bits):
    """The same for weights that are kept at another width than the operator's.

    N of M: (N/M) (b + ceil(log2 M)) bits per position [Sparse TC]; bitmap: (N/M) b + 1.
    """
    if not skips_weights(operator, engine):
        return 1.0
    if engine == N_OF_M:
        return operator.weight_density * (1.0 + np.ceil(np.log2(operator.pattern_m)) / bits)
    return operator.weight_density + 1.0 / bits


@register_jitable
def lane_share(density, lanes, slots):
    """Time of `lanes` lanes in step over that of dense work, each with `slots` positions at this density [Extreme]."""
    worst = slots * density + math.sqrt(2.0 * slots * density * (1.0 - density) * math.log(max(lanes, 1.0)))
    return min(worst / slots, 1.0)


@register_jitable
def computed_share(operator, engine, lanes, slots):
    """Time of the products with the kept weights over that of all; N of M is balanced, zeros anywhere are not."""
    if not skips_weights(operator, engine):
        return 1.0
    if operator.pattern_m > 0:
        return operator.weight_density
    return lane_share(operator.weight_density, lanes, slots)


@register_jitable
def union_density(density, requests):
    """Share of the inputs that is not zero for at least one of the requests: 1 - (1 - d)^B [TEAL]."""
    return 1.0 - (1.0 - density) ** requests


@register_jitable
def input_share(operator, engine):
    """Rows of weights that must be fetched and multiplied, over all of them: those that any row of A has a use for."""
    if engine != ACTIVATIONS or operator.activation_density >= 1.0:
        return 1.0
    return union_density(operator.activation_density, operator.m)
