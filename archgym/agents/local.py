"""Local search: hill climbing over neighbouring designs, restarted from the best design with a kick.

Sources: as archgym.agents.climb.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from archgym.agents.base import Agent, OneOf, Range, State
from archgym.agents.climb import Climb
from archgym.errors import unknown
from archgym.objective import Outcome
from archgym.space import DesignSpace, Indices

IMPROVEMENTS = ("first", "best")


class Local(Agent):
    """Climbs from one design at a time to a better neighbour; designs already evaluated are not asked for again.

    With several objectives each climb follows its own random weights (see archgym.agents.memory).

    Args:
        batch: neighbours evaluated side by side.
        improvement: `first` moves to the best of a batch as soon as one is better; `best` looks at all neighbours
            first, which is slower over the first hundred designs.
        starts: random designs at the start and at a random restart, of which the best is climbed from.
        kicks: kicked designs at any other restart, of which the best is climbed from.
        kick: parameters drawn anew in a kicked design.
        random: share of restarts from random designs.
    """

    hyperparameters: ClassVar = {
        "batch": Range(4, 32, log=True),
        "improvement": OneOf(IMPROVEMENTS),
        "starts": Range(4, 64, log=True),
        "kicks": Range(1, 16, log=True),
        "kick": Range(2, 6),
        "random": Range(0.05, 0.9),
    }

    def __init__(
        self,
        space: DesignSpace,
        n_objectives: int,
        seed: int,
        batch: int = 8,
        improvement: str = "first",
        starts: int = 16,
        kicks: int = 1,
        kick: int = 3,
        random: float = 0.4,
    ) -> None:
        super().__init__(space, n_objectives, seed)
        if improvement not in IMPROVEMENTS:
            raise unknown("improvement", improvement, IMPROVEMENTS)
        self.batch = batch
        self._climb = Climb(space, n_objectives, improvement == "best", starts, kicks, kick, random)

    def propose(self, n: int, rng: np.random.Generator) -> Indices:
        """New neighbours of the design climbed from, in random order."""
        return self._climb.propose(n, lambda here, rng: rng.permutation(self.space.neighbours(here.indices)), rng)

    def tell(self, indices: Indices, outcome: Outcome) -> None:
        """Move to a better design; where there is none, end the climb and begin another."""
        self._climb.tell(indices, outcome, np.random.default_rng([self.seed, self.asked, 1]))

    def state(self) -> State:
        """The climb."""
        return super().state() | self._climb.state()

    def load(self, state: State) -> None:
        """Continue from a saved state."""
        super().load(state)
        self._climb.load(state)
