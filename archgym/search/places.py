"""Where runs are mirrored to, by name.

    journal                     optuna.journal in the run directory, written by that run alone (the default)
    PATH.journal, PATH.log      a journal file that runs share
    sqlite:///PATH, ...         a database, by any URL of SQLAlchemy: postgresql://USER:PASSWORD@HOST/NAME
    none                        nowhere

$ARCHGYM_STORAGE stands for the default of new runs, and for a URL whose password config.json does not keep.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from archgym.errors import InputError, RunError

JOURNAL, NONE = "journal", "none"
JOURNAL_FILE = "optuna.journal"
VARIABLE = "ARCHGYM_STORAGE"
JOURNAL_MOST, DATABASE_MOST = 500, 100  # designs of a run in an even sample: see docs/optuna.md for what each costs
_MASK = "***"
_PASSWORD = re.compile(r"(://[^:/?#]*:).*(?=@)")
_SQLITE = re.compile(r"(sqlite(?:\+\w+)?:///)(?!/|:memory:|file:)(.+)")


@dataclass(frozen=True)
class Place:
    """Where one run is mirrored to.

    Attributes:
        target: absolute path of a journal, or URL of a database with its password.
        own: a journal that no other run writes to.
    """

    target: str
    own: bool = False

    @property
    def is_url(self) -> bool:
        """Whether it is a database."""
        return "://" in self.target

    @property
    def most(self) -> int:
        """Designs of a run that an even sample of it holds."""
        return DATABASE_MOST if self.is_url else JOURNAL_MOST

    @property
    def spec(self) -> str:
        """What config.json keeps: no password, and nothing that changes when a run directory is moved."""
        return JOURNAL if self.own else hidden(self.target)

    def __str__(self) -> str:
        return shortened(self.target) if not self.is_url else hidden(self.target)


def place_of(storage: str, run: Path) -> Place | None:
    """The place that a text names for a run directory; None for nowhere.

    Raises:
        InputError: none of the forms above.
    """
    storage = storage.strip()
    if storage == NONE:
        return None
    if storage == JOURNAL:
        return Place(str((run / JOURNAL_FILE).absolute()), own=True)
    if "://" in storage:
        relative = _SQLITE.fullmatch(storage)
        if relative:  # a resumed run may be started elsewhere
            storage = relative[1] + str(Path(relative[2]).absolute())
        return Place(re.sub(r"^postgres(ql)?://", "postgresql+psycopg://", storage))
    if storage.endswith((".journal", ".log")):
        return Place(str(Path(storage).absolute()))
    near = f"; did you mean sqlite:///{storage}?" if storage.endswith((".db", ".sqlite", ".sqlite3")) else ""
    raise InputError(
        f"unknown storage {storage!r}{near} (one of: {JOURNAL}, {NONE}, a path that ends in .journal or .log, "
        "a database URL such as sqlite:///runs.db)"
    )


def default_storage(run: str | Path | None) -> str:
    """Where a new run is mirrored to when nothing is said; a search in memory nowhere."""
    return NONE if run is None else os.environ.get(VARIABLE, JOURNAL)


def recorded(config: Mapping[str, Any]) -> str:
    """The storage that a config.json names; none for a run of an older version.

    Raises:
        RunError: its URL had a password, and $ARCHGYM_STORAGE does not give it.
    """
    storage = str(config.get("storage", NONE))
    if f":{_MASK}@" not in storage:
        return storage
    given = os.environ.get(VARIABLE, "")
    if hidden(re.sub(r"^postgres(ql)?://", "postgresql+psycopg://", given)) == storage:
        return given
    raise RunError(
        f"the run is mirrored to {storage}, whose password config.json does not keep: set {VARIABLE}, or give --storage"
    )


def hidden(text: str) -> str:
    """A text without the password of the URL in it."""
    return _PASSWORD.sub(rf"\1{_MASK}", text)


def shortened(path: str) -> str:
    """A path relative to the current directory where it lies below it."""
    return os.path.relpath(path) if Path(path).is_relative_to(Path.cwd()) else path
