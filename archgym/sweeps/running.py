"""A sweep, run: Ray Tune makes the runs that are missing, one thread each, on this machine or a cluster.

Tune starts processes, spreads trials over them, tries failed ones again and stops those that its scheduler gives up.
It keeps nothing that matters: the state of a sweep are its run directories and sweep.json, so a sweep that was
interrupted, killed or lost a node is continued by making what is missing.
"""

from __future__ import annotations

import contextlib
import logging
import math
import os
import shutil
import signal
import socket
import tempfile
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import ray
from ray import tune
from ray.tune.schedulers import ASHAScheduler
from ray.tune.search import Searcher

from archgym.envs.evaluator import default_threads
from archgym.errors import InputError, RunError
from archgym.sweeps.directory import owned
from archgym.sweeps.population import Populations, groups_of, segments_of, write_audit
from archgym.sweeps.settings import Settings, base_of, begun_settings
from archgym.sweeps.summary import FAILED, FINISHED, as_rows
from archgym.sweeps.sweep import ASHA, OPTUNA, Sweep, jobs_of, tasks_of
from archgym.sweeps.trial import BEST, EVALUATED, config_of, run_trial
from archgym.sweeps.watch import OnSweep, Watch

SCRATCH = ".ray"  # what Tune writes, in the directory of the sweep while it runs
FIRST_RUNG = 0.1  # share of the budget that every run is given by ASHA
REDUCTION = 3  # of those that reach a rung of ASHA, one in so many goes on
ANSWER_S = 10.0  # for a cluster to answer
OBJECT_STORE = 10**8  # bytes: trials pass hardly any

