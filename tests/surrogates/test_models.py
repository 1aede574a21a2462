"""The contract of surrogate models, over the registry; and that the suite finds what breaks it."""

from functools import partial

import numpy as np
import pytest

from archgym.surrogates import SURROGATES
from archgym.surrogates.base import Estimate, Model
from archgym.testing import check_surrogate
from archgym.testing import surrogates as testing

SMALL = {
    "forest": {"members": 3},
    "boosting": {"members": 2, "rounds": 40},
    "mlp": {"members": 2, "width": 32, "epochs": 10},
    "gnn": {"members": 2, "width": 16, "epochs": 10},
}


@pytest.mark.parametrize("name", list(SURROGATES))
def test_conformance(name: str) -> None:
    check_surrogate(partial(SURROGATES.load(name), **SMALL[name]))


def test_unknown_bases_are_refused() -> None:
    with pytest.raises(ValueError, match="no such base: 7"):
        SURROGATES.load("forest")(0, [0, 7])


# -- the suite itself finds broken models


class Mean(Model):
    """One number per metric: keeps the contract, but learns nothing."""

    members = 1

    def fit(self, train, validation, on_step=None):
        self.mean = train[0].targets.mean(axis=0)
        on_step(1, 1, float("nan"))

    def predict(self, seen):
        mean = np.tile(self.mean, (len(seen), 1))
        return Estimate(mean, np.zeros_like(mean))

    def state(self):
        return {}, {"mean": self.mean}

    def load(self, values, arrays):
        self.mean = arrays["mean"]


class Silent(Mean):
    def fit(self, train, validation, on_step=None):
        self.mean = train[0].targets.mean(axis=0)


class Backwards(Mean):
    def fit(self, train, validation, on_step=None):
        super().fit(train, validation, on_step)
        on_step(2, 1, 0.5)


class Unseeded(Mean):
    def fit(self, train, validation, on_step=None):
        super().fit(train, validation, on_step)
        self.mean = self.mean + np.random.rand(len(self.mean)).astype(np.float32)


class Drawing(Mean):
    def fit(self, train, validation, on_step=None):
        super().fit(train, validation, on_step)
        np.random.rand()


class Wide(Mean):
    def predict(self, seen):
        return Estimate(*(column.astype(np.float64) for column in super().predict(seen)))


class Flat(Mean):
    def predict(self, seen):
        return Estimate(*(column[:, 0] for column in super().predict(seen)))


class Lost(Mean):
    def predict(self, seen):
        mean, std = super().predict(seen)
        return Estimate(mean * np.float32(np.nan), std)


class Negative(Mean):
    def predict(self, seen):
        mean, std = super().predict(seen)
        return Estimate(mean, std - 1)


class Relative(Mean):
    def predict(self, seen):
        mean, std = super().predict(seen)
        return Estimate(mean + seen.hardware.mean(), std)


class Forgetful(Mean):
    def load(self, values, arrays):
        self.mean = arrays["mean"] + np.float32(1e-3)


class Pickled(Mean):
    def state(self):
        return {"mean": self.mean}, {}


class Texts(Mean):
    def state(self):
        return {}, {"mean": np.array(["a"])}


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (Mean, "did not learn"),
        (Silent, "must call on_step"),
        (Backwards, "more steps than"),
        (Unseeded, "changed the global random state of numpy"),
        (Drawing, "changed the global random state of numpy"),
        (Wide, "must be float32"),
        (Flat, "must have shape"),
        (Lost, "is not finite"),
        (Negative, "is negative"),
        (Relative, "differs by"),
        (Forgetful, "did not give the same model"),
        (Pickled, "must be plain"),
        (Texts, "must be an array of numbers"),
    ],
)
def test_the_suite_finds_broken_models(broken: type[Model], message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_surrogate(broken)


def test_the_suite_finds_a_model_that_ignores_its_seed() -> None:
    fits = iter(range(2))

    class Counting(Mean):
        def fit(self, train, validation, on_step=None):
            super().fit(train, validation, on_step)
            self.mean = self.mean + np.float32(next(fits))

    with pytest.raises(AssertionError, match="must depend on its seed alone"):
        testing.check_training(Counting)
