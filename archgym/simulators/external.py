"""The user's own simulator as a cost model: a program, `command:./simulator --fast`, or a Python function,
`python:simulator.py:simulate` or `python:package.module:simulate`.

Both get one JSON object and give one. First they are asked what they are:

    {"protocol": 1, "ask": "description", "environment": "systolic", "scenario": {...}, "parameters": {NAME: CHOICES}}
    {"metrics": {"latency_s": "s", "energy_j": "J"}}         names and units of what they will tell of every design
        "space": {"arrays": [1]}                             optional: the choices of parameters that they can express
        "reasons": {"too_large": "..."}                      optional: why they may refuse a design
        "version": "..."                                     optional: anything that changes with their numbers

then about one design after the other, each in a process of its own:

    {"protocol": 1, "ask": "design", "environment": ..., "scenario": {...}, "workload": {...}, "design": {NAME: VALUE}}
    {"latency_s": 0.0012, "energy_j": 0.034}                 all metrics, finite numbers
    {"feasible": false, "why": "too_large"}                  or a refusal, `why` one of the reasons, or left out

The numbers belong to the contents of the program's files: an edited program is another cost model.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from archgym.costmodels import needed
from archgym.envs.evaluator import Evaluator
from archgym.envs.family import Family
from archgym.errors import InputError, unknown
from archgym.metrics import Metric
from archgym.simulators.driver import Job, Json, Program, asked, content_hash
from archgym.simulators.evaluator import SimulatedEvaluator
from archgym.simulators.trust import remember
from archgym.space import DesignSpace, Parameter
from archgym.workloads import Workload
from archgym.workloads.operators import KINDS

PROTOCOL = 1
CALLER = Path(__file__).parent / "workers" / "run_callable.py"
REFUSED = "refused: the simulator refuses the design"
NOT_EXPRESSIBLE = "not_expressible: a value that the simulator does not list in its space"
_DESCRIPTION = ("metrics", "space", "reasons", "version")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass
class External:
    """How a program or function is asked about designs; a Simulator.

    Attributes:
        held: parameters that have no other values than the choices which it lists.
        request: what every question about a design holds.
    """

    ours: Evaluator
    cost_model: str
    program: Program
    space: DesignSpace
    metrics: tuple[Metric, ...]
    reasons: tuple[str, ...]
    held: tuple[Parameter, ...]
    request: Json

    def jobs(self, design: np.record) -> tuple[int, list[Job]]:
        """One question."""
        if any(design[parameter.name] not in parameter.codes for parameter in self.held):
            return self.reasons.index(NOT_EXPRESSIBLE), []
        values = self.space.values(np.asarray(design))[0]
        about = ", ".join(f"{name}={value}" for name, value in values.items())
        return 0, [Job(self.request | {"design": values}, about)]

    def check(self, answer: Json) -> None:
        """All metrics and nothing else, or a refusal for a reason that was announced."""
        if answer.get("feasible", True) is False:
            _require_keys(answer, ("feasible", "why"))
            self._code(answer)
            return
        names = [metric.name for metric in self.metrics]
        _require_keys({key: 0 for key in answer if key != "feasible"}, names)
        for name in names:
            if name not in answer:
                raise InputError(f"it lacks {name}")
            _require_number(name, answer[name])

    def result(self, design: np.record, answers: Sequence[Json]) -> tuple[int, Sequence[float]]:
        """The answer, in the order of the metrics."""
        answer = answers[0]
        if answer.get("feasible", True) is False:
            return self._code(answer), ()
        return 0, [float(answer[metric.name]) for metric in self.metrics]

    def _code(self, answer: Json) -> int:
        codes = [reason.partition(":")[0] for reason in self.reasons]
        why = answer.get("why", codes[1])
        if why not in codes[1:]:
            raise unknown("reason", why, codes[1:])
        return codes.index(why)


def _require_keys(given: Mapping[str, Any], allowed: Sequence[str]) -> None:
    for key in given:
        if key not in allowed:
            raise unknown("key", key, allowed)


def _require_number(name: str, value: object) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not (number and abs(value) <= sys.float_info.max):  # type: ignore[arg-type]
        raise InputError(f"{name} must be a finite number, not {json.dumps(value)[:40]}")


# -- what it says of itself


def external(cost_model: str, program: Program, ours: Evaluator) -> SimulatedEvaluator:
    """The cost model of a program that keeps the protocol.

    Raises:
        SimulationError: its description fails or cannot be used.
    """
    family = ours.family
    shared = {"protocol": PROTOCOL, "environment": family.name, "scenario": dict(ours.scenario)}
    parameters = {parameter.name: list(parameter.choices) for parameter in family.space.parameters}
    question = shared | {"ask": "description", "parameters": parameters}
    told = _description(program, json.dumps(question), family)
    space = family.space.restrict(**told.get("space", {}))
    version, reasons = json.dumps(told.get("version")).encode(), told.get("reasons", {})
    simulator = External(
        ours=ours,
        cost_model=cost_model,
        program=replace(program, identity=content_hash([program.identity.encode(), version])),
        space=space,
        metrics=_metrics(told["metrics"], family),
        reasons=("feasible", REFUSED, NOT_EXPRESSIBLE, *(f"{code}: {text}" for code, text in reasons.items())),
        held=tuple(space[name] for name in told.get("space", {})),
        request=shared | {"ask": "design", "workload": workload_json(ours.workload)},
    )
    remember(cost_model)
    return SimulatedEvaluator(simulator)


@cache
def _description(program: Program, question: str, family: Family) -> Json:
    """What a program says of itself, asked once a process."""
    return asked(program, Job(json.loads(question), "its description"), lambda told: _check_description(told, family))


def _check_description(told: Json, family: Family) -> None:
    _require_keys(told, _DESCRIPTION)
    for name in ("metrics", "reasons"):
        texts = told.get(name, {} if name == "reasons" else None)
        if not isinstance(texts, dict) or not all(isinstance(text, str) for text in texts.values()):
            raise InputError(f"its {name} must be an object of names and texts, not {json.dumps(texts)}")
        for key in texts:
            if not _NAME.fullmatch(key) or key in ("feasible", "why", "refused", "not_expressible"):
                raise InputError(f"{key!r} cannot be the name of one of its {name}")
    if not told["metrics"]:
        raise InputError("it tells no metrics")
    space = told.get("space", {})
    if not isinstance(space, dict):
        raise InputError(f"its space must be an object of parameters and choices, not {json.dumps(space)}")
    try:
        family.space.restrict(**space)
    except TypeError as error:
        raise InputError(f"its space cannot be used: {error}") from None
    _metrics(told["metrics"], family)


def _metrics(named: Mapping[str, str], family: Family) -> tuple[Metric, ...]:
    """Metrics by name and unit; those that the family has too are described by it."""
    ours = {metric.name: metric for metric in family.metrics}
    for name, unit in named.items():
        if name in ours and ours[name].unit != unit:
            raise InputError(f"{name} is in {ours[name].unit!r}, not in {unit!r}")
    return tuple(ours.get(name, Metric(name, unit, "of the simulator")) for name, unit in named.items())


def workload_json(workload: Workload) -> Json:
    """A workload as plain values: its table of operators with texts for codes, and its tasks."""
    operators = []
    for label, row in zip(workload.labels, workload.operators, strict=True):
        values = {name: row[name].item() for name in row.dtype.names}
        texts = {"label": label, "kind": KINDS[int(row.kind)], "weight": ("none", "a", "b")[int(row.weight)]}
        operators.append(texts | {name: value for name, value in values.items() if name not in texts})
    tasks = [{name: row[name].item() for name in row.dtype.names} for row in workload.task_table]
    return {"name": workload.name, "operators": operators, "tasks": tasks}


# -- where it is


def build_command(
    argument: str, family: Family, workload: Workload, scenario: Mapping[str, Any] | None, threads: int | None = None
) -> SimulatedEvaluator:
    """A program and its arguments; see archgym.costmodels. Those that are files count for its identity.

    Raises:
        InputError: no such program; SimulationError: it does not say what it is.
    """
    try:
        words = shlex.split(needed(argument, "command:PROGRAM"))
    except ValueError as error:
        raise InputError(f"cannot read the command {argument!r}: {error}") from None
    found = shutil.which(words[0]) if words else None
    if found is None:
        raise InputError(f"the simulator {words[0] if words else argument!r} is no program that can be run")
    command = [os.path.abspath(found), *map(_from_anywhere, words[1:])]
    files = [Path(word).read_bytes() for word in command if Path(word).is_file()]
    identity = content_hash([shlex.join(command).encode(), *files])
    program = Program("command", tuple(command), identity)
    return external(f"command:{shlex.join(command)}", program, Evaluator(family, workload, scenario, threads))


def _from_anywhere(word: str) -> str:
    """An argument as it means the same from any directory: files, and what is spelled as a path."""
    path = Path(word)
    return os.path.abspath(word) if path.is_file() or ("/" in word and path.exists()) else word


def build_python(
    argument: str, family: Family, workload: Workload, scenario: Mapping[str, Any] | None, threads: int | None = None
) -> SimulatedEvaluator:
    """A function of a file or of a module; see archgym.costmodels. Its file, or its package, is its identity.

    Raises:
        InputError: no such file or module; SimulationError: the function does not say what it is.
    """
    place, _, name = needed(argument, "python:FILE.py:FUNCTION or python:MODULE:FUNCTION").rpartition(":")
    if not place or not name.isidentifier():
        raise InputError(f"a simulator in Python is FILE.py:FUNCTION or MODULE:FUNCTION, not {argument!r}")
    if place.endswith(".py"):
        place = os.path.abspath(place)
        sources = [Path(place)]
    else:
        sources = _sources(place)
    try:
        contents = [path.read_bytes() for path in sources]
    except OSError as error:
        raise InputError(f"cannot read the simulator {place}: {error.strerror}") from None
    program = Program(
        "python",
        (sys.executable, str(CALLER), place, name),
        content_hash([f"{sys.version} {place}:{name}".encode(), *contents]),
        (("PYTHONPATH", os.pathsep.join(os.path.abspath(path) for path in sys.path)),),
    )
    return external(f"python:{place}:{name}", program, Evaluator(family, workload, scenario, threads))


def _sources(module: str) -> list[Path]:
    """The file of a module, or all of the package that it is in.

    Raises:
        InputError: there is no such module.
    """
    package = module.partition(".")[0]
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        spec = None
    if spec is None or spec.origin is None:
        raise InputError(
            f"there is no module {package!r} to import; a file is named by its path: python:FILE.py:FUNCTION"
        )
    origin = Path(spec.origin)
    return sorted(origin.parent.rglob("*.py")) if spec.submodule_search_locations else [origin]
