"""Proximal policy optimisation of a whole design at a time: Stable-Baselines3's PPO on one-step episodes.

The policy is a product of one categorical distribution per parameter (action space MultiDiscrete, constant
observation): an episode proposes one design and ends with its reward. Gradients of such a policy are those of
black-box optimisation by a search distribution, so rewards are shaped by rank, as is usual there.

Sources: Schulman et al., "Proximal policy optimization algorithms", arXiv 1707.06347; Raffin et al., "Stable-
Baselines3", JMLR 22(268), 2021; Wierstra et al., "Natural evolution strategies", JMLR 15, 2014 (fitness shaping,
section 3.1).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import stable_baselines3

from archgym.agents.base import Agent, OneOf, Range, State
from archgym.agents.policy import DRAWS, Memory, shaped
from archgym.agents.sb3 import CONSTANT, draw_designs, learn_designs, packed, unpack, without_environment
from archgym.agents.torch_seeding import isolated
from archgym.objective import Outcome
from archgym.space import DesignSpace, Indices


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

    budget: ClassVar[int] = 10_000
    hyperparameters: ClassVar[Mapping[str, Range | OneOf]] = {
        "batch": Range(16, 256, log=True),
        "learning_rate": Range(0.003, 0.1, log=True),
        "epochs": Range(1, 10),
        "clip": Range(0.1, 0.4),
        "entropy": Range(0.001, 0.1, log=True),
        "converged": Range(0.7, 0.98),
    }
    adjustable: ClassVar[tuple[str, ...]] = ("batch", "learning_rate", "epochs", "clip", "entropy", "converged")

    def __init__(
        self,
        space: DesignSpace,
        n_objectives: int,
        seed: int,
        batch: int = 32,
        learning_rate: float = 0.02,
        epochs: int = 5,
        clip: float = 0.2,
        entropy: float = 0.01,
        converged: float = 0.9,
    ) -> None:
        super().__init__(space, n_objectives, seed)
        self.batch, self.converged = batch, converged
        self._settings = {"learning_rate": learning_rate, "n_epochs": epochs, "clip_range": clip, "ent_coef": entropy}
        self._memory = Memory(space)
        self._model = self._new_model(np.random.default_rng(seed))

    def propose(self, n: int, rng: np.random.Generator) -> Indices:
        """New designs drawn from the policy; uniform ones when it draws nothing new."""
        with isolated(rng):
            new = self._memory.new(n, lambda: draw_designs(self._model, self.batch))
        return new if len(new) else self.space.sample(n, rng)

    def tell(self, indices: Indices, outcome: Outcome) -> None:
        """One PPO update on all designs drawn for the last ask whose reward is known."""
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
                stable_baselines3.PPO,
                "MlpPolicy",
                CONSTANT,
                self.space.gymnasium(),
                self.batch,
                n_steps=1,
                batch_size=DRAWS * self.batch,
                gae_lambda=1.0,
                policy_kwargs={"net_arch": []},  # of a constant observation: one free logit per choice
                **self._settings,
            )
