"""Scales of quantised weights: below 8 bits a group of neighbours along K shares one (archgym.compression.network).

What a scale is for must be done somewhere: either codes are multiplied by their scale before the product, or the sum of
a group's products after it (MixPE, arXiv 2411.16158). A single group has its scale at the output, as wider weights have
theirs per channel, and needs neither. All functions are pure and run as plain Python or compiled.
"""

from __future__ import annotations

import numpy as np
from numba.extending import register_jitable


@register_jitable
def group_scaled(operator):
    """Whether dot products run over several groups of weights with a scale each."""
    return 0 < operator.weight_group < operator.k


@register_jitable
def group_sums(operator):
    """Multiply-adds that scale and add sums of groups: one for each of an output's ceil(K / group), but the last."""
    if not group_scaled(operator):
        return 0.0
    return (
        operator.batch * operator.groups * operator.m * operator.n * (np.ceil(operator.k / operator.weight_group) - 1.0)
    )
