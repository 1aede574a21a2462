"""Bayesian optimisation over the metrics that an objective is made of."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

pytest.importorskip("botorch")

import archgym
from archgym.agents import composite, processes
from archgym.agents.composite import Composite
from archgym.agents.processes import OverProcesses, joint, predict, silent
from archgym.objective import FloatArray, Objective
from archgym.space import Indices
from archgym.testing.agents import Problem, check_agent, mixed_space, play


@pytest.mark.slow
def test_contract(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, less in {"GENERATIONS": 2, "WIDTH": 24, "DRAWS": 8, "SHORTLIST": 24}.items():
        monkeypatch.setattr(composite, name, less)  # the contract is the same with less thought
    monkeypatch.setattr(processes, "ITERATIONS", 10)
    check_agent(partial(Composite, batch=4, startup=10, patience=12))


def test_finds_the_optimum_of_a_small_space_behind_a_constraint() -> None:
    problem = Problem("small", mixed_space(3, 1), Objective("far_m", ["size_m<=2"]), feasible_size=2.2)
    optimum = min(problem(chunk).scores.min() for chunk in problem.space.enumerate())
    asked = np.concatenate(play(Composite(problem.space, 1, 0, batch=8, startup=16), problem, 10))
    assert len(np.unique(problem.space.rank(asked))) == len(asked) == 80  # of 1536
    assert problem(asked).scores.min() == optimum


def test_a_descent_that_is_stuck_ends_and_the_next_one_knows_its_designs() -> None:
    problem = Problem("small", mixed_space(3, 1), Objective("far_m"), feasible_size=2.2)
    agent = Composite(problem.space, 1, 0, batch=8, startup=8, patience=8)
    asked = np.concatenate(play(agent, problem, 12))
    start = agent.state()["since"]
    assert 16 < start <= 96
    assert len(np.unique(problem.space.rank(asked))) == 96
    again = Composite(problem.space, 1, 0, batch=8, startup=8, patience=8)
    again.load(agent.state())
    np.testing.assert_array_equal(again.ask(8), agent.ask(8))


@pytest.mark.parametrize("targets", [1, 3])
def test_joint_and_single_predictions_agree(targets: int) -> None:
    class Fixed(OverProcesses):
        def known(self) -> tuple[FloatArray, FloatArray]:
            features = np.random.default_rng(0).random((20, 4))
            return features, np.stack([features.sum(axis=1), np.sin(5 * features[:, 0]), features[:, 1]], axis=1)[
                :, :targets
            ]

        def promising(self, n: int, rng: np.random.Generator) -> Indices:
            raise NotImplementedError

    asked = np.random.default_rng(1).random((6, 4))
    with silent():
        model = Fixed(mixed_space(), 1, 0).model()
        (means, deviations), (same, covariances) = predict(model, asked), joint(model, asked)
    np.testing.assert_allclose(same, means)
    np.testing.assert_allclose(np.diagonal(covariances, axis1=1, axis2=2).T, deviations**2)
    assert covariances.shape == (targets, 6, 6)


@pytest.mark.slow
@pytest.mark.parametrize("objective", [["latency_s*energy_j"], ["latency_s", "energy_j"]])
def test_learns_the_metrics_of_the_objective(objective: list[str]) -> None:
    run = partial(archgym.search, "systolic", "resnet18", objective=objective, constraints=["area_mm2<=60"], budget=60)
    found = {
        agent: [run(agent=agent, seed=seed).objectives[0] for seed in range(2)] for agent in ("composite", "random")
    }
    assert np.log(found["composite"]).mean() < np.log(found["random"]).mean()
