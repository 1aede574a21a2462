"""FPGA accelerators: parameters, metrics and published machines."""

from __future__ import annotations

from archgym.envs.family import Preset
from archgym.envs.fpga.devices import DEVICES, PRECISIONS
from archgym.metrics import Metric
from archgym.space import DesignSpace, Parameter, Value

# Parameters of one engine type are ignored by the other: `hls4ml-dense` looks at board, clock_mhz, reuse_factor and
# strategy alone; `gemm` looks at everything but reuse_factor and strategy.
SPACE = DesignSpace(
    [
        Parameter("board", tuple(DEVICES), "categorical", doc="board"),
        Parameter("engine", ("gemm", "hls4ml-dense"), "categorical", doc="tiled engines, or one circuit per layer"),
        Parameter(
            "precision",
            ("int4", "int8", "int16"),
            "categorical",
            doc="widest operands of the multipliers; sets DSP packing (gemm)",
            vocabulary=tuple(PRECISIONS),
        ),
        Parameter("tile_m", (1, 4, 16), doc="rows an engine computes in parallel, pM (gemm)"),
        Parameter("tile_k", (8, 16, 32, 64), doc="length of the parallel dot products, pK (gemm)"),
        Parameter("tile_n", (8, 16, 32, 64), doc="columns an engine computes in parallel, pN (gemm)"),
        Parameter("engines", (1, 2, 4, 8, 16), doc="engines (gemm)"),
        Parameter("activation_buffer_kib", (64, 512, 4096), unit="KiB", doc="double-buffered activations (gemm)"),
        Parameter("weight_buffer_kib", (128, 2048), unit="KiB", doc="double-buffered weights (gemm)"),
        Parameter("output_buffer_kib", (64, 1024), unit="KiB", doc="32-bit partial sums (gemm)"),
        Parameter("memory_channels", (1, 4, 32, 64), doc="memory channels or ports used (gemm)"),
        Parameter("clock_mhz", (200, 250, 300), unit="MHz", doc="target clock; what is reached may be less"),
        Parameter(
            "sparse_chain", ("off", "2:4", "2:8"), "categorical", doc="N:M windows in which zeros are skipped (gemm)"
        ),
        Parameter(
            "execution",
            ("sequential", "dataflow", "hybrid"),
            "categorical",
            doc="operators in turn; pipelined over engines; in turn, but large intermediates pipelined (gemm)",
        ),
        Parameter(
            "attention_lanes",
            (0, 128),
            doc="products per cycle of each half of an attention engine, which then runs all attention (gemm)",
        ),
        Parameter(
            "streaming_attention", ("off", "on"), "categorical", doc="attention scores never leave the chip (gemm)"
        ),
        Parameter("reuse_factor", (32, 512), doc="products per multiplier and input (hls4ml-dense)"),
        Parameter("strategy", ("latency", "resource"), "categorical", doc="hls4ml strategy (hls4ml-dense)"),
    ],
    fixed=[
        Parameter(
            "dequantise",
            ("off", "weights", "sums"),
            "categorical",
            doc="scales of groups of weights are applied beforehand; in front of the products; behind them (gemm)",
        ),
        Parameter(
            "weight_port",
            ("full", "4-bit"),
            "categorical",
            doc="weights as wide as the precision, or 4 bits, wider ones in several passes (gemm)",
        ),
    ],
)

METRICS = (
    Metric("latency_s", "s", "time of one run of the workload"),
    Metric("interval_s", "s", "time between completed runs; shorter than the latency where runs overlap"),
    Metric("energy_j", "J", "energy of one run, off-chip memory and static power included"),
    Metric("power_w", "W", "energy over the interval"),
    Metric("utilisation", "1", "products over what all multipliers could do in that time"),
    Metric("throughput_tops", "TOPS", "achieved, 1 MAC = 2 operations; weights that are skipped do not count"),
    Metric("dram_bytes", "B", "off-chip traffic"),
    Metric("clock_mhz", "MHz", "clock reached"),
    Metric("dsp", "slices", "DSP slices"),
    Metric("lut", "LUTs", "look-up tables"),
    Metric("ff", "FFs", "flip-flops"),
    Metric("bram18", "RAMB18", "18-Kbit block memories"),
    Metric("uram", "URAMs", "288-Kbit memories"),
    Metric("aie", "tiles", "AI-engine tiles"),
    Metric("fill_dsp", "1", "share of the device's DSP slices"),
    Metric("fill_lut", "1", "share of its look-up tables"),
    Metric("fill_ff", "1", "share of its flip-flops"),
    Metric("fill_bram18", "1", "share of its block memories"),
    Metric("fill_uram", "1", "share of its 288-Kbit memories"),
    Metric("energy_dsp_j", "J", "multipliers (DSP slices or AI engines) while they compute"),
    Metric("energy_sram_j", "J", "block memories while they serve the multipliers"),
    Metric("energy_logic_j", "J", "look-up tables, flip-flops and clock over the run"),
    Metric("energy_dram_j", "J", "off-chip memory"),
    Metric("energy_static_j", "J", "static power over the interval"),
)

