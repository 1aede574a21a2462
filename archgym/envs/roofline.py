"""Rooflines: what bounds a design whatever it runs, read off its parameters.

A design has one or several engines: parts that multiply. An engine's rates bound the time of an operator from below,
its memories and its spatial unrolling say how well the operator's shape suits it. Reports draw them; surrogates learn
what real costs lie above them. No cost function is called here.

Source: S. Williams, A. Waterman, D. Patterson, "Roofline: an insightful visual performance model for multicore
architectures", Communications of the ACM 52(4), 2009. Spatial unrolling as in Timeloop (ISPASS 2019) and ZigZag.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from archgym.objective import FloatArray


class Engine(NamedTuple):
    """One engine of N designs; every field an array [N], rates 0 where a design has no such engine.

    Attributes:
        macs_per_s: multiply-accumulates with every unit busy.
        bytes_per_s: of the memory that its weights come from.
        vector_per_s: lane operations of the unit beside it.
        a_bytes, b_bytes, out_bytes: on-chip memory of inputs, weights and outputs, shared ones named in each.
        m, k, n: rows of A, steps of the dot product and columns of B that a copy takes side by side.
        copies: of the engine.
    """

    macs_per_s: FloatArray
    bytes_per_s: FloatArray
    vector_per_s: FloatArray
    a_bytes: FloatArray
    b_bytes: FloatArray
    out_bytes: FloatArray
    m: FloatArray
    k: FloatArray
    n: FloatArray
    copies: FloatArray


Engines = Callable[[np.recarray, np.record], Mapping[str, Engine]]  # designs [N] and technology to engines by name
