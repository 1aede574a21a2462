"""An environment of your own: lanes of multipliers whose memory works while they compute (round numbers, no chip)."""

import sys
from collections import namedtuple

from numba.extending import register_jitable

import archgym
from archgym.envs import ENVIRONMENTS, family, technology
from archgym.metrics import Metric

CHOICES = {"lanes": range(64, 8193, 64), "clock_mhz": range(100, 1001, 10), "memory_gb_s": range(10, 1001, 10)}
UNITS = {"latency_s": "s", "energy_j": "J", "area_mm2": "mm2", "power_w": "W"}
Budget, LayerCost = namedtuple("Budget", "why area_mm2"), namedtuple("LayerCost", "why latency_s energy_j macs")
Metrics = namedtuple("Metrics", ["why", *UNITS])  # why: 0, or the reason why a design cannot be built or run
budget = register_jitable(lambda design, _: Budget(0, 0.002 * design.lanes + 0.03 * design.memory_gb_s))


@register_jitable
def cost(design, operator, technology, budget):
    macs = operator.batch * operator.groups * operator.m * operator.k * operator.n
    moved = operator.a_bytes + operator.b_bytes + operator.out_bytes
    compute_s = (macs + operator.vector_ops) / (1e6 * design.clock_mhz * design.lanes)
    return LayerCost(0, max(compute_s, moved / (1e9 * design.memory_gb_s)), 1e-12 * macs + 4e-11 * moved, macs)


@register_jitable
def metrics(design, technology, budget, total):
    return Metrics(0, total.latency_s, total.energy_j, budget.area_mm2, total.energy_j / total.latency_s)


space = archgym.DesignSpace(archgym.Parameter(name, tuple(values)) for name, values in CHOICES.items())
columns = tuple(Metric(name, unit, "") for name, unit in UNITS.items())
of_me = (space, columns, ("feasible",), sys.modules[__name__], technology.scenario, {}, lambda layer: "roofline")
MYCHIP = family.Family("mychip", "MyChip", 0, *of_me, "resnet18", "latency_s*energy_j", ("area_mm2<=20",))

if __name__ == "__main__":
    ENVIRONMENTS.register("mychip", "own_environment:MYCHIP")
    print(archgym.search("mychip", budget=3000).best)
