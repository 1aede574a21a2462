from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("botorch")

from archgym.agents import bayesian, processes
from archgym.agents.bayesian import Bayesian
from archgym.agents.encoding import Encoder
from archgym.objective import Objective
from archgym.space import DesignSpace, Parameter
from archgym.testing.agents import Problem, check_agent, mixed_space, play


@pytest.mark.slow
def test_conformance(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, less in {"GENERATIONS": 2, "WIDTH": 24, "TREES": 16, "SHORTLIST": (24, 12)}.items():
        monkeypatch.setattr(bayesian, name, less)  # the contract is the same with less thought
    monkeypatch.setattr(processes, "ITERATIONS", 10)
    check_agent(lambda space, n_objectives, seed: Bayesian(space, n_objectives, seed, batch=4, startup=10))


def test_finds_the_optimum_of_a_small_space_behind_a_constraint() -> None:
    problem = Problem("small", mixed_space(3, 1), Objective("far_m", ["size_m<=2"]), feasible_size=2.2)
    optimum = min(problem(chunk).scores.min() for chunk in problem.space.enumerate())
    asked = np.concatenate(play(Bayesian(problem.space, 1, 0, batch=8, startup=16), problem, 10))
    assert len(np.unique(problem.space.rank(asked))) == len(asked) == 80  # of 1536
    assert problem(asked).scores.min() == optimum


def test_a_parameter_held_to_none_is_encoded() -> None:
    space = DesignSpace([Parameter("sparsity", (0.0,)), Parameter("rows", (1, 2, 4))])
    assert Encoder(space, pairs=True)(space.unrank(range(3))).tolist() == [[0, -1, -1], [0.5, 0, -2], [1, 1, -3]]
