"""Writes a data set, shard after shard in constant memory.

README.md                                   data card, see card.py
dataset.json                                what the data set is: columns, workloads, sources, files, content hash
data/<workload>/<split>-00000.parquet       designs; a split by design each, a workload each
operators.parquet, edges.parquet            the workloads, see operators.py
"""

from __future__ import annotations

import json
import platform
import re
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

import archgym
from archgym.datasets.card import card
from archgym.datasets.operators import edges_table, graph_hash, operators_table, task_rows
from archgym.datasets.schema import SCHEMA, Layout, Rows, Source
from archgym.datasets.splits import DESIGN_SPLITS, workload_splits
from archgym.datasets.staging import INFO, staged
from archgym.datasets.summary import Summary
from archgym.envs.evaluator import Evaluator, model_hash
from archgym.search.files import write_json
from archgym.search.request import compression_of, digest, hash_of_compression
from archgym.workloads import Workload

ROW_GROUP = 2**16  # rows held in memory per split before they are written
SHARD = 2**19  # rows of a file at most
OPERATORS, EDGES, CARD = "operators.parquet", "edges.parquet", "README.md"
KEY = b"archgym"  # of the JSON in the metadata of every Parquet file

Hashes = dict[str, Any]  # column -> a running SHA-256


@contextmanager
def writer(
    out: str | Path,
    evaluator: Evaluator,
    workloads: Sequence[Workload],
    hold_out: Sequence[str] | None = None,
    force: bool = False,
    shard: int = SHARD,
    made_with: Mapping[str, Any] | None = None,
) -> Iterator[Writer]:
    """A Writer whose data set stands at `out` when the block ends without an error, and nowhere otherwise.

    Args:
        out: directory to make.
        evaluator: of the environment, for any of the workloads.
        workloads: all that will be written.
        hold_out: see workload_splits.
        force: replace the data set that is there.
        shard: rows of a file at most.
        made_with: what differs from `identity_of` where labels were made earlier, by a run.

    Raises:
        InputError: `out` exists or cannot be written; an unknown workload to hold out.
    """
    splits = workload_splits(workloads, hold_out)
    layout = Layout.of(evaluator)
    with staged(out, force) as scratch:
        made = Writer(scratch, identity_of(evaluator) | dict(made_with or {}), layout, workloads, splits, shard)
        try:
            yield made
            made.finish(Path(out).name)
        finally:
            made.close()


class Writer:
    """A data set in the making; rows come workload by workload.

    Attributes:
        path: where it is made.
        layout: its columns.
        sources: what its rows come from, as plain values, filled by whoever adds rows.
        repeats: rows whose design came before under the same workload, by workload.
    """

    def __init__(
        self,
        path: Path,
        identity: Mapping[str, Any],
        layout: Layout,
        workloads: Sequence[Workload],
        splits: Sequence[str],
        shard: int,
    ) -> None:
        self.path, self.layout, self.workloads = path, layout, list(workloads)
        self.sources: list[dict[str, Any]] = []
        self.repeats = [0] * len(workloads)
        self._identity = dict(identity)
        self._splits, self._shard = splits, min(shard, SHARD)
        self._folders = _folders([workload.name for workload in workloads])
        self._files: list[dict[str, Any]] = []
        self._hashes: dict[str, str] = {}
        self._summary = Summary(layout)
        self._now = -1
        self._open: dict[str, _Group] = {}
        self._ranks: dict[int, set[int]] = {}

    def add(self, workload: int, rows: Rows, source: Source) -> None:
        """Add rows [N] of a workload, given by its number; all rows of one before those of the next."""
        if workload != self._now:
            self._close_groups()
            self._now = workload
        name = self.workloads[workload].name
        table = self.layout.table(rows, name, self._splits[workload], source)
        self._summary.add(table)
        for split in DESIGN_SPLITS:
            part = table.filter(pc.equal(table["design_split"], split))
            if len(part):
                self._group(split).add(part)

    def note_designs(self, workload: int, ranks: NDArray[np.int64]) -> None:
        """Count the repeats among designs [N] that were added; of samplers, which repeat none, there is no need to."""
        self._ranks.setdefault(workload, set())
        known = self._ranks[workload]
        before = len(known)
        known.update(ranks.tolist())
        self.repeats[workload] += len(ranks) - (len(known) - before)

    def _group(self, split: str) -> _Group:
        if split not in self._open:
            folder = Path("data") / self._folders[self._now]
            about = self._identity | {"workload": self.workloads[self._now].name, "split": split}
            self._open[split] = _Group(self.path, folder, split, self.layout, about, self._shard)
        return self._open[split]

    def _close_groups(self) -> None:
        for split, group in self._open.items():
            group.close()
            name = self.workloads[self._now].name
            self._hashes[f"{name}/{split}"] = combined(group.hashes)
            self._files += [
                {"path": path, "rows": rows, "workload": name, "split": split} for path, rows in group.files
            ]
        self._open = {}

    def close(self) -> None:
        """Close open files."""
        for group in self._open.values():
            group.close()

    def finish(self, name: str) -> None:
        """Write what is waiting, the tables of operators, dataset.json and the card of the data set called `name`."""
        self._close_groups()
        edges = edges_table(self.workloads)
        for path, table in ((OPERATORS, operators_table(self.workloads)), (EDGES, edges)):
            pq.write_table(table, self.path / path, compression="zstd", write_page_checksum=True)
        info = self._info(edges)
        write_json(self.path / INFO, info)
        (self.path / CARD).write_text(card(name, info, self.layout, self._summary), encoding="utf-8")

    def _info(self, edges: pa.Table) -> dict[str, Any]:
        """Contents of dataset.json."""
        info: dict[str, Any] = self._identity | {
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "command": command(),
            "python": platform.python_version(),
            "numpy": np.__version__,
        }
        info |= self.layout.as_dict()
        frame = edges.to_pandas()
        info["workloads"] = [
            {
                "name": workload.name,
                "split": self._splits[number],
                "rows": self._summary.rows_of(workload.name),
                "repeats": self.repeats[number],
                "folder": self._folders[number],
                "tasks": task_rows(workload),
                "operators_hash": digest(workload.identity),
                "edges_hash": graph_hash(frame[frame["workload"] == workload.name]),
            }
            for number, workload in enumerate(self.workloads)
        ]
        info |= {"sources": self.sources, "files": self._files, "rows": self._summary.rows}
        info["content_hash"] = content_hash(info, self._hashes)
        return info


