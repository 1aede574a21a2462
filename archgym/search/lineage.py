"""Runs of a population: an agent that goes on with the state of another one, and with other options.

The trials of such a run are those that it has evaluated itself, and no others. Its config.json says how they came to
be: `options` are those it goes on with, `population` is its name in comparisons, and `lineage` lists its segments:

    trial        first trial of the segment
    options      of the agent in it
    parent       name of the run whose agent's state it began with; null for the start
    best         best objective of its own interval before; null where none of its designs was valid
    parent_best  that of the parent

What is taken over is all that the agent has learned (policy, optimiser, the designs it knows), not its randomness: two
agents with one state and one seed would propose the same designs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from archgym.agents import AGENTS
from archgym.errors import RunError
from archgym.search.files import write_json
from archgym.search.places import NONE, place_of
from archgym.search.request import Request
from archgym.search.run import CONFIG, STATE, Run, RunDirectory, Saved, load_run, own
from archgym.spec import OptionValue, option_defaults, spell_options

LINEAGE, POPULATION = "lineage", "population"  # in config.json


@dataclass(frozen=True)
class Segment:
    """Trials of a run that its agent made with the same options; see above."""

    trial: int
    options: Mapping[str, OptionValue]
    parent: str | None = None
    best: float | None = None
    parent_best: float | None = None


def begin_member(path: Path, request: Request, population: str, storage: str) -> None:
    """Make the run directory of a member, without trials yet.

    Raises:
        InputError: a storage of no known form; RunError: the directory cannot be made.
    """
    place = place_of(storage, path)
    about = {"storage": place.spec if place else NONE, POPULATION: population}
    with RunDirectory(path, request.config() | about | {LINEAGE: [vars(Segment(0, dict(request.options)))]}):
        pass


def take_over(child: Path, parent: Path, new: Segment) -> None:
    """Have a run go on in a new segment, with the state of its parent's agent; doing it twice changes nothing.

    Raises:
        RunError: one of the runs is damaged, or the child is in use.
    """
    lock = own(child)
    try:
        run, before = load_run(child), saved_of(child)
        if run.config[LINEAGE][-1]["trial"] == new.trial:
            return
        learned = saved_of(parent).agent | {"asked": before.agent["asked"]}
        replace(before, agent=learned).write(child / STATE)
        write_json(child / CONFIG, run.config | {"options": new.options, LINEAGE: [*run.config[LINEAGE], vars(new)]})
    finally:
        lock.release()


def saved_of(path: Path) -> Saved:
    """The state of a run.

    Raises:
        RunError: there is none.
    """
    if (saved := load_run(path).saved()) is None:
        raise RunError(f"{path / STATE} is missing")
    return saved


def require_alone(run: Run) -> None:
    """Refuse to continue a member of a population by itself.

    Raises:
        RunError: it is one.
    """
    if LINEAGE in run.config and run.result is None:
        hint = f"continue them with archgym sweep --resume {run.path.parent}"
        raise RunError(f"{run.path} is trained together with the others of its population: {hint}")


def contestant_name(config: Mapping[str, Any]) -> str:
    """What a run is compared as: its agent with its options, or its population."""
    if POPULATION in config:
        return str(config[POPULATION])
    agent = str(config["agent"])
    return agent + spell_options(config["options"], option_defaults(AGENTS.load(agent)))


def first_options(config: Mapping[str, Any]) -> Mapping[str, OptionValue]:
    """The options that a run began with."""
    options: Mapping[str, OptionValue] = config[LINEAGE][0]["options"] if LINEAGE in config else config["options"]
    return options
