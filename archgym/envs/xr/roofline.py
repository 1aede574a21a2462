"""Rooflines of XR accelerators."""

from __future__ import annotations

import numpy as np

from archgym.envs.roofline import Engine
from archgym.envs.xr.budget import BIG_LITTLE, LITTLE_BIG, NONE, OS, RS, SHARE, WS
from archgym.envs.xr.devices import (
    OS_CHANNELS,
    OS_COLUMNS,
    PES_PER_LANE,
    RS_COLUMNS,
    RS_ROWS,
    WS_CHANNELS,
    WS_FILTERS,
)
from archgym.objective import FloatArray

ACCELERATORS = ("accelerator_1", "accelerator_2", "accelerator_3", "accelerator_4")


def engines(designs: np.recarray, technology: np.record) -> dict[str, Engine]:
    """The sub-accelerators, zero where there is none; a network runs on one of them.

    Each has its share of the processing elements, and equal shares of the memories.
    """
    dataflows = np.stack([designs[f"dataflow_{i + 1}"] for i in range(len(ACCELERATORS))])
    shares = np.where(dataflows == NONE, 0.0, np.where(designs.split == LITTLE_BIG, SHARE, 1.0))
    shares[0] = np.where(designs.split == BIG_LITTLE, SHARE, 1.0)
    shares /= shares.sum(axis=0)
    count = (dataflows != NONE).sum(axis=0)
    return {
        name: _accelerator(designs, dataflow, share, count)
        for name, dataflow, share in zip(ACCELERATORS, dataflows, shares, strict=True)
    }


def _accelerator(designs: np.recarray, dataflow: FloatArray, share: FloatArray, count: FloatArray) -> Engine:
    """Clusters take the output's columns (ws) or rows (os), or filters (rs); each has two sides of its own."""
    present, clock_hz = dataflow != NONE, 1e9 * designs.clock_ghz
    flows = [dataflow == WS, dataflow == OS, dataflow == RS]
    lanes = np.select(flows, [WS_CHANNELS * WS_FILTERS, OS_CHANNELS * OS_COLUMNS, RS_COLUMNS * RS_ROWS], 1.0)
    clusters = np.floor((designs.pes * share + 1e-6) / lanes)
    memory_bytes = present * 1024.0 * designs.memory_kib / count
    return Engine(
        macs_per_s=clusters * lanes * clock_hz,
        bytes_per_s=present * 1e9 * designs.memory_gb_s / count,
        vector_per_s=clusters * lanes / PES_PER_LANE * clock_hz,
        a_bytes=memory_bytes,
        b_bytes=memory_bytes,
        out_bytes=memory_bytes,
        m=np.select(flows, [clusters, OS_COLUMNS * clusters, RS_COLUMNS], 0.0),
        k=np.select(flows, [WS_CHANNELS, OS_CHANNELS, RS_ROWS], 0.0),
        n=np.select(flows, [WS_FILTERS, present, clusters], 0.0),
        copies=present.astype(np.float64),
    )
