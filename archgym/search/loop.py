"""The one loop: ask an agent for designs, evaluate them, tell it their outcome; save all of it now and then."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.lib.recfunctions import structured_to_unstructured

from archgym.agents.base import Agent
from archgym.envs.evaluator import Evaluator
from archgym.errors import ArchGymError, InputError, RunError
from archgym.metrics import metric_names
from archgym.objective import Objective, Outcome
from archgym.search.optimum import known_optimum, regret
from archgym.search.request import Request, new_request, request_of
from archgym.search.result import Interrupted, Progress, SearchResult, Times, closest_design, plain_metrics
from archgym.search.run import RunDirectory, Saved, load_run
from archgym.search.tally import Tally
from archgym.space import DesignSpace, Indices

if TYPE_CHECKING:
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

    Raises:
        InputError: an argument that cannot be used.
        RunError: `out` is in use, damaged, holds another run, or holds a run and `resume` is False.
        Interrupted: Ctrl-C; all is saved.
        ArchGymError: the agent or the cost model misbehaved.
    """
    if resume and out is None:
        raise InputError("there is nothing to resume without a run directory")
    request = new_request(evaluator, objective, agent, budget, seed, space)
    return _run(request, None if out is None else Path(out), resume, on_progress, checkpoint_s)


def _view(request: Request) -> View:
    """The problem as surrogates see it; imported by those agents alone that ask for it."""
    from archgym.surrogates.view import view_of

    return view_of(request.evaluator, request.objective, request.space)


def resume_search(
    path: str | Path, on_progress: OnProgress | None = None, checkpoint_s: float = 2.0, threads: int | None = None
) -> SearchResult:
    """Continue the run in a directory, as its config.json says.

    Raises:
        RunError, Interrupted, ArchGymError: as `search`.
    """
    return _run(request_of(load_run(path), threads), Path(path), True, on_progress, checkpoint_s)


