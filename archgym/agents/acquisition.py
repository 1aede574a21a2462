"""A search over a model of the designs for what is worth evaluating next, and the improvement it may bring.

Source of expected improvement: D. R. Jones, M. Schonlau, W. J. Welch, "Efficient global optimization of expensive
black-box functions", Journal of Global Optimization 13, 1998, equation 15; its logarithm as in S. Ament et al.,
"Unexpected improvements to expected improvement for Bayesian optimization", NeurIPS 2023, section 4.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.special import erfcx, log_ndtr, ndtr

from archgym.agents.genetic import Genetic, crowded_order
from archgym.agents.memory import Known, Pool
from archgym.agents.modelled import Told
from archgym.objective import FloatArray, Outcome
from archgym.space import Indices

Judge = Callable[[Indices], tuple[FloatArray, FloatArray]]  # designs to goals [N, K], smaller better, and violation [N]


def log_expected_improvement(mean: FloatArray, deviation: FloatArray, best: float) -> FloatArray:
    """Logarithm of the expected improvement [N] on `best` (smaller is better), without underflow."""
    u = (best - mean) / deviation
    low = np.minimum(u, -1.0)  # there, phi(u) + u Phi(u) = phi(u) (1 + u Phi(u) / phi(u)) and Phi / phi is erfcx
    rest = np.maximum(1 + np.sqrt(np.pi / 2) * low * erfcx(-low / np.sqrt(2)), 0.5 / low**2 / (1 + 3 / low**2))
    density = -(u**2) / 2 - np.log(np.sqrt(2 * np.pi))
    direct = np.log(np.maximum(np.exp(density) + u * ndtr(u), 1e-300))
    return np.asarray(np.log(deviation) + np.where(u < -1, density + np.log(rest), direct))


def log_chance_of_improvement(mean: FloatArray, deviation: FloatArray, best: float) -> FloatArray:
    """Logarithm of the probability [N] of improving on `best` (smaller is better)."""
    return np.asarray(log_ndtr((best - mean) / deviation))


def most_promising(
    told: Told, judge: Judge, n_goals: int, starts: Indices, rng: np.random.Generator, generations: int, width: int
) -> Pool:
    """New designs that a model judges best, with its judgement, best first.

    NSGA-II (archgym.agents.genetic) on the judgement, from all neighbours of `starts` and random designs; of one goal,
    then from the best design to its best neighbour as long as that is better.
    """
    space = told.space
    inner = Genetic(space, n_goals, int(rng.integers(2**31)), population=width, offspring=width)
    shape = (len(told), n_goals)
    inner.tell(told.pool.indices, _outcome(np.full(shape, np.nan), np.full(len(told), np.inf)))  # never bred from
    near = [space.neighbours(start) for start in starts]
    found = _judged(told.known.fresh(np.concatenate([*near, space.sample(2 * width, rng)])), judge, n_goals)
    inner.tell(found.indices, _outcome(found.objectives, found.violation))
    for _ in range(generations):
        children = _judged(told.known.fresh(inner.ask(width)), judge, n_goals)
        if not len(children):
            break
        inner.tell(children.indices, _outcome(children.objectives, children.violation))
        found += children
    while n_goals == 1 and len(found):
        best = found.take(_order(found)[:1])
        seen = Known(space, told.known.ranks.tolist())
        seen.add(found.indices)
        near_best = _judged(seen.fresh(space.neighbours(best.indices[0])), judge, n_goals)
        found += near_best
        if not len(near_best) or near_best.take(_order(near_best)[:1]).objectives[0, 0] >= best.objectives[0, 0]:
            break
    _, first = np.unique(space.rank(found.indices), return_index=True)
    found = found.take(np.sort(first))
    return found.take(_order(found))


def _judged(indices: Indices, judge: Judge, n_goals: int) -> Pool:
    if not len(indices):
        return Pool(indices, np.zeros((0, n_goals)), np.zeros(0))
    return Pool(indices, *judge(indices))


def _order(pool: Pool) -> NDArray[np.int64]:
    return crowded_order(pool.objectives, pool.violation)


def _outcome(objectives: FloatArray, violation: FloatArray) -> Outcome:
    """An outcome without metrics, for an agent that looks at objectives and violation alone."""
    return Outcome(np.zeros(len(violation)), np.zeros(len(violation)), objectives, violation)
