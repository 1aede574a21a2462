"""Published machines of the family on the run's workload, beside its best design."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from archgym.compression.knobs import DEFAULTS
from archgym.envs.evaluator import Evaluator
from archgym.envs.family import Preset
from archgym.errors import ArchGymError
from archgym.reports.absent import Absent
from archgym.reports.runs import RunData
from archgym.search.request import evaluator_of
from archgym.search.result import plain_metrics
from archgym.spec import option_defaults, spell_options


@dataclass(frozen=True)
class Standing:
    """A preset under one scenario.

    Attributes:
        metrics: by name; None where it cannot run the workload, for the reason `why`.
        objectives: of the run; None likewise.
        meets: it is within the run's constraints.
    """

    metrics: Mapping[str, float] | None
    objectives: tuple[float, ...] | None
    meets: bool
    why: str = ""


@dataclass(frozen=True)
class Machine:
    """A preset.

    Attributes:
        scenario: it was built under, as options of the environment's spec; empty for the environment's own.
        built: as it was built, under that scenario.
        moved: under the scenario of the run, its technology for one.
    """

    name: str
    source: str
    scenario: str
    built: Standing
    moved: Standing


def machines_of(run: RunData) -> Sequence[Machine] | Absent:
    """All presets of the family on the workload of a run."""
    request = run.request
    family = request.evaluator.family
    if not family.presets:
        return Absent(f"The environment {family.name} names no published machines.")
    if not run.current:
        return Absent("The cost model has changed since this run: its numbers cannot be set beside those of today.")
    return [
        Machine(
            name,
            preset.source,
            spell_options(preset.scenario, option_defaults(family.technology)),
            _standing(run, preset, preset.scenario),
            _standing(run, preset, request.evaluator.scenario),
        )
        for name, preset in family.presets.items()
    ]


def _standing(run: RunData, preset: Preset, scenario: Mapping[str, Any]) -> Standing:
    request = run.request
    try:
        evaluator = evaluator_of({**run.run.config, "scenario": dict(scenario)}, request.evaluator.workload)
        metrics = evaluator.evaluate_designs(_record(evaluator, preset))
        if not metrics.feasible[0]:
            return Standing(None, None, False, evaluator.why(int(metrics.why[0])))
        objectives, violation = request.objective.measure(metrics)
    except ArchGymError as error:
        return Standing(None, None, False, str(error))
    return Standing(plain_metrics(metrics), tuple(objectives[0].tolist()), bool(violation[0] == 0))


def _record(evaluator: Evaluator, preset: Preset) -> Any:
    """A preset among the designs of an evaluator: of hardware and compression, on the network at 16 bits and dense."""
    others = {parameter.name: parameter.choices[0] for parameter in evaluator.family.space.fixed} | DEFAULTS
    given = {name: value for name, value in others.items() if name in evaluator.space.names}
    return evaluator.space.design(given | dict(preset.values))


def times(ratio: float) -> str:
    """A ratio as text: `3.52x`, `2,441x`."""
    return f"{ratio:,.0f}x" if ratio >= 100 else f"{ratio:.3g}x"
