"""Ant colony optimisation: MAX-MIN ant system over the choices of each parameter.

Sources: T. Stuetzle, H. H. Hoos, "MAX-MIN ant system", Future Generation Computer Systems 16(8), 2000 (pheromone
update, its limits, initialisation and smoothing, section 3); B. Bullnheimer, R. F. Hartl, C. Strauss, "A new rank based
version of the ant system", Central European Journal of Operations Research 7(1), 1999 (deposits by rank). ArchGym
(Krishnan et al., ISCA 2023) has an ant colony among its agents.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from archgym.agents.base import Agent, Range, State
from archgym.agents.genetic import crowded_order
from archgym.agents.memory import Known, Pool
from archgym.objective import FloatArray, Outcome
from archgym.space import DesignSpace, Indices

ROUNDS = 8  # times ants are sent out anew when most of them ended at known designs


class AntColony(Agent):
    """Ants choose each parameter with probability proportional to its pheromone.

    There is no path and no heuristic: a design is one choice per parameter. The best designs deposit, by rank, so the
    scale of the objective is irrelevant; several objectives and constraints are ranked as in NSGA-II (the order of
    archgym.agents.genetic), so the whole front deposits.

    What helped: a share of each deposit goes to the neighbouring choices of an ordinal parameter, so that ants know
    that 64 is like 128.

    Args:
        ants: designs of an iteration, the batch it is asked for.
        evaporation: share of pheromone lost per iteration (rho).
        elite: best designs so far that deposit.
        spread: share of a deposit for each neighbouring choice of an ordinal parameter.
        best: probability that ants of a converged colony build the best design again; sets the lower limit of
            pheromone (p_best).
        stagnation: iterations without a better design after which pheromone is laid evenly again.
    """

    hyperparameters: ClassVar = {
        "ants": Range(8, 96, log=True),
        "evaporation": Range(0.05, 0.5, log=True),
        "elite": Range(2, 32, log=True),
        "spread": Range(0.05, 0.4),
        "best": Range(0.005, 0.3, log=True),
        "stagnation": Range(5, 50, log=True),
    }

    def __init__(
        self,
        space: DesignSpace,
        n_objectives: int,
        seed: int,
        ants: int = 12,
        evaporation: float = 0.35,
        elite: int = 4,
        spread: float = 0.2,
        best: float = 0.05,
        stagnation: int = 20,
    ) -> None:
        super().__init__(space, n_objectives, seed)
        self.batch, self.evaporation, self.elite, self.spread = ants, evaporation, elite, spread
        self.best, self.stagnation = best, stagnation
        self._offered = np.arange(space.shape.max()) < space.shape[:, None]  # choices each parameter has: [P, C]
        self._ordinal = np.array([parameter.kind == "ordinal" for parameter in space.parameters])
        self._known = Known(space)
        self._elite = Pool.empty(space, n_objectives)
        self._pheromone = self._offered * 1.0  # in units of its upper limit
        self._idle = 0  # iterations without a better design

    # -- the contract

    def propose(self, n: int, rng: np.random.Generator) -> Indices:
        """New designs that ants chose."""
        found = self._elite.indices[:0]
        for _ in range(ROUNDS):
            found = self._known.fresh(np.concatenate([found, self._choose(n, rng)]))[:n]
            if len(found) == n:
                return found
        return self._known.filled(found, n, rng)

    def tell(self, indices: Indices, outcome: Outcome) -> None:
        """Evaporate, and let the best designs so far deposit."""
        self._known.add(indices)
        pool = self._elite + Pool(indices, outcome.objectives, outcome.violation)
        before = len(self._elite)
        _, first = np.unique(self.space.rank(pool.indices), return_index=True)
        pool, first = pool.take(first), first
        order = crowded_order(pool.objectives, pool.violation)[: self.elite]
        better = first[order[0]] >= before
        self._elite = pool.take(order)
        self._idle = 0 if better else self._idle + 1
        if self._idle >= self.stagnation:
            self._pheromone, self._idle = self._offered * 1.0, 0
            self._elite = self._elite.take(slice(0))
            return
        deposits = np.arange(len(order), 0, -1.0)  # by rank: the best most
        laid = self._trail(self._elite.indices, deposits / deposits.sum())
        pheromone = (1 - self.evaporation) * self._pheromone + self.evaporation * laid
        self._pheromone = np.clip(pheromone, self._lowest[:, None], 1.0) * self._offered

    def state(self) -> State:
        """Pheromone, the best designs, and what is known."""
        return (
            super().state()
            | self._elite.state("elite")
            | {
                "known": self._known.ranks,
                "pheromone": self._pheromone,
                "idle": self._idle,
            }
        )

    def load(self, state: State) -> None:
        """Continue from a saved state."""
        super().load(state)
        self._elite = Pool.load(state, "elite")
        self._known = Known(self.space, np.asarray(state["known"]).tolist())
        self._pheromone, self._idle = np.asarray(state["pheromone"]), int(state["idle"])

    # -- ants

    @property
    def _lowest(self) -> FloatArray:
        """Lower limit of pheromone [P] (Stuetzle and Hoos 2000, equation 11), in units of the upper one."""
        each = self.best ** (1 / len(self.space))  # that one choice is the best design's
        others = np.maximum(self.space.shape - 1, 1)
        return np.minimum((1 - each) / (others * each), 1.0)

    def _choose(self, n: int, rng: np.random.Generator) -> Indices:
        """Designs [n, P], each choice with probability proportional to its pheromone."""
        cumulated = np.cumsum(self._pheromone, axis=1)
        drawn = rng.random((n, len(self.space), 1)) * cumulated[:, -1:]
        return (drawn >= cumulated).sum(axis=2)

    def _trail(self, indices: Indices, deposits: FloatArray) -> FloatArray:
        """Pheromone [P, C] laid by designs [N, P]; of an ordinal choice some of it beside it."""
        chosen = indices[:, :, None] == np.arange(self._offered.shape[1])
        laid = np.tensordot(deposits, chosen, axes=1)
        beside = np.zeros_like(laid)
        beside[:, 1:] += laid[:, :-1]
        beside[:, :-1] += laid[:, 1:]
        return laid + self.spread * beside * self._ordinal[:, None]
