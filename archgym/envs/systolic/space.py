"""Systolic-array accelerators: parameters and metrics."""

from __future__ import annotations

from archgym.envs.sparsity import SPARSITY_ENGINE
from archgym.envs.technology import ALL_MEMORIES, MEMORIES
from archgym.metrics import Metric
from archgym.space import DesignSpace, Parameter

_SIDES = (8, 16, 32, 64, 128, 256, 512)
_SRAM_KIB = (64, 128, 256, 512, 1024, 2048, 4096)

ARITHMETIC = Parameter(
    "arithmetic",
    ("bit-parallel", "bit-serial", "mixed", "outlier-victim"),
    "categorical",
    doc="multipliers of operand_bits; weights two bits a cycle; weights by shift and add; pairs of low-bit operands",
)

SPACE = DesignSpace(
    [
        Parameter("array_rows", _SIDES, unit="PEs", doc="rows of each systolic array"),
        Parameter("array_columns", _SIDES, unit="PEs", doc="columns of each systolic array"),
        Parameter("arrays", (1, 2, 4, 8, 16), doc="arrays that share the SRAMs"),
        Parameter("dataflow", ("os", "ws", "is"), "categorical", doc="operand that stays in the array"),
        Parameter(
            "fold_overlap",
            ("serial", "overlapped"),
            "categorical",
            doc="load each stationary tile between folds, or behind the running one (second register set)",
        ),
        Parameter("ifmap_sram_kib", _SRAM_KIB, unit="KiB", doc="double-buffered input and activation memory"),
        Parameter("filter_sram_kib", _SRAM_KIB, unit="KiB", doc="double-buffered weight memory"),
        Parameter("ofmap_sram_kib", _SRAM_KIB, unit="KiB", doc="double-buffered output and partial-sum memory"),
        Parameter("clock_ghz", (0.3, 0.5, 0.7, 0.9, 1.1), unit="GHz", doc="clock; sets the supply voltage it needs"),
        Parameter("memory", tuple(MEMORIES), "categorical", doc="off-chip memory", vocabulary=tuple(ALL_MEMORIES)),
        Parameter("vector_lanes", (32, 128, 512, 2048), doc="lanes of the vector unit"),
        Parameter("operand_bits", (8, 16), unit="bit", doc="width of the multipliers' operands"),
        Parameter("accumulator_bits", (24, 32, 48), unit="bit", doc="width of partial sums"),
    ],
    fixed=[SPARSITY_ENGINE, ARITHMETIC],
)

METRICS = (
    Metric("latency_s", "s", "time of one run of the workload"),
    Metric("energy_j", "J", "energy of one run, off-chip memory and leakage included"),
    Metric("area_mm2", "mm2", "arrays, SRAM, vector unit, memory PHY; no I/O ring, no control"),
    Metric("power_w", "W", "energy over latency"),
    Metric(
        "utilisation",
        "1",
        "products computed over what all PEs could do on the narrowest data that they gain from",
    ),
    Metric("throughput_tops", "TOPS", "products computed, 1 MAC = 2 operations; those that zeros spare do not count"),
    Metric("dram_bytes", "B", "off-chip traffic"),
    Metric("sram_bytes", "B", "on-chip SRAM traffic at the array's edge"),
    Metric("energy_mac_j", "J", "multiply-accumulates, with choosing inputs and scaling sums"),
    Metric("energy_sram_j", "J", "SRAM reads and writes"),
    Metric("energy_vector_j", "J", "vector unit"),
    Metric("energy_dram_j", "J", "off-chip memory"),
    Metric("energy_leakage_j", "J", "leakage over the run"),
    Metric("area_array_mm2", "mm2", "processing elements"),
    Metric("area_sram_mm2", "mm2", "SRAM macros"),
    Metric("area_vector_mm2", "mm2", "vector lanes"),
    Metric("area_memory_phy_mm2", "mm2", "off-chip memory PHY and controller"),
)

REASONS = (
    "feasible",
    "clock_too_fast: the process node cannot reach the clock at its highest supply",
    "sram_too_small: it cannot be split into the 64-bit banks that feed the arrays' edge (512 bytes each at least)",
    "accumulator_overflow: a dot product of the workload does not fit the accumulator",
)
