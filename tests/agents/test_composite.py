"""Bayesian optimisation over the metrics that an objective is made of."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

pytest.importorskip("botorch")

import archgym
from archgym.agents import composite, processes
from archgym.agents.composite import Composite
from archgym.objective import Objective
from archgym.testing.agents import Problem, check_agent, mixed_space, play


@pytest.mark.slow
def test_contract(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, less in {"GENERATIONS": 2, "WIDTH": 24, "DRAWS": 8, "SHORTLIST": 24}.items():
        monkeypatch.setattr(composite, name, less)  # the contract is the same with less thought
    monkeypatch.setattr(processes, "ITERATIONS", 10)
    check_agent(partial(Composite, batch=4, startup=10))


def test_finds_the_optimum_of_a_small_space_behind_a_constraint() -> None:
    problem = Problem("small", mixed_space(3, 1), Objective("far_m", ["size_m<=2"]), feasible_size=2.2)
    optimum = min(problem(chunk).scores.min() for chunk in problem.space.enumerate())
    asked = np.concatenate(play(Composite(problem.space, 1, 0, batch=8, startup=16), problem, 10))
    assert len(np.unique(problem.space.rank(asked))) == len(asked) == 80  # of 1536
    assert problem(asked).scores.min() == optimum


@pytest.mark.slow
@pytest.mark.parametrize("objective", [["latency_s*energy_j"], ["latency_s", "energy_j"]])
def test_learns_the_metrics_of_the_objective(objective: list[str]) -> None:
    run = partial(archgym.search, "systolic", "resnet18", objective=objective, constraints=["area_mm2<=60"], budget=60)
    found = {
        agent: [run(agent=agent, seed=seed).objectives[0] for seed in range(2)] for agent in ("composite", "random")
    }
    assert np.log(found["composite"]).mean() < np.log(found["random"]).mean()
