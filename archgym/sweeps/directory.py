"""The directory of a sweep: sweep.json says what it is, its runs lie beside that. One process owns it at a time."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import filelock

import archgym
from archgym.errors import RunError
from archgym.search.files import read_json, write_json
from archgym.sweeps.sweep import Sweep, mapping_of

SWEEP, LOCK = "sweep.json", ".lock"
SCHEMA = 1  # of sweep.json


@contextlib.contextmanager
def owned(folder: Path, sweep: Sweep) -> Iterator[None]:
    """Own the directory of a sweep, new or to be continued.

    Raises:
        RunError: in use by another process, or it holds something else.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(folder / LOCK, timeout=0)
        lock.acquire()
    except filelock.Timeout:
        raise RunError(f"{folder} is in use by another sweep") from None
    except OSError as error:
        raise RunError(f"cannot use {folder}: {error.strerror or error}") from error
    try:
        _enter(folder, sweep)
        yield
    finally:
        lock.release()


def _enter(folder: Path, sweep: Sweep) -> None:
    if (folder / SWEEP).exists():
        return _require_same(folder, sweep)
    if found := [entry.name for entry in folder.iterdir() if not entry.name.startswith(".")]:
        raise RunError(f"{folder} is not empty and no sweep: {found[0]} is there; use another --out")
    created = datetime.now(UTC).isoformat(timespec="seconds")
    about = {"schema": SCHEMA, "archgym": archgym.__version__, "created": created, "command": sys.argv}
    return write_json(folder / SWEEP, about | {"sweep": sweep.kept()})


def _require_same(folder: Path, sweep: Sweep) -> None:
    there, here = load_sweep(folder).kept(), sweep.kept()
    for name in there:
        if there[name] != here[name]:
            raise RunError(f"{folder} holds another sweep: its {name} is {there[name]!r}, not {here[name]!r}")


def load_sweep(folder: Path) -> Sweep:
    """The sweep of a directory.

    Raises:
        RunError: there is none, or it is damaged.
    """
    path = folder / SWEEP
    if not path.exists():
        raise RunError(f"{folder} is no sweep: it holds no {SWEEP}")
    about = read_json(path)
    if about.get("schema") != SCHEMA:
        raise RunError(f"{path} has schema {about.get('schema')!r}; this version of archgym reads {SCHEMA}")
    return Sweep.of(mapping_of(about.get("sweep"), f"{path}: sweep"), str(path))


def new_sweep_path(root: Path = Path("runs")) -> Path:
    """A directory `sweep-<n>` that does not exist yet."""
    number = 1
    while (path := root / f"sweep-{number}").exists():
        number += 1
    return path