DRIVER = {  # Ray speaks to nobody, since what matters is in the summary, and its processes are no less than others
    "RAY_worker_niceness": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
}
WORKER = {  # one thread per trial, and a stopped one may save itself
    **dict.fromkeys(("ARCHGYM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
    "TUNE_FUNCTION_THREAD_TIMEOUT_S": "60",
}


@dataclass(frozen=True)
class SweepResult:
    """What came of a sweep.

    Attributes:
        path: its directory.
        summary: one row per run that has begun; see summary.py for the columns.
    """

    path: Path
    summary: pa.Table

    @property
    def failed(self) -> list[dict[str, Any]]:
        """The rows of the runs that failed."""
        return [row for row in self.summary.to_pylist() if row["status"] == FAILED]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for --json."""
        return {"path": str(self.path), "runs": as_rows(self.summary)}


class SweepInterrupted(RunError):
    """A sweep was stopped by Ctrl-C or SIGTERM; what it had done is kept.

    Attributes:
        result: what there is.
        total: runs that there are to be.
    """

    def __init__(self, result: SweepResult, total: int) -> None:
        self.result, self.total = result, total
        done = sum(status == FINISHED for status in result.summary["status"].to_pylist())
        super().__init__(f"interrupted after {done} of {total} runs, which are kept in {result.path}")


def run_sweep(
    sweep: Sweep,
    folder: Path,
    address: str | None = None,
    workers: int | None = None,
    on_progress: OnSweep | None = None,
) -> SweepResult:
    """Make the runs of a sweep that are missing.

    Args:
        sweep: what to make.
        folder: its directory; what it holds of the same sweep is kept.
        address: of a Ray cluster, `auto` or host:port; this machine alone when None.
        workers: runs at a time; all cores, or all of the cluster, when None.
        on_progress: called about four times a second.

    Raises:
        InputError, MissingExtraError: something is wrong with the sweep, found before anything starts.
        RunError: the directory is in use, or holds something else.
        SweepInterrupted: Ctrl-C or SIGTERM.
    """
    folder = Path(os.path.abspath(folder))  # links stay: nodes may share the path and not where it leads
    _check(address, workers)
    tasks = tasks_of(sweep)
    base = base_of(sweep, tasks[0], folder) if sweep.searcher == OPTUNA else None
    groups = groups_of(sweep, tasks, folder)
    members = [job for group in groups for job in group.jobs]
    jobs = begun_settings(base) if base else members or jobs_of(sweep, tasks, folder)
    total = len(jobs) if base is None else sweep.hyperparameters
    with owned(folder, sweep):
        watch = Watch(folder, jobs, total, on_progress)
        left = [job for job in jobs if job.path.name not in watch.finished | watch.stopped]
        missing = total - len(jobs) + len(left)
        with contextlib.suppress(KeyboardInterrupt):
            if missing:
                if base is not None:
                    work = Work(missing, searcher=Settings(base, watch.rows(), total))
                elif groups:
                    work = Work(segments_of(groups), searcher=Populations(groups, watch.broken))
                else:
                    work = Work(1, {"job": tune.grid_search([config_of(job) for job in left])})
                watch.tell()
                for task in tasks:
                    task.problem.evaluator.compile()  # once, and not by all workers at the same time
                with _quiet(), _ray(address, workers), _stoppable():
                    _tune(sweep, work, workers, watch)
        if groups:
            write_audit(folder, jobs)
        result = SweepResult(folder, watch.write())
    if len(watch.ended) < missing:
        raise SweepInterrupted(result, total)
    return result


def _check(address: str | None, workers: int | None) -> None:
    """Refuse what Ray would not understand, or not do as is said here."""
    if workers is not None and workers < 1:
        raise InputError(f"the number of workers must be at least 1, not {workers}")
    if address is not None and address.startswith("ray://"):
        hint = "run the command on a node of the cluster with --address auto, or by `ray job submit`"
        raise InputError(f"{address} is the address of a Ray client, whose sweeps end with its connection: {hint}")
    if address not in (None, "auto"):
        _require_answer(str(address))


def _require_answer(address: str) -> None:
    """Refuse an address that nobody listens at: Ray would try for minutes.

    Raises:
        InputError: that, or it is not of the form host:port.
    """
    host, _, port = address.rpartition(":")
    if not (host and port.isdecimal()):
        raise InputError(f"the address of a cluster must be auto or host:port, not {address!r}")
    try:
        socket.create_connection((host, int(port)), timeout=ANSWER_S).close()
    except (OSError, OverflowError) as error:
        raise InputError(f"no Ray cluster answers at {address}: {error}") from None


@dataclass(frozen=True)
class Work:
    """What Tune is to make: so many trials of what a searcher proposes, or so many times those of a space."""

    samples: int
    space: Mapping[str, Any] | None = None
    searcher: Searcher | None = None


def _tune(sweep: Sweep, work: Work, workers: int | None, watch: Watch) -> None:
    """Have Tune make runs."""
    scratch = watch.folder / SCRATCH
    tuner = tune.Tuner(
        tune.with_resources(run_trial, {"cpu": 1}),
        param_space=work.space,
        tune_config=tune.TuneConfig(
            scheduler=_asha(sweep.budget) if sweep.scheduler == ASHA else None,
            search_alg=work.searcher,
            num_samples=work.samples,
            max_concurrent_trials=workers,
            reuse_actors=True,
            trial_dirname_creator=lambda trial: str(trial.trial_id),
        ),
        run_config=tune.RunConfig(
            name="trials",
            storage_path=str(scratch),
            verbose=0,
            callbacks=[watch],
            failure_config=tune.FailureConfig(max_failures=sweep.retries),
        ),
    )
    try:
        tuner.fit()
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _asha(budget: int) -> ASHAScheduler:
    """Stops, at shares of the budget, the runs whose best design so far is not among the best."""
    first = max(1, math.ceil(FIRST_RUNG * budget))
    rungs = {"max_t": budget, "grace_period": first, "reduction_factor": REDUCTION}
    return ASHAScheduler(time_attr=EVALUATED, metric=BEST, mode="min", **rungs)


@contextlib.contextmanager
def _ray(address: str | None, workers: int | None) -> Iterator[None]:
    """Ray: the one that this process uses already, a cluster's, or one of our own that is gone afterwards.

    Raises:
        InputError: there is no cluster.
    """
    if address is None and ray.is_initialized():
        yield
        return
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.CRITICAL}
    quiet["runtime_env"] = {"env_vars": WORKER}
    scratch = tempfile.mkdtemp(prefix="archgym-", dir=os.environ.get("RAY_TMPDIR", "/tmp"))  # names of sockets: short
    try:
        if address is None:
            own = {"num_cpus": workers or default_threads(), "object_store_memory": OBJECT_STORE}
            ray.init("local", include_dashboard=False, _temp_dir=scratch, **own, **quiet)
        else:
            ray.init(address, **quiet)
        yield
    except ConnectionError as error:
        hint = "one with a token needs RAY_AUTH_MODE=token here, too"
        raise InputError(f"cannot join a Ray cluster at {address} ({hint}): {' '.join(str(error).split())}") from None
    finally:
        ray.shutdown()
        shutil.rmtree(scratch, ignore_errors=True)


@contextlib.contextmanager
def _stoppable() -> Iterator[None]:
    """SIGTERM, which batch systems send, ends a sweep as Ctrl-C does: Ray's handler would end the process at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """No table, no advice and no log of Tune's on the terminal."""
    before = {name: os.environ.get(name) for name in DRIVER}
    log = logging.getLogger("ray.tune")
    level = log.level
    os.environ.update(DRIVER)
    log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        log.setLevel(level)
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
