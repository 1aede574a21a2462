"""Names to lazily imported objects.

A registry maps a name to an entry point `"module:attribute"`. Nothing is imported until the name is used, so
`archgym agents` lists an agent whose optional dependency is missing. A user's own package adds names through the
entry-point group of the registry, e.g. in its pyproject.toml::

    [project.entry-points."archgym.agents"]
    annealing = "mypackage.annealing:Annealing"
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import entry_points
from typing import Any

from archgym.errors import FAULTS, ArchGymError, InputError, described, missing_extra, unknown


@dataclass(frozen=True)
class Entry:
    """One registered name.

    Attributes:
        target: `"module:attribute"`, imported on first use.
        summary: one line for listings, readable without importing the target.
        extra: the pip extra that installs what the target imports, if any.
    """

    target: str
    summary: str = ""
    extra: str = ""


def imported(target: str) -> Any:
    """The object that `"module:attribute"` names."""
    module, _, attribute = target.partition(":")
    return getattr(importlib.import_module(module), attribute)


class Registry:
    """The entries of one kind (`"agent"`, `"environment"`, `"workload"`): built in and from entry points."""

    def __init__(self, kind: str, builtin: Mapping[str, Entry]) -> None:
        self.kind = kind
        self.group = f"archgym.{kind.replace(' ', '_')}s"
        self._builtin = dict(builtin)

    @cached_property
    def entries(self) -> dict[str, Entry]:
        """All entries, built-in names first; a plugin cannot replace a built-in name."""
        plugins = {point.name: Entry(point.value, "plugin") for point in entry_points(group=self.group)}
        return self._builtin | {name: entry for name, entry in plugins.items() if name not in self._builtin}

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def __contains__(self, name: object) -> bool:
        return name in self.entries

    def register(self, name: str, target: str, summary: str = "", extra: str = "") -> None:
        """Add a name for this process, e.g. `AGENTS.register("hill", "__main__:HillClimbing")` in a script.

        Raises:
            InputError: the name is taken.
        """
        if name in self.entries:
            raise InputError(f"{self.kind} {name!r} is registered already")
        self.entries[name] = Entry(target, summary, extra)

    def entry(self, name: str) -> Entry:
        """The entry called `name`.

        Raises:
            UnknownNameError: with the allowed names and the nearest match.
        """
        if name not in self.entries:
            raise unknown(self.kind, name, self.entries)
        return self.entries[name]

    def load(self, name: str) -> Any:
        """Import and return the object called `name`.

        Raises:
            UnknownNameError: no such name.
            MissingExtraError: its optional dependency is not installed; names the pip command.
            ArchGymError: it comes from another package, which cannot be imported.
        """
        entry = self.entry(name)
        try:
            return imported(entry.target)
        except FAULTS as error:
            if isinstance(error, ImportError) and entry.extra and not (error.name or "").startswith("archgym"):
                raise missing_extra(f"{self.kind} {name!r}", entry.extra, error) from error
            if entry.target.startswith("archgym."):
                raise
            what = f"{self.kind} {name!r} ({entry.target})"
            raise ArchGymError(f"{what} cannot be imported: {described(error)}") from error
