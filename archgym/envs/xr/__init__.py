"""Multi-model real-time scenarios of extended reality (XRBench): `archgym/XR-v0`."""

from archgym.envs.family import Family
from archgym.envs.xr import cost
from archgym.envs.xr.devices import scenario
from archgym.envs.xr.roofline import engines
from archgym.envs.xr.space import METRICS, PRESETS, REASONS, SPACE

DATAFLOWS = ("dataflow_1", "dataflow_2", "dataflow_3", "dataflow_4", "split")

XR = Family(
    name="xr",
    title="XR",
    version=0,
    space=SPACE,
    metrics=METRICS,
    reasons=REASONS,
    cost=cost,
    technology=scenario,
    presets=PRESETS,
    bottleneck=cost.bottleneck,
    workload="xr-vr-gaming",
    objective="energy_j*area_mm2",
    constraints=("score>=0.99",),
    relief={
        "compute": ("pes", "clock_ghz", *DATAFLOWS),
        "on-chip memory": ("noc_bytes_per_cycle", "clock_ghz", *DATAFLOWS),
        "off-chip memory": ("memory_gb_s", "memory_kib"),
        "vector unit": ("pes", "clock_ghz"),
    },
    validation="archgym.envs.xr.validation:validate",
    engines=engines,
)
