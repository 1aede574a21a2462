"""How many block memories a buffer takes."""

from __future__ import annotations

import numpy as np
from numba.extending import register_jitable


@register_jitable
def bram18(width: float, depth: float) -> float:
    """18-Kbit block memories of a buffer: the best of the aspect ratios 512 x 36 to 16K x 1 (UG573)."""
    best = np.ceil(width / 36.0) * np.ceil(depth / 512.0)
    best = min(best, np.ceil(width / 18.0) * np.ceil(depth / 1024.0))
    best = min(best, np.ceil(width / 9.0) * np.ceil(depth / 2048.0))
    best = min(best, np.ceil(width / 4.0) * np.ceil(depth / 4096.0))
    best = min(best, np.ceil(width / 2.0) * np.ceil(depth / 8192.0))
    return min(best, np.ceil(width) * np.ceil(depth / 16384.0))


@register_jitable
def uram(width: float, depth: float) -> float:
    """288-Kbit UltraRAMs of a buffer: 4096 x 72 is their only aspect ratio (UG573)."""
    return np.ceil(width / 72.0) * np.ceil(depth / 4096.0)


URAM_DEPTH = 2048.0  # a buffer that fills at least half the depth of an UltraRAM goes there


@register_jitable
def buffer_memories(bits: float, width: float, has_uram: float) -> tuple[float, float]:
    """(BRAM18, URAM) of a buffer of `bits` that is read `width` bits at a time."""
    depth = np.ceil(bits / width)
    if has_uram > 0 and depth >= URAM_DEPTH:
        return 0.0, uram(width, depth)
    return bram18(width, depth), 0.0
