"""Surrogate-assisted genetic search: NSGA-II over an ensemble of trees proposes what is evaluated next.

Sources: Y. Jin, "Surrogate-assisted evolutionary computation: recent advances and future challenges", Swarm and
Evolutionary Computation 1(2), 2011 (section 2: a search over the model between evaluations); P. Geurts, D. Ernst,
L. Wehenkel, "Extremely randomized trees", Machine Learning 63, 2006; N. Srinivas et al., "Gaussian process optimization
in the bandit setting", ICML 2010 (lower confidence bound, equation 6).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from sklearn.ensemble import ExtraTreesRegressor

from archgym.agents.acquisition import most_promising
from archgym.agents.base import Range
from archgym.agents.encoding import Encoder
from archgym.agents.modelled import Modelled
from archgym.agents.trees import fit_forest, log_validity, tree_predictions
from archgym.objective import FloatArray
from archgym.space import DesignSpace, Indices

GENERATIONS, WIDTH = 10, 100  # of the search over the surrogate
STARTS = 8  # best designs whose neighbours are all looked at
LEAST_CHANCE = 0.3  # of being valid, for a place among the designs proposed


class SurrogateGenetic(Modelled):
    """NSGA-II over mean - caution * deviation of extremely randomised trees, for every log objective.

    A second forest says which designs are likely to be valid. Of one objective the batch is taken from the best
    designs the search saw; of several from the first fronts, spread out by crowding distance.

    Args:
        batch: designs proposed together.
        startup: random designs first.
        optimism: deviations of the trees taken off their mean.
        trees: of each forest.
    """

    budget: ClassVar[int] = 1000
    most: ClassVar[int | None] = 2000
    hyperparameters: ClassVar[Mapping[str, Range]] = {
        "batch": Range(4, 64, log=True),
        "startup": Range(24, 128, log=True),
        "optimism": Range(0.1, 3.0, log=True),
        "trees": Range(30, 200, log=True),
    }

    def __init__(
        self,
        space: DesignSpace,
        n_objectives: int,
        seed: int,
        batch: int = 16,
        startup: int = 48,
        optimism: float = 1.0,
        trees: int = 30,
    ) -> None:
        super().__init__(space, n_objectives, seed, batch, startup)
        self.optimism, self.trees = optimism, trees
        self._encode = Encoder(space, pairs=True)

    def promising(self, n: int, rng: np.random.Generator) -> Indices:
        """The best that the search over the surrogate found."""
        told = self._told
        log_valid = log_validity(told, self._encode, rng, self.trees)
        forest = ExtraTreesRegressor(self.trees, random_state=int(rng.integers(2**31)))
        fit_forest(forest, self._encode(told.pool.indices[told.feasible]), told.values[told.feasible])

        def judge(indices: Indices) -> tuple[FloatArray, FloatArray]:
            predictions = tree_predictions(forest, self._encode(indices))
            optimistic = predictions.mean(axis=0) - self.optimism * predictions.std(axis=0)
            return optimistic, np.maximum(0.0, np.log(LEAST_CHANCE) - log_valid(indices))

        width = max(WIDTH, 2 * n)
        return most_promising(told, judge, self.n_objectives, told.best(STARTS), rng, GENERATIONS, width).indices
