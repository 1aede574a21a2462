"""Rooflines of PIM systems: arrays of the host and processing units (PUs) in the DRAM."""

from __future__ import annotations

import numpy as np

from archgym.envs.pim.budget import ACCUMULATOR_BITS, BANK, BUFFER, GROUP, PACKED, TWO_BANK
from archgym.envs.pim.devices import ACCESS_BYTES, CONTROLLER_GB_S, CONTROLLER_WORDS
from archgym.envs.roofline import Engine
from archgym.objective import FloatArray

WORD_BYTES = 2.0  # of the vector operations in the memory's controller


def engines(designs: np.recarray, technology: np.record) -> dict[str, Engine]:
    """Of the devices that share a layer: those of other pipeline stages have layers of their own.

    "npu" takes weights over the pins and keeps them in its arrays; "pim" takes them from the columns of the banks. Both
    have the same vector unit beside them: the host's, or the memory's controller where there is no host. A 16-bit
    multiplier does two products of 8 bits at once, or four of 4 bits where the arithmetic is made for them.
    """
    memory = designs.memory.astype(np.int64)
    refreshing = (technology.rfc + technology.rp + technology.rcd)[memory] / technology.refi[memory]
    at_once = np.where(designs.arithmetic >= PACKED, 4.0, 2.0)
    return {
        "npu": _npu(designs, technology, 1.0 - refreshing, at_once),
        "pim": _pim(designs, technology, 1.0 - refreshing, at_once),
    }


def _npu(designs: np.recarray, technology: np.record, busy: FloatArray, at_once: FloatArray) -> Engine:
    """Weight-stationary arrays: rows hold K, columns N. Devices share the weights, each keeps all inputs."""
    memory, devices = designs.memory.astype(np.int64), designs.tensor_parallel
    channel = 1e9 * technology.io_gb_s[memory] * np.minimum(technology.host_memory, busy)
    arrays, sram_bytes = devices * designs.npu_arrays, 2.0**20 * designs.sram_mib
    rate = 1e9 * technology.host_clock_ghz * technology.host_compute
    return Engine(
        macs_per_s=arrays * designs.npu_side**2 * at_once * rate,
        bytes_per_s=devices * designs.stacks * designs.channels * channel * (designs.npu_arrays > 0),
        vector_per_s=_host_vector(designs, technology),
        a_bytes=sram_bytes,
        b_bytes=devices * sram_bytes,
        out_bytes=sram_bytes,
        m=np.ones(len(designs)),
        k=designs.npu_side * at_once,
        n=np.asarray(designs.npu_side),
        copies=arrays,
    )


def _pim(designs: np.recarray, technology: np.record, busy: FloatArray, at_once: FloatArray) -> Engine:
    """A copy is a channel: its PUs have outputs of their own, or an adder sums up those of several."""
    memory, placement, banks = designs.memory.astype(np.int64), designs.pu_placement, designs.banks
    channels = designs.tensor_parallel * designs.stacks * designs.channels
    places = [placement == place for place in (BANK, TWO_BANK, GROUP, BUFFER)]
    pus = np.select(places, [banks, banks / 2, banks / 4, technology.pseudo_channels[memory]], 0.0)  # none: no engine
    spread = technology.ccd_l[memory] * designs.ccd_multiplier
    column_ns = np.where(placement == BUFFER, technology.ccd_s[memory], spread)
    adder = np.where(placement == BANK, technology.group_adder[memory], 1.0)
    controller = designs.stacks * designs.channels * 1e9 * CONTROLLER_GB_S / (CONTROLLER_WORDS * WORD_BYTES)
    vector = np.where(designs.npu_arrays > 0, _host_vector(designs, technology), controller)
    return Engine(
        macs_per_s=channels * pus * designs.pu_lanes * at_once * 1e9 * designs.pu_clock_ghz * busy,
        bytes_per_s=channels * pus * ACCESS_BYTES * 1e9 / column_ns * busy,
        vector_per_s=vector * (pus > 0),
        a_bytes=1024.0 * designs.buffer_kib,  # each channel has all inputs
        b_bytes=channels * banks * designs.row_bytes,  # open rows
        out_bytes=channels * pus * designs.result_registers * ACCUMULATOR_BITS / 8,
        m=np.ones(len(designs)),
        k=designs.pu_lanes * at_once * adder,
        n=pus / adder,
        copies=channels,
    )


def _host_vector(designs: np.recarray, technology: np.record) -> FloatArray:
    lanes = designs.tensor_parallel * designs.npu_arrays * designs.npu_side
    return np.asarray(lanes * 1e9 * technology.host_clock_ghz)
