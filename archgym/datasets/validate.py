"""Holds a data set against what it promises; the first thing that is wrong names its file, row and reason.

Rows, file by file: types and units; workload and split; values are the choices at their indices; metrics are there and
finite where a design is feasible and nowhere else; the reason is known; power is energy over time; where a row comes
from agrees with its source; the split follows from the design. Over all rows: repeats have equal labels; counts, and
the hashes of rows, operators and edges, are the recorded ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from archgym.agents.exhaustive import mix
from archgym.datasets.load import Dataset, damaged, require_columns, row_groups
from archgym.datasets.operators import graph_hash, identity
from archgym.datasets.schema import DataError, Layout, values_of
from archgym.datasets.splits import DESIGN_SPLITS, design_split
from archgym.datasets.staging import INFO
from archgym.datasets.writer import SOURCE_KEYS, Hashes, combined, content_hash, hash_rows
from archgym.envs import ENVIRONMENTS
from archgym.envs.evaluator import model_hash
from archgym.errors import ArchGymError
from archgym.search.request import digest

POWER_TOLERANCE = 1e-9  # relative: energy over time in double precision
CHECKS = (
    "files, columns, types and units are those that dataset.json lists",
    "values are the choices at their indices",
    "metrics are finite where a design is feasible, absent elsewhere",
    "power is energy over time, where the environment has these",
    "a design is in one split, that of its hash; workloads are in theirs",
    "a design that is repeated has the same labels",
    "rows, operators and edges have the recorded hashes",
)
Problem = tuple[int, str]  # row and what is wrong with it


def checked(dataset: Dataset) -> Dataset:
    """The data set with notes, once all of it has been checked; holds 16 bytes per row of a workload in memory.

    Raises:
        DataError: names the file, the row and the reason.
    """
    _check_listed_files(dataset)
    _check_workloads(dataset)
    hashes: dict[str, str] = {}
    rows = 0
    for workload in dataset.info["workloads"]:
        seen = _Repeats(dataset.layout)
        for split in DESIGN_SPLITS:
            running: Hashes = {}
            for file in dataset.files(split, workload["name"]):
                rows += _check_file(dataset, file, workload, running, seen)
            if running:
                hashes[f"{workload['name']}/{split}"] = combined(running)
        seen.check(workload, dataset.path / INFO)
    if rows != dataset.info["rows"]:
        raise DataError(f"{dataset.path / INFO} says {dataset.info['rows']:,} rows, but there are {rows:,}")
    _check_hash(dataset, hashes)
    return replace(dataset, notes=tuple(_notes(dataset)))


def _check_hash(dataset: Dataset, hashes: dict[str, str]) -> None:
    path = dataset.path / INFO
    for number, source in enumerate(dataset.info["sources"]):
        if missing := [key for key in SOURCE_KEYS if key not in source]:
            raise DataError(f"{path} is damaged: row {number} of 'sources' has no {missing[0]!r}")
    found = content_hash(dataset.info, hashes)
    if found != dataset.content_hash:
        raise DataError(
            f"{dataset.path} has been changed since it was made: its contents have the hash {found[:16]}..., "
            f"not {dataset.content_hash[:16]}... as {INFO} says"
        )


def _check_listed_files(dataset: Dataset) -> None:
    """No file more or less than dataset.json lists, none outside the data set."""
    listed = [file["path"] for file in dataset.info["files"]]
    for name in listed:
        if not (dataset.path / name).is_file():
            raise DataError(f"{dataset.path / name} is missing")
    found = {path.relative_to(dataset.path).as_posix() for path in (dataset.path / "data").rglob("*.parquet")}
    if extra := sorted(found - set(listed)):
        raise DataError(f"{dataset.path / extra[0]} does not belong to the data set: {INFO} does not list it")
    if wrong := [name for name in listed if name not in found or listed.count(name) > 1]:
        raise DataError(f"{dataset.path / INFO} is damaged: the file {wrong[0]!r} is not one of data/")
    for file in dataset.info["files"]:
        if file["workload"] not in dataset.workloads or file["split"] not in DESIGN_SPLITS:
            raise DataError(f"{dataset.path / INFO} is damaged: {file['path']} has no known workload and split")


def _check_workloads(dataset: Dataset) -> None:
    """The tables of operators and edges are those that the rows were made with."""
    for workload in dataset.info["workloads"]:
        name = workload["name"]
        operators = dataset.operators[dataset.operators["workload"] == name]
        try:
            found = digest(identity(operators, workload["tasks"]))
        except (KeyError, ValueError, TypeError):
            found = ""
        if found != workload["operators_hash"]:
            raise DataError(f"{dataset.path / 'operators.parquet'}: the operators of {name} have been changed")
        if graph_hash(dataset.edges[dataset.edges["workload"] == name]) != workload["edges_hash"]:
            raise DataError(f"{dataset.path / 'edges.parquet'}: the edges of {name} have been changed")


def _check_file(
    dataset: Dataset, file: dict[str, Any], workload: dict[str, Any], hashes: Hashes, seen: _Repeats
) -> int:
    """Check the rows of a file; their number."""
    path, first = dataset.path / file["path"], 0
    try:
        schema = pq.read_schema(path)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise damaged(path, error) from None
    require_columns(path, schema, dataset.layout.arrow)
    for table in row_groups(path):
        problems = (problem for check in _ROW_CHECKS for problem in check(dataset, table, workload, file["split"]))
        for row, why in problems:
            raise DataError(f"{path}, row {first + row}: {why}")
        hash_rows(hashes, dataset.layout, table)
        seen.add(table, path, first)
        first += len(table)
    if first != file["rows"]:
        raise DataError(f"{path} has {first:,} rows, but {INFO} says {file['rows']:,}")
    return first


# -- checks of rows: a table of one workload and split to the first row that is wrong, and why


def _whole(dataset: Dataset, table: pa.Table, workload: dict[str, Any], split: str) -> Iterator[Problem]:
    """Nothing is missing but metrics."""
    for name in table.column_names:
        if name not in dataset.layout.metric_names:
            for row in _first(table[name].is_null()):
                yield row, f"{name} is missing"
    expected = {"workload": workload["name"], "workload_split": workload["split"], "design_split": split}
    for name, value in expected.items():
        for row in _first(pc.not_equal(table[name], value)):
            yield row, f"{name} is {table[name][row].as_py()!r}, but the file is of {value!r}"


def _values(dataset: Dataset, table: pa.Table, workload: dict[str, Any], split: str) -> Iterator[Problem]:
    """Indices are in range, and values are the choices there."""
    for parameter in dataset.space.parameters:
        name, count = parameter.name, len(parameter.choices)
        index = table[f"i_{name}"]
        for row in _first(pc.or_(pc.less(index, 0), pc.greater_equal(index, count))):
            yield row, f"i_{name} is {index[row].as_py()}, outside 0..{count - 1}"
            return  # the values cannot be looked up
        choice = values_of(parameter).take(index.combine_chunks())
        for row in _first(pc.invert(pc.equal(table[name], choice))):
            found, wanted = table[name][row].as_py(), choice[row].as_py()
            yield row, f"{name} is {found!r}, but i_{name} = {index[row].as_py()} stands for {wanted!r}"


def _labels(dataset: Dataset, table: pa.Table, workload: dict[str, Any], split: str) -> Iterator[Problem]:
    """Metrics are finite where feasible and absent elsewhere; the reason is known and there where infeasible."""
    feasible = table["feasible"]
    for name in dataset.layout.metric_names:
        column = table[name]
        for row in _first(pc.and_(feasible, pc.invert(pc.fill_null(pc.is_finite(column), False)))):
            yield row, f"the design is feasible, but {name} is {column[row].as_py()}"
        for row in _first(pc.and_(pc.invert(feasible), column.is_valid())):
            yield row, f"the design is infeasible, but {name} is {column[row].as_py()}"
    why = table["why"]
    for row in _first(pc.invert(pc.is_in(why, pa.array(dataset.layout.codes)))):
        yield row, f"why is {why[row].as_py()!r}, no reason of the environment"
    for row in _first(pc.not_equal(feasible, pc.equal(why, ""))):
        yield row, f"feasible is {feasible[row].as_py()}, but why is {why[row].as_py()!r}"
    for row in _first(pc.invert(pc.is_finite(table["reward"]))):
        yield row, f"reward is {table['reward'][row].as_py()}"


def _power(dataset: Dataset, table: pa.Table, workload: dict[str, Any], split: str) -> Iterator[Problem]:
    """Power is energy over time: over the interval between results where an environment overlaps them, else latency."""
    names = dataset.layout.metric_names
    time = "interval_s" if "interval_s" in names else "latency_s"
    if not {"power_w", "energy_j", time} <= set(names):
        return
    power, energy, seconds = (table[name].to_numpy() for name in ("power_w", "energy_j", time))
    with np.errstate(all="ignore"):
        wrong = np.abs(power * seconds - energy) > POWER_TOLERANCE * np.abs(energy)
    for row in np.flatnonzero(wrong)[:1]:
        yield int(row), f"power_w is {power[row]:.6g}, but energy_j / {time} is {energy[row] / seconds[row]:.6g}"


def _provenance(dataset: Dataset, table: pa.Table, workload: dict[str, Any], split: str) -> Iterator[Problem]:
    """What a row says of its source is what the source says."""
    sources = dataset.info["sources"]
    number = table["source"]
    for row in _first(pc.or_(pc.less(number, 0), pc.greater_equal(number, len(sources)))):
        yield row, f"source is {number[row].as_py()}, but there are {len(sources)} sources"
        return
    for name in ("sampler", "agent", "seed", "workload"):
        wanted = pa.array([source[name] for source in sources], table[name].type).take(number.combine_chunks())
        for row in _first(pc.not_equal(table[name], wanted)):
            yield row, f"{name} is {table[name][row].as_py()!r}, but its source has {wanted[row].as_py()!r}"


def _splits(dataset: Dataset, table: pa.Table, workload: dict[str, Any], split: str) -> Iterator[Problem]:
    """The split follows from the design."""
    found = design_split(dataset.space.rank(dataset.layout.indices(table)))
    for row in np.flatnonzero(found != DESIGN_SPLITS.index(split))[:1]:
        yield int(row), f"the design belongs to {DESIGN_SPLITS[found[row]]}, but stands in {split}"


_ROW_CHECKS = (_whole, _values, _labels, _power, _provenance, _splits)


def _first(wrong: Any) -> list[int]:
    """The first row of a mask [N], if there is one; null counts as no."""
    rows = np.flatnonzero(pc.fill_null(wrong, False).to_numpy(zero_copy_only=False))
    return [int(row) for row in rows[:1]]


# -- checks over rows


class _Repeats:
    """Designs of one workload with a hash of their labels, to find those that come again with others."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self._ranks: list[NDArray[np.int64]] = []
        self._labels: list[NDArray[np.uint64]] = []
        self._parts: list[tuple[Path, int]] = []

    def add(self, table: pa.Table, path: Path, first_row: int) -> None:
        """Remember rows of a file, which begin at `first_row`."""
        self._ranks.append(self.layout.space.rank(self.layout.indices(table)))
        codes = pc.index_in(table["why"], pa.array(self.layout.codes)).to_numpy()
        hashed = codes.astype(np.uint64)
        for name in self.layout.metric_names:
            numbers = table[name].to_numpy()
            bits = np.where(np.isnan(numbers), 0.0, numbers).view(np.uint64)
            hashed = mix(hashed + bits)
        self._labels.append(hashed)
        self._parts.append((path, first_row))

    def check(self, workload: dict[str, Any], info: Path) -> None:
        """Hold repeats against each other, and their number against the recorded one.

        Raises:
            DataError: names the second row.
        """
        ranks = np.concatenate([np.empty(0, np.int64), *self._ranks])
        labels = np.concatenate([np.empty(0, np.uint64), *self._labels])
        order = np.argsort(ranks, kind="stable")
        same = ranks[order][1:] == ranks[order][:-1]
        differ = same & (labels[order][1:] != labels[order][:-1])
        for place in np.flatnonzero(differ)[:1]:
            (path, row), (other, before) = (self._place(int(order[place + k])) for k in (1, 0))
            raise DataError(f"{path}, row {row}: the design of row {before} of {other.name} comes again, labels differ")
        if len(ranks) != workload["rows"]:
            raise DataError(f"{info} says {workload['rows']:,} rows of {workload['name']}; there are {len(ranks):,}")
        if int(same.sum()) != workload["repeats"]:
            found = f"there are {int(same.sum()):,}"
            raise DataError(f"{info} says {workload['repeats']:,} repeated designs of {workload['name']}; {found}")

    def _place(self, position: int) -> tuple[Path, int]:
        """File and row of the row at this position of all."""
        for (path, first), ranks in zip(self._parts, self._ranks, strict=True):
            if position < len(ranks):
                return path, first + position
            position -= len(ranks)
        raise IndexError(position)


def _notes(dataset: Dataset) -> Iterator[str]:
    """Whether this installation would label the designs alike."""
    try:
        current = model_hash(ENVIRONMENTS.load(dataset.environment))
    except ArchGymError:
        yield f"environment {dataset.environment!r} is not installed here"
        return
    if current != dataset.info["model_hash"]:
        yield (
            f"made with cost model {dataset.info['model_hash']} (archgym {dataset.info['archgym']}); "
            f"the one here is {current} and may label designs differently"
        )