class _Group:
    """The shards of one workload and split.

    Attributes:
        hashes: running SHA-256 of each column.
        files: path and rows of each shard.
    """

    def __init__(
        self, root: Path, folder: Path, split: str, layout: Layout, about: Mapping[str, Any], shard: int
    ) -> None:
        self.root, self.folder, self.split, self.layout, self.shard = root, folder, split, layout, shard
        self.hashes: Hashes = {}
        self.files: list[tuple[str, int]] = []
        self._schema = layout.arrow.with_metadata({KEY: json.dumps(about)})
        self._waiting: list[pa.Table] = []
        self._n_waiting = 0
        self._writer: pq.ParquetWriter | None = None
        (root / folder).mkdir(parents=True, exist_ok=True)

    def add(self, table: pa.Table) -> None:
        """Take rows, and write as many whole row groups as there are."""
        hash_rows(self.hashes, self.layout, table)
        self._waiting.append(table)
        self._n_waiting += len(table)
        while self._n_waiting >= min(ROW_GROUP, self.shard):
            self._write(min(ROW_GROUP, self.shard))

    def _write(self, n: int) -> None:
        whole = pa.concat_tables(self._waiting)
        rest = whole.slice(n)
        self._waiting, self._n_waiting = [rest], len(rest)
        rows = whole.slice(0, n)
        while len(rows):
            room = self.shard - (self.files[-1][1] if self._writer is not None else 0)
            part, rows = rows.slice(0, room), rows.slice(room)
            writer = self._writer or self._next_file()
            writer.write_table(part.replace_schema_metadata(self._schema.metadata))
            path, before = self.files[-1]
            self.files[-1] = (path, before + len(part))
            if before + len(part) == self.shard:
                self._end_file()

    def _next_file(self) -> pq.ParquetWriter:
        path = (self.folder / f"{self.split}-{len(self.files):05d}.parquet").as_posix()
        self.files.append((path, 0))
        numbers = ("metric", "reward")
        roles = {field.name: field.metadata[b"role"].decode() for field in self._schema}
        self._writer = pq.ParquetWriter(
            self.root / path,
            self._schema,
            compression="zstd",
            use_dictionary=[name for name, role in roles.items() if role not in numbers],
            use_byte_stream_split=[name for name, role in roles.items() if role in numbers],
            write_page_checksum=True,
        )
        return self._writer

    def _end_file(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def close(self) -> None:
        """Write what is waiting, and the end of the last file."""
        if self._n_waiting:
            self._write(self._n_waiting)
        self._end_file()


def identity_of(evaluator: Evaluator) -> dict[str, Any]:
    """What the labels were made with: every Parquet file carries it too."""
    return {
        "schema": SCHEMA,
        "archgym": archgym.__version__,
        "environment": evaluator.family.name,
        "version": evaluator.family.version,
        "scenario": dict(evaluator.scenario),
        "cost_model": evaluator.cost_model,
        "model_hash": model_hash(evaluator.family),
        "cost_model_hash": evaluator.identity(),
        "compression": compression_of(evaluator),
        "compression_hash": hash_of_compression(evaluator),
    }


def command() -> str | None:
    """The command line this process was started with; None in a session or another program."""
    program = Path(sys.argv[0]).name if sys.argv else ""
    return shlex.join([program, *sys.argv[1:]]) if program == "archgym" else None


def hash_rows(hashes: Hashes, layout: Layout, table: pa.Table) -> None:
    """Let rows that follow those before count in the hashes of their workload and split."""
    for name, data in layout.content(table):
        hashes.setdefault(name, sha256()).update(data)


def combined(hashes: Hashes) -> str:
    """One hash of all columns."""
    return sha256("".join(hashes[name].hexdigest() for name in sorted(hashes)).encode()).hexdigest()


def content_hash(info: Mapping[str, Any], hashes: Mapping[str, str]) -> str:
    """Identity of the contents: rows in their order, and what they mean; not of files, versions, times and commands."""
    meaning = {name: info[name] for name in ("schema", "environment", "scenario", "parameters", "metrics", "reasons")}
    sources = [{name: source[name] for name in SOURCE_KEYS} for source in info["sources"]]
    names = ("name", "split", "tasks", "operators_hash", "edges_hash")
    workloads = [{name: workload[name] for name in names} for workload in info["workloads"]]
    whole = meaning | {"sources": sources, "workloads": workloads, "rows": dict(hashes)}
    return sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()


SOURCE_KEYS = ("sampler", "agent", "seed", "workload", "rows", "objective", "constraints", "reward", "target", "space")


def _folders(names: Sequence[str]) -> list[str]:
    """A folder name for each workload, readable and distinct."""
    folders: list[str] = []
    for name in names:
        stem = re.sub(r"[^a-z0-9.-]+", "_", name.lower()).strip("_.")[:80] or "workload"
        folder, number = stem, 2
        while folder in folders:
            folder, number = f"{stem}-{number}", number + 1
        folders.append(folder)
    return folders
