"""Gaussian processes over designs, on BoTorch: fitted now and then, conditioned on all that is known at every ask.

Sources: M. Balandat et al., "BoTorch: a framework for efficient Monte-Carlo Bayesian optimization", NeurIPS 2020;
C. Hvarfner, E. O. Hellsten, L. Nardi, "Vanilla Bayesian optimization performs great in high dimensions", ICML 2024
(length-scale priors).
"""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from botorch.exceptions.errors import ModelFittingError
from botorch.exceptions.warnings import BotorchWarning
from botorch.fit import fit_gpytorch_mll
from botorch.models.gp_regression import SingleTaskGP
from botorch.models.transforms.outcome import Standardize
from gpytorch.mlls import ExactMarginalLogLikelihood
from gpytorch.utils.warnings import NumericalWarning
from linear_operator.utils.errors import NotPSDError
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from archgym.agents.base import State
from archgym.agents.modelled import Modelled
from archgym.agents.torch_seeding import isolated
from archgym.objective import FloatArray, Outcome
from archgym.space import DesignSpace, Indices

NOISE = 1e-6  # variance of what is told, in units of that of all: it is exact
ITERATIONS = 50  # of L-BFGS at each fit


class OverProcesses(Modelled):
    """An agent whose models are Gaussian processes, one for each column of `known`.

    Args:
        batch, startup: of Modelled.
        refit: growth of what is known after which the processes' hyperparameters are fitted anew.
    """

    def __init__(
        self, space: DesignSpace, n_objectives: int, seed: int, batch: int, startup: int, refit: float
    ) -> None:
        super().__init__(space, n_objectives, seed, batch, startup)
        self.refit = refit
        self._fitted = 0  # designs known at the last fit
        self._hyperparameters = np.zeros((0, 0))  # of each process

    @abstractmethod
    def known(self) -> tuple[FloatArray, FloatArray]:
        """Features [N, F] of the designs that the processes know, and their values [N, T]."""

    def tell(self, indices: Indices, outcome: Outcome) -> None:
        """Remember, and fit where due."""
        super().tell(indices, outcome)
        self.fit_where_due()

    def fit_where_due(self) -> None:
        """Fit the hyperparameters where what is known has grown by the share `refit`."""
        if self._ready and len(self._told) >= self.refit * self._fitted:
            self._fitted = len(self._told)
            with isolated(np.random.default_rng([self.seed, self.asked, 1])), silent():
                self._hyperparameters = np.array([_fitted(model) for model in self.models()])

    def state(self) -> State:
        """What was told, and the hyperparameters of the processes."""
        return super().state() | {"fitted": self._fitted, "hyperparameters": self._hyperparameters}

    def load(self, state: State) -> None:
        """Continue from a saved state."""
        super().load(state)
        self._fitted, self._hyperparameters = int(state["fitted"]), np.asarray(state["hyperparameters"])

    def models(self) -> list[SingleTaskGP]:
        """The processes, given all that is known."""
        features, values = self.known()
        models = [_process(features, column) for column in values.T]
        if self._hyperparameters.size:
            for model, vector in zip(models, self._hyperparameters, strict=True):
                vector_to_parameters(torch.tensor(vector), model.parameters())
        for model in models:
            model.eval()
        return models


def predict(models: list[SingleTaskGP], features: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Means and deviations [N, T]; a joint posterior is many times faster here than N of one design each."""
    with torch.no_grad():
        posteriors = [model.posterior(torch.tensor(features)) for model in models]
        means = [posterior.mean[:, 0].numpy() for posterior in posteriors]
        deviations = [posterior.variance[:, 0].clamp_min(1e-12).sqrt().numpy() for posterior in posteriors]
    return np.stack(means, axis=1), np.stack(deviations, axis=1)


def joint(models: list[SingleTaskGP], features: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Means [N, T] and covariances [T, N, N]."""
    with torch.no_grad():
        posteriors = [model.posterior(torch.tensor(features)) for model in models]
        means = [posterior.mean[:, 0].numpy() for posterior in posteriors]
        spreads = [posterior.distribution.covariance_matrix.numpy() for posterior in posteriors]
    return np.stack(means, axis=1), np.stack(spreads)


@contextmanager
def silent() -> Iterator[None]:
    """Without warnings of fits that stop early and of nearly equal designs."""
    with warnings.catch_warnings():
        for category in (BotorchWarning, NumericalWarning, RuntimeWarning):
            warnings.simplefilter("ignore", category)
        yield


def _process(features: FloatArray, values: FloatArray) -> SingleTaskGP:
    """A Gaussian process of standardised values, BoTorch's kernel and priors."""
    y = torch.tensor(values)[:, None]
    variance = torch.full_like(y, NOISE * max(float(values.var()), 1e-12))
    return SingleTaskGP(torch.tensor(features), y, train_Yvar=variance, outcome_transform=Standardize(1))


def _fitted(model: SingleTaskGP) -> FloatArray:
    """The hyperparameters of greatest posterior density, from those the model has; these where none can be found."""
    before = parameters_to_vector(model.parameters()).detach().clone()
    try:
        likelihood = ExactMarginalLogLikelihood(model.likelihood, model)
        fit_gpytorch_mll(likelihood, optimizer_kwargs={"options": {"maxiter": ITERATIONS}})
    except (ModelFittingError, NotPSDError):
        return np.asarray(before.numpy())
    return np.asarray(parameters_to_vector(model.parameters()).detach().numpy())
