"""The run directory: one search on disk, whole at any moment.

    config.json                what was asked for, and of which model
    trials/part-00000.parquet  designs and outcomes, in order (see trials.py)
    state.npz                  the agent, and how many trials and parts that covers
    result.json                the outcome, once the budget is spent
    optuna.journal             the trials as an Optuna study (see storage.py), unless they are mirrored elsewhere
    .lock, .owner              held by the process that owns the run, and its pid

Each file is moved into place whole. A checkpoint writes a part, then the state that covers it; so a killed process
leaves at most one part beyond the state, which the resumed agent, deterministic from its state, makes again.
"""

from __future__ import annotations

import os
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import filelock
import numpy as np

from archgym.agents.base import State
from archgym.envs.evaluator import ANALYTICAL
from archgym.errors import ArchGymError, RunError
from archgym.search.files import read_json, remove_scratch, write_atomic, write_json
from archgym.search.trials import frame, part_rows, read_part, write_part

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

SCHEMA = 2  # of the run directory; a change that old code cannot read means a new number
CONFIG, RESULT, STATE, TRIALS, LOCK, OWNER = "config.json", "result.json", "state.npz", "trials", ".lock", ".owner"
REQUEST = (  # the keys of config.json that decide the trials, in the order they are compared
    *("environment", "scenario", "cost_model", "workload", "compression"),
    *("objective", "constraints", "reward", "target", "agent", "options", "space", "seed", "budget"),
)
NUMBERS = {  # identity of the numbers the trials were evaluated with
    "model_hash": "cost model",  # the equations of the family
    "cost_model_hash": "cost model",
    "workload_hash": "workload's operator table",
    "compression_hash": "compression of networks, or the results that quality comes from,",
    "space_hash": "design space",
}


def new_run_path(root: str | Path, environment: str, workload: str, agent: str, seed: int) -> Path:
    """A directory under `root` that does not exist yet: `<environment>-<workload>-<agent>-s<seed>-<n>`."""
    words = [re.sub(r"[^A-Za-z0-9._]+", "_", word).strip("_.") for word in (environment, workload, agent)]
    stem = "-".join([*(word[:60] for word in words), f"s{seed}"])
    number = 1
    while (path := Path(root) / f"{stem}-{number}").exists():
        number += 1
    return path


