"""Search by a graph surrogate: an ensemble learns every metric of what was evaluated, and evolution searches over it.

Unlike a black-box model it is not told the objective alone. Each evaluation teaches it all metrics, each network is
the sum of its operators, and each operator starts from the design's rooflines (archgym.surrogates.gnn); objective and
constraints are then computed from predicted metrics, so a bound on area is learnt as area. Half of a batch has the
greatest expected improvement over the ensemble, half over a member drawn for the batch (Thompson sampling), each times
the probability of being feasible. Where nothing but objectives is known it is a mediocre black-box search.

Sources: R. Astudillo, P. Frazier, "Bayesian optimization of composite functions", ICML 2019 (model the parts, not the
objective); B. Lakshminarayanan et al., NeurIPS 2017 (deep ensembles); K. Kandasamy et al., "Parallelised Bayesian
optimisation via Thompson sampling", AISTATS 2018.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from archgym.agents.acquisition import log_expected_improvement, most_promising
from archgym.agents.base import Range, State
from archgym.agents.encoding import Encoder
from archgym.agents.feasibility import log_feasibility
from archgym.agents.memory import some_weights, symmetric_log
from archgym.agents.modelled import Lessons, Modelled
from archgym.agents.torch_seeding import isolated
from archgym.agents.trees import DOUBT, LogValidity
from archgym.errors import InputError
from archgym.objective import FloatArray, Outcome
from archgym.space import DesignSpace, Indices
from archgym.surrogates.base import Part
from archgym.surrogates.features import BASE_OF_UNIT, Seen
from archgym.surrogates.gnn import GNN as Model
from archgym.surrogates.network import Networks
from archgym.surrogates.surrogate import Surrogate, load
from archgym.surrogates.targets import offsets_of
from archgym.surrogates.view import View

GENERATIONS, WIDTH = 6, 64  # of the search over the surrogate
STARTS = 8  # best designs whose neighbours are all looked at
CAREFUL = 8  # batches of half the size first, while each teaches much
DEVIATION = 0.05  # of predicted log objectives at least: no network is exact
# Less than this chance of being feasible counts as violation, or what was never seen would look best; a predicted
# violation of TOLERANCE of a bound is as bad as a factor e of it.
SAFE, DARING, TOLERANCE = 0.6, 0.3, 0.02
RATE, BATCH = 0.01, 32  # of training: learning rate, designs of a step


class Learnt(NamedTuple):
    """What the agent learns of designs, and how it is judged.

    Attributes:
        see: designs to what surrogates see of them.
        bases: what each target is measured against [T].
        values: outcome of N designs to what is learnt of them [N, T].
        logs: such values to log targets [N, T].
        judge: log targets, and the values told of, to goals [N, K], smaller better, and violation [N].
    """

    see: Callable[[Indices], Seen]
    bases: list[int]
    values: Callable[[Outcome], FloatArray]
    logs: Callable[[FloatArray], FloatArray]
    judge: Callable[[NDArray[np.float32], FloatArray], tuple[FloatArray, FloatArray]]


class GNN(Modelled):
    """Thompson sampling over an ensemble of graph networks, retrained on all designs before every batch.

    Args:
        batch: designs proposed together.
        startup: random designs first; a warm start needs none.
        members: networks of the ensemble.
        width: of their layers.
        steps: of training before every batch.
        warm_start: directory of a `gnn` surrogate of this environment, whose weights the networks start from: trained
            on other workloads, or on a cheaper cost model.
    """

    budget: ClassVar[int] = 300
    most: ClassVar[int | None] = 1000
    hyperparameters: ClassVar[Mapping[str, Range]] = {
        "batch": Range(4, 32, log=True),
        "startup": Range(16, 64, log=True),
        "members": Range(2, 5),
        "width": Range(24, 96, log=True),
        "steps": Range(100, 500, log=True),
    }

    def __init__(
        self,
        space: DesignSpace,
        n_objectives: int,
        seed: int,
        batch: int = 12,
        startup: int = 24,
        members: int = 3,
        width: int = 48,
        steps: int = 150,
        warm_start: str = "",
    ) -> None:
        super().__init__(space, n_objectives, seed, batch, startup)
        self.members, self.width, self.steps = members, width, steps
        self._encode = Encoder(space)
        self._warm = _warm(load(warm_start), space) if warm_start else None
        self._lessons = Lessons()
        self._learnt: Learnt | None = None

    @property
    def _ready(self) -> bool:
        return self._warm is not None or super()._ready

    @property
    def learnt(self) -> Learnt:
        """What there is to learn: metrics where the search shows them, else objectives."""
        if self._learnt is None and self.view is not None:
            self._learnt = _of_metrics(self.view(), self._warm)
        elif self._learnt is None and self._warm is not None:
            raise InputError("a warm start needs a cost model behind the designs, whose metrics it goes on learning")
        elif self._learnt is None:
            self._learnt = _of_outcomes(self._encode, self.n_objectives)
        return self._learnt

    def tell(self, indices: Indices, outcome: Outcome) -> None:
        """Remember designs and all that is known of them."""
        rows = self._told.add(indices, outcome)
        why = ~outcome.valid if self.view is None else outcome.metrics["why"]
        self._lessons.add(self.learnt.values(outcome)[rows], why[rows])

    def propose(self, n: int, rng: np.random.Generator) -> Indices:
        """As Modelled; fewer at a time in the beginning."""
        careful = self._ready and len(self._told) < self.startup + CAREFUL * self.batch // 2
        return super().propose(min(n, max(self.batch // 2, 1)) if careful else n, rng)

    def promising(self, n: int, rng: np.random.Generator) -> Indices:
        """What the ensemble as a whole and one of its members hold to be most promising, in turn."""
        told = self._told
        model, chance = self._fitted(rng), self._feasible(rng)
        cost, best = told.scalarised(some_weights(self.n_objectives, rng))
        starts = told.best(STARTS) if len(told) else self.space.sample(STARTS, rng)
        proposals: list[Indices] = []
        searches = (range(model.members), SAFE), ([int(rng.integers(model.members))], DARING)
        for members, least in searches:

            def judge(
                indices: Indices, members: Sequence[int] = members, least: float = least
            ) -> tuple[FloatArray, FloatArray]:
                costs, outside = self._predicted(model, indices, members, cost)
                deviation = np.hypot(costs.std(axis=0), DEVIATION)
                gain = log_expected_improvement(costs.mean(axis=0), deviation, best) if np.isfinite(best) else 0.0
                likely = chance(indices)
                doubt = np.maximum(0.0, np.log(least) - likely) + outside / TOLERANCE
                return -(gain + likely)[:, None], doubt

            found = most_promising(told, judge, 1, starts, rng, GENERATIONS, WIDTH)
            proposals.append(found.indices[: 2 * n])
        longest = max(map(len, proposals))
        turns = [found[turn] for turn in range(longest) for found in proposals if turn < len(found)]
        return np.array(turns, np.int64).reshape(-1, len(self.space))

    def _predicted(
        self, model: Networks, indices: Indices, members: Sequence[int], cost: Callable[[FloatArray], FloatArray]
    ) -> tuple[FloatArray, FloatArray]:
        """Costs [members, N] of designs, and their violation of the constraints [N], mean of the members."""
        seen = self.learnt.see(indices)
        found = [self.learnt.judge(model.predictions(seen, member), self._lessons.values) for member in members]
        goals, violation = zip(*found, strict=True)
        return cost(np.stack(goals)), np.mean(violation, axis=0)

    def _fitted(self, rng: np.random.Generator) -> Networks:
        """The ensemble, trained on all feasible designs."""
        rows = self._told.feasible
        warm = self._warm.model if self._warm is not None else None
        assert warm is None or isinstance(warm, Model)
        if warm is not None and rows.sum() < 2:
            return warm
        with isolated(rng):
            seen = self.learnt.see(self._told.pool.indices[rows])
            part = Part(seen, self.learnt.logs(self._lessons.values[rows]).astype(np.float32))
            epochs = -(-self.steps // -(-len(seen) // BATCH))
            if warm is not None:
                return warm.refined([part], int(rng.integers(2**31)), epochs, BATCH)
            model = Model(
                int(rng.integers(2**31)),
                self.learnt.bases,
                self.members,
                self.width,
                epochs=epochs,
                rate=RATE,
                batch=BATCH,
            )
            model.fit([part], [])
            return model

    def _feasible(self, rng: np.random.Generator) -> LogValidity:
        """Logarithm of the probability that designs are feasible [N], or valid where no metric tells that.

        After a warm start both what was taught and what was told must hold: memory that sufficed other workloads may
        not suffice this one.
        """
        known = self._told.pool.indices
        told = log_feasibility(self.space, known, self._lessons.why, rng) if len(known) else _certain
        if self._warm is None:
            return told
        validity, see = self._warm.validity, self.learnt.see
        return lambda indices: np.where(validity.why(see(indices)) == 0, 0.0, np.log(DOUBT)) + told(indices)

    def state(self) -> State:
        """What was told, and which weights it started from."""
        warm = self._warm.weights_hash if self._warm is not None else ""
        return super().state() | self._lessons.state() | {"warm": warm}

    def load(self, state: State) -> None:
        """Continue from a saved state.

        Raises:
            InputError: the surrogate of the warm start is another one now.
        """
        super().load(state)
        if state["warm"] != (self._warm.weights_hash if self._warm is not None else ""):
            raise InputError("the surrogate that this search started from has changed since")
        self._lessons.load(state)


def _certain(indices: Indices) -> FloatArray:
    return np.zeros(len(indices))


def _warm(surrogate: Surrogate, space: DesignSpace) -> Surrogate:
    """A surrogate to start from.

    Raises:
        InputError: it is no graph network, or of other parameters.
    """
    if not isinstance(surrogate.model, Model):
        raise InputError(f"a warm start needs a surrogate of kind gnn, not {surrogate.info['kind']}")
    if surrogate.layout.space.names != space.names:
        raise InputError(f"the surrogate is of environment {surrogate.environment}, whose designs are other ones")
    return surrogate


def _of_metrics(view: View, warm: Surrogate | None) -> Learnt:
    """All metrics, or those of the warm start; objective and violation follow from them."""
    names = [metric.name for metric in view.metrics]
    bases = [BASE_OF_UNIT.get(metric.unit, 0) for metric in view.metrics]
    if warm is not None:
        names, bases = [warm.layout.metric_of(name) for name in warm.metrics], warm.model.bases
        if missing := [name for name in names if name not in (view.dtype.names or ())]:
            raise InputError(f"the surrogate to start from knows {missing[0]}, which this cost model does not give")

    def offsets(told: FloatArray) -> FloatArray:
        return offsets_of(told) if warm is None else warm.calibration.offsets

    def values(outcome: Outcome) -> FloatArray:
        return np.stack([outcome.metrics[name] for name in names], axis=1)

    def logs(told: FloatArray) -> FloatArray:
        return np.asarray(np.log(told + offsets(told)))

    def judge(found: NDArray[np.float32], told: FloatArray) -> tuple[FloatArray, FloatArray]:
        known = told[~np.isnan(told).any(axis=1)]
        outcome = view.outcome(names, np.exp(found.astype(np.float64)) - offsets(known))
        return symmetric_log(outcome.objectives), outcome.violation

    whose = None if warm is None else warm.layout.space  # a cost model may offer fewer choices than it was taught
    return Learnt(lambda indices: view.see(indices, whose), bases, values, logs, judge)


def _of_outcomes(encode: Encoder, n_objectives: int) -> Learnt:
    """Objectives, where they are all there is: a graph of one node."""

    def see(indices: Indices) -> Seen:
        features = encode(indices).astype(np.float32)
        bases = np.zeros((len(features), 1, 4), np.float32)
        return Seen(features, features[:, None], bases, np.zeros(4, np.float32), np.zeros((0, 2), np.int64))

    def judge(found: NDArray[np.float32], told: FloatArray) -> tuple[FloatArray, FloatArray]:
        return found.astype(np.float64), np.zeros(len(found))

    return Learnt(see, [0] * n_objectives, lambda outcome: symmetric_log(outcome.objectives), lambda told: told, judge)
