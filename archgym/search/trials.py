"""Trials as a table: one row per design told, with plain values, indices, metrics and outcome.

Columns: `trial`; one per parameter (its value; text for a categorical one); `i_<parameter>` (index of the choice);
one float64 per metric (`m_<metric>` where a parameter has its name); `feasible`; `why` (code of the reason, "" when
feasible); `violation`; `reward`; `objective_<k>`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from archgym.errors import RunError
from archgym.metrics import metric_names, metric_values
from archgym.objective import Outcome
from archgym.search.files import write_atomic
from archgym.space import DesignSpace, Indices, Parameter

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Columns:
    """Translates between outcomes and table rows for one space, set of metrics and set of reasons."""

    space: DesignSpace
    metrics: np.dtype[np.void]
    reasons: tuple[str, ...]
    n_objectives: int

    @cached_property
    def codes(self) -> list[str]:
        """Text code of each `why`: what stands before the colon of a reason; empty for feasible."""
        return ["", *(reason.partition(":")[0] for reason in self.reasons[1:])]

    def table(self, first_trial: int, indices: Indices, outcome: Outcome) -> pa.Table:
        """Rows of the designs [N, P] and their outcome, numbered from `first_trial`."""
        columns: dict[str, Any] = {"trial": np.arange(first_trial, first_trial + len(indices))}
        for parameter, column in zip(self.space.parameters, indices.T, strict=True):
            columns[parameter.name] = _values(parameter, column)
        for parameter, column in zip(self.space.parameters, indices.T, strict=True):
            columns[f"i_{parameter.name}"] = column.astype(np.int16 if len(parameter.choices) < 2**15 else np.int64)
        for name in metric_names(outcome.metrics):
            columns[metric_column(name, self.space)] = np.ascontiguousarray(outcome.metrics[name])
        columns["feasible"] = np.ascontiguousarray(outcome.metrics["feasible"])
        why = outcome.metrics["why"].astype(np.int32)
        columns["why"] = pa.DictionaryArray.from_arrays(why, pa.array(self.codes, pa.string()))
        columns["violation"], columns["reward"] = outcome.violation, outcome.rewards
        columns |= {f"objective_{k}": np.ascontiguousarray(column) for k, column in enumerate(outcome.objectives.T)}
        return pa.table(columns)

    def read(self, table: pa.Table) -> tuple[Indices, Outcome]:
        """The inverse of `table`: indices and outcome.

        Raises:
            KeyError: a column or a reason is not of this space and environment.
            ValueError, TypeError: a column is of another type, or holds what no search writes.
        """
        names = self.space.names
        columns = [table[f"i_{name}"] for name in names]
        if any(column.type not in (pa.int16(), pa.int64()) or column.null_count for column in columns):
            raise TypeError("an index is no whole number")
        indices = np.stack([column.to_numpy().astype(np.int64) for column in columns], axis=1)
        metrics = np.empty(len(table), self.metrics)
        for name in metric_names(metrics):
            metrics[name] = table[metric_column(name, self.space)].to_numpy()
        metrics["feasible"] = table["feasible"].to_numpy()
        position = {code: why for why, code in enumerate(self.codes)}
        metrics["why"] = [position[code] for code in table["why"].to_pylist()]
        objectives = [table[f"objective_{k}"].to_numpy() for k in range(self.n_objectives)]
        rewards, violation = table["reward"].to_numpy(), table["violation"].to_numpy()
        outcome = Outcome(metrics, rewards, np.stack(objectives, axis=1), violation)
        if not (np.isfinite(metric_values(metrics)[metrics["feasible"]]).all() and np.isfinite(rewards).all()):
            raise ValueError("a feasible design has a metric, or a design a reward, that is no number")
        if (violation < 0).any() or np.isnan(violation).any() or np.isnan(outcome.objectives[violation == 0]).any():
            raise ValueError("a design has a violation, or a valid one an objective, that is no number")
        return indices, outcome


def metric_column(name: str, space: DesignSpace) -> str:
    """Name of a metric's column: its own, but where a parameter has it: a clock asked for and a clock reached."""
    return f"m_{name}" if name in space.names else name


def _values(parameter: Parameter, column: np.ndarray) -> Any:
    """Plain values of one parameter: whole numbers, numbers, or text stored once per vocabulary."""
    if parameter.kind == "categorical":
        return pa.DictionaryArray.from_arrays(column.astype(np.int32), pa.array(map(str, parameter.choices)))
    return np.array(parameter.choices)[column]


def frame(tables: Iterable[pa.Table]) -> pd.DataFrame:
    """Tables, one after the other, as one data frame."""
    import pandas as pd

    listed = list(tables)
    whole: pd.DataFrame = pa.concat_tables(listed).unify_dictionaries().to_pandas() if listed else pd.DataFrame()
    return whole


def write_part(path: Path, table: pa.Table) -> None:
    """Write one part of the trials atomically."""
    write_atomic(path, lambda file: pq.write_table(table, file, compression="zstd"))


def read_part(path: Path) -> pa.Table:
    """Read one part.

    Raises:
        RunError: not readable as Parquet.
    """
    try:
        return pq.read_table(path, partitioning=None).replace_schema_metadata()  # it could mislead pandas
    except (OSError, ValueError, pa.ArrowException) as error:
        raise _damaged(path, error) from None


def part_rows(path: Path) -> int:
    """Number of trials in a part, from its footer alone.

    Raises:
        RunError: not readable as Parquet.
    """
    try:
        return int(pq.read_metadata(path).num_rows)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise _damaged(path, error) from None


def _damaged(path: Path, error: Exception) -> RunError:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return RunError(f"{path} is damaged or half-written: {reason}")
