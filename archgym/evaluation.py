"""One design on one workload: where its values come from, and what is said of it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archgym.costmodels import answers, build
from archgym.envs import ENVIRONMENTS
from archgym.envs.cosearch import JointEvaluator
from archgym.envs.evaluator import ANALYTICAL, Evaluator
from archgym.envs.family import Family
from archgym.errors import InputError, unknown
from archgym.metrics import metric_names
from archgym.problem import Quality, family_of, network_of, require_able
from archgym.spec import option_defaults, spell_options
from archgym.workloads import Workload

if TYPE_CHECKING:
    import numpy as np

    from archgym.space import Value


@dataclass(frozen=True)
class Evaluation:
    """One design on one workload.

    Attributes:
        environment, workload: canonical specs.
        design: plain values.
        metrics: by name; empty when infeasible.
        feasible, why: the reason code's text.
        operators: one row per merged operator with its cost, its share of the latency and its bottleneck; none where
            the cost model knows none.
        memory_plan: what a memory plan saves (see archgym.planning.designs); None without one.
        quality: of a design with a compression setting: `quality_loss` and its interval `low`, `high` (None where
            unsupported), `network` whose results speak for it, and `why`; None without a setting.
        cost_model: canonical spec.
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
    cost_model: str = ANALYTICAL


def evaluate(
    design: str | Mapping[str, Any] | Sequence[str],
    environment: str | None = None,
    workload: str | Workload | None = None,
    memory_plan: str | None = None,
    scratchpad: str | float | None = None,
    quality: Quality | None = None,
    cost_model: str | None = None,
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
        cost_model: spec, see archgym.costmodels; that of the run when None and the environment is the run's, else
            analytical.

    Raises:
        InputError: something is unknown, missing, unreadable or of the wrong type, or beyond the cost model.
        MissingExtraError: `ilp` without SciPy.
    """
    if memory_plan is None and scratchpad is not None:
        raise InputError("a scratchpad is what a memory plan is made for: name the method too, e.g. --memory-plan ilp")
    parts = [design] if isinstance(design, str | Mapping) else design
    if environment is None:
        environment, workload, quality, cost_model = _of_run(parts, workload, quality, cost_model)
    family, scenario = family_of(environment)
    values, preset_scenario = design_values(family, parts)
    network, options = network_of(family, workload), dict(preset_scenario) | dict(scenario)
    model, record, judgement = _model_of(family, network, options, values, quality, cost_model or ANALYTICAL)
    report = None
    if memory_plan is not None:
        if judgement is not None:
            raise InputError("a memory plan is made for a network as it comes: give its width by ?bits=8, not by knobs")
        model, report = _planned(model, record, memory_plan, scratchpad)
    metrics = answers(model, record)
    feasible = bool(metrics.feasible[0])
    return Evaluation(
        environment=model.name,
        workload=model.workload.name,
        design=model.space.values(record)[0],
        metrics={name: float(metrics[name][0]) for name in metric_names(metrics)} if feasible else {},
        feasible=feasible,
        why=model.why(int(metrics.why[0])),
        operators=model.breakdown(record) if feasible and model.explains else [],
        memory_plan=report,
        quality=judgement,
        cost_model=model.cost_model,
    )


def _planned(
    model: Evaluator, record: np.recarray, method: str, scratchpad: str | float | None
) -> tuple[Evaluator, dict[str, Any]]:
    """The cost model on the network under a memory plan, and what the plan saves."""
    if model.cost_model != ANALYTICAL:
        raise InputError(f"cost model {model.cost_model!r} takes no memory plan: leave it out, or use {ANALYTICAL!r}")
    from archgym.planning.designs import plan_design

    planned = plan_design(model, record, method, scratchpad)
    return planned.evaluator, planned.report()


def _model_of(
    family: Family,
    network: Workload,
    scenario: Mapping[str, Any],
    values: dict[str, Any],
    quality: Quality | None,
    cost_model: str,
) -> tuple[Evaluator, np.recarray, dict[str, Any] | None]:
    """Evaluator and record of a design, and, where it names a compression parameter, what is known of its quality."""
    from archgym.compression.judge import Judge, judgement
    from archgym.compression.knobs import DEFAULTS, KNOB_NAMES, knobs_of
    from archgym.compression.setting import Setting

    for name in values:
        if name not in family.joint_space.names:
            raise unknown("parameter", name, family.joint_space.names)
    knobs = {name: value for name, value in values.items() if name in KNOB_NAMES}
    features = {feature.name: feature.choices[0] for feature in family.space.fixed}
    model = build(cost_model, family, network, scenario)
    if model.cost_model != ANALYTICAL:
        require_able(model, list(values), quality=quality)
        given = {name: value for name, value in (features | DEFAULTS).items() if name in model.space.names}
        return model, model.space.design(given | values), None
    if not knobs:
        if quality:
            raise InputError("options of quality are of use with a compression setting: name one, e.g. weight_bits=4")
        return model, model.space.design(values), None
    setting = Setting.of(_named(knobs))
    model = JointEvaluator(family, network, scenario)
    record = model.space.design(features | values | knobs_of(setting))
    model.operators_of(record)  # says so where the network cannot be so compressed
    judge = quality if isinstance(quality, Judge) else Judge.of(quality or {})
    return model, record, judgement(judge, network, setting)


def _named(knobs: dict[str, Any]) -> dict[str, Any]:
    """Knobs of a design as parts of a setting: a search names a method of zeros also where there are none."""
    try:
        share = float(knobs.get("activation_sparsity", 1))
    except (TypeError, ValueError):
        return knobs
    return knobs if share else {name: value for name, value in knobs.items() if name != "sparsity_method"}


def _of_run(
    parts: Sequence[str | Mapping[str, Any]],
    workload: str | Workload | None,
    quality: Quality | None,
    cost_model: str | None,
) -> tuple[str, str | Workload | None, Quality | None, str | None]:
    """Environment, workload, judge of quality and cost model of the last run directory among the parts of a design."""
    texts = [part for part in parts if isinstance(part, str) and part]
    runs = [Path(text) for text in texts if os.path.isfile(Path(text, "config.json"))]
    if not runs:
        return "systolic", workload, quality, cost_model
    from archgym.search import load_run

    config = load_run(runs[-1]).config
    family: Family = ENVIRONMENTS.load(config["environment"])
    spec = config["environment"] + spell_options(config["scenario"], option_defaults(family.technology))
    cost_model = cost_model or config["cost_model"]
    judge = (config["compression"] or {}).get("judge") if cost_model == ANALYTICAL else None
    return spec, config["workload"] if workload is None else workload, quality or judge, cost_model


def design_values(family: Family, parts: Sequence[str | Mapping[str, Any]]) -> tuple[dict[str, Any], Mapping[str, Any]]:
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
        elif part in family.presets or not (os.path.exists(part) or part.endswith(".json")):
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
