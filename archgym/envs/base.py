"""Gymnasium environments: a thin skin over decode, evaluate, reward.

Action modes:
    propose    MultiDiscrete [P]: a whole design per step; reward of the design. One step per episode by default.
    refine     Discrete(2 P): action 2p moves parameter p one choice down, 2p + 1 one up (it stays at the ends). Reward
               is the improvement. Episodes start at a random design and are truncated after `horizon` steps.
    construct  Discrete(most choices): one parameter after the other. Reward comes with the last. `info["action_mask"]`
               and `action_masks()` say which actions the next parameter has; others count as its last choice.

Observation, Box [F + 1] float32 in 0..1: features of the current design (0 where not chosen yet) and the share of the
episode that has passed. It depends on seed and actions alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from archgym.envs import ENVIRONMENTS
from archgym.envs.evaluator import ANALYTICAL, Evaluator
from archgym.envs.family import Family
from archgym.errors import InputError, unknown
from archgym.objective import INFEASIBLE_REWARD, Objective, Outcome
from archgym.problem import Problem, objective_of, pose
from archgym.space import Value
from archgym.workloads import Workload

MODES = ("propose", "refine", "construct")
Observation = NDArray[np.float32]


class Episodes:
    """State of N episodes in step: what the single and the vector environment share.

    Attributes:
        indices: current designs [N, P].
        steps: steps taken in each episode [N].
        outcome: of the last evaluation, None before any and in single environments.
    """

    def __init__(
        self,
        n: int,
        family: str | Family,
        workload: str | Workload | None,
        objective: str | Sequence[str] | Objective | None,
        constraints: Sequence[str] | None,
        mode: str,
        horizon: int | None,
        scenario: Mapping[str, Any] | None,
        quality: Mapping[str, Any] | None,
        cost_model: str,
    ) -> None:
        if mode not in MODES:
            raise unknown("action mode", mode, MODES)
        if horizon is not None and (mode == "construct" or not (isinstance(horizon, int) and horizon > 0)):
            raise InputError(f"horizon must be a positive whole number, and construct has none; not {horizon!r}")
        self.family = ENVIRONMENTS.load(family) if isinstance(family, str) else family
        self.objective = objective_of(self.family, objective, constraints)
        problem = pose(self.family, scenario, workload, self.objective, quality=quality, cost_model=cost_model)
        self.problem, self.mode, self.evaluator, self.space = problem, mode, problem.evaluator, problem.space
        self.names = [metric.name for metric in self.evaluator.metrics]
        self.horizon = horizon or {"propose": 1, "refine": 32, "construct": len(self.space)}[mode]
        self.indices = np.repeat(self.space.centre[None], n, axis=0)
        self.steps = np.zeros(n, np.int64)
        self._never = np.zeros(n, np.bool_)
        self._shape = (n, len(self.space.feature_owner) + 1)
        self._rewards = np.zeros(n)
        self.outcome: Outcome | None = None
        self.observation_space = gymnasium.spaces.Box(0.0, 1.0, (len(self.space.feature_owner) + 1,), np.float32)
        self.action_space: gymnasium.Space[Any] = {
            "propose": self.space.gymnasium(),
            "refine": gymnasium.spaces.Discrete(2 * len(self.space)),
            "construct": gymnasium.spaces.Discrete(int(self.space.shape.max())),
        }[mode]
        # Which features belong to the parameters chosen after each number of construct steps.
        self._known = self.space.feature_owner < np.arange(len(self.space) + 1)[:, None]

    def reset(self, rows: NDArray[np.bool_], rng: np.random.Generator) -> None:
        """Start new episodes in these rows [N]."""
        self.steps[rows] = 0
        if self.mode != "refine":
            self.indices[rows] = self.space.centre
            return
        self.indices[rows] = self.space.sample(int(rows.sum()), rng)
        self._rewards[rows] = self._judge(self.indices[rows])

    def step(self, actions: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_]]:
        """Take one action in every episode: (rewards, terminated, truncated), each [N]."""
        self.steps += 1
        done = self.steps >= self.horizon
        if self.mode == "propose":
            self.indices = self.space.check(actions).copy()
            return self._judge(self.indices), done, self._never
        actions = self._checked(actions)
        if self.mode == "refine":
            rows, (parameters, up) = np.arange(len(done)), np.divmod(actions, 2)
            moved = self.indices[rows, parameters] + 2 * up - 1
            self.indices[rows, parameters] = np.clip(moved, 0, self.space.shape[parameters] - 1)
            before, self._rewards = self._rewards, self._judge(self.indices)
            return self._rewards - before, self._never, done
        rows, parameters = np.arange(len(done)), self.steps - 1
        self.indices[rows, parameters] = np.minimum(actions, self.space.shape[parameters] - 1)
        rewards = np.zeros(len(done))
        if done.any():
            rewards[done] = self._judge(self.indices[done])
        return rewards, done, self._never

    def _checked(self, actions: NDArray[Any]) -> NDArray[np.int64]:
        """Discrete actions [N].

        Raises:
            InputError: not whole numbers, or outside the action space.
        """
        count = int(self.action_space.n)  # type: ignore[attr-defined]
        actions = np.asarray(actions)
        if actions.dtype.kind not in "iu" or actions.min() < 0 or actions.max() >= count:
            raise InputError(f"actions must be whole numbers from 0 to {count - 1}, not {actions.tolist()}")
        return actions.astype(np.int64)

    def _judge(self, indices: NDArray[np.int64]) -> NDArray[np.float64]:
        """Rewards [n] of n designs."""
        self.outcome = self.objective(self.evaluator.run(self.space.records(indices)))
        return self.outcome.rewards

    def observe(self) -> Observation:
        """Observations [N, F + 1]."""
        observations = np.empty(self._shape, np.float32)
        observations[:, :-1] = self.space.features(self.indices)
        observations[:, -1] = self.steps / self.horizon
        if self.mode == "construct":
            observations[:, :-1] *= self._known[self.steps]
        return observations

    def masks(self) -> NDArray[np.bool_]:
        """Which actions the next step has: [N, actions] (construct mode; all elsewhere)."""
        if self.mode != "construct":
            return np.ones((len(self.steps), gymnasium.spaces.flatdim(self.action_space)), np.bool_)
        choices = self.space.shape[np.minimum(self.steps, len(self.space) - 1)]
        return np.arange(self.space.shape.max()) < choices[:, None]


class Episode(Episodes):
    """One episode. NumPy on arrays of one would be most of the time of a step, so designs are judged as floats.

    Attributes:
        info: of the last evaluation, None before any.
    """

    info: dict[str, Any] | None = None

    def _judge(self, indices: NDArray[np.int64]) -> NDArray[np.float64]:
        *row, feasible, why = self.evaluator.run(self.space.records(indices)).item()
        metrics = dict(zip(self.names, row, strict=True)) if feasible else {}
        reward, violation = self.objective.judge(metrics) if feasible else (INFEASIBLE_REWARD, np.inf)
        valid = violation == 0
        self.info = {"metrics": metrics, "feasible": feasible, "why": self.evaluator.why(why), "valid": valid}
        return np.array([reward])


class ArchGymEnv(gymnasium.Env[Observation, Any]):
    """One accelerator design environment; see the module for action modes and observations.

    Args:
        family: registry name or Family.
        workload: spec such as `resnet50?batch=8`, or a Workload; the family's default when None.
        objective: expression(s) to minimise, or an Objective; the family's default when None.
        constraints: e.g. `["area_mm2<=50"]`; the family's when None.
        mode: propose, refine or construct.
        horizon: steps per episode (propose 1, refine 32 when None).
        scenario: options of the technology, e.g. `{"node_nm": 16}`.
        quality: where quality_loss is an objective or a constraint, and so compression a part of the design: options
            of archgym.compression.judge.Judge, e.g. `{"allow_extrapolation": True}`.
        cost_model: spec of what evaluates, e.g. `surrogate:DIR`; see archgym.costmodels.

    After an evaluation `info` holds `metrics` (empty when infeasible), `feasible`, `why` and `valid` (feasible and
    within the constraints).
    """

    metadata = {"render_modes": []}  # noqa: RUF012 (Gymnasium declares it so)

    def __init__(
        self,
        family: str | Family = "systolic",
        workload: str | Workload | None = None,
        objective: str | Sequence[str] | Objective | None = None,
        constraints: Sequence[str] | None = None,
        mode: str = "propose",
        horizon: int | None = None,
        scenario: Mapping[str, Any] | None = None,
        quality: Mapping[str, Any] | None = None,
        cost_model: str = ANALYTICAL,
    ) -> None:
        posed = (family, workload, objective, constraints, mode, horizon, scenario, quality, cost_model)
        self._episodes = Episode(1, *posed)
        self.observation_space = self._episodes.observation_space
        self.action_space = self._episodes.action_space

    @property
    def evaluator(self) -> Evaluator:
        """The cost model behind the environment."""
        return self._episodes.evaluator

    @property
    def problem(self) -> Problem:
        """What the environment is about: cost model, objective and space."""
        return self._episodes.problem

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Start an episode; deterministic under `seed`."""
        super().reset(seed=seed)
        self._episodes.reset(np.ones(1, np.bool_), self.np_random)
        return self._episodes.observe()[0], self._mask_info()

    def step(self, action: Any) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Take one action.

        Raises:
            InputError: an action outside the action space.
        """
        episode = self._episodes
        episode.info = None
        rewards, terminated, truncated = episode.step(np.asarray(action)[None])
        info = self._mask_info() | (episode.info or {})
        return episode.observe()[0], float(rewards[0]), bool(terminated[0]), bool(truncated[0]), info

    def _mask_info(self) -> dict[str, Any]:
        return {"action_mask": self.action_masks()} if self._episodes.mode == "construct" else {}

    @property
    def design(self) -> dict[str, Value]:
        """The current design as plain values."""
        space = self._episodes.space
        return space.values(space.records(self._episodes.indices))[0]

    def action_masks(self) -> NDArray[np.bool_]:
        """Actions of the next step [actions], under the name that sb3-contrib's MaskablePPO calls."""
        return self._episodes.masks()[0]


