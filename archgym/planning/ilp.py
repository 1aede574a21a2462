"""The integer program of a block, solved by HiGHS (Huangfu and Hall, Math. Prog. Comp. 10, 2018) through SciPy.

Steps 0 ... n-1 run one layer each. Variables (docs/planning.md writes the program out):

    z[v, i] = 1: layer v runs at step i                                  i from its earliest to its latest step
    y[t, i] = 1: tensor t lies in the scratchpad during step i           from its making to its last read
    h[t, v, i]: layer v runs at step i and finds t on chip               at most z[v, i], y[t, i] and y[t, i - 1]
    w[t]: t is written off the chip                                      at least 1 - sum of h over each of its reads

A step window of one step fixes a layer's place: the program for a given order is the same with all windows so.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from archgym.errors import missing_extra
from archgym.planning.blocks import Problem, relatives

Window = tuple[int, int]
Key = tuple[Any, ...]  # of a variable: its letter and indices
BITS = 8  # bytes times this are whole numbers


@dataclass(frozen=True)
class Found:
    """What the solver found: an order and its hits, or None, and a lower bound of the bytes above the fixed ones."""

    order: tuple[int, ...] | None
    hits: frozenset[tuple[int, int]]
    bound: float


@dataclass
class _Program:
    """Columns and rows of a sparse program under construction; columns are keyed by what they mean."""

    columns: dict[Key, int] = field(default_factory=dict)
    costs: list[float] = field(default_factory=list)
    upper: list[float] = field(default_factory=list)
    lower: list[float] = field(default_factory=list)
    integer: list[int] = field(default_factory=list)
    entries: list[tuple[int, int, float]] = field(default_factory=list)
    bounds: list[tuple[float, float]] = field(default_factory=list)

    def column(self, key: Key, *, cost: float = 0.0, integer: bool = False, fixed: int | None = None) -> None:
        """A variable from 0 to 1, or fixed."""
        self.columns[key] = len(self.costs)
        self.costs.append(cost)
        self.integer.append(int(integer))
        self.lower.append(0.0 if fixed is None else fixed)
        self.upper.append(1.0 if fixed is None else fixed)

    def row(self, terms: Sequence[tuple[Key, float]], low: float, high: float) -> None:
        """Low <= sum of the terms <= high; variables that do not exist are 0."""
        self.entries += [(len(self.bounds), self.columns[key], value) for key, value in terms if key in self.columns]
        self.bounds.append((low, high))


def require_solver() -> None:
    """Check that SciPy is there.

    Raises:
        MissingExtraError: it is not.
    """
    try:
        import scipy.optimize
        import scipy.sparse  # noqa: F401
    except ImportError as error:
        raise missing_extra("memory planning by integer programming", "planning", error) from error


def every_window(problem: Problem) -> list[Window]:
    """Earliest and latest step of each layer: after all its ancestors, before all its descendants."""
    before, after = relatives(range(problem.layers), problem.edges)
    last = problem.layers - 1
    return [(before[v].bit_count(), last - after[v].bit_count()) for v in range(problem.layers)]


def given_windows(problem: Problem) -> list[Window]:
    """Each layer at its place in the given order."""
    return [(v, v) for v in range(problem.layers)]


def variables(problem: Problem, windows: Sequence[Window]) -> int:
    """Number of variables of the program, to tell whether it is worth building."""
    steps = sum(high - low + 1 for low, high in windows)
    for tensor in problem.tensors:
        low, high = _span(problem, tensor, windows)
        steps += high - low + 1 + sum(windows[v][1] - windows[v][0] + 1 for v, _, _ in tensor.reads)
    return steps


def solve(
    problem: Problem, windows: Sequence[Window], enters: int, leaves: int, below: float, time_limit_s: float
) -> Found:
    """The least traffic of a block: bytes of misses and of stores that they cause.

    Args:
        problem: the block.
        windows: steps that each layer may run at.
        enters, leaves: 1 when the tensor from the block before is on chip, and when the one that goes on has to be.
        below: bytes that a solution must stay under.
        time_limit_s: of the solver.

    Raises:
        MissingExtraError: SciPy is not installed.
    """
    require_solver()
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import csr_array

    program, unit = _program(problem, windows, enters, leaves, below)
    constant = sum(cost for tensor in problem.tensors for _, cost, _ in tensor.reads)
    rows, columns, values = zip(*program.entries, strict=True)
    matrix = csr_array((values, (rows, columns)), shape=(len(program.bounds), len(program.costs)))
    low, high = np.array(program.bounds).T
    result = milp(
        np.array(program.costs),
        integrality=np.array(program.integer),
        bounds=Bounds(np.array(program.lower), np.array(program.upper)),
        constraints=LinearConstraint(matrix, low, high),
        options={"time_limit": max(time_limit_s, 0.01), "mip_rel_gap": 0.0},
    )
    if result.status == 2:  # infeasible: nothing under `below`
        return Found(None, frozenset(), below)
    bound = constant + result.mip_dual_bound * unit if result.mip_dual_bound is not None else 0.0
    bound = max(bound, 0.0) if math.isfinite(bound) else 0.0
    if result.x is None:
        return Found(None, frozenset(), bound)
    return Found(*_read_out(problem, program, windows, result.x), bound)


def _span(problem: Problem, tensor: Any, windows: Sequence[Window]) -> Window:
    """First and last step at which a tensor may lie in the scratchpad; -1 is before the block."""
    first = windows[tensor.producer][0] if tensor.producer >= 0 else -1
    last = problem.layers - 1 if tensor.last else max(windows[v][1] for v, _, _ in tensor.reads)
    return first, last


def _program(
    problem: Problem, windows: Sequence[Window], enters: int, leaves: int, below: float
) -> tuple[_Program, float]:
    """The program, with costs in units of `unit` bytes: whole numbers as small as they get."""
    program = _Program()
    for v, (low, high) in enumerate(windows):
        for i in range(low, high + 1):
            program.column(("z", v, i), integer=True, fixed=1 if low == high else None)
    costs = [tensor.store for tensor in problem.tensors]
    costs += [cost for tensor in problem.tensors for _, cost, _ in tensor.reads]
    unit = _common(costs) or 1.0
    for t, tensor in enumerate(problem.tensors):
        _tensor(program, problem, windows, t, enters, leaves, unit)
        program.column(("w", t), cost=tensor.store / unit)
        for v, _, _ in tensor.reads:
            hits = [(("h", t, v, i), 1.0) for i in range(windows[v][0], windows[v][1] + 1)]
            program.row([(("w", t), 1.0), *hits], 1.0, np.inf)
    _order(program, problem, windows)
    grain = _common([tensor.size for tensor in problem.tensors]) or 1.0
    for i in range(problem.layers):
        sizes = [(("y", t, i), tensor.size / grain) for t, tensor in enumerate(problem.tensors)]
        program.row(sizes, 0.0, math.floor(problem.scratchpad_bytes / grain))
    constant = sum(cost for tensor in problem.tensors for _, cost, _ in tensor.reads)
    if math.isfinite(below):
        objective = [(key, program.costs[column]) for key, column in program.columns.items() if program.costs[column]]
        program.row(objective, -np.inf, (below - constant) / unit - 0.5)  # costs are whole: strictly below
    return program, unit


def _tensor(
    program: _Program, problem: Problem, windows: Sequence[Window], t: int, enters: int, leaves: int, unit: float
) -> None:
    """Where a tensor may lie, and which reads find it."""
    tensor = problem.tensors[t]
    first, last = _span(problem, tensor, windows)
    for i in range(first, last + 1):
        end = leaves if tensor.last and i == problem.layers - 1 else None
        program.column(("y", t, i), integer=True, fixed=enters if i < 0 else end)
    for v, cost, _ in tensor.reads:
        for i in range(windows[v][0], windows[v][1] + 1):
            program.column(("h", t, v, i), cost=-cost / unit)
            for above in (("z", v, i), ("y", t, i), ("y", t, i - 1)):
                program.row([(("h", t, v, i), 1.0), (above, -1.0)], -np.inf, 0.0)
    for i in range(max(first, 0), last + 1):  # it appears when it is made, or when a miss fetches all of it
        made = ("z", tensor.producer, i)
        terms: list[tuple[Key, float]] = [(("y", t, i), 1.0), (("y", t, i - 1), -1.0), (made, -1.0)]
        for v, _, whole in tensor.reads:
            if whole:
                terms += [(("z", v, i), -1.0), (("h", t, v, i), 1.0)]
        program.row(terms, -np.inf, 0.0)


def _order(program: _Program, problem: Problem, windows: Sequence[Window]) -> None:
    """Each layer runs once, each step runs one layer, and no layer before what it needs."""
    for v, (low, high) in enumerate(windows):
        program.row([(("z", v, i), 1.0) for i in range(low, high + 1)], 1.0, 1.0)
    for i in range(problem.layers):
        program.row([(("z", v, i), 1.0) for v in range(problem.layers)], 1.0, 1.0)
    for source, target in problem.edges:
        for i in range(windows[target][0], min(windows[target][1], windows[source][1]) + 1):
            done = [(("z", target, j), 1.0) for j in range(windows[target][0], i + 1)]
            ready = [(("z", source, j), -1.0) for j in range(windows[source][0], i)]
            program.row(done + ready, -np.inf, 0.0)


def _read_out(
    problem: Problem, program: _Program, windows: Sequence[Window], x: np.ndarray
) -> tuple[tuple[int, ...], frozenset[tuple[int, int]]]:
    """Order and hits of a solution: a read hits when its tensor lies there before and during its step."""
    value = {key: x[column] > 0.5 for key, column in program.columns.items()}
    step = {v: next(i for i in range(low, high + 1) if value["z", v, i]) for v, (low, high) in enumerate(windows)}
    hits = {
        (t, v)
        for t, tensor in enumerate(problem.tensors)
        for v, _, _ in tensor.reads
        if value.get(("y", t, step[v])) and value.get(("y", t, step[v] - 1))
    }
    return tuple(sorted(step, key=step.__getitem__)), frozenset(hits)


def _common(values: Sequence[float]) -> float:
    """The greatest common divisor of some byte counts, to an eighth of a byte."""
    return math.gcd(*(round(value * BITS) for value in values)) / BITS
