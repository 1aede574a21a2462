"""Population-based training: who takes over whose state, with which options. Pure functions of scores and a seed.

Source: M. Jaderberg et al., "Population based training of neural networks", arXiv 1711.09846, 2017: truncation
selection, and perturbation. Not Ray's PopulationBasedTraining: that one leaves the ranges, draws from the global
generators of Python, and keeps who copied whom in a state of its own, so that a sweep could neither be continued from
its run directories alone, nor be made twice.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from archgym.agents.base import OneOf, Range
from archgym.errors import InputError
from archgym.spec import option_defaults, parse_options

ADJUSTABLE = ("reinforce", "a2c", "ppo", "masked_ppo", "dqn")  # agents of ours with options that may change on the way


@dataclass(frozen=True)
class Rules:
    """How a population is trained; the options of the scheduler `pbt`.

    Attributes:
        population: members.
        interval: designs of each member between two exchanges.
        quantile: share of the members that take over the state of one of the best, which are as many.
    """

    population: int = 8
    interval: int = 100
    quantile: float = 0.25

    @classmethod
    def of(cls, query: str) -> Rules:
        """From `population=4&interval=200`, or the empty text.

        Raises:
            InputError: an unknown option, or a value that cannot be used.
        """
        return cls(**parse_options("scheduler pbt", query, option_defaults(cls)) if query else {})  # type: ignore[arg-type]

    def __post_init__(self) -> None:
        if self.population < 2:
            raise InputError(f"pbt: the population must be at least 2, not {self.population}")
        if self.quantile > 0.5:
            raise InputError(f"pbt: the quantile must be at most 0.5, not {self.quantile}")


def pairs(scores: Sequence[float], rules: Rules, rng: np.random.Generator) -> dict[int, int]:
    """Members to take over the state of others, worst first, and whose; the smallest score is the best.

    None takes over what is no better than its own.
    """
    order = sorted(range(len(scores)), key=lambda member: scores[member])  # of equal ones the first is the best
    n = min(math.ceil(rules.quantile * len(order)), len(order) // 2)
    chosen = {child: order[int(rng.integers(n))] for child in order[: -n - 1 : -1]}
    return {child: parent for child, parent in chosen.items() if scores[child] > scores[parent]}


def drawn(options: Mapping[str, Any], ranges: Mapping[str, Range | OneOf], rng: np.random.Generator) -> dict[str, Any]:
    """Options with those that have a range drawn from it."""
    return {**options, **{name: choice.sample(rng) for name, choice in ranges.items()}}


def perturbed(
    options: Mapping[str, Any], ranges: Mapping[str, Range | OneOf], rng: np.random.Generator
) -> dict[str, Any]:
    """Options with those that have a range changed within it."""
    return {**options, **{name: choice.perturb(options[name], rng) for name, choice in ranges.items()}}
