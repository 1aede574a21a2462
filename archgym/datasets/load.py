"""Reads data sets: files on disk as frames and arrays, checked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from archgym.datasets.operators import EDGES, OPERATORS, operator_records
from archgym.datasets.schema import SCHEMA, DataError, Layout
from archgym.datasets.splits import DESIGN_SPLITS, WORKLOAD_SPLITS
from archgym.datasets.staging import INFO
from archgym.errors import InputError, RunError, unknown
from archgym.search.files import read_json
from archgym.space import DesignSpace, Indices

if TYPE_CHECKING:
    import pandas as pd

NEEDED = (
    *("schema", "archgym", "environment", "scenario", "model_hash", "compression", "parameters", "metrics", "reasons"),
    *("workloads", "sources", "files", "rows", "content_hash", "created", "command"),
)
_FILE = {"path": str, "rows": int, "workload": str, "split": str}
_WORKLOAD = {"name": str, "split": str, "rows": int, "repeats": int, "tasks": list, "operators_hash": str}
_SOURCE = {"sampler": str, "agent": str, "seed": int, "workload": str, "rows": int, "objective": list}
_RECORDS = {"files": _FILE, "workloads": _WORKLOAD | {"edges_hash": str}, "sources": _SOURCE}


class Arrays(NamedTuple):
    """Rows as arrays.

    Attributes:
        indices: [N, P] in the whole space.
        metrics: name -> [N] float64, NaN where infeasible.
        feasible: [N].
        workload: [N], position in `Dataset.workloads`.
        why: [N], position in `Dataset.layout.codes`.
        reward: [N].
    """

    indices: Indices
    metrics: dict[str, NDArray[np.float64]]
    feasible: NDArray[np.bool_]
    workload: NDArray[np.int64]
    why: NDArray[np.int64]
    reward: NDArray[np.float64]


@dataclass(frozen=True)
class Dataset:
    """A data set on disk; rows are read when they are asked for.

    Attributes:
        path: its directory.
        info: contents of dataset.json.
        layout: columns, space and metrics.
        notes: what a user should know, though nothing is broken.
    """

    path: Path
    info: dict[str, Any]
    layout: Layout
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return int(self.info["rows"])

    def __repr__(self) -> str:
        return f"Dataset({str(self.path)!r}, {self.environment}, {len(self):,} rows, {len(self.workloads)} workloads)"

    @property
    def environment(self) -> str:
        """Registry name of the environment."""
        return str(self.info["environment"])

    @property
    def space(self) -> DesignSpace:
        """The environment's whole space, which indices count in."""
        return self.layout.space

    @property
    def workloads(self) -> list[str]:
        """Canonical specs, in order."""
        return [row["name"] for row in self.info["workloads"]]

    @property
    def splits(self) -> dict[str, dict[str, list[str]]]:
        """What there is to choose: `design` -> split -> workloads with rows in it, `workload` -> split -> workloads."""
        by_design: dict[str, list[str]] = {}
        for file in self.info["files"]:
            names = by_design.setdefault(file["split"], [])
            names += [] if file["workload"] in names else [file["workload"]]
        by_workload: dict[str, list[str]] = {}
        for row in self.info["workloads"]:
            by_workload.setdefault(row["split"], []).append(row["name"])
        return {"design": by_design, "workload": by_workload}

    @property
    def units(self) -> dict[str, str]:
        """Unit of every parameter and metric."""
        return self.layout.units

    @property
    def content_hash(self) -> str:
        """Identity of the contents, whatever the files look like."""
        return str(self.info["content_hash"])

    @property
    def provenance(self) -> dict[str, Any]:
        """Where it comes from: versions, model hash, scenario, command, sources."""
        names = ("archgym", "created", "command", "environment", "scenario", "model_hash", "compression", "sources")
        return {name: self.info[name] for name in names}

    def files(
        self, split: str | None = None, workload: str | Sequence[str] | None = None, workload_split: str | None = None
    ) -> list[dict[str, Any]]:
        """Path, rows, workload and split of the files of a selection, as dataset.json lists them.

        Raises:
            UnknownNameError: a split or workload that the data set cannot have.
        """
        for value, allowed in ((split, DESIGN_SPLITS), (workload_split, WORKLOAD_SPLITS)):
            if value is not None and value not in allowed:
                raise unknown("split", value, allowed)
        wanted = self.workloads if workload is None else [workload] if isinstance(workload, str) else list(workload)
        for name in wanted:
            if name not in self.workloads:
                raise unknown("workload of the data set", name, self.workloads)
        held = {row["name"]: row["split"] for row in self.info["workloads"]}
        return [
            file
            for file in self.info["files"]
            if file["workload"] in wanted
            and split in (None, file["split"])
            and workload_split in (None, held[file["workload"]])
        ]

    def tables(
        self,
        split: str | None = None,
        workload: str | Sequence[str] | None = None,
        workload_split: str | None = None,
        columns: Sequence[str] | None = None,
    ) -> Iterator[pa.Table]:
        """Rows, some ten thousand at a time, all of one workload and split by design.

        Args:
            split: by design: train, validation or test; all when None.
            workload: one or several; all when None.
            workload_split: by workload: train or test; all when None.
            columns: names; all when None.

        Raises:
            UnknownNameError: something the data set cannot have; DataError: a file is damaged.
        """
        for name in columns or ():
            if name not in self.layout.arrow.names:
                raise unknown("column", name, self.layout.arrow.names)
        for file in self.files(split, workload, workload_split):
            yield from row_groups(self.path / file["path"], columns)

    def frame(
        self,
        split: str | None = None,
        workload: str | Sequence[str] | None = None,
        workload_split: str | None = None,
        columns: Sequence[str] | None = None,
    ) -> pd.DataFrame:
        """Rows as a data frame; arguments as `tables`."""
        parts = list(self.tables(split, workload, workload_split, columns))
        if not parts:
            parts = [self.layout.arrow.empty_table().select(columns or self.layout.arrow.names)]
        frame: pd.DataFrame = pa.concat_tables(parts).to_pandas()
        return frame

    def arrays(
        self, split: str | None = None, workload: str | Sequence[str] | None = None, workload_split: str | None = None
    ) -> Arrays:
        """Rows as arrays; arguments as `tables`."""
        parts = [self._arrays(table) for table in self.tables(split, workload, workload_split)]
        if not parts:
            parts = [self._arrays(self.layout.arrow.empty_table())]
        metrics = {name: np.concatenate([part.metrics[name] for part in parts]) for name in self.layout.metric_names}
        others = [name for name in Arrays._fields if name != "metrics"]
        joined = {name: np.concatenate([getattr(part, name) for part in parts]) for name in others}
        return Arrays(metrics=metrics, **joined)

    def _arrays(self, table: pa.Table) -> Arrays:
        codes = {code: number for number, code in enumerate(self.layout.codes)}
        position = {name: number for number, name in enumerate(self.workloads)}
        return Arrays(
            indices=self.layout.indices(table),
            metrics={name: table[name].to_numpy() for name in self.layout.metric_names},
            feasible=table["feasible"].to_numpy(),
            workload=np.array([position[name] for name in table["workload"].to_pylist()], np.int64),
            why=np.array([codes[code] for code in table["why"].to_pylist()], np.int64),
            reward=table["reward"].to_numpy(),
        )

    @cached_property
    def operators(self) -> pd.DataFrame:
        """One row per workload and operator; see docs/datasets.md for the columns."""
        frame: pd.DataFrame = read_table(self.path / "operators.parquet", OPERATORS).to_pandas()
        return frame

    @cached_property
    def edges(self) -> pd.DataFrame:
        """Data dependences between operators: workload, source and target row, and how many layers they join."""
        frame: pd.DataFrame = read_table(self.path / "edges.parquet", EDGES).to_pandas()
        return frame

    def operators_of(self, workload: str) -> np.recarray:
        """The operator table [L] of a workload as cost models read it (archgym.workloads.operators)."""
        if workload not in self.workloads:
            raise unknown("workload of the data set", workload, self.workloads)
        return operator_records(self.operators[self.operators["workload"] == workload])


