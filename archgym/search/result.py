"""What a search has to say: while it runs (Progress), when it ends (SearchResult), and when it is stopped."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from archgym.errors import RunError
from archgym.metrics import metric_names
from archgym.objective import FloatArray, Objective
from archgym.search.run import load_run
from archgym.search.tally import Tally
from archgym.search.trials import frame
from archgym.space import DesignSpace, Indices, Value

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


@dataclass(frozen=True)
class Progress:
    """Where a search (or an enumeration) stands.

    Attributes:
        evaluated: designs so far, of `budget`.
        best: smallest first objective of a valid design, infinite when there is none.
        designs_per_s: since this process began.
        elapsed_s: since this process began.
        feasible_share: feasible designs over all.
        front_size: designs on the front; 0 with one objective.
    """

    evaluated: int
    budget: int
    best: float
    designs_per_s: float
    elapsed_s: float
    feasible_share: float
    front_size: int


@dataclass(frozen=True)
class Times:
    """Seconds a search took, over all processes that had a part in it: in the cost model, in the agent, in all."""

    model_s: float = 0.0
    agent_s: float = 0.0
    elapsed_s: float = 0.0


@dataclass(frozen=True)
class SearchResult:
    """The outcome of a search.

    Attributes:
        objective: text of each expression.
        best: values of the valid design with the smallest first objective; None when no design was valid.
        metrics, objectives, index, trial: of the best design; None without one.
        front_indices, front_objectives: [F, P] and [F, K], the non-dominated valid designs by first objective; with
            one objective the best design alone.
        evaluated, distinct, repeated, infeasible, violating: numbers of designs; `violating` are feasible ones
            outside a constraint, `reasons` tells the infeasible ones apart.
        closest: without a valid design, the feasible one of least violation: design, metrics, violation, and the
            constraints it misses with its value and the bound.
        optimum: the true smallest first objective, where it is known by enumeration.
        regret: best / optimum - 1; None where the optimum is unknown.
        path: run directory; None for a search in memory.
    """

    environment: str
    workload: str
    cost_model: str
    agent: str
    seed: int
    budget: int
    objective: list[str]
    space: DesignSpace
    best: dict[str, Value] | None
    metrics: dict[str, float] | None
    objectives: list[float] | None
    index: Indices | None
    trial: int | None
    front_indices: Indices
    front_objectives: FloatArray
    evaluated: int
    distinct: int
    repeated: int
    infeasible: int
    violating: int
    reasons: dict[str, int]
    closest: dict[str, Any] | None
    times: Times
    optimum: float | None = None
    regret: float | None = None
    path: Path | None = None
    tables: list[pa.Table] = field(default_factory=list, repr=False)

    @property
    def trials(self) -> pd.DataFrame:
        """All trials: from the run directory, or from memory."""
        return frame(self.tables) if self.path is None else load_run(self.path).trials

    def as_dict(self) -> dict[str, Any]:
        """Plain values for result.json and --json."""
        names = ("environment", "workload", "cost_model", "agent", "seed", "budget")
        found = ("objective", "best", "metrics", "objectives")
        counts = ("trial", "evaluated", "distinct", "repeated", "infeasible", "violating", "reasons", "closest")
        designs = self.space.values(self.space.decode(self.front_indices)) if len(self.front_indices) else []
        front = [
            {"design": design, "objectives": point}
            for design, point in zip(designs, self.front_objectives.tolist(), strict=True)
        ]
        return {name: getattr(self, name) for name in names + found + counts} | {
            "optimum": self.optimum,
            "regret": self.regret,
            "elapsed_s": self.times.elapsed_s,
            "model_s": self.times.model_s,
            "agent_s": self.times.agent_s,
            "path": None if self.path is None else str(self.path),
            "front": front,
        }


class Interrupted(RunError):
    """A search was stopped by Ctrl-C or SIGTERM; what it had done is saved.

    Attributes:
        path: the run directory to resume; None for a search in memory.
        result: what was found so far.
    """

    def __init__(self, result: SearchResult, saved: int) -> None:
        self.path, self.result = result.path, result
        kept = f"; {saved} are saved in {result.path}" if result.path else ""
        super().__init__(f"interrupted after {result.evaluated} of {result.budget} designs{kept}")


def plain_metrics(metrics: np.ndarray) -> dict[str, float]:
    """The float64 columns of one design [1] by name."""
    return {name: float(metrics[name][0]) for name in metric_names(metrics)}


def closest_design(tally: Tally, objective: Objective) -> dict[str, Any] | None:
    """The feasible design of least violation, and which constraints it misses; None when nothing was feasible."""
    leader = tally.closest
    if leader.index is None or leader.metrics is None:
        return None
    missed = []
    for constraint in objective.constraints:
        if constraint.violation(leader.metrics)[0] > 0:
            value = float(constraint.expression(leader.metrics)[0])
            missed.append({"constraint": str(constraint), "value": value, "bound": constraint.bound})
    return {
        "design": tally.space.values(tally.space.decode(leader.index[None]))[0],
        "metrics": plain_metrics(leader.metrics),
        "violation": leader.value,
        "missed": missed,
    }
