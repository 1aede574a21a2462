"""The result of the trials that a tally has seen: of a whole search, or of one that is not finished."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from archgym.search.optimum import known_optimum, regret
from archgym.search.request import Request
from archgym.search.result import SearchResult, Times, closest_design, plain_metrics
from archgym.search.tally import Tally

if TYPE_CHECKING:
    import pyarrow as pa


def result_of(
    request: Request, tally: Tally, times: Times, path: Path | None = None, tables: Sequence[pa.Table] = ()
) -> SearchResult:
    """What a search has found.

    Args:
        request: of the search.
        tally: of its trials.
        times: that it took.
        path: run directory; None for a search in memory, whose trials are `tables`.
    """
    known = known_optimum(request.evaluator, request.objective, request.space)
    optimum, best = known.value if known else None, tally.best
    index, metrics = best.index, best.metrics
    objectives = None if metrics is None else request.objective.measure(metrics)[0]
    front_indices = np.empty((0, len(request.space)), np.int64) if index is None else index[None]
    front_objectives = np.empty((0, len(request.objective))) if objectives is None else objectives
    if len(request.objective) > 1:
        front_indices = request.space.unrank(tally.front.merge().ranks)
        front_objectives = tally.front.points
    return SearchResult(
        environment=request.evaluator.name,
        workload=request.evaluator.workload.name,
        cost_model=request.evaluator.cost_model,
        agent=request.agent_spec,
        seed=request.seed,
        budget=request.budget,
        objective=request.objective.names,
        space=request.space,
        best=None if index is None else request.space.values(request.space.decode(index[None]))[0],
        metrics=None if metrics is None else plain_metrics(metrics),
        objectives=None if objectives is None else objectives[0].tolist(),
        index=index,
        trial=None if index is None else best.trial,
        front_indices=front_indices,
        front_objectives=front_objectives,
        evaluated=tally.evaluated,
        distinct=tally.distinct,
        repeated=tally.evaluated - tally.distinct,
        infeasible=tally.infeasible,
        violating=tally.violating,
        reasons={request.columns.codes[why]: n for why, n in sorted(tally.why.items()) if why},
        closest=None if index is not None else closest_design(tally, request.objective),
        times=times,
        optimum=optimum,
        regret=None if optimum is None or index is None else regret(best.value, optimum),
        path=path,
        tables=list(tables),
    )
