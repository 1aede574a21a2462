"""Hardware and compression as one design: its evaluator, and the part of its space that is worth searching.

A design of the joint space is hardware, its features for compressed networks, and a setting. The setting turns the
workload into another table of operators (archgym.compression.network), which the same compiled cost model evaluates;
quality comes from published results (archgym.compression.judge). Both are worked out once per setting.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from archgym.compression.judge import NOT_APPLICABLE, QUALITY_METRICS, UNSUPPORTED, Judge
from archgym.compression.knobs import DEFAULTS, KNOB_NAMES, offered, setting_of
from archgym.compression.network import Network
from archgym.compression.setting import Setting
from archgym.envs.evaluator import Evaluator, plain_array
from archgym.envs.family import Family
from archgym.errors import InputError
from archgym.metrics import metrics_dtype
from archgym.objective import Objective
from archgym.space import DesignSpace, Value
from archgym.workloads import Workload

QUALITY_NAMES = tuple(metric.name for metric in QUALITY_METRICS)
LARGEST_KEPT = 4096  # settings whose operators are kept: up to 54 kB each
Choices = Mapping[str, "Sequence[Value] | Value"]


@dataclass(frozen=True)
class _Case:
    """One setting: its operators, the values of the quality metrics, and why it has no operators."""

    operators: np.ndarray | None
    quality: tuple[float, ...]
    why: int


class JointEvaluator(Evaluator):
    """An Evaluator of designs that are hardware and a compression setting.

    Attributes:
        judge: how quality is estimated; None where it does not count: then there is no metric of it.
        networks: whose published results speak for the workload.
    """

    def __init__(
        self,
        family: Family,
        workload: Workload,
        scenario: Mapping[str, Any] | None = None,
        threads: int | None = None,
        judge: Judge | None = None,
    ) -> None:
        super().__init__(family, workload, scenario, threads)
        self.judge = judge
        self.networks = judge.networks(workload) if judge else ()
        self.space = family.joint_space
        self.metrics = (*family.metrics, *(QUALITY_METRICS if judge else ()))
        self.reasons = (*family.reasons, UNSUPPORTED, NOT_APPLICABLE)
        self.dtype = metrics_dtype(self.metrics)
        self._network = Network(workload)
        self._inner = metrics_dtype(family.metrics)
        self._blank = np.zeros(1, self._inner)
        for metric in family.metrics:
            self._blank[metric.name] = np.nan
        self._cases: dict[Setting, _Case] = {}
        self._settings: dict[bytes, Setting] = {}

    def applicable(self, setting: Setting) -> bool:
        """Whether the network can be so compressed."""
        try:
            self._network.compressed(setting)
        except InputError:
            return False
        return True

    def supported(self, setting: Setting) -> bool:
        """Whether quality is known and the network can be so compressed."""
        return self._case(setting).operators is not None

    def compile(self) -> None:
        """Have the cost model compiled on the network as it comes: a setting may have no operators."""
        space = self.family.space
        hardware = space.records(space.centre[None])
        self._drive(hardware, self._operators, self._tasks, self._technology, np.empty(1, self._inner))

    def operators_of(self, design: np.ndarray) -> tuple[np.recarray, list[str]]:
        """The operators [L] of the network under the setting of a design record [1], and their labels."""
        setting = setting_of(design[list(KNOB_NAMES)][0].tolist())
        return self._network.compressed(setting), self._network.labels(setting)

    def _case(self, setting: Setting) -> _Case:
        """What is known of a setting, worked out once."""
        if setting not in self._cases:
            if len(self._cases) >= LARGEST_KEPT:
                self._cases.clear()
                self._settings.clear()
            self._cases[setting] = self._new_case(setting)
        return self._cases[setting]

    def _new_case(self, setting: Setting) -> _Case:
        quality, unknown = self._quality(setting), len(self.family.reasons)
        if np.isnan(quality).any():
            return _Case(None, quality, unknown)
        try:
            return _Case(plain_array(self._network.compressed(setting)), quality, 0)
        except InputError:  # no attention to prune, or nothing to slice
            return _Case(None, tuple(np.nan for _ in quality), unknown + 1)

    def _quality(self, setting: Setting) -> tuple[float, ...]:
        """Values of the quality metrics; NaN where unsupported."""
        if self.judge is None:
            return ()
        found = self.judge.estimate(self.networks, setting)
        return found.quality_loss, found.low, found.high

    def _case_of(self, key: bytes) -> _Case:
        """The case of the setting with these codes, given by their bytes."""
        if key not in self._settings:
            self._settings[key] = setting_of(np.frombuffer(key).tolist())
        return self._case(self._settings[key])

    def _fill(self, designs: np.ndarray, out: np.ndarray) -> None:
        """Evaluate setting after setting, then put the designs back in order."""
        codes = np.ascontiguousarray(designs).view(np.float64).reshape(len(designs), -1)
        n_hardware = codes.shape[1] - len(KNOB_NAMES)
        keys = np.ascontiguousarray(codes[:, n_hardware:]).view(f"V{8 * len(KNOB_NAMES)}")[:, 0]
        distinct, group = np.unique(keys, return_inverse=True)
        order = np.argsort(group, kind="stable")
        hardware = np.ascontiguousarray(codes[order, :n_hardware]).view(self.family.space.dtype)[:, 0]
        inner = np.repeat(self._blank, len(designs))
        quality = np.empty((len(designs), len(self.metrics) - len(self.family.metrics)))
        end = 0
        for key, count in zip(distinct, np.bincount(group), strict=True):
            part = slice(end, end + count)
            case, end = self._case_of(key.tobytes()), part.stop
            quality[part], inner["why"][part] = case.quality, case.why
            if case.operators is not None:
                self._drive(hardware[part], case.operators, self._tasks, self._technology, inner[part])
        quality[~inner["feasible"]] = np.nan
        for name in self._inner.names or ():
            out[name][order] = inner[name]
        for name, column in zip(QUALITY_NAMES, quality.T, strict=False):
            out[name][order] = column


def judges_quality(objective: Objective) -> bool:
    """Whether an objective or a constraint asks for quality."""
    expressions = (*objective.expressions, *(constraint.expression for constraint in objective.constraints))
    return any(name in QUALITY_NAMES for expression in expressions for name in expression.names)


def is_joint(family: Family, names: Sequence[str]) -> bool:
    """Whether any of these parameters is of the joint space alone."""
    return any(name not in family.space.names for name in names if name in family.joint_space.names)


def searched(evaluator: Evaluator, choices: Choices | None) -> dict[str, Any]:
    """The choices that a search is over where quality counts: those asked for, and of other compression parameters
    every choice that some supported setting has.
    """
    asked = dict(choices or {})
    if not isinstance(evaluator, JointEvaluator) or evaluator.judge is None:
        return asked  # a cost model that has learned quality
    # One's own function may be a measurement: it is asked while searching, not beforehand.
    ask_first = evaluator.judge.function == "published"
    return {**offered(evaluator.supported if ask_first else evaluator.applicable), **asked}


def uncompressed(space: DesignSpace, choices: Choices | None) -> dict[str, Any]:
    """The choices where quality does not count: nothing is compressed beyond what was asked for."""
    return {name: value for name, value in DEFAULTS.items() if name in space.names} | dict(choices or {})
