"""Which parameters mattered: permutation importance on a random forest of the objective.

A forest learns the logarithm of the objective from the valid designs of a run; a parameter's importance is what its R2
on held-out designs loses when that parameter's column is shuffled. It speaks of the region that the agent visited, and
no better than the forest does: hence the held-out R2 beside it.

Source: L. Breiman, "Random forests", Machine Learning 45, 2001, section 10.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from archgym.errors import missing_extra
from archgym.objective import FloatArray
from archgym.reports.absent import Absent
from archgym.reports.cloud import evenly, indices_in, picked
from archgym.reports.runs import RunData
from archgym.space import Indices

FEWEST = 100  # distinct valid designs that a forest is worth fitting to
MOST = 3000  # designs it is fitted to and judged by
HELD_OUT = 0.25
TREES, REPEATS = 64, 5
SEED = 0


@dataclass(frozen=True)
class Importance:
    """Importance for one objective.

    Attributes:
        objective: its text.
        parameters: that vary among the designs.
        values, spread: loss of R2 when a parameter is shuffled, mean and standard deviation over shuffles.
        r2: of the forest on the held-out designs.
        designs, held_out: numbers of designs that it was fitted to, and judged by.
        logarithmic: it was fitted to the objective's logarithm.
    """

    objective: str
    parameters: tuple[str, ...]
    values: tuple[float, ...]
    spread: tuple[float, ...]
    r2: float
    designs: int
    held_out: int
    logarithmic: bool


def importance_of(run: RunData) -> Sequence[Importance] | Absent:
    """Importance of the parameters for each objective of a run.

    Raises:
        MissingExtraError: scikit-learn is not installed.
    """
    rows = evenly(np.flatnonzero(np.isfinite(run.objectives).all(axis=1)), MOST)
    indices, first = np.unique(indices_in(picked(run, rows), run.request.space), axis=0, return_index=True)
    if len(indices) < FEWEST:
        return Absent(
            f"The run has {len(indices)} distinct valid designs; a forest that tells parameters apart needs at least "
            f"{FEWEST}."
        )
    varied = np.flatnonzero(indices.max(axis=0) > indices.min(axis=0))
    names = tuple(run.request.space.names[column] for column in varied)
    points = run.objectives[rows[first]]
    pairs = zip(run.request.objective.names, points.T, strict=True)
    return [_importance(objective, names, indices[:, varied], values) for objective, values in pairs]


def _importance(objective: str, names: tuple[str, ...], indices: Indices, values: FloatArray) -> Importance:
    try:
        from sklearn.ensemble import RandomForestRegressor
        from sklearn.inspection import permutation_importance
        from sklearn.model_selection import train_test_split
    except ImportError as error:
        raise missing_extra("importance of parameters", "plots", error) from error
    logarithmic = bool((values > 0).all())
    learnt = np.log10(values) if logarithmic else values
    x, x_held, y, y_held = train_test_split(indices, learnt, test_size=HELD_OUT, random_state=SEED)
    forest = RandomForestRegressor(TREES, max_features=1 / 3, random_state=SEED).fit(x, y)
    found = permutation_importance(forest, x_held, y_held, n_repeats=REPEATS, random_state=SEED)
    order = np.argsort(-found.importances_mean)
    return Importance(
        objective=objective,
        parameters=tuple(names[i] for i in order),
        values=tuple(found.importances_mean[order].tolist()),
        spread=tuple(found.importances_std[order].tolist()),
        r2=float(forest.score(x_held, y_held)),
        designs=len(x),
        held_out=len(x_held),
        logarithmic=logarithmic,
    )
