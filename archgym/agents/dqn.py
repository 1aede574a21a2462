"""Deep Q-network that builds designs one parameter after the other: Stable-Baselines3's DQN.

An episode builds one design. The network is asked for the value of each choice of the next parameter, given the choices
before it; epsilon-greedy choices build a batch of designs side by side, the replay buffer keeps them, and SB3's DQN
trains on samples of it. DQN takes one discrete action at a step, so a whole design (MultiDiscrete) cannot be one.

Sources: V. Mnih et al., "Human-level control through deep reinforcement learning", Nature 518, 2015; T. Schaul et al.,
"Prioritized experience replay", ICLR 2016, arXiv 1511.05952 (section 3.3, rank-based priorities; here by the rank of
the reward); M. Hessel et al., "Rainbow: combining improvements in deep reinforcement learning", AAAI 2018, arXiv
1710.02298 (multi-step targets); Raffin et al., "Stable-Baselines3", JMLR 22(268), 2021.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import stable_baselines3
import torch
from gymnasium.spaces import Box, Discrete
from numpy.typing import NDArray
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.type_aliases import ReplayBufferSamples
from stable_baselines3.common.utils import polyak_update
from stable_baselines3.dqn.policies import DQNPolicy, QNetwork

from archgym.agents.base import Agent, OneOf, Range, State
from archgym.agents.construction import Construction
from archgym.agents.policy import Memory, from_top
from archgym.agents.sb3 import packed, unpack, without_environment
from archgym.agents.torch_seeding import isolated
from archgym.objective import FloatArray, Outcome
from archgym.space import DesignSpace, Indices

BARRED = -1e4  # value of an action that a parameter does not have: below any reward, and finite where it meets a 0


class DQN(Agent):
    """DQN that builds designs; it never proposes a known one, and starts anew when it has converged.

    Values are of rewards by rank, minus the logarithm of the share of designs as good: the best differ most.

    What helped: replaying good designs more often (median of three seeds after 1000 designs for mobilenetv2: 3.9 times
    the best known value with `priority` 0, 2.1 with 0.5, the best itself with 1 and the other defaults), targets that
    look at the reward itself rather than at the next choice's value, and exploration that ends after some hundred
    designs. Invalid choices are barred within the network, so that the target network's maximum takes none either.

    Args:
        batch: new designs per round of training.
        learning_rate, gradient_steps, minibatch: of the Adam steps of a round.
        exploration: share of random choices once `explored` designs are known; it falls to that from 1.
        explored: see `exploration`.
        replay: newest designs kept.
        priority: designs are replayed in proportion to rank ** -priority.
        lookahead: choices between a value and the target network's; from the number of parameters on it is the reward.
        tau: share of the network that enters the target network after a round.
        hidden: units of each of two layers.
        converged: share of known designs among those drawn from which the network is replaced.
    """

    most: ClassVar[int | None] = 3000
    hyperparameters: ClassVar[Mapping[str, Range | OneOf]] = {
        "learning_rate": Range(0.0003, 0.01, log=True),
        "gradient_steps": Range(4, 32, log=True),
        "exploration": Range(0.03, 0.3, log=True),
        "explored": Range(64, 1024, log=True),
        "priority": Range(0.0, 1.5),
        "lookahead": OneOf((1, 4, 64)),
        "tau": Range(0.02, 1.0, log=True),
        "hidden": OneOf((32, 64, 128)),
    }
    adjustable: ClassVar[tuple[str, ...]] = (
        *("learning_rate", "gradient_steps", "exploration", "explored"),
        *("priority", "lookahead", "tau"),
    )

    def __init__(
        self,
        space: DesignSpace,
        n_objectives: int,
        seed: int,
        batch: int = 16,
        learning_rate: float = 0.003,
        gradient_steps: int = 16,
        minibatch: int = 128,
        exploration: float = 0.1,
        explored: int = 256,
        replay: int = 4096,
        priority: float = 1.0,
        lookahead: int = 64,
        tau: float = 0.1,
        hidden: int = 64,
        converged: float = 0.9,
    ) -> None:
        super().__init__(space, n_objectives, seed)
        self.batch, self.gradient_steps, self.minibatch, self.tau = batch, gradient_steps, minibatch, tau
        self.exploration, self.explored, self.replay, self.converged = exploration, explored, replay, converged
        self._learning_rate, self._hidden = learning_rate, hidden
        self._memory = Memory(space)
        self._construction = Construction(space)
        self._buffer = {"construction": self._construction, "priority": priority, "lookahead": lookahead}
        self._first = 0  # designs known before the present network
        self._model = self._new_model(np.random.default_rng(seed))

    def propose(self, n: int, rng: np.random.Generator) -> Indices:
        """New designs built by the network; uniform ones when it builds nothing new."""
        with isolated(rng):
            new = self._memory.new(n, lambda: self._build(self.batch, rng))
        return new if len(new) else self._memory.others(n, rng)

    def tell(self, indices: Indices, outcome: Outcome) -> None:
        """A round of training on the replay buffer."""
        lesson = self._memory.tell(indices, outcome.rewards)
        rng = np.random.default_rng([self.seed, self.asked, 1])
        if lesson.known > self.converged * lesson.drawn:
            self._first = len(self._memory.rewards)
            self._model = self._new_model(rng)
        elif len(self._memory.rewards) > self._first:
            with isolated(rng):
                self._train()

    def state(self) -> State:
        """Networks and optimiser, remembered rewards, and where those of the present network begin."""
        return super().state() | self._memory.state() | {"first": self._first} | packed(self._model)

    def load(self, state: State) -> None:
        """Continue from a saved state."""
        super().load(state)
        self._memory.load(state)
        self._first = int(state["first"])
        unpack(self._model, state)

    # -- Stable-Baselines3

    def _new_model(self, rng: np.random.Generator) -> Any:
        episode = self._construction
        with isolated(rng):
            return without_environment(
                stable_baselines3.DQN,
                MaskedPolicy,
                Box(0.0, 1.0, (episode.width,)),
                Discrete(episode.actions),
                1,
                learning_rate=self._learning_rate,
                gamma=1.0,
                policy_kwargs={"net_arch": [self._hidden, self._hidden], "masks": episode.masks},
                replay_buffer_class=DesignReplay,
                replay_buffer_kwargs=self._buffer,
            )

    def _build(self, n: int, rng: np.random.Generator) -> Indices:
        """Designs [n, P] of epsilon-greedy choices."""
        episode, anything = self._construction, self.space.sample(n, rng)
        told = len(self._memory.rewards) - self._first
        epsilon = max(1.0 - (1.0 - self.exploration) * told / self.explored, self.exploration)
        explore = rng.random(anything.shape) < epsilon
        designs = np.zeros_like(anything)
        with torch.no_grad():
            for step in range(episode.steps):
                seen = torch.as_tensor(episode.observe(designs, np.full(n, step)))
                greedy = self._model.q_net(seen).argmax(dim=1).numpy()
                designs[:, step] = np.where(explore[:, step], anything[:, step], greedy)
        return designs

    def _train(self) -> None:
        """Gradient steps on what the present network has seen, then one of the target network."""
        start = max(self._first, len(self._memory.rewards) - self.replay)
        ranks, rewards = (
            np.array(list(part)[start:]) for part in (self._memory.rewards, self._memory.rewards.values())
        )
        self._model.replay_buffer.fill(self.space.unrank(ranks), rewards)
        self._model.train(self.gradient_steps, self.minibatch)
        polyak_update(self._model.q_net.parameters(), self._model.q_net_target.parameters(), self.tau)


class MaskedPolicy(DQNPolicy):  # type: ignore[misc]
    """SB3's policy of DQN with networks that bar invalid actions."""

    def __init__(self, *args: Any, masks: NDArray[np.bool_], **options: Any) -> None:
        self._masks = masks
        super().__init__(*args, **options)

    def make_q_net(self) -> QNetwork:
        """As SB3's."""
        options = self._update_features_extractor(self.net_args, features_extractor=None)
        return MaskedNetwork(masks=self._masks, **options).to(self.device)


