"""All that a report says, read from run directories: what figures and pages are made of.

Runs of one task, the same environment, workload, objectives and constraints, stand side by side; of each task the best
run is shown in detail.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from archgym.metrics import Metric
from archgym.reports.absent import Absent
from archgym.reports.cloud import Cloud, cloud_of
from archgym.reports.command import command_of
from archgym.reports.convergence import Convergence, convergence_of
from archgym.reports.design import BestDesign, best_design
from archgym.reports.importance import Importance, importance_of
from archgym.reports.presets import Machine, machines_of
from archgym.reports.runs import RunData, read_run
from archgym.search.compare import found_runs
from archgym.search.optimum import known_optimum


@dataclass(frozen=True)
class TaskData:
    """The runs of one task. What takes time is worked out when it is first asked for.

    Attributes:
        name: environment, workload, objectives and constraints, in words.
        runs: in the order of their paths.
        convergence: of all of them.
        best: the run with the best design, or of several objectives the largest hypervolume.
    """

    name: str
    runs: tuple[RunData, ...]
    convergence: Convergence
    best: RunData

    @property
    def place(self) -> str:
        """Environment and workload."""
        return f"{self.best.request.evaluator.name} on {self.best.run.config['workload']}"

    @property
    def objective(self) -> list[str]:
        """Text of each objective."""
        return self.best.request.objective.names

    @property
    def metrics(self) -> Mapping[str, Metric]:
        """The metrics of the cost model by name."""
        return {metric.name: metric for metric in self.best.request.evaluator.metrics}

    @cached_property
    def design(self) -> BestDesign | Absent:
        """The best design, operator by operator."""
        return best_design(self.best) if self.best.valid else _nothing(self.best)

    @cached_property
    def cloud(self) -> Cloud | Absent:
        """Valid designs and front of the best run."""
        return cloud_of(self.best) if self.best.valid else _nothing(self.best)

    @cached_property
    def importance(self) -> Sequence[Importance] | Absent:
        """Importance of the parameters in the best run."""
        return importance_of(self.best) if self.best.valid else _nothing(self.best)

    @cached_property
    def machines(self) -> Sequence[Machine] | Absent:
        """Published machines on the same workload."""
        return machines_of(self.best)

    @cached_property
    def command(self) -> list[str] | Absent:
        """The command line that makes the best run again."""
        return command_of(self.best)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for --json."""
        result = self.best.result
        return {
            "task": self.name,
            "runs": [run.as_dict() for run in self.runs],
            "best_run": str(self.best.run.path),
            "best": result["best"],
            "metrics": result["metrics"],
            "objectives": result["objectives"],
            "closest": result["closest"],
            "reasons": result["reasons"],
            "front": result["front"],
            "optimum": self.convergence.optimum,
            "convergence": _plain_curves(self.convergence),
            "operators": _plain(self.design.operators) if isinstance(self.design, BestDesign) else _plain(self.design),
            "roofline": _plain(self.design.roofline) if isinstance(self.design, BestDesign) else _plain(self.design),
            "importance": _plain(self.importance),
            "presets": _plain(self.machines),
            "command": _plain(self.command),
            "config": self.best.run.config,
        }


@dataclass(frozen=True)
class ReportData:
    """A report on runs of one task or several."""

    tasks: tuple[TaskData, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for --json."""
        return {"tasks": [task.as_dict() for task in self.tasks]}


def report_data(paths: Sequence[str | Path]) -> ReportData:
    """Read runs, or directories of runs.

    Raises:
        RunError: a path that is neither, or a damaged run; ArchGymError: a run of what this installation does not have.
    """
    runs = [read_run(path) for _, path in found_runs([Path(path) for path in paths])]
    names = dict.fromkeys(run.task for run in runs)
    return ReportData(tuple(_task(name, [run for run in runs if run.task == name]) for name in names))


def _task(name: str, runs: Sequence[RunData]) -> TaskData:
    request = runs[0].request
    truth = None
    if len(request.objective) > 1 and all(run.current for run in runs):
        known = known_optimum(request.evaluator, request.objective, request.space)
        truth = known.front_objectives if known else None
    convergence = convergence_of(runs, truth)
    best = min(range(len(runs)), key=lambda number: convergence.ends[number])
    return TaskData(name, tuple(runs), convergence, runs[best])


def _nothing(run: RunData) -> Absent:
    """Why a run has no design to show."""
    result = run.result
    trials = f"None of {result['evaluated']:,} designs is"
    if result["closest"] is None:
        reasons = ", ".join(f"{name} {count:,}" for name, count in result["reasons"].items())
        return Absent(f"{trials} feasible ({reasons}).")
    missed = "; ".join(f"{miss['constraint']}, closest {miss['value']:.4g}" for miss in result["closest"]["missed"])
    return Absent(f"{trials} within the constraints ({missed}).")


def _plain_curves(convergence: Convergence) -> dict[str, Any]:
    lines = [
        {name: None if value is None or isinstance(value, str) else value.tolist() for name, value in line.items()}
        | {"name": line["name"]}
        for line in (curve._asdict() for curve in convergence.curves)
    ]
    return {"measure": convergence.measure, "true_front": convergence.true_front, "curves": lines}


def _plain(value: Any) -> Any:
    """Records of a report as plain values; what is absent says why."""
    if isinstance(value, Absent):
        return {"absent": value.why}
    if isinstance(value, list | tuple) and not hasattr(value, "_asdict"):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    if hasattr(value, "_asdict"):
        return _plain(value._asdict())
    if hasattr(value, "__dataclass_fields__"):
        return _plain(asdict(value))
    return None if isinstance(value, float) and not math.isfinite(value) else value
