"""Objectives: metrics in, rewards, objective values and constraint violations out.

    Objective("latency_s*energy_j", constraints=["area_mm2<=50"])
    Objective(["latency_s", "energy_j"])                            # several: Pareto mode

Every objective is minimised. Expressions use the names of metrics, numbers, + - * / **, and log, sqrt, min, max.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from archgym.errors import InputError, unknown

FloatArray = NDArray[np.float64]

_FUNCTIONS = {"log": np.log, "sqrt": np.sqrt, "min": np.minimum, "max": np.maximum}
_ARGUMENTS = {"log": 1, "sqrt": 1, "min": 2, "max": 2}  # NumPy would write into one more
_ARRAYS: dict[str, Any] = {"__builtins__": {}} | _FUNCTIONS
_FLOATS: dict[str, Any] = {"__builtins__": {}, "log": math.log, "sqrt": math.sqrt, "min": min, "max": max}
_NODES = (
    ast.Expression,
    ast.BinOp,
    ast.UnaryOp,
    ast.Call,
    ast.Name,
    ast.Load,
    ast.Constant,
    ast.Add,
    ast.Sub,
    ast.Mult,
    ast.Div,
    ast.Pow,
    ast.USub,
    ast.UAdd,
)
_CONSTRAINT = re.compile(r"(?P<expression>[^<>=]+)(?P<relation><=|>=)(?P<bound>[^<>=]+)")


@dataclass(frozen=True)
class Expression:
    """A checked arithmetic expression over metrics."""

    text: str
    names: tuple[str, ...]
    _code: Any

    @classmethod
    def parse(cls, text: str) -> Expression:
        """Check and compile.

        Raises:
            InputError: not an arithmetic expression.
        """
        try:
            tree = ast.parse(text.strip(), mode="eval")
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            reason = error.args[0] if error.args else "it is too deep"
            raise InputError(f"cannot read the expression {text[:200]!r}: {reason}") from None
        calls = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
        for node in ast.walk(tree):
            if not isinstance(node, _NODES) or (isinstance(node, ast.Constant) and not _is_finite(node.value)):
                raise InputError(f"{text!r}: only metrics, numbers, + - * / ** and {', '.join(_FUNCTIONS)} can be used")
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                _check_call(text, node)
        names = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and id(n) not in calls}
        if not names:
            raise InputError(f"{text!r} is the same for every design: use a metric in it")
        tree = ast.fix_missing_locations(_Floats().visit(tree))
        for node in ast.walk(tree):
            if isinstance(node, ast.expr) and not names & {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}:
                _check_constant(text, node)
        return cls(text.strip(), tuple(sorted(names)), compile(tree, "objective", "eval"))

    def __call__(self, metrics: np.ndarray) -> FloatArray:
        """Values [N]; NaN for infeasible designs."""
        value = eval(self._code, _ARRAYS, {name: metrics[name] for name in self.names})
        return value if isinstance(value, np.ndarray) else np.full(len(metrics), float(value))

    def of(self, values: Mapping[str, float]) -> float:
        """Value of one design: many times faster than an array of one; NaN where it is not defined."""
        try:
            return float(eval(self._code, _FLOATS, values))
        except (ArithmeticError, ValueError, TypeError):  # TypeError: a negative number to a power is complex
            return math.nan


class _Floats(ast.NodeTransformer):
    """Numbers as floats: powers of whole ones may fill the memory."""

    def visit_Constant(self, node: ast.Constant) -> ast.Constant:
        return ast.Constant(float(node.value))  # type: ignore[arg-type]


def _is_finite(value: object) -> bool:
    try:
        return isinstance(value, int | float) and math.isfinite(value)
    except OverflowError:
        return False


def _check_call(text: str, node: ast.Call) -> None:
    """Refuse a call of anything but a function that there is, with as many arguments as it takes."""
    name = node.func.id if isinstance(node.func, ast.Name) else ast.unparse(node.func)
    if name not in _FUNCTIONS:
        raise unknown("function", name, _FUNCTIONS)
    if len(node.args) != _ARGUMENTS[name]:
        raise InputError(f"{text!r}: {name} takes {_ARGUMENTS[name]}, not {len(node.args)} arguments")


def _check_constant(text: str, node: ast.expr) -> None:
    """Refuse a part without metrics that is no finite number, such as 1/0."""
    if isinstance(node, ast.Name):  # of a function
        return
    try:
        value = eval(compile(ast.Expression(node), "objective", "eval"), _FLOATS)
    except (ArithmeticError, ValueError):
        value = math.nan
    if not _is_finite(value):
        raise InputError(f"{text!r}: {ast.unparse(node)} is no finite number")


@dataclass(frozen=True)
class Constraint:
    """`expression <= bound` or `expression >= bound`."""

    expression: Expression
    relation: str
    bound: float

    @classmethod
    def parse(cls, text: str) -> Constraint:
        """Read `area_mm2<=50`.

        Raises:
            InputError: not of that form, a bound that is no number, or one that no design can meet.
        """
        match = _CONSTRAINT.fullmatch(text.strip())
        if match is None:
            raise InputError(f"constraint {text!r} is not of the form METRIC<=NUMBER or METRIC>=NUMBER")
        try:
            bound = float(match["bound"])
        except ValueError:
            bound = np.nan
        if not np.isfinite(bound):
            raise InputError(f"constraint {text!r}: the bound {match['bound'].strip()!r} is not a finite number")
        expression = Expression.parse(match["expression"])
        signed = _is_quality(expression.text)  # a compressed network may lose nothing, or even gain
        if match["relation"] == "<=" and bound <= 0 and expression.text.isidentifier() and not signed:
            raise InputError(f"constraint {text!r} cannot be met: every metric is positive")
        return cls(expression, match["relation"], bound)

    def __str__(self) -> str:
        return f"{self.expression.text}{self.relation}{self.bound:g}"

    def violation(self, metrics: np.ndarray) -> FloatArray:
        """How far each design [N] is outside, relative to the bound (a quality loss: to 0.1 at least); 0 when met, NaN
        when infeasible.
        """
        return self._relative(self.expression(metrics))

    def _relative(self, value: Any) -> Any:
        """Violation of a value or an array of values; NaN stays NaN."""
        excess = value - self.bound if self.relation == "<=" else self.bound - value
        least = QUALITY_UNIT if _is_quality(self.expression.text) else 1e-12
        return excess * (excess > 0) / max(abs(self.bound), least)

    def violation_of(self, values: Mapping[str, float]) -> float:
        """`violation` of one design."""
        return float(self._relative(self.expression.of(values)))


# Rewards of one objective: values [N] (minimised) to rewards [N], larger is better, finite for every finite value.


def log_reward(values: FloatArray, target: float) -> FloatArray:
    """-log10(value / target): equal factors are equal steps. For objectives that are positive."""
    return math.log10(target) - np.log10(np.maximum(values, 1e-30 * target))


def quality_reward(values: FloatArray, _target: float) -> FloatArray:
    """-loss / ln 10: the log reward of a quality loss, which is the logarithm of a ratio already and may be 0."""
    return -values / math.log(10)


def linear_reward(values: FloatArray, target: float) -> FloatArray:
    """-value / target. For objectives that may be zero or negative."""
    return -np.minimum(np.maximum(values / target, -1e30), 1e30)


def target_reward(values: FloatArray, target: float) -> FloatArray:
    """Target / max(|target - value|, 1 % of target), ArchGym's reward (ISCA 2023, table 3) with its pole cut off."""
    return np.abs(target) / np.maximum(np.abs(target - values), 0.01 * np.abs(target))


