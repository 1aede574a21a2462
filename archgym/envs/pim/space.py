"""PIM systems: parameters, metrics and published machines."""

from __future__ import annotations

from archgym.envs.family import Preset
from archgym.envs.pim.devices import MEMORIES
from archgym.envs.sparsity import SPARSITY_ENGINE
from archgym.metrics import Metric
from archgym.space import DesignSpace, Parameter, Value

SPACE = DesignSpace(
    [
        Parameter(
            "memory",
            ("hbm2", "hbm3", "gddr6", "lpddr5"),
            "categorical",
            doc="DRAM type: timings, energies, capacity, bandwidth",
            vocabulary=tuple(MEMORIES),
        ),
        Parameter("stacks", (1, 2, 4, 8), doc="stacks or chips of a device"),
        Parameter("channels", (8, 16, 32), doc="channels of a stack"),
        Parameter("banks", (16, 32, 64), doc="banks of a channel"),
        Parameter(
            "pu_placement",
            ("none", "bank", "2-bank", "group", "buffer"),
            "categorical",
            doc="a processing unit (PU) per bank, two banks, four banks, pseudo-channel (on the buffer die), or none",
        ),
        Parameter("pu_lanes", (8, 16, 32), doc="16-bit multiply-accumulate lanes of a PU"),
        Parameter("pu_clock_ghz", (0.5, 1.0), unit="GHz", doc="clock of the PUs"),
        Parameter("row_bytes", (1024, 2048), unit="B", doc="row of a bank"),
        Parameter("buffer_kib", (1, 4), unit="KiB", doc="global buffer of a channel: the input vectors"),
        Parameter("result_registers", (1, 32), doc="accumulators of a PU"),
        Parameter(
            "row_buffers", ("single", "dual"), "categorical", doc="dual: host accesses and PIM work at the same time"
        ),
        Parameter("ccd_multiplier", (1, 1.5, 2), doc="tCCD stretched by this for all-bank commands, to limit power"),
        Parameter("npu_arrays", (0, 4, 16), doc="weight-stationary arrays of the host; 0: no NPU"),
        Parameter("npu_side", (64, 128), unit="PEs", doc="side of an array, 16-bit PEs"),
        Parameter("sram_mib", (16, 64), unit="MiB", doc="on-chip memory of the host"),
        Parameter(
            "fc_mapping",
            ("npu", "pim", "auto", "coprocess"),
            "categorical",
            doc="where fully-connected layers run: NPU, PIM, the faster of both, or feed-forward layers on both",
        ),
        Parameter("packing", ("round-robin", "min-load"), "categorical", doc="requests to channels, of uneven length"),
        Parameter("sub_batches", (1, 2), doc="2: one half on the NPU while the other is on PIM"),
        Parameter("tensor_parallel", (1, 2, 8), doc="devices that share each layer"),
        Parameter("pipeline_parallel", (1, 4), doc="groups of devices that share the layers"),
    ],
    fixed=[
        Parameter(
            "arithmetic",
            ("uniform", "widening", "packed", "mixed"),
            "categorical",
            doc="16-bit lanes take operands of one width, 8 or 16 bits; widen narrower weights; also do four 4-bit "
            "products; or one input times the narrower weights of several outputs",
        ),
        SPARSITY_ENGINE,
    ],
)

METRICS = (
    Metric("latency_s", "s", "time of one run of the workload"),
    Metric("interval_s", "s", "time between runs when all pipeline stages are busy"),
    Metric("energy_j", "J", "energy of one run, standby over the interval included"),
    Metric("area_mm2", "mm2", "what PIM adds to the DRAM, and the host dies, over all devices"),
    Metric("power_w", "W", "energy over interval, all devices"),
    Metric("utilisation", "1", "MACs really computed over what PUs and NPUs of all devices could do in the interval"),
    Metric("throughput_tops", "TOPS", "achieved, 1 MAC = 2 operations"),
    Metric("dram_bytes", "B", "read or written in DRAM banks, inside or over the pins"),
    Metric("pin_bytes", "B", "over the pins of the memory"),
    Metric("activations", "rows", "rows opened for PUs"),
    Metric("column_commands", "commands", "columns read by PUs, one per PU"),
    Metric("npu_s", "s", "time of everything but PUs and links: NPU, vector unit or memory controller"),
    Metric("pim_s", "s", "time the PUs' part takes"),
    Metric("link_s", "s", "time of messages between devices"),
    Metric("energy_activate_j", "J", "rows opened"),
    Metric("energy_column_j", "J", "columns read to PUs or host, inside the DRAM"),
    Metric("energy_io_j", "J", "pins and path from PU level to the host"),
    Metric("energy_pu_j", "J", "multiply-accumulates of PUs, weights widened or placed there"),
    Metric("energy_npu_j", "J", "multiply-accumulates of the NPU, weights widened or placed at its edge"),
    Metric("energy_sram_j", "J", "on-chip memory of the host"),
    Metric("energy_vector_j", "J", "vector unit"),
    Metric("energy_link_j", "J", "messages between devices"),
    Metric("energy_standby_j", "J", "DRAM standby and leakage of the host over the interval"),
    Metric("area_pu_mm2", "mm2", "processing units"),
    Metric("area_buffer_mm2", "mm2", "global buffers, result registers, second row buffers"),
    Metric("area_npu_mm2", "mm2", "arrays"),
    Metric("area_sram_mm2", "mm2", "on-chip memory"),
    Metric("area_vector_mm2", "mm2", "vector lanes"),
    Metric("area_phy_mm2", "mm2", "memory PHYs and controllers"),
)

