from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("sb3_contrib")

from sb3_contrib import MaskablePPO

from archgym.agents.construction import Construction
from archgym.agents.masked_ppo import MaskedPPO
from archgym.objective import Objective
from archgym.testing import agents as testing


def test_conformance() -> None:
    testing.check_agent(MaskedPPO)


def test_the_library_learns_from_whole_episodes(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    train = MaskablePPO.train
    monkeypatch.setattr(MaskablePPO, "train", lambda self: seen.append(self.rollout_buffer) or train(self))
    problem = testing.problems()[0]
    agent = MaskedPPO(problem.space, 1, 0)
    testing.play(agent, problem, 1)
    (buffer,) = seen
    assert buffer.n_envs == agent.batch
    returns = buffer.returns.reshape(agent.batch, len(problem.space))  # flattened episode after episode
    assert np.allclose(returns, returns[:, -1:], atol=1e-5)  # the reward of the last choice reaches every one
    assert abs(returns.mean()) < 1e-5
    assert returns.std() == pytest.approx(1, abs=1e-5)


def test_finds_the_optimum_of_a_small_space() -> None:
    space = testing.mixed_space(ordinal=4, categorical=1, choices=6)  # 3888 designs
    problem = testing.Problem("small", space, Objective("near_m"))
    optimum = problem(np.concatenate(list(space.enumerate()))).scores.min()
    asked = np.concatenate(testing.play(MaskedPPO(space, 1, 0), problem, rounds=40))
    assert len(np.unique(space.rank(asked))) == len(asked) <= 1280
    assert problem(asked).scores.min() == optimum


def test_observations_of_a_construction() -> None:
    space = testing.mixed_space(ordinal=1, categorical=1, choices=2)  # 2, 3 and 1 choices
    designs = np.array([[1, 2, 0]] * 4)
    steps = np.arange(4)
    seen = Construction(space).observe(designs, steps)
    assert seen.tolist() == [
        [1, 0, 0, 0, 0, 0, 0, 0, 0],
        [0, 1, 0, 0, 1, 0, 0, 0, 0],
        [0, 0, 1, 0, 1, 0, 0, 1, 0],
        [0, 0, 1, 0, 1, 0, 0, 1, 1],  # the finished design: nothing is next
    ]
    table = Construction(space, table=True, weight=0.5)
    copies = table.observe(designs, steps).reshape(4, 3, 7)
    assert table.width == copies[0].size
    assert copies[2, 2].tolist() == [0, 0.5, 0, 0, 0.5, 0, 1]
    assert not copies[2, :2].any()
    assert table.masks.tolist() == [[True, True, False], [True] * 3, [True, False, False]]
