"""Which simulators are here, and environments of their own for those that do not live beside ArchGym."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import venv
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from archgym.envs.evaluator import cache_dir
from archgym.errors import ArchGymError, MissingExtraError, unknown

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Tool:
    """A simulator that is a Python package in an environment of its own.

    Attributes:
        package: on PyPI, which says its version.
        requirements: what pip installs.
        variable: environment variable that names the Python of an environment made by the user.
        summary: for listings.
    """

    package: str
    requirements: tuple[str, ...]
    variable: str
    summary: str


TOOLS = {
    "scalesim": Tool(
        "scalesim",
        ("scalesim==3.0.0", "numpy<2.4"),  # with NumPy 2.4 it fails: its issue 160
        "ARCHGYM_SCALESIM_PYTHON",
        "SCALE-Sim 3.0, cycle-accurate systolic arrays (systolic)",
    )
}
ZIGZAG = "zigzag-dse"


@dataclass(frozen=True)
class Installed:
    """A simulator in a listing: `version` is empty where it is not installed, `how` installs or names it."""

    name: str
    version: str
    summary: str
    how: str


def listed() -> list[Installed]:
    """All simulators that ArchGym knows, and the ways to the user's own."""
    rows = [
        Installed(name, _found(tool_version, name), tool.summary, f"archgym simulators install {name}")
        for name, tool in TOOLS.items()
    ]
    zigzag = "ZigZag, search over mappings, with energy (systolic)"
    return [
        *rows,
        Installed("zigzag", _found(zigzag_version), zigzag, "pip install 'archgym[simulators]'"),
        Installed("command", "yours", "a program that reads and prints JSON", "--cost-model 'command:PROGRAM'"),
        Installed("python", "yours", "a Python function", "--cost-model python:FILE.py:FUNCTION"),
    ]


def _found(version_of: Callable[..., str], *name: str) -> str:
    try:
        return version_of(*name)
    except MissingExtraError:
        return ""


def python_of(name: str) -> Path:
    """The Python that runs a tool: `$ARCHGYM_<TOOL>_PYTHON`, else that of `install`."""
    given = os.environ.get(TOOLS[name].variable)
    return Path(given) if given else _home(name) / "bin" / "python"


def tool_version(name: str) -> str:
    """The version of a tool that is installed.

    Raises:
        MissingExtraError: it is not, with what installs it.
    """
    tool, python = TOOLS[name], python_of(name)
    found = _version(str(python), tool.package)
    if not found:
        how = f"archgym simulators install {name}"
        where = f"set {tool.variable} to a Python that has it"
        raise MissingExtraError(f"simulator {name!r} is not installed for {python}: {how}, or {where}")
    return found


@cache
def _version(python: str, package: str) -> str:
    """The version of a package of a Python; empty without one."""
    code = f"from importlib.metadata import version; print(version({package!r}))"
    try:
        done = subprocess.run([python, "-c", code], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def zigzag_version() -> str:
    """The version of ZigZag beside ArchGym.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        version("six")  # which it needs and does not ask for
        return version(ZIGZAG)
    except PackageNotFoundError:
        raise MissingExtraError("simulator 'zigzag' is not installed: pip install 'archgym[simulators]'") from None


def install(name: str) -> str:
    """Install a tool into an environment of its own, under the cache directory; returns its version.

    Raises:
        UnknownNameError: it is no such tool; ArchGymError: pip fails, and says why.
    """
    if name not in TOOLS:
        raise unknown("simulator to install", name, TOOLS)
    home = _home(name)
    log.info("installing %s in %s (a minute or more)", " ".join(TOOLS[name].requirements), home)
    shutil.rmtree(home, ignore_errors=True)
    try:
        venv.create(home, with_pip=True)
        pip = [str(home / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        done = subprocess.run([*pip, *TOOLS[name].requirements], capture_output=True, text=True)
        if done.returncode:
            raise ArchGymError(f"pip cannot install {' '.join(TOOLS[name].requirements)}: {done.stderr.strip()[-500:]}")
    except BaseException as error:  # also Ctrl-C: no half an environment is left
        shutil.rmtree(home, ignore_errors=True)
        if isinstance(error, subprocess.SubprocessError | OSError):
            raise ArchGymError(f"cannot make an environment in {home}: {error}") from error
        raise
    _version.cache_clear()
    return tool_version(name)


def _home(name: str) -> Path:
    return cache_dir() / "simulators" / name
