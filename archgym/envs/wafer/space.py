"""Wafer-scale machines: parameters, metrics and published machines."""

from __future__ import annotations

from archgym.envs.family import Preset
from archgym.envs.sparsity import SPARSITY_ENGINE
from archgym.envs.wafer.devices import MEMORIES
from archgym.metrics import Metric
from archgym.space import DesignSpace, Parameter, Value

SPACE = DesignSpace(
    [
        Parameter("sram_kib", (32, 48, 64, 96), unit="KiB", doc="SRAM of a core"),
        Parameter("sram_bits", (64, 128), unit="bit", doc="read per cycle by a core; half as much is written"),
        Parameter("macs", (1, 2, 4), doc="fp16 multiply-accumulate units of a core; each needs 64 bits of SRAM reads"),
        Parameter("noc_bits", (32, 64, 128), unit="bit", doc="width of a link between cores, each direction"),
        Parameter("clock_ghz", (0.7, 0.9, 1.1), unit="GHz", doc="clock; sets the supply voltage it needs"),
        Parameter("core_rows", (48, 64, 96, 128), doc="rows of cores in a reticle"),
        Parameter("core_columns", (32, 48, 64, 80), doc="columns of cores in a reticle, spare ones included"),
        Parameter("reticle_rows", (5, 6, 7, 8), doc="rows of reticles on the wafer"),
        Parameter("reticle_columns", (6, 8, 10, 12), doc="columns of reticles on the wafer"),
        Parameter("spare_cores", (0, 1, 2), doc="spare cores in each row of a reticle"),
        Parameter("reticle_bandwidth", (0.25, 1), doc="of links between reticles, over that of links inside"),
        Parameter("memory", tuple(MEMORIES), "categorical", doc="DRAM at the wafer's edge, or stacked on it"),
        Parameter(
            "streaming",
            ("none", "weights", "weights-and-cache"),
            "categorical",
            doc="what comes from that memory each time instead of staying in SRAM",
        ),
        Parameter("prefill_side", (240, 480, 720), unit="cores", doc="side of the mesh for prefill"),
        Parameter("decode_side", (240, 360, 480), unit="cores", doc="side of the mesh for decode"),
        Parameter("gemm", ("allgather", "summa", "cannon", "meshgemm"), "categorical", doc="distributed GEMM"),
        Parameter("allreduce", ("pipeline", "ring", "k-tree"), "categorical", doc="reduction of partial sums"),
    ],
    fixed=[
        Parameter(
            "arithmetic",
            ("fp16", "widening", "packed"),
            "categorical",
            doc="cores multiply at the fp16 rate; widen narrower weights as they are read; also do two 8-bit or four "
            "4-bit products of one sum in a 16-bit unit",
        ),
        SPARSITY_ENGINE,
    ],
)

METRICS = (
    Metric("latency_s", "s", "time of one run of the workload"),
    Metric("energy_j", "J", "energy of one run, static power of the whole wafer included"),
    Metric("area_mm2", "mm2", "reticles and gaps"),
    Metric("power_w", "W", "energy over latency"),
    Metric("utilisation", "1", "MACs really computed over what units and SRAM ports of all active cores allow"),
    Metric("throughput_tops", "TOPS", "achieved, 1 MAC = 2 operations"),
    Metric("usable_share", "1", "active cores over physical cores"),
    Metric("wafer_yield", "1", "share of wafers with no more broken cores in any row than it has spares"),
    Metric("active_cores", "cores", "physical cores less the spares"),
    Metric("core_mm2", "mm2", "a core: MACs, SRAM, router"),
    Metric("core_bytes", "B", "SRAM of a core in use: weights, key-value cache, tiles; the larger of both phases"),
    Metric("relayout_s", "s", "moving the weights from the prefill mesh to the decode mesh, once per run"),
    Metric("off_wafer_bytes", "B", "weights and caches streamed from memory"),
    Metric("energy_mac_j", "J", "multiply-accumulates, vector operations, weights widened or placed"),
    Metric("energy_sram_j", "J", "SRAM reads and writes"),
    Metric("energy_noc_j", "J", "links between cores"),
    Metric("energy_memory_j", "J", "off-wafer or stacked memory"),
    Metric("energy_static_j", "J", "leakage and routers over the run"),
    Metric("area_mac_mm2", "mm2", "multiply-accumulate units"),
    Metric("area_sram_mm2", "mm2", "SRAM of the cores"),
    Metric("area_router_mm2", "mm2", "routers"),
    Metric("area_gap_mm2", "mm2", "gaps between reticles"),
)

REASONS = (
    "feasible",
    "clock_too_fast: the process node cannot reach the clock at its highest supply",
    "reticle_too_large: its cores do not fit the 26 mm x 33 mm exposure field; use smaller or fewer cores",
    "wafer_too_large: the reticles do not fit the 215 mm square of a 300 mm wafer; use fewer or smaller ones",
    "yield: too few wafers have enough spare cores in every row; add spare_cores",
    "mesh_too_large: prefill_side or decode_side exceeds the rows or columns of active cores on the wafer",
    "no_memory: streaming needs a memory; choose one or stream nothing",
    "memory_capacity: what is streamed does not fit the off-wafer or stacked memory",
    "sram_weights: the weights exceed the SRAM of the cores; add SRAM or cores, or stream weights",
    "sram_cache: weights fit, but the key-value cache exceeds the SRAM left; shorten the context or stream the cache",
    "sram_buffers: the tiles an operator works on exceed the SRAM that weights and cache leave",
)

_WAFERLLM: dict[str, Value] = {
    "reticle_bandwidth": 1,
    "memory": "none",
    "streaming": "none",
    "gemm": "meshgemm",
    "allreduce": "k-tree",
}

PRESETS = {
    "wse-3": Preset(
        {
            "sram_kib": 48,
            "sram_bits": 64,
            "macs": 8,
            "noc_bits": 32,
            "clock_ghz": 1.1,
            "core_rows": 143,
            "core_columns": 81,
            "reticle_rows": 7,
            "reticle_columns": 12,
            "spare_cores": 6,
            "prefill_side": 720,
            "decode_side": 420,
        }
        | _WAFERLLM,
        "Cerebras: 900,000 active of 970,000 physical cores, 44 GB, 5 nm, 8-wide fp16; 84 reticles of 17 mm x 30 mm; "
        "its SRAM ports and clock are taken as those of WSE-2",
        {"node_nm": 5},
    ),
    "wse-2": Preset(
        {
            "sram_kib": 48,
            "sram_bits": 64,
            "macs": 4,
            "noc_bits": 32,
            "clock_ghz": 1.1,
            "core_rows": 133,
            "core_columns": 77,
            "reticle_rows": 7,
            "reticle_columns": 12,
            "spare_cores": 1,
            "prefill_side": 660,
            "decode_side": 420,
        }
        | _WAFERLLM,
        "arXiv 2502.04563: 48 KB, two 32-bit reads a cycle, 32-bit links, 1.1 GHz; Cerebras: 850,000 active cores, 84 "
        "reticles (rows, columns and the spare core are chosen to give 849,072 of them)",
        {"node_nm": 7},
    ),
}
