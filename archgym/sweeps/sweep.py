"""What a sweep is: every agent, with its settings, on every environment and workload, from every seed.

A sweep is written as YAML or as flags, checked here before anything starts, and kept as sweep.json in its directory.
Each of its searches is a run directory of its own beside that file, so what is done is what lies there; running.py
makes what is missing, and summary.parquet (summary.py) lists what came of it.

Two kinds of sweeps do not name all their searches beforehand: with `searcher: optuna` the settings of an agent are
proposed one after the other by what the runs before have reached, and with `scheduler: asha` the runs that are behind
at a share of their budget are stopped there. With `scheduler: pbt` the runs are members of populations (population.py).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from archgym.agents import AGENTS
from archgym.agents.auto import resolved
from archgym.envs.evaluator import ANALYTICAL
from archgym.errors import InputError, missing_extra, unknown
from archgym.problem import Problem
from archgym.search.compare import Job, budget_of, contestants, file_name, listed
from archgym.search.places import default_storage, place_of, recorded
from archgym.search.request import new_request
from archgym.simulators.driver import LIMIT
from archgym.sweeps.pbt import Rules

NONE, ASHA, PBT, OPTUNA = "none", "asha", "pbt", "optuna"
MODEL_TIMEOUT = "model_timeout_s"  # of a search; not of a sweep
LONGEST = 80  # characters of environment and workload in the name of a run


# -- checks of what comes from outside: each takes a value and its name in messages


def _texts(value: Any, what: str) -> tuple[str, ...]:
    """A list of texts, or one that lists them by commas; those in calls, as in max(a, b), stay."""
    found = re.split(r",(?![^(]*\))", value) if isinstance(value, str) else value
    if not isinstance(found, list | tuple) or not all(isinstance(text, str) for text in found):
        raise InputError(f"{what} must be a list of texts, not {value!r}")
    return tuple(dict.fromkeys(text.strip() for text in found if text.strip()))


def _some(value: Any, what: str) -> tuple[str, ...]:
    if not (found := _texts(value, what)):
        raise InputError(f"{what} must name at least one")
    return found


def _bounds(value: Any, what: str) -> tuple[str, ...] | None:
    """Constraints: None for the environment's own, empty for `none`."""
    found = None if value is None else _texts(value, what)
    return () if found == (NONE,) else found


def _workloads(value: Any, what: str) -> Any:
    """Of all environments, or of each by its spec."""
    if isinstance(value, Mapping):
        return {env: _texts(own, f"{what} of {env}") for env, own in value.items()}
    return _texts(value, what)


def _whole(least: int) -> Callable[[Any, str], int]:
    def check(value: Any, what: str) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise InputError(f"{what} must be a whole number, not {value!r}")
        if value < least:
            raise InputError(f"{what} must be at least {least}, not {value}")
        return value

    return check


MOST_SEEDS = 100_000  # more are a typing error, which would fill the memory


def _seeds(value: Any, what: str) -> tuple[int, ...]:
    """A number of seeds, 0 and up, or the seeds themselves."""
    if not isinstance(value, list | tuple):
        if (count := _whole(1)(value, what)) > MOST_SEEDS:
            raise InputError(f"{what} must be at most {MOST_SEEDS:,}, not {count}")
        return tuple(range(count))
    if not value:
        raise InputError(f"{what} must name at least one")
    return tuple(dict.fromkeys(_whole(0)(seed, what) for seed in value))


def _choices(value: Any, what: str) -> dict[str, list[Any]]:
    given = mapping_of(value, what)
    return {name: list(own) if isinstance(own, list | tuple) else [own] for name, own in given.items()}


def mapping_of(value: Any, what: str) -> dict[str, Any]:
    """Values by name.

    Raises:
        InputError: something else.
    """
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
        raise InputError(f"{what} must be a mapping of names to values, not {value!r}")
    return dict(value)


def _text(value: Any, what: str) -> str:
    if not isinstance(value, str):
        raise InputError(f"{what} must be a text, not {value!r}")
    return value


def _one_of(*names: str) -> Callable[[Any, str], str]:
    def check(value: Any, what: str) -> str:
        value = NONE if value is None else value  # an empty value in YAML
        if value not in names:
            raise unknown(what, value, names)
        return str(value)

    return check


def _scheduler(value: Any, what: str) -> str:
    """A scheduler; `pbt` may have options: pbt?population=4."""
    name, mark, query = (value if isinstance(value, str) else "").partition("?")
    if name == PBT and mark:
        Rules.of(query)
        return str(value)
    return _one_of(NONE, ASHA, PBT)(value, what)


