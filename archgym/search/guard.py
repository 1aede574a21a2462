"""Where a search calls agents and cost models, the code of others: what they raise or answer wrongly is named."""

from __future__ import annotations

import numpy as np

from archgym.agents.base import Agent
from archgym.costmodels import answers
from archgym.errors import FAULTS, ArchGymError, InputError, described
from archgym.objective import Outcome
from archgym.search.request import Request
from archgym.space import Indices


def new_agent(request: Request) -> Agent:
    """The agent of a request, at its start.

    Raises:
        ArchGymError: it cannot be built.
    """
    try:
        return request.new_agent()
    except ArchGymError:
        raise
    except FAULTS as error:
        raise ArchGymError(f"agent {request.agent_spec!r} cannot be built: {described(error)}") from error


def ask(request: Request, agent: Agent, n: int) -> Indices:
    """What an agent proposes: 1 to n designs of the space.

    Raises:
        ArchGymError: it fails, or proposes something else.
    """
    try:
        proposed = agent.ask(n)
    except ArchGymError:
        raise
    except FAULTS as error:
        raise ArchGymError(f"agent {request.agent!r} fails to propose designs: {described(error)}") from error
    try:
        indices = request.space.check(proposed)
    except InputError as error:
        raise ArchGymError(f"agent {request.agent!r} proposed no designs of the space: {error}") from None
    if not 1 <= len(indices) <= n:
        raise ArchGymError(f"agent {request.agent!r} proposed {len(indices)} designs when asked for 1 to {n}")
    return indices


def judge(request: Request, indices: Indices, limit_s: float | None) -> Outcome:
    """What the cost model says of designs, judged by the objective.

    Raises:
        ArchGymError: the cost model fails, takes longer than `limit_s`, or gives no answer that can be used.
    """
    outcome = request.objective(answers(request.evaluator, request.space.decode(indices), limit_s))
    if not np.isfinite(outcome.rewards).all():
        raise ArchGymError("the objective gives a reward that is no finite number")
    return outcome


def tell(request: Request, agent: Agent, indices: Indices, outcome: Outcome) -> None:
    """Let an agent learn.

    Raises:
        ArchGymError: it fails.
    """
    try:
        agent.tell(indices, outcome)
    except ArchGymError:
        raise
    except FAULTS as error:
        raise ArchGymError(f"agent {request.agent!r} fails to learn: {described(error)}") from error
