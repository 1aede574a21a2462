"""Which designs are feasible, and why others are not: boosted trees over the reasons in the training designs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from archgym.surrogates.base import Arrays
from archgym.surrogates.features import Seen
from archgym.surrogates.trees import Trees, of_lightgbm

ROUNDS, LEAVES = 150, 15


@dataclass(frozen=True)
class Validity:
    """A classifier of designs by reason.

    Attributes:
        codes: the reasons that occurred, as `why` codes [C]; the first trees are of the first.
        trees: one group per reason; None where only one occurred.
    """

    codes: NDArray[np.int64]
    trees: Trees | None

    @classmethod
    def fit(cls, seen: Sequence[Seen], why: Sequence[NDArray[np.int64]], seed: int) -> Validity:
        """Learn from designs of several networks and their codes."""
        import lightgbm

        codes, classes = np.unique(np.concatenate(why), return_inverse=True)
        if len(codes) == 1:
            return cls(codes, None)
        table = np.concatenate([part.table for part in seen])
        settings = {
            "objective": "multiclass",
            "num_class": len(codes),
            "num_leaves": LEAVES,
            "min_data_in_leaf": 5,
            "learning_rate": 0.1,
            "seed": seed,
            "deterministic": True,
            "num_threads": 1,
            "verbose": -1,
        }
        booster = lightgbm.train(settings, lightgbm.Dataset(table, classes), ROUNDS)
        return cls(codes, Trees.of((n % len(codes), tree) for n, tree in enumerate(of_lightgbm(booster))))

    def why(self, seen: Seen) -> NDArray[np.int64]:
        """The likeliest code of each design [N]."""
        if self.trees is None:
            return np.repeat(self.codes, len(seen))
        return self.codes[self.trees.sums(seen.table)[:, :, 0].argmax(axis=0)]

    def arrays(self) -> Arrays:
        """For a file of weights."""
        trees = {} if self.trees is None else self.trees.arrays("validity")
        return {"validity.codes": self.codes.astype(np.int64)} | trees

    @classmethod
    def load(cls, arrays: Arrays) -> Validity:
        """From a file of weights.

        Raises:
            KeyError, ValueError: they are none.
        """
        codes = arrays["validity.codes"]
        trees = Trees.load(arrays, "validity") if "validity.roots" in arrays else None
        if len(codes) != (1 if trees is None else trees.groups.max() + 1):
            raise ValueError("other trees than reasons")
        return cls(codes, trees)
