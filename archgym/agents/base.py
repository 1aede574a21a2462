"""The contract of an agent: ask for designs, be told their outcome.

An agent is built as `Build(space, n_objectives, seed, **options)`; its options are its keyword parameters, typed as
their defaults, so that `genetic?population=128` works wherever an agent is named.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from archgym.objective import Outcome
from archgym.space import DesignSpace, Indices

if TYPE_CHECKING:
    from archgym.surrogates.view import View

State = dict[str, Any]  # names to arrays, numbers, text: saved without pickle
RESAMPLED = 0.25  # share of perturbed options that are drawn anew
FACTORS = (0.8, 1.2)  # of the others: Jaderberg et al., arXiv 1711.09846, appendix A
Breakdown = Callable[[Indices], list[dict[str, Any]]]  # a design [P] to its operators with their bottlenecks


@dataclass(frozen=True)
class Range:
    """What an option of an agent may be when its hyperparameters are sampled: numbers from low to high.

    Whole numbers where `low` is one; on a logarithmic scale where `log`.
    """

    low: float
    high: float
    log: bool = False

    def sample(self, rng: np.random.Generator) -> float:
        """A value of the range."""
        low, high = (math.log(self.low), math.log(self.high)) if self.log else (self.low, self.high)
        value = rng.uniform(low, high)
        value = math.exp(value) if self.log else value
        return round(value) if isinstance(self.low, int) else float(f"{value:.3g}")

    def perturb(self, value: float, rng: np.random.Generator) -> float:
        """A value near another: a fifth less or more, whole numbers at least one; now and then any value."""
        if rng.random() < RESAMPLED:
            return self.sample(rng)
        factor = float(rng.choice(FACTORS))
        moved = min(max(value * factor, self.low), self.high)
        if isinstance(self.low, int):
            return math.ceil(moved) if factor > 1 else math.floor(moved)
        return float(f"{moved:.3g}")


@dataclass(frozen=True)
class OneOf:
    """What an option of an agent may be when its hyperparameters are sampled: one of some values."""

    values: tuple[int | float | str, ...]

    def sample(self, rng: np.random.Generator) -> int | float | str:
        """One of the values."""
        return self.values[int(rng.integers(len(self.values)))]

    def perturb(self, value: int | float | str, rng: np.random.Generator) -> int | float | str:
        """The value before or after another; now and then, and in place of one that is none of them, any."""
        if rng.random() < RESAMPLED or value not in self.values:
            return self.sample(rng)
        place = self.values.index(value) + int(rng.choice((-1, 1)))
        return self.values[min(max(place, 0), len(self.values) - 1)]


class Agent(ABC):
    """Base of every agent.

    Attributes:
        space, n_objectives, seed: what it was built for.
        asked: number of calls to `ask` so far: with the seed, the state of all randomness.
        batch: designs it likes to be asked for at a time.
        budget: designs it is given when the user names no budget.
        most: designs beyond which its own time makes it pointless; None where there is no such number.
        hyperparameters: options worth tuning, with their ranges; every one is an option of the agent.
        adjustable: hyperparameters that may change on the way, since the state fits an agent with any value of them;
            population-based training changes these.
        breakdown: set by the search before the first `ask`: the operators of a design [P] with the bottleneck of each;
            None where there is no cost model behind the designs.
        relief: set with it: which parameters relieve which bottleneck, `-name` where a smaller value does; names that
            the space has not are of another one.
        view: set by the search: the problem as surrogates see it; None where there is no cost model behind the designs.
    """

    batch: int = 64
    budget: ClassVar[int] = 20_000
    most: ClassVar[int | None] = None
    hyperparameters: ClassVar[Mapping[str, Range | OneOf]] = {}
    adjustable: ClassVar[tuple[str, ...]] = ()
    breakdown: Breakdown | None = None
    relief: Mapping[str, tuple[str, ...]] = {}
    view: Callable[[], View] | None = None

    def __init__(self, space: DesignSpace, n_objectives: int, seed: int) -> None:
        self.space, self.n_objectives, self.seed = space, n_objectives, seed
        self.asked = 0

    def ask(self, n: int) -> Indices:
        """Propose up to `n` designs, at least one: indices [<= n, P]. Learns nothing."""
        rng = np.random.default_rng([self.seed, self.asked])
        self.asked += 1
        return self.propose(n, rng)

    @abstractmethod
    def propose(self, n: int, rng: np.random.Generator) -> Indices:
        """`ask` with the random generator of this call, derived from seed and number of calls."""

    @abstractmethod
    def tell(self, indices: Indices, outcome: Outcome) -> None:
        """Learn from the designs of the last `ask`: indices [N, P] in the order asked, and their outcome."""

    def state(self) -> State:
        """All that `load` needs to continue as if nothing had happened."""
        return {"asked": self.asked}

    def load(self, state: State) -> None:
        """Continue from a saved state."""
        self.asked = int(state["asked"])
