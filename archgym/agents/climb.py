"""A hill climb that starts over: what the local searches share.

Sources: S. Russell, P. Norvig, "Artificial intelligence: a modern approach", 4th edition, 2021, section 4.1.1 (hill
climbing, first choice and steepest ascent, random restarts); H. R. Lourenco, O. C. Martin, T. Stuetzle, "Iterated local
search", Handbook of Metaheuristics, 2003 (restarts from a perturbation of the best).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from archgym.agents.base import State
from archgym.agents.genetic import crowded_order
from archgym.agents.memory import Known, Pool, Span, some_weights
from archgym.objective import Outcome
from archgym.space import DesignSpace, Indices

Moves = Callable[[Pool, np.random.Generator], Indices]  # the design climbed from to designs [M, P] near it, best first

ENDS = 64  # ends of climbs remembered: the best, or the best spread front


class Climb:
    """Climbs from one design at a time to a better one near it; designs already evaluated are not asked for again.

    With several objectives each climb follows its own random weights (see archgym.agents.memory).

    Args:
        steepest: look at all neighbours before moving to the best of them; else move as soon as one is better.
        starts: random designs at the start and at a random restart, of which the best is climbed from.
        kicks: kicked designs at any other restart, of which the best is climbed from.
        kick: parameters drawn anew in a kicked design.
        random: share of restarts from random designs.
    """

    def __init__(
        self, space: DesignSpace, n_objectives: int, steepest: bool, starts: int, kicks: int, kick: int, random: float
    ) -> None:
        self.space, self.n_objectives = space, n_objectives
        self.steepest, self.starts, self.kicks, self.kick, self.random = steepest, starts, kicks, kick, random
        self._known, self._span = Known(space), Span(n_objectives)
        self._weights = np.ones(n_objectives)
        self._here = self._ahead = self._ends = Pool.empty(space, n_objectives)
        self._kicked = np.zeros((0, len(space)), np.int64)  # what this climb's first designs are kicked from, or none
        self._starting = starts  # designs left to evaluate before the climb from the best of them

    def propose(self, n: int, moves: Moves, rng: np.random.Generator) -> Indices:
        """New designs among the moves from the design climbed from; random or kicked designs before the climb."""
        if not self._starting:
            near = self._known.fresh(moves(self._here, rng))
            return self._known.filled(near, min(n, max(len(near), 1)), rng)
        n = min(n, self._starting)
        return self._known.filled(self._kicks(4 * n, rng), n, rng)

    @property
    def here(self) -> Pool:
        """The design climbed from; none before the climb."""
        return self._here

    def tell(self, indices: Indices, outcome: Outcome, rng: np.random.Generator) -> NDArray[np.bool_]:
        """Move to a better design; where there is none, end the climb and begin another.

        Returns:
            Which designs [N] are better than the one climbed from; none before the climb.
        """
        self._known.add(indices)
        self._span.add(outcome)
        told = Pool(indices, outcome.objectives, outcome.violation)
        bar = self._span.costs(self._here, self._weights).min() if len(self._here) else -np.inf
        better = self._span.costs(told, self._weights) < bar
        self._ahead = self._span.best(self._here + self._ahead + told, self._weights)
        if self._starting:
            self._starting -= len(indices)
        if self._starting:
            return better
        if not self.steepest or not self._open(self._here):
            self._here = self._ahead
        if not self._open(self._here):
            self._restart(rng)
        return better

    def state(self) -> State:
        """Where the climb stands, where others ended, and what is known."""
        pools = self._here.state("here") | self._ahead.state("ahead") | self._ends.state("ends")
        return (
            pools
            | self._span.state()
            | {
                "known": self._known.ranks,
                "weights": self._weights,
                "kicked": self._kicked,
                "starting": self._starting,
            }
        )

    def load(self, state: State) -> None:
        """Continue from a saved state."""
        self._here, self._ahead, self._ends = (Pool.load(state, name) for name in ("here", "ahead", "ends"))
        self._span.load(state)
        self._known = Known(self.space, np.asarray(state["known"]).tolist())
        self._weights, self._kicked = np.asarray(state["weights"]), np.asarray(state["kicked"])
        self._starting = int(state["starting"])

    # -- climbs

    def _open(self, here: Pool) -> bool:
        """Whether any neighbour is still to be evaluated; a climb that has not begun is open where it leads."""
        return len(here) > 0 and len(self._known.fresh(self.space.neighbours(here.indices))) > 0

    def _restart(self, rng: np.random.Generator) -> None:
        """Begin a climb elsewhere, under new weights: from random designs, or from the best end with a kick."""
        ends = self._ends + self._ahead
        self._ends = ends.take(crowded_order(ends.objectives, ends.violation)[:ENDS])
        self._weights = some_weights(self.n_objectives, rng)
        far = rng.random() < self.random
        self._kicked = self._kicked[:0] if far else self._span.best(self._ends, self._weights).indices
        self._starting = self.starts if far else self.kicks
        self._here = self._ahead = self._ends.take(slice(0))

    def _kicks(self, n: int, rng: np.random.Generator) -> Indices:
        """The kicked design with `kick` of its parameters drawn anew, n times; no designs where none is kicked."""
        base = np.repeat(self._kicked, n, axis=0)
        hit = rng.random(base.shape).argsort(axis=1) < self.kick
        return np.where(hit, self.space.sample(len(base), rng), base)
