"""Multi-model real-time scenarios of extended reality (XRBench): `archgym/XR-v0`."""

from archgym.envs.family import Family
from archgym.envs.xr import cost
from archgym.envs.xr.devices import scenario
from archgym.envs.xr.space import METRICS, PRESETS, REASONS, SPACE

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
    validation="archgym.envs.xr.validation:validate",
)
