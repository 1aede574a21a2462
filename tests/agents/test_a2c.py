from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("stable_baselines3")

from stable_baselines3 import A2C as LibraryA2C

from archgym.agents.a2c import A2C
from archgym.objective import Objective
from archgym.testing import agents as testing


def test_conformance() -> None:
    testing.check_agent(A2C)


def test_the_library_learns(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    train = LibraryA2C.train
    monkeypatch.setattr(LibraryA2C, "train", lambda self: calls.append(self.rollout_buffer.n_envs) or train(self))
    problem = testing.problems()[0]
    testing.play(A2C(problem.space, 1, 0), problem, 3)
    assert calls == [A2C(problem.space, 1, 0).batch] * 3


def test_finds_the_optimum_of_a_small_space() -> None:
    space = testing.mixed_space(ordinal=4, categorical=1, choices=6)  # 3888 designs
    problem = testing.Problem("small", space, Objective("near_m"))
    optimum = problem(np.concatenate(list(space.enumerate()))).scores.min()
    asked = np.concatenate(testing.play(A2C(space, 1, 0), problem, rounds=60))
    assert len(np.unique(space.rank(asked))) == len(asked) <= 960
    assert problem(asked).scores.min() == optimum


def test_a_damaged_state_is_refused() -> None:
    space = testing.mixed_space()
    agent = A2C(space, 1, 0)
    name = next(name for name in agent.state() if name.startswith("policy/"))
    for damaged in (agent.state() | {name: np.zeros(1)}, {k: v for k, v in agent.state().items() if k != name}):
        with pytest.raises(ValueError, match="the policy cannot be read"):
            agent.load(damaged)
