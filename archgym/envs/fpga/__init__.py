"""FPGA accelerators: `archgym/FPGA-v0`."""

from archgym.envs.family import Family
from archgym.envs.fpga import cost
from archgym.envs.fpga.devices import scenario
from archgym.envs.fpga.space import METRICS, PRESETS, REASONS, SPACE

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
    validation="archgym.envs.fpga.validation:validate",
)
