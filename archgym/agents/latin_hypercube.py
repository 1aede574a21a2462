"""Latin hypercube sampling: every batch covers every choice of every parameter evenly.

Source: M. D. McKay, R. J. Beckman, W. J. Conover, "A comparison of three methods for selecting values of input
variables in the analysis of output from a computer code", Technometrics 21(2), 1979. SciPy's `qmc.LatinHypercube`.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import qmc

from archgym.agents.base import Agent, State
from archgym.agents.memory import Known
from archgym.objective import Outcome
from archgym.space import DesignSpace, Indices


class LatinHypercube(Agent):
    """A Latin hypercube of as many designs as it is asked for; it learns nothing.

    A search with a budget up to `batch` is one hypercube of just that many designs; a longer one a series of them.
    Designs already evaluated are replaced by random new ones.

    Args:
        batch: designs of a hypercube.
    """

    def __init__(self, space: DesignSpace, n_objectives: int, seed: int, batch: int = 1024) -> None:
        super().__init__(space, n_objectives, seed)
        self.batch = batch
        self._known = Known(space)

    def propose(self, n: int, rng: np.random.Generator) -> Indices:
        """Designs of one hypercube [n, P]: each choice of a parameter n / choices times, to within one."""
        points = qmc.LatinHypercube(len(self.space), rng=rng).random(n)
        indices = np.minimum((points * self.space.shape).astype(np.int64), self.space.shape - 1)
        return self._known.filled(indices, n, rng)

    def tell(self, indices: Indices, outcome: Outcome) -> None:
        """Remember what is known."""
        self._known.add(indices)

    def state(self) -> State:
        """What is known."""
        return super().state() | {"known": self._known.ranks}

    def load(self, state: State) -> None:
        """Continue from a saved state."""
        super().load(state)
        self._known = Known(self.space, np.asarray(state["known"]).tolist())
