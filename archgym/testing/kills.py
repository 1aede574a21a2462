"""What a run directory must satisfy: a search killed at any moment loses nothing that was acknowledged, and goes on.

Acknowledged is a trial once the checkpoint that holds it has returned. A victim is a fork of this process, so that it
costs milliseconds to start; it needs a POSIX system.
"""

from __future__ import annotations

import os
import signal
import struct
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from archgym.errors import RunError
from archgym.search.files import SCRATCH
from archgym.search.result import SearchResult
from archgym.search.run import CONFIG, RunDirectory, Saved, load_run
from archgym.testing.agents import require

Search = Callable[[Path, bool], SearchResult]  # (run directory, resume), always the same search
AGAIN = 0.3  # of the resumed searches are killed as well
SLOWER = 1.01  # the duration is taken for that much longer after each kill: the machine's load may change
VARYING = ("path", "elapsed_s", "model_s", "agent_s")  # in the result: what no two runs have in common


class Victim(NamedTuple):
    """A search in another process: trials that it acknowledged, whether it was killed, and how long it lived."""

    acknowledged: int
    killed: bool
    seconds: float


@dataclass
class Kills:
    """What befell the victims.

    Attributes:
        moments: runs killed at a random moment.
        again: of these, killed a second time after they had been resumed.
        ended: runs that ended just before their moment, and were replaced.
        before_any: killed before the first checkpoint of their process.
        acknowledged, beyond: trials acknowledged by killed victims, and found in their directories beyond those.
        scratch: killed victims that left half a file beside its place.
    """

    moments: int = 0
    again: int = 0
    ended: int = 0
    before_any: int = 0
    acknowledged: int = 0
    beyond: int = 0
    scratch: int = 0


def check_kills(search: Search, folder: Path, moments: int, seed: int = 0) -> Kills:
    """Kill a search at random moments, uniform over its duration, and resume it.

    Args:
        search: makes the run; its checkpoints should be frequent.
        folder: for the runs.
        moments: number of runs that are killed.
        seed: of the moments.

    Raises:
        AssertionError: an acknowledged trial is lost, a file torn, or a resumed run ends with other trials.
    """
    rng, kills = np.random.default_rng(seed), Kills()
    whole = search(folder / "whole", False)
    duration = _victim(search, folder / "timed", None, False).seconds
    while kills.moments < moments:
        path = folder / f"killed-{kills.moments}-{kills.ended}"
        victim = _kill(search, path, rng.uniform(0, duration), whole, kills)
        if not victim.killed:  # it had ended: take another moment
            kills.ended += 1
            duration = victim.seconds
            continue
        kills.moments += 1
        duration *= SLOWER
        if rng.random() < AGAIN:
            kills.again += _kill(search, path, rng.uniform(0, duration / 2), whole, kills).killed
        _resume(search, path, whole)
        require(not list(path.rglob(f"*{SCRATCH}")), f"{path} holds half a file after it was resumed")
    return kills


def same(one: SearchResult, other: SearchResult) -> bool:
    """Whether two searches had the same trials and the same outcome, bit for bit."""
    mine, its = ({k: v for k, v in each.as_dict().items() if k not in VARYING} for each in (one, other))
    return bool(one.trials.equals(other.trials)) and mine == its


def _resume(search: Search, path: Path, whole: SearchResult) -> None:
    """End a search that was killed, which must end as the one that was not."""
    try:
        alike = same(search(path, path.is_dir()), whole)
    except RunError as error:
        raise AssertionError(f"{path} was killed and cannot be resumed: {error}") from error
    require(alike, f"{path} was killed and resumed, and ended otherwise")


def _kill(search: Search, path: Path, after_s: float, whole: SearchResult, kills: Kills) -> Victim:
    """Kill one victim and look at what it left."""
    victim = _victim(search, path, after_s, path.is_dir())
    if victim.killed:
        _look(path, victim.acknowledged, whole, kills)
    return victim


def _look(path: Path, acknowledged: int, whole: SearchResult, kills: Kills) -> None:
    """Hold what a victim left against what it acknowledged."""
    kills.before_any += acknowledged == 0
    kills.acknowledged += acknowledged
    kills.scratch += any(path.rglob(f"*{SCRATCH}"))
    if not (path / CONFIG).exists():
        require(acknowledged == 0, f"{path} has acknowledged {acknowledged} trials, but holds no run")
        return
    try:
        trials = load_run(path).trials
    except RunError as error:
        raise AssertionError(f"a killed search left a torn file: {error}") from error
    require(len(trials) >= acknowledged, f"{path} holds {len(trials)} trials of {acknowledged} acknowledged ones")
    require(len(trials) == 0 or trials.equals(whole.trials[: len(trials)]), f"the trials in {path} are other ones")
    kills.beyond += len(trials) - acknowledged


def _victim(search: Search, path: Path, after_s: float | None, resume: bool) -> Victim:
    """Search in another process, killed after some seconds."""
    reader, writer = os.pipe()
    began = time.perf_counter()
    child = os.fork()
    if child == 0:
        os._exit(_search_and_tell(search, path, resume, writer))
    os.close(writer)
    if after_s is not None:
        time.sleep(after_s)
        os.kill(child, signal.SIGKILL)
    with os.fdopen(reader, "rb") as pipe:
        told = pipe.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    require(status in (0, -signal.SIGKILL), f"the search in {path} failed by itself")
    counts = struct.unpack(f"{len(told) // 8}q", told[: len(told) // 8 * 8])
    return Victim(max(counts, default=0), status != 0, time.perf_counter() - began)


def _search_and_tell(search: Search, path: Path, resume: bool, writer: int) -> int:
    """What the victim does: search, and write the number of trials into a pipe after every checkpoint."""
    checkpoint = RunDirectory.checkpoint

    def told(self: RunDirectory, table: Any | None, saved: Saved) -> None:
        checkpoint(self, table, saved)
        os.write(writer, struct.pack("q", saved.trials))

    RunDirectory.checkpoint = told  # type: ignore[method-assign]  # this process has nothing else to do
    try:
        search(path, resume)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0
