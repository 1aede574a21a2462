"""A simulator as a cost model: wherever designs are evaluated, by the driver and its cache."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from archgym.envs.evaluator import Evaluator, model_hash
from archgym.metrics import Metric, metrics_dtype
from archgym.simulators import systolic
from archgym.simulators.driver import Job, Json, Program, answers, content_hash
from archgym.space import DesignSpace


class Simulator(Protocol):
    """What a simulator brings: how it is asked about designs, and what it makes of the answers.

    Attributes:
        ours: the equations on the same problem: family, scenario, workload, constants.
        cost_model: canonical spec.
        program: how it is run.
        space: the designs that it can express.
        metrics, reasons: columns of its answers, texts of their `why`.
    """

    ours: Evaluator
    cost_model: str
    program: Program
    space: DesignSpace
    metrics: tuple[Metric, ...]
    reasons: tuple[str, ...]

    def jobs(self, design: np.record) -> tuple[int, list[Job]]:
        """Why it cannot express a design (0 where it can), and what to ask about it."""
        ...

    def check(self, answer: Json) -> None:
        """Raise InputError for an answer that cannot be used."""
        ...

    def result(self, design: np.record, answers: Sequence[Json]) -> tuple[int, Sequence[float]]:
        """Why a design is infeasible (0 where it is not), and the values of its metrics, from the answers."""
        ...


class SimulatedEvaluator(Evaluator):
    """Metrics of a simulator."""

    def __init__(self, simulator: Simulator) -> None:
        ours = simulator.ours
        super().__init__(ours.family, ours.workload, ours.scenario, ours.threads)
        self.simulator, self.cost_model = simulator, simulator.cost_model
        self.space, self.metrics, self.reasons = simulator.space, simulator.metrics, simulator.reasons
        self.dtype = metrics_dtype(self.metrics)

    def identity(self) -> str:
        """Hash of the program, of how it is asked, and of our numbers, which fill in what it does not simulate."""
        program, asking = self.simulator.program, {inspect.getfile(type(self.simulator)), systolic.__file__}
        sources = [Path(path).read_bytes() for path in sorted(asking)]
        return content_hash([program.identity.encode(), model_hash(self.family).encode(), *sources])

    def compile(self) -> None:
        """There is nothing to get ready."""

    def _fill(self, designs: np.ndarray, out: np.ndarray) -> None:
        """Ask about all designs at once, so that simulations of different designs run side by side."""
        simulator, records = self.simulator, designs.view(np.recarray)
        asked = [simulator.jobs(design) for design in records]
        jobs = [job for why, listed in asked if not why for job in listed]
        told = iter(answers(simulator.program, jobs, self.threads, simulator.check))
        for row, (design, (why, listed)) in enumerate(zip(records, asked, strict=True)):
            values: Sequence[float] = ()
            if not why:
                why, values = simulator.result(design, [next(told) for _ in listed])
            for metric, value in zip(self.metrics, values if not why else [np.nan] * len(self.metrics), strict=True):
                out[row][metric.name] = value
            out[row]["feasible"], out[row]["why"] = not why, why