def load(path: str | Path, check: bool = True) -> Dataset:
    """Read a data set.

    Args:
        path: its directory.
        check: read every row once and hold it against what a data set promises (see validate.py), about a second per
            300,000 rows; otherwise only dataset.json is read.

    Raises:
        InputError: there is no data set.
        DataError: it is damaged: names the file, the row and the reason.
    """
    dataset = opened(Path(path))
    if not check:
        return dataset
    from archgym.datasets.validate import checked

    return checked(dataset)


def opened(path: Path) -> Dataset:
    """A data set whose dataset.json has been read, and no more.

    Raises:
        InputError, DataError: as `load`.
    """
    if not (path / INFO).is_file():
        what = "does not exist" if not path.exists() else f"has no {INFO}" if path.is_dir() else "is no directory"
        raise InputError(f"{path} is no data set: it {what}")
    try:
        info = read_json(path / INFO)
    except RunError as error:
        raise DataError(str(error)) from None
    if info.get("format", "parquet") != "parquet":
        raise InputError(f"{path} is a data set exported as {info['format']}; archgym reads the parquet form")
    if info.get("schema") != SCHEMA:
        raise DataError(f"{path / INFO} has schema {info.get('schema')!r}; this version of archgym reads {SCHEMA}")
    if missing := [name for name in NEEDED if name not in info]:
        raise DataError(f"{path / INFO} is damaged: it lacks {', '.join(missing)}")
    if not (isinstance(info["rows"], int) and isinstance(info["scenario"], dict)):
        raise DataError(f"{path / INFO} is damaged: its number of rows or its scenario is none")
    for name, fields in _RECORDS.items():
        _require_records(path / INFO, name, info[name], fields)
    try:
        return Dataset(path, info, Layout.read(info))
    except DataError as error:
        raise DataError(f"{path / INFO} is damaged: {error}") from None


