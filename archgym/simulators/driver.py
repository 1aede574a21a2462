"""The one driver of all simulators: requests in, answers out, from the disk or from processes of their own.

A program reads one JSON object from its standard input and prints one. Each request gets a process group and a
temporary directory, and a limit on its time; several run at once. An answer is kept on disk under the hash of program
and request, whole or not at all; failures are not kept.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import signal
import subprocess
import textwrap
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NoReturn

from archgym.envs.evaluator import cache_dir
from archgym.errors import ArchGymError, InputError, RunError
from archgym.search.files import write_json

log = logging.getLogger(__name__)

Json = dict[str, Any]  # one JSON object
LIMIT = "ARCHGYM_SIMULATION_TIMEOUT_S"
DEFAULT_LIMIT_S = 3600.0
SHOWN = 300  # characters of what a program printed, in an error


class SimulationError(ArchGymError):
    """A simulator that failed, took too long or gave no answer that can be used."""


@dataclass(frozen=True)
class Program:
    """How a simulator is run.

    Attributes:
        name: in messages, and the directory of its answers.
        command: argument vector, absolute paths in it.
        identity: of all that its answers depend on beside the request: version, files.
        variables: names and values of its environment, beside those of this process.
    """

    name: str
    command: tuple[str, ...]
    identity: str
    variables: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Job:
    """A request, and what it is about in words."""

    request: Json
    about: str


def answers(program: Program, jobs: Sequence[Job], workers: int, check: Callable[[Json], None]) -> list[Json]:
    """The answer of each job; equal requests are run once.

    Args:
        program: the simulator.
        jobs: what to ask it.
        workers: processes at once.
        check: raises InputError for an answer that cannot be used.

    Raises:
        SimulationError: names the first job that failed; answers that came before it are kept.
    """
    paths = [_path(program, job.request) for job in jobs]
    found = {path: kept for path in set(paths) if (kept := _kept(path)) is not None}
    missing = {path: job for path, job in zip(paths, jobs, strict=True) if path not in found}
    if missing:
        log.info("%s: %d new simulations, %d at a time", program.name, len(missing), min(workers, len(missing)))
        found |= _Crew(program, check).run(missing, workers)
    return [found[path] for path in paths]


def asked(program: Program, job: Job, check: Callable[[Json], None]) -> Json:
    """The answer to one question, which is not kept.

    Raises:
        SimulationError: there is none that can be used.
    """
    return _Crew(program, check).ask(job)


def time_limit_s() -> float:
    """Seconds that one simulation may take: `$ARCHGYM_SIMULATION_TIMEOUT_S`, else an hour.

    Raises:
        InputError: it is no positive number.
    """
    text = os.environ.get(LIMIT) or str(DEFAULT_LIMIT_S)
    with contextlib.suppress(ValueError):
        if 0 < (seconds := float(text)) <= threading.TIMEOUT_MAX:
            return seconds
    raise InputError(f"{LIMIT} must be a number of seconds, not {text!r}")


def content_hash(parts: Iterable[bytes]) -> str:
    """Short identity of some contents."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()[:16]


def _path(program: Program, request: Json) -> Path:
    """Where the answer is kept."""
    asked = json.dumps([program.identity, request], sort_keys=True)
    name = hashlib.sha256(asked.encode()).hexdigest()[:32]
    return cache_dir() / "simulations" / program.name / name[:2] / f"{name}.json"


def _kept(path: Path) -> Json | None:
    """An answer that is kept; None where there is none, or its file is damaged."""
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


class _Crew:
    """The processes of one call: all of them are gone when it ends, however it ends."""

    def __init__(self, program: Program, check: Callable[[Json], None]) -> None:
        self.program, self.check, self.limit_s = program, check, time_limit_s()
        self._lock, self._running, self._over = threading.Lock(), set[subprocess.Popen[bytes]](), False

    def run(self, jobs: Mapping[Path, Job], workers: int) -> dict[Path, Json]:
        """The answers by where they are kept."""
        pool = ThreadPoolExecutor(min(workers, len(jobs)))
        try:
            futures = {pool.submit(self._kept_answer, path, job): path for path, job in jobs.items()}
            return {futures[future]: future.result() for future in as_completed(futures)}
        finally:  # also on Ctrl-C
            self._stop()
            pool.shutdown(cancel_futures=True)

    def _stop(self) -> None:
        with self._lock:
            self._over = True
            for process in self._running:
                _kill(process)

    def ask(self, job: Job) -> Json:
        """One answer."""
        answer = self._parsed(job, *self._run(job))
        try:
            self.check(answer)
        except InputError as error:
            self._fail(job, f"gave an answer that cannot be used: {error}")
        return answer

    def _kept_answer(self, path: Path, job: Job) -> Json:
        answer = self.ask(job)
        with contextlib.suppress(OSError, RunError):  # a full disk is no reason to lose the answer
            path.parent.mkdir(parents=True, exist_ok=True)
            write_json(path, answer)
        return answer

    def _run(self, job: Job) -> tuple[int, bytes, bytes]:
        """Exit code, standard output and error of one process."""
        with TemporaryDirectory(prefix="archgym-", ignore_cleanup_errors=True) as place:
            with self._started(job, place) as process:
                try:
                    out, err = process.communicate(json.dumps(job.request).encode(), self.limit_s)
                except subprocess.TimeoutExpired:
                    self._fail(job, f"takes longer than {self.limit_s:g} s (set {LIMIT} to change that)")
                finally:
                    with self._lock:
                        self._running.discard(process)
                        _kill(process)
            return process.returncode, out, err

    def _started(self, job: Job, place: str) -> subprocess.Popen[bytes]:
        variables = os.environ | dict(self.program.variables) | {"TMPDIR": place}
        pipe = subprocess.PIPE
        with self._lock:  # or a process could start behind the back of `_stop`
            if self._over:
                self._fail(job, "was stopped")
            try:
                process = subprocess.Popen(
                    self.program.command, stdin=pipe, stdout=pipe, stderr=pipe, cwd=place, env=variables,
                    start_new_session=True,  # a group to kill as a whole, which Ctrl-C in a terminal leaves to us
                )  # fmt: skip
            except OSError as error:
                self._fail(job, f"cannot be started: {error}")
            self._running.add(process)
        return process

    def _parsed(self, job: Job, code: int, out: bytes, err: bytes) -> Json:
        if code:
            how = f"signal {-code} ({signal.strsignal(-code)})" if code < 0 else f"exit code {code}"
            self._fail(job, f"failed with {how}: {_last_lines(err) or _last_lines(out) or 'it printed nothing'}")
        try:
            answer = json.loads(out, parse_constant=_no_number)
        except ValueError as error:
            self._fail(job, f"must print one JSON object, but {error}; it printed: {_first_lines(out) or 'nothing'}")
        if not isinstance(answer, dict):
            self._fail(job, f"must print one JSON object, not: {_first_lines(out)}")
        return answer

    def _fail(self, job: Job, what: str) -> NoReturn:
        raise SimulationError(f"simulator {self.program.name!r} {what} [{job.about}]") from None


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a process that has not ended, and all that it started."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON number")


def _first_lines(printed: bytes) -> str:
    return textwrap.shorten(printed.decode(errors="replace"), SHOWN, placeholder=" ...")


def _last_lines(printed: bytes) -> str:
    """The end of a traceback says more than its beginning."""
    text = " ".join(printed.decode(errors="replace").split())
    return text if len(text) <= SHOWN else "... " + text[-SHOWN:]