def _of(check: Callable[[Any, str], Any], default: Any) -> Any:
    return field(default=default, metadata={"check": check})


@dataclass(frozen=True)
class Sweep:
    """Many searches; made by `Sweep.of`, which checks.

    Attributes:
        envs: specs of environments.
        workloads: specs, for all environments or by environment; the environment's default where there are none.
        agents: specs, or `all`.
        seeds: of each agent on each task; a number n in YAML stands for 0 to n - 1.
        budget: designs of each run; an agent of use for fewer gets those.
        hyperparameters: settings of each agent that take part besides the agent as it is, drawn from its ranges; with
            a searcher, the settings that it proposes.
        objective, constraints, choices, reward, quality, cost_model: as archgym.search.
        scheduler: `asha` stops runs that are behind (Li et al., "A system for massively parallel hyperparameter
            tuning", MLSys 2020). `pbt` trains a population of every agent, from every seed (pbt.py); with options of
            pbt.Rules: `pbt?population=4&interval=200`.
        searcher: `optuna` proposes settings of one agent by the tree-structured Parzen estimator.
        storage: where the runs are mirrored to, see archgym.search.places; $ARCHGYM_STORAGE or journal where empty.
        retries: times that a run whose process died or failed is taken up again.
    """

    envs: tuple[str, ...] = _of(_some, ("systolic",))
    workloads: tuple[str, ...] | Mapping[str, tuple[str, ...]] = _of(_workloads, ())
    agents: tuple[str, ...] = _of(_some, ("auto",))
    seeds: tuple[int, ...] = _of(_seeds, tuple(range(5)))
    budget: int = _of(_whole(1), 1000)
    hyperparameters: int = _of(_whole(0), 0)
    objective: tuple[str, ...] = _of(_texts, ())
    constraints: tuple[str, ...] | None = _of(_bounds, None)
    choices: Mapping[str, list[Any]] = field(default_factory=dict, metadata={"check": _choices})
    reward: str = _of(_text, "log")
    quality: Mapping[str, Any] = field(default_factory=dict, metadata={"check": mapping_of})
    cost_model: str = _of(_text, ANALYTICAL)
    scheduler: str = _of(_scheduler, NONE)
    searcher: str = _of(_one_of(NONE, OPTUNA), NONE)
    storage: str = _of(_text, "")
    retries: int = _of(_whole(0), 1)

    @property
    def rules(self) -> Rules | None:
        """How populations are trained; None where there are none."""
        name, _, query = self.scheduler.partition("?")
        return Rules.of(query) if name == PBT else None

    @classmethod
    def of(cls, values: Mapping[str, Any], source: str = "") -> Sweep:
        """From plain values by name, e.g. of a YAML file called `source`.

        Raises:
            InputError: an unknown name, or a value of the wrong kind; names the source.
        """
        known, place = {each.name: each for each in fields(cls)}, f" in {source}" if source else ""
        for name in values:
            if name == MODEL_TIMEOUT:
                raise InputError(_no_time_limit(place))
            if name not in known:
                raise unknown(f"key{place}", name, known)
        return cls(**{name: known[name].metadata["check"](value, f"{name}{place}") for name, value in values.items()})

    def plain(self) -> dict[str, Any]:
        """As values that JSON knows; `of` is the inverse."""
        return {name: _plain(value) for name, value in vars(self).items()}

    def kept(self) -> dict[str, Any]:
        """What sweep.json keeps: plain values, and no password."""
        place = place_of(self.storage, Path()) if self.storage else None
        return self.plain() | {"storage": place.spec if place else self.storage}


def _no_time_limit(place: str) -> str:
    why = "a time limit of the cost model works in the main thread alone, where Ray runs no trials"
    return f"{MODEL_TIMEOUT}{place} is not for sweeps: {why}; programs have ${LIMIT}, single runs archgym search"


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(own) for name, own in value.items()}
    return list(value) if isinstance(value, tuple) else value


