"""Systolic arrays: `archgym/Systolic-v0`."""

from archgym.envs.family import Family
from archgym.envs.systolic import cost
from archgym.envs.systolic.presets import PRESETS
from archgym.envs.systolic.roofline import engines
from archgym.envs.systolic.space import METRICS, REASONS, SPACE
from archgym.envs.technology import scenario

SYSTOLIC = Family(
    name="systolic",
    title="Systolic",
    version=0,
    space=SPACE,
    metrics=METRICS,
    reasons=REASONS,
    cost=cost,
    technology=scenario,
    presets=PRESETS,
    bottleneck=cost.bottleneck,
    workload="resnet50",
    objective="latency_s*energy_j",
    constraints=("area_mm2<=100",),
    relief={
        "compute": (
            "array_rows",
            "array_columns",
            "arrays",
            "clock_ghz",
            "fold_overlap",
            "dataflow",
            "arithmetic",
            "sparsity_engine",
        ),
        "off-chip memory": ("memory", "ifmap_sram_kib", "filter_sram_kib", "ofmap_sram_kib", "dataflow"),
        "vector unit": ("vector_lanes", "clock_ghz"),
    },
    validation="archgym.envs.systolic.validation:validate",
    scratchpad=lambda design: 1024.0 * float(design.ifmap_sram_kib),  # cost.off_chip_bytes keeps activations there
    engines=engines,
)
