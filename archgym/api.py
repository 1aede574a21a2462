"""The public functions by name: what the command line calls, one per command.

Environments, workloads and agents are named by specs: `systolic?node_nm=16`, `llama3-8b:decode?batch=8`,
`genetic?population=128`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archgym.envs import ENVIRONMENTS
from archgym.envs.cosearch import Choices, JointEvaluator
from archgym.envs.evaluator import Evaluator
from archgym.envs.family import Family
from archgym.errors import InputError
from archgym.metrics import metric_names
from archgym.problem import Problem, Quality, family_of, network_of, objective_of, pose
from archgym.registry import Entry, Registry, imported
from archgym.spec import option_defaults, spell_options
from archgym.workloads import Workload

if TYPE_CHECKING:
    import gymnasium
    import numpy as np

    from archgym.compression import Estimate, Setting
    from archgym.planning import Plan
    from archgym.search import Optimum, Progress, SearchResult
    from archgym.space import Value
    from archgym.validation import Check

OnProgress = Callable[["Progress"], None]


def evaluator(environment: str = "systolic", workload: str | Workload | None = None) -> Evaluator:
    """The cost model of an environment spec on a workload (the environment's default when None).

    Raises:
        UnknownNameError: no such environment, option or workload; InputError: a value that cannot be used.
    """
    family, scenario = family_of(environment)
    return Evaluator(family, network_of(family, workload), scenario)


def problem(
    environment: str = "systolic",
    workload: str | Workload | None = None,
    objective: Sequence[str] = (),
    constraints: Sequence[str] | None = None,
    choices: Choices | None = None,
    reward: str = "log",
    quality: Quality | None = None,
) -> Problem:
    """What `search` and `optimum` are about: evaluator, objective and space; arguments as theirs."""
    family, scenario = family_of(environment)
    judged = objective_of(family, objective, constraints, reward)
    return pose(family, scenario, workload, judged, choices, quality)


def make(
    environment: str = "systolic",
    workload: str | Workload | None = None,
    objective: Sequence[str] = (),
    constraints: Sequence[str] | None = None,
    mode: str = "propose",
    num_envs: int | None = None,
    quality: Mapping[str, Any] | None = None,
) -> gymnasium.Env[Any, Any] | gymnasium.vector.VectorEnv[Any, Any, Any]:
    """A Gymnasium environment, or the native vector environment when `num_envs` is given; see archgym.envs.base."""
    from archgym.envs.base import ArchGymEnv, ArchGymVectorEnv

    family, scenario = family_of(environment)
    judged = objective_of(family, objective, constraints)
    if num_envs is None:
        return ArchGymEnv(family, workload, judged, mode=mode, scenario=scenario, quality=quality)
    return ArchGymVectorEnv(num_envs, family, workload, judged, mode=mode, scenario=scenario, quality=quality)


@dataclass(frozen=True)
class Evaluation:
    """One design on one workload.

    Attributes:
        environment, workload: canonical specs.
        design: plain values.
        metrics: by name; empty when infeasible.
        feasible, why: the reason code's text.
        operators: one row per merged operator with its cost, its share of the latency and its bottleneck.
        memory_plan: what a memory plan saves (see archgym.planning.designs); None without one.
        quality: of a design with a compression setting: `quality_loss` and its interval `low`, `high` (None where
            unsupported), `network` whose results speak for it, and `why`; None without a setting.
    """

    environment: str
    workload: str
    design: dict[str, Value]
    metrics: dict[str, float]
    feasible: bool
    why: str
    operators: list[dict[str, Any]]
    memory_plan: dict[str, Any] | None = None
    quality: dict[str, Any] | None = None


def evaluate(
    design: str | Mapping[str, Any] | Sequence[str],
    environment: str | None = None,
    workload: str | Workload | None = None,
    memory_plan: str | None = None,
    scratchpad: str | float | None = None,
    quality: Quality | None = None,
) -> Evaluation:
    """Evaluate a design.

    A design that names a compression parameter is evaluated on the network so compressed: 16 bits and dense but for
    what is named. Otherwise the network stays as it comes.

    Args:
        design: values by parameter, or one or several of: preset name, path of a JSON file (a design, or a run's
            result.json), JSON text, `parameter=value`; later ones override earlier ones.
        environment: that of the run directory among the designs when None, else systolic. A preset brings its own
            scenario unless options are given here.
        workload: that of the run when None and the environment is the run's, else the environment's default.
        memory_plan: ilp, greedy or none: plan the network's memory and evaluate the planned network.
        scratchpad: memory to plan for, bytes or a size such as `2MiB`; the design's own when None.
        quality: options of archgym.compression.judge.Judge.

    Raises:
        InputError: something is unknown, missing, unreadable or of the wrong type.
        MissingExtraError: `ilp` without SciPy.
    """
    if memory_plan is None and scratchpad is not None:
        raise InputError("a scratchpad is what a memory plan is made for: name the method too, e.g. --memory-plan ilp")
    parts = [design] if isinstance(design, str | Mapping) else design
    if environment is None:
        environment, workload = _of_run(parts, workload)
    family, scenario = family_of(environment)
    values, preset_scenario = _design_values(family, parts)
    network, options = network_of(family, workload), dict(preset_scenario) | dict(scenario)
    model, record, judgement = _model_of(family, network, options, values, quality)
    report = None
    if memory_plan is not None:
        if judgement is not None:
            raise InputError("a memory plan is made for a network as it comes: give its width by ?bits=8, not by knobs")
        from archgym.planning.designs import plan_design

        planned = plan_design(model, record, memory_plan, scratchpad)
        model, report = planned.evaluator, planned.report()
    metrics = model.evaluate_designs(record)
    feasible = bool(metrics.feasible[0])
    return Evaluation(
        environment=model.name,
        workload=model.workload.name,
        design=model.space.values(record)[0],
        metrics={name: float(metrics[name][0]) for name in metric_names(metrics)} if feasible else {},
        feasible=feasible,
        why=model.why(int(metrics.why[0])),
        operators=model.breakdown(record) if feasible else [],
        memory_plan=report,
        quality=judgement,
    )


def _model_of(
    family: Family, network: Workload, scenario: Mapping[str, Any], values: dict[str, Any], quality: Quality | None
) -> tuple[Evaluator, np.recarray, dict[str, Any] | None]:
    """Evaluator and record of a design, and, where it names a compression parameter, what is known of its quality."""
    from archgym.compression.judge import Judge, judgement
    from archgym.compression.knobs import DEFAULTS, KNOB_NAMES, setting_of

    if not any(name in KNOB_NAMES for name in values):
        return Evaluator(family, network, scenario), family.space.design(values), None
    if str(values.get("activation_sparsity", "0")) not in ("0", "0.0") and "sparsity_method" not in values:
        raise InputError("activation_sparsity needs a sparsity_method: cats, teal, larosa or r-sparse")
    model = JointEvaluator(family, network, scenario)
    features = {feature.name: feature.choices[0] for feature in family.space.fixed}
    record = model.space.design(features | DEFAULTS | values)
    setting = setting_of(record[list(KNOB_NAMES)][0].tolist())
    judge = quality if isinstance(quality, Judge) else Judge.of(quality or {})
    return model, record, judgement(judge, network, setting)


def plan_memory(
    workload: str | Workload, scratchpad: str | float, method: str = "ilp", time_limit_s: float = 60.0
) -> Plan:
    """The least off-chip traffic of a network over operator order and tensor placement; see archgym.planning.

    Args:
        workload: spec or Workload.
        scratchpad: room for whole tensors: bytes, or a size such as `2MiB`.
        method: ilp, greedy or none.
        time_limit_s: of the solver; what it could not finish is the best found, with its bound.

    Raises:
        InputError: unknown workload or method, or no size.
        MissingExtraError: `ilp` without SciPy.
    """
    from archgym.planning import plan, size_bytes

    network = Workload.load(workload) if isinstance(workload, str) else workload
    return plan(network, size_bytes(scratchpad), method, time_limit_s)


def _of_run(
    parts: Sequence[str | Mapping[str, Any]], workload: str | Workload | None
) -> tuple[str, str | Workload | None]:
    """Environment and workload that the last run directory among the parts of a design was about."""
    runs = [Path(part) for part in parts if isinstance(part, str) and part and (Path(part) / "config.json").is_file()]
    if not runs:
        return "systolic", workload
    from archgym.search import load_run

    config = load_run(runs[-1]).config
    family: Family = ENVIRONMENTS.load(config["environment"])
    spec = config["environment"] + spell_options(config["scenario"], option_defaults(family.technology))
    return spec, config["workload"] if workload is None else workload


def _design_values(
    family: Family, parts: Sequence[str | Mapping[str, Any]]
) -> tuple[dict[str, Any], Mapping[str, Any]]:
    """Values of all parts, later ones first in rank, and the scenario of the last preset named."""
    values: dict[str, Any] = {}
    scenario: Mapping[str, Any] = {}
    for part in parts:
        if isinstance(part, Mapping):
            values |= part
        elif part.lstrip().startswith("{"):
            values |= _json_design(part, "the JSON design")
        elif not part.strip():
            raise InputError("a design is a preset, a file, a run directory, JSON or parameter=value, not empty text")
        elif "=" in part:
            name, _, text = part.partition("=")
            values[name.strip()] = text.strip()
        elif part in family.presets or not (Path(part).exists() or part.endswith(".json")):
            preset = family.preset(part)
            values |= preset.values
            scenario = preset.scenario
        else:
            values |= _read_design(Path(part))
    return values, scenario


def _read_design(path: Path) -> dict[str, Any]:
    path = path / "result.json" if path.is_dir() else path
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from error
    return _json_design(text, str(path))


def _json_design(text: str, what: str) -> dict[str, Any]:
    try:
        values = json.loads(text)
    except ValueError as error:
        raise InputError(f"{what} is not valid JSON: {error}") from None
    if isinstance(values, dict) and "best" in values:
        values = values["best"]
    if not isinstance(values, dict):
        raise InputError(f"{what} holds no design: an object of parameter names and values is needed")
    return values


def search(
    environment: str = "systolic",
    workload: str | Workload | None = None,
    agent: str = "ppo",
    objective: Sequence[str] = (),
    constraints: Sequence[str] | None = None,
    budget: int | None = None,
    seed: int = 0,
    out: str | Path | None = None,
    choices: Choices | None = None,
    reward: str = "log",
    on_progress: OnProgress | None = None,
    quality: Quality | None = None,
) -> SearchResult:
    """Search for the design that minimises an objective; see archgym.search.search for the result and errors.

    Args:
        environment, workload, agent: specs; the environment's default workload when None.
        objective: expressions to minimise, several for a Pareto front; the environment's own when empty.
        constraints: e.g. `["area_mm2<=50"]`; the environment's own when None.
        budget: designs to evaluate; the agent's own when None.
        seed: of the agent.
        out: run directory; None keeps everything in memory.
        choices: parameters held to some of their choices.
        reward: what learning agents are paid, a name in archgym.objective.REWARDS.
        on_progress: called about ten times a second.
        quality: how quality is estimated, where it is an objective or a constraint: options of
            archgym.compression.judge.Judge, e.g. `{"allow_extrapolation": True}`.
    """
    from archgym.search.loop import search as search_loop

    posed = problem(environment, workload, objective, constraints, choices, reward, quality)
    return search_loop(
        posed.evaluator, posed.objective, agent, budget, seed, out, space=posed.space, on_progress=on_progress
    )


def optimum(
    environment: str = "systolic",
    workload: str | Workload | None = None,
    objective: Sequence[str] = (),
    constraints: Sequence[str] | None = None,
    choices: Choices | None = None,
    on_progress: OnProgress | None = None,
    quality: Quality | None = None,
) -> Optimum:
    """The true optimum, by enumeration on all cores; arguments as `search`. Cached."""
    from archgym.search.optimum import optimum as enumerate_all

    posed = problem(environment, workload, objective, constraints, choices, quality=quality)
    return enumerate_all(posed.evaluator, posed.objective, posed.space, on_progress=on_progress)


VALIDATIONS = Registry(
    "validation",
    {
        "compression": Entry("archgym.compression.speedups:validate", "published gains of compressed networks"),
        "quality": Entry("archgym.compression.validation:validate", "quality model, each published result left out"),
    },
)  # things other than environments


def validate(environment: str = "systolic", reference: str | Path | None = None) -> list[Check]:
    """Hold an environment's cost model, or `quality`, against published values.

    Args:
        environment: registry name, or a name in VALIDATIONS.
        reference: folder with other projects' data, for checks that need it.

    Raises:
        InputError: unknown environment, one without validation, or an unreadable folder.
    """
    folder = None if reference is None else Path(reference)
    if environment in VALIDATIONS:
        check = VALIDATIONS.load(environment)
    else:
        family, _ = family_of(environment)
        if not family.validation:
            raise InputError(f"environment {family.name!r} brings no validation")
        check = imported(family.validation)
    if folder is not None and not folder.is_dir():
        raise InputError(f"the reference folder {folder} does not exist")
    checks: list[Check] = check(folder)
    return checks


def quality(
    model: str,
    setting: str | Setting | Mapping[str, Any] = "dense",
    *,
    method: str = "best",
    allow_extrapolation: bool = False,
    rows: str | Path | None = None,
    function: str = "published",
) -> Estimate:
    """The quality that a network loses to a compression setting; see archgym.compression.estimate.

    Args:
        model: as `archgym quality` lists them.
        setting: e.g. `weight_bits=4,kv_bits=8`, values by name, or a Setting.
        method: best, rounding, calibrated, trained, or a method.
        allow_extrapolation: a number with a wider interval where nothing published supports one.
        rows: CSV file of own results, used besides the published ones.
        function: quality function, a name in archgym.compression.QUALITY.

    Raises:
        InputError: something is unknown, not allowed or unreadable.
    """
    from archgym.compression import QUALITY, Setting

    if not isinstance(setting, Setting):
        setting = Setting.parse(setting) if isinstance(setting, str) else Setting.of(setting)
    of = QUALITY.load(function)
    estimate: Estimate = of(model, setting, method=method, allow_extrapolation=allow_extrapolation, rows=rows)
    return estimate