REWARDS: dict[str, Callable[[FloatArray, float], FloatArray]] = {
    "log": log_reward,
    "linear": linear_reward,
    "target": target_reward,
}
INFEASIBLE_REWARD = -40.0  # below any log reward; learners that mind its size normalise rewards
QUALITY_UNIT = 0.1  # of loss counts as 100 % of violation where the bound is smaller, as 0 may be one
VIOLATION_WEIGHT = 10.0  # decades (log reward) lost per 100 % of violation


class Outcome(NamedTuple):
    """What an agent is told of N designs.

    Attributes:
        metrics: record array [N].
        rewards: [N], finite, larger is better; several objectives are averaged.
        objectives: [N, K], minimised; NaN where infeasible.
        violation: [N], 0 where all constraints are met, infinite where infeasible.
    """

    metrics: np.ndarray
    rewards: FloatArray
    objectives: FloatArray
    violation: FloatArray

    @property
    def valid(self) -> NDArray[np.bool_]:
        """Feasible and within all constraints: [N]."""
        return self.violation == 0

    @property
    def scores(self) -> FloatArray:
        """First objective [N], infinite where not valid: the smallest is the best design."""
        return np.where(self.valid, self.objectives[:, 0], np.inf)


class Objective:
    """One or several expressions to minimise under constraints.

    Args:
        expressions: an expression, or several for Pareto mode.
        constraints: inequalities over metrics.
        reward: name in REWARDS; with target `t` the objective is measured in units of `t`.
        target: a positive number.
    """

    def __init__(
        self,
        expressions: str | Sequence[str],
        constraints: Sequence[str] = (),
        reward: str = "log",
        target: float = 1.0,
    ) -> None:
        listed = [expressions] if isinstance(expressions, str) else list(expressions)
        if not listed:
            raise InputError("an objective needs at least one expression")
        if reward not in REWARDS:
            raise unknown("reward", reward, REWARDS)
        if not (np.isfinite(target) and target > 0):
            raise InputError(f"the reward's target must be a positive number, not {target!r}")
        self.expressions = tuple(map(Expression.parse, listed))
        self.constraints = tuple(map(Constraint.parse, constraints))
        self.reward, self.target = reward, float(target)
        of_loss = quality_reward if reward == "log" else REWARDS[reward]
        self._rewards = [of_loss if _is_quality(name) else REWARDS[reward] for name in self.names]
        _reject_contradictions(self.constraints)

    def __len__(self) -> int:
        return len(self.expressions)

    def __repr__(self) -> str:
        return f"Objective({self.names}, {[str(c) for c in self.constraints]}, {self.reward!r})"

    @property
    def names(self) -> list[str]:
        """Text of each expression."""
        return [expression.text for expression in self.expressions]

    @property
    def metrics(self) -> list[str]:
        """Names of the metrics used, each once, those of objectives first."""
        expressions = (*self.expressions, *(constraint.expression for constraint in self.constraints))
        return list(dict.fromkeys(name for expression in expressions for name in expression.names))

    def check(self, known: Sequence[str]) -> None:
        """Check the metrics used against those an environment has.

        Raises:
            UnknownNameError: an expression uses a metric that is not known.
        """
        for name in self.metrics:
            if name not in known:
                raise unknown("metric", name, known)

    def measure(self, metrics: np.ndarray) -> tuple[FloatArray, FloatArray]:
        """Objectives [N, K] and violation [N], as in Outcome."""
        with np.errstate(all="ignore"):
            columns = [expression(metrics) for expression in self.expressions]
            violation = np.where(metrics["feasible"], 0.0, np.inf) + 0.0 * sum(columns[1:], columns[0])
            for constraint in self.constraints:
                violation = violation + constraint.violation(metrics)
        # NaN comes from an objective that is not finite; fmin takes infinity for it.
        return np.array(columns).T, np.fmin(violation, np.inf)

    def __call__(self, metrics: np.ndarray) -> Outcome:
        """Judge designs: metrics [N] to an Outcome."""
        objectives, violation = self.measure(metrics)
        pairs = zip(self._rewards, objectives.T, strict=True)
        columns = [reward(column, self.target) for reward, column in pairs]
        rewards = sum(columns[1:], columns[0]) / len(columns) - VIOLATION_WEIGHT * violation
        # NaN and -infinity both stand for infeasible; fmax takes the number of the two.
        return Outcome(metrics, np.fmax(rewards, INFEASIBLE_REWARD), objectives, violation)

    def judge(self, values: Mapping[str, float]) -> tuple[float, float]:
        """Reward and violation of one feasible design, as `__call__` on an array of one but many times faster."""
        objectives = [expression.of(values) for expression in self.expressions]
        violation = sum(constraint.violation_of(values) for constraint in self.constraints)
        if not math.isfinite(violation + sum(objectives)):
            return INFEASIBLE_REWARD, math.inf
        pairs = zip(self._rewards, objectives, strict=True)
        rewards = [float(reward(np.asarray(value), self.target)) for reward, value in pairs]
        return max(sum(rewards) / len(rewards) - VIOLATION_WEIGHT * violation, INFEASIBLE_REWARD), violation


def _is_quality(text: str) -> bool:
    """Whether an expression is a quality metric alone."""
    return text.isidentifier() and text.startswith("quality_")


def _reject_contradictions(constraints: Sequence[Constraint]) -> None:
    """Refuse two bounds on one expression that leave nothing between them."""
    for low in (c for c in constraints if c.relation == ">="):
        for high in (c for c in constraints if c.relation == "<=" and c.expression.text == low.expression.text):
            if low.bound > high.bound:
                raise InputError(f"constraints {str(low)!r} and {str(high)!r} cannot both be met")
