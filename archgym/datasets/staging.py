"""Directories that are either whole or absent: made beside their place, then moved there."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import filelock

from archgym.errors import InputError

INFO = "dataset.json"
LOCK = ".lock"


@contextlib.contextmanager
def staged(out: str | Path, force: bool = False, info: str = INFO) -> Iterator[Path]:
    """A directory to fill, which becomes `out` when the block ends without an error, and is removed otherwise.

    It is `.NAME.part` beside `out`; one that a killed process left behind is made anew.

    Args:
        out: the directory to make; it must not exist, or be empty.
        force: replace what is there, if it is such a directory.
        info: the file that tells what such a directory is: that of a data set, or of a surrogate.

    Raises:
        InputError: `out` exists, another process is making it, or it cannot be written.
    """
    out = Path(out)
    _require_free(out, force, info)
    place = Path(os.path.abspath(out))  # unlike resolve, keeps links
    scratch = place.with_name(f".{place.name}.part")
    try:
        scratch.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(scratch / LOCK, timeout=0)
        lock.acquire()
    except filelock.Timeout:
        raise InputError(f"{out} is being made by another process") from None
    except OSError as error:
        raise InputError(f"cannot create {out}: {error.strerror or error}") from error
    try:
        _empty(scratch)
        yield scratch
        _require_free(out, force, info)
        _sync(scratch)
        _move(scratch, place)
    except OSError as error:
        raise InputError(f"cannot write {out}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)  # moved away after success
        lock.release()
        (place / LOCK).unlink(missing_ok=True)


def _require_free(out: Path, force: bool, info: str) -> None:
    """Refuse to write over anything, and with `force` over anything but a directory of the same kind."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not out.is_dir():
        raise InputError(f"{out} is there already, and is no directory: name another one")
    ours = (out / info).is_file()
    if not (force and ours):
        hint = "or replace it with --force" if ours else f"it holds no {info}, so --force does not replace it either"
        raise InputError(f"{out} is there already: name another directory, {hint}")


def _empty(scratch: Path) -> None:
    for path in scratch.iterdir():
        if path.name != LOCK:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _sync(directory: Path) -> None:
    """Put all files on disk, so that a power cut after the move leaves no half ones."""
    for path in [*directory.rglob("*"), directory]:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _move(scratch: Path, out: Path) -> None:
    """Put `scratch` where `out` is; what is replaced goes only after that."""
    if not out.exists():
        os.rename(scratch, out)
        return
    old = out.with_name(f".{out.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    os.rename(out, old)
    try:
        os.rename(scratch, out)
    except OSError:
        os.rename(old, out)
        raise
    shutil.rmtree(old)
