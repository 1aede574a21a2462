"""Simulated annealing: several chains side by side, each a random walk that goes uphill less and less often.

Sources: S. Kirkpatrick, C. D. Gelatt, M. P. Vecchi, "Optimization by simulated annealing", Science 220(4598), 1983 (the
walk and its cooling by a constant factor); N. Metropolis et al., "Equation of state calculations by fast computing
machines", Journal of Chemical Physics 21(6), 1953 (acceptance).
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from archgym.agents.base import Agent, Range, State
from archgym.agents.genetic import crowded_order
from archgym.agents.memory import Known, Pool, Span, some_weights
from archgym.objective import Outcome
from archgym.space import DesignSpace, Indices

REMEMBERED = 64  # designs for reheated chains to begin from: the best, or the best spread front


class Annealing(Agent):
    """Metropolis walks over new neighbours, on the decimal logarithm of the objective.

    The budget is not known to an agent, so the chains cool down over `horizon` designs, and are then reheated from the
    best designs found. With several objectives each chain follows its own random weights (see archgym.agents.memory).

    Args:
        chains: walks side by side; the batch it is asked for.
        starts: random designs at the start, of which the best begin the chains.
        hot, cold: temperature at the start and at the end of a cooling, in decades of the objective (of several: in
            ranges).
        horizon: designs of a cooling.
        far: share of moves that change two parameters.
    """

    hyperparameters: ClassVar = {
        "chains": Range(1, 32, log=True),
        "starts": Range(8, 64, log=True),
        "hot": Range(0.03, 1.0, log=True),
        "cold": Range(0.001, 0.03, log=True),
        "horizon": Range(100, 2000, log=True),
        "far": Range(0.05, 0.5),
    }

    def __init__(
        self,
        space: DesignSpace,
        n_objectives: int,
        seed: int,
        chains: int = 2,
        starts: int = 16,
        hot: float = 0.1,
        cold: float = 0.003,
        horizon: int = 300,
        far: float = 0.2,
    ) -> None:
        super().__init__(space, n_objectives, seed)
        self.batch, self.chains, self.starts, self.far = chains, chains, starts, far
        self.hot, self.cold, self.horizon = hot, min(cold, hot), horizon
        self._known, self._span = Known(space), Span(n_objectives)
        self._chains = self._best = Pool.empty(space, n_objectives)
        self._weights = np.ones((chains, n_objectives))
        self._turn = 0  # the chain that moves first
        self._cooled = 0  # designs since the chains were heated

    # -- the contract

    def propose(self, n: int, rng: np.random.Generator) -> Indices:
        """A new design near each chain, in turn; random designs at the start."""
        proposed = self._chains.indices[:0]
        if not len(self._chains):
            return self._known.filled(proposed, n, rng)
        for count, here in enumerate(self._chains.indices[self._movers(n)], start=1):
            proposed = self._known.filled(np.concatenate([proposed, self._near(here, rng)]), count, rng)
        return proposed

    def tell(self, indices: Indices, outcome: Outcome) -> None:
        """Let each chain accept its design or stay; heat the chains when they have cooled down."""
        self._known.add(indices)
        self._span.add(outcome)
        told = Pool(indices, outcome.objectives, outcome.violation)
        self._best = self._best + told
        if len(self._best) > 2 * REMEMBERED:  # sorting is most of the time spent here
            self._best = self._best.take(crowded_order(self._best.objectives, self._best.violation)[:REMEMBERED])
        rng = np.random.default_rng([self.seed, self.asked, 1])
        self._accept(told, rng)
        self._cooled += len(told)
        if self._cooled >= (self.horizon if len(self._chains) else self.starts):
            self._heat(rng)

    def state(self) -> State:
        """The chains, what they may begin from, and what is known."""
        pools = self._chains.state("chains") | self._best.state("best")
        numbers = {"turn": self._turn, "cooled": self._cooled}
        arrays = {"known": self._known.ranks, "weights": self._weights}
        return super().state() | pools | self._span.state() | arrays | numbers

    def load(self, state: State) -> None:
        """Continue from a saved state."""
        super().load(state)
        self._chains, self._best = Pool.load(state, "chains"), Pool.load(state, "best")
        self._span.load(state)
        self._known = Known(self.space, np.asarray(state["known"]).tolist())
        self._weights = np.asarray(state["weights"])
        self._turn, self._cooled = int(state["turn"]), int(state["cooled"])

    # -- chains

    @property
    def temperature(self) -> float:
        """Geometric in the designs since the chains were heated (Kirkpatrick 1983: a constant factor per step)."""
        return float(self.hot * (self.cold / self.hot) ** min(self._cooled / self.horizon, 1.0))

    def _movers(self, n: int) -> Indices:
        """The chains whose turn it is."""
        return (self._turn + np.arange(min(n, self.chains))) % self.chains

    def _near(self, here: Indices, rng: np.random.Generator) -> Indices:
        """Designs one move from `here` in random order, or of one of two moves."""
        if rng.random() < self.far:
            first = self.space.neighbours(here)
            here = rng.choice(first) if len(first) else here
        return rng.permutation(self.space.neighbours(here))

    def _accept(self, told: Pool, rng: np.random.Generator) -> None:
        """Move chains to their designs with probability exp(-cost increase / temperature) (Metropolis 1953)."""
        if not len(self._chains):
            return
        movers = self._movers(len(told))
        weights = self._weights[movers]
        worse = self._span.costs(told, weights) - self._span.costs(self._chains.take(movers), weights)
        accepted = rng.random(len(movers)) < np.exp(-np.maximum(worse, 0.0) / self.temperature)
        rows = np.arange(self.chains)
        rows[movers[accepted]] = self.chains + np.flatnonzero(accepted)
        self._chains = (self._chains + told).take(rows)
        self._turn = (self._turn + len(told)) % self.chains

    def _heat(self, rng: np.random.Generator) -> None:
        """Begin a cooling: each chain at another of the best designs under its new weights."""
        self._cooled = 0
        self._weights = some_weights((self.chains, self.n_objectives), rng)
        rows = []
        for chain, weights in enumerate(self._weights):
            order = np.argsort(self._span.costs(self._best, weights), kind="stable")
            rows.append(order[chain % len(order)])
        self._chains = self._best.take(np.array(rows))
