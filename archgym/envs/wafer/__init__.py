"""Wafer-scale meshes of cores: `archgym/Wafer-v0`."""

from archgym.envs.family import Family
from archgym.envs.wafer import cost
from archgym.envs.wafer.devices import scenario
from archgym.envs.wafer.roofline import engines
from archgym.envs.wafer.space import METRICS, PRESETS, REASONS, SPACE

WAFER = Family(
    name="wafer",
    title="Wafer",
    version=0,
    space=SPACE,
    metrics=METRICS,
    reasons=REASONS,
    cost=cost,
    technology=scenario,
    presets=PRESETS,
    bottleneck=cost.bottleneck,
    workload="llama3-8b:decode?context=4096&bits=16",
    objective="latency_s*energy_j",
    constraints=("power_w<=25000",),
    relief={
        "compute": ("macs", "sram_bits", "clock_ghz", "prefill_side", "decode_side", "gemm"),
        "network latency": ("clock_ghz", "-prefill_side", "-decode_side", "gemm", "allreduce"),
        "network bandwidth": ("noc_bits", "reticle_bandwidth", "clock_ghz", "gemm", "allreduce"),
        "vector unit": ("macs", "clock_ghz", "prefill_side", "decode_side"),
        "off-wafer memory": ("memory", "streaming", "sram_kib"),
    },
    validation="archgym.envs.wafer.validation:validate",
    engines=engines,
)
