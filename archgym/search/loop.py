"""The one loop: ask an agent for designs, evaluate them, tell it their outcome; save all of it now and then."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from archgym.agents.base import Agent
from archgym.costmodels import prepare
from archgym.envs.evaluator import Evaluator
from archgym.errors import ArchGymError, InputError, RunError
from archgym.objective import Objective, Outcome
from archgym.search import guard, lineage
from archgym.search.conclude import result_of
from archgym.search.places import NONE, Place, place_of, recorded
from archgym.search.request import Request, new_request, request_of
from archgym.search.result import Interrupted, Progress, SearchResult, Times
from archgym.search.run import RunDirectory, Saved, load_run
from archgym.search.tally import Tally
from archgym.signals import checked_limit, deferred_stop
from archgym.space import DesignSpace, Indices

if TYPE_CHECKING:
    from archgym.search.storage import Mirror
    from archgym.surrogates.view import View

OnProgress = Callable[[Progress], None]

BUFFERED = 2**16  # designs held in memory at most before they are written
PROGRESS_S = 0.1  # between calls of on_progress
CHECKPOINT_SHARE = 0.02  # checkpoints grow rarer with the length of the run, so that parts stay few


def search(
    evaluator: Evaluator,
    objective: Objective,
    agent: str = "auto",
    budget: int | None = None,
    seed: int = 0,
    out: str | Path | None = None,
    resume: bool = False,
    space: DesignSpace | None = None,
    on_progress: OnProgress | None = None,
    checkpoint_s: float = 2.0,
    model_timeout_s: float | None = None,
    storage: str = NONE,
) -> SearchResult:
    """Search a design space.

    The designs evaluated depend on the arguments up to `seed` and on `space` alone: not on time, checkpoints or
    interruptions.

    Args:
        evaluator: environment, scenario and workload.
        objective: what to minimise, and the constraints.
        agent: spec `name?option=value`, or `auto` for the one that suits the budget.
        budget: designs to evaluate, repeats and infeasible ones included; the agent's own where None.
        seed: of the agent.
        out: run directory; None keeps everything in memory.
        resume: continue the run in `out`, which must have been made with the same arguments.
        space: a restriction of the environment's space.
        on_progress: called about ten times a second, and at the end.
        checkpoint_s: seconds between checkpoints, at least.
        model_timeout_s: seconds that the cost model may take for a batch; None for no limit. Only in the main thread,
            and compiled code is stopped once it returns to Python.
        storage: where the run is mirrored to, see archgym.search.places.

    Raises:
        InputError: an argument that cannot be used.
        RunError: `out` is in use, damaged, holds another run, or holds a run and `resume` is False.
        Interrupted: Ctrl-C or SIGTERM; all is saved.
        ArchGymError: the agent or the cost model failed, misbehaved or took too long; what was done before is saved.
    """
    if resume and out is None:
        raise InputError("there is nothing to resume without a run directory")
    if storage != NONE and out is None:
        raise InputError("a search in memory cannot be mirrored: give a run directory, too")
    request = new_request(evaluator, objective, agent, budget, seed, space)
    path = None if out is None else Path(out)
    return _run(request, path, resume, on_progress, checkpoint_s, model_timeout_s, storage)


def _view(request: Request) -> View:
    """The problem as surrogates see it; imported by those agents alone that ask for it."""
    from archgym.surrogates.view import view_of

    return view_of(request.evaluator, request.objective, request.space)


def resume_search(
    path: str | Path,
    on_progress: OnProgress | None = None,
    checkpoint_s: float = 2.0,
    threads: int | None = None,
    model_timeout_s: float | None = None,
    storage: str | None = None,
    until: int | None = None,
) -> SearchResult:
    """Continue the run in a directory, as its config.json says; mirrored elsewhere where a `storage` is given.

    Args:
        path: run directory.
        until: designs after which to pause; the whole budget when None.
        on_progress, checkpoint_s, threads, model_timeout_s, storage: as `search`.

    Raises:
        RunError, Interrupted, ArchGymError: as `search`.
    """
    run = load_run(path)
    place = recorded(run.config) if storage is None else storage
    request = request_of(run, threads)
    return _run(request, Path(path), True, on_progress, checkpoint_s, model_timeout_s, place, until)


def _mirror(place: Place, request: Request) -> Mirror:
    """A mirror at a place; Optuna is imported by searches that are mirrored alone."""
    from archgym.search.storage import Mirror

    return Mirror(place, request)


def _run(
    request: Request,
    path: Path | None,
    resume: bool,
    on_progress: OnProgress | None,
    checkpoint_s: float,
    model_timeout_s: float | None,
    storage: str,
    until: int | None = None,
) -> SearchResult:
    limit_s = checked_limit(model_timeout_s)
    agent = guard.new_agent(request)  # before the directory: an agent that cannot be built leaves none behind
    if request.evaluator.explains:
        agent.relief = request.evaluator.family.relief
        agent.breakdown = lambda index: request.evaluator.breakdown(request.space.decode(index[None]))
    agent.view = lambda: _view(request)
    prepare(request.evaluator)
    if path is None:
        return _Loop(request, agent, None, on_progress, checkpoint_s, limit_s).run()
    place = place_of(storage, path)
    mirror = None if place is None else _mirror(place, request)  # before the directory, too
    config = request.config() | {"storage": NONE if place is None else place.spec}
    with RunDirectory(path, config, resume) as directory:
        if until is None:
            lineage.require_alone(directory.run)
        with mirror.of(directory.run) if mirror else nullcontext():
            return _Loop(request, agent, directory, on_progress, checkpoint_s, limit_s, mirror, until).run()


class _Loop:
    """One search in progress.

    Attributes:
        settled: the agent stands between two batches, so that its state can be saved.
        waiting: batches told but not yet written.
    """

    def __init__(
        self,
        request: Request,
        agent: Agent,
        directory: RunDirectory | None,
        on_progress: OnProgress | None,
        checkpoint_s: float,
        limit_s: float | None,
        mirror: Mirror | None = None,
        until: int | None = None,
    ) -> None:
        self.request, self.agent, self.directory, self.mirror = request, agent, directory, mirror
        self.on_progress, self.checkpoint_s, self.limit_s = on_progress, checkpoint_s, limit_s
        self.until = request.budget if until is None else min(until, request.budget)
        self.columns = request.columns
        self.tally = Tally(request.space, len(request.objective))
        self.waiting: list[tuple[Indices, Outcome]] = []
        self.n_waiting = 0
        self.tables: list[pa.Table] = []  # of a search in memory
        self.settled = True
        self.parts = 0
        self.before = Times()
        if directory is not None and directory.saved is not None:
            self._restore(directory, directory.saved)
        self.at_start = self.tally.evaluated
        self.model_s = self.agent_s = 0.0
        self.started = self.reported = self.written = time.perf_counter()

    def _restore(self, directory: RunDirectory, saved: Saved) -> None:
        """Take up where the last state left off."""
        for path, table in zip(directory.run.parts(), directory.run.tables(), strict=True):
            try:
                indices, outcome = self.columns.read(table)
                self.request.space.check(indices)
                first = table["trial"][0].as_py() if len(table) else None
            except (KeyError, ValueError, TypeError) as error:
                raise RunError(f"{path} is damaged: it does not hold trials of this search ({error})") from None
            if first not in (None, self.tally.evaluated):
                raise RunError(f"{path} is damaged: it does not begin at trial {self.tally.evaluated}")
            self.tally.add(indices, outcome)
            if self.mirror is not None:
                self.mirror.add(table, path.stat().st_mtime)
        try:
            self.agent.load(saved.agent)
        except (KeyError, ValueError, TypeError, IndexError, AttributeError, RuntimeError, ArithmeticError) as error:
            raise RunError(f"{directory.path / 'state.npz'} does not fit agent {self.request.agent}: {error}") from None
        self.parts = saved.parts
        self.before = Times(saved.model_s, saved.agent_s, saved.elapsed_s)

    def run(self) -> SearchResult:
        """Spend the budget, or what is asked for of it."""
        try:
            with deferred_stop() as interrupted:
                while self.tally.evaluated < self.until:
                    self._step()
                    if interrupted.is_set():
                        raise KeyboardInterrupt
                    self._save_if_due()
                    self._report()
                self._checkpoint()
                result = self._result()
                if self.directory is not None and self.until == self.request.budget:
                    self.directory.finish(result.as_dict())
                self._report(last=True)
                return result
        except KeyboardInterrupt:  # or SIGTERM
            if self.settled:
                self._checkpoint()
            raise Interrupted(self._result(), self.tally.evaluated - self.n_waiting) from None
        except RunError:
            raise  # the directory cannot be written
        except ArchGymError as error:
            if self.settled:
                self._checkpoint()
            if self.directory is None or not self.parts:
                raise
            saved = f"{self.tally.evaluated - self.n_waiting} designs are saved in {self.directory.path}"
            raise ArchGymError(f"{error}; {saved}") from error

    def _step(self) -> None:
        """One batch: ask, evaluate, tell."""
        request = self.request
        n = min(self.agent.batch, self.until - self.tally.evaluated)
        begin, calls = time.perf_counter(), self.agent.asked
        try:
            indices = guard.ask(request, self.agent, n)
            asked = time.perf_counter()
            outcome = guard.judge(request, indices, self.limit_s)
            judged = time.perf_counter()
        except BaseException:
            self.agent.asked = calls  # asking teaches nothing: the agent stands between two batches, as before
            raise
        self.settled = False
        guard.tell(request, self.agent, indices, outcome)
        told = time.perf_counter()
        self.tally.add(indices, outcome)
        self.waiting.append((indices, outcome))
        self.n_waiting += len(indices)
        self.settled = True
        self.model_s += judged - asked
        self.agent_s += (asked - begin) + (told - judged)

    def _save_if_due(self) -> None:
        now = time.perf_counter()
        pause = max(self.checkpoint_s, CHECKPOINT_SHARE * (now - self.started))
        if self.n_waiting >= BUFFERED or (self.directory is not None and now - self.written >= pause):
            self._checkpoint()

    def _checkpoint(self) -> None:
        """Write what is waiting, and the agent's state."""
        if not self.waiting:
            return
        indices = np.concatenate([indices for indices, _ in self.waiting])
        outcome = _joined([outcome for _, outcome in self.waiting])
        table = self.columns.table(self.tally.evaluated - self.n_waiting, indices, outcome)
        if self.directory is None:
            self.tables.append(table)
        else:
            times = self._times()
            saved = Saved(self.agent.state(), self.tally.evaluated, self.parts + 1, **vars(times))
            self.directory.checkpoint(table, saved)
            if self.mirror is not None:
                self.mirror.add(table, time.time())
        self.parts, self.waiting, self.n_waiting = self.parts + 1, [], 0  # at once: Ctrl-C may come between lines
        self.written = time.perf_counter()

    def _times(self) -> Times:
        before, elapsed = self.before, time.perf_counter() - self.started
        return Times(before.model_s + self.model_s, before.agent_s + self.agent_s, before.elapsed_s + elapsed)

    def _report(self, last: bool = False) -> None:
        now = time.perf_counter()
        if self.on_progress is None or (now - self.reported < PROGRESS_S and not last):
            return
        self.reported, tally, elapsed = now, self.tally, now - self.started
        self.on_progress(
            Progress(
                evaluated=tally.evaluated,
                budget=self.request.budget,
                best=tally.best.value,
                designs_per_s=(tally.evaluated - self.at_start) / max(elapsed, 1e-9),
                elapsed_s=elapsed,
                feasible_share=tally.feasible / max(tally.evaluated, 1),
                front_size=len(tally.front),
            )
        )

    def _result(self) -> SearchResult:
        path = None if self.directory is None else self.directory.path
        return result_of(self.request, self.tally, self._times(), path, self.tables)


def _joined(outcomes: list[Outcome]) -> Outcome:
    """Outcomes of batch after batch as one."""
    names = ("metrics", "rewards", "objectives", "violation")
    return Outcome(*(np.concatenate([np.asarray(getattr(o, name)) for o in outcomes]) for name in names))