class MaskedNetwork(QNetwork):  # type: ignore[misc]
    """Values of the choices of the parameter that an observation says is next."""

    def __init__(self, *args: Any, masks: NDArray[np.bool_], **options: Any) -> None:
        super().__init__(*args, **options)
        barred = torch.as_tensor(np.where(masks, 0.0, BARRED), dtype=torch.float32)
        self.register_buffer("barred", barred, persistent=False)

    def forward(self, obs: Any) -> Any:
        """Values [N, actions] of observations [N, F]."""
        return super().forward(obs) + obs[:, : len(self.barred)] @ self.barred


class DesignReplay(ReplayBuffer):  # type: ignore[misc]
    """A replay buffer of designs: their transitions follow from them, and their rewards change as ranks do."""

    def __init__(
        self, _size: int, *args: Any, construction: Construction, priority: float, lookahead: int, **options: Any
    ) -> None:
        super().__init__(1, *args, **options)  # SB3's own arrays stay empty
        self.construction, self.priority, self.lookahead = construction, priority, lookahead

    def fill(self, designs: Indices, rewards: FloatArray) -> None:
        """Hold these designs [N, P] and rewards [N]."""
        share = from_top(rewards)
        self.designs, self.values = designs, -np.log(share) - 1.0  # of mean 0 for many designs
        self.chances = share**-self.priority / (share**-self.priority).sum()

    def sample(self, batch_size: int, env: Any = None) -> ReplayBufferSamples:
        """Transitions of `lookahead` choices, from random steps of designs drawn by priority."""
        episode = self.construction
        rows = np.random.choice(len(self.designs), batch_size, p=self.chances)
        steps = np.random.randint(0, episode.steps, batch_size)
        after = np.minimum(steps + self.lookahead, episode.steps)
        designs, done = self.designs[rows], after == episode.steps
        return ReplayBufferSamples(
            observations=self.to_torch(episode.observe(designs, steps)),
            actions=self.to_torch(designs[np.arange(batch_size), steps][:, None]),
            next_observations=self.to_torch(episode.observe(designs, after)),
            dones=self.to_torch(done[:, None].astype(np.float32)),
            rewards=self.to_torch((self.values[rows] * done)[:, None].astype(np.float32)),
        )
