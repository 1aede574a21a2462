"""Bayesian optimisation by random forests: the model of SMAC and ArchGym's Bayesian agent of discrete spaces.

Sources: F. Hutter, H. H. Hoos, K. Leyton-Brown, "Sequential model-based optimization for general algorithm
configuration", LION 5, 2011 (SMAC: section 4.1 the forest over logarithms and the deviation of its trees, 4.3 expected
improvement maximised by local search from the best designs); D. R. Jones et al., Journal of Global Optimization 13,
1998 (expected improvement); J. Knowles, "ParEGO", IEEE Transactions on Evolutionary Computation 10(1), 2006 (several
objectives: a new weighting for every batch).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from sklearn.ensemble import RandomForestRegressor

from archgym.agents.acquisition import log_expected_improvement, most_promising
from archgym.agents.base import Range
from archgym.agents.encoding import Encoder
from archgym.agents.memory import some_weights
from archgym.agents.modelled import Modelled
from archgym.agents.trees import fit_forest, log_validity, tree_predictions
from archgym.objective import FloatArray
from archgym.space import DesignSpace, Indices

GENERATIONS, WIDTH = 12, 100  # of the search for the greatest expected improvement
STARTS = 5  # best designs whose neighbours are all looked at
MAX_FEATURES = 5 / 6  # share of features looked at for a split (SMAC)
DEVIATION = 0.01  # least deviation, in units of the logarithm: where all trees agree they need not be right


class Forest(Modelled):
    """Expected improvement over a random forest, times the probability of validity from a second one.

    Args:
        batch: designs proposed together: the best by expected improvement, each within its own place of the space.
        startup: random designs first.
        interleaved: share of random designs among those proposed.
        trees: of each forest.
    """

    budget: ClassVar[int] = 300
    most: ClassVar[int | None] = 1000
    hyperparameters: ClassVar[Mapping[str, Range]] = {
        "batch": Range(1, 32, log=True),
        "startup": Range(16, 96, log=True),
        "interleaved": Range(0.0, 0.3),
        "trees": Range(30, 200, log=True),
    }

    def __init__(
        self,
        space: DesignSpace,
        n_objectives: int,
        seed: int,
        batch: int = 8,
        startup: int = 32,
        interleaved: float = 0.125,
        trees: int = 30,
    ) -> None:
        super().__init__(space, n_objectives, seed, batch, startup)
        self.interleaved, self.trees = interleaved, trees
        self._encode = Encoder(space, pairs=True)

    def promising(self, n: int, rng: np.random.Generator) -> Indices:
        """Those of greatest expected improvement, less a share that is left to random designs."""
        told = self._told
        log_valid = log_validity(told, self._encode, rng, self.trees)
        forest = RandomForestRegressor(self.trees, max_features=MAX_FEATURES, random_state=int(rng.integers(2**31)))
        fit_forest(forest, self._encode(told.pool.indices[told.feasible]), told.values[told.feasible])
        cost, best = told.scalarised(some_weights(self.n_objectives, rng))

        def judge(indices: Indices) -> tuple[FloatArray, FloatArray]:
            chance = log_valid(indices)
            if np.isfinite(best):
                costs = cost(tree_predictions(forest, self._encode(indices)))
                deviation = np.maximum(costs.std(axis=0), DEVIATION)
                chance = chance + log_expected_improvement(costs.mean(axis=0), deviation, best)
            return -chance[:, None], np.zeros(len(indices))

        promising = most_promising(told, judge, 1, told.best(STARTS), rng, GENERATIONS, max(WIDTH, n))
        return promising.indices[: n - rng.binomial(n, self.interleaved)]
