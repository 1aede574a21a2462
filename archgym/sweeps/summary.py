"""What came of a sweep: one row per run that has begun, read from the run directories, kept as summary.parquet."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from archgym.errors import RunError
from archgym.search import curves
from archgym.search.compare import Job
from archgym.search.files import write_atomic
from archgym.search.run import CONFIG, RESULT, Run, load_run

SUMMARY, MARK = "summary.parquet", ".stopped"
FINISHED, STOPPED, FAILED, INTERRUPTED = "finished", "stopped", "failed", "interrupted"
COLUMNS = pa.schema(
    {
        "path": pa.string(),  # of the run, from the sweep's directory
        "env": pa.string(),  # its spec
        "workload": pa.string(),
        "contestant": pa.string(),  # the agent, or one setting of it: genetic#3
        "agent": pa.string(),  # its spec
        "options": pa.string(),  # all options of the agent, as JSON
        "seed": pa.int64(),
        "budget": pa.int64(),
        "status": pa.string(),
        "evaluated": pa.int64(),
        "objectives": pa.list_(pa.float64()),  # of the best design by the first; empty where none is valid
        "regret": pa.float64(),  # where the optimum is known
        "model_s": pa.float64(),
        "agent_s": pa.float64(),
        "elapsed_s": pa.float64(),
        "error": pa.string(),  # of a failed run, one line
    }
)


@dataclass(frozen=True)
class Row:
    """One run; the columns of summary.parquet."""

    path: str
    env: str
    workload: str
    contestant: str
    agent: str
    options: str
    seed: int
    budget: int
    status: str
    evaluated: int
    objectives: list[float]
    regret: float | None
    model_s: float
    agent_s: float
    elapsed_s: float
    error: str | None


def is_finished(job: Job) -> bool:
    """Whether a run has spent its budget."""
    return (job.path / RESULT).exists()


def is_stopped(job: Job) -> bool:
    """Whether a scheduler has given a run up."""
    return (job.path / MARK).exists() and not is_finished(job)


def mark_stopped(job: Job) -> None:
    """Note in the directory of a run that a scheduler has given it up."""
    (job.path / MARK).touch()


def rows_of(jobs: Iterable[Job], errors: Mapping[str, str]) -> list[Row]:
    """The rows of the runs that have begun, or failed before they could.

    Args:
        jobs: of the sweep.
        errors: of failed runs, by name.
    """
    found = []
    for job in jobs:
        name = job.path.name
        if (job.path / CONFIG).exists():
            found.append(_row(job, errors.get(name)))
        elif name in errors:
            found.append(_unborn(job, errors[name]))
    return found


def _row(job: Job, error: str | None) -> Row:
    """A run as its directory says."""
    try:
        run = load_run(job.path)
        saved = run.saved()
    except RunError as damage:
        return _unborn(job, str(damage))
    config, result = run.config, run.result
    if result is not None:
        done = {name: result[name] for name in ("evaluated", "regret", "model_s", "agent_s", "elapsed_s")}
        done |= {"objectives": result["objectives"] or [], "status": FINISHED, "error": None}
    else:
        done = {name: getattr(saved, name, 0.0) for name in ("model_s", "agent_s", "elapsed_s")}
        evaluated = saved.trials if saved else 0
        done |= {"evaluated": evaluated, "regret": None, "objectives": _best(run, evaluated)}
        status = FAILED if error else STOPPED if is_stopped(job) else INTERRUPTED
        done |= {"status": status, "error": error}
    return Row(
        path=job.path.name,
        env=job.arguments["environment"],
        workload=config["workload"],
        contestant=job.contestant,
        agent=job.arguments["agent"],
        options=json.dumps(config["options"]),
        seed=config["seed"],
        budget=config["budget"],
        **done,
    )


def _unborn(job: Job, error: str) -> Row:
    """A run that failed before there was anything to read."""
    asked = job.arguments
    about = (job.path.name, asked["environment"], asked["workload"] or "", job.contestant, asked["agent"], "{}")
    return Row(*about, asked["seed"], asked["budget"], FAILED, 0, [], None, 0.0, 0.0, 0.0, error)


def _best(run: Run, evaluated: int) -> list[float]:
    """Objectives of the best of the first designs of a run without a result."""
    if not evaluated:
        return []
    values = curves.objectives_of(run.tables(), len(run.config["objective"]))[:evaluated]
    best = values[int(np.argmin(values[:, 0]))]
    return best.tolist() if np.isfinite(best).all() else []


def write_summary(folder: Path, rows: Iterable[Row]) -> pa.Table:
    """Write summary.parquet, whole or not at all.

    Raises:
        RunError: it cannot be written.
    """
    table = pa.Table.from_pylist([vars(row) for row in rows], COLUMNS)
    write_atomic(folder / SUMMARY, lambda file: pq.write_table(table, file))
    return table


def as_rows(table: pa.Table) -> list[dict[str, Any]]:
    """The rows for --json."""
    rows: list[dict[str, Any]] = table.to_pylist()
    return [row | {"options": json.loads(row["options"])} for row in rows]