REASONS = (
    "feasible",
    "dsp_full: over 80 % of the DSP slices; smaller tiles, fewer engines or a higher reuse factor",
    "lut_full: over 70 % of the look-up tables, beyond which routing fails",
    "ff_full: over 50 % of the flip-flops, beyond which routing fails",
    "bram_full: over 80 % of the block memories; smaller or narrower buffers, or a network with fewer weights on chip",
    "uram_full: over 80 % of the UltraRAM; smaller or narrower buffers",
    "aie_full: more AI-engine tiles than the device has",
    "memory_channels: the device has fewer memory channels or ports",
    "memory_full: weights and key-value cache do not fit the board's memory",
    "precision: an operand of the workload is wider than the multipliers; quantise it or build wider ones",
    "no_weights: hls4ml-dense builds layers of constant weights; attention and embeddings have none",
    "buffer_too_small: a double buffer does not hold the operands of one step of the tile",
)

_UNUSED: dict[str, Value] = {"reuse_factor": 128, "strategy": "resource"}

_FLIGHTLLM: dict[str, Value] = {
    "board": "u280",
    "engine": "gemm",
    "precision": "int8",
    "tile_m": 2,
    "tile_k": 32,
    "tile_n": 64,
    "engines": 3,
    "activation_buffer_kib": 1024,
    "weight_buffer_kib": 4096,
    "output_buffer_kib": 512,
    "memory_channels": 32,
    "clock_mhz": 225,
    "sparse_chain": "2:4",
    "execution": "sequential",
    "attention_lanes": 0,
    "streaming_attention": "on",
    "dequantise": "weights",
    **_UNUSED,
}

PRESETS = {
    "flightllm-u280": Preset(
        _FLIGHTLLM,
        "arXiv 2401.03868: 6345 DSP at 225 MHz, one core per super logic region; 3 x 2 x 32 x 64 products make "
        "6144 DSP with two packed in each. The split into tiles, the buffer sizes and the kind of dequantiser are "
        "assumptions",
    ),
    "flightllm-vhk158": Preset(
        _FLIGHTLLM | {"board": "vhk158", "memory_channels": 64},
        "arXiv 2401.03868: the U280 design on the larger memory, three int8 products in each DSP58 slice",
    ),
    "ubimoe-zcu102": Preset(
        {
            "board": "zcu102",
            "engine": "gemm",
            "precision": "w16a32",
            "tile_m": 1,
            "tile_k": 16,
            "tile_n": 16,
            "engines": 2,
            "activation_buffer_kib": 512,
            "weight_buffer_kib": 64,
            "output_buffer_kib": 64,
            "memory_channels": 1,
            "clock_mhz": 300,
            "sparse_chain": "off",
            "execution": "hybrid",
            "attention_lanes": 16,
            "streaming_attention": "on",
            **_UNUSED,
        },
        "arXiv 2502.05602: half of each unit of its U280 design, as DSP, LUT, FF and BRAM are 37-54 % of it "
        "(assumption: no unrolls are published)",
    ),
    "ubimoe-u280": Preset(
        {
            "board": "u280",
            "engine": "gemm",
            "precision": "w16a32",
            "tile_m": 1,
            "tile_k": 16,
            "tile_n": 16,
            "engines": 4,
            "activation_buffer_kib": 1024,
            "weight_buffer_kib": 128,
            "output_buffer_kib": 128,
            "memory_channels": 1,
            "clock_mhz": 200,
            "sparse_chain": "off",
            "execution": "hybrid",
            "attention_lanes": 32,
            "streaming_attention": "on",
            **_UNUSED,
        },
        "arXiv 2502.05602 and github.com/DJ000011/UbiMoE, src/hardware.hpp: linear units of 16 x 16, one for attention "
        "and three for the experts; a streaming attention kernel of 4 x 8 products; weights over one port",
    ),
    "charm-vck190": Preset(
        {
            "board": "vck190",
            "engine": "gemm",
            "precision": "fp32",
            "tile_m": 4,
            "tile_k": 32,
            "tile_n": 16,
            "engines": 1,
            "activation_buffer_kib": 1024,
            "weight_buffer_kib": 1024,
            "output_buffer_kib": 4096,
            "memory_channels": 1,
            "clock_mhz": 230,
            "sparse_chain": "off",
            "execution": "dataflow",
            "attention_lanes": 128,
            "streaming_attention": "off",
            **_UNUSED,
        },
        "arXiv 2301.02359 and its repository, example/BERT/two_diverse: 4 x 4 x 16 AI engines for the large products "
        "(on-chip tile 1024 x 128 x 1024) beside 8 x 2 x 2 for attention",
    ),
}
