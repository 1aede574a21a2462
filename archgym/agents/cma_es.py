"""CMA-ES with margin for mixed spaces: CatCMA with margin (the cmaes library), restarted when it has converged.

Ordinal parameters are integers 0..choices-1 under a multivariate normal distribution; categorical ones follow
categorical distributions, as do ordinal ones of two choices, which the library advises. A margin keeps every choice
possible.

Sources: R. Hamano et al., "CatCMA with margin: stochastic optimization for continuous, integer, and categorical
variables", arXiv 2504.07884; R. Hamano, S. Saito, M. Nomura, S. Shirakawa, "CMA-ES with margin: lower-bounding marginal
probability for mixed-integer black-box optimization", GECCO 2022; N. Hansen, "The CMA evolution strategy: a tutorial",
arXiv 1604.00772.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from cmaes import CatCMAwM
from numpy.typing import NDArray

from archgym.agents.base import Agent, Range, State
from archgym.agents.memory import Known, Pool, Span, some_weights
from archgym.objective import FloatArray, Outcome
from archgym.space import DesignSpace, Indices


@dataclass(frozen=True)
class Generation:
    """Designs drawn together: indices [N, P], the library's normal [N, D] and categorical [N, C, K] draws behind them.

    `repeats` is the share of designs that were known when it was drawn, or are in it twice.
    """

    indices: Indices
    normal: FloatArray
    categories: NDArray[np.bool_]
    repeats: float

    @classmethod
    def empty(cls, space: DesignSpace) -> Generation:
        """No designs."""
        return cls(np.zeros((0, len(space)), np.int64), np.zeros((0, 0)), np.zeros((0, 0, 0), bool), 0.0)

    def solutions(self) -> list[Any]:
        """As the library drew them."""
        return [CatCMAwM.Solution(c=c, _v_raw=v) for v, c in zip(self.normal, self.categories, strict=True)]


class CMAES(Agent):
    """CatCMAwM on ranks of ordinal choices.

    The library has one objective and no constraints: it is told ranks, valid designs first, then by violation. With
    several objectives every restart follows its own random weights (see archgym.agents.memory).

    Designs already evaluated are not proposed again: their remembered outcome teaches the distribution together with
    that of the new ones. A distribution that draws little new has converged, and a new one starts.

    Args:
        population: designs of a generation, and the batch it is asked for.
        width: initial standard deviation, in ranges of each ordinal parameter.
        converged: share of known designs in a generation from which the distribution is replaced.
        near: share of restarts whose distribution starts around the best design instead of anywhere.
    """

    hyperparameters: ClassVar = {
        "population": Range(8, 48, log=True),
        "width": Range(0.1, 0.5),
        "converged": Range(0.5, 0.95),
        "near": Range(0.05, 0.9),
    }

    def __init__(
        self,
        space: DesignSpace,
        n_objectives: int,
        seed: int,
        population: int = 16,
        width: float = 0.2,
        converged: float = 0.8,
        near: float = 0.5,
    ) -> None:
        super().__init__(space, n_objectives, seed)
        self.batch, self.width, self.converged, self.near = max(population, 4), width, converged, near
        kinds = np.array([parameter.kind for parameter in space.parameters])
        ranged = (kinds == "ordinal") & (space.shape > 2)
        self._ordinal, self._categorical = np.flatnonzero(ranged), np.flatnonzero(~ranged & (space.shape > 1))
        self._known, self._span = Known(space), Span(n_objectives)
        self._outcomes: dict[int, FloatArray] = {}  # by rank, of every design told of: objectives and violation
        self._weights = np.ones(n_objectives)
        self._generation = Generation.empty(space)
        self._cma = self._library((space.shape[self._ordinal] - 1) / 2)

    # -- the contract

    def propose(self, n: int, rng: np.random.Generator) -> Indices:
        """The new designs of the generation drawn; of the next one when all of them are known."""
        if self._known.has(self._generation.indices).all():
            self._generation = self._draw(rng)
        fresh = self._known.fresh(self._generation.indices)
        return self._known.filled(fresh, min(n, max(len(fresh), 1)), rng)

    def tell(self, indices: Indices, outcome: Outcome) -> None:
        """Update the distribution once all of its generation is known; replace it when it has converged."""
        self._known.add(indices)
        self._span.add(outcome)
        told = np.column_stack([outcome.objectives, outcome.violation])
        self._outcomes.update(zip(self.space.rank(indices).tolist(), told, strict=True))
        if self._cma is None or not self._known.has(self._generation.indices).all():
            return
        costs = self._span.costs(self._pool(self._generation.indices), self._weights)
        self._cma.tell(list(zip(self._generation.solutions(), costs.tolist(), strict=True)))
        if self._generation.repeats >= self.converged or not self._sound():
            self._restart(np.random.default_rng([self.seed, self.asked, 1]))

    def state(self) -> State:
        """The distribution, its generation, and all outcomes."""
        plain = (np.ndarray, np.generic, int, float)
        cma = {
            f"cma{name}": value
            for name, value in ({} if self._cma is None else vars(self._cma)).items()
            if isinstance(value, plain)
        }
        generation = {f"drawn_{name}": value for name, value in vars(self._generation).items()}
        return (
            super().state()
            | self._span.state()
            | cma
            | generation
            | {
                "known": np.array(list(self._outcomes), np.int64),
                "outcomes": np.array(list(self._outcomes.values())).reshape(-1, self.n_objectives + 1),
                "weights": self._weights,
            }
        )

    def load(self, state: State) -> None:
        """Continue from a saved state."""
        super().load(state)
        self._span.load(state)
        known = np.asarray(state["known"]).tolist()
        self._known, self._outcomes = Known(self.space, known), dict(zip(known, state["outcomes"], strict=True))
        self._weights = np.asarray(state["weights"])
        indices, normal, groups = (np.asarray(state[f"drawn_{name}"]) for name in ("indices", "normal", "categories"))
        self._generation = Generation(indices, normal, groups, float(state["drawn_repeats"]))
        for name, value in state.items():
            if name.startswith("cma_"):
                own = np.array(value)
                setattr(self._cma, name.removeprefix("cma"), own if own.ndim else own.item())

    # -- the library

    def _library(self, mean: FloatArray, categories: Indices | None = None) -> Any:
        """A distribution around `mean` [ordinal ones], half of it on `categories`; None where nothing can vary."""
        ranges, counts = self.space.shape[self._ordinal], self.space.shape[self._categorical]
        if not len(ranges) + len(counts):
            return None
        chances = (np.arange(counts.max(initial=0)) < counts[:, None]) / counts[:, None]
        if categories is not None:
            chances = 0.5 * chances + 0.5 * (np.arange(chances.shape[1]) == categories[:, None])
        return CatCMAwM(
            z_space=[range(n) for n in ranges] if len(ranges) else None,
            c_space=counts.tolist() if len(counts) else None,
            population_size=self.batch,
            mean=mean.astype(np.float64),
            sigma=1.0,
            cov=np.diag((self.width * (ranges - 1.0)) ** 2),
            cat_param=chances if len(counts) else None,
        )

    def _draw(self, rng: np.random.Generator) -> Generation:
        """A generation of the distribution."""
        indices = np.zeros((self.batch, len(self.space)), np.int64)
        if self._cma is None:
            return Generation(indices, np.zeros((self.batch, 0)), np.zeros((self.batch, 0, 0), bool), 0.0)
        self._cma.reseed_rng(int(rng.integers(2**32)))
        drawn = [self._cma.ask() for _ in range(self.batch)]
        normal, categories = np.zeros((self.batch, 0)), np.zeros((self.batch, 0, 0), bool)
        if len(self._ordinal):
            indices[:, self._ordinal] = [solution.z for solution in drawn]
            normal = np.array([solution._v_raw for solution in drawn])
        if len(self._categorical):
            categories = np.array([solution.c for solution in drawn])
            indices[:, self._categorical] = categories.argmax(axis=2)
        return Generation(indices, normal, categories, 1 - len(self._known.fresh(indices)) / self.batch)

    def _sound(self) -> bool:
        """Whether the distribution can still be drawn from."""
        return all(np.isfinite(getattr(self._cma, name, 0.0)).all() for name in ("_mean", "_C", "_A", "_q"))

    def _restart(self, rng: np.random.Generator) -> None:
        """A new distribution and new weights: around the best design, or anywhere."""
        self._weights = some_weights(self.n_objectives, rng)
        if rng.random() < self.near:
            known = self._pool(self.space.unrank(list(self._outcomes)))
            best = self._span.best(known, self._weights).indices[0]
            self._cma = self._library(best[self._ordinal], best[self._categorical])
        else:
            self._cma = self._library(self.space.sample(1, rng)[0][self._ordinal])

    def _pool(self, indices: Indices) -> Pool:
        """Known designs with their outcome."""
        outcomes = np.array([self._outcomes[rank] for rank in self.space.rank(indices).tolist()])
        return Pool(indices, outcomes[:, :-1], outcomes[:, -1])
