"""What a data set holds: its columns, their types and units, and how rows become a table.

One row per labelled design: `workload`; `design_split`, `workload_split` (see splits.py); the value of every parameter;
`i_<parameter>`, the index of that choice in the environment's whole space; every metric, null where infeasible
(`m_<metric>` where a parameter has its name); `feasible`; `why` (code of the reason, "" when feasible); then where it
comes from: `source` (row of `sources` in dataset.json), `sampler`, `agent`, `seed`, `trial`, and `reward` under the
objective of its source.

Every field carries its role and its unit, where it has one, in its Parquet metadata.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from archgym.datasets.splits import DESIGN_SPLITS, design_split
from archgym.envs.evaluator import Evaluator
from archgym.errors import ArchGymError, InputError
from archgym.metrics import Metric
from archgym.objective import FloatArray
from archgym.search.trials import metric_column
from archgym.space import DesignSpace, Indices, Parameter

SCHEMA = 1  # of a data set; a change that old code cannot read means a new number
FEW_CHOICES = 2**15  # indices of up to so many choices are int16

# name, type and role of the columns that every data set has, before and after parameters and metrics
_BEFORE = (
    ("workload", pa.string(), "workload"),
    ("design_split", pa.string(), "split"),
    ("workload_split", pa.string(), "split"),
)
_AFTER = (
    ("feasible", pa.bool_(), "label"),
    ("why", pa.string(), "label"),
    ("source", pa.int32(), "provenance"),
    ("sampler", pa.string(), "provenance"),
    ("agent", pa.string(), "provenance"),
    ("seed", pa.int64(), "provenance"),
    ("trial", pa.int64(), "provenance"),
    ("reward", pa.float64(), "reward"),
)


class DataError(ArchGymError):
    """A data set that is damaged, incomplete or does not hold what it says; names the file and the row."""


class Source(NamedTuple):
    """Where rows come from, as far as their columns say it."""

    number: int
    sampler: str
    agent: str
    seed: int


class Rows(NamedTuple):
    """Labelled designs of one workload and source.

    Attributes:
        indices: [N, P] in the environment's whole space.
        metrics: record array [N].
        rewards: [N].
        first_trial: trial of the first row; the others follow.
    """

    indices: Indices
    metrics: np.ndarray
    rewards: FloatArray
    first_trial: int


@dataclass(frozen=True)
class Layout:
    """The columns of the data sets of one environment.

    Attributes:
        space: the environment's whole space, which indices count in.
        metrics: the labels.
        reasons: text of each `why` code; reasons[0] stands for feasible.
    """

    space: DesignSpace
    metrics: tuple[Metric, ...]
    reasons: tuple[str, ...]

    @classmethod
    def of(cls, evaluator: Evaluator) -> Layout:
        """The layout of what an evaluator labels.

        Raises:
            InputError: two columns would have one name.
        """
        space = DesignSpace(evaluator.space.parameters)
        metrics = [replace(metric, name=metric_column(metric.name, space)) for metric in evaluator.metrics]
        layout = cls(space, tuple(metrics), tuple(evaluator.reasons))
        layout.check()
        return layout

    @classmethod
    def read(cls, info: Mapping[str, Any]) -> Layout:
        """The layout that `as_dict` wrote.

        Raises:
            DataError: what is there is no layout.
        """
        try:
            parameters = [
                Parameter(**row | {"choices": tuple(row["choices"]), "vocabulary": tuple(row["vocabulary"])})
                for row in info["parameters"]
            ]
            metrics = tuple(Metric(**row) for row in info["metrics"])
            layout = cls(DesignSpace(parameters), metrics, tuple(map(str, info["reasons"])))
            layout.check()
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DataError(f"it describes no columns ({error})") from None
        return layout

    def as_dict(self) -> dict[str, Any]:
        """Plain values for dataset.json."""
        return {
            "parameters": [
                vars(parameter) | {"choices": list(parameter.choices), "vocabulary": list(parameter.vocabulary)}
                for parameter in self.space.parameters
            ],
            "metrics": [vars(metric) for metric in self.metrics],
            "reasons": list(self.reasons),
        }

    def check(self) -> None:
        """Refuse columns of one name.

        Raises:
            InputError: which one.
        """
        names = self.arrow.names
        if twice := [name for name in names if names.count(name) > 1]:
            raise InputError(f"a data set cannot hold two columns named {twice[0]!r}")

    @cached_property
    def codes(self) -> list[str]:
        """Text code of each `why`: what stands before the colon of a reason; empty for feasible."""
        return ["", *(reason.partition(":")[0] for reason in self.reasons[1:])]

    @property
    def metric_names(self) -> list[str]:
        """Names of the metric columns."""
        return [metric.name for metric in self.metrics]

    def metric_of(self, column: str) -> str:
        """Name of the environment's metric in a metric column."""
        return next((name for name in self.space.names if metric_column(name, self.space) == column), column)

    @property
    def units(self) -> dict[str, str]:
        """Unit of every parameter and metric, empty for a plain number or a name."""
        parameters = {parameter.name: parameter.unit for parameter in self.space.parameters}
        return parameters | {metric.name: metric.unit for metric in self.metrics}

    @cached_property
    def arrow(self) -> pa.Schema:
        """Fields in order with their role, unit and meaning as metadata."""
        fields = [_field(*column) for column in _BEFORE]
        for parameter in self.space.parameters:
            fields.append(_field(parameter.name, _value_type(parameter), "parameter", parameter.unit))
        for parameter in self.space.parameters:
            small = pa.int16() if len(parameter.choices) < FEW_CHOICES else pa.int64()
            fields.append(_field(f"i_{parameter.name}", small, "index"))
        fields += [_field(metric.name, pa.float64(), "metric", metric.unit) for metric in self.metrics]
        return pa.schema([*fields, *(_field(*column) for column in _AFTER)])

    def table(self, rows: Rows, workload: str, workload_split: str, source: Source) -> pa.Table:
        """Rows as a table; `design_split` follows from each design alone.

        Raises:
            ArchGymError: a feasible design has a metric that is no number: a fault of the cost model.
        """
        n, feasible = len(rows.indices), np.ascontiguousarray(rows.metrics["feasible"])
        columns: dict[str, Any] = {
            "workload": pa.repeat(workload, n),
            "design_split": _texts(DESIGN_SPLITS, design_split(self.space.rank(rows.indices))),
            "workload_split": pa.repeat(workload_split, n),
        }
        for parameter, column in zip(self.space.parameters, rows.indices.T, strict=True):
            columns[parameter.name] = values_of(parameter).take(pa.array(column))
            columns[f"i_{parameter.name}"] = np.ascontiguousarray(column)
        for name in self.metric_names:
            numbers = np.ascontiguousarray(rows.metrics[self.metric_of(name)])
            for row in np.flatnonzero(feasible & ~np.isfinite(numbers))[:1]:
                design = self.space.values(self.space.records(rows.indices[row : row + 1]))[0]
                listed = ", ".join(f"{key}={value}" for key, value in design.items())
                raise ArchGymError(f"the cost model gives {name}={numbers[row]} for {listed} on {workload}")
            columns[name] = pa.array(numbers, mask=~feasible)
        columns |= {
            "feasible": feasible,
            "why": _texts(self.codes, rows.metrics["why"]),
            "source": np.full(n, source.number),
            "sampler": pa.repeat(source.sampler, n),
            "agent": pa.repeat(source.agent, n),
            "seed": np.full(n, source.seed),
            "trial": np.arange(rows.first_trial, rows.first_trial + n),
            "reward": rows.rewards,
        }
        arrays = [pa.array(columns[field.name]).cast(field.type) for field in self.arrow]
        return pa.Table.from_arrays(arrays, schema=self.arrow)

    def indices(self, table: pa.Table) -> Indices:
        """Indices [N, P] of the rows of a table."""
        columns = [table[f"i_{name}"].to_numpy() for name in self.space.names]
        return np.stack(columns, axis=1).astype(np.int64)

    def content(self, table: pa.Table) -> Iterator[tuple[str, bytes]]:
        """The bytes that identify the contents of rows, column by column.

        What other columns follow from, given the workload and the split: indices, labels, source, trial and reward.
        """
        for name in (f"i_{name}" for name in self.space.names):
            yield name, table[name].to_numpy().tobytes()
        for name in (*self.metric_names, "reward"):
            numbers = table[name].to_numpy()
            yield name, np.where(np.isnan(numbers), np.nan, numbers).tobytes()  # one NaN for all nulls
        yield "feasible", table["feasible"].to_numpy().astype(np.uint8).tobytes()
        yield "why", pc.index_in(table["why"], pa.array(self.codes)).to_numpy().astype(np.int64).tobytes()
        for name in ("source", "trial"):
            yield name, table[name].to_numpy().astype(np.int64).tobytes()


def values_of(parameter: Parameter) -> pa.Array:
    """The choices of a parameter as they stand in its column."""
    text = parameter.kind == "categorical"
    return pa.array(list(map(str, parameter.choices)) if text else parameter.choices, _value_type(parameter))


def _value_type(parameter: Parameter) -> pa.DataType:
    """Text for names, whole numbers where all choices are."""
    if parameter.kind == "categorical":
        return pa.string()
    return pa.int64() if all(isinstance(choice, int) for choice in parameter.choices) else pa.float64()


def _texts(words: list[str] | tuple[str, ...], codes: NDArray[Any]) -> pa.Array:
    """One word per code [N]."""
    return pa.array(words, pa.string()).take(pa.array(np.ascontiguousarray(codes)))


def _field(name: str, kind: pa.DataType, role: str, unit: str = "") -> pa.Field:
    """A field; what it means is in dataset.json once, not in every file."""
    return pa.field(name, kind, metadata={"role": role} | ({"unit": unit} if unit else {}))
