"""`auto`: the agent that suits a budget. The fewer designs may be evaluated, the more thought each of them deserves."""

from __future__ import annotations

import logging
import math

from archgym.agents import AGENTS
from archgym.agents.base import Agent
from archgym.errors import MissingExtraError

AUTO = "auto"
SUMMARY = "the one that suits the budget: recommended"

# Up to how many designs, and for one or several objectives: the agents that suit, best first. The last needs no extra.
# Which is best where is measured: see the comparison in docs/agents.md.
SUITED: tuple[tuple[float, tuple[str, ...], tuple[str, ...]], ...] = (
    (500, ("composite", "bottleneck"), ("bayesian", "genetic")),
    (1000, ("composite", "bottleneck"), ("surrogate_genetic", "genetic")),
    (2000, ("bottleneck",), ("surrogate_genetic", "genetic")),
    (math.inf, ("genetic",), ("genetic",)),
)

log = logging.getLogger(__name__)


def resolved(agent: str, budget: int | None, n_objectives: int) -> str:
    """`agent`, or for `auto` the best one that is installed; says so where a better one is not.

    Args:
        agent: spec of an agent.
        budget: designs to evaluate; as many as any agent is given where None.
        n_objectives: of the search.
    """
    if agent != AUTO:
        return agent
    names = suited(Agent.budget if budget is None else budget, n_objectives)
    for name in names[:-1]:
        try:
            AGENTS.load(name)
        except MissingExtraError as error:
            log.warning("%s suits this search best: %s", name, error)
        else:
            return name
    return names[-1]


def suited(budget: int, n_objectives: int) -> tuple[str, ...]:
    """Names of agents for a number of designs and of objectives, best first."""
    return next((several if n_objectives > 1 else one) for most, one, several in SUITED if budget <= most)
