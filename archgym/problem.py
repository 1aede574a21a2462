"""What a search is about, from names: an evaluator, an objective and the space to search.

Compression is searched where quality counts: an objective or constraint on `quality_loss` makes the design hardware and
compression together, and so does a compression parameter held to some choices. Otherwise the network stays as it comes.

Cost models other than the analytical one evaluate the designs of the space that they bring.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from archgym.compression.judge import QUALITY_METRICS, Judge
from archgym.costmodels import build
from archgym.envs import ENVIRONMENTS
from archgym.envs.cosearch import Choices, JointEvaluator, is_joint, judges_quality, searched, uncompressed
from archgym.envs.evaluator import ANALYTICAL, Evaluator
from archgym.envs.family import Family
from archgym.errors import InputError
from archgym.objective import Objective
from archgym.space import DesignSpace
from archgym.spec import option_defaults, parse_options
from archgym.workloads import Workload

Quality = Judge | Mapping[str, Any]


@dataclass(frozen=True)
class Problem:
    """An evaluator, what to minimise, and where."""

    evaluator: Evaluator
    objective: Objective
    space: DesignSpace


def network_of(family: Family, workload: str | Workload | None) -> Workload:
    """A workload by its spec, or as it is; the family's own when None."""
    spec = family.workload if workload is None else workload
    return Workload.load(spec) if isinstance(spec, str) else spec


def family_of(environment: str) -> tuple[Family, dict[str, Any]]:
    """Family and scenario of a spec `systolic?node_nm=16`.

    Raises:
        UnknownNameError: no such environment or option; InputError: a value that cannot be used.
    """
    name, mark, query = environment.strip().partition("?")
    family: Family = ENVIRONMENTS.load(name)
    return family, parse_options(name, query, option_defaults(family.technology)) if mark else {}


def objective_of(
    family: Family,
    expressions: str | Sequence[str] | Objective | None = (),
    constraints: Sequence[str] | None = None,
    reward: str = "log",
) -> Objective:
    """An objective; the family's own where nothing is given. Its metrics are checked when a problem is posed.

    Raises:
        InputError: an expression or constraint that cannot be read or met.
    """
    if isinstance(expressions, Objective):
        if constraints is not None:
            raise InputError("give constraints inside the Objective, or an expression and constraints, not both")
        return expressions
    bounds = family.constraints if constraints is None else constraints
    return Objective(expressions or family.objective, bounds, reward)


def pose(
    family: Family,
    scenario: Mapping[str, Any] | None,
    workload: str | Workload | None,
    objective: Objective,
    choices: Choices | None = None,
    quality: Quality | None = None,
    cost_model: str = ANALYTICAL,
) -> Problem:
    """Put a problem together.

    Args:
        family, scenario: the environment.
        workload: spec or Workload; the family's when None.
        objective: what to minimise, and the constraints.
        choices: parameters held to some of their choices.
        quality: options of archgym.compression.judge.Judge, where quality counts.
        cost_model: spec, see archgym.costmodels.

    Raises:
        InputError: an unknown parameter, choice, metric or cost model, one that cannot do this, or no quality to
            judge by.
    """
    network, judged = network_of(family, workload), judges_quality(objective)
    if quality and not judged:
        raise InputError(
            "options of quality are of use where quality counts: add a constraint such as quality_loss<=0.05, or "
            "make quality_loss an objective"
        )
    evaluator = build(cost_model, family, network, scenario)
    if evaluator.cost_model != ANALYTICAL:
        require_able(evaluator, list(choices or {}), judged, quality)
    elif judged or is_joint(family, list(choices or {})):
        _require_no_width(network)
        judge = quality if isinstance(quality, Judge) else Judge.of(quality or {})
        evaluator = JointEvaluator(family, network, scenario, judge=judge if judged else None)
    known = (*evaluator.metrics, *(() if judged else QUALITY_METRICS))
    objective.check(list(dict.fromkeys(metric.name for metric in known)))
    held = searched(evaluator, choices) if judged else uncompressed(evaluator.space, choices)
    return Problem(evaluator, objective, evaluator.space.restrict(**held))


def _require_no_width(network: Workload) -> None:
    """Refuse a workload that names a width of its own, where widths are a part of the design.

    Raises:
        InputError: it names another one than 16.
    """
    width = re.search(r"[?&]bits=(\d+)", network.name)
    if width and width[1] != "16":
        raise InputError(
            f"{network.name} names a width, but widths are a part of the design here: leave {width[0][1:]} out"
        )


def require_able(
    evaluator: Evaluator, names: Sequence[str], judged: bool = False, quality: Quality | None = None
) -> None:
    """Refuse compression that a cost model other than the analytical one does not know.

    Args:
        evaluator: the cost model.
        names: parameters of a design or a search.
        judged: quality counts.
        quality: options of a judge, which the cost model has not.

    Raises:
        InputError: which of these it cannot do.
    """
    model = evaluator.cost_model
    for name in names:
        if is_joint(evaluator.family, [name]) and name not in evaluator.space.names:
            raise InputError(f"cost model {model!r} evaluates networks as they come: it has no parameter {name!r}")
    if judged and not any(metric.name == "quality_loss" for metric in evaluator.metrics):
        raise InputError(f"cost model {model!r} knows no quality: leave quality_loss out, or use {ANALYTICAL!r}")
    if quality:
        raise InputError(f"options of quality belong to the cost model {ANALYTICAL!r}, not to {model!r}")