class ArchGymVectorEnv(gymnasium.vector.VectorEnv[Observation, Any, NDArray[Any]]):
    """`num_envs` environments evaluated together, without a Python loop over them.

    Autoreset happens in the same step; `infos` holds `final_obs`, and after an evaluation of all environments `metrics`
    [N] (with their `why` codes), `feasible` and `valid`. Arguments as ArchGymEnv.
    """

    metadata = {"render_modes": [], "autoreset_mode": AutoresetMode.SAME_STEP}  # noqa: RUF012

    def __init__(
        self,
        num_envs: int = 1,
        family: str | Family = "systolic",
        workload: str | Workload | None = None,
        objective: str | Sequence[str] | Objective | None = None,
        constraints: Sequence[str] | None = None,
        mode: str = "propose",
        horizon: int | None = None,
        scenario: Mapping[str, Any] | None = None,
        quality: Mapping[str, Any] | None = None,
        cost_model: str = ANALYTICAL,
    ) -> None:
        if not (isinstance(num_envs, int) and num_envs > 0):
            raise InputError(f"num_envs must be a positive whole number, not {num_envs!r}")
        posed = (family, workload, objective, constraints, mode, horizon, scenario, quality, cost_model)
        self._episodes = Episodes(num_envs, *posed)
        self.num_envs = num_envs
        self.single_observation_space = self._episodes.observation_space
        self.single_action_space = self._episodes.action_space
        self.observation_space = gymnasium.vector.utils.batch_space(self.single_observation_space, num_envs)
        self.action_space = gymnasium.vector.utils.batch_space(self.single_action_space, num_envs)

    @property
    def evaluator(self) -> Evaluator:
        """The cost model behind the environments."""
        return self._episodes.evaluator

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Start an episode everywhere; deterministic under `seed`."""
        if seed is not None:
            self.np_random, self._np_random_seed = gymnasium.utils.seeding.np_random(seed)
        self._episodes.reset(np.ones(self.num_envs, np.bool_), self.np_random)
        return self._episodes.observe(), self._mask_info()

    def step(
        self, actions: NDArray[Any]
    ) -> tuple[Observation, NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]:
        """Take one action [N, ...] in every environment.

        Raises:
            InputError: an action outside the action space.
        """
        episodes = self._episodes
        evaluated = episodes.outcome
        rewards, terminated, truncated = episodes.step(np.asarray(actions))
        infos: dict[str, Any] = {}
        outcome = episodes.outcome
        if outcome is not None and outcome is not evaluated and len(outcome.metrics) == self.num_envs:
            infos |= {"metrics": outcome.metrics, "feasible": outcome.metrics["feasible"], "valid": outcome.valid}
        done = terminated | truncated
        observations = episodes.observe()
        if done.any():
            infos |= {"final_obs": observations, "_final_obs": done}
            episodes.reset(done, self.np_random)
            observations = episodes.observe()
        return observations, rewards, terminated, truncated, infos | self._mask_info()

    def _mask_info(self) -> dict[str, Any]:
        return {"action_mask": self.action_masks()} if self._episodes.mode == "construct" else {}

    def action_masks(self) -> NDArray[np.bool_]:
        """Actions of the next step of every environment [N, actions]."""
        return self._episodes.masks()
