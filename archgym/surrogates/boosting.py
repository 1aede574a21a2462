"""Gradient-boosted trees over the features of the whole network.

Source: G. Ke et al., "LightGBM: a highly efficient gradient boosting decision tree", NeurIPS 2017.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from archgym.surrogates.base import Arrays, Estimate, Model, OnStep, Part, estimate_of
from archgym.surrogates.features import Seen
from archgym.surrogates.tabular import by_target, over_bases, stacked
from archgym.surrogates.trees import Tree, Trees, of_lightgbm


class Boosting(Model):
    """Ensemble of gradient-boosted trees (LightGBM), one booster per target and member.

    Args:
        members: boosters per target; each sees four fifths of the designs in every round.
        rounds: trees of a booster at most.
        rate: learning rate.
        leaves: of a tree.
        patience: rounds without improvement after which a booster stops.
    """

    def __init__(
        self,
        seed: int,
        bases: Sequence[int],
        members: int = 2,
        rounds: int = 1000,
        rate: float = 0.1,
        leaves: int = 31,
        patience: int = 50,
    ) -> None:
        super().__init__(seed, bases)
        self.members, self.rounds, self.rate, self.leaves, self.patience = members, rounds, rate, leaves, patience

    def fit(self, train: Sequence[Part], validation: Sequence[Part], on_step: OnStep | None = None) -> None:
        """Boost target after target; each booster keeps the rounds that were best on the validation designs."""
        table, targets = stacked(train, self.bases)
        held_table, held = stacked(validation or train, self.bases)
        grown: list[tuple[int, Tree]] = []
        errors: list[float] = []
        for member in range(self.members):
            for target in range(targets.shape[1]):
                learnt, checked = (np.ascontiguousarray(column[:, target]) for column in (targets, held))
                booster, error = self._boosted(table, learnt, held_table, checked, member)
                group = len(errors)
                grown += [(group, tree) for tree in of_lightgbm(booster)]
                errors.append(error)
                if on_step is not None:
                    on_step(len(errors), self.members * targets.shape[1], float(np.mean(errors)))
        self._trees = Trees.of(grown)

    def _boosted(self, table: Any, targets: Any, held_table: Any, held: Any, member: int) -> tuple[Any, float]:
        """A booster for one target, cut at its best round, and its error."""
        import lightgbm

        settings = {
            "objective": "l2",
            "metric": "l1",
            "learning_rate": self.rate,
            "num_leaves": self.leaves,
            "min_data_in_leaf": 5,
            "feature_fraction": 0.5,
            "bagging_fraction": 0.8,
            "bagging_freq": 1,
            "seed": 1000 * self.seed + member,
            "deterministic": True,
            "num_threads": 1,
            "verbose": -1,
        }
        data = lightgbm.Dataset(table, targets)
        valid = lightgbm.Dataset(held_table, held, reference=data)
        stop = lightgbm.early_stopping(self.patience, verbose=False)
        booster = lightgbm.train(settings, data, self.rounds, valid_sets=[valid], callbacks=[stop])
        return booster, float(booster.best_score["valid_0"]["l1"])

    def predict(self, seen: Seen) -> Estimate:
        """Mean and deviation of the members."""
        found = estimate_of(by_target(self._trees, seen.table, self.members))
        return Estimate(found.mean + over_bases(seen, self.bases), found.std)

    def state(self) -> tuple[dict[str, Any], Arrays]:
        """The trees."""
        return {}, self._trees.arrays("trees")

    def load(self, values: Mapping[str, Any], arrays: Arrays) -> None:
        """The trees."""
        self._trees = Trees.load(arrays, "trees")
