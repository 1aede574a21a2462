"""The valid designs of a run in the plane of what is traded off, and its front among them.

A run of a million trials is thinned to an even sample in their order, to which the front is added: a page can show
thousands of points, not millions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from archgym.objective import FloatArray, Objective
from archgym.reports.runs import RunData
from archgym.search.request import Request
from archgym.search.trials import metric_column
from archgym.space import DesignSpace, Indices

MOST = 3000  # valid designs shown
MOST_FRONT = 1500  # designs of the front shown
MOST_AXES = 3  # of one objective


class Points(NamedTuple):
    """Designs: indices [n, P], objectives [n, K], and what is traded off [n, A]."""

    indices: Indices
    objectives: FloatArray
    values: FloatArray


@dataclass(frozen=True)
class Cloud:
    """What figures of many designs show.

    Attributes:
        space: of the designs.
        axes: what is traded off: the objectives, or the metrics that the only objective and its constraints are
            made of.
        names: of the objectives.
        sample: valid designs, all or an even sample of them, in the order of their trials.
        front: designs that no other of the run dominates; with one objective the best alone. All, or an even sample.
        valid, on_front: how many there are.
    """

    space: DesignSpace
    axes: tuple[str, ...]
    names: tuple[str, ...]
    sample: Points
    front: Points
    valid: int
    on_front: int

    @property
    def has_front(self) -> bool:
        """Whether designs are compared in several objectives."""
        return len(self.names) > 1


def cloud_of(run: RunData) -> Cloud:
    """The designs of a run that has a valid one."""
    request = run.request
    axes = axes_of(request.objective)
    rows = np.flatnonzero(np.isfinite(run.objectives).all(axis=1))
    front = run.result["front"]
    return Cloud(
        space=request.space,
        axes=axes,
        names=tuple(request.objective.names),
        sample=_sample(run, axes, evenly(rows, MOST)),
        front=_front(request, axes, [front[i] for i in evenly(np.arange(len(front)), MOST_FRONT)], run.result),
        valid=len(rows),
        on_front=len(front),
    )


def axes_of(objective: Objective) -> tuple[str, ...]:
    """What is traded off under an objective."""
    if len(objective) > 1:
        return tuple(objective.names)
    bounds = [name for constraint in objective.constraints for name in constraint.expression.names]
    own = objective.expressions[0].names
    return tuple(dict.fromkeys([*own, *(bounds if len(own) < 2 else [])]))[:MOST_AXES]


def evenly(rows: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """At most so many of some rows, evenly spread over them."""
    if len(rows) <= most:
        return rows
    return rows[np.linspace(0, len(rows) - 1, most).round().astype(np.int64)]


def picked(run: RunData, rows: NDArray[np.int64]) -> pa.Table:
    """Some trials of a run, given by increasing number, read part after part."""
    kept, begin = [], 0
    for table in run.run.tables():
        end = begin + len(table)
        inside = rows[(rows >= begin) & (rows < end)] - begin
        kept.append(table.take(pa.array(inside)))
        begin = end
    return pa.concat_tables(kept, promote_options="default").unify_dictionaries()


def indices_in(table: pa.Table, space: DesignSpace) -> Indices:
    """Indices [n, P] of the trials of a table."""
    return np.stack([table[f"i_{name}"].to_numpy().astype(np.int64) for name in space.names], axis=1)


def _sample(run: RunData, axes: Sequence[str], rows: NDArray[np.int64]) -> Points:
    table, space, objectives = picked(run, rows), run.request.space, run.objectives[rows]
    values = objectives
    if len(run.request.objective) == 1:
        values = np.stack([table[metric_column(name, space)].to_numpy() for name in axes], axis=1)
    return Points(indices_in(table, space), objectives, values)


def _front(
    request: Request, axes: Sequence[str], rows: Sequence[Mapping[str, Any]], result: Mapping[str, Any]
) -> Points:
    designs = np.concatenate([request.space.design(row["design"]) for row in rows])
    objectives = np.array([row["objectives"] for row in rows])
    values = objectives if len(request.objective) > 1 else np.array([[result["metrics"][name] for name in axes]])
    return Points(request.space.encode(designs), objectives, values)
