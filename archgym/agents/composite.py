"""Composite Bayesian optimisation: a Gaussian process of every metric that the objective is made of.

A cost model says more of a design than its objective. Latency, energy and area are each a simpler function of the
parameters than their product behind a bound is, so each has a process of its own, and objective and constraints are
computed from draws of all. A bound is learnt as the metric that it bounds, and what a design that breaks it teaches
is not lost. Designs are described by their parameters and by the time that the workload takes at their rooflines
(archgym.surrogates.features). Where nothing but objectives is known, these have the processes.

Sources: R. Astudillo, P. Frazier, "Bayesian optimization of composite functions", ICML 2019 (model the parts, not the
objective); J. Gardner et al., "Bayesian optimization with inequality constraints", ICML 2014 (improvement weighted by
the probability of validity, equation 6); D. Ginsbourger, R. Le Riche, L. Carraro, "Kriging is well-suited to
parallelize optimization", 2010 (batches: the kriging believer); D. Eriksson et al., "Scalable global optimization via
local Bayesian optimization", NeurIPS 2019 (starting over with a model of its own); J. Knowles, "ParEGO", IEEE
Transactions on Evolutionary Computation 10(1), 2006 (several objectives: a new weighting for every batch).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import ClassVar, NamedTuple

import numpy as np
from botorch.models.gp_regression import SingleTaskGP

from archgym.agents.acquisition import log_chance_of_improvement, log_expected_improvement, most_promising
from archgym.agents.base import Range, State
from archgym.agents.feasibility import log_feasibility
from archgym.agents.memory import some_weights, symmetric_log
from archgym.agents.modelled import Lessons, Told
from archgym.agents.processes import OverProcesses, joint, predict, silent
from archgym.agents.torch_seeding import isolated
from archgym.agents.trees import LogValidity, log_validity
from archgym.objective import FloatArray, Outcome
from archgym.space import DesignSpace, Indices
from archgym.surrogates.targets import offsets_of
from archgym.surrogates.view import View

Measure = Callable[[FloatArray, FloatArray, float], FloatArray]  # mean and deviation [N], best: log of what is gained

DRAWS = 32  # pairs of opposite draws of all metrics, from which objective and validity of a design are estimated
SHORTLIST = 128  # designs that a batch is chosen from
GENERATIONS, WIDTH = 8, 100  # of the search for the shortlist
STARTS = 5  # best designs whose neighbours are all looked at
FEW = 24  # feasible designs up to which a bound is learnt as yes or no: the metric's process would extrapolate
TREES = 32  # of the model of yes or no
TIME_SCALE = 4.0  # of the logarithm of the roofline's time, beside parameters in 0..1
TINY = 1e-12  # least variance
DOUBT = 0.05  # of a draw: no design is sure to meet all bounds, nor to break one
DRAWN = 4000  # random designs, of which the first of a later descent are drawn
LEARNT_AGAIN = 1.05  # growth of what is known after which the model of feasibility is learnt anew
BETTER = 1e-3  # least improvement of a log objective that keeps a descent going
DEVIATION = 1e-3  # least deviation of an objective in units of its logarithm: a factor of 1.001


class Parts(NamedTuple):
    """What the processes are of.

    Attributes:
        describe: designs to features beside their parameters [N, F].
        values: outcome of N designs to the parts [N, T].
        outcome: parts [N, T] to log objectives [N, K] and violation [N].
    """

    describe: Callable[[Indices], FloatArray]
    values: Callable[[Outcome], FloatArray]
    outcome: Callable[[FloatArray], tuple[FloatArray, FloatArray]]


class Guess(NamedTuple):
    """Mean and deviation of the log costs of designs, and the log probability that they meet all bounds: each [N]."""

    mean: FloatArray
    deviation: FloatArray
    log_within: FloatArray


class Beliefs:
    """What the processes say of designs at one ask.

    Args:
        model: a process of each log part.
        features: designs to the features that they know.
        costs: log parts [..., T] to log costs and violation of the bounds, each [...].
        log_valid: designs to the logarithm of the probability of all that the processes do not tell: that they are
            feasible.
        best: least log cost that is known; infinite where no design is valid yet.
        draws: standard normal [draws, T].
    """

    def __init__(
        self,
        model: SingleTaskGP,
        features: Callable[[Indices], FloatArray],
        costs: Callable[[FloatArray], tuple[FloatArray, FloatArray]],
        log_valid: LogValidity,
        best: float,
        draws: FloatArray,
    ) -> None:
        self._model, self._features, self._costs = model, features, costs
        self._log_valid, self._best, self._draws = log_valid, best, draws

    def judge(self, indices: Indices) -> tuple[FloatArray, FloatArray]:
        """For archgym.agents.acquisition: less is better."""
        guess = self._guess(*predict(self._model, self._features(indices)))
        score = _score(guess, self._log_valid(indices), self._best, log_expected_improvement)
        return -score[:, None], np.zeros(len(indices))

    def batch(self, indices: Indices, n: int, sure: int) -> list[int]:
        """Rows of `n` designs, one after the other: each is held to be known, as expected, when the next is chosen.

        The first `sure` have the greatest probability to improve, the others the greatest improvement to expect.
        """
        means, spread = joint(self._model, self._features(indices))
        log_valid, best, chosen = self._log_valid(indices), self._best, list[int]()
        for place in range(min(n, len(indices))):
            guess = self._guess(means, np.sqrt(np.maximum(np.diagonal(spread, axis1=1, axis2=2).T, TINY)))
            measure = log_chance_of_improvement if place < sure else log_expected_improvement
            score = _score(guess, log_valid, best, measure)
            score[chosen] = -np.inf
            row = int(score.argmax())
            chosen.append(row)
            if guess.log_within[row] > np.log(0.5):
                best = min(best, float(guess.mean[row]))
            known = spread[:, :, row].copy()
            spread -= known[:, :, None] * known[:, None] / np.maximum(known[:, row], TINY)[:, None, None]
        return chosen

    def _guess(self, means: FloatArray, deviations: FloatArray) -> Guess:
        """From means and deviations [N, T] of the parts."""
        costs, violation = self._costs(means + deviations * self._draws[:, None])
        within = (np.sum(violation == 0, axis=0) + DOUBT) / (len(costs) + 2 * DOUBT)
        return Guess(costs.mean(axis=0), np.maximum(costs.std(axis=0), DEVIATION), np.log(within))


class Composite(OverProcesses):
    """Expected improvement of an objective computed from Gaussian processes of its metrics, again and again.

    The processes are sure of what they have not seen, and a search that follows them ends in one basin. When a descent
    has not found better designs for some time, the next one starts from random designs, with processes of its own.

    Args:
        batch: designs proposed together, each as if those before it had turned out as expected.
        startup: random designs first.
        refit: growth of what is known after which the processes' hyperparameters are fitted anew.
        sure: share of the batch for the greatest probability of improvement; the rest for its expected size.
        patience: designs without improvement after which a descent ends; of one objective.
    """

    most: ClassVar[int | None] = 1000
    hyperparameters: ClassVar[Mapping[str, Range]] = {
        **OverProcesses.hyperparameters,
        "patience": Range(24, 96, log=True),
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
        patience: int = 48,
    ) -> None:
        super().__init__(space, n_objectives, seed, batch, startup, refit, sure)
        self.patience = patience
        self._lessons = Lessons()
        self._since = 0  # the first design of this descent
        self._feasibility: tuple[int, LogValidity] | None = None  # learnt from so many designs

    # -- the contract

    def propose(self, n: int, rng: np.random.Generator) -> Indices:
        """As Modelled; of the random designs of a later descent more are likely to be feasible."""
        if self._ready or not self._since:
            return super().propose(n, rng)
        drawn = self._told.known.fresh(self.space.sample(DRAWN, rng))
        lots = rng.gumbel(size=len(drawn)) + self._log_feasible(drawn) / 2
        return self._told.known.filled(drawn[np.argsort(-lots, kind="stable")[:n]], n, rng)

    def tell(self, indices: Indices, outcome: Outcome) -> None:
        """Remember designs and the parts of their objective."""
        rows = self._told.add(indices, outcome)
        why = ~outcome.valid if self.view is None else outcome.metrics["why"]
        self._lessons.add(self.parts.values(outcome)[rows], why[rows])
        if self._stuck():
            self._since, self._fitted, self._hyperparameters = len(self._told), 0, np.zeros(0)
        self.fit_where_due()

    def promising(self, n: int, rng: np.random.Generator) -> Indices:
        """The batch, then what else is likely to improve."""
        here = self._basis
        with isolated(rng), silent():
            beliefs = self._beliefs(rng)
            found = most_promising(here, beliefs.judge, 1, here.best(STARTS), rng, GENERATIONS, WIDTH).indices
            chosen = beliefs.batch(found[: max(SHORTLIST, n)], n, int(self.sure * n))
        return np.concatenate([found[chosen], np.delete(found, chosen, axis=0)])

    def state(self) -> State:
        """What was told, with all parts."""
        return super().state() | self._lessons.state() | {"since": self._since}

    def load(self, state: State) -> None:
        """Continue from a saved state."""
        super().load(state)
        self._lessons.load(state)
        self._since = int(state["since"])

    # -- descents

    @property
    def _basis(self) -> Told:
        return self._told.since(self._since)

    def _stuck(self) -> bool:
        """Whether this descent has long found nothing better."""
        here = self._basis
        if self.n_objectives > 1 or not self._told.valid.any() or len(here) <= self.startup + self.patience:
            return False
        scores = np.where(here.valid, here.values[:, 0], np.inf)
        return bool(scores[-self.patience :].min() >= scores[: -self.patience].min() - BETTER)

    # -- models

    @cached_property
    def parts(self) -> Parts:
        """Metrics where the search shows them, else objectives."""
        return _of_objectives() if self.view is None else _of_metrics(self.view())

    def known(self) -> tuple[FloatArray, FloatArray]:
        """Features of the feasible designs of this descent and the logarithms of their parts."""
        here = self._basis
        values = self._lessons.values[self._since :][here.feasible]
        return self._features(here.pool.indices[here.feasible]), np.log(values + offsets_of(values))

    def _features(self, indices: Indices) -> FloatArray:
        return np.concatenate([self._encode(indices), self.parts.describe(indices)], axis=1)

    def _beliefs(self, rng: np.random.Generator) -> Beliefs:
        """What is believed now, of one cost: of several objectives under weights drawn anew."""
        here, parts, values = self._basis, self.parts, self._lessons.values[self._since :]
        bounds_known = self.view is not None and here.feasible.sum() >= FEW
        offsets = offsets_of(values[here.feasible])
        cost, best = here.scalarised(some_weights(self.n_objectives, rng))

        def costs(logs: FloatArray) -> tuple[FloatArray, FloatArray]:
            objectives, violation = parts.outcome((np.exp(logs) - offsets).reshape(-1, logs.shape[-1]))
            outside = violation if bounds_known else np.zeros(len(violation))
            return cost(objectives).reshape(logs.shape[:-1]), outside.reshape(logs.shape[:-1])

        log_valid = self._log_feasible if bounds_known else log_validity(self._told, self._encode, rng, TREES)
        draws = rng.standard_normal((DRAWS, values.shape[1]))
        draws = np.concatenate([draws, -draws])
        return Beliefs(self.model(), self._features, costs, log_valid, best, draws / draws.std(axis=0))

    def _log_feasible(self, indices: Indices) -> FloatArray:
        """Logarithm of the probability that designs are feasible [N], learnt anew where more is known by a share."""
        known = len(self._told)
        n = min(known, int(LEARNT_AGAIN ** np.floor(np.log(known) / np.log(LEARNT_AGAIN))))
        if self._feasibility is None or self._feasibility[0] != n:
            told, why = self._told.pool.indices[:n], self._lessons.why[:n]
            self._feasibility = n, log_feasibility(self.space, told, why, np.random.default_rng([self.seed, n]))
        return self._feasibility[1](indices)


def _score(guess: Guess, log_valid: FloatArray, best: float, measure: Measure) -> FloatArray:
    """Logarithm of what designs gain [N] times the probability that they are valid; that alone where none is yet."""
    valid = guess.log_within + log_valid
    return valid + measure(guess.mean, guess.deviation, best) if np.isfinite(best) else valid


def _of_metrics(view: View) -> Parts:
    """The metrics of objective and bounds, beside the time at the roofline."""
    names = view.objective.metrics

    def describe(indices: Indices) -> FloatArray:
        return view.see(indices, None).network_bases[:, 1:2].astype(np.float64) / TIME_SCALE

    def values(outcome: Outcome) -> FloatArray:
        return np.stack([outcome.metrics[name] for name in names], axis=1)

    def judged(columns: FloatArray) -> tuple[FloatArray, FloatArray]:
        outcome = view.outcome(names, columns)
        return symmetric_log(outcome.objectives), outcome.violation

    return Parts(describe, values, judged)


def _of_objectives() -> Parts:
    """Objectives, where they are all there is."""
    return Parts(
        lambda indices: np.zeros((len(indices), 0)),
        lambda outcome: outcome.objectives,
        lambda columns: (symmetric_log(columns), np.zeros(len(columns))),
    )
