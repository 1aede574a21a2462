"""What an agent that models costs may know of its problem beside the space: features, metrics and the objective."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from archgym.envs.evaluator import Evaluator
from archgym.metrics import Metric
from archgym.objective import FloatArray, Objective, Outcome
from archgym.space import DesignSpace, Indices
from archgym.surrogates.features import Observer, Seen
from archgym.surrogates.surrogate import network_of


class View(NamedTuple):
    """A problem as surrogates see it.

    Attributes:
        environment: registry name.
        see: designs [N, P], and the space whose surrogates are to see them (None for this one), to what those see.
        metrics: what is known of each design after it was evaluated.
        dtype: record type of `metrics`, with `feasible` and `why`.
        objective: what is minimised under which constraints.
    """

    environment: str
    see: Callable[[Indices, DesignSpace | None], Seen]
    metrics: tuple[Metric, ...]
    dtype: np.dtype[np.void]
    objective: Objective

    def outcome(self, names: Sequence[str], values: FloatArray) -> Outcome:
        """Outcome of feasible designs of which some metrics [N, T] are predicted; the others are 0."""
        metrics = np.zeros(len(values), self.dtype)
        for name, column in zip(names, values.T, strict=True):
            metrics[name] = column
        metrics["feasible"] = True
        return self.objective(metrics)


def view_of(evaluator: Evaluator, objective: Objective, space: DesignSpace) -> View:
    """The view of a search."""
    network = network_of(evaluator.workload)

    def see(indices: Indices, whose: DesignSpace | None) -> Seen:
        observer = Observer(evaluator.family, evaluator.technology, evaluator.space if whose is None else whose)
        return observer.see(space.records(indices), network)

    return View(
        evaluator.family.name,
        see,
        tuple(evaluator.metrics),
        evaluator.dtype,
        objective,
    )
