"""Stable-Baselines3 without an environment: its algorithms learn from what they are handed.

Source: A. Raffin, A. Hill, A. Gleave, A. Kanervisto, M. Ernestus, N. Dormann, "Stable-Baselines3: reliable
reinforcement learning implementations", JMLR 22(268), 2021.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Box, Space
from stable_baselines3.common.logger import Logger

from archgym.agents.base import State
from archgym.objective import FloatArray
from archgym.space import Indices

CONSTANT = Box(1.0, 1.0, (1,))  # observation of an episode of one step


def without_environment(
    build: Any, policy: Any, observations: Any, actions: Space[Any], envs: int, **options: Any
) -> Any:
    """A model of class `build`: spaces and a number of environments are all it needs, as when SB3 loads a saved one."""
    model = build(policy, None, device="cpu", _init_setup_model=False, **options)
    model.observation_space, model.action_space, model.n_envs = observations, actions, envs
    model._setup_model()
    model.set_logger(Logger(None, []))
    return model


def draw_designs(model: Any, n: int) -> Indices:
    """Designs [n, P] from the policy of a model whose episodes are one design long."""
    with torch.no_grad():
        actions, _, _ = model.policy(torch.ones(n, 1))
    return np.asarray(actions.numpy(), np.int64)


def learn_designs(model: Any, indices: Indices, rewards: FloatArray) -> None:
    """One update of an actor-critic model: every design is an episode of one step, all side by side."""
    n, buffer = len(indices), model.rollout_buffer
    with torch.no_grad():
        values, log_probs, _ = model.policy.evaluate_actions(torch.ones(n, 1), torch.as_tensor(indices))
    buffer.n_envs = n
    buffer.reset()
    buffer.add(np.ones((n, 1)), indices, rewards, np.ones(n), values, log_probs)
    buffer.compute_returns_and_advantage(torch.zeros(n), np.ones(n))
    model.train()


# -- states


def packed(model: Any) -> State:
    """Policy and optimiser of a model as arrays, one each tensor; no pickle, which torch's own files are made of."""
    optimiser = model.policy.optimizer.state_dict()["state"]
    weights = {f"policy/{name}": tensor for name, tensor in model.policy.state_dict().items()}
    moments = {f"optimiser/{k}/{name}": value for k, own in optimiser.items() for name, value in own.items()}
    return {name: torch.as_tensor(value).numpy().copy() for name, value in (weights | moments).items()}


def unpack(model: Any, state: State) -> None:
    """Give a model the policy and optimiser of `packed`.

    Raises:
        ValueError: there are none that fit.
    """
    weights: dict[str, Any] = {}
    moments: dict[int, dict[str, Any]] = {}
    for name, array in state.items():
        kind, _, rest = name.partition("/")
        if kind == "policy":
            weights[rest] = torch.tensor(array)
        elif kind == "optimiser":
            k, _, moment = rest.partition("/")
            moments.setdefault(int(k), {})[moment] = torch.tensor(array)
    optimiser = model.policy.optimizer
    try:
        model.policy.load_state_dict(weights)
        optimiser.load_state_dict(optimiser.state_dict() | {"state": moments})
    except RuntimeError as error:
        raise ValueError(f"the policy cannot be read: {error}") from error
