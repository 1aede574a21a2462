"""Trials of runs as rows of a data set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from archgym.agents import AGENTS
from archgym.datasets.schema import DataError, Rows, Source
from archgym.datasets.writer import Writer
from archgym.envs.evaluator import ANALYTICAL, Evaluator
from archgym.errors import ArchGymError, InputError
from archgym.search import request
from archgym.search.lineage import POPULATION
from archgym.search.request import choices, digest
from archgym.search.run import CONFIG, Run, load_run
from archgym.search.trials import Columns
from archgym.space import DesignSpace, Indices
from archgym.spec import option_defaults, spell_options
from archgym.workloads import Workload

ALIKE = {  # what runs of one data set have in common, by the key of config.json
    "environment": "environment",
    "scenario": "scenario",
    "compression": "compression of networks",
    "cost_model": "cost model",
    "model_hash": "cost model",
    "cost_model_hash": "cost model",
    "compression_hash": "results that quality comes from",
}


def found_runs(paths: Sequence[str | Path]) -> list[Run]:
    """The runs among paths: run directories, or directories of them.

    Raises:
        InputError: a path that is neither, or runs that do not fit into one data set.
        RunError: a run is damaged.
    """
    runs = []
    for path in map(Path, paths):
        inside = [path] if (path / CONFIG).exists() else sorted(child.parent for child in path.glob(f"*/{CONFIG}"))
        if not inside:
            there = "is no run directory, and holds none" if path.exists() else "does not exist"
            raise InputError(f"{path} {there}")
        runs += [load_run(run) for run in inside]
    if not runs:
        raise InputError("name at least one run directory")
    places = [run.path.resolve() for run in runs]
    for run, place in zip(runs, places, strict=True):
        if places.count(place) > 1:
            raise InputError(f"the run {run.path} is given twice")
    for run in runs[1:]:
        for key, what in ALIKE.items():
            if run.config[key] != runs[0].config[key]:
                values = f"{runs[0].config[key]!r} and {run.config[key]!r}"
                raise InputError(f"{runs[0].path} and {run.path} differ in the {what} ({values}): export them apart")
    return runs


def evaluator_of(run: Run, workload: Workload) -> Evaluator:
    """The evaluator of a run, its agent not needed.

    Raises:
        ArchGymError: it is not installed here; DataError: a cost model other than the analytical has changed since.
    """
    evaluator = request.evaluator_of(run.config, workload)
    if evaluator.cost_model != ANALYTICAL and evaluator.identity() != run.config["cost_model_hash"]:
        raise DataError(f"{run.path}: the cost model {evaluator.cost_model!r} has changed since the run was made")
    return evaluator


def workload_of(run: Run) -> Workload:
    """The workload of a run.

    Raises:
        DataError: its operators are not those that the run was made with.
    """
    workload = Workload.load(run.config["workload"])
    if digest(workload.identity) != run.config["workload_hash"]:
        raise DataError(f"{run.path}: the operators of {workload.name} have changed since the run was made")
    return workload


def space_of(run: Run, evaluator: Evaluator) -> DesignSpace:
    """The space a run searched. Its labels may come from another version of the cost model, its designs may not.

    Raises:
        DataError: the space has changed since.
    """
    try:
        space = evaluator.space.restrict(**run.config["space"])
    except InputError:
        space = evaluator.space
    if digest(repr(choices(space)).encode()) != run.config["space_hash"]:
        raise DataError(f"{run.path}: the design space of {evaluator.family.name} has changed since the run was made")
    return space


def run_source(run: Run) -> dict[str, Any]:
    """What `sources` in dataset.json says of a run; `rows` is filled as they are written."""
    config = run.config
    agent = config["agent"]
    try:
        agent += spell_options(config["options"], option_defaults(AGENTS.load(agent)))
    except ArchGymError:  # its extra is not installed here: its defaults are not known
        agent += spell_options(config["options"], dict.fromkeys(config["options"], ""))
    names = ("seed", "workload", "objective", "constraints", "reward", "target", "space")
    own = {"sampler": "agent", "agent": config.get(POPULATION, agent), "rows": 0, "run": run.path.name}
    return own | {name: config[name] for name in names}


def add_run(
    made: Writer, workload: int, run: Run, evaluator: Evaluator, space: DesignSpace, about: dict[str, Any]
) -> None:
    """Write the trials of a run in order.

    Args:
        made: the data set.
        workload: its number there.
        run: to read.
        evaluator, space: that it was made with.
        about: of its source, see run_source.

    Raises:
        RunError, DataError: a part of the run is damaged.
    """
    source = Source(len(made.sources), about["sampler"], about["agent"], about["seed"])
    made.sources.append(about)
    columns = Columns(space, evaluator.dtype, evaluator.reasons, len(about["objective"]))
    for path, table in zip(run.parts(), run.tables(), strict=True):
        if not len(table):
            continue
        try:
            indices, outcome = columns.read(table)
            indices = lift(space, made.layout.space, space.check(indices))
        except (KeyError, ValueError, TypeError) as error:
            raise DataError(f"{path} is damaged: it does not hold trials of this run ({error})") from None
        made.add(workload, Rows(indices, outcome.metrics, outcome.rewards, int(table["trial"][0].as_py())), source)
        made.note_designs(workload, made.layout.space.rank(indices))
        about["rows"] += len(indices)


def lift(space: DesignSpace, whole: DesignSpace, indices: Indices) -> Indices:
    """Indices [N, P] of a restricted space as those of the whole space."""
    lifted = np.empty_like(indices)
    for column, (own, all_) in enumerate(zip(space.parameters, whole.parameters, strict=True)):
        lifted[:, column] = np.array([all_.index(choice) for choice in own.choices])[indices[:, column]]
    return lifted
