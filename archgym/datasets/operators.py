"""The networks of a data set as tables: operators, one row each, and the data dependences between them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import astuple
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from archgym.search.request import digest
from archgym.workloads import Workload
from archgym.workloads.operators import KINDS, OPERATOR_DTYPE
from archgym.workloads.workload import TASK_DTYPE

UNITS = {
    **dict.fromkeys(("a_bytes", "b_bytes", "out_bytes", "resident_bytes"), "B"),
    **dict.fromkeys(("a_bits", "b_bits", "out_bits", "accumulator_bits"), "bit"),
    **dict.fromkeys(("weight_density", "activation_density"), "1"),
}
OPERATORS = pa.schema(
    [("workload", pa.string()), ("operator", pa.int32()), ("label", pa.string()), ("kind", pa.string())]
    + [
        pa.field(
            name,
            pa.from_numpy_dtype(OPERATOR_DTYPE[name]),
            metadata={"unit": UNITS[name]} if name in UNITS else None,
        )
        for name in OPERATOR_DTYPE.names or ()
        if name != "kind"
    ]
)
EDGES = pa.schema([("workload", pa.string()), ("source", pa.int32()), ("target", pa.int32()), ("count", pa.int32())])


def operators_table(workloads: Sequence[Workload]) -> pa.Table:
    """One row per operator that the cost model sees: identical layers are one row with a count."""
    tables = []
    for workload in workloads:
        rows = workload.operators
        columns: dict[str, Any] = {name: np.ascontiguousarray(rows[name]) for name in OPERATOR_DTYPE.names or ()}
        columns["kind"] = [KINDS[kind] for kind in rows.kind]
        columns |= {"workload": [workload.name] * len(rows), "operator": np.arange(len(rows)), "label": workload.labels}
        tables.append(pa.table([pa.array(columns[f.name]).cast(f.type) for f in OPERATORS], schema=OPERATORS))
    return pa.concat_tables(tables)


def edges_table(workloads: Sequence[Workload]) -> pa.Table:
    """Data dependences between rows of the operator table, with how many pairs of layers each stands for."""
    rows = [
        {"workload": workload.name, "source": source, "target": target, "count": count}
        for workload in workloads
        for (source, target), count in sorted(merged_edges(workload).items())
    ]
    return pa.Table.from_pylist(rows, schema=EDGES)


def merged_edges(workload: Workload) -> Counter[tuple[int, int]]:
    """How many pairs of layers depend on each other, by the rows of their operators."""
    row: dict[tuple[object, ...], int] = {}
    rows = [row.setdefault(astuple(layer.operator)[:-1], len(row)) for layer in workload.layers]  # as `merge`: no count
    return Counter((rows[source], rows[target]) for source, target in workload.edges)


def graph_hash(edges: pd.DataFrame) -> str:
    """Identity of the dependences of one workload."""
    columns = edges[["source", "target", "count"]].to_numpy(np.int64)
    return digest(np.ascontiguousarray(columns).tobytes())


def operator_records(operators: pd.DataFrame) -> np.recarray:
    """The operators of one workload as the record array [L] of OPERATOR_DTYPE that cost models read."""
    table = np.zeros(len(operators), OPERATOR_DTYPE)
    for name in OPERATOR_DTYPE.names or ():
        column = operators[name]
        table[name] = [KINDS.index(kind) for kind in column] if name == "kind" else column.to_numpy()
    return table.view(np.recarray)


def task_rows(workload: Workload) -> list[dict[str, Any]]:
    """The networks of a workload of several, as plain values; one row for a single network."""
    names = [task.name for task in workload.tasks] or [workload.name]
    return [
        {"name": name} | {field: row[field].item() for field in TASK_DTYPE.names or ()}
        for name, row in zip(names, workload.task_table, strict=True)
    ]


def identity(operators: pd.DataFrame, tasks: Sequence[dict[str, Any]]) -> bytes:
    """What a cost model is told of a workload, from the tables of a data set: equal to `Workload.identity`."""
    table = np.array([tuple(task[field] for field in TASK_DTYPE.names or ()) for task in tasks], TASK_DTYPE)
    return operator_records(operators).tobytes() + table.tobytes()
