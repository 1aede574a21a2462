"""Where a sweep stands: what Tune tells of its trials, put together for the live table and the summary."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
from ray import cloudpickle, tune

from archgym.search.compare import Job
from archgym.sweeps.summary import Row, is_finished, is_stopped, mark_stopped, rows_of, write_summary
from archgym.sweeps.trial import BEST, ERROR, EVALUATED, UNTIL, job_of_config, reason

PROGRESS_S = 0.25  # between calls of on_progress


@dataclass(frozen=True)
class Running:
    """A run that is being made: designs so far, of its budget, and its best objective."""

    name: str
    evaluated: int
    budget: int
    best: float


@dataclass(frozen=True)
class SweepProgress:
    """Where a sweep stands.

    Attributes:
        total: runs of the sweep.
        finished, stopped, failed: of them, those done before included.
        running: now.
        elapsed_s: since this process began.
    """

    total: int
    finished: int
    stopped: int
    failed: int
    running: tuple[Running, ...]
    elapsed_s: float


OnSweep = Callable[[SweepProgress], None]


class Watch(tune.Callback):  # type: ignore[misc]  # Ray is not typed
    """What Tune tells of trials, put together.

    Attributes:
        jobs: searches known so far, by the name of their run.
        finished, stopped: names of runs that have spent their budget, and that a scheduler has given up.
        errors: of runs that failed.
        ended: names of runs that ended since this process began.
    """

    def __init__(self, folder: Path, jobs: Sequence[Job], total: int, on_progress: OnSweep | None) -> None:
        self.folder, self.total, self.on_progress = folder, total, on_progress
        self.jobs = {job.path.name: job for job in jobs}
        self.finished = {name for name, job in self.jobs.items() if is_finished(job)}
        self.stopped = {name for name, job in self.jobs.items() if is_stopped(job)}
        self.errors: dict[str, str] = {}
        self.ended: set[str] = set()
        self.running: dict[str, Running] = {}
        self.began = self.told = time.monotonic()

    def __getstate__(self) -> dict[str, Any]:
        """Tune may save the callback: it is of no use to anybody."""
        return {}

    def rows(self) -> list[Row]:
        """The rows of the summary as it stands."""
        return rows_of(self.jobs.values(), self.errors)

    def write(self) -> pa.Table:
        """Write the summary."""
        return write_summary(self.folder, self.rows())

    def tell(self) -> None:
        """Call on_progress."""
        self.told = time.monotonic()
        if self.on_progress is not None:
            counts = (self.total, len(self.finished), len(self.stopped), len(self.errors))
            self.on_progress(SweepProgress(*counts, tuple(self.running.values()), self.told - self.began))

    def broken(self, job: Job, why: str) -> None:
        """A run is not made any further, since others failed."""
        if job.path.name not in self.finished:
            self.errors.setdefault(self._end(job), why)

    # -- called by Tune

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """Now and then, whatever happens."""
        if time.monotonic() - self.told >= PROGRESS_S:
            self.tell()

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A run begins, or is tried again."""
        job = self._job(trial)
        if job.path.name not in self.ended:  # Tune may tell of the first trial's start after its end
            name, budget = job.path.name, job.arguments["budget"]
            self.running.setdefault(name, Running(name, 0, budget, math.inf))

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """A run reports."""
        name = self._job(trial).path.name
        if name in self.running and EVALUATED in result:
            self.running[name] = replace(self.running[name], evaluated=result[EVALUATED], best=result[BEST])

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A run has spent its budget, cannot be made, pauses, or is stopped by the scheduler."""
        job = self._job(trial)
        if error := trial.last_result.get(ERROR):
            self.errors[self._end(job)] = error
        elif is_finished(job):
            self.finished.add(self._end(job))
        elif UNTIL not in trial.config["job"]:
            self.stopped.add(self._end(job))
            mark_stopped(job)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """A run has failed for good."""
        self.errors[self._end(self._job(trial))] = _reason(trial)

    def _end(self, job: Job) -> str:
        name = job.path.name
        self.running.pop(name, None)
        self.ended.add(name)
        return name

    def _job(self, trial: Any) -> Job:
        """The search of a trial, known from now on."""
        job = job_of_config(trial.config["job"])
        return self.jobs.setdefault(job.path.name, job)


def _reason(trial: Any) -> str:
    """Why a trial of Tune failed, as one line."""
    path = trial.pickled_error_file
    return reason(cloudpickle.loads(Path(path).read_bytes()) if path and Path(path).exists() else None)
