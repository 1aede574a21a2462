"""Trials of a run as trials of Optuna: which of them, and what each says there."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState

from archgym.metrics import metric_names
from archgym.search.request import Request
from archgym.search.tally import Front
from archgym.search.trials import Columns, metric_column
from archgym.space import Parameter

TRIAL = "trial"  # user attribute: its number in the run, by which a mirror knows what is there already
_PARTS = ("energy_", "area_")  # metrics that break down energy_j and area_mm2 stay in the Parquet


class Chosen:
    """Which trials of a run are mirrored: all, or an even sample, the improvements, and the front at each checkpoint.

    Attributes:
        every: of how many trials the sample takes one.
    """

    def __init__(self, budget: int, most: int, n_objectives: int) -> None:
        self.every = math.ceil(budget / most)
        self._best, self._front = np.inf, Front(n_objectives)

    def rows(self, table: pa.Table) -> NDArray[np.int64]:
        """Positions [n] of the chosen trials in the next table of the run."""
        trials = table["trial"].to_numpy()
        valid = table["violation"].to_numpy() == 0
        points = [table[name].to_numpy() for name in table.column_names if name.startswith("objective_")]
        chosen = trials % self.every == 0
        if len(points) == 1:
            values = np.where(valid, points[0], np.inf)
            best = np.minimum.accumulate(np.append(self._best, values))
            chosen |= values < best[:-1]
            self._best = best[-1]
        else:
            self._front.add(trials[valid], np.stack(points, axis=1)[valid])
            chosen |= np.isin(trials, self._front.merge().ranks)
        return np.flatnonzero(chosen)

    def __str__(self) -> str:
        return "all" if self.every == 1 else f"1 in {self.every:,}, the improvements and the front"


class Translation:
    """Rows of a run's tables as finished Optuna trials."""

    def __init__(self, request: Request) -> None:
        self.columns: Columns = request.columns
        self.constraints = request.objective.constraints
        self.distributions = {parameter.name: distribution(parameter) for parameter in request.space.parameters}
        used = [*request.objective.expressions, *(constraint.expression for constraint in self.constraints)]
        asked = {"energy_j", "area_mm2", *(name for expression in used for name in expression.names)}
        names = metric_names(np.empty(0, self.columns.metrics))
        kept = [name for name in names if name in asked or not name.startswith(_PARTS)]
        self.metrics = [metric_column(name, request.space) for name in kept]

    def trials(self, table: pa.Table, begun: datetime, step: timedelta) -> list[FrozenTrial]:
        """Trials that took a step of time each, one after the other."""
        _, outcome = self.columns.read(table)
        violations = [constraint.violation(outcome.metrics).tolist() for constraint in self.constraints]
        return [
            self._trial(row, values, [column[n] for column in violations], begun + n * step, begun + (n + 1) * step)
            for n, (row, values) in enumerate(zip(table.to_pylist(), outcome.objectives.tolist(), strict=True))
        ]

    def _trial(
        self, row: dict[str, Any], values: list[float], violations: list[float], begun: datetime, ended: datetime
    ) -> FrozenTrial:
        """A design without objectives is pruned: it was given up before there were any."""
        complete = math.isfinite(row["violation"])
        attributes = {TRIAL: row["trial"], "feasible": row["feasible"]}
        if complete:
            attributes |= {name: row[name] for name in self.metrics}
        else:
            attributes["why"] = row["why"] or "an objective is no finite number"
        trial = FrozenTrial(
            number=-1,
            trial_id=-1,
            state=TrialState.COMPLETE if complete else TrialState.PRUNED,
            value=None,
            values=values if complete else None,
            datetime_start=begun,
            datetime_complete=ended,
            params={name: row[name] for name in self.distributions},
            distributions=self.distributions,
            user_attrs=attributes,
            system_attrs={"constraints": violations} if complete and violations else {},  # optuna-dashboard reads this
            intermediate_values={},
        )
        if complete:
            for constraint, violation in zip(self.constraints, violations, strict=True):
                trial.set_constraint(str(constraint), violation)  # and Optuna 5 this
        return trial


def distribution(parameter: Parameter) -> BaseDistribution:
    """The values of a parameter: text, or a range of numbers, logarithmic where its choices grow rather by a factor."""
    if parameter.kind == "categorical":
        return CategoricalDistribution([str(choice) for choice in parameter.choices])
    codes = np.array(parameter.codes)
    log_scale = False
    if codes[0] > 0 and len(codes) > 2:
        steps, factors = np.diff(codes), codes[1:] / codes[:-1]
        log_scale = bool(factors.max() / factors.min() < steps.max() / steps.min())
    if all(isinstance(choice, int) for choice in parameter.choices):
        return IntDistribution(int(codes[0]), int(codes[-1]), log=log_scale)
    return FloatDistribution(float(codes[0]), float(codes[-1]), log=log_scale)
