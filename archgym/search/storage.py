"""Runs mirrored to Optuna studies, for its dashboard and its other tools.

The Parquet of a run is the record; a study is made from it, and can be made again. A mirror takes the tables of a run
in order, as they are written, and adds the trials that the study does not hold yet: so it catches up after whatever
befell it, and doing it twice adds nothing. A thread writes, so that a slow storage does not hold up the search.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import queue
import shlex
import threading
import time
import warnings
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import optuna
import pyarrow as pa
from optuna.study import Study, StudyDirection

from archgym.agents.tpe import quiet
from archgym.errors import ArchGymError, InputError
from archgym.search.backends import Backend, is_busy, opened, patiently, reason
from archgym.search.lineage import first_options
from archgym.search.places import Place, place_of, recorded, shortened
from archgym.search.request import Request, request_of
from archgym.search.run import NUMBERS, REQUEST, Run, load_run, own
from archgym.search.translation import TRIAL, Chosen, Translation
from archgym.search.trials import read_part

log = logging.getLogger(__name__)

CHUNK, DATABASE_CHUNK = 100, 20  # trials written at a time: nobody waits long for others, nor to see that it goes on
HANGS_S = 180  # without a trial written before the end of a search stops waiting for a storage that is not just busy
RUN = "run_id"  # user attribute of a study, by which a mirror knows its own


class Waiting(NamedTuple):
    """Trials that are to be written."""

    table: pa.Table
    begun: datetime
    step: timedelta


class Mirror:
    """The study of one run, while trials are added to it. Use `with mirror.of(run):`; leaving it waits for the thread.

    Args:
        place: the storage. One that other runs share is opened here, before there is a run directory.
        request: what the run was asked to do.

    Attributes:
        error: why nothing can be written now; None while all is well.

    Raises:
        InputError, MissingExtraError: as archgym.search.backends.opened.
    """

    def __init__(self, place: Place, request: Request) -> None:
        self.place, self.request = place, request
        self.error: Exception | None = None
        self._chosen = Chosen(request.budget, place.most, len(request.objective))
        self._translation = Translation(request)
        self._backend: Backend | None = None if place.own else opened(place)
        self._study: Study | None = None
        self._made = ""  # name of the study that this mirror made
        self._held: set[int] = set()
        self._told = False  # that something failed: once, for a busy storage fails often
        self._before = self._seen = self._given = self._done = 0
        self._pending: list[Waiting] = []
        self._queue: queue.SimpleQueue[Waiting | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="archgym-mirror", daemon=True)

    def of(self, run: Run) -> Mirror:
        """Make ready to take the trials of a run, from its first.

        Raises:
            InputError: the study cannot be made or read.
        """
        self._path, self._config = run.path, run.config
        created = datetime.fromisoformat(str(run.config["created"]))
        self._last = created.astimezone().replace(tzinfo=None)
        try:
            patiently(self._connect)
        except ArchGymError:
            raise
        except Exception as error:
            raise InputError(f"cannot write to the storage {self.place}: {reason(error)}") from error
        self._before = len(self._held)
        self._thread.start()
        return self

    def add(self, table: pa.Table, ended: float) -> None:
        """The next table of the run, and the time at which it was written, in seconds."""
        rows = self._chosen.rows(table)
        begun, self._last = self._last, datetime.fromtimestamp(ended)
        step = (self._last - begun) / max(len(rows), 1)
        self._seen += len(table)
        self._given += len(rows)
        chunk = DATABASE_CHUNK if self.place.is_url else CHUNK
        for start in range(0, len(rows), chunk):
            self._queue.put(Waiting(table.take(rows[start : start + chunk]), begun + start * step, step))

    @property
    def held(self) -> int:
        """Trials in the study."""
        return len(self._held)

    @property
    def new(self) -> int:
        """Trials in the study that this mirror has added."""
        return len(self._held) - self._before

    @property
    def missing(self) -> int:
        """Trials given to the mirror that the study does not hold."""
        return self._given - self._done

    def close(self) -> None:
        """Wait until all is written, nothing moves any more, or Ctrl-C; say so where trials are missing or left out."""
        self._queue.put(None)
        with contextlib.suppress(KeyboardInterrupt):
            self._wait()
        if self.missing:
            log.warning(
                "%s trials of %s are not in %s; all are in the run directory, and this adds them:\n  %s",
                f"{self.missing:,}", shortened(str(self._path)), self.place, self._remedy(),
            )  # fmt: skip
        elif self._chosen.every > 1:
            log.info("mirrored %s (in %s)", self._kept(), self.place)

    def _wait(self) -> None:
        """As long as trials are written, or the thread waits for its turn."""
        done, since = -1, 0.0
        while self._thread.is_alive():
            self._thread.join(0.2)
            if self._done != done or is_busy(self.error):
                done, since = self._done, time.monotonic()
            elif time.monotonic() - since > HANGS_S:
                break

    def _remedy(self) -> str:
        command = f"archgym mirror {shlex.quote(shortened(str(self._path)))}"
        return command if self.place.own else f"{command} --storage {shlex.quote(str(self.place))}"

    def _kept(self) -> str:
        return f"{self.held:,} of {self._seen:,} trials: {self._chosen}"

    def __enter__(self) -> Mirror:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self.close()

    # -- the thread

    def _work(self) -> None:
        """Write what comes; after a failure all that waits at the next checkpoint, and at the end for some time."""
        ended = False
        while not ended:
            listed = [self._queue.get()]
            while not self._queue.empty():
                listed.append(self._queue.get())
            ended = listed[-1] is None
            self._pending += [waiting for waiting in listed if waiting is not None]
            with contextlib.suppress(Exception):  # kept as `error`
                if ended:
                    patiently(lambda: self._attempt(self._finish))
                else:
                    self._attempt(self._catch_up)

    def _attempt(self, action: Callable[[Study], None]) -> None:
        """A failure is told once. The storage is opened anew at the next attempt, but a database that is just busy."""
        try:
            action(self._connect())
        except Exception as error:
            if not self._told:
                log.warning("cannot mirror to %s: %s; the search goes on", self.place, reason(error))
                self._told = True
            self.error = error
            if not (self.place.is_url and is_busy(error)):
                self._backend = self._study = None
            raise
        self.error = None

    def _catch_up(self, study: Study) -> None:
        while self._pending:
            self._write(study, self._pending[0])
            self._done += len(self._pending.pop(0).table)

    def _finish(self, study: Study) -> None:
        self._catch_up(study)
        if self._chosen.every > 1 and self.new:
            with self._opened().batch():
                study.set_user_attr("mirrored", self._kept())

    def _write(self, study: Study, waiting: Waiting) -> None:
        trials = self._translation.trials(*waiting)
        new = [trial for trial in trials if trial.user_attrs[TRIAL] not in self._held]
        if not new:
            return
        with self._opened().batch():
            for trial in new:  # each a transaction of its own in a database, which holds them as far as it came
                study.add_trial(trial)
                self._held.add(trial.user_attrs[TRIAL])

    def _opened(self) -> Backend:
        if self._backend is None:
            self._backend = opened(self.place)
        return self._backend

    def _connect(self) -> Study:
        """The study of the run, made or found, and the trials that it holds."""
        if self._study is None:
            try:
                backend = self._opened()
                with quiet(), backend.batch():
                    self._study = self._found(backend)
                    self._held = {trial.user_attrs[TRIAL] for trial in self._study.get_trials(deepcopy=False)}
            except BaseException:
                self._backend = self._study = None
                raise
        return self._study

    def _found(self, backend: Backend) -> Study:
        """The study of this run; a new one of its name, with some of its identity behind where the name is taken."""
        identity = identity_of(self._config)
        studies = backend.storage.get_all_studies()
        for known in studies:
            if known.user_attrs.get(RUN) == identity:
                return optuna.load_study(study_name=known.study_name, storage=backend.storage)
        own, apart = self._path.absolute().name, f"{self._path.absolute().name}-{identity[:8]}"
        taken = own in {known.study_name for known in studies} and own != self._made
        study = optuna.create_study(
            storage=backend.storage,
            study_name=apart if taken else own,
            directions=[StudyDirection.MINIMIZE] * len(self.request.objective),
            load_if_exists=taken or own == self._made,  # this run's, but a failure came before it was described
        )
        self._made = study.study_name
        self._describe(study, identity)
        return study

    def _describe(self, study: Study, identity: str) -> None:
        request, evaluator = self.request, self.request.evaluator
        attributes = {
            "environment": evaluator.name,
            "workload": evaluator.workload.name,
            "cost_model": evaluator.cost_model,
            "agent": request.agent_spec,
            "seed": request.seed,
            "budget": request.budget,
            "constraints": ", ".join(map(str, request.objective.constraints)),
            "run": str(self._path.absolute()),
            "archgym": self._config["archgym"],
            "mirrored": str(self._chosen),
            RUN: identity,  # the last: a study that has it is whole
        }
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            study.set_metric_names(request.objective.names)
        for key, value in attributes.items():
            study.set_user_attr(key, value)


def identity_of(config: Mapping[str, Any]) -> str:
    """Tells runs of one name apart: what was asked for, of which numbers, and when."""
    keys = ("created", *REQUEST, *NUMBERS)
    begun = {**config, "options": first_options(config)}
    return hashlib.sha256(json.dumps([begun.get(key) for key in keys]).encode()).hexdigest()[:16]


def mirror_run(path: str | Path, storage: str | None = None) -> Mirror:
    """Add the trials of a run to an Optuna storage that it does not hold yet.

    Args:
        path: run directory.
        storage: as archgym.search.places; what the run's config.json names where None.

    Raises:
        RunError: not a run directory, or a search is writing it.
        InputError, MissingExtraError: a storage that cannot be opened.
        ArchGymError: it could not take all trials.
    """
    run = load_run(path)
    place = place_of(recorded(run.config) if storage is None else storage, run.path)
    if place is None:
        raise InputError(f"{path} is not mirrored: name a storage, e.g. journal")
    mirror, lock = Mirror(place, request_of(run)), own(run.path)
    try:
        with mirror.of(run):
            for part in run.parts():
                mirror.add(read_part(part), part.stat().st_mtime)
    finally:
        lock.release()
    if mirror.missing:
        raise ArchGymError(f"{mirror.missing:,} trials of {path} are not in {place}")
    return mirror
