"""Uniform random search: the baseline every other agent must beat."""

from __future__ import annotations

import numpy as np

from archgym.agents.base import Agent
from archgym.objective import Outcome
from archgym.space import Indices


class Random(Agent):
    """Draws every design uniformly and learns nothing."""

    batch = 1024

    def propose(self, n: int, rng: np.random.Generator) -> Indices:
        """Uniform designs [n, P]."""
        return self.space.sample(n, rng)

    def tell(self, indices: Indices, outcome: Outcome) -> None:
        """Nothing to learn."""
