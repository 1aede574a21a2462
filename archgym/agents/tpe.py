"""Tree-structured Parzen estimator: Optuna's TPESampler behind ask and tell.

Sources: Bergstra et al., "Algorithms for hyper-parameter optimization", NeurIPS 2011; Watanabe, "Tree-structured Parzen
estimator", arXiv 2304.11127; Ozaki et al., "Multiobjective tree-structured Parzen estimator", JAIR 73, 2022;
Watanabe and Hutter, "c-TPE: tree-structured Parzen estimator with inequality constraints", IJCAI 2023.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import ClassVar

import numpy as np
import optuna
from optuna.samplers import TPESampler
from optuna.trial import FrozenTrial, TrialState, create_trial

from archgym.agents.base import Agent, Range, State
from archgym.agents.memory import WORST, symmetric_log
from archgym.objective import FloatArray, Outcome
from archgym.space import DesignSpace, Indices


class TPE(Agent):
    """Optuna's TPE: fewest evaluations of the agents here, tens of milliseconds of thought for each.

    Infeasible designs and those outside a constraint are told with their violation. TPE ranks all of them below the
    valid ones, by violation, so they shape the density it avoids and never the one it follows.

    Args:
        batch: designs proposed before hearing of any; running ones are counted as bad (constant liar).
        startup: random designs first.
        candidates: designs drawn for each one proposed.
    """

    budget: ClassVar[int] = 1000
    most: ClassVar[int | None] = 1000
    hyperparameters: ClassVar[Mapping[str, Range]] = {
        "batch": Range(1, 32, log=True),
        "startup": Range(10, 100, log=True),
        "candidates": Range(8, 128, log=True),
    }

    def __init__(
        self, space: DesignSpace, n_objectives: int, seed: int, batch: int = 8, startup: int = 32, candidates: int = 24
    ) -> None:
        super().__init__(space, n_objectives, seed)
        self.batch, self.startup, self.candidates = batch, startup, candidates
        self._distributions = space.optuna()
        self._begin()

    def propose(self, n: int, rng: np.random.Generator) -> Indices:
        """Designs of a sampler seeded by this call; its running trials are dropped so that only `tell` teaches."""
        self._study.sampler = TPESampler(
            seed=int(rng.integers(2**32)), n_startup_trials=self.startup, n_ei_candidates=self.candidates
        )
        trials = [self._study.ask(self._distributions) for _ in range(n)]
        for trial in trials:
            self._study.tell(trial, state=TrialState.FAIL)
        indices = np.array([[trial.params[name] for name in self.space.names] for trial in trials], np.int64)
        return self._renewed(indices, rng)

    def tell(self, indices: Indices, outcome: Outcome) -> None:
        """Add finished trials."""
        self._add(indices, symmetric_log(outcome.objectives), np.minimum(outcome.violation, WORST))

    def state(self) -> State:
        """What was told."""
        return super().state() | {
            "indices": np.concatenate([indices for indices, _, _ in self._told]),
            "values": np.concatenate([values for _, values, _ in self._told]),
            "violation": np.concatenate([violation for _, _, violation in self._told]),
        }

    def load(self, state: State) -> None:
        """Tell a new study all that was told."""
        super().load(state)
        self._begin()
        self._add(state["indices"], state["values"], state["violation"])

    def _renewed(self, indices: Indices, rng: np.random.Generator) -> Indices:
        """The designs, each one that is known (a third of what a converging TPE draws) moved to a new neighbour."""
        known, renewed = set(self._known), []
        for index in indices:
            if int(self.space.rank(index)) in known:
                near = self.space.neighbours(index)
                new = [row for row in near if int(self.space.rank(row)) not in known]
                index = rng.choice(new) if new else self.space.sample(1, rng)[0]
            known.add(int(self.space.rank(index)))
            renewed.append(index)
        return np.array(renewed)

    def _begin(self) -> None:
        """An empty study in memory."""
        with quiet():
            self._study = optuna.create_study(directions=["minimize"] * self.n_objectives)
        self._told = [(self.space.unrank([]), np.zeros((0, self.n_objectives)), np.zeros(0))]
        self._known: set[int] = set()  # ranks of what was told

    def _add(self, indices: Indices, values: FloatArray, violation: FloatArray) -> None:
        self._told.append((indices, values, violation))
        self._known.update(self.space.rank(indices).tolist())
        self._study.add_trials(map(self._trial, indices, values, violation))

    def _trial(self, index: Indices, values: FloatArray, violation: float) -> FrozenTrial:
        """A finished trial; the values of one without any are never compared, but must be numbers."""
        return create_trial(
            params=dict(zip(self.space.names, index.tolist(), strict=True)),
            distributions=self._distributions,
            values=np.nan_to_num(values).tolist(),
            constraints={"violation": float(violation)},
        )


@contextmanager
def quiet() -> Iterator[None]:
    """Without Optuna's note that a study was created."""
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(level)
