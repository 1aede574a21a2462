"""One search of a sweep, in a worker of Ray: an ordinary run in an ordinary run directory, which tells Tune how it is.

Whether it begins, goes on or is there already is seen in the directory alone, so that a trial which is tried again, on
this node or another, goes on where the one before stopped.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from pathlib import Path
from typing import Any

import filelock
from ray import tune

from archgym.errors import ArchGymError, InputError, MissingExtraError, RunError
from archgym.search.compare import Job
from archgym.search.loop import resume_search
from archgym.search.result import Interrupted, Progress
from archgym.search.run import CONFIG, LOCK, load_run
from archgym.sweeps.directory import SWEEP

STEP = 0.05  # of the budget between reports
HANDOVER_S = 30.0  # for the process of a killed sweep to let go of its run
HOPELESS = (InputError, MissingExtraError, RunError)  # trying again does not help

EVALUATED, BEST, ERROR = "evaluated", "best", "error"  # what is reported
UNTIL = "until"  # of the configuration of a trial: designs after which a member of a population pauses


def config_of(job: Job) -> dict[str, Any]:
    """A search as plain values, with what its process takes over from the command."""
    place = {"folder": str(job.path.parent), "directory": str(Path.cwd()), "command": sys.argv}
    return {"contestant": job.contestant, "path": str(job.path), "arguments": dict(job.arguments), **place}


def job_of_config(config: dict[str, Any]) -> Job:
    """The inverse of `config_of`."""
    return Job(config["contestant"], Path(config["path"]), config["arguments"])


def run_trial(config: dict[str, Any]) -> None:
    """Make, continue or keep one run; reports to Tune until it ends, or is stopped.

    Raises:
        Exception: what may pass when it is tried again: a fault of an agent, or of a cost model.
    """
    asked = config["job"]
    job = job_of_config(asked)
    try:
        _settle(asked)
        tune.report(_made(job, asked.get(UNTIL)))
    except Interrupted:  # by the scheduler; all is saved
        sys.exit(0)
    except HOPELESS as error:
        tune.report({EVALUATED: 0, BEST: float("inf"), ERROR: " ".join(str(error).split())})


def _settle(asked: dict[str, Any]) -> None:
    """Make this process one of the sweep.

    Raises:
        RunError: it does not see the directory of the sweep.
    """
    os.environ["ARCHGYM_THREADS"] = "1"
    sys.argv[:] = asked["command"]  # what config.json names
    with contextlib.suppress(OSError):  # a node may lack the directory of the command, where relative paths start
        os.chdir(asked["directory"])
    folder = Path(asked["folder"])
    if not (folder / SWEEP).exists():
        raise RunError(f"node {socket.gethostname()} does not see {folder / SWEEP}: put the sweep on a shared folder")


def _made(job: Job, until: int | None) -> dict[str, Any]:
    """The outcome of a run, made, continued or kept; so far, of one that pauses."""
    from archgym import api

    if not (job.path / CONFIG).exists():
        result = api.search(**job.arguments, out=job.path, on_progress=_Reports()).as_dict()
    else:
        _await_owner(job.path)
        again = {"threads": 1, "storage": job.arguments["storage"], "until": until}
        result = load_run(job.path).result or resume_search(job.path, _Reports(), **again).as_dict()
    best = result["objectives"][0] if result["objectives"] else float("inf")
    return {EVALUATED: result["evaluated"], BEST: best}


def _await_owner(path: Path) -> None:
    """Wait for the process of a sweep that was killed: it may live a moment longer than that."""
    with contextlib.suppress(filelock.Timeout), filelock.FileLock(path / LOCK, timeout=HANDOVER_S):
        pass


class _Reports:
    """Tells Tune every few percent of the budget; where Tune then ends the trial, the search is interrupted."""

    def __init__(self) -> None:
        self.next = 0.0

    def __call__(self, now: Progress) -> None:
        if not self.next <= now.evaluated < now.budget:  # its end is reported with the result
            return
        self.next = now.evaluated + STEP * now.budget
        try:
            tune.report({EVALUATED: now.evaluated, BEST: now.best})
        except SystemExit:
            raise KeyboardInterrupt from None


def reason(error: BaseException | None) -> str:
    """Why a trial failed for good, as one line."""
    from ray.exceptions import RayActorError

    if error is None or isinstance(error, RayActorError):
        return "its process died"
    cause = getattr(error, "cause", None) or error
    text = " ".join(str(cause).split())
    return text if isinstance(cause, ArchGymError) else f"{type(cause).__name__}: {text}".rstrip(": ")
