"""Composite Bayesian optimisation: a Gaussian process of every metric that the objective is made of.

A cost model says more of a design than its objective. Latency, energy and area are each a simpler function of the
parameters than their product behind a bound is, so each has a process of its own, and objective and constraints are
computed from draws of all. A bound is learnt as the metric that it bounds, and what a design that breaks it teaches
is not lost. Designs are described by their parameters and by the time that the workload takes at their rooflines
(archgym.surrogates.features). Where nothing but objectives is known, these have the processes.

Sources: R. Astudillo, P. Frazier, "Bayesian optimization of composite functions", ICML 2019 (model the parts, not the
objective); J. Gardner et al., "Bayesian optimization with inequality constraints", ICML 2014 (improvement weighted by
the probability of validity, equation 6); D. Ginsbourger, R. Le Riche, L. Carraro, "Kriging is well-suited to
parallelize optimization", 2010 (batches: the kriging believer); J. Knowles, "ParEGO", IEEE Transactions on
Evolutionary Computation 10(1), 2006 (several objectives: a new weighting for every batch).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import ClassVar, NamedTuple

import numpy as np
from botorch.models.gp_regression import SingleTaskGP

from archgym.agents.acquisition import log_chance_of_improvement, log_expected_improvement, most_promising
from archgym.agents.base import State
from archgym.agents.feasibility import log_feasibility
from archgym.agents.memory import some_weights, symmetric_log
from archgym.agents.modelled import Lessons
from archgym.agents.processes import OverProcesses, joint, predict, silent
from archgym.agents.torch_seeding import isolated
from archgym.agents.trees import LogValidity, log_validity
from archgym.objective import FloatArray, Outcome
from archgym.space import Indices
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
    """Expected improvement of an objective computed from Gaussian processes of its metrics.

    Args:
        batch: designs proposed together, each as if those before it had turned out as expected.
        startup: random designs first.
        refit: growth of what is known after which the processes' hyperparameters are fitted anew.
        sure: share of the batch for the greatest probability of improvement; the rest for its expected size.
    """

    most: ClassVar[int | None] = 1000

    # -- the contract

    def tell(self, indices: Indices, outcome: Outcome) -> None:
        """Remember designs and the parts of their objective."""
        rows = self._told.add(indices, outcome)
        why = ~outcome.valid if self.view is None else outcome.metrics["why"]
        self._lessons.add(self.parts.values(outcome)[rows], why[rows])
        self.fit_where_due()

    def promising(self, n: int, rng: np.random.Generator) -> Indices:
        """The batch, then what else is likely to improve."""
        told = self._told
        with isolated(rng), silent():
            beliefs = self._beliefs(rng)
            found = most_promising(told, beliefs.judge, 1, told.best(STARTS), rng, GENERATIONS, WIDTH).indices
            chosen = beliefs.batch(found[: max(SHORTLIST, n)], n, int(self.sure * n))
        return np.concatenate([found[chosen], np.delete(found, chosen, axis=0)])

    def state(self) -> State:
        """What was told, with all parts."""
        return super().state() | self._lessons.state()

    def load(self, state: State) -> None:
        """Continue from a saved state."""
        super().load(state)
        self._lessons.load(state)

    # -- models

    @cached_property
    def _lessons(self) -> Lessons:
        return Lessons()

    @cached_property
    def parts(self) -> Parts:
        """Metrics where the search shows them, else objectives."""
        return _of_objectives() if self.view is None else _of_metrics(self.view())

    def known(self) -> tuple[FloatArray, FloatArray]:
        """Features of feasible designs and the logarithms of their parts."""
        feasible = self._told.feasible
        values = self._lessons.values[feasible]
        return self._features(self._told.pool.indices[feasible]), np.log(values + offsets_of(values))

    def _features(self, indices: Indices) -> FloatArray:
        return np.concatenate([self._encode(indices), self.parts.describe(indices)], axis=1)

    def _beliefs(self, rng: np.random.Generator) -> Beliefs:
        """What is believed now, of one cost: of several objectives under weights drawn anew."""
        told, parts = self._told, self.parts
        bounds_known = self.view is not None and told.feasible.sum() >= FEW
        offsets = offsets_of(self._lessons.values[told.feasible])
        cost, best = told.scalarised(some_weights(self.n_objectives, rng))

        def costs(logs: FloatArray) -> tuple[FloatArray, FloatArray]:
            objectives, violation = parts.outcome((np.exp(logs) - offsets).reshape(-1, logs.shape[-1]))
            outside = violation if bounds_known else np.zeros(len(violation))
            return cost(objectives).reshape(logs.shape[:-1]), outside.reshape(logs.shape[:-1])

        if bounds_known:
            log_valid = log_feasibility(self.space, told.pool.indices, self._lessons.why, rng)
        else:
            log_valid = log_validity(told, self._encode, rng, TREES)
        draws = rng.standard_normal((DRAWS, self._lessons.values.shape[1]))
        draws = np.concatenate([draws, -draws])
        return Beliefs(self.model(), self._features, costs, log_valid, best, draws / draws.std(axis=0))


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
