"""What agents with a model of the designs share: what they were told, and random designs until it can be fitted."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from archgym.agents.base import Agent, State
from archgym.agents.genetic import crowded_order
from archgym.agents.memory import AUGMENTATION, Known, Pool, symmetric_log
from archgym.objective import FloatArray, Outcome
from archgym.space import DesignSpace, Indices


class Modelled(Agent):
    """An agent that fits a model to all it was told and proposes what the model holds to be best.

    Args:
        batch: designs proposed together.
        startup: random designs first.
    """

    def __init__(self, space: DesignSpace, n_objectives: int, seed: int, batch: int, startup: int) -> None:
        super().__init__(space, n_objectives, seed)
        self.batch, self.startup = batch, startup
        self._told = Told(space, n_objectives)

    @abstractmethod
    def promising(self, n: int, rng: np.random.Generator) -> Indices:
        """Designs [M, P] that the model holds to be best, best first; known ones are passed over."""

    @property
    def _basis(self) -> Told:
        """What the model is fitted to."""
        return self._told

    @property
    def _ready(self) -> bool:
        """Whether there is something to fit a model to."""
        return len(self._basis) >= self.startup and int(self._basis.feasible.sum()) > 1

    def propose(self, n: int, rng: np.random.Generator) -> Indices:
        """Random designs until the model can be fitted; then the first new ones of `promising`."""
        found = self.promising(n, rng) if self._ready else self._told.pool.indices[:0]
        return self._told.known.filled(found, n, rng)

    def tell(self, indices: Indices, outcome: Outcome) -> None:
        """Remember."""
        self._told.add(indices, outcome)

    def state(self) -> State:
        """What was told."""
        return super().state() | self._told.state()

    def load(self, state: State) -> None:
        """Continue from a saved state."""
        super().load(state)
        self._told.load(state)


class Told:
    """All that an agent was told, each design once, in order.

    Attributes:
        pool: the designs with their outcome.
        known: which designs they are.
    """

    def __init__(self, space: DesignSpace, n_objectives: int) -> None:
        self.space = space
        self.pool, self.known = Pool.empty(space, n_objectives), Known(space)

    def __len__(self) -> int:
        return len(self.pool)

    def add(self, indices: Indices, outcome: Outcome) -> NDArray[np.int64]:
        """Remember designs; a repeat adds nothing. Returns the rows that were new."""
        _, first = np.unique(self.space.rank(indices), return_index=True)
        rows = np.sort(first)
        rows = rows[~self.known.has(indices[rows])]
        self.pool += Pool(indices, outcome.objectives, outcome.violation).take(rows)
        self.known.add(indices)
        return rows

    def since(self, row: int) -> Told:
        """What it was told from a row on; known designs are the same."""
        part = Told(self.space, self.pool.objectives.shape[1])
        part.pool, part.known = self.pool.take(slice(row, None)), self.known
        return part

    def state(self) -> State:
        """For the state of an agent."""
        return self.pool.state("told")

    def load(self, state: State) -> None:
        """From the state of an agent."""
        self.pool = Pool.load(state, "told")
        self.known = Known(self.space)
        self.known.add(self.pool.indices)

    @property
    def valid(self) -> NDArray[np.bool_]:
        """Feasible and within all constraints: [N]."""
        return self.pool.violation == 0

    @property
    def feasible(self) -> NDArray[np.bool_]:
        """With objectives: [N]."""
        return np.isfinite(self.pool.violation)

    @property
    def values(self) -> FloatArray:
        """Objectives [N, K] in steps of equal factors; NaN where infeasible."""
        return symmetric_log(self.pool.objectives)

    def best(self, n: int) -> Indices:
        """The best designs [<= n, P] by constrained domination, those nearest to valid where none is."""
        return self.pool.indices[crowded_order(self.pool.objectives, self.pool.violation)[:n]]

    def scalarised(self, weights: FloatArray) -> tuple[Callable[[FloatArray], FloatArray], float]:
        """What is minimised, of log objectives [..., K], and its least value among valid designs; infinite without any.

        Of one objective the log itself, of several the augmented Tchebycheff function (Knowles 2006, equation 2; see
        memory.py) in units of their range over valid designs.
        """
        values = self.values[self.valid]
        if not len(values):
            return lambda predicted: predicted[..., 0], np.inf
        if values.shape[1] == 1:
            return lambda predicted: predicted[..., 0], float(values.min())
        low, span = values.min(axis=0), np.maximum(np.ptp(values, axis=0), 1e-12)

        def tchebycheff(predicted: FloatArray) -> FloatArray:
            weighted = weights * (predicted - low) / span
            return np.asarray(weighted.max(axis=-1) + AUGMENTATION * weighted.sum(axis=-1))

        return tchebycheff, float(tchebycheff(values).min())


class Lessons:
    """What agents that learn more than objectives were told of each design of a `Told`.

    Attributes:
        values: what is learnt of it [N, T].
        why: what is wrong with it, 0 for nothing [N].
    """

    def __init__(self) -> None:
        self.values, self.why = np.zeros((0, 0)), np.zeros(0, np.int64)

    def add(self, values: FloatArray, why: NDArray[np.int64] | NDArray[np.bool_]) -> None:
        """Remember more designs."""
        self.values = np.concatenate([self.values.reshape(-1, values.shape[1]), values])
        self.why = np.concatenate([self.why, why.astype(np.int64)])

    def state(self) -> State:
        """For the state of an agent."""
        return {"values": self.values, "why": self.why}

    def load(self, state: State) -> None:
        """From the state of an agent."""
        self.values, self.why = np.asarray(state["values"]), np.asarray(state["why"])
