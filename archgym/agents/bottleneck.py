"""Bottleneck-guided search: a hill climb that asks the cost model what each design waits for.

The breakdown of the design climbed from names the bottleneck of every operator. Parameters that relieve a bottleneck
are in demand by the share of latency spent in it: those in demand are raised, those nobody waits for are lowered (which
saves area and energy), and one of each at once (which keeps the area).

Bottleneck analysis as a guide of design-space exploration: S. Dave, T. Nowatzki, A. Shrivastava, "Explainable-DSE: an
agile and explainable exploration of efficient HW/SW codesigns of deep learning accelerators using bottleneck analysis",
ASPLOS 2023; A. Sohrabizadeh et al., "AutoDSE: enabling software programmers to design efficient FPGA
accelerators", ACM TODAES 27(4), 2022.
"""

from __future__ import annotations

from collections import defaultdict
from typing import ClassVar

import numpy as np

from archgym.agents.base import Agent, Range, State
from archgym.agents.climb import Climb
from archgym.agents.memory import Pool
from archgym.objective import FloatArray, Outcome
from archgym.space import DesignSpace, Indices

LEAST, MOST = 0.1, 0.5  # chance that a move improves a design that waits for it not at all, and for nothing else
STEPS = 2  # choices an ordinal parameter is moved by, at most


