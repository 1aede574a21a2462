"""Proximal policy optimisation of one parameter after the other: sb3-contrib's MaskablePPO.

An episode builds one design. Each step chooses one parameter knowing the choices before it, so the policy can learn
that a good choice depends on others, which that of `ppo` cannot; actions that a parameter does not have are masked. The
reward comes with the last choice, shaped by rank among the designs drawn together.

Sources: S. Huang, S. Ontanon, "A closer look at invalid action masking in policy gradient algorithms", FLAIRS 2022,
arXiv 2006.14171; Schulman et al., "Proximal policy optimization algorithms", arXiv 1707.06347; Raffin et al., "Stable-
Baselines3", JMLR 22(268), 2021; H. Larochelle, I. Murray, "The neural autoregressive distribution estimator", AISTATS
2011 (section 2: the linear autoregressive model, there of bits, that the policy is).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import sb3_contrib
import torch
from gymnasium.spaces import Box, Discrete

from archgym.agents.base import Agent, OneOf, Range, State
from archgym.agents.construction import Construction
from archgym.agents.policy import DRAWS, Memory, shaped
from archgym.agents.sb3 import packed, unpack, without_environment
from archgym.agents.torch_seeding import isolated
from archgym.objective import FloatArray, Outcome
from archgym.space import DesignSpace, Indices


class MaskedPPO(Agent):
    """MaskablePPO that builds designs; known ones train it again, and it starts anew when it has converged.

    What helped: small batches, and a linear policy (a table of log odds, see `Construction`) rather than hidden layers,
    which did no better.

    Args:
        batch: new designs per update of the policy.
        learning_rate, epochs, clip, entropy: of PPO; each epoch is one step on the whole batch.
        context: how fast earlier choices come to matter, relative to a parameter's own odds; with 0 they never do.
        converged: share of known designs among those drawn from which the policy is replaced.
    """

    hyperparameters: ClassVar[Mapping[str, Range | OneOf]] = {
        "batch": Range(8, 128, log=True),
        "learning_rate": Range(0.003, 0.1, log=True),
        "epochs": Range(1, 10),
        "clip": Range(0.1, 0.4),
        "entropy": Range(0.001, 0.1, log=True),
        "context": Range(0.0, 1.0),
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
        context: float = 0.3,
        converged: float = 0.9,
    ) -> None:
        super().__init__(space, n_objectives, seed)
        self.batch, self.converged = batch, converged
        self._settings = {"learning_rate": learning_rate, "n_epochs": epochs, "clip_range": clip, "ent_coef": entropy}
        self._memory = Memory(space)
        self._construction = Construction(space, table=True, weight=context)
        self._model = self._new_model(np.random.default_rng(seed))

    def propose(self, n: int, rng: np.random.Generator) -> Indices:
        """New designs drawn from the policy; uniform ones when it draws nothing new."""
        with isolated(rng):
            new = self._memory.new(n, lambda: self._draw(self.batch))
        return new if len(new) else self._memory.others(n, rng)

    def tell(self, indices: Indices, outcome: Outcome) -> None:
        """One PPO update on all designs drawn for the last ask whose reward is known."""
        lesson = self._memory.tell(indices, outcome.rewards)
        rng = np.random.default_rng([self.seed, self.asked, 1])
        if lesson.known > self.converged * lesson.drawn:
            self._model = self._new_model(rng)
        elif len(lesson.rewards) > 1:
            with isolated(rng):
                self._learn(lesson.indices, shaped(lesson.rewards))

    def state(self) -> State:
        """Policy and optimiser, remembered rewards, and what was drawn last."""
        return super().state() | self._memory.state() | packed(self._model)

    def load(self, state: State) -> None:
        """Continue from a saved state."""
        super().load(state)
        self._memory.load(state)
        unpack(self._model, state)

    # -- sb3-contrib

    def _new_model(self, rng: np.random.Generator) -> Any:
        episode = self._construction
        with isolated(rng):
            return without_environment(
                sb3_contrib.MaskablePPO,
                "MlpPolicy",
                Box(0.0, 1.0, (episode.width,)),
                Discrete(episode.actions),
                self.batch,
                n_steps=episode.steps,
                batch_size=DRAWS * self.batch * episode.steps,
                gamma=1.0,
                gae_lambda=1.0,
                policy_kwargs={"net_arch": []},
                **self._settings,
            )

    def _draw(self, n: int) -> Indices:
        """Build designs [n, P] side by side."""
        episode = self._construction
        designs = np.zeros((n, episode.steps), np.int64)
        with torch.no_grad():
            for step, mask in enumerate(episode.masks):
                seen = torch.as_tensor(episode.observe(designs, np.full(n, step)))
                designs[:, step] = self._model.policy.get_distribution(seen, np.tile(mask, (n, 1))).get_actions()
        return designs

    def _learn(self, designs: Indices, rewards: FloatArray) -> None:
        """One PPO update: every design is an episode of P steps, all side by side."""
        episode, buffer, n = self._construction, self._model.rollout_buffer, len(designs)
        buffer.n_envs = n
        buffer.reset()
        for step, mask in enumerate(episode.masks):
            seen, masks = episode.observe(designs, np.full(n, step)), np.tile(mask, (n, 1))
            actions, reward = designs[:, step], rewards * (step == episode.steps - 1)
            with torch.no_grad():
                values, log_probs, _ = self._model.policy.evaluate_actions(
                    torch.as_tensor(seen), torch.as_tensor(actions), torch.as_tensor(masks)
                )
            first = np.full(n, step == 0)
            buffer.add(seen, actions, reward, first, values, log_probs, action_masks=masks)
        buffer.compute_returns_and_advantage(torch.zeros(n), np.ones(n))
        self._model.train()
