"""One error hierarchy, and the one sentence every bad name or value gets.

Library code raises these; only the command line turns them into a line on stderr and exit code 2.
"""

from __future__ import annotations

import difflib
import textwrap
import traceback
from collections.abc import Iterable
from pathlib import Path

FAULTS = (Exception, SystemExit)  # what code of others may raise; a wish to stop is no fault


class ArchGymError(Exception):
    """Base of every error a user can cause; its text is one clear line."""


class InputError(ArchGymError, ValueError):
    """A value from outside (file, command line, argument) that cannot be used."""


class UnknownNameError(InputError, KeyError):
    """A name that is in no registry, table or space."""

    __str__ = Exception.__str__  # KeyError would show the repr of its argument


class MissingExtraError(ArchGymError, ImportError):
    """An optional dependency is not installed."""


class RunError(ArchGymError):
    """A run directory that is locked, half-written or does not match the request."""


def unknown(what: str, value: object, allowed: Iterable[object]) -> UnknownNameError:
    """Build the error for a name outside `allowed`: value, allowed set, nearest match."""
    names = [str(name) for name in allowed]
    near = difflib.get_close_matches(str(value).lower(), [name.lower() for name in names], n=1, cutoff=0.4)
    spelled = {name.lower(): name for name in names}
    hint = f"; did you mean {spelled[near[0]]!r}?" if near else ""
    return UnknownNameError(f"unknown {what} {str(value)!r}{hint} (one of: {', '.join(names)})")


def missing_extra(what: str, extra: str, cause: ImportError) -> MissingExtraError:
    """Build the error for a missing optional dependency, naming the pip command that installs it."""
    package = (cause.name or "a package").partition(".")[0]
    return MissingExtraError(f"{what} needs {package!r}, which is not installed: pip install 'archgym[{extra}]'")


def described(error: BaseException) -> str:
    """A fault of somebody's code in one line, with the place that raised it: `KeyError: 'x' (mymodel.py, line 12)`."""
    text = textwrap.shorten(f"{type(error).__name__}: {error}", 300, placeholder=" ...").rstrip(": ")
    frames = traceback.extract_tb(error.__traceback__)
    return f"{text} ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else text
