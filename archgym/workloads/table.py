"""Workloads as tables, `.csv` or `.parquet`: one row per layer, saved and read back exactly.

The columns are `name`, `inputs` (the rows whose output the layer reads, counted from 0) and the fields of `Operator`.
A table written by hand needs `name`, `kind`, `m`, `k` and `n`; every other column, and every empty cell, has a
default:

    inputs          the row before; nothing where the column is there and the cell is empty
    batch, groups, requests, count      1
    a_bits, b_bits, out_bits            8
    a_bytes, b_bytes, out_bytes         those of the product's matrices; one input of m elements for vector layers.
                    A convolution's real input is smaller than its matrix: give `a_bytes`
    weight          b for conv and matmul, else none
    a_external, out_external            1 for layers without inputs; 1 for layers that no other reads
    vector_ops      1 per element of a vector layer, else 0
    resident_bytes  the bytes of the weights / count
    phase           forward
    b_external, task                    0

A workload of several networks has four more columns about each layer's network: `task_name`, `task_rate_hz`,
`task_after`, `task_probability`.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from archgym.errors import InputError, unknown
from archgym.workloads.operators import DECODE, FORWARD, KINDS, WEIGHT_A, WEIGHT_B, WEIGHT_NONE, Operator
from archgym.workloads.workload import Layer, Task, Workload

WEIGHTS = {"none": WEIGHT_NONE, "a": WEIGHT_A, "b": WEIGHT_B}
PHASES = {"forward": FORWARD, "decode": DECODE}
WORDS: dict[str, Mapping[str, int]] = {"weight": WEIGHTS, "phase": PHASES}
PRODUCTS = ("conv", "matmul", "attention")
NEEDED = ("name", "kind", "m", "k", "n")
FLAGS = ("a_external", "b_external", "out_external")
POSITIVE = ("m", "n", "batch", "groups", "a_bits", "b_bits", "out_bits", "requests", "count")
LARGEST = 1e30  # of a size: products of several must stay finite
TASK_COLUMNS = ("task_name", "task_rate_hz", "task_after", "task_probability")
LAST = ("a_bytes", "b_bytes", "out_bytes", "resident_bytes")  # their defaults follow from the others
SIZES = tuple(
    sorted(
        (f.name for f in fields(Operator) if f.name not in ("kind", "weight", "phase", "task")), key=LAST.__contains__
    )
)
COLUMNS = ("name", "inputs", *(field.name for field in fields(Operator)), *TASK_COLUMNS)

Row = dict[str, Any]


def save_table(workload: Workload, path: str | Path) -> None:
    """Write a workload; its name is not kept, a table is named by its file.

    Raises:
        InputError: the suffix is neither .csv nor .parquet, or the file cannot be written.
    """
    path = Path(path)
    rows = _rows(workload)
    try:
        if _suffix(path) == ".csv":
            with path.open("w", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, list(rows[0]))
                writer.writeheader()
                writer.writerows({key: _text(value) for key, value in row.items()} for row in rows)
        else:
            import pyarrow as pa
            import pyarrow.parquet as pq

            pq.write_table(pa.Table.from_pylist(rows), path)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error


def load_table(path: str | Path) -> Workload:
    """Read a workload; its name is the path.

    Raises:
        InputError: the file cannot be read, or a row and column that cannot be used.
    """
    path = Path(path)
    columns, rows = _read_csv(path) if _suffix(path) == ".csv" else _read_parquet(path)
    for column in columns:
        if column not in COLUMNS:
            raise unknown(f"column of {path}", column, COLUMNS)
    for column in NEEDED:
        if column not in columns:
            raise InputError(f"{path} lacks the column {column!r} (needed: {', '.join(NEEDED)})")
    if not rows:
        raise InputError(f"{path} holds no operators: there is nothing to evaluate")
    reader = _Reader(path, columns, len(rows))
    inputs = [reader.inputs(index, row) for index, row in enumerate(rows)]
    read = {source for sources in inputs for source in sources}
    layers = tuple(reader.layer(index, row, inputs[index], index in read) for index, row in enumerate(rows))
    edges = tuple(sorted({(source, index) for index, sources in enumerate(inputs) for source in sources}))
    return Workload(str(path), layers, edges, reader.tasks(rows, layers))


def _suffix(path: Path) -> str:
    if path.suffix.lower() not in (".csv", ".parquet"):
        raise InputError(f"a table of a workload is a .csv or .parquet file, not {str(path)!r}")
    return path.suffix.lower()


def _rows(workload: Workload) -> list[Row]:
    sources: list[list[int]] = [[] for _ in workload.layers]
    for source, target in sorted(workload.edges):
        sources[target].append(source)
    names = {column: {code: word for word, code in words.items()} for column, words in WORDS.items()}
    rows = []
    for layer, inputs in zip(workload.layers, sources, strict=True):
        row: Row = {"name": layer.name, "inputs": inputs}
        for field in fields(Operator):
            value = getattr(layer.operator, field.name)
            column = field.name
            row[column] = names[column][value] if column in names else float(value) if column in SIZES else value
        if workload.tasks:
            task = workload.tasks[layer.operator.task]
            row |= zip(TASK_COLUMNS, (task.name, float(task.rate_hz), task.after, float(task.probability)), strict=True)
        rows.append(row)
    if not rows:
        raise InputError("a workload without layers cannot be saved")
    return rows


def _text(value: Any) -> str:
    """A cell that reads back as the same value; whole numbers without a point."""
    if isinstance(value, list):
        return " ".join(map(str, value))
    return str(int(value)) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else str(value)


def _read_csv(path: Path) -> tuple[list[str], list[Row]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = list(csv.reader(file, strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from error
    header = [name.strip() for name in lines[0]] if lines else []
    if len(set(header)) != len(header):
        twice = next(name for name in header if header.count(name) > 1)
        raise InputError(f"{path} has the column {twice!r} twice")
    body = [(number, line) for number, line in enumerate(lines[1:], 2) if any(line)]
    for number, line in body:
        if len(line) != len(header):
            raise InputError(f"{path}, line {number}: {len(line)} cells where the header has {len(header)}")
    rows = [dict(zip(header, line, strict=True)) for _, line in body]
    free = ("name", "task_name")  # texts as they are
    return header, [{key: cell if key in free else cell.strip() for key, cell in row.items()} for row in rows]


def _read_parquet(path: Path) -> tuple[list[str], list[Row]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path, partitioning=None)
        return table.column_names, table.to_pylist()
    except (OSError, ValueError, pa.ArrowException) as error:  # text that is no UTF-8 is a ValueError
        raise InputError(f"{path} is not a valid Parquet file: {str(error).splitlines()[0]}") from error


class _Reader:
    """Turns the cells of a table into layers; every error names row and column."""

    def __init__(self, path: Path, columns: Sequence[str], count: int) -> None:
        self.path, self.columns, self.count = path, columns, count

    def inputs(self, index: int, row: Row) -> list[int]:
        """The rows a layer reads; without the column the row before."""
        if "inputs" not in self.columns:
            return [index - 1] if index else []
        cell = row["inputs"]
        parts = (
            cell.split()
            if isinstance(cell, str)
            else cell
            if isinstance(cell, list)
            else []
            if _empty(cell)
            else [cell]
        )
        sources = []
        for part in parts:
            try:
                source = int(part)
            except (TypeError, ValueError):
                raise self._error(index, "inputs", f"must hold row numbers with spaces between, not {part!r}") from None
            if not 0 <= source < self.count:
                raise self._error(index, "inputs", f"names row {source}, but the rows are 0 to {self.count - 1}")
            if source >= index:
                raise self._error(index, "inputs", f"names row {source}, which does not come before row {index}")
            sources.append(source)
        return sources

    def layer(self, index: int, row: Row, inputs: Sequence[int], is_read: bool) -> Layer:
        """One row with its defaults."""
        name, kind = row["name"], row["kind"]
        if _empty(name) or not isinstance(name, str):
            raise self._error(index, "name", "is empty")
        if kind not in KINDS:
            raise InputError(f"{self._place(index, 'kind')}: {unknown('kind', kind, KINDS)}")
        known = {"kind": kind, "weight": self._word(index, row, "weight", "b" if kind in PRODUCTS[:2] else "none")}
        known["phase"] = self._word(index, row, "phase", "forward")
        known["task"] = int(self._number(index, row, "task", 0))
        for column in SIZES:
            default = _default(column, known, inputs, is_read)
            known[column] = self._number(index, row, column, default)
        self._check(index, known)
        return Layer(name, Operator(**known))

    def _check(self, index: int, known: Row) -> None:
        for column in FLAGS:
            if known[column] not in (0, 1):
                raise self._error(index, column, f"must be 0 or 1, not {known[column]:g}")
            known[column] = int(known[column])
        if (known["kind"] in PRODUCTS) != (known["k"] > 0):
            wanted = "positive" if known["kind"] in PRODUCTS else "0"
            raise self._error(index, "k", f"must be {wanted} for kind {known['kind']!r}, not {known['k']:g}")

    def tasks(self, rows: Sequence[Row], layers: Sequence[Layer]) -> tuple[Task, ...]:
        """The networks, from the columns that every layer of a network repeats."""
        if "task_name" not in self.columns:
            for index, layer in enumerate(layers):
                if layer.operator.task:
                    raise self._error(index, "task", "numbers a network, but there is no column 'task_name'")
            return ()
        found: dict[int, Task] = {}
        for index, (row, layer) in enumerate(zip(rows, layers, strict=True)):
            after = self._number(index, row, "task_after", -1, lowest=-1)
            rate, share = (self._number(index, row, f"task_{name}", value) for name, value in _TASK_DEFAULTS)
            task = Task(str(row["task_name"]), rate, int(after), share)
            if found.setdefault(layer.operator.task, task) != task:
                raise self._error(
                    index, "task_name", f"and the like differ from other rows of task {layer.operator.task}"
                )
        for number in range(max(found) + 1):
            if number not in found:
                raise InputError(f"{self.path}: the tasks are numbered from 0 on, but no row has task {number}")
        for number, task in found.items():
            if task.after >= len(found) or task.after == number:
                raise InputError(
                    f"{self.path}: task {number} comes after task {task.after}, which is none of the others"
                )
        return tuple(found[number] for number in sorted(found))

    def _number(self, index: int, row: Row, column: str, default: float, lowest: float = 0) -> float:
        cell = row.get(column)
        if _empty(cell):
            if column in NEEDED:
                raise self._error(index, column, "is empty")
            return default
        try:
            number = float(str(cell))
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise self._error(index, column, f"must be a number, not {cell!r}")
        if number < lowest:
            raise self._error(index, column, f"must not be below {lowest:g}, but is {number:g}")
        if column in (*POSITIVE, "k") and number > LARGEST:
            raise self._error(index, column, f"must be at most {LARGEST:g}, but is {number:g}")
        if column in POSITIVE and number == 0:
            raise self._error(index, column, "must be positive, not 0")
        return number

    def _word(self, index: int, row: Row, column: str, default: str) -> int:
        cell = row.get(column)
        word = default if _empty(cell) else str(cell)
        if word not in WORDS[column]:
            raise InputError(f"{self._place(index, column)}: {unknown(column, word, WORDS[column])}")
        return WORDS[column][word]

    def _place(self, index: int, column: str) -> str:
        return f"{self.path}, row {index}, column {column!r}"

    def _error(self, index: int, column: str, message: str) -> InputError:
        return InputError(f"{self._place(index, column)} {message}")


_TASK_DEFAULTS = (("rate_hz", 0.0), ("probability", 1.0))


def _empty(cell: Any) -> bool:
    return cell is None or cell == "" or (isinstance(cell, float) and math.isnan(cell))


def _default(column: str, known: Row, inputs: Sequence[int], is_read: bool) -> float:
    """Default of a number; `known` holds the columns before it in SIZES."""
    product, pairs = known["kind"] in PRODUCTS, known.get("batch", 1) * known.get("groups", 1)
    defaults = {
        "a_external": float(not inputs),
        "b_external": 0,
        "out_external": float(not is_read),
        "vector_ops": 0 if product else known.get("m", 0),
    }
    if column.endswith("_bits"):
        return 8
    if column == "a_bytes":
        return pairs * known["m"] * max(known["k"], 1) * known["a_bits"] / 8
    if column == "b_bytes":
        return pairs * known["k"] * known["n"] * known["b_bits"] / 8
    if column == "out_bytes":
        return pairs * known["m"] * known["n"] * known["out_bits"] / 8
    if column == "resident_bytes":
        stored = {WEIGHT_NONE: 0, WEIGHT_A: known["a_bytes"], WEIGHT_B: known["b_bytes"]}
        return stored[known["weight"]] / known["count"]
    return defaults.get(column, 1)
