"""The command that makes a run again, from its config.json: the same trials, whoever made it and how."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from archgym.compression.judge import Judge
from archgym.envs.cosearch import JointEvaluator
from archgym.envs.evaluator import ANALYTICAL
from archgym.errors import ArchGymError
from archgym.problem import pose
from archgym.reports.absent import Absent
from archgym.reports.runs import RunData
from archgym.search.lineage import LINEAGE
from archgym.search.request import choices
from archgym.workloads import Workload

_QUALITY = {"model": "--quality-model", "method": "--quality-method", "rows": "--quality-rows"}
_QUALITY |= {"function": "--quality-function"}


def command_of(run: RunData) -> list[str] | Absent:
    """Words of the command line, without a place for the run."""
    config, request = run.run.config, run.request
    if LINEAGE in config:
        return Absent("The run is a member of a population: the sweep that its sweep.json describes makes it again.")
    if config["target"] != 1:
        return Absent(f"The reward's target {config['target']:g} can be set from Python alone: Objective(target=...).")
    try:
        Workload.load(config["workload"])
    except ArchGymError as error:
        return Absent(f"The workload is not to be had by its name: {error}.")
    words = ["archgym", "search", "--env", request.evaluator.name, "--workload", config["workload"]]
    words += ["--agent", request.agent_spec]
    for objective in config["objective"]:
        words += ["--objective", objective]
    for constraint in config["constraints"] or ["none"]:
        words += ["--constraint", constraint]
    words += ["--budget", str(config["budget"]), "--seed", str(config["seed"])]
    if config["reward"] != "log":
        words += ["--reward", config["reward"]]
    if config["cost_model"] != ANALYTICAL:
        words += ["--cost-model", config["cost_model"]]
    return [*words, *_quality(config["compression"]), *_held(run)]


def spelled(words: list[str]) -> str:
    """The words as a line for a shell."""
    return shlex.join(words)


def _quality(compression: Mapping[str, Any] | None) -> list[str]:
    """Options of the judge of quality that differ from its own."""
    judge = (compression or {}).get("judge")
    if not judge:
        return []
    usual = Judge.of({}).config()
    given = [name for name in _QUALITY if judge[name] != usual[name]]
    words = [word for name in given for word in (_QUALITY[name], judge[name])]
    return words + ["--allow-extrapolation"] * bool(judge["allow_extrapolation"])


def _held(run: RunData) -> list[str]:
    """Parameters held to other choices than a search holds them to when nothing is said."""
    request = run.request
    evaluator = request.evaluator
    held = dict(run.run.config["space"])
    if not isinstance(evaluator, JointEvaluator) or evaluator.judge is not None:
        quality = evaluator.judge if isinstance(evaluator, JointEvaluator) else None
        usual = choices(
            pose(
                evaluator.family, evaluator.scenario, evaluator.workload, request.objective,
                quality=quality, cost_model=evaluator.cost_model,
            ).space
        )  # fmt: skip
        held = {name: listed for name, listed in choices(request.space).items() if listed != usual[name]}
    return [word for name, listed in held.items() for word in ("--set", f"{name}={','.join(map(str, listed))}")]
