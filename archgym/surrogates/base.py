"""The contract of a surrogate model: fit designs seen with their log targets, predict mean and standard deviation.

A model is built as `Build(seed, **options)`; its options are its keyword parameters, typed as their defaults, so that
`gnn?width=128` works wherever a model is named.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from archgym.surrogates.features import BASES, Seen

Arrays = dict[str, NDArray[Any]]  # names to weights: all that a fitted model is, saved without pickle
OnStep = Callable[[int, int, float], None]  # told the steps done, those at most, and the error on validation designs


class Part(NamedTuple):
    """Designs on one network with their targets.

    Attributes:
        seen: N designs.
        targets: natural logarithms [N, T].
    """

    seen: Seen
    targets: NDArray[np.float32]


class Estimate(NamedTuple):
    """Mean and standard deviation of log targets, each [N, T]."""

    mean: NDArray[np.float32]
    std: NDArray[np.float32]


class Model(ABC):
    """Base of every surrogate model.

    Attributes:
        bases: what each target is measured against, a position in BASES [T]; set before `fit`.
    """

    members: int

    def __init__(self, seed: int, bases: Sequence[int]) -> None:
        self.seed, self.bases = seed, list(bases)
        if unknown := [base for base in self.bases if not 0 <= base < len(BASES)]:
            raise ValueError(f"no such base: {unknown[0]}")

    @abstractmethod
    def fit(self, train: Sequence[Part], validation: Sequence[Part], on_step: OnStep | None = None) -> None:
        """Learn from `train`; `validation` says when to stop. The same seed and parts give the same model."""

    @abstractmethod
    def predict(self, seen: Seen) -> Estimate:
        """Log targets of N designs on a network: mean and deviation of the members."""

    @abstractmethod
    def state(self) -> tuple[dict[str, Any], Arrays]:
        """All that `load` needs: plain values and weights."""

    @abstractmethod
    def load(self, values: Mapping[str, Any], arrays: Arrays) -> None:
        """Become the model that was saved."""


def estimate_of(predictions: NDArray[np.float32]) -> Estimate:
    """Estimate from what each member says [members, N, T]."""
    return Estimate(predictions.mean(axis=0), predictions.std(axis=0))


def arrays_under(arrays: Arrays, prefix: str) -> Arrays:
    """The arrays whose names begin with a prefix, by the rest of their names."""
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
