from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from archgym.agents.bottleneck import Bottleneck
from archgym.agents.memory import Pool
from archgym.space import DesignSpace, Indices, Parameter
from archgym.testing.agents import check_agent, play, problems

SPACE = DesignSpace(
    [
        Parameter("pes", (1, 2, 4, 8)),
        Parameter("bandwidth", (1, 2, 4, 8)),
        Parameter("stretch", (1, 2, 4, 8)),
        Parameter("colour", ("red", "green"), "categorical"),
    ]
)


def breakdown(index: Indices) -> list[dict[str, Any]]:
    return [{"bottleneck": "compute", "latency_s": 3.0}, {"bottleneck": "memory", "latency_s": 1.0}]


def guided(relief: dict[str, tuple[str, ...]], seed: int = 0, **options: Any) -> Bottleneck:
    agent = Bottleneck(SPACE, 1, seed, **options)
    agent.breakdown, agent.relief = breakdown, relief
    return agent


def test_conformance() -> None:
    check_agent(Bottleneck)


def test_demand_is_the_share_of_latency() -> None:
    agent = guided({"compute": ("pes", "-stretch"), "memory": ("bandwidth",)})
    raising, lowering = agent._demand(np.array([1, 1, 1, 0]), 0.0)
    assert raising.tolist() == [0.75, 0.25, 0.0, 0.5]
    assert lowering.tolist() == [0.25, 0.75, 1.0, 0.5]
    assert not agent._demand(np.array([1, 1, 1, 0]), 0.2)[0].any()  # outside a constraint nothing is raised


def test_what_relieves_the_bottleneck_is_tried_first() -> None:
    agent = guided({"compute": ("pes",), "memory": ("bandwidth",)}, guidance=20.0, pairs=0.01)
    here = Pool(np.array([[1, 1, 1, 0]]), np.zeros((1, 1)), np.zeros(1))
    first = agent._moves(here, np.random.default_rng(0))[0] - here.indices[0]
    assert first[0] > 0 or first[1] < 0


@pytest.mark.parametrize("relief", [{}, {"elsewhere": ("pes",)}])
def test_a_design_without_relief_is_moved_anyway(relief: dict[str, tuple[str, ...]]) -> None:
    agent = guided(relief)
    here = Pool(np.array([[1, 1, 1, 0]]), np.zeros((1, 1)), np.zeros(1))
    moves = agent._moves(here, np.random.default_rng(0))
    near = {tuple(row) for row in SPACE.neighbours(here.indices)}
    assert near <= {tuple(row) for row in moves}


def test_no_design_comes_twice() -> None:
    for problem in problems()[:5]:
        agent = Bottleneck(problem.space, len(problem.objective), 0)
        ranks = problem.space.rank(np.concatenate(play(agent, problem, 600 // agent.batch)))
        assert len(ranks) == len(set(ranks.tolist()))
