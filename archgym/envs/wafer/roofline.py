"""Rooflines of wafer-scale meshes."""

from __future__ import annotations

import numpy as np

from archgym.envs.roofline import Engine
from archgym.envs.wafer.budget import PACKED, STREAM_NONE
from archgym.envs.wafer.devices import PARTIAL_SUM_BITS, RETICLE_MM, WAFER_MM
from archgym.objective import FloatArray

MOST_DIES = WAFER_MM**2 / (RETICLE_MM[0] * RETICLE_MM[1])  # full reticles on a wafer


def engines(designs: np.recarray, technology: np.record) -> dict[str, Engine]:
    """The mesh of either phase, of the many on the wafer: layers run one after the other.

    The prefill mesh holds a tile of the result in each core and passes K, the decode mesh holds the weights.
    """
    prefill, decode, one = designs.prefill_side, designs.decode_side, np.ones(len(designs))
    return {
        "prefill": _mesh(designs, technology, prefill, m=prefill, k=one),
        "decode": _mesh(designs, technology, decode, m=one, k=decode),
    }


def _mesh(designs: np.recarray, technology: np.record, side: FloatArray, m: FloatArray, k: FloatArray) -> Engine:
    """Weights come from the SRAM of the cores, or from off the wafer where they are streamed.

    A unit needs reads as wide as two partial sums a cycle; one with `packed` arithmetic does four 4-bit products.
    """
    cores, clock_hz = side**2, 1e9 * designs.clock_ghz
    units = cores * np.minimum(designs.macs, designs.sram_bits / (2.0 * PARTIAL_SUM_BITS))
    sram_bytes = 1024.0 * designs.sram_kib * cores
    near = designs.streaming == STREAM_NONE
    return Engine(
        macs_per_s=units * np.where(designs.arithmetic == PACKED, 4.0, 1.0) * clock_hz,
        bytes_per_s=np.where(near, cores * designs.sram_bits / 8 * clock_hz, _off_wafer(designs, technology)),
        vector_per_s=units * clock_hz,
        a_bytes=sram_bytes,
        b_bytes=sram_bytes,
        out_bytes=sram_bytes,
        m=np.asarray(m),
        k=np.asarray(k),
        n=np.asarray(side),
        copies=np.ones(len(designs)),
    )


def _off_wafer(designs: np.recarray, technology: np.record) -> FloatArray:
    """Bytes per second of memory at the edge, or of memory stacked on reticles as large as they can be."""
    memory = designs.memory.astype(np.int64)
    dies = np.minimum(designs.reticle_rows * designs.reticle_columns, MOST_DIES)
    dies = np.where(technology.memory_per_reticle[memory] > 0, dies, 1.0)
    return np.asarray(technology.memory_bytes_per_s[memory] * dies)
