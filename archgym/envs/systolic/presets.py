"""Published machines as designs of the systolic family."""

from __future__ import annotations

from archgym.envs.family import Preset
from archgym.space import Value

# -- graphics processors: multipliers, memories and the start of a kernel; no model of their caches and instructions

# AttAcc (Park et al., ASPLOS 2024) measured 6.87 us for a normalisation on an A100, whose work is negligible: what a
# kernel takes beside its work.
KERNEL_US = 6.87
TENSOR_ROWS = 16  # rows of products that take the same weights


def _gpu(arrays: int, columns: int, memory: str, sram_kib: tuple[int, int, int], bits: int, source: str) -> Preset:
    """Tensor cores side by side, `arrays` streaming multiprocessors of 16 x `columns` products a cycle."""
    values: dict[str, Value] = {
        "array_rows": TENSOR_ROWS,
        "array_columns": columns,
        "arrays": arrays,
        "dataflow": "os",
        "fold_overlap": "overlapped",
        "ifmap_sram_kib": sram_kib[0],
        "filter_sram_kib": sram_kib[1],
        "ofmap_sram_kib": sram_kib[2],
        "clock_ghz": 1.05,
        "memory": memory,
        "vector_lanes": arrays * columns,
        "operand_bits": bits,
        "accumulator_bits": 48,
        "sparsity_engine": "n:m",
    }
    return Preset(values, source, {"node_nm": 7, "dispatch_us": KERNEL_US})


def _gpus() -> dict[str, Preset]:
    """Columns make up for the clock: products a second are those of the data sheet, at what 7 nm reaches here.

    SRAM is split as L2, shared memory, registers. The last are 32-bit floating point, here 48-bit integers.
    """
    a100 = (
        "NVIDIA A100 white paper: 108 multiprocessors, 1.41 GHz, 40 MB L2, 164 KB shared memory and 256 KB registers "
        "each; "
    )
    sram = (40 * 1024, 108 * 164, 108 * 256)
    half, whole = a100 + "312 TFLOPS in 16 bit", a100 + "624 TOPS in 8 bit"
    a6000 = (
        "NVIDIA RTX A6000 data sheet and GA102 white paper: 84 multiprocessors, 154.8 TFLOPS dense in 16 bit, 6 MB L2, "
        "128 KB L1 and 256 KB registers each"
    )
    return {
        "a100-80gb": _gpu(108, 86, "hbm2e-a100", sram, 16, half),
        "a100-80gb-int8": _gpu(108, 172, "hbm2e-a100", sram, 8, whole),
        "rtx-a6000": _gpu(84, 55, "gddr6-16-x384", (6 * 1024, 84 * 128, 84 * 256), 16, a6000),
    }


# -- BitMoD and what it is compared with, at equal area of the processing elements


def _bit_serial_and_rivals() -> dict[str, Preset]:
    """Arrays for one token; for 256 tokens the paper makes them half as wide and twice as high."""
    source = (
        "arXiv 2411.11745 and its simulator (github.com/yc2367/BitMoD-HPCA-25): 512 KB each for inputs and weights, "
        "all of which it fills, while half is filled here, so twice as much; 32 B of memory a cycle, which is "
        "DDR4-3200 at 0.8 GHz; outputs are written through"
    )
    machines = {
        "bitmod": (16, 64, "bit-serial"),
        "bitmod-fp16": (12, 64, "bit-parallel"),
        "bitmod-ant": (16, 64, "bit-parallel"),
        "bitmod-olive": (16, 72, "outlier-victim"),
    }
    presets = {}
    for name, (rows, columns, arithmetic) in machines.items():
        values: dict[str, Value] = {
            "array_rows": rows,
            "array_columns": columns,
            "arrays": 1,
            "dataflow": "os",
            "fold_overlap": "overlapped",
            "ifmap_sram_kib": 1024,
            "filter_sram_kib": 1024,
            "ofmap_sram_kib": 64,
            "clock_ghz": 0.8,
            "memory": "ddr4-3200-x1",
            "vector_lanes": 1024,
            "operand_bits": 16,
            "accumulator_bits": 48,
            "arithmetic": arithmetic,
        }
        presets[name] = Preset(values, source, {"node_nm": 28})
    return presets


# -- MixPE and what it is compared with, at equal area of the processing elements


def _mixed_and_rivals() -> dict[str, Preset]:
    """Elements are products a cycle: its 64 x 64 for 8-bit inputs make two each, its 32 x 32 for 16 bit four."""
    source = (
        "arXiv 2411.16158 and its simulator (github.com/yuzhang712/mixpe_simulator): 256 KB for inputs, 128 KB each "
        "for weights and outputs, 128 B of memory a cycle, which is two channels of DDR4-3200 at 0.4 GHz"
    )
    machines = {
        "mixpe-a8": (64, 128, 8, "mixed"),
        "mixpe-int8": (32, 32, 8, "bit-parallel"),
        "mixpe-a16": (64, 64, 16, "mixed"),
        "mixpe-fp16": (32, 28, 16, "bit-parallel"),
    }
    presets = {}
    for name, (rows, columns, bits, arithmetic) in machines.items():
        values: dict[str, Value] = {
            "array_rows": rows,
            "array_columns": columns,
            "arrays": 1,
            "dataflow": "os",
            "fold_overlap": "overlapped",
            "ifmap_sram_kib": 256,
            "filter_sram_kib": 128,
            "ofmap_sram_kib": 128,
            "clock_ghz": 0.4,
            "memory": "ddr4-3200-x2",
            "vector_lanes": 128,
            "operand_bits": bits,
            "accumulator_bits": 48,
            "arithmetic": arithmetic,
        }
        presets[name] = Preset(values, source, {"node_nm": 28})
    return presets


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
    **_gpus(),
    **_bit_serial_and_rivals(),
    **_mixed_and_rivals(),
    "spatten": Preset(
        {
            "array_rows": 64,
            "array_columns": 8,
            "arrays": 2,
            "dataflow": "os",
            "fold_overlap": "overlapped",
            "ifmap_sram_kib": 192,
            "filter_sram_kib": 384,
            "ofmap_sram_kib": 64,
            "clock_ghz": 0.7,
            "memory": "hbm2-x2",
            "vector_lanes": 64,
            "operand_bits": 16,
            "accumulator_bits": 48,
        },
        "arXiv 2012.09852 and github.com/mit-han-lab/spatten: 512 multipliers for queries times keys (64 wide, 8 keys "
        "a cycle) and as many for probabilities times values, 192 KiB each for keys and values, HBM2 with 16 channels; "
        "12 bit and 1 GHz at 40 nm there, 16 bit and what 28 nm reaches here; other buffers are assumptions",
        {"node_nm": 28},
    ),
}
