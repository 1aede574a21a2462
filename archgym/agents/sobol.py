"""Sobol sequence: quasi-random designs that fill the space evenly at every length of the sequence.

Sources: I. M. Sobol', "On the distribution of points in a cube and the approximate evaluation of integrals", USSR
Computational Mathematics and Mathematical Physics 7(4), 1967; A. B. Owen, "Scrambling Sobol' and Niederreiter-Xing
points", Journal of Complexity 14(4), 1998. SciPy's `qmc.Sobol` with the direction numbers of Joe and Kuo, 2008.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import qmc

from archgym.agents.base import Agent, State
from archgym.agents.memory import Known
from archgym.objective import Outcome
from archgym.space import DesignSpace, Indices

LENGTH = 2**30  # points of the sequence, as SciPy makes it
ROUNDS = 4  # times as many points as designs asked for are looked through for new ones


class Sobol(Agent):
    """Scrambled Sobol points, each taken to the choices whose share of the unit interval it falls in.

    Points that fall on a design already evaluated are skipped. It learns nothing else.
    """

    batch = 1024

    def __init__(self, space: DesignSpace, n_objectives: int, seed: int) -> None:
        super().__init__(space, n_objectives, seed)
        self._known = Known(space)
        self._position = 0  # all points before it are known

    def propose(self, n: int, rng: np.random.Generator) -> Indices:
        """The next points that are new."""
        return self._known.filled(self._points(n), n, rng)

    def tell(self, indices: Indices, outcome: Outcome) -> None:
        """Move on past the points that are known now."""
        self._known.add(indices)
        known = self._known.has(self._points(len(indices)))
        self._position += len(known) if known.all() else int(known.argmin())

    def state(self) -> State:
        """What is known, and the place in the sequence."""
        return super().state() | {"known": self._known.ranks, "position": self._position}

    def load(self, state: State) -> None:
        """Continue from a saved state."""
        super().load(state)
        self._known = Known(self.space, np.asarray(state["known"]).tolist())
        self._position = int(state["position"])

    def _points(self, n: int) -> Indices:
        """Designs of the next points of the sequence, about ROUNDS * n and a power of two, repeats included."""
        sequence = qmc.Sobol(len(self.space), rng=np.random.default_rng(self.seed))
        if self._position:
            sequence.fast_forward(self._position)
        points = sequence.random(min(2 ** (ROUNDS * n - 1).bit_length(), LENGTH - self._position))
        return np.minimum((points * self.space.shape).astype(np.int64), self.space.shape - 1)