def _require_records(path: Path, name: str, rows: Any, fields: dict[str, type]) -> None:
    """Check that a list in dataset.json holds objects with these fields."""
    if not isinstance(rows, list):
        raise DataError(f"{path} is damaged: {name!r} is no list")
    for number, row in enumerate(rows):
        for field, kind in fields.items():
            if not isinstance(row, dict) or not isinstance(row.get(field), kind):
                raise DataError(f"{path} is damaged: row {number} of {name!r} has no valid {field!r}")


def row_groups(path: Path, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
    """The row groups of a Parquet file as tables, checksums verified.

    Raises:
        DataError: the file is missing or damaged.
    """
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            for number in range(file.num_row_groups):
                rows = file.read_row_group(number, columns=None if columns is None else list(columns))
                yield rows.replace_schema_metadata()  # it could mislead pandas
    except (OSError, ValueError, pa.ArrowException) as error:
        raise damaged(path, error) from None


def read_table(path: Path, schema: pa.Schema) -> pa.Table:
    """A small Parquet file with just these columns.

    Raises:
        DataError: it is missing or damaged, or has other columns.
    """
    try:
        table = pq.read_table(path, page_checksum_verification=True, partitioning=None)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise damaged(path, error) from None
    require_columns(path, table.schema, schema)
    return table.replace_schema_metadata()  # it could mislead pandas


def require_columns(path: Path, found: pa.Schema, wanted: pa.Schema) -> None:
    """Check names, types and units.

    Raises:
        DataError: names the first difference.
    """
    for field in wanted:
        position = found.get_all_field_indices(field.name)
        if len(position) != 1:
            raise DataError(f"{path} has {len(position) or 'no'} columns named {field.name!r}")
        there = found.field(position[0])
        if there.type != field.type:
            raise DataError(f"{path}: column {field.name!r} is {there.type}, not {field.type}")
        units = [(of.metadata or {}).get(b"unit", b"").decode(errors="replace") for of in (there, field)]
        if units[0] != units[1]:
            raise DataError(f"{path}: column {field.name!r} is in {units[0]!r}, not in {units[1]!r}")
    if extra := [name for name in found.names if name not in wanted.names]:
        raise DataError(f"{path} has a column {extra[0]!r} that dataset.json does not know")


def damaged(path: Path, error: Exception) -> DataError:
    """What to say of a file that cannot be read."""
    if isinstance(error, FileNotFoundError):
        return DataError(f"{path} is missing")
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return DataError(f"{path} is damaged or half-written: {reason}")
