"""REINFORCE over independent categorical distributions: reinforcement learning at its cheapest, in a page of NumPy.

The policy is that of `ppo`, one softmax per parameter, and an update is one step along the plain likelihood-ratio
gradient. (Along the natural gradient the same step moves the probabilities straight towards the better designs, which
is PBIL: S. Baluja, "Population-based incremental learning", CMU-CS-94-163, 1994; Y. Ollivier, L. Arnold, A. Auger,
N. Hansen, "Information-geometric optimization algorithms", JMLR 18, 2017.)

Sources: R. J. Williams, "Simple statistical gradient-following algorithms for connectionist reinforcement learning",
Machine Learning 8, 1992 (section 4: the update and its baseline); R. J. Williams, J. Peng, "Function optimization using
connectionist reinforcement learning algorithms", Connection Science 3(3), 1991 (entropy bonus); Wierstra et al.,
"Natural evolution strategies", JMLR 15, 2014 (fitness shaping, section 3.1).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from archgym.agents.base import Agent, OneOf, Range, State
from archgym.agents.policy import Memory, shaped
from archgym.objective import FloatArray, Outcome
from archgym.space import DesignSpace, Indices


class Reinforce(Agent):
    """REINFORCE whose episodes are one design long; known designs train it again, and it starts anew when converged.

    What helped: small batches and long steps. Half the batch and four times the step of a first guess find in 1000
    designs what took 3000. Momentum, and smoothing the logits of ordinal parameters over their neighbours, did not.

    Args:
        batch: new designs per update.
        learning_rate: of the logits; utilities have mean 0 (the baseline) and deviation 1.
        entropy: weight of the entropy of the policy, which delays its convergence.
        converged: share of known designs among those drawn from which the policy is replaced.
    """

    hyperparameters: ClassVar[Mapping[str, Range | OneOf]] = {
        "batch": Range(8, 128, log=True),
        "learning_rate": Range(0.2, 5.0, log=True),
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
        learning_rate: float = 2.0,
        entropy: float = 0.01,
        converged: float = 0.9,
    ) -> None:
        super().__init__(space, n_objectives, seed)
        self.batch, self.learning_rate, self.entropy, self.converged = batch, learning_rate, entropy, converged
        self._memory = Memory(space)
        choices = np.arange(space.shape.max()) < space.shape[:, None]
        self._start = np.where(choices, 0.0, -np.inf)  # logits [P, C], C the most choices of any parameter
        self._logits = self._start

    def propose(self, n: int, rng: np.random.Generator) -> Indices:
        """New designs drawn from the policy; uniform ones when it draws nothing new."""
        below = softmax(self._logits).cumsum(axis=1)[:, :-1]  # share of the choices up to each but the last
        shape = (self.batch, len(self.space), 1)
        new = self._memory.new(n, lambda: np.minimum((rng.random(shape) >= below).sum(axis=2), self.space.shape - 1))
        return new if len(new) else self._memory.others(n, rng)

    def tell(self, indices: Indices, outcome: Outcome) -> None:
        """One step up the gradient, on all designs drawn for the last ask whose reward is known."""
        lesson = self._memory.tell(indices, outcome.rewards)
        if lesson.known > self.converged * lesson.drawn:
            self._logits = self._start
        elif len(lesson.rewards) > 1:
            policy = softmax(self._logits)
            gradient = likelihood_gradient(policy, lesson.indices, shaped(lesson.rewards))
            self._logits = self._logits + self.learning_rate * (gradient + self.entropy * entropy_gradient(policy))

    def state(self) -> State:
        """The policy, remembered rewards, and what was drawn last."""
        return super().state() | self._memory.state() | {"logits": self._logits}

    def load(self, state: State) -> None:
        """Continue from a saved state."""
        super().load(state)
        self._memory.load(state)
        self._logits = np.asarray(state["logits"])


def softmax(logits: FloatArray) -> FloatArray:
    """Probabilities [P, C] of logits [P, C]."""
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True)


def likelihood_gradient(policy: FloatArray, indices: Indices, utilities: FloatArray) -> FloatArray:
    """Mean over designs [N, P] of utility times the gradient of their log probability by the logits: [P, C].

    That of a softmax, the characteristic eligibility of Williams 1992, is one-hot(choice) - probabilities.
    """
    chosen = indices[:, :, None] == np.arange(policy.shape[1])
    return np.tensordot(utilities, chosen - policy, axes=1) / len(indices)


def entropy_gradient(policy: FloatArray) -> FloatArray:
    """Gradient of each parameter's entropy H by its logits: -p (log p + H), [P, C]."""
    logs = np.log(np.where(policy > 0, policy, 1.0))
    entropy = -(policy * logs).sum(axis=1, keepdims=True)
    return -policy * (logs + entropy)
