"""One run as a report sees it: its request, its result, and the objectives of its trials.

A run that is not finished has the result of its trials so far, under the names of result.json.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from archgym.errors import RunError
from archgym.objective import FloatArray
from archgym.search import curves
from archgym.search.compare import contestant_of, same_numbers, task_of
from archgym.search.conclude import result_of
from archgym.search.optimum import known_optimum, regret
from archgym.search.request import Request, request_of
from archgym.search.result import Times
from archgym.search.run import Run, load_run
from archgym.search.tally import Tally


@dataclass(frozen=True)
class RunData:
    """One run.

    Attributes:
        run: the directory, read.
        task: environment, workload, objectives and constraints, in words: runs of one task can be compared.
        contestant: the agent and its options.
        request: what was asked for.
        current: its trials were evaluated with the numbers that the cost model has today.
        finished: its budget is spent.
        result: as result.json.
        objectives: [N, K] of all trials in order; infinite where a design is not valid.
        optimum: the true smallest first objective, where it is known.
    """

    run: Run
    task: str
    contestant: str
    request: Request
    current: bool
    finished: bool
    result: Mapping[str, Any]
    objectives: FloatArray
    optimum: float | None

    @property
    def best(self) -> float | None:
        """Its smallest first objective; None without a valid design."""
        return self.result["objectives"][0] if self.result["objectives"] else None

    @property
    def regret(self) -> float | None:
        """How far that is above the true optimum, relative to it; None where one of them is not known."""
        return None if self.best is None or self.optimum is None else regret(self.best, self.optimum)

    @property
    def valid(self) -> int:
        """Trials that are feasible and within all constraints."""
        return int(self.result["evaluated"] - self.result["infeasible"] - self.result["violating"])

    def as_dict(self) -> dict[str, Any]:
        """Plain values for --json: the row of the overview."""
        config, result = self.run.config, self.result
        counts = ("evaluated", "distinct", "infeasible", "violating", "elapsed_s", "model_s", "agent_s")
        return {
            "path": str(self.run.path),
            "agent": self.contestant,
            "seed": config["seed"],
            "budget": config["budget"],
            "finished": self.finished,
            "best": self.best,
            "regret": self.regret,
            "front": len(result["front"]),
            "valid": self.valid,
        } | {name: result[name] for name in counts}


def read_run(path: Path) -> RunData:
    """Read one run.

    Raises:
        RunError: damaged, or before its first trials; ArchGymError: it names what this installation does not have.
    """
    run = load_run(path)
    if not run.parts():
        raise RunError(f"{path} holds no trials yet")
    request = request_of(run)
    current = same_numbers([run], request)
    known = known_optimum(request.evaluator, request.objective, request.space) if current else None
    result = run.result
    return RunData(
        run=run,
        task=task_of(run),
        contestant=contestant_of(path),
        request=request,
        current=current,
        finished=result is not None,
        result=so_far(run, request) if result is None else result,
        objectives=curves.objectives_of(run.tables(), len(request.objective)),
        optimum=known.value if known else None if result is None else result["optimum"],
    )


def so_far(run: Run, request: Request) -> dict[str, Any]:
    """What result.json would say of the trials that are there.

    Raises:
        RunError: trials that do not fit the request.
    """
    tally, saved = Tally(request.space, len(request.objective)), run.saved()
    try:
        for table in run.tables():
            tally.add(*request.columns.read(table))
    except (KeyError, ValueError) as error:
        raise RunError(f"{run.path} is damaged: it does not hold trials of its search ({error})") from None
    times = Times(saved.model_s, saved.agent_s, saved.elapsed_s) if saved else Times()
    return result_of(request, tally, times, run.path).as_dict()