class Bottleneck(Agent):
    """The climb of archgym.agents.climb, whose moves stand in the order of what the design waits for.

    `relief` maps a bottleneck to parameters that relieve it when raised, or when lowered where the name is preceded by
    a minus. Without a cost model, or without relief for its bottlenecks, all neighbours are alike. A design outside a
    constraint is shrunk first: its parameters that nobody waits for are lowered.

    Args:
        batch: designs evaluated side by side.
        guidance: power of a move's chance of improvement in the order of moves: 0 would try all alike.
        trust: moves of a kind that it takes to outweigh what the cost model says.
        pairs: share of moves that raise one parameter and lower another.
        starts, kicks, kick, random: of the climb.
    """

    hyperparameters: ClassVar = {
        "batch": Range(4, 32, log=True),
        "guidance": Range(0.3, 5.0, log=True),
        "trust": Range(1.0, 100.0, log=True),
        "pairs": Range(0.05, 0.8),
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
        guidance: float = 1.5,
        trust: float = 10.0,
        pairs: float = 0.3,
        starts: int = 16,
        kicks: int = 1,
        kick: int = 3,
        random: float = 0.4,
    ) -> None:
        super().__init__(space, n_objectives, seed)
        self.batch, self.guidance, self.trust, self.pairs = batch, guidance, trust, pairs
        self._climb = Climb(space, n_objectives, False, starts, kicks, kick, random)
        self._ordinal = np.array([parameter.kind == "ordinal" for parameter in space.parameters])
        self._tried, self._won = np.zeros((2, len(space), 3))  # moves of each parameter and direction, improvements
        self._analysed: tuple[int, dict[str, float]] = (-1, {})  # rank of a design, and what it waits for

    def propose(self, n: int, rng: np.random.Generator) -> Indices:
        """New designs near the one climbed from, the likeliest to relieve it first."""
        return self._climb.propose(n, self._moves, rng)

    def tell(self, indices: Indices, outcome: Outcome) -> None:
        """Move to a better design, or begin another climb; count which moves were improvements."""
        here = self._climb.here.indices
        better = self._climb.tell(indices, outcome, np.random.default_rng([self.seed, self.asked, 1]))
        steps = indices - here if len(here) else np.zeros_like(indices)
        rows, columns = np.nonzero(steps)
        moves = columns, self._direction(columns, steps[rows, columns])
        np.add.at(self._tried, moves, 1.0)
        np.add.at(self._won, moves, better[rows].astype(float))

    def state(self) -> State:
        """The climb."""
        return super().state() | self._climb.state() | {"tried": self._tried, "won": self._won}

    def load(self, state: State) -> None:
        """Continue from a saved state."""
        super().load(state)
        self._climb.load(state)
        self._tried, self._won = np.array(state["tried"]), np.array(state["won"])

    # -- guidance

    def _moves(self, here: Pool, rng: np.random.Generator) -> Indices:
        """Designs near `here`: single moves and pairs, likeliest to improve it first."""
        index = here.indices[0]
        columns, there = self._steps(index)
        chance = self._chance(index, float(here.violation[0]))[
            columns, self._direction(columns, there - index[columns])
        ]
        singles = moved(index, columns[:, None], there[:, None])

        near = self._ordinal[columns] & (np.abs(there - index[columns]) == 1)
        rises, falls = np.flatnonzero(near & (there > index[columns])), np.flatnonzero(near & (there < index[columns]))
        rise, fall = (grid.ravel() for grid in np.meshgrid(rises, falls))
        both = np.stack([rise, fall], axis=1)[columns[rise] != columns[fall]]
        pairs = moved(index, columns[both], there[both])

        # A parameter of many choices is tried no more often than another.
        alone = shares(chance**self.guidance / np.bincount(columns)[columns])
        together = shares(chance[both].prod(axis=1) ** (self.guidance / 2))
        weights = np.concatenate([(1 - self.pairs) * alone, self.pairs * together])
        order = np.argsort(-np.log(weights) - rng.gumbel(size=len(weights)))  # a draw without replacement
        return np.concatenate([singles, pairs])[order]

    def _direction(self, columns: Indices, steps: Indices) -> Indices:
        """0: a larger choice of an ordinal parameter; 1: a smaller one; 2: another choice of a categorical one."""
        return np.where(self._ordinal[columns], (steps < 0).astype(np.int64), 2)

    def _chance(self, index: Indices, violation: float) -> FloatArray:
        """Chance [P, 3] that a move of each direction improves: from what is waited for, corrected by what was seen.

        The mean of a beta distribution whose prior, worth `trust` moves, grows with the urge.
        """
        up, down = self._demand(index, violation)
        prior = LEAST + (MOST - LEAST) * np.stack([up, down, up], axis=1)
        return (self.trust * prior + self._won) / (self.trust + self._tried)

    def _steps(self, index: Indices) -> tuple[Indices, Indices]:
        """Single moves: columns [M] and their new choices [M], any of a categorical parameter, near ones of others."""
        columns = np.repeat(np.arange(len(index)), self.space.shape)
        there = np.concatenate([np.arange(n) for n in self.space.shape])
        distance = np.abs(there - index[columns])
        keep = (distance > 0) & ((distance <= STEPS) | ~self._ordinal[columns])
        return columns[keep], there[keep]

    def _demand(self, index: Indices, violation: float) -> tuple[FloatArray, FloatArray]:
        """Urge [P] to raise each parameter, and to lower it, in 0..1.

        The share of latency spent waiting for it, and the rest; a half where that is not known.
        """
        raising = np.full(len(index), 0.5)
        if self.breakdown is not None and np.isfinite(violation):
            waited = self._waited(index)
            total = max(sum(waited.values()), 1e-30)
            named = {name.lstrip("-") for names in self.relief.values() for name in names}
            for column, name in enumerate(self.space.names):
                gain = sum(waited[limit] for limit, names in self.relief.items() if name in names)
                loss = sum(waited[limit] for limit, names in self.relief.items() if f"-{name}" in names)
                if name in named:
                    raising[column] = np.clip((gain - loss) / total, 0.0, 1.0)
        lowering = 1.0 - raising
        return (raising if violation == 0 else 0.0 * raising), lowering

    def _waited(self, index: Indices) -> dict[str, float]:
        """Latency of the operators that each bottleneck limits."""
        rank = int(self.space.rank(index))
        if self._analysed[0] != rank:
            waited: dict[str, float] = defaultdict(float)
            for row in self.breakdown(index) if self.breakdown else ():
                waited[row["bottleneck"]] += row["latency_s"]
            self._analysed = rank, waited
        return self._analysed[1]


def moved(index: Indices, columns: Indices, there: Indices) -> Indices:
    """A design [P] with the choices `there` [M, 1 or 2] of `columns`: designs [M, P]."""
    result = np.repeat(index[None], len(columns), axis=0)
    np.put_along_axis(result, columns, there, axis=1)
    return result


def shares(weights: FloatArray) -> FloatArray:
    """Weights [N] that sum to one."""
    return weights / max(weights.sum(), 1e-300)