REASONS = (
    "feasible",
    "no_npu: fully-connected layers are mapped to an NPU, but npu_arrays is 0",
    "no_pim: nothing computes in memory (pu_placement none), but the mapping or the lack of an NPU asks for it",
    "too_few_banks: the channel has fewer banks than one processing unit is shared by",
    "power_limit: commands to all banks draw more than the memory may; raise ccd_multiplier or use fewer banks",
    "memory_capacity: weights and key-value cache do not fit the memory of the devices; more stacks, banks or devices",
)

_NEUPIMS: dict[str, Value] = {
    "memory": "hbm2",
    "stacks": 4,
    "channels": 8,
    "banks": 32,
    "pu_placement": "bank",
    "pu_lanes": 16,
    "pu_clock_ghz": 0.5,
    "row_bytes": 1024,
    "buffer_kib": 1,
    "result_registers": 1,
    "row_buffers": "dual",
    "ccd_multiplier": 1,
    "npu_arrays": 8,
    "npu_side": 128,
    "sram_mib": 128,
    "fc_mapping": "npu",
    "packing": "min-load",
    "sub_batches": 2,
    "tensor_parallel": 4,
    "pipeline_parallel": 1,
}
_ATTACC: dict[str, Value] = _NEUPIMS | {
    "memory": "hbm3",
    "stacks": 5,
    "channels": 16,
    "banks": 64,
    "pu_clock_ghz": 1 / (4 * 0.769),
    "buffer_kib": 2,
    "result_registers": 2,
    "ccd_multiplier": 1.5,
    "npu_arrays": 108,
    "npu_side": 32,
    "sram_mib": 40,
    "fc_mapping": "coprocess",
    "sub_batches": 1,
    "tensor_parallel": 8,
}
_AIM: dict[str, Value] = _NEUPIMS | {
    "memory": "gddr6",
    "stacks": 4,
    "channels": 2,
    "banks": 16,
    "pu_clock_ghz": 1.0,
    "row_bytes": 2048,
    "buffer_kib": 2,
    "result_registers": 32,
    "row_buffers": "single",
    "npu_arrays": 0,
    "fc_mapping": "pim",
    "packing": "round-robin",
    "sub_batches": 1,
    "tensor_parallel": 1,
    "sram_mib": 16,
}
_NEUPIMS_SOURCE = "arXiv 2403.00579: 8 arrays of 128 x 128 at 1 GHz, 32 channels of 32 banks with 16 multipliers each"
_ATTACC_SOURCE = "Park et al., ASPLOS 2024: DGX A100 (a GPU: 108 arrays of 32 x 32) with 5 AttAcc HBM3 stacks per GPU"
_ATTACC_SCENARIO = {"host": "a100", "link_gb_s": 111.0, "link_ns": 6060.0}
_SHAREGPT = {"link_gb_s": 300.0, "length_spread": 1.07}

PRESETS = {
    "neupims": Preset(_NEUPIMS, _NEUPIMS_SOURCE, _SHAREGPT),
    "neupims-npu-only": Preset(
        _NEUPIMS | {"pu_placement": "none", "row_buffers": "single", "sub_batches": 1},
        _NEUPIMS_SOURCE + "; baseline NPU-only",
        _SHAREGPT,
    ),
    "neupims-naive": Preset(
        _NEUPIMS | {"row_buffers": "single", "sub_batches": 1, "packing": "round-robin"},
        _NEUPIMS_SOURCE + "; baseline NPU+PIM: one row buffer, one batch",
        _SHAREGPT,
    ),
    "attacc-bank": Preset(_ATTACC, _ATTACC_SOURCE, _ATTACC_SCENARIO),
    "attacc-bankgroup": Preset(_ATTACC | {"pu_placement": "group"}, _ATTACC_SOURCE, _ATTACC_SCENARIO),
    "attacc-buffer": Preset(
        _ATTACC | {"pu_placement": "buffer", "pu_clock_ghz": 1 / (2 * 0.769)}, _ATTACC_SOURCE, _ATTACC_SCENARIO
    ),
    "aim-gddr6": Preset(
        _AIM | {"stacks": 16},
        "Lee et al., ISSCC 2022: 2 channels of 16 banks a chip, a 16-lane PU per bank at 1 GHz; 16 chips here",
    ),
    "hbm-pim": Preset(
        _AIM
        | {
            "memory": "hbm2",
            "stacks": 4,
            "channels": 8,
            "banks": 32,
            "pu_placement": "2-bank",
            "pu_clock_ghz": 0.3,
            "row_bytes": 1024,
            "buffer_kib": 1,
            "result_registers": 8,
            "ccd_multiplier": 2,
        },
        "Lee et al., ISCA 2021: a 16-lane FP16 block per two banks at 300 MHz, tCCD_L of 4 ns; channels here are pairs "
        "of 16-bank pseudo-channels, and four stacks work without NPU",
    ),
    "cent-8": Preset(
        _AIM | {"pipeline_parallel": 32},
        "Gu et al., ASPLOS 2025: 8 devices of 32 channels run Llama2-7B as 32 stages of 8 channels",
        {"link_gb_s": 54.0, "sampling_us": 150.0},
    ),
    "cent-32": Preset(
        _AIM | {"stacks": 5, "pipeline_parallel": 80},
        "Gu et al., ASPLOS 2025: 32 devices of 32 channels run Llama2-70B as 80 stages of 10 channels",
        {"link_gb_s": 12.0, "sampling_us": 150.0},
    ),
}
