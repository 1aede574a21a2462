"""Programs that a run names are run only where somebody has named them here before.

A run directory may come from anybody, and resuming it, comparing it or reporting on it evaluates designs by the cost
model of its config.json. Were that `command:PROGRAM`, reading a stranger's run would be running a stranger's program.
Who names a program himself trusts it, and that is remembered under the user's cache directory.
"""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path

from archgym.envs.evaluator import cache_dir
from archgym.errors import InputError

PROGRAMS = ("command", "python")  # cost models that run what their argument names


def remember(cost_model: str) -> None:
    """Trust a canonical spec from now on, on this machine."""
    path = _path(cost_model)
    with contextlib.suppress(OSError):  # then it has to be named once more
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(cost_model + "\n")


def require_trusted(cost_model: str) -> None:
    """Check the cost model of a run that may be a stranger's.

    Raises:
        InputError: it is a program that nobody has named here yet.
    """
    if cost_model.partition(":")[0] in PROGRAMS and not _path(cost_model).exists():
        raise InputError(
            f"the run was made by the program {cost_model!r}, which nobody has named on this machine: look at it, then "
            "trust it by any command that names it, such as archgym evaluate --cost-model"
        )


def _path(cost_model: str) -> Path:
    return cache_dir() / "trusted" / hashlib.sha256(cost_model.encode()).hexdigest()[:32]
