from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("stable_baselines3")

import torch
from stable_baselines3 import DQN as LibraryDQN

from archgym.agents.dqn import DQN
from archgym.objective import Objective
from archgym.testing import agents as testing


def small_dqn(space, n_objectives, seed):
    """The default but for time: a test of the contract needs no more."""
    return DQN(space, n_objectives, seed, gradient_steps=4, minibatch=64)


def test_conformance() -> None:
    testing.check_agent(small_dqn, improves=False)
    testing.check_improves(DQN)


def test_the_library_learns(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    train = LibraryDQN.train
    monkeypatch.setattr(LibraryDQN, "train", lambda self, *how: calls.append(how) or train(self, *how))
    problem = testing.problems()[0]
    testing.play(DQN(problem.space, 1, 0), problem, 2)
    assert calls == [(16, 128)] * 2


def test_finds_the_optimum_of_a_small_space() -> None:
    space = testing.mixed_space(ordinal=4, categorical=1, choices=6)  # 3888 designs
    problem = testing.Problem("small", space, Objective("near_m"))
    optimum = problem(np.concatenate(list(space.enumerate()))).scores.min()
    asked = np.concatenate(testing.play(DQN(space, 1, 0), problem, rounds=50))
    assert len(np.unique(space.rank(asked))) == len(asked) <= 800
    assert problem(asked).scores.min() == optimum


def test_invalid_choices_are_never_the_best() -> None:
    space = testing.mixed_space()
    agent = DQN(space, 1, 0)
    episode = agent._construction
    seen = torch.as_tensor(
        episode.observe(space.sample(episode.steps, np.random.default_rng(0)), np.arange(episode.steps))
    )
    for network in (agent._model.q_net, agent._model.q_net_target):
        best = network(seen).argmax(dim=1).numpy()
        assert (best < space.shape).all()


@pytest.mark.parametrize("lookahead", [1, 4, 64])
def test_replayed_transitions(lookahead: int) -> None:
    space = testing.mixed_space(ordinal=4, categorical=1)
    agent = DQN(space, 1, 0, lookahead=lookahead)
    episode, buffer = agent._construction, agent._model.replay_buffer
    design = space.sample(1, np.random.default_rng(1))
    buffer.fill(np.repeat(design, 2, axis=0), np.array([2.0, 1.0]))
    assert buffer.values.tolist() == pytest.approx((-np.log([0.25, 0.75]) - 1).tolist())
    assert buffer.chances.tolist() == pytest.approx([0.75, 0.25])  # in proportion to 1 / rank
    np.random.seed(0)
    sample = buffer.sample(200)
    steps = sample.observations[:, : episode.steps].argmax(dim=1).numpy()
    ends = steps + lookahead >= episode.steps
    assert set(steps) == set(range(episode.steps))
    assert (sample.actions[:, 0].numpy() == design[0, steps]).all()
    assert (sample.dones[:, 0].numpy() == ends).all()
    assert not sample.rewards[:, 0].numpy()[~ends].any()
    assert sample.rewards[:, 0].numpy()[ends].all()
