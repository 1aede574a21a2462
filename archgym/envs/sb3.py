"""Stable-Baselines3 on the native vector environment, without a Python loop over environments.

model = PPO("MlpPolicy", SB3VecEnv(gymnasium.make_vec("archgym/Systolic-v0", num_envs=1024)))
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archgym.envs.base import ArchGymVectorEnv

try:
    from stable_baselines3.common.vec_env import VecEnv
except ImportError as error:
    from archgym.errors import missing_extra

    raise missing_extra("the Stable-Baselines3 adapter", "rl", error) from error


class SB3VecEnv(VecEnv):  # type: ignore[misc]
    """A Stable-Baselines3 VecEnv around an ArchGymVectorEnv.

    `infos` are empty but for truncated episodes, whose last observation Stable-Baselines3 needs to bootstrap from.
    """

    def __init__(self, envs: ArchGymVectorEnv) -> None:
        self.envs, self.render_mode = envs, None
        super().__init__(envs.num_envs, envs.single_observation_space, envs.single_action_space)
        self._infos: list[dict[str, Any]] = [{}] * envs.num_envs
        self._seed: int | None = None

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        """Seed the next reset."""
        self._seed = seed
        return [seed] * self.num_envs

    def reset(self) -> NDArray[np.float32]:
        """Observations [N, F + 1] of new episodes."""
        observations, _ = self.envs.reset(seed=self._seed)
        self._seed = None
        return observations

    def step_async(self, actions: NDArray[Any]) -> None:
        """Keep the actions for `step_wait`."""
        self._actions = actions

    def step_wait(self) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_], list[dict[str, Any]]]:
        """Observations, rewards, dones and infos of all environments."""
        observations, rewards, terminated, truncated, info = self.envs.step(self._actions)
        infos = self._infos
        if truncated.any():
            infos = list(infos)
            for row in np.flatnonzero(truncated):
                infos[row] = {"terminal_observation": info["final_obs"][row], "TimeLimit.truncated": True}
        return observations, rewards.astype(np.float32), terminated | truncated, infos

    def close(self) -> None:
        """Nothing to close."""

    def get_attr(self, attr_name: str, indices: int | Iterable[int] | None = None) -> list[Any]:
        """Attribute of the vector environment, once per environment asked for."""
        return [getattr(self.envs, attr_name, None)] * len(list(self._get_indices(indices)))

    def set_attr(self, attr_name: str, value: Any, indices: int | Iterable[int] | None = None) -> None:
        """Set an attribute of the vector environment, shared by all."""
        setattr(self.envs, attr_name, value)

    def env_method(
        self, method_name: str, *args: Any, indices: int | Iterable[int] | None = None, **kwargs: Any
    ) -> list[Any]:
        """Call a method of the vector environment; a result per environment is shared out."""
        result = getattr(self.envs, method_name)(*args, **kwargs)
        rows = list(self._get_indices(indices))
        return [result[row] for row in rows] if isinstance(result, np.ndarray) else [result] * len(rows)

    def env_is_wrapped(self, wrapper_class: type, indices: int | Iterable[int] | None = None) -> list[bool]:
        """No wrappers."""
        return [False] * len(list(self._get_indices(indices)))
