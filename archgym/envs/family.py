"""What an accelerator family is: the one object that an environment package defines.

A family is a design space, metrics, presets and a cost module. The cost module supplies these names, all pure and
compilable by Numba (`numba.extending.register_jitable` keeps them callable as plain Python):

    budget(design, technology) -> Budget              per-design parts: areas, unit energies
    cost(design, operator, technology, budget)        -> LayerCost of one occurrence of an operator
    LayerCost                                         NamedTuple of floats but for `why`; has latency_s and macs, and
                                                      dram_bytes where there is such traffic, for the table of operators
    combine(total, layer, count) -> LayerCost         optional: how operators make a network; without it each field of
                                                      LayerCost is summed, times the count
    metrics(design, technology, budget, total)        -> Metrics of the network, with the fields of Family.metrics
    network(design, operators, tasks, technology, budget) -> Metrics, instead of combine and metrics: where a network,
                                                      or several, is more than a pass over operators (a schedule)

`design` and `operator` are records (see space.py and workloads/operators.py), `operators` and `tasks` the tables [L]
and [T] of the workload, `technology` a record of constants.
Budget, LayerCost and Metrics have `why` first: 0, or the code of the reason why the design cannot be built, cannot run
an operator, or cannot run the network as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import ModuleType
from typing import Any

import numpy as np

from archgym.compression.knobs import KNOBS
from archgym.envs.roofline import Engines
from archgym.errors import unknown
from archgym.metrics import Metric
from archgym.space import DesignSpace, Value


@dataclass(frozen=True)
class Preset:
    """A published machine: plain values of every parameter, the scenario it was built under, and its source."""

    values: Mapping[str, Value]
    source: str
    scenario: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)  # one object per family: compared and hashed by identity
class Family:
    """An accelerator family.

    Attributes:
        name: registry name (`systolic`).
        title: name in the Gymnasium id (`Systolic` in `archgym/Systolic-v0`).
        version: of the numbers; changed numbers mean a new version.
        space: the parameter table of the hardware; features that only compressed networks use are its fixed ones.
        metrics: the columns of an evaluation.
        reasons: text of each `why` code; reasons[0] stands for feasible.
        cost: module with budget, cost, LayerCost, metrics and perhaps combine, or network.
        technology: builds the record of constants from scenario options; its keyword parameters and defaults are the
            options a user can set (`systolic?node_nm=16`).
        presets: published machines.
        bottleneck: names what limits an operator, from its LayerCost.
        relief: which parameters relieve which bottleneck, most promising first; names as `bottleneck` gives them.
        workload, objective, constraints: what is searched when the user says nothing.
        validation: `"module:function"` that takes a folder of reference data, or None, and returns Checks.
        scratchpad: bytes of the on-chip memory of a design record that keeps activations between operators, of which
            the cost model lets a tensor take half; raises InputError for a design that has no such memory. None: the
            cost model takes no memory plan.
        engines: rooflines of designs (see roofline.py); None: surrogates see parameters and operators alone.
    """

    name: str
    title: str
    version: int
    space: DesignSpace
    metrics: tuple[Metric, ...]
    reasons: tuple[str, ...]
    cost: ModuleType
    technology: Callable[..., np.record]
    presets: Mapping[str, Preset]
    bottleneck: Callable[[Any], str]
    workload: str
    objective: str
    constraints: tuple[str, ...] = ()
    relief: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    validation: str = ""
    scratchpad: Callable[[Any], float] | None = None
    engines: Engines | None = None

    @property
    def gymnasium_id(self) -> str:
        """Gymnasium id, e.g. `archgym/Systolic-v0`."""
        return f"archgym/{self.title}-v{self.version}"

    @cached_property
    def joint_space(self) -> DesignSpace:
        """Hardware, its features for compressed networks, and the compression of the network."""
        return DesignSpace((*self.space.parameters, *self.space.fixed, *KNOBS))

    def preset(self, name: str) -> Preset:
        """A published machine by name.

        Raises:
            UnknownNameError: with the allowed names and the nearest match.
        """
        if name not in self.presets:
            raise unknown(f"{self.name} preset", name, self.presets)
        return self.presets[name]
