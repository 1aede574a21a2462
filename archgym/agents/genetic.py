"""Genetic search: NSGA-II with constrained domination, a (mu + lambda) genetic algorithm for one objective.

Source: K. Deb, A. Pratap, S. Agarwal, T. Meyarivan, "A fast and elitist multiobjective genetic algorithm: NSGA-II",
IEEE Transactions on Evolutionary Computation 6(2), 2002: non-dominated sorting (section III-A), crowding distance and
crowded comparison (III-B), the elitist main loop (III-C), constrained domination (definition 1, section VI).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import moocore
import numpy as np
from numpy.typing import NDArray

from archgym.agents.base import Agent, Range, State
from archgym.agents.memory import Known
from archgym.objective import FloatArray, Outcome
from archgym.space import DesignSpace, Indices

SURVIVORS, SEVERAL_SURVIVORS = 24, 96  # of a generation, for one objective and for several
ROUNDS = 8  # times offspring are bred anew when most of them were known, before random designs fill the batch


class Genetic(Agent):
    """NSGA-II over indices that never proposes a design twice while there are others.

    Of one objective it starts over, from random designs, when its best has not changed for some generations, with twice
    the population: a small one is fast where the space is easy, a large one leaves fewer local optima behind.

    Args:
        population: designs that survive a generation (mu), at first; 0 for 24 of one objective, and for 96 of several,
            so that a front is spread out.
        offspring: designs of a generation (lambda), at first, the batch it is asked for; 0 for as many as survive.
        patience: generations without a better design after which it starts over.
        crossover: share of children with two parents.
        uniform: share of mutations that draw any choice; the others move an ordinal parameter one or two steps.
        mutations: expected number of parameters mutated per child, at least one each.
    """

    hyperparameters: ClassVar[Mapping[str, Range]] = {
        "population": Range(8, 256, log=True),
        "offspring": Range(8, 256, log=True),
        "crossover": Range(0.3, 1.0),
        "uniform": Range(0.1, 0.9),
        "mutations": Range(1.0, 4.0, log=True),
        "patience": Range(5, 100, log=True),
    }

    def __init__(
        self,
        space: DesignSpace,
        n_objectives: int,
        seed: int,
        population: int = 0,
        offspring: int = 0,
        crossover: float = 0.8,
        uniform: float = 0.3,
        mutations: float = 2.5,
        patience: int = 20,
    ) -> None:
        super().__init__(space, n_objectives, seed)
        self.population = population or (SURVIVORS if n_objectives == 1 else SEVERAL_SURVIVORS)
        self.batch, self.patience = offspring or self.population, patience
        self.crossover, self.uniform, self.mutations = crossover, uniform, mutations
        self._ordinal = np.array([parameter.kind == "ordinal" for parameter in space.parameters])
        self._known = Known(space)
        self._parents = np.zeros((0, len(space)), np.int64)  # best first in the crowded-comparison order
        self._objectives = np.zeros((0, n_objectives))
        self._violation = np.zeros(0)
        self._stale = 0  # generations since the best of this population changed

    # -- the contract

    def propose(self, n: int, rng: np.random.Generator) -> Indices:
        """A generation of children none of which is known; random designs at the start and where breeding fails."""
        found = np.zeros((0, len(self.space)), np.int64)
        for _ in range(ROUNDS if len(self._parents) else 0):
            found = self._known.fresh(np.concatenate([found, self._children(n, rng)]))[:n]
            if len(found) == n:
                return found
        return self._known.filled(found, n, rng)

    def tell(self, indices: Indices, outcome: Outcome) -> None:
        """Keep the best `population` of parents and children (Deb 2002, III-C)."""
        self._known.add(indices)
        before = self._parents[:1]
        pool = np.concatenate([self._parents, indices])
        objectives = np.concatenate([self._objectives, outcome.objectives])
        violation = np.concatenate([self._violation, outcome.violation])
        _, first = np.unique(self.space.rank(pool), return_index=True)  # a repeat adds nothing to the pool
        order = first[crowded_order(objectives[first], violation[first])[: self.population]]
        self._parents, self._objectives, self._violation = pool[order], objectives[order], violation[order]
        self._stale = self._stale + 1 if np.array_equal(before, self._parents[:1]) else 0
        if self._stale >= self.patience and self.n_objectives == 1:
            self._start_over()

    def _start_over(self) -> None:
        """Forget the parents, and go on with twice as many (IPOP: A. Auger, N. Hansen, "A restart CMA evolution
        strategy with increasing population size", CEC 2005).
        """
        self.population, self.batch, self._stale = 2 * self.population, 2 * self.batch, 0
        self._parents, self._objectives, self._violation = self._parents[:0], self._objectives[:0], self._violation[:0]

    def state(self) -> State:
        """The parents with their outcome, and what is known."""
        return super().state() | {
            "known": self._known.ranks,
            "parents": self._parents,
            "objectives": self._objectives,
            "violation": self._violation,
            "sizes": np.array([self.population, self.batch]),
            "stale": self._stale,
        }

    def load(self, state: State) -> None:
        """Continue from a saved state."""
        super().load(state)
        self._known = Known(self.space, np.asarray(state["known"]).tolist())
        self._parents = np.asarray(state["parents"])
        self._objectives, self._violation = np.asarray(state["objectives"]), np.asarray(state["violation"])
        self.population, self.batch = map(int, state["sizes"])
        self._stale = int(state["stale"])

    # -- variation

    def _children(self, n: int, rng: np.random.Generator) -> Indices:
        """Children [n, P] of parents picked by binary tournament: parents stand best first, so the smaller one wins."""
        mothers, fathers = rng.integers(0, len(self._parents), (2, n, 2)).min(axis=2)
        shape = (n, len(self.space))
        uniform = rng.random(shape) < 0.5
        one_point = np.arange(shape[1]) < rng.integers(1, max(shape[1], 2), (n, 1))  # keeps neighbouring rows together
        take = np.where(rng.random((n, 1)) < 0.5, uniform, one_point) | (rng.random((n, 1)) >= self.crossover)
        return self._mutate(np.where(take, self._parents[mothers], self._parents[fathers]), rng)

    def _mutate(self, children: Indices, rng: np.random.Generator) -> Indices:
        """Change about `mutations` parameters of each child, at least one."""
        shape, choices = children.shape, self.space.shape
        chance = rng.random(shape)
        hit = (chance < (self.mutations - 1) / shape[1]) | (chance == chance.min(axis=1, keepdims=True))
        step = rng.choice([-2, -1, -1, -1, 1, 1, 1, 2], shape)
        near = reflect(children + step, choices)
        other = (children + 1 + rng.integers(0, np.maximum(choices - 1, 1), shape)) % choices  # any choice but this
        anywhere = ~self._ordinal | (rng.random(shape) < self.uniform)
        return np.where(hit, np.where(anywhere, other, near), children)


def reflect(indices: Indices, choices: NDArray[np.int64]) -> Indices:
    """Fold indices that left 0..choices-1 back from its edges."""
    last = choices - 1
    folded = np.abs(indices)
    folded = np.where(folded > last, 2 * last - folded, folded)
    return np.clip(folded, 0, last)


# -- selection


def constrained_ranks(objectives: FloatArray, violation: FloatArray) -> NDArray[np.int64]:
    """Front [N] of each design under constrained domination (Deb 2002, definition 1), 0 is best.

    Valid designs are sorted by Pareto domination; all others follow, sorted by violation.
    """
    ranks = np.zeros(len(violation), np.int64)
    valid = violation == 0
    if valid.any():
        ranks[valid] = moocore.pareto_rank(objectives[valid])
    if not valid.all():
        start = ranks[valid].max(initial=-1) + 1
        ranks[~valid] = start + np.unique(violation[~valid], return_inverse=True)[1]
    return ranks


def crowding_distance(objectives: FloatArray) -> FloatArray:
    """Crowding distance [N] within one front (Deb 2002, III-B); infinite at the ends of every objective."""
    distance = np.zeros(len(objectives))
    for values in objectives.T:
        order = np.argsort(values, kind="stable")
        ordered = values[order]
        span = ordered[-1] - ordered[0]
        distance[order[[0, -1]]] = np.inf
        if span > 0:
            distance[order[1:-1]] += (ordered[2:] - ordered[:-2]) / span
    return distance


def crowded_order(objectives: FloatArray, violation: FloatArray) -> NDArray[np.int64]:
    """Positions [N], best first, by the crowded-comparison operator (Deb 2002, III-B): front, then distance."""
    ranks = constrained_ranks(objectives, violation)
    distance = np.zeros(len(ranks))
    if objectives.shape[1] > 1:  # designs of one objective that share a front are equal
        for front in range(int(ranks[violation == 0].max(initial=-1)) + 1):
            members = np.flatnonzero((ranks == front) & (violation == 0))
            distance[members] = crowding_distance(objectives[members])
    return np.lexsort([-distance, ranks])
