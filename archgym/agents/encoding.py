"""How models of an agent see designs."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from archgym.objective import FloatArray
from archgym.space import DesignSpace, Indices, Parameter


class Encoder:
    """Features of designs: log2 of ordinal values in 0..1, one-hot codes of categorical ones.

    Sizes and speeds act on cost by their ratio, so equal factors are equal steps. A parameter with one choice has no
    feature, a categorical one with two has one.

    Args:
        space: of the designs.
        pairs: also the log2 of all products and ratios of two ordinal values. Costs depend on many of them (area on
            rows times columns), and a tree has to build each from many splits otherwise.
    """

    def __init__(self, space: DesignSpace, pairs: bool = False) -> None:
        blocks = [_levels(parameter) for parameter in space.parameters]
        self._offsets = np.concatenate([[0], np.cumsum(space.shape)[:-1]])
        self.width = max(1, sum(block.shape[1] for block in blocks))
        self._table = np.zeros((int(space.shape.sum()), self.width))
        column = 0
        for block, row in zip(blocks, self._offsets, strict=True):
            self._table[row : row + len(block), column : column + block.shape[1]] = block
            column += block.shape[1]
        ordinal = [p for p, parameter in enumerate(space.parameters) if parameter.kind == "ordinal"]
        self._pairs = np.array(list(combinations(ordinal, 2)) if pairs else [], np.int64).reshape(-1, 2)
        self._logarithms = np.concatenate([_logarithms(parameter) for parameter in space.parameters])

    def __call__(self, indices: Indices) -> FloatArray:
        """Features [N, F] of designs [N, P]."""
        features = np.asarray(self._table[indices + self._offsets].sum(axis=1))
        if not len(self._pairs):
            return features
        logarithms = self._logarithms[indices + self._offsets]
        left, right = logarithms[:, self._pairs[:, 0]], logarithms[:, self._pairs[:, 1]]
        return np.concatenate([features, left + right, left - right], axis=1)


def _levels(parameter: Parameter) -> FloatArray:
    """What each choice of a parameter looks like: [choices, features of the parameter]."""
    n = len(parameter.choices)
    if n == 1:
        return np.zeros((1, 0))
    if parameter.kind == "categorical":
        return np.eye(n)[:, : n if n > 2 else 1]
    logarithms = _logarithms(parameter)
    return ((logarithms - logarithms[0]) / (logarithms[-1] - logarithms[0]))[:, None]


def _logarithms(parameter: Parameter) -> FloatArray:
    """Of the values of an ordinal parameter, base 2: [choices]; a choice of none is half the smallest."""
    values = np.array(parameter.codes) if parameter.kind == "ordinal" else np.ones(len(parameter.choices))
    smallest = min(values[values > 0], default=1.0)  # a parameter may be held to none
    return np.asarray(np.log2(np.maximum(values, smallest / 2)))
