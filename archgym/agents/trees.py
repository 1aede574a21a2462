"""Ensembles of trees over designs: what each tree says, and which designs are likely to be valid."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor, RandomForestRegressor

from archgym.agents.encoding import Encoder
from archgym.agents.modelled import Told
from archgym.objective import FloatArray
from archgym.space import Indices

LogValidity = Callable[[Indices], FloatArray]  # designs to the logarithm of the probability that they are valid [N]

DOUBT = 0.01  # least probability that a design is valid, or is not


def log_validity(told: Told, encode: Encoder, rng: np.random.Generator, trees: int) -> LogValidity:
    """A model of which designs are valid: designs to the logarithm of its probability [N]."""
    return log_chance(told.pool.indices, (~told.valid).astype(np.int64), encode, rng, trees)


def log_chance(
    known: Indices, why: NDArray[np.int64], encode: Encoder, rng: np.random.Generator, trees: int
) -> LogValidity:
    """A model of which designs have nothing wrong, from known ones [N, P] and the codes of what is: 0 for nothing [N].

    Extremely randomised trees: what makes a design infeasible is mostly a rule on a few parameters, which trees learn
    from a handful of examples and a Gaussian process smears out. Every reason is a class of its own: told apart, each
    is a simpler rule than all together.
    """
    if not why.any():
        return lambda indices: np.zeros(len(indices))
    forest = ExtraTreesClassifier(trees, max_features=None, random_state=int(rng.integers(2**31)))
    forest.fit(encode(known), why)
    column = list(forest.classes_).index(0) if (why == 0).any() else None

    def model(indices: Indices) -> FloatArray:
        if column is None:
            return np.full(len(indices), np.log(DOUBT))
        features = encode(indices).astype(np.float32)
        votes = [tree.predict_proba(features, check_input=False)[:, column] for tree in forest.estimators_]
        return np.asarray(np.log(DOUBT + (1 - 2 * DOUBT) * np.mean(votes, axis=0)))

    return model


def fit_forest(forest: ExtraTreesRegressor | RandomForestRegressor, features: FloatArray, values: FloatArray) -> None:
    """Fit to values [N, K]; scikit-learn wants one column as a vector."""
    forest.fit(features.astype(np.float32), values[:, 0] if values.shape[1] == 1 else values)


def tree_predictions(forest: ExtraTreesRegressor | RandomForestRegressor, features: FloatArray) -> FloatArray:
    """What each tree says: [trees, N, K]; in one thread and without checks, many times faster than `predict`."""
    single = features.astype(np.float32)
    predictions = np.array([tree.predict(single, check_input=False) for tree in forest.estimators_])
    return predictions.reshape(len(predictions), len(features), -1)