def read_sweep(path: Path) -> dict[str, Any]:
    """The values in a YAML file.

    Raises:
        InputError: not readable, or no mapping; MissingExtraError: PyYAML is not installed.
    """
    try:
        import yaml
    except ImportError as error:
        raise missing_extra("a sweep", "ray", error) from error
    try:
        values = yaml.safe_load(path.read_bytes())
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    except (yaml.YAMLError, ValueError) as error:
        hint = "texts with ? or : need quotes, 'genetic?population=8'"
        raise InputError(f"{path} is no YAML ({hint}): {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise InputError(f"{path} must hold names and values, such as 'budget: 1000'")
    return values


# -- the searches


@dataclass(frozen=True)
class Task:
    """An environment on a workload, as the sweep poses it.

    Attributes:
        place: how its runs are called.
        arguments: of archgym.search, all but agent, seed and budget.
    """

    place: str
    problem: Problem
    arguments: Mapping[str, Any]


def tasks_of(sweep: Sweep) -> list[Task]:
    """What the agents are to work on.

    Raises:
        InputError: something is unknown or does not fit together; two tasks are the same, or too many for a scheduler
            or searcher.
    """
    from archgym import api

    if isinstance(sweep.workloads, Mapping):
        for env in sweep.workloads:
            if env not in sweep.envs:
                raise unknown("environment of workloads", env, sweep.envs)
    tasks: dict[str, Task] = {}
    for env in sweep.envs:
        named = sweep.workloads.get(env, ()) if isinstance(sweep.workloads, Mapping) else sweep.workloads
        for workload in named or (None,):
            arguments = {"environment": env, "workload": workload, **_shared(sweep)}
            problem = api.problem(**arguments)
            place = file_name(f"{problem.evaluator.name}-{problem.evaluator.workload.name}")[:LONGEST]
            if place in tasks:
                raise InputError(f"the sweep names {workload or problem.evaluator.workload.name} on {env} twice")
            tasks[place] = Task(place, problem, arguments)
    _require_one(sweep, list(tasks.values()))
    return list(tasks.values())


def _shared(sweep: Sweep) -> dict[str, Any]:
    """Arguments of archgym.search that all searches have in common."""
    constraints = None if sweep.constraints is None else list(sweep.constraints)
    shared = {name: getattr(sweep, name) for name in ("choices", "reward", "quality", "cost_model")}
    return shared | {"objective": list(sweep.objective), "constraints": constraints}


def _storage(sweep: Sweep, folder: Path) -> str:
    """Where runs are mirrored to.

    Raises:
        InputError: it is of no known form; RunError: its password is not known.
    """
    storage = recorded({"storage": sweep.storage}) if sweep.storage else default_storage(folder)
    place_of(storage, folder)
    return storage


def _require_one(sweep: Sweep, tasks: Sequence[Task]) -> None:
    """Refuse to rank runs by numbers that do not compare."""
    for name in (sweep.scheduler.partition("?")[0], sweep.searcher):
        if name == NONE:
            continue
        if len(tasks) > 1 and name != PBT:  # a population has one of its own
            raise InputError(f"{name} ranks runs by their objective: it needs one environment and one workload")
        if len(tasks[0].problem.objective) > 1:
            raise InputError(f"{name} ranks runs by their objective: it needs a single one")


def jobs_of(sweep: Sweep, tasks: Sequence[Task], folder: Path) -> list[Job]:
    """Every search of a sweep without a searcher, the first seed of all of them first.

    Raises:
        InputError: an unknown agent or option.
    """
    named = []
    for task in tasks:
        specs = [resolved(agent, sweep.budget, len(task.problem.objective)) for agent in listed(sweep.agents)]
        named += [(task, name, spec) for name, spec in contestants(specs, sweep.hyperparameters).items()]
    return [job_of(sweep, task, name, spec, seed, folder) for seed in sweep.seeds for task, name, spec in named]


def job_of(sweep: Sweep, task: Task, contestant: str, spec: str, seed: int, folder: Path) -> Job:
    """One search.

    Raises:
        InputError: an unknown agent or option.
    """
    budget = budget_of(spec, sweep.budget)
    problem = task.problem
    new_request(problem.evaluator, problem.objective, spec, budget, seed, problem.space)
    path = folder / f"{task.place}-{file_name(contestant)}-s{seed}"
    own = {"agent": spec, "budget": budget, "seed": seed, "storage": _storage(sweep, folder)}
    return Job(contestant, path, {**task.arguments, **own})


def agent_of(sweep: Sweep, task: Task) -> str:
    """The agent whose settings a searcher proposes.

    Raises:
        InputError: there is not one agent by its name alone, with ranges to search, one seed, and a number of settings.
    """
    agents = [resolved(agent, sweep.budget, len(task.problem.objective)) for agent in listed(sweep.agents)]
    if len(agents) != 1 or "?" in agents[0] or len(sweep.seeds) != 1:
        raise InputError(f"searcher {sweep.searcher} needs one agent without options, and one seed: seeds: [0]")
    if not AGENTS.load(agents[0]).hyperparameters:
        raise InputError(f"agent {agents[0]!r} declares no hyperparameters that could be searched")
    if not sweep.hyperparameters:
        raise InputError(f"searcher {sweep.searcher} needs a number of settings to try: hyperparameters: 20")
    return agents[0]
