"""Processing in DRAM, with or without a neural processing unit: `archgym/PIM-v0`."""

from typing import Any

from archgym.envs.family import Family
from archgym.envs.pim import cost
from archgym.envs.pim.devices import scenario
from archgym.envs.pim.roofline import engines
from archgym.envs.pim.space import METRICS, PRESETS, REASONS, SPACE
from archgym.errors import InputError


def _scratchpad(design: Any) -> float:
    """Bytes of the host's on-chip memory; PUs keep nothing between operators."""
    if design.npu_arrays == 0:
        raise InputError("a PIM design without NPU (npu_arrays=0) has no on-chip memory for a memory plan to use")
    return 2.0**20 * float(design.sram_mib)


PIM = Family(
    name="pim",
    title="PIM",
    version=0,
    space=SPACE,
    metrics=METRICS,
    reasons=REASONS,
    cost=cost,
    technology=scenario,
    presets=PRESETS,
    bottleneck=cost.bottleneck,
    workload="llama2-7b:decode?batch=4",
    objective="interval_s*energy_j",
    constraints=("area_mm2<=800", "power_w<=200"),
    relief={
        "NPU compute": ("npu_arrays", "npu_side", "tensor_parallel", "fc_mapping", "pu_placement"),
        "off-chip memory": (
            "memory",
            "stacks",
            "channels",
            "sram_mib",
            "tensor_parallel",
            "fc_mapping",
            "pu_placement",
        ),
        "PIM": (
            "memory",
            "stacks",
            "channels",
            "banks",
            "pu_placement",
            "pu_lanes",
            "pu_clock_ghz",
            "row_bytes",
            "buffer_kib",
            "result_registers",
            "-ccd_multiplier",
            "row_buffers",
            "packing",
            "tensor_parallel",
            "fc_mapping",
        ),
        "vector unit": ("npu_arrays", "npu_side", "channels", "tensor_parallel"),
        "link": ("-tensor_parallel",),
    },
    validation="archgym.envs.pim.validation:validate",
    scratchpad=_scratchpad,
    engines=engines,
)
