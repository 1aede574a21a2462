"""Design spaces: one table of parameters, one codec.

A design travels as `indices` [P] (which choice of each parameter): that is all agents exchange. Cost models read
`designs`, a record array with one float64 field per parameter: the value itself for an ordinal parameter, the
position in the vocabulary for a categorical one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from archgym.errors import InputError, unknown

if TYPE_CHECKING:
    import gymnasium
    import optuna

Value = float | int | str
Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Parameter:
    """One row of the parameter table.

    Attributes:
        name: field name, with its unit (`sram_kib`).
        choices: every value that can be chosen: increasing numbers (ordinal) or names (categorical).
        kind: ordinal (neighbouring choices are alike) or categorical.
        unit: printed behind the value.
        doc: one line for tables.
        vocabulary: all names a categorical parameter knows, also where `choices` was restricted.
    """

    name: str
    choices: tuple[Value, ...]
    kind: Literal["ordinal", "categorical"] = "ordinal"
    unit: str = ""
    doc: str = ""
    vocabulary: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "choices", tuple(self.choices))
        if not self.choices or len(set(self.choices)) != len(self.choices):
            raise InputError(f"parameter {self.name!r} needs at least one choice and no repeated ones")
        if self.kind == "categorical":
            object.__setattr__(self, "vocabulary", self.vocabulary or tuple(map(str, self.choices)))
        elif list(self.codes) != sorted(self.codes):
            raise InputError(f"the choices of ordinal parameter {self.name!r} must increase")

    @property
    def codes(self) -> list[float]:
        """The float64 that stands for each choice in a design record."""
        return [self.code(choice) for choice in self.choices]

    def code(self, value: object) -> float:
        """The float64 that stands for `value`, which need not be among the choices of an ordinal parameter.

        Raises:
            InputError: not a positive finite number, nor a choice of 0 (ordinal); not in the vocabulary (categorical).
        """
        if self.kind == "categorical":
            if value not in self.vocabulary:
                raise unknown(f"value of {self.name}", value, self.vocabulary)
            return float(self.vocabulary.index(str(value)))
        try:
            number = float(value)  # type: ignore[arg-type]
        except (TypeError, ValueError):
            number = math.nan
        none = number == 0 and 0 in self.choices  # a parameter may offer none of something
        if isinstance(value, bool) or not ((math.isfinite(number) and number > 0) or none):
            raise InputError(f"{self.name} must be a positive number, not {value!r} (choices: {_listed(self.choices)})")
        return number

    def value(self, code: float) -> Value:
        """The value that `code` stands for: inverse of `code`."""
        if self.kind == "categorical":
            return self.vocabulary[int(code)]
        return int(code) if float(code).is_integer() else float(code)

    def index(self, value: object) -> int:
        """The position of `value` among the choices.

        Raises:
            InputError: it is none of them; names the nearest.
        """
        code = self.code(value)
        if code in self.codes:
            return self.codes.index(code)
        if self.kind == "categorical":
            raise unknown(f"value of {self.name}", value, self.choices)
        nearest = min(self.choices, key=lambda choice: abs(self.code(choice) - code))
        raise InputError(f"{self.name}={value} is no choice; nearest is {nearest} (choices: {_listed(self.choices)})")


class _Features(NamedTuple):
    """How features are laid out: ordinal columns and scales; categorical columns, offsets, feature of each choice."""

    ordinal: NDArray[np.int64]
    scales: NDArray[np.float32]
    categorical: NDArray[np.int64]
    offsets: NDArray[np.int64]
    target: NDArray[np.int64]
    owner: NDArray[np.int64]


class DesignSpace:
    """The product of the choices of its parameters.

    Attributes:
        parameters: the table, in order; P = len(parameters).
        fixed: parameters of a design that this space does not vary: they stay at their first choice, and
            `design` takes them as options.
        dtype: record type of `designs`: one float64 field per parameter, then per fixed one.
    """

    def __init__(self, parameters: Iterable[Parameter], fixed: Iterable[Parameter] = ()) -> None:
        self.parameters, self.fixed = tuple(parameters), tuple(fixed)
        self.names = tuple(parameter.name for parameter in self.parameters)
        fields = [*self.names, *(parameter.name for parameter in self.fixed)]
        if len(set(fields)) != len(fields) or not self.names:
            raise InputError("a design space needs parameters with distinct names")
        self.shape = np.array([len(parameter.choices) for parameter in self.parameters], np.int64)
        self.size = math.prod(int(n) for n in self.shape)
        if self.size >= 2**63:
            raise InputError(f"a design space of {self.size:.2g} designs cannot be ranked in 64 bits")
        self.dtype = np.dtype([(name, np.float64) for name in fields])
        self._limits = self.shape.view(np.uint64)
        self._offsets = np.concatenate([[0], np.cumsum(self.shape)[:-1]])
        self._codes = np.concatenate([parameter.codes for parameter in self.parameters])
        self._fixed = np.array([parameter.codes[0] for parameter in self.fixed])
        self._strides = np.append(np.cumprod(self.shape[::-1])[::-1][1:], 1)

    def __len__(self) -> int:
        return len(self.parameters)

    def __getitem__(self, name: str) -> Parameter:
        if name not in self.names:
            raise unknown("parameter", name, self.names)
        return self.parameters[self.names.index(name)]

    def __repr__(self) -> str:
        return f"DesignSpace({len(self)} parameters, {self.size:.3g} designs)"

    # -- indices <-> designs

    def check(self, indices: Any) -> Indices:
        """Return `indices` as int64 [N, P].

        Raises:
            InputError: wrong shape, not whole numbers, or out of range.
        """
        array = np.asarray(indices)
        if array.ndim != 2 or array.shape[1] != len(self) or array.dtype.kind not in "iu":
            raise InputError(f"indices must be integers [N, {len(self)}], not {array.dtype} {list(array.shape)}")
        if array.dtype != np.int64:
            array = array.astype(np.int64)
        outside = array.view(np.uint64) >= self._limits  # a negative index wraps to a huge one
        if np.count_nonzero(outside):
            row, column = np.argwhere(outside)[0]
            limit = self.shape[column] - 1
            raise InputError(f"index {array[row, column]} of {self.names[column]} in row {row} is outside 0..{limit}")
        return array

    def decode(self, indices: Any) -> np.recarray:
        """Indices [N, P] to designs [N].

        Raises:
            InputError: wrong shape, type or range.
        """
        return self.records(self.check(indices)).view(np.recarray)

    def records(self, indices: Indices) -> np.ndarray:
        """`decode` of indices known to be right, as a plain structured array [N]: the fast path."""
        codes = self._codes.take(indices + self._offsets)
        if self.fixed:
            varied, codes = codes, np.empty((len(codes), len(self) + len(self.fixed)))
            codes[:, : len(self)] = varied
            codes[:, len(self) :] = self._fixed
        return codes.view(self.dtype)[:, 0]

    def encode(self, designs: np.ndarray) -> Indices:
        """Designs [N] to indices [N, P]: the inverse of `decode`.

        Raises:
            InputError: a value that is no choice of its parameter.
        """
        for parameter, code in zip(self.fixed, self._fixed, strict=True):
            if (designs[parameter.name] != code).any():
                raise InputError(f"{parameter.name} is {parameter.choices[0]} in all designs of this space")
        columns = []
        for parameter in self.parameters:
            codes = np.array(parameter.codes)
            order = np.argsort(codes)  # a restricted categorical parameter may list its codes in any order
            position = np.searchsorted(codes[order], designs[parameter.name]).clip(0, len(codes) - 1)
            column = order[position]
            for wrong in np.flatnonzero(codes[column] != designs[parameter.name])[:1]:
                parameter.index(parameter.value(designs[parameter.name][wrong]))
            columns.append(column)
        return np.stack(columns, axis=1).astype(np.int64)

    def values(self, designs: np.ndarray) -> list[dict[str, Value]]:
        """Designs [N] as dictionaries of plain values, for people and files; fixed ones where they were set."""
        shown = []
        for design in np.atleast_1d(designs):
            own = [p for p, code in zip(self.fixed, self._fixed, strict=True) if design[p.name] != code]
            shown.append({p.name: p.value(design[p.name]) for p in (*self.parameters, *own)})
        return shown

    def design(self, values: Mapping[str, object]) -> np.recarray:
        """One design [1] from plain values; ordinal values need not be among the choices (a published machine).

        Raises:
            InputError: a parameter is missing or unknown, or a value is of the wrong type.
        """
        known = self.dtype.names or ()
        for name in values:
            if name not in known:
                raise unknown("parameter", name, known)
        if missing := [name for name in self.names if name not in values]:
            raise InputError(f"the design lacks {', '.join(missing)}")
        given = {parameter.name: parameter.choices[0] for parameter in self.fixed} | dict(values)
        codes = np.array([[parameter.code(given[parameter.name]) for parameter in (*self.parameters, *self.fixed)]])
        return codes.view(self.dtype).reshape(-1).view(np.recarray)

    # -- walking the space

    def sample(self, n: int, rng: np.random.Generator) -> Indices:
        """Draw `n` designs uniformly: indices [n, P]."""
        return rng.integers(0, self.shape, (n, len(self)))

    def rank(self, indices: Indices) -> NDArray[np.int64]:
        """Position [N] of each design in the order of `enumerate`: one number that identifies a design."""
        return indices @ self._strides

    def unrank(self, ranks: Any) -> Indices:
        """Indices [N, P] of the designs at these positions: the inverse of `rank`."""
        return np.asarray(ranks, np.int64)[:, None] // self._strides % self.shape

    def enumerate(self, chunk: int = 65536) -> Iterator[Indices]:
        """All designs in order, as indices [<= chunk, P] at a time."""
        for start in range(0, self.size, chunk):
            yield self.unrank(np.arange(start, min(start + chunk, self.size)))

    def neighbours(self, index: Any) -> Indices:
        """The designs [n, P] one move away: the next smaller or larger ordinal choice, any other categorical one."""
        index = self.check(np.atleast_2d(index))[0]
        moves = []
        for column, parameter in enumerate(self.parameters):
            here = int(index[column])
            near = (here - 1, here + 1) if parameter.kind == "ordinal" else range(len(parameter.choices))
            moves += [(column, there) for there in near if there != here and 0 <= there < self.shape[column]]
        result = np.repeat(index[None], len(moves), axis=0)
        for row, (column, there) in zip(result, moves, strict=True):
            row[column] = there
        return result

    @cached_property
    def centre(self) -> Indices:
        """The design [P] in the middle of every parameter's choices."""
        return self.shape // 2

    def restrict(self, **choices: Sequence[Value] | Value) -> DesignSpace:
        """A smaller space, in which each named parameter takes only the given choices.

        Raises:
            InputError: unknown parameter, or a value that is no choice of it.
        """
        chosen = {}
        for name, values in choices.items():
            parameter = self[name]
            listed = [values] if isinstance(values, str | int | float) else list(values)
            keep = {parameter.index(value) for value in listed}
            chosen[name] = replace(parameter, choices=tuple(parameter.choices[i] for i in sorted(keep)))
        return DesignSpace((chosen.get(parameter.name, parameter) for parameter in self.parameters), self.fixed)

    # -- what learners see

    @cached_property
    def _features(self) -> _Features:
        kinds = np.array([parameter.kind for parameter in self.parameters])
        ordinal, categorical = np.flatnonzero(kinds == "ordinal"), np.flatnonzero(kinds == "categorical")
        widths = [len(self.parameters[column].vocabulary) for column in categorical]
        starts = len(ordinal) + np.concatenate([[0], np.cumsum(widths)]).astype(np.int64)
        target = self._codes.astype(np.int64)
        for column, start in zip(categorical, starts, strict=False):
            target[self._offsets[column] :][: self.shape[column]] += start
        owner = np.concatenate([ordinal, np.repeat(categorical, widths)]).astype(np.int64)
        scales = (1.0 / np.maximum(self.shape[ordinal] - 1, 1)).astype(np.float32)
        return _Features(ordinal, scales, categorical, self._offsets[categorical], target, owner)

    @property
    def feature_owner(self) -> NDArray[np.int64]:
        """Which parameter each of the F features describes: [F]."""
        return self._features.owner

    def features(self, indices: Indices) -> NDArray[np.float32]:
        """Features [N, F] in 0..1: the ranks of ordinal choices, then one-hot codes of categorical ones."""
        if len(indices) < 16:  # fewer, larger NumPy calls: twice as fast for one design, slower for many
            return np.add.reduce(self._feature_table.take(indices + self._offsets, axis=0), axis=1)
        return self._spread(indices)

    @cached_property
    def _feature_table(self) -> NDArray[np.float32]:
        """What each choice of each parameter adds to the features: [choices of all parameters, F]."""
        rows = []
        for column, count in enumerate(self.shape):
            indices = np.zeros((count, len(self)), np.int64)
            indices[:, column] = np.arange(count)
            rows.append(np.where(self.feature_owner == column, self._spread(indices), np.float32(0)))
        return np.concatenate(rows)

    def _spread(self, indices: Indices) -> NDArray[np.float32]:
        table = self._features
        result = np.zeros((len(indices), len(table.owner)), np.float32)
        result[:, : len(table.ordinal)] = indices.take(table.ordinal, axis=1) * table.scales
        hot = table.target.take(indices.take(table.categorical, axis=1) + table.offsets)
        hot += np.arange(0, result.size, result.shape[1])[:, None]
        result.reshape(-1)[hot] = 1
        return result

    def gymnasium(self) -> gymnasium.spaces.MultiDiscrete:
        """The space of indices [P] as a Gymnasium action space."""
        import gymnasium

        return gymnasium.spaces.MultiDiscrete(self.shape)

    def optuna(self) -> dict[str, optuna.distributions.BaseDistribution]:
        """Optuna distributions over indices: integers keep the order of ordinal choices, which samplers use."""
        from optuna.distributions import CategoricalDistribution, IntDistribution

        return {
            p.name: IntDistribution(0, len(p.choices) - 1)
            if p.kind == "ordinal"
            else CategoricalDistribution(range(len(p.choices)))
            for p in self.parameters
        }

    def ray(self) -> dict[str, Any]:
        """Ray Tune domains over indices, by parameter name."""
        try:
            from ray import tune
        except ImportError as error:
            from archgym.errors import missing_extra

            raise missing_extra("a Ray Tune space", "ray", error) from error
        return {name: tune.randint(0, int(n)) for name, n in zip(self.names, self.shape, strict=True)}


def _listed(choices: Iterable[Value]) -> str:
    return ", ".join(map(str, choices))
