"""What simulators of systolic arrays share: one simulation for the product of every operator, all else by equations.

A simulator says what it counts of a matrix product. Our equations fill in vector operators, area and leakage, and
turn counts into the metrics of the environment.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from archgym.envs.evaluator import Evaluator
from archgym.envs.family import Family
from archgym.envs.sparsity import NONE
from archgym.envs.systolic.codes import BIT_PARALLEL
from archgym.errors import InputError, unknown
from archgym.simulators.driver import Job, Json


def require_systolic(name: str, family: Family) -> None:
    """Refuse other environments.

    Raises:
        InputError: the family is none of systolic arrays.
    """
    if family.name != "systolic":
        raise InputError(f"cost model {name!r} simulates systolic arrays, not environment {family.name!r}")


def one_of(what: str, argument: str, allowed: Sequence[str]) -> str:
    """The argument of a spec, the first of what is allowed where it is empty.

    Raises:
        InputError: it is another one.
    """
    if argument and argument not in allowed:
        raise unknown(what, argument, allowed)
    return argument or allowed[0]


def product_jobs(
    ours: Evaluator, design: np.record, refusal: int, ask: Callable[[np.record, Any], Json | None]
) -> tuple[int, list[Job]]:
    """One simulation for every operator with products.

    Args:
        ours: the equations on the same problem.
        design: record.
        refusal: reason of a design that the simulator cannot express.
        ask: the request about an operator, from its record and the design's budget; None where it cannot be expressed.

    Returns:
        Why the design is infeasible (0 where it is not), and the jobs in the order of the operators.
    """
    cost, technology, jobs = ours.family.cost, ours.technology, []
    budget = cost.budget(design, technology)
    if budget.why:
        return budget.why, []
    for label, operator in zip(ours.workload.labels, ours.workload.operators, strict=True):
        if not operator.k:
            continue
        if why := cost.cost(design, operator, technology, budget).why:
            return why, []
        if (request := ask(operator, budget)) is None:
            return refusal, []
        jobs.append(Job(request, f"{label}: " + ", ".join(f"{key}={value}" for key, value in request.items())))
    return 0, jobs


def is_plain(design: np.record, operator: np.record) -> bool:
    """Whether it is one array of bit-parallel multipliers that take data of one width in one pass."""
    plain = design.arithmetic == BIT_PARALLEL and design.sparsity_engine == NONE and design.arrays == 1
    return bool(plain and operator.a_bits == operator.b_bits <= design.operand_bits)


def network_metrics(
    ours: Evaluator, design: np.record, answers: Sequence[Json], counted: Callable[[Any, np.record, Any, Json], Any]
) -> tuple[int, Sequence[float]]:
    """Our metrics from the costs of the operators.

    Args:
        ours, design: as `product_jobs`.
        answers: to its jobs.
        counted: our LayerCost of an operator with what the simulator counted in it; from that cost, the operator, the
            budget and the answer.
    """
    cost, technology = ours.family.cost, ours.technology
    budget, told = cost.budget(design, technology), iter(answers)
    total = np.zeros(len(cost.LayerCost._fields))
    for operator in ours.workload.operators:
        layer = cost.cost(design, operator, technology, budget)
        if operator.k:
            layer = counted(layer, operator, budget, next(told))
        total += float(operator.count) * np.array(layer)
    metrics = cost.metrics(design, technology, budget, cost.LayerCost(0, *total[1:].tolist()))
    return metrics.why, metrics[1:]
