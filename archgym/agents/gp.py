"""Gaussian processes as Optuna has them: its GPSampler behind ask and tell.

Sources: Optuna's GPSampler: a Matern 5/2 kernel with a length scale for every parameter (Hamming distance between
categorical choices), log expected improvement of one objective and log expected hypervolume improvement of several,
times the probability that constraints are met. S. Ament et al., "Unexpected improvements to expected improvement for
Bayesian optimization", NeurIPS 2023.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import GPSampler
from optuna.trial import FrozenTrial, create_trial

from archgym.agents.base import Range
from archgym.agents.modelled import Modelled
from archgym.agents.torch_seeding import isolated
from archgym.agents.tpe import quiet
from archgym.space import DesignSpace, Indices


class GP(Modelled):
    """Optuna's GPSampler: seconds of thought for a design after some hundred, so for small budgets only.

    Its processes want a number for every design and are misled by large ones, so objectives are told as logarithms,
    infeasible designs with the worst one seen, and violation as -1 (valid), 0..1 or 1 (infeasible).

    Args:
        batch: designs proposed before hearing of any; the sampler takes those before a design into account.
        startup: random designs first.
    """

    budget: ClassVar[int] = 100
    most: ClassVar[int | None] = 100
    hyperparameters: ClassVar[Mapping[str, Range]] = {
        "batch": Range(1, 8, log=True),
        "startup": Range(10, 64, log=True),
    }

    def __init__(self, space: DesignSpace, n_objectives: int, seed: int, batch: int = 4, startup: int = 20) -> None:
        super().__init__(space, n_objectives, seed, batch, startup)
        self._distributions = space.optuna()

    def promising(self, n: int, rng: np.random.Generator) -> Indices:
        """Designs of a sampler seeded by this call, then their neighbours: it proposes known ones, too."""
        with isolated(rng), quiet(), warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            warnings.simplefilter("ignore", RuntimeWarning)  # of fits that stop early
            sampler = GPSampler(seed=int(rng.integers(2**32)), n_startup_trials=0, deterministic_objective=True)
            study = optuna.create_study(directions=["minimize"] * self.n_objectives, sampler=sampler)
            study.add_trials(self._trials())
            trials = [study.ask(self._distributions) for _ in range(n)]
        proposed = np.array([[trial.params[name] for name in self.space.names] for trial in trials], np.int64)
        near = [self.space.neighbours(index) for index in proposed]
        return np.concatenate([proposed, rng.permutation(np.concatenate(near))])

    def _trials(self) -> list[FrozenTrial]:
        """All that was told, as finished trials."""
        told = self._told
        worst = told.values[told.feasible].max(axis=0)
        values = np.where(told.feasible[:, None], told.values, worst)
        violation = np.where(told.valid, -1.0, np.minimum(told.pool.violation, 1.0))
        return [
            create_trial(
                params=dict(zip(self.space.names, index.tolist(), strict=True)),
                distributions=self._distributions,
                values=value.tolist(),
                constraints={"violation": float(outside)},
            )
            for index, value, outside in zip(told.pool.indices, values, violation, strict=True)
        ]