def _run(
    request: Request, path: Path | None, resume: bool, on_progress: OnProgress | None, checkpoint_s: float
) -> SearchResult:
    agent = request.new_agent()  # before the directory: an agent that cannot be built leaves none behind
    if request.evaluator.explains:
        agent.relief = request.evaluator.family.relief
        agent.breakdown = lambda index: request.evaluator.breakdown(request.space.decode(index[None]))
    agent.view = lambda: _view(request)
    request.evaluator.compile()
    if path is None:
        return _Loop(request, agent, None, on_progress, checkpoint_s).run()
    with RunDirectory(path, request.config(), resume) as directory:
        return _Loop(request, agent, directory, on_progress, checkpoint_s).run()


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
    ) -> None:
        self.request, self.agent, self.directory = request, agent, directory
        self.on_progress, self.checkpoint_s = on_progress, checkpoint_s
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
            except (KeyError, ValueError, TypeError) as error:
                raise RunError(f"{path} is damaged: it does not hold trials of this search ({error})") from None
            if len(indices) and table["trial"][0].as_py() != self.tally.evaluated:
                raise RunError(f"{path} is damaged: it does not begin at trial {self.tally.evaluated}")
            self.tally.add(indices, outcome)
        try:
            self.agent.load(saved.agent)
        except (KeyError, ValueError, TypeError, IndexError) as error:
            raise RunError(f"{directory.path / 'state.npz'} does not fit agent {self.request.agent}: {error}") from None
        self.parts = saved.parts
        self.before = Times(saved.model_s, saved.agent_s, saved.elapsed_s)

    def run(self) -> SearchResult:
        """Spend the budget."""
        try:
            with _deferred_interrupt() as interrupted:
                while self.tally.evaluated < self.request.budget:
                    self._step()
                    if interrupted.is_set():
                        raise KeyboardInterrupt
                    self._save_if_due()
                    self._report()
                self._checkpoint()
                result = self._result()
                if self.directory is not None:
                    self.directory.finish(result.as_dict())
                self._report(last=True)
                return result
        except KeyboardInterrupt:
            if self.settled:
                self._checkpoint()
            raise Interrupted(self._result(), self.tally.evaluated - self.n_waiting) from None

    def _step(self) -> None:
        """One batch: ask, evaluate, tell."""
        n = min(self.agent.batch, self.request.budget - self.tally.evaluated)
        begin = time.perf_counter()
        self.settled = False
        indices = self._checked(self.agent.ask(n), n)
        asked = time.perf_counter()
        metrics = self.request.evaluator.evaluate_designs(self.request.space.decode(indices))
        outcome = self.request.objective(metrics)
        _require_finite(self.request.space, indices, outcome)
        judged = time.perf_counter()
        self.agent.tell(indices, outcome)
        told = time.perf_counter()
        self.tally.add(indices, outcome)
        self.waiting.append((indices, outcome))
        self.n_waiting += len(indices)
        self.settled = True
        self.model_s += judged - asked
        self.agent_s += (asked - begin) + (told - judged)

    def _checked(self, indices: Any, n: int) -> Indices:
        """What the agent proposed, refused unless it is 1 to n designs of the space."""
        try:
            checked = self.request.space.check(indices)
        except InputError as error:
            raise ArchGymError(f"agent {self.request.agent!r} proposed no designs of the space: {error}") from None
        if not 1 <= len(checked) <= n:
            raise ArchGymError(f"agent {self.request.agent!r} proposed {len(checked)} designs when asked for 1 to {n}")
        return checked

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
        self.parts += 1
        self.waiting, self.n_waiting = [], 0
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
        request, tally, best = self.request, self.tally, self.tally.best
        known = known_optimum(request.evaluator, request.objective, request.space)
        optimum = known.value if known else None
        index, metrics = best.index, best.metrics
        objectives = None if metrics is None else request.objective.measure(metrics)[0]
        front_indices = np.empty((0, len(request.space)), np.int64) if index is None else index[None]
        front_objectives = np.empty((0, len(request.objective))) if objectives is None else objectives
        if len(request.objective) > 1:
            front_indices = request.space.unrank(tally.front.merge().ranks)
            front_objectives = tally.front.points
        return SearchResult(
            environment=request.evaluator.name,
            workload=request.evaluator.workload.name,
            cost_model=request.evaluator.cost_model,
            agent=request.agent_spec,
            seed=request.seed,
            budget=request.budget,
            objective=request.objective.names,
            space=request.space,
            best=None if index is None else request.space.values(request.space.decode(index[None]))[0],
            metrics=None if metrics is None else plain_metrics(metrics),
            objectives=None if objectives is None else objectives[0].tolist(),
            index=index,
            trial=None if index is None else best.trial,
            front_indices=front_indices,
            front_objectives=front_objectives,
            evaluated=tally.evaluated,
            distinct=tally.distinct,
            repeated=tally.evaluated - tally.distinct,
            infeasible=tally.infeasible,
            violating=tally.violating,
            reasons={self.columns.codes[why]: n for why, n in sorted(tally.why.items()) if why},
            closest=None if index is not None else closest_design(tally, request.objective),
            times=self._times(),
            optimum=optimum,
            regret=None if optimum is None or index is None else regret(best.value, optimum),
            path=None if self.directory is None else self.directory.path,
            tables=self.tables,
        )


def _joined(outcomes: list[Outcome]) -> Outcome:
    """Outcomes of batch after batch as one."""
    names = ("metrics", "rewards", "objectives", "violation")
    return Outcome(*(np.concatenate([np.asarray(getattr(o, name)) for o in outcomes]) for name in names))


def _require_finite(space: DesignSpace, indices: Indices, outcome: Outcome) -> None:
    """Refuse a design that is flagged feasible but has a metric that is no number: a fault of the cost model."""
    metrics = np.asarray(outcome.metrics)
    names = metric_names(metrics)
    finite = np.isfinite(structured_to_unstructured(metrics[names]))
    wrong = np.argwhere(metrics["feasible"][:, None] & ~finite)
    if len(wrong):
        row, column = wrong[0]
        design = space.values(space.decode(indices[row : row + 1]))[0]
        listed = ", ".join(f"{name}={value}" for name, value in design.items())
        raise ArchGymError(f"the cost model gives {names[column]}={metrics[names[column]][row]} for {listed}")
    if not np.isfinite(outcome.rewards).all():
        raise ArchGymError("the objective gives a reward that is no finite number")


@contextlib.contextmanager
def _deferred_interrupt() -> Iterator[threading.Event]:
    """Let Ctrl-C wait for the end of a batch, when the agent can be saved; a second one acts at once.

    Only where Python's own handler is in place: a program that handles Ctrl-C itself keeps doing so.
    """
    event = threading.Event()
    ours = threading.current_thread() is threading.main_thread()
    if not (ours and signal.getsignal(signal.SIGINT) is signal.default_int_handler):
        yield event
        return

    def defer(_number: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        event.set()

    signal.signal(signal.SIGINT, defer)
    try:
        yield event
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
