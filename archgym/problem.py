"""What a search is about, from names: an evaluator, an objective and the space to search.

Compression is searched where quality counts: an objective or constraint on `quality_loss` makes the design hardware and
compression together, and so does a compression parameter held to some choices. Otherwise the network stays as it comes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from archgym.compression.judge import QUALITY_METRICS, Judge
from archgym.envs import ENVIRONMENTS
from archgym.envs.cosearch import Choices, JointEvaluator, is_joint, judges_quality, searched
from archgym.envs.evaluator import Evaluator
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
    """An objective over a family's metrics and quality; the family's own where nothing is given.

    Raises:
        InputError: an expression or constraint that cannot be read or met, or an unknown metric.
    """
    if isinstance(expressions, Objective):
        if constraints is not None:
            raise InputError("give constraints inside the Objective, or an expression and constraints, not both")
        objective = expressions
    else:
        bounds = family.constraints if constraints is None else constraints
        objective = Objective(expressions or family.objective, bounds, reward)
    objective.check([metric.name for metric in (*family.metrics, *QUALITY_METRICS)])
    return objective


def pose(
    family: Family,
    scenario: Mapping[str, Any] | None,
    workload: str | Workload | None,
    objective: Objective,
    choices: Choices | None = None,
    quality: Quality | None = None,
) -> Problem:
    """Put a problem together.

    Args:
        family, scenario: the environment.
        workload: spec or Workload; the family's when None.
        objective: what to minimise, and the constraints.
        choices: parameters held to some of their choices.
        quality: options of archgym.compression.judge.Judge, where quality counts.

    Raises:
        InputError: an unknown parameter or choice, or no quality to judge by.
    """
    network, judged = network_of(family, workload), judges_quality(objective)
    joint = judged or is_joint(family, list(choices or {}))
    if quality and not judged:
        raise InputError(
            "options of quality are of use where quality counts: add a constraint such as quality_loss<=0.05, or "
            "make quality_loss an objective"
        )
    width = re.search(r"[?&]bits=(\d+)", network.name)
    if joint and width and width[1] != "16":
        raise InputError(
            f"{network.name} names a width, but widths are a part of the design here: leave {width[0][1:]} out"
        )
    if not joint:
        evaluator = Evaluator(family, network, scenario)
    else:
        judge = quality if isinstance(quality, Judge) else Judge.of(quality or {})
        evaluator = JointEvaluator(family, network, scenario, judge=judge if judged else None)
    return Problem(evaluator, objective, evaluator.space.restrict(**searched(evaluator, choices)))
