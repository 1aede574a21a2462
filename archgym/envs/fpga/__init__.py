"""FPGA accelerators: `archgym/FPGA-v0`."""

from typing import Any

from archgym.envs.family import Family
from archgym.envs.fpga import cost
from archgym.envs.fpga.budget import DATAFLOW, HLS4ML, HYBRID, ON
from archgym.envs.fpga.devices import scenario
from archgym.envs.fpga.roofline import engines
from archgym.envs.fpga.space import METRICS, PRESETS, REASONS, SPACE
from archgym.errors import InputError


def _scratchpad(design: Any) -> float:
    """Bytes of the activation buffer of a design that runs one operator after the other."""
    pipelined = design.execution in (DATAFLOW, HYBRID) or design.streaming_attention == ON
    if design.engine == HLS4ML or pipelined:
        raise InputError(
            "a memory plan is an order of operators with tensors in between: it takes an FPGA design with engine=gemm, "
            "execution=sequential and streaming_attention=off"
        )
    return 1024.0 * float(design.activation_buffer_kib)


FPGA = Family(
    name="fpga",
    title="FPGA",
    version=0,
    space=SPACE,
    metrics=METRICS,
    reasons=REASONS,
    cost=cost,
    technology=scenario,
    presets=PRESETS,
    bottleneck=cost.bottleneck,
    workload="llama2-7b:decode",
    objective="latency_s*energy_j",
    constraints=("power_w<=75",),
    relief={
        "compute": (
            "board",
            "engine",
            "precision",
            "tile_m",
            "tile_k",
            "tile_n",
            "engines",
            "clock_mhz",
            "sparse_chain",
            "execution",
            "attention_lanes",
            "-reuse_factor",
            "strategy",
        ),
        "off-chip memory": (
            "board",
            "precision",
            "memory_channels",
            "activation_buffer_kib",
            "weight_buffer_kib",
            "output_buffer_kib",
            "execution",
            "streaming_attention",
            "sparse_chain",
        ),
        "vector unit": ("tile_n", "engines", "clock_mhz"),
    },
    validation="archgym.envs.fpga.validation:validate",
    scratchpad=_scratchpad,
    engines=engines,
)
