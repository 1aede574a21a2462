"""Proximal policy optimisation of a whole design at a time: Stable-Baselines3's PPO on one-step episodes.

The policy is a product of one categorical distribution per parameter (action space MultiDiscrete, constant
observation): an episode proposes one design and ends with its reward. Gradients of such a policy are those of
black-box optimisation by a search distribution, so rewards are shaped by rank, as is usual there.

Sources: Schulman et al., "Proximal policy optimization algorithms", arXiv 1707.06347; Raffin et al., "Stable-
Baselines3", JMLR 22(268), 2021; Wierstra et al., "Natural evolution strategies", JMLR 15, 2014 (fitness shaping,
section 3.1).
"""

from __future__ import annotations

import io
import pickle
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import stable_baselines3
import torch
from gymnasium.spaces import Box
from numpy.typing import NDArray
from stable_baselines3.common.logger import Logger
from torch.distributions import Distribution

from archgym.agents.base import Agent, State
from archgym.objective import FloatArray, Outcome
from archgym.space import DesignSpace, Indices

DRAWS = 4  # a policy is drawn from at most this many batches to find a batch of new designs


class PPO(Agent):
    """PPO whose episodes are one design long.

    A converging policy mostly repeats itself. Designs already evaluated are not proposed again: their remembered
    rewards train the policy together with those of the new ones, so it learns from what it really draws and the budget
    goes to new designs. A policy with little new left to draw has converged, and a new one starts.

    Args:
        batch: new designs per update of the policy.
        learning_rate, epochs, clip, entropy: of PPO; each epoch is one step on the whole batch.
        converged: share of known designs among those drawn from which the policy is replaced.
    """

    def __init__(
        self,
        space: DesignSpace,
        n_objectives: int,
        seed: int,
        batch: int = 128,
        learning_rate: float = 0.02,
        epochs: int = 5,
        clip: float = 0.2,
        entropy: float = 0.01,
        converged: float = 0.9,
    ) -> None:
        super().__init__(space, n_objectives, seed)
        self.batch, self.converged = batch, converged
        self._settings = {"learning_rate": learning_rate, "n_epochs": epochs, "clip_range": clip, "ent_coef": entropy}
        self._rewards: dict[int, float] = {}  # by rank, of every design told of
        self._drawn = np.zeros((0, len(space)), np.int64)  # by the policy for the last ask, repeats included
        self._model = self._new_model(np.random.default_rng(seed))

    # -- the contract

    def propose(self, n: int, rng: np.random.Generator) -> Indices:
        """New designs drawn from the policy; uniform ones when it draws nothing new."""
        drawn: list[Indices] = []
        new: dict[int, Indices] = {}
        with isolated(rng):
            while len(new) < n and len(drawn) < DRAWS:
                drawn.append(self._draw(self.batch))
                ranks = self.space.rank(drawn[-1]).tolist()
                new |= {rank: row for rank, row in zip(ranks, drawn[-1], strict=True) if rank not in self._rewards}
        self._drawn = np.concatenate(drawn)
        return np.array(list(new.values()))[:n] if new else self.space.sample(n, rng)

    def tell(self, indices: Indices, outcome: Outcome) -> None:
        """One PPO update on all designs drawn for the last ask whose reward is known."""
        known = sum(rank in self._rewards for rank in self.space.rank(self._drawn).tolist())
        self._rewards.update(zip(self.space.rank(indices).tolist(), outcome.rewards.tolist(), strict=True))
        rewards = np.array([self._rewards.get(rank, np.nan) for rank in self.space.rank(self._drawn).tolist()])
        told = ~np.isnan(rewards)
        rng = np.random.default_rng([self.seed, self.asked, 1])
        if known > self.converged * len(self._drawn):
            self._model = self._new_model(rng)
        elif told.sum() > 1:
            with isolated(rng):
                self._train(self._drawn[told], shaped(rewards[told]))

    def state(self) -> State:
        """Policy and optimiser, remembered rewards, and what was drawn last."""
        return super().state() | {
            "known": np.array(list(self._rewards), np.int64),
            "rewards": np.array(list(self._rewards.values())),
            "drawn": self._drawn,
            "model": _pack({"policy": self._model.policy.state_dict(), "adam": self._adam.state_dict()}),
        }

    def load(self, state: State) -> None:
        """Continue from a saved state."""
        super().load(state)
        self._rewards = dict(zip(state["known"].tolist(), state["rewards"].tolist(), strict=True))
        self._drawn = np.asarray(state["drawn"])
        try:
            saved = torch.load(io.BytesIO(state["model"].tobytes()), weights_only=True)
            self._model.policy.load_state_dict(saved["policy"])
            self._adam.load_state_dict(saved["adam"])
        except (RuntimeError, pickle.UnpicklingError) as error:
            raise ValueError(f"the policy cannot be read: {error}") from error

    # -- Stable-Baselines3

    @property
    def _adam(self) -> Any:
        return self._model.policy.optimizer

    def _new_model(self, rng: np.random.Generator) -> Any:
        """SB3's PPO without an environment: spaces are all it needs, as when SB3 loads a saved model."""
        with isolated(rng):
            model = stable_baselines3.PPO(
                "MlpPolicy",
                None,
                n_steps=1,
                batch_size=DRAWS * self.batch,
                gae_lambda=1.0,
                policy_kwargs={"net_arch": []},  # of a constant observation: one free logit per choice
                device="cpu",
                _init_setup_model=False,
                **self._settings,
            )
            model.observation_space, model.action_space = Box(1.0, 1.0, (1,)), self.space.gymnasium()
            model.n_envs = self.batch
            model._setup_model()
            model.set_logger(Logger(None, []))
        return model

    def _draw(self, n: int) -> Indices:
        """Draw designs [n, P] from the policy."""
        with torch.no_grad():
            actions, _, _ = self._model.policy(torch.ones(n, 1))
        return np.asarray(actions.numpy(), np.int64)

    def _train(self, indices: Indices, rewards: FloatArray) -> None:
        """One PPO update: every design is an episode of one step, all side by side."""
        n, buffer = len(indices), self._model.rollout_buffer
        with torch.no_grad():
            values, log_probs, _ = self._model.policy.evaluate_actions(torch.ones(n, 1), torch.as_tensor(indices))
        buffer.n_envs = n
        buffer.reset()
        buffer.add(np.ones((n, 1)), indices, rewards, np.ones(n), values, log_probs)
        buffer.compute_returns_and_advantage(torch.zeros(n), np.ones(n))
        self._model.train()


