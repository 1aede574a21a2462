"""Systolic-array accelerators: parameters, metrics and published machines."""

from __future__ import annotations

from archgym.envs.family import Preset
from archgym.envs.technology import MEMORIES
from archgym.metrics import Metric
from archgym.space import DesignSpace, Parameter

_SIDES = (8, 16, 32, 64, 128, 256, 512)
_SRAM_KIB = (64, 128, 256, 512, 1024, 2048, 4096)

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
        Parameter("memory", tuple(MEMORIES), "categorical", doc="off-chip memory"),
        Parameter("vector_lanes", (32, 128, 512, 2048), doc="lanes of the vector unit"),
        Parameter("operand_bits", (8, 16), unit="bit", doc="width of the multipliers' operands"),
        Parameter("accumulator_bits", (24, 32, 48), unit="bit", doc="width of partial sums"),
    ]
)

METRICS = (
    Metric("latency_s", "s", "time of one run of the workload"),
    Metric("energy_j", "J", "energy of one run, off-chip memory and leakage included"),
    Metric("area_mm2", "mm2", "arrays, SRAM, vector unit, memory PHY; no I/O ring, no control"),
    Metric("power_w", "W", "energy over latency"),
    Metric("utilisation", "1", "MACs over what all PEs could do in that time"),
    Metric("throughput_tops", "TOPS", "achieved, 1 MAC = 2 operations"),
    Metric("dram_bytes", "B", "off-chip traffic"),
    Metric("sram_bytes", "B", "on-chip SRAM traffic at the array's edge"),
    Metric("energy_mac_j", "J", "multiply-accumulates"),
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

PRESETS = {
    "tpu-v1": Preset(
        {
            "array_rows": 256,
            "array_columns": 256,
            "arrays": 1,
            "dataflow": "ws",
            "fold_overlap": "overlapped",
            "ifmap_sram_kib": 24 * 1024,
            "filter_sram_kib": 256,
            "ofmap_sram_kib": 4 * 1024,
            "clock_ghz": 0.7,
            "memory": "ddr3-2133-x2",
            "vector_lanes": 256,
            "operand_bits": 8,
            "accumulator_bits": 32,
        },
        "arXiv 1704.04760, section 2: unified buffer, 4-tile weight FIFO, accumulators; 256 activation lanes",
        {"node_nm": 28},
    ),
    "gemmini-16": Preset(
        {
            "array_rows": 16,
            "array_columns": 16,
            "arrays": 1,
            "dataflow": "ws",
            "fold_overlap": "overlapped",
            "ifmap_sram_kib": 128,
            "filter_sram_kib": 128,
            "ofmap_sram_kib": 64,
            "clock_ghz": 0.7,
            "memory": "ddr4-3200-x1",
            "vector_lanes": 16,
            "operand_bits": 8,
            "accumulator_bits": 32,
        },
        "arXiv 1911.09925: 16x16 int8, 256 KiB scratchpad (split evenly here), 64 KiB accumulator; its 1 GHz at 22 nm "
        "is lowered to what 28 nm reaches here",
        {"node_nm": 28},
    ),
    "eyeriss-like": Preset(
        {
            "array_rows": 12,
            "array_columns": 14,
            "arrays": 1,
            "dataflow": "os",
            "fold_overlap": "serial",
            "ifmap_sram_kib": 54,
            "filter_sram_kib": 27,
            "ofmap_sram_kib": 27,
            "clock_ghz": 0.2,
            "memory": "ddr4-3200-x1",
            "vector_lanes": 14,
            "operand_bits": 16,
            "accumulator_bits": 48,
        },
        "Chen et al., JSSC 52(1), 2017: 12x14 PEs, 108 KB buffer (split 2:1:1 here), 16 bit, 200 MHz; row-stationary "
        "is no dataflow of this model, so output-stationary stands in, at 45 nm instead of 65 nm",
        {"node_nm": 45},
    ),
}
