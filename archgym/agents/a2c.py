"""Advantage actor-critic of a whole design at a time: Stable-Baselines3's A2C on one-step episodes.

The policy is that of `ppo`: a product of one categorical distribution per parameter. A2C takes one gradient step per
batch and forgets it, PPO several: so A2C wants small batches and long steps.

Sources: V. Mnih et al., "Asynchronous methods for deep reinforcement learning", ICML 2016, arXiv 1602.01783 (section 4,
asynchronous advantage actor-critic; A2C is its synchronous form); Raffin et al., "Stable-Baselines3", JMLR 22(268),
2021; Wierstra et al., "Natural evolution strategies", JMLR 15, 2014 (fitness shaping, section 3.1).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import stable_baselines3

from archgym.agents.base import Agent, OneOf, Range, State
from archgym.agents.policy import Memory, shaped
from archgym.agents.sb3 import CONSTANT, draw_designs, learn_designs, packed, unpack, without_environment
from archgym.agents.torch_seeding import isolated
from archgym.objective import Outcome
from archgym.space import DesignSpace, Indices


class A2C(Agent):
    """A2C whose episodes are one design long; known designs train it again, and it starts anew when it has converged.

    What helped: batches of 16, and learning rates a hundred times SB3's (there is one free logit per choice to move).

    Args:
        batch: new designs per gradient step.
        learning_rate, entropy: of A2C.
        converged: share of known designs among those drawn from which the policy is replaced.
    """

    hyperparameters: ClassVar[Mapping[str, Range | OneOf]] = {
        "batch": Range(8, 128, log=True),
        "learning_rate": Range(0.003, 0.3, log=True),
        "entropy": Range(0.001, 0.1, log=True),
        "converged": Range(0.7, 0.98),
    }
    adjustable: ClassVar[tuple[str, ...]] = ("batch", "learning_rate", "entropy", "converged")

    def __init__(
        self,
        space: DesignSpace,
        n_objectives: int,
        seed: int,
        batch: int = 16,
        learning_rate: float = 0.05,
        entropy: float = 0.01,
        converged: float = 0.9,
    ) -> None:
        super().__init__(space, n_objectives, seed)
        self.batch, self.converged = batch, converged
        self._settings = {"learning_rate": learning_rate, "ent_coef": entropy}
        self._memory = Memory(space)
        self._model = self._new_model(np.random.default_rng(seed))

    def propose(self, n: int, rng: np.random.Generator) -> Indices:
        """New designs drawn from the policy; uniform ones when it draws nothing new."""
        with isolated(rng):
            new = self._memory.new(n, lambda: draw_designs(self._model, self.batch))
        return new if len(new) else self._memory.others(n, rng)

    def tell(self, indices: Indices, outcome: Outcome) -> None:
        """One gradient step on all designs drawn for the last ask whose reward is known."""
        lesson = self._memory.tell(indices, outcome.rewards)
        rng = np.random.default_rng([self.seed, self.asked, 1])
        if lesson.known > self.converged * lesson.drawn:
            self._model = self._new_model(rng)
        elif len(lesson.rewards) > 1:
            with isolated(rng):
                learn_designs(self._model, lesson.indices, shaped(lesson.rewards))

    def state(self) -> State:
        """Policy and optimiser, remembered rewards, and what was drawn last."""
        return super().state() | self._memory.state() | packed(self._model)

    def load(self, state: State) -> None:
        """Continue from a saved state."""
        super().load(state)
        self._memory.load(state)
        unpack(self._model, state)

    def _new_model(self, rng: np.random.Generator) -> Any:
        with isolated(rng):
            return without_environment(
                stable_baselines3.A2C,
                "MlpPolicy",
                CONSTANT,
                self.space.gymnasium(),
                self.batch,
                n_steps=1,
                gae_lambda=1.0,
                policy_kwargs={"net_arch": []},  # of a constant observation: one free logit per choice
                **self._settings,
            )