def shaped(rewards: FloatArray) -> FloatArray:
    """Utilities [N] of rewards [N] by rank, of mean 0 and deviation 1: the better half counts, the best most.

    Ranks make the size of penalties and the scale of the objective irrelevant. Logarithmic weights are those of
    Wierstra 2014, 3.1; equal rewards share the mean rank.
    """
    _, inverse, count = np.unique(rewards, return_inverse=True, return_counts=True)
    from_top = (len(rewards) - np.cumsum(count) + count / 2)[inverse] / len(rewards)  # 0 best .. 1 worst
    utility = np.maximum(0.0, np.log(0.5) - np.log(from_top))
    return (utility - utility.mean()) / (utility.std() + 1e-8)


@contextmanager
def isolated(rng: np.random.Generator) -> Iterator[None]:
    """Torch and SB3 draw from global generators: seed them from `rng` inside, give them back untouched.

    Also one thread (the networks are tiny) and no validation of distributions (a quarter of the time).
    """
    saved = torch.get_rng_state(), np.random.get_state(), random.getstate()
    threads, validate = torch.get_num_threads(), Distribution._validate_args
    seed = int(rng.integers(2**31))
    torch.set_num_threads(1)
    Distribution.set_default_validate_args(False)
    torch.manual_seed(seed)
    np.random.seed(seed)
    random.seed(seed)
    try:
        yield
    finally:
        torch.set_rng_state(saved[0])
        np.random.set_state(saved[1])
        random.setstate(saved[2])
        torch.set_num_threads(threads)
        Distribution.set_default_validate_args(validate)


def _pack(tensors: dict[str, Any]) -> NDArray[np.uint8]:
    """Torch's own file format as an array of bytes."""
    stream = io.BytesIO()
    torch.save(tensors, stream)
    return np.frombuffer(stream.getvalue(), np.uint8)
