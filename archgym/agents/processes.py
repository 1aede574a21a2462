"""Gaussian processes over designs, on BoTorch: fitted now and then, conditioned on all that is known at every ask.

Sources: M. Balandat et al., "BoTorch: a framework for efficient Monte-Carlo Bayesian optimization", NeurIPS 2020;
C. Hvarfner, E. O. Hellsten, L. Nardi, "Vanilla Bayesian optimization performs great in high dimensions", ICML 2024
(length-scale priors).
"""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import ClassVar

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

from archgym.agents.base import Range, State
from archgym.agents.encoding import Encoder
from archgym.agents.modelled import Modelled
from archgym.agents.torch_seeding import isolated
from archgym.objective import FloatArray, Outcome
from archgym.space import DesignSpace, Indices

NOISE = 1e-6  # variance of what is told, in units of that of all: it is exact
ITERATIONS = 50  # of L-BFGS at each fit


class OverProcesses(Modelled):
    """An agent whose models are Gaussian processes, one for each column of `known`.

    Args:
        batch: designs proposed together.
        startup: random designs first.
        refit: growth of what is known after which the processes' hyperparameters are fitted anew.
        sure: share of the batch for the greatest probability of improvement; the rest for its expected size.
    """

    budget: ClassVar[int] = 300
    hyperparameters: ClassVar[Mapping[str, Range]] = {
        "batch": Range(1, 16, log=True),
        "startup": Range(16, 64, log=True),
        "refit": Range(1.05, 1.5),
        "sure": Range(0.0, 0.5),
    }

    def __init__(
        self,
        space: DesignSpace,
        n_objectives: int,
        seed: int,
        batch: int = 4,
        startup: int = 32,
        refit: float = 1.15,
        sure: float = 0.25,
    ) -> None:
        super().__init__(space, n_objectives, seed, batch, startup)
        self.refit, self.sure = refit, sure
        self._encode = Encoder(space)
        self._fitted = 0  # designs known at the last fit
        self._hyperparameters = np.zeros(0)  # of all processes

    @abstractmethod
    def known(self) -> tuple[FloatArray, FloatArray]:
        """Features [N, F] of the designs that the processes know, and their values [N, T]."""

    def tell(self, indices: Indices, outcome: Outcome) -> None:
        """Remember, and fit where due."""
        super().tell(indices, outcome)
        self.fit_where_due()

    def fit_where_due(self) -> None:
        """Fit the hyperparameters where what is known has grown by the share `refit`."""
        if self._ready and len(self._basis) >= self.refit * self._fitted:
            self._fitted = len(self._basis)
            with isolated(np.random.default_rng([self.seed, self.asked, 1])), silent():
                self._hyperparameters = _fitted(self.model())

    def state(self) -> State:
        """What was told, and the hyperparameters of the processes."""
        return super().state() | {"fitted": self._fitted, "hyperparameters": self._hyperparameters}

    def load(self, state: State) -> None:
        """Continue from a saved state."""
        super().load(state)
        self._fitted, self._hyperparameters = int(state["fitted"]), np.asarray(state["hyperparameters"])

    def model(self) -> SingleTaskGP:
        """The processes, given all that is known."""
        model = _processes(*self.known())
        if self._hyperparameters.size:
            vector_to_parameters(torch.tensor(self._hyperparameters), model.parameters())
        model.eval()
        return model


def predict(model: SingleTaskGP, features: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Means and deviations [N, T]; a joint posterior is many times faster here than N of one design each."""
    with torch.no_grad():
        posterior = model.posterior(torch.tensor(features))
        return posterior.mean.numpy(), posterior.variance.clamp_min(1e-12).sqrt().numpy()


def joint(model: SingleTaskGP, features: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Means [N, T] and covariances of designs [T, N, N]."""
    with torch.no_grad():
        posterior = model.posterior(torch.tensor(features))
        n, targets = posterior.mean.shape
        covariances = posterior.distribution.covariance_matrix.reshape(targets, n, targets, n)
        return posterior.mean.numpy(), covariances.diagonal(dim1=0, dim2=2).movedim(-1, 0).numpy()


@contextmanager
def silent() -> Iterator[None]:
    """Without warnings of fits that stop early and of nearly equal designs."""
    with warnings.catch_warnings():
        for category in (BotorchWarning, NumericalWarning, RuntimeWarning):
            warnings.simplefilter("ignore", category)
        yield


def _processes(features: FloatArray, values: FloatArray) -> SingleTaskGP:
    """Independent Gaussian processes of the columns of values [N, T], standardised; BoTorch's kernel and priors."""
    variances = NOISE * np.maximum(values.var(axis=0), 1e-12)
    return SingleTaskGP(
        torch.tensor(features),
        torch.tensor(values),
        train_Yvar=torch.tensor(variances).expand(values.shape),
        outcome_transform=Standardize(values.shape[1]),
    )


def _fitted(model: SingleTaskGP) -> FloatArray:
    """The hyperparameters of greatest posterior density, from those the model has; these where none can be found."""
    before = parameters_to_vector(model.parameters()).detach().clone()
    try:
        likelihood = ExactMarginalLogLikelihood(model.likelihood, model)
        fit_gpytorch_mll(likelihood, optimizer_kwargs={"options": {"maxiter": ITERATIONS}})
    except (ModelFittingError, NotPSDError):
        return np.asarray(before.numpy())
    return np.asarray(parameters_to_vector(model.parameters()).detach().numpy())
