"""Files that are either whole or absent: written beside their place, flushed to disk, then moved there."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from archgym.errors import RunError

SCRATCH = ".tmp"  # ending of files that are being written; what a killed process leaves of them is worthless


def write_atomic(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Let `write` fill a file; it appears at `path` only when it is whole and on disk.

    Raises:
        RunError: the file cannot be written (disk full, no permission).
    """
    scratch = path.with_name(f".{path.name}.{os.getpid()}{SCRATCH}")
    try:
        with scratch.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(scratch, path)
        _sync_directory(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            scratch.unlink(missing_ok=True)  # half a file would keep a full disk full
        raise RunError(f"cannot write {path}: {error.strerror or error}") from error


def _sync_directory(path: Path) -> None:
    """Make the new name itself survive a power cut, so that later files never outlive earlier ones."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Write a JSON object atomically."""
    text = json.dumps(value, indent=1, allow_nan=False) + "\n"
    write_atomic(path, lambda file: file.write(text.encode()))


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        RunError: not readable, not JSON, or not an object.
    """
    try:
        value = json.loads(path.read_bytes())
    except OSError as error:
        raise RunError(f"cannot read {path}: {error.strerror or error}") from error
    except ValueError as error:
        raise RunError(f"{path} is damaged or half-written: {error}") from None
    if not isinstance(value, dict):
        raise RunError(f"{path} is damaged: it holds no JSON object")
    return value


def remove_scratch(directory: Path) -> None:
    """Remove what a killed writer left behind."""
    for path in directory.glob(f".*{SCRATCH}"):
        path.unlink(missing_ok=True)
