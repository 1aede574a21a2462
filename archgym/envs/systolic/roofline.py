"""Rooflines of systolic arrays."""

from __future__ import annotations

import numpy as np

from archgym.envs.roofline import Engine
from archgym.envs.systolic.arithmetic import LOW_BITS, SPAN
from archgym.envs.systolic.codes import BIT_SERIAL, IS, OS, OUTLIER_VICTIM


def engines(designs: np.recarray, technology: np.record) -> dict[str, Engine]:
    """The arrays: rows and columns hold two of M, K, N, and the third passes (see cost.py for which)."""
    rows, columns, dataflow = designs.array_rows, designs.array_columns, designs.dataflow
    clock_hz, one = 1e9 * designs.clock_ghz, np.ones(len(designs))
    # Narrow data that a PE takes side by side (arithmetic.py): four pairs of 2 bits, or the 4-bit parts of operands.
    narrow = [designs.arithmetic == BIT_SERIAL, designs.arithmetic == OUTLIER_VICTIM]
    span = np.select(narrow, [SPAN * one, designs.operand_bits / LOW_BITS], one)
    return {
        "arrays": Engine(
            macs_per_s=rows * columns * designs.arrays * clock_hz * span,
            bytes_per_s=technology.memory_bytes_per_s[designs.memory.astype(np.int64)],
            vector_per_s=designs.vector_lanes * clock_hz,
            a_bytes=1024.0 * designs.ifmap_sram_kib,
            b_bytes=1024.0 * designs.filter_sram_kib,
            out_bytes=1024.0 * designs.ofmap_sram_kib,
            m=np.select([dataflow == OS, dataflow == IS], [rows, columns], one),
            k=np.where(dataflow == OS, one, rows),
            n=np.where(dataflow == IS, one, columns),
            copies=np.asarray(designs.arrays),
        )
    }
