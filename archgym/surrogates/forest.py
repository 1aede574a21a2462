"""Random forests over the features of the whole network: L. Breiman, "Random forests", Machine Learning 45, 2001."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from archgym.surrogates.base import Arrays, Estimate, Model, OnStep, Part, estimate_of
from archgym.surrogates.features import Seen
from archgym.surrogates.tabular import by_target, over_bases, stacked
from archgym.surrogates.trees import Tree, Trees, of_scikit_learn

CHUNK = 4096  # designs predicted at a time


class Forest(Model):
    """A random forest (scikit-learn) per target, whose trees are the members: one that serves all targets is far worse.

    Args:
        members: trees of a forest.
        leaf: least designs of a leaf.
    """

    def __init__(self, seed: int, bases: Sequence[int], members: int = 20, leaf: int = 3) -> None:
        super().__init__(seed, bases)
        self.members, self.leaf = members, leaf

    def fit(self, train: Sequence[Part], validation: Sequence[Part], on_step: OnStep | None = None) -> None:
        """Grow forest after forest; nothing stops early."""
        from sklearn.ensemble import RandomForestRegressor

        table, targets = stacked(train, self.bases)
        count = targets.shape[1]
        grown: list[tuple[int, Tree]] = []
        for target in range(count):
            forest = RandomForestRegressor(
                self.members, min_samples_leaf=self.leaf, max_features=0.5, random_state=self.seed, n_jobs=1
            )
            forest.fit(table, targets[:, target])
            trees = map(of_scikit_learn, forest.estimators_)
            grown += [(member * count + target, tree) for member, tree in enumerate(trees)]
            if on_step is not None:
                on_step(target + 1, count, float("nan"))
        self._trees = Trees.of(grown)

    def predict(self, seen: Seen) -> Estimate:
        """Mean and deviation of the trees."""
        tables = [seen.table[start : start + CHUNK] for start in range(0, len(seen), CHUNK)]
        found = [estimate_of(by_target(self._trees, table, self.members)) for table in tables]
        mean, std = (np.concatenate(columns) for columns in zip(*found, strict=True))
        return Estimate(mean + over_bases(seen, self.bases), std)

    def state(self) -> tuple[dict[str, Any], Arrays]:
        """The trees."""
        return {}, self._trees.arrays("trees")

    def load(self, values: Mapping[str, Any], arrays: Arrays) -> None:
        """The trees."""
        self._trees = Trees.load(arrays, "trees")
