"""The contract of an agent: ask for designs, be told their outcome.

An agent is built as `Build(space, n_objectives, seed, **options)`; its options are its keyword parameters, typed as
their defaults, so that `genetic?population=128` works wherever an agent is named.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np

from archgym.objective import Outcome
from archgym.space import DesignSpace, Indices

State = dict[str, Any]  # names to arrays, numbers, text: saved without pickle


class Agent(ABC):
    """Base of every agent.

    Attributes:
        space, n_objectives, seed: what it was built for.
        asked: number of calls to `ask` so far: with the seed, the state of all randomness.
        batch: designs it likes to be asked for at a time.
        budget: designs it is given when the user names no budget.
    """

    batch: int = 64
    budget: ClassVar[int] = 20_000

    def __init__(self, space: DesignSpace, n_objectives: int, seed: int) -> None:
        self.space, self.n_objectives, self.seed = space, n_objectives, seed
        self.asked = 0

    def ask(self, n: int) -> Indices:
        """Propose up to `n` designs, at least one: indices [<= n, P]. Learns nothing."""
        rng = np.random.default_rng([self.seed, self.asked])
        self.asked += 1
        return self.propose(n, rng)

    @abstractmethod
    def propose(self, n: int, rng: np.random.Generator) -> Indices:
        """`ask` with the random generator of this call, derived from seed and number of calls."""

    @abstractmethod
    def tell(self, indices: Indices, outcome: Outcome) -> None:
        """Learn from the designs of the last `ask`: indices [N, P] in the order asked, and their outcome."""

    def state(self) -> State:
        """All that `load` needs to continue as if nothing had happened."""
        return {"asked": self.asked}

    def load(self, state: State) -> None:
        """Continue from a saved state."""
        self.asked = int(state["asked"])
