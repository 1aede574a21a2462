"""Run directories, or a data set, as a data set in Parquet, or in another form.

Every form is a directory. Parquet is the data set itself. `csv` and `npz` hold the same columns in `data.csv` or
`data.npz`, beside `operators` and `edges` in the same form and dataset.json; units are in dataset.json. `minari` holds
episodes, see episodes.py.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv

from archgym.datasets.episodes import write_episodes
from archgym.datasets.load import Dataset, load
from archgym.datasets.runs import add_run, evaluator_of, found_runs, run_source, space_of, workload_of
from archgym.datasets.staging import INFO, staged
from archgym.datasets.writer import writer
from archgym.errors import InputError, unknown
from archgym.search.files import write_json

Form = Callable[[Dataset, Path], None]


def export(
    sources: Sequence[str | Path],
    out: str | Path,
    form: str = "parquet",
    hold_out: Sequence[str] | None = None,
    force: bool = False,
) -> Dataset | None:
    """Turn runs into a data set, or a data set into another form.

    Args:
        sources: run directories, or directories of them, of one environment, scenario and cost model; finished or not.
            Or one data set.
        out: directory to make.
        form: parquet, csv, npz or minari.
        hold_out: workloads of the test split by workload; every fourth network when None.
        force: replace what an earlier export made there.

    Returns:
        The data set, not read back; None for other forms than parquet.

    Raises:
        InputError: a value that cannot be used, or `out` exists or cannot be written.
        RunError, DataError: a run or data set is damaged.
        MissingExtraError: `minari` is not installed.
    """
    if form != "parquet" and form not in FORMS:
        raise unknown("format", form, ("parquet", *FORMS))
    listed = [Path(source) for source in ([sources] if isinstance(sources, str | Path) else sources)]
    given = next((path for path in listed if (path / INFO).is_file()), None)
    if given is not None:
        if len(listed) > 1:
            raise InputError(f"{given} is a data set: export it alone")
        if form == "parquet":
            raise InputError(f"{given} is a data set in parquet already: name another format, {', '.join(FORMS)}")
        if hold_out is not None:
            raise InputError(f"{given} is a data set, and its splits are made: leave out what to hold out")
    if form == "parquet":
        _from_runs(listed, out, hold_out, force)
        return load(out, check=False)
    with staged(out, force) as scratch, _as_dataset(listed, given, hold_out) as dataset:
        FORMS[form](dataset, scratch)
        write_json(scratch / INFO, dataset.info | {"format": form})
    return None


@contextmanager
def _as_dataset(listed: Sequence[Path], given: Path | None, hold_out: Sequence[str] | None) -> Iterator[Dataset]:
    """The data set given, checked, or one of the runs, for as long as it is needed."""
    if given is not None:
        yield load(given)
        return
    with tempfile.TemporaryDirectory(prefix="archgym-") as folder:
        _from_runs(listed, Path(folder) / "data", hold_out, False)
        yield load(Path(folder) / "data", check=False)


def _from_runs(paths: Sequence[Path], out: str | Path, hold_out: Sequence[str] | None, force: bool) -> None:
    runs = found_runs(paths)
    if not any(run.parts() for run in runs):
        raise InputError(f"{runs[0].path} holds no trials yet: there is nothing to export")
    workloads = {run.config["workload"]: workload_of(run) for run in runs}
    evaluators = {name: evaluator_of(runs[0], workload) for name, workload in workloads.items()}
    spaces = [space_of(run, evaluators[run.config["workload"]]) for run in runs]
    labelled = {key: runs[0].config[key] for key in ("model_hash", "compression_hash", "cost_model_hash")}
    any_of = next(iter(evaluators.values()))
    with writer(out, any_of, list(workloads.values()), hold_out, force, made_with=labelled) as made:
        for number, (name, evaluator) in enumerate(evaluators.items()):
            for run, space in zip(runs, spaces, strict=True):
                if run.config["workload"] == name:
                    add_run(made, number, run, evaluator, space, run_source(run))


def write_csv(dataset: Dataset, folder: Path) -> None:
    """`data.csv`, `operators.csv` and `edges.csv`; an infeasible design has empty metrics."""
    with pa.csv.CSVWriter(folder / "data.csv", dataset.layout.arrow) as file:
        for table in dataset.tables():
            file.write_table(table)
    for name, frame in (("operators", dataset.operators), ("edges", dataset.edges)):
        frame.to_csv(folder / f"{name}.csv", index=False)


def write_npz(dataset: Dataset, folder: Path) -> None:
    """`data.npz`, `operators.npz`, `edges.npz`: an array per column, without pickle; all rows are held in memory."""
    for name, frame in (("data", dataset.frame()), ("operators", dataset.operators), ("edges", dataset.edges)):
        columns = {column: _array(frame[column]) for column in frame.columns}
        np.savez_compressed(folder / f"{name}.npz", allow_pickle=False, **columns)


def _array(column: pd.Series) -> np.ndarray:
    """Numbers as they are, text of fixed width."""
    values = column.to_numpy()
    return values if values.dtype.kind in "biuf" else values.astype(np.str_)


FORMS: dict[str, Form] = {"csv": write_csv, "npz": write_npz, "minari": write_episodes}