@dataclass(frozen=True)
class Saved:
    """Contents of state.npz: the agent's state after `trials` trials in `parts` parts, and the seconds spent."""

    agent: State
    trials: int = 0
    parts: int = 0
    model_s: float = 0.0
    agent_s: float = 0.0
    elapsed_s: float = 0.0

    def write(self, path: Path) -> None:
        """Save atomically and without pickle.

        Raises:
            ArchGymError: the agent's state holds something else than arrays, numbers and text.
        """
        arrays = {name: np.asarray(value) for name, value in self.agent.items()}
        for name, array in arrays.items():
            if array.dtype.hasobject or array.dtype.kind == "S":
                raise ArchGymError(f"the state {name!r} must be an array, a number or text to be saved")
        own = {name: np.asarray(getattr(self, name)) for name in _COUNTERS}
        own |= {f"{_AGENT}{name}": array for name, array in arrays.items()}
        write_atomic(path, lambda file: np.savez(file, allow_pickle=False, **own))

    @classmethod
    def read(cls, path: Path) -> Saved:
        """Load what `write` saved.

        Raises:
            RunError: not readable.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                values = {name: file[name] for name in file.files}
            own = {name: _counted(name, values.pop(name)) for name in _COUNTERS}
        except _UNREADABLE as error:
            raise RunError(f"{path} is damaged or half-written: {error}") from None
        agent = {name.removeprefix(_AGENT): plain_value(value) for name, value in values.items()}
        return cls(agent, **own)


_TYPES: dict[str, Any] = {
    **dict.fromkeys(("environment", "cost_model", "workload", "reward", "agent", "created", *NUMBERS), str),
    **dict.fromkeys(("scenario", "options", "space"), dict),
    **dict.fromkeys(("objective", "constraints"), list),
    **dict.fromkeys(("seed", "budget"), int),
    **{"compression": dict | None, "target": float | int | None},
}
_COUNTERS = ("trials", "parts", "model_s", "agent_s", "elapsed_s")
_AGENT = "agent/"  # before the names of the agent's own arrays
_UNREADABLE = (  # what NumPy says of a file that it cannot read
    *(OSError, ValueError, KeyError, TypeError, EOFError, MemoryError, OverflowError, RuntimeError),
    *(zipfile.BadZipFile, zlib.error),
)


def _counted(name: str, array: np.ndarray) -> Any:
    """A counter of trials or parts, or a number of seconds.

    Raises:
        ValueError: it is none.
    """
    value = array.item()
    if not isinstance(value, int if name in ("trials", "parts") else float) or not 0 <= value < np.inf:
        raise ValueError(f"{name} is {value!r}")
    return value


def plain_value(array: np.ndarray) -> Any:
    """Numbers and text come back as themselves."""
    return array.item() if array.ndim == 0 and array.dtype.kind in "biufU" else array


@dataclass(frozen=True)
class Run:
    """A run directory, read: finished, interrupted, or still being written by another process."""

    path: Path
    config: dict[str, Any]

    @cached_property
    def result(self) -> dict[str, Any] | None:
        """What result.json holds; None while the budget is not spent."""
        path = self.path / RESULT
        if not path.exists():
            return None
        result = read_json(path)
        for key in ("evaluated", "elapsed_s", "model_s", "agent_s"):
            if not isinstance(result.get(key), int | float):
                raise RunError(f"{path} is damaged: its {key} is {str(result.get(key))[:100]!r}")
        return result

    @cached_property
    def trials(self) -> pd.DataFrame:
        """All trials, in order; see trials.py for the columns.

        Raises:
            RunError: a part is damaged.
        """
        return frame(self.tables())

    def tables(self) -> Iterator[pa.Table]:
        """The trials part after part, in constant memory."""
        for path in self.parts():
            yield read_part(path)

    def parts(self) -> list[Path]:
        """The part files, in order.

        Raises:
            RunError: one is missing.
        """
        paths = sorted((self.path / TRIALS).glob("part-*.parquet"))
        for number, path in enumerate(paths):
            if path.name != _part_name(number):
                raise RunError(f"{self.path / TRIALS / _part_name(number)} is missing, but {path.name} is there")
        return paths

    def saved(self) -> Saved | None:
        """The last state, checked against the parts on disk; None before the first checkpoint.

        Raises:
            RunError: damaged, or it does not match the parts.
        """
        path = self.path / STATE
        saved = Saved.read(path) if path.exists() else None  # before the parts: a writer may be adding some
        parts = self.parts()
        covered = saved.parts if saved else 0
        if saved is None and len(parts) > 1:
            raise RunError(f"{path} is missing, but {parts[-1].name} is there")
        if len(parts) < covered:
            raise RunError(f"{self.path / TRIALS / _part_name(len(parts))} is missing: {path} covers {covered} parts")
        rows = sum(map(part_rows, parts[:covered]))
        if saved and rows != saved.trials:
            raise RunError(f"{path} does not match: it covers {saved.trials} trials, but the parts hold {rows}")
        return saved


def load_run(path: str | Path) -> Run:
    """Read a run directory.

    Raises:
        RunError: not a run directory, or a file in it is missing, damaged or half-written; names the file.
    """
    path = Path(path)
    if not path.is_dir():
        raise RunError(f"{path} is not a run directory: {'it is a file' if path.exists() else 'it does not exist'}")
    config = path / CONFIG
    if not config.exists():
        hint = "half-written" if (path / TRIALS).exists() or (path / STATE).exists() else "not a run directory"
        raise RunError(f"{path} is {hint}: {CONFIG} is missing")
    run = Run(path, _with_cost_model(read_json(config)))
    if run.config.get("schema") != SCHEMA:
        raise RunError(f"{config} has schema {run.config.get('schema')!r}; this version of archgym reads {SCHEMA}")
    _check_types(config, run.config)
    run.saved()
    for part in run.parts():
        part_rows(part)
    _ = run.result
    return run


def _check_types(path: Path, config: Mapping[str, Any]) -> None:
    """Refuse a config.json that lacks something, or holds something else in its place."""
    if missing := [key for key in _TYPES if key not in config]:
        raise RunError(f"{path} is damaged: it lacks {', '.join(missing)}")
    for key, kind in _TYPES.items():
        value = config[key]
        right = isinstance(value, kind) and not isinstance(value, bool)
        if right and kind is list:
            right = all(isinstance(text, str) for text in value)
        if not right:
            raise RunError(f"{path} is damaged: its {key} is {str(value)[:100]!r}")
    try:
        datetime.fromisoformat(config["created"])
    except ValueError:
        raise RunError(f"{path} is damaged: its created is {config['created'][:100]!r}") from None


def _with_cost_model(config: dict[str, Any]) -> dict[str, Any]:
    """A config.json from the time when there was none but the analytical cost model says so."""
    return {"cost_model": ANALYTICAL, "cost_model_hash": config.get("model_hash")} | config


class RunDirectory:
    """A run directory, owned: what the search loop writes. Use as a context manager; leaving it gives the lock back.

    Args:
        path: the directory, created where it does not exist.
        config: contents of config.json.
        resume: continue the run that is there.

    Raises:
        RunError: owned by another process, damaged, made for another request, or there already (without `resume`).
    """

    def __init__(self, path: str | Path, config: Mapping[str, Any], resume: bool = False) -> None:
        self.path = Path(path)
        if resume and not self.path.is_dir():
            raise RunError(f"{self.path} is not a run directory: there is nothing to resume")
        if self.path.is_dir() and not (self.path / CONFIG).exists():
            self._require_empty(resume)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(f"cannot create {self.path}: {error.strerror}") from error
        self._lock = own(self.path)
        try:
            self._open(config, resume)
        except BaseException:
            self.close()
            raise

    def _open(self, config: Mapping[str, Any], resume: bool) -> None:
        self.saved: Saved | None = None
        if resume and (self.path / CONFIG).exists():
            self.run = load_run(self.path)
            require_same(self.run, config)
            self.saved = self.run.saved()
            covered = self.saved.parts if self.saved else 0
            for part in self.run.parts()[covered:]:
                part.unlink()  # the agent makes the same trials again
            remove_scratch(self.path)
            remove_scratch(self.path / TRIALS)
            return
        self._require_empty(resume)
        remove_scratch(self.path)
        (self.path / TRIALS).mkdir(exist_ok=True)
        write_json(self.path / CONFIG, dict(config))
        self.run = Run(self.path, dict(config))

    def _require_empty(self, resume: bool) -> None:
        """Only what a process killed before its first file was whole may lie there."""
        if (self.path / CONFIG).exists():
            raise RunError(f"{self.path} holds a run already: use --resume or another --out")
        names = [entry.name for entry in self.path.iterdir() if not entry.name.startswith(".")]
        found = [name for name in names if name != TRIALS or any((self.path / TRIALS).glob("part-*"))]
        if found:
            state = "half-written" if {TRIALS, STATE} & set(found) else "not empty and not a run directory"
            hint = "" if resume else "; use another --out"
            raise RunError(f"{self.path} is {state}: {CONFIG} is missing, but {found[0]} is there{hint}")

    def checkpoint(self, table: pa.Table | None, saved: Saved) -> None:
        """Write the trials since the last checkpoint, then the state that covers them."""
        if table is not None:
            write_part(self.path / TRIALS / _part_name(saved.parts - 1), table)
        saved.write(self.path / STATE)

    def finish(self, result: Mapping[str, Any]) -> None:
        """Write result.json."""
        write_json(self.path / RESULT, dict(result))

    def close(self) -> None:
        """Give the run back."""
        self._lock.release()

    def __enter__(self) -> RunDirectory:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def own(path: Path) -> filelock.BaseFileLock:
    """Own a run directory until the lock is released.

    Raises:
        RunError: another process does, or it cannot be written.
    """
    lock = filelock.FileLock(path / LOCK, timeout=0)
    try:
        lock.acquire()
    except filelock.Timeout:
        raise RunError(f"{path} is in use by another process{_owner(path)}") from None
    except OSError as error:
        raise RunError(f"cannot lock {path}: {error.strerror or error}") from error
    write_atomic(path / OWNER, lambda file: file.write(str(os.getpid()).encode()))
    return lock


def _owner(path: Path) -> str:
    try:
        return f" (pid {int((path / OWNER).read_text())})"
    except (OSError, ValueError):
        return ""


def _part_name(number: int) -> str:
    return f"part-{number:05d}.parquet"


def require_same(run: Run, config: Mapping[str, Any]) -> None:
    """Check that a run was made for this request and with these numbers.

    Raises:
        RunError: names the first difference with both values.
    """
    for key in REQUEST:
        if run.config[key] != config[key]:
            raise RunError(f"{run.path} was made with {key} {_shown(run.config[key])}, not {_shown(config[key])}")
    for key in NUMBERS:
        if run.config[key] != config[key]:
            change = f"{NUMBERS[key]} has changed since ({run.config[key]} is now {config[key]})"
            raise RunError(f"{run.path} cannot be resumed: the {change}; start a new run")


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else repr(value)
