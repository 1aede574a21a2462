"""What a search was asked to do: checked at the edge, written to config.json, and read back from there."""

from __future__ import annotations

import hashlib
import operator
import platform
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

import archgym
from archgym.agents import AGENTS
from archgym.agents.auto import resolved
from archgym.agents.base import Agent
from archgym.compression.judge import Judge, compression_hash
from archgym.costmodels import build
from archgym.envs import ENVIRONMENTS
from archgym.envs.cosearch import JointEvaluator
from archgym.envs.evaluator import Evaluator, model_hash
from archgym.errors import ArchGymError, InputError
from archgym.objective import Objective
from archgym.search.places import hidden
from archgym.search.run import SCHEMA, Run
from archgym.search.trials import Columns
from archgym.simulators.trust import require_trusted
from archgym.space import DesignSpace
from archgym.spec import OptionValue, option_defaults, parse_options, spell_options
from archgym.workloads import Workload


@dataclass(frozen=True)
class Request:
    """One search, checked.

    Attributes:
        agent: name in the registry; `build` and `options` make it.
        space: the environment's space, or a restriction of it.
    """

    evaluator: Evaluator
    objective: Objective
    agent: str
    build: Callable[..., Agent]
    options: Mapping[str, OptionValue]
    budget: int
    seed: int
    space: DesignSpace

    @property
    def agent_spec(self) -> str:
        """Canonical spec of the agent: its name and the options that differ from their defaults."""
        return self.agent + spell_options(self.options, option_defaults(self.build))

    @property
    def columns(self) -> Columns:
        """The columns of its trials."""
        return Columns(self.space, self.evaluator.dtype, self.evaluator.reasons, len(self.objective))

    def new_agent(self) -> Agent:
        """The agent at its start."""
        return self.build(self.space, len(self.objective), self.seed, **self.options)

    def config(self) -> dict[str, Any]:
        """Contents of config.json."""
        evaluator, objective = self.evaluator, self.objective
        return {
            "schema": SCHEMA,
            "archgym": archgym.__version__,
            "created": datetime.now(UTC).isoformat(timespec="microseconds"),  # tells equal runs apart
            "command": [hidden(word) for word in sys.argv] if len(sys.argv) > 1 else None,
            "python": platform.python_version(),
            "numpy": np.__version__,
            "environment": evaluator.family.name,
            "scenario": dict(evaluator.scenario),
            "cost_model": evaluator.cost_model,
            "workload": evaluator.workload.name,
            "compression": compression_of(evaluator),
            "objective": objective.names,
            "constraints": [str(constraint) for constraint in objective.constraints],
            "reward": objective.reward,
            "target": objective.target,
            "agent": self.agent,
            "options": dict(self.options),
            "space": restriction(evaluator.space, self.space),
            "seed": self.seed,
            "budget": self.budget,
            "model_hash": model_hash(evaluator.family),
            "cost_model_hash": evaluator.identity(),
            "workload_hash": digest(evaluator.workload.identity),
            "compression_hash": hash_of_compression(evaluator),
            "space_hash": digest(repr(choices(self.space)).encode()),
        }


def new_request(
    evaluator: Evaluator,
    objective: Objective,
    agent: str,
    budget: int | None,
    seed: int,
    space: DesignSpace | None,
) -> Request:
    """Check what was asked for.

    Raises:
        InputError: an unknown agent, option or metric, or a budget, seed or space that cannot be used.
    """
    name, mark, query = resolved(agent, budget, len(objective)).partition("?")
    build = AGENTS.load(name)
    options = option_defaults(build)
    if mark:
        options |= parse_options(f"agent {name}", query, options)
    objective.check([metric.name for metric in evaluator.metrics])
    space = checked_space(evaluator, space)
    budget = _whole("budget", getattr(build, "budget", Agent.budget) if budget is None else budget, 1)
    return Request(evaluator, objective, name, build, options, budget, _whole("seed", seed, 0), space)


def request_of(run: Run, threads: int | None = None) -> Request:
    """The request that a run directory was made for.

    Raises:
        ArchGymError: config.json names something this installation does not have.
    """
    config = run.config
    try:
        evaluator = evaluator_of(config, Workload.load(config["workload"]), threads)
        objective = Objective(config["objective"], config["constraints"], config["reward"], config["target"])
        space = evaluator.space.restrict(**config["space"])
        agent = config["agent"] + spell_options(config["options"], option_defaults(AGENTS.load(config["agent"])))
        return new_request(evaluator, objective, agent, config["budget"], config["seed"], space)
    except ArchGymError:
        raise
    except (TypeError, AttributeError, KeyError, ValueError, OverflowError) as error:
        raise ArchGymError(f"{run.path}/config.json is damaged: {error}") from None


def evaluator_of(config: Mapping[str, Any], workload: Workload, threads: int | None = None) -> Evaluator:
    """The evaluator that a config.json names, on a workload.

    Raises:
        ArchGymError: it names something this installation does not have, or a program that is not trusted here.
    """
    family, compression = ENVIRONMENTS.load(config["environment"]), config["compression"]
    if compression is None:
        require_trusted(config["cost_model"])
        return build(config["cost_model"], family, workload, config["scenario"], threads)
    judge = Judge.of(compression["judge"]) if compression["judge"] else None
    return JointEvaluator(family, workload, config["scenario"], threads, judge)


def checked_space(evaluator: Evaluator, space: DesignSpace | None) -> DesignSpace:
    """The space to search: that of the environment, or a restriction of it.

    Raises:
        InputError: a space of something else.
    """
    whole = evaluator.space
    if space is None:
        return whole
    if space.names != whole.names:
        raise InputError(f"the space has the parameters {', '.join(space.names)}, not those of {evaluator.family.name}")
    return space


def compression_of(evaluator: Evaluator) -> dict[str, Any] | None:
    """How the network is compressed and its quality judged, as plain values; None where it stays as it comes."""
    if not isinstance(evaluator, JointEvaluator):
        return None
    return {"judge": evaluator.judge.config() if evaluator.judge else None}


def hash_of_compression(evaluator: Evaluator) -> str:
    """Identity of what settings do to networks, and of the results that quality comes from."""
    if not isinstance(evaluator, JointEvaluator):
        return ""
    return digest(compression_hash().encode() + (evaluator.judge.own_rows if evaluator.judge else b""))


def restriction(whole: DesignSpace, space: DesignSpace) -> dict[str, list[Any]]:
    """The choices of the parameters that `space` restricts."""
    pairs = zip(whole.parameters, space.parameters, strict=True)
    return {mine.name: list(mine.choices) for all_, mine in pairs if mine.choices != all_.choices}


def choices(space: DesignSpace) -> dict[str, list[Any]]:
    """The choices of all parameters."""
    return {parameter.name: list(parameter.choices) for parameter in space.parameters}


def digest(data: bytes) -> str:
    """Short identity of some bytes."""
    return hashlib.sha256(data).hexdigest()[:16]


def _whole(what: str, value: object, least: int) -> int:
    """A whole number of at least `least`."""
    try:
        if isinstance(value, bool):
            raise TypeError
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise InputError(f"the {what} must be a whole number, not {value!r}") from None
    if number < least:
        raise InputError(f"the {what} must be at least {least}, not {number}")
    return number
