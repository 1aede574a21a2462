"""A memory plan for a design: what its scratchpad is, and what the plan changes in the cost model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from archgym.envs.evaluator import Evaluator
from archgym.errors import InputError
from archgym.metrics import metric_names
from archgym.planning.plan import Plan, plan, size_bytes
from archgym.planning.workload import planned

_COMPARED = ("latency_s", "energy_j", "dram_bytes", "pin_bytes")


@dataclass(frozen=True)
class PlannedDesign:
    """A design under a memory plan.

    Attributes:
        evaluator: the cost model on the planned workload.
        plan: the plan.
        on_chip_bytes: the design's own memory for activations, which area and energy are those of.
        model: metrics of the cost model by the rule for activations: its `own` (a tensor of up to half the memory
            stays, alone), the `none` plan, and the plan (`planned`).
    """

    evaluator: Evaluator
    plan: Plan
    on_chip_bytes: float
    model: dict[str, dict[str, float]]

    def report(self) -> dict[str, Any]:
        """Plain numbers and text."""
        return self.plan.summary() | {"on_chip_bytes": self.on_chip_bytes, "model": self.model}


def plan_design(
    evaluator: Evaluator, design: np.ndarray, method: str = "ilp", scratchpad: str | float | None = None
) -> PlannedDesign:
    """Plan a design's memory and build the cost model on the planned workload.

    A tensor that the cost model would spill whatever the plan, one of more than half the design's memory, is not kept
    by the plan either: the model does what the plan says.

    Args:
        evaluator: family, scenario and workload.
        design: record [1].
        method: ilp, greedy or none.
        scratchpad: size such as `2MiB`, or bytes; the design's own memory when None.

    Raises:
        InputError: unknown method, no size, or an environment or design that takes no plan.
        MissingExtraError: `ilp` without SciPy.
    """
    family = evaluator.family
    if family.scratchpad is None:
        raise InputError(f"the cost model of environment {family.name!r} takes no memory plan")
    on_chip = family.scratchpad(design.view(np.recarray)[0])
    size = on_chip if scratchpad is None else size_bytes(scratchpad)
    found = plan(evaluator.workload, size, method, largest_bytes=on_chip / 2)
    nothing = plan(evaluator.workload, size, "none", largest_bytes=on_chip / 2)
    models = {"own": evaluator, "none": _on(evaluator, nothing), "planned": _on(evaluator, found)}
    model = {name: _compared(other, design) for name, other in models.items()}
    return PlannedDesign(models["planned"], found, on_chip, model)


def _on(evaluator: Evaluator, found: Plan) -> Evaluator:
    workload = planned(evaluator.workload, found)
    return Evaluator(evaluator.family, workload, evaluator.scenario, evaluator.threads)


def _compared(evaluator: Evaluator, design: np.ndarray) -> dict[str, float]:
    metrics = evaluator.evaluate_designs(design)
    return {name: float(metrics[name][0]) for name in _COMPARED if name in metric_names(metrics)}
