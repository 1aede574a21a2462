"""Workloads in files: what a path in a spec stands for.

model.onnx[?batch=4&bits=8]          an ONNX model; its symbolic dimensions are options
config.json[:phase][?batch=8]        a language model's configuration from Hugging Face; options as the built-in ones
net.csv, net.parquet                 a table of operators that was saved, or written by hand
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path

from archgym.errors import InputError, missing_extra
from archgym.spec import parse_options
from archgym.workloads.recorder import warn_uncosted
from archgym.workloads.workload import Workload

CONFIG, ONNX, TABLES = ".json", ".onnx", (".csv", ".parquet")
FORMS = (ONNX, CONFIG, *TABLES)


def form_of(head: str) -> str:
    """The file form that a spec without options names by its suffix (`net.csv`, `config.json:decode`), or nothing."""
    suffix = Path(split_phase(head)[0]).suffix.lower()
    return suffix if suffix in FORMS else ""


def split_phase(head: str) -> tuple[str, str, str]:
    """Path, colon and phase of a configuration, as str.partition; other paths have no phase."""
    path, colon, phase = head.rpartition(":")
    return (path, colon, phase) if path.lower().endswith(CONFIG) else (head, "", "")


def load_file(path: str, query: str | None) -> Workload:
    """The workload in an ONNX model or a table, named by its canonical spec; warns of what could not be costed.

    A file is read once for as long as it does not change.

    Args:
        path: of the file.
        query: options of the spec; None where it has none.

    Raises:
        InputError: the file is not there or cannot be used; MissingExtraError: the `onnx` package is needed.
    """
    return _load(path, query, *_stamp(path))


def checked(path: str) -> Path:
    """The path of a file that is there.

    Raises:
        InputError: it is not, with the nearest name in its folder.
    """
    found = Path(path)
    if found.is_file():
        return found
    if found.is_dir():
        raise InputError(f"cannot read {path}: it is a folder")
    names = [item.name for item in found.parent.iterdir()] if found.parent.is_dir() else []
    near = difflib.get_close_matches(found.name, names, n=1, cutoff=0.6)
    raise InputError(f"cannot read {path}: no such file" + (f"; did you mean {near[0]!r}?" if near else ""))


def _stamp(path: str) -> tuple[str, int, int]:
    """What tells one content of a file from another: where it is, when it was changed, its size."""
    found = checked(path).resolve()
    return str(found), found.stat().st_mtime_ns, found.stat().st_size


def load_config(path: str) -> Mapping[str, Callable[..., Workload]]:
    """The phases of the language model that a Hugging Face configuration describes.

    Raises:
        InputError: the file is not there or describes none that is known.
    """
    return _load_config(path, *_stamp(path))


def torch_importer() -> Callable[..., Workload]:
    """The function behind Workload.from_torch.

    Raises:
        MissingExtraError: PyTorch is not installed.
    """
    try:
        from archgym.workloads.torch_module import from_torch
    except ImportError as error:
        if (error.name or "").partition(".")[0] != "torch":
            raise
        raise missing_extra("Workload.from_torch", "rl", error) from error
    return from_torch


@lru_cache(maxsize=16)
def _load_config(path: str, place: str, changed_ns: int, size: int) -> Mapping[str, Callable[..., Workload]]:
    from archgym.workloads.huggingface import phases_of

    return phases_of(Path(path))


@lru_cache(maxsize=16)
def _load(path: str, query: str | None, place: str, changed_ns: int, size: int) -> Workload:
    if Path(path).suffix.lower() == ONNX:
        workload = _onnx(path, query)
    else:
        from archgym.workloads.table import load_table

        parse_options(path, query, {}) if query is not None else None
        workload = load_table(path)
    warn_uncosted(workload, path)
    return workload


def _onnx(path: str, query: str | None) -> Workload:
    try:
        from archgym.workloads.onnx_file import load_onnx
    except ImportError as error:
        if (error.name or "").partition(".")[0] != "onnx":
            raise
        raise missing_extra(f"the workload {path}", "onnx", error) from error
    return load_onnx(Path(path), query)
