"""The best designs of a run, evaluated again by another cost model, a simulator as a rule."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from archgym.costmodels import build
from archgym.errors import InputError
from archgym.metrics import metric_names
from archgym.objective import FloatArray, Objective, Outcome
from archgym.problem import require_able
from archgym.search.request import Request, request_of
from archgym.search.run import Run, load_run
from archgym.search.tally import Front
from archgym.space import Indices, Value


@dataclass(frozen=True)
class Verified:
    """One design by both.

    Attributes:
        trial: first trial of the run that it was.
        run, other: metrics and objectives by name; `other` holds those alone that the other cost model tells.
        why: why the other cost model says nothing of it; empty where it does.
    """

    trial: int
    design: dict[str, Value]
    run: dict[str, float]
    other: dict[str, float]
    why: str = ""


@dataclass(frozen=True)
class Agreement:
    """How far two cost models agree on a metric of some designs.

    Attributes:
        designs: evaluated by both.
        ratio: geometric mean of the other's number over the run's; NaN where one is not positive.
        low, high: least and largest ratio.
        rank_correlation: Spearman's; NaN for fewer than three designs, or equal numbers.
    """

    metric: str
    designs: int
    ratio: float
    low: float
    high: float
    rank_correlation: float


@dataclass(frozen=True)
class Verification:
    """The best designs of a run by two cost models.

    Attributes:
        cost_model, other: specs: the run's, and the one that it was verified with.
        designs: best first; along the front where there are several objectives.
        agreement: of every metric and objective that both tell.
    """

    path: str
    environment: str
    workload: str
    cost_model: str
    other: str
    objective: list[str]
    designs: list[Verified]
    agreement: list[Agreement]


def verify(run: str | Path, cost_model: str, top: int = 5, threads: int | None = None) -> Verification:
    """Evaluate the best distinct valid designs of a run by another cost model.

    Args:
        run: run directory.
        cost_model: spec of the other cost model, e.g. `scalesim`.
        top: designs, at most; spread along the front where there are several objectives.
        threads: of the other cost model; for a simulator, processes at once.

    Raises:
        RunError: no run, or a damaged one; InputError: no valid design, or one that the other cost model cannot take.
        SimulationError: a simulation failed; those that were done are kept.
    """
    if top < 1:
        raise InputError(f"the number of designs to verify must be at least 1, not {top}")
    loaded = load_run(run)
    request = request_of(loaded)
    ours = request.evaluator
    other = build(cost_model, ours.family, ours.workload, ours.scenario, threads)
    require_able(other, request.space.names)
    ranks = _best(loaded, request, top)
    if not len(ranks):
        raise InputError(f"{loaded.path} holds no valid design to verify")
    trials, indices, metrics = _first_trials(loaded, request, ranks)
    designs = request.space.values(request.space.decode(indices))
    told = other.evaluate_designs(np.concatenate([other.space.design(values) for values in designs]))
    rows = []
    for trial, values, mine, theirs in zip(trials.tolist(), designs, metrics, told, strict=True):
        why = other.why(int(theirs["why"])) if theirs["why"] else ""
        known = {} if why else _numbers(request.objective, theirs)
        rows.append(Verified(trial, values, _numbers(request.objective, mine), known, why))
    names = [name for name in rows[0].run if any(name in row.other for row in rows)]
    agreement = [_agreement(name, [row for row in rows if name in row.other]) for name in names]
    return Verification(
        str(loaded.path), ours.name, ours.workload.name, ours.cost_model, other.cost_model, request.objective.names,
        rows, agreement,
    )  # fmt: skip


def _outcomes(run: Run, request: Request) -> Iterator[tuple[int, Indices, Outcome]]:
    """Number of the first trial, designs and outcome of part after part."""
    done = 0
    for table in run.tables():
        indices, outcome = request.columns.read(table)
        yield done, indices, outcome
        done += len(indices)


def _best(run: Run, request: Request, top: int) -> NDArray[np.int64]:
    """Ranks of the best distinct valid designs; of several objectives as many of the front, evenly spread."""
    if len(request.objective) > 1:
        front = Front(len(request.objective))
        for _, indices, outcome in _outcomes(run, request):
            front.add(request.space.rank(indices[outcome.valid]), outcome.objectives[outcome.valid])
        ranks = front.merge().ranks
        return ranks[np.unique(np.linspace(0, len(ranks) - 1, min(top, len(ranks))).round().astype(np.int64))]
    best = pd.Series(dtype=np.float64)
    for _, indices, outcome in _outcomes(run, request):
        ranks, values = request.space.rank(indices[outcome.valid]), outcome.objectives[outcome.valid, 0]
        both = pd.concat([best, pd.Series(values, ranks)]) if len(best) else pd.Series(values, ranks)
        best = both[~both.index.duplicated()].sort_values(kind="stable")[:top]
    return best.index.to_numpy(np.int64)


def _first_trials(
    run: Run, request: Request, ranks: NDArray[np.int64]
) -> tuple[NDArray[np.int64], Indices, np.recarray]:
    """Trial, indices and metrics of designs where the run came upon them first."""
    trials, metrics = np.full(len(ranks), -1), np.empty(len(ranks), request.evaluator.dtype)
    for first, indices, outcome in _outcomes(run, request):
        known = request.space.rank(indices)
        for row in np.flatnonzero(trials < 0):
            for found in np.flatnonzero(known == ranks[row])[:1]:
                trials[row], metrics[row] = first + found, outcome.metrics[found]
    return trials, request.space.unrank(ranks), metrics.view(np.recarray)


def _numbers(objective: Objective, metrics: np.record) -> dict[str, float]:
    """Metrics and objectives of one design; objectives that need metrics which are not there are left out."""
    values = {name: float(metrics[name]) for name in metric_names(np.asarray(metrics))}
    for expression in objective.expressions:
        if all(name in values for name in expression.names):
            values.setdefault(expression.text, expression.of(values))
    return values


def _agreement(name: str, rows: Sequence[Verified]) -> Agreement:
    run, other = _column(name, [row.run for row in rows]), _column(name, [row.other for row in rows])
    positive = bool((run > 0).all() and (other > 0).all())
    ratios = other / run if positive else np.full(len(rows), np.nan)
    varied = len(rows) > 2 and np.ptp(run) > 0 and np.ptp(other) > 0
    correlation = np.corrcoef(pd.Series(run).rank(), pd.Series(other).rank())[0, 1] if varied else np.nan
    mean = np.exp(np.log(ratios).mean())
    return Agreement(name, len(rows), *map(float, (mean, ratios.min(), ratios.max(), correlation)))


def _column(name: str, rows: Sequence[Mapping[str, Any]]) -> FloatArray:
    return np.array([row[name] for row in rows], np.float64)
