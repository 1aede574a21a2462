"""What a surrogate says of designs from outside: one that is named, or those in a CSV or Parquet file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from archgym.compression.knobs import DEFAULTS
from archgym.envs import ENVIRONMENTS
from archgym.envs.family import Family
from archgym.errors import InputError, unknown
from archgym.evaluation import design_values
from archgym.problem import network_of
from archgym.search.files import write_atomic
from archgym.space import DesignSpace, Parameter, Value
from archgym.surrogates.surrogate import Prediction, Surrogate
from archgym.workloads import Workload

if TYPE_CHECKING:
    import pandas as pd

FORMS = (".csv", ".parquet")


@dataclass(frozen=True)
class DesignPrediction:
    """What a surrogate says of one design on one workload.

    Attributes:
        environment, workload: canonical specs.
        design: plain values.
        metrics: by name the predicted `value` with `low` and `high`, its 90 % interval; empty when infeasible.
        feasible, why: and the reason's text.
        unknown: whether the design or the workload is unlike all that was trained on.
        notes: what else a user should know.
    """

    environment: str
    workload: str
    design: dict[str, Value]
    metrics: dict[str, dict[str, float]]
    feasible: bool
    why: str
    unknown: bool
    notes: tuple[str, ...] = ()


def predict_design(
    surrogate: Surrogate, design: str | Mapping[str, Any] | Sequence[str], workload: str | Workload | None = None
) -> DesignPrediction:
    """Predict one design.

    Args:
        surrogate: a trained one.
        design: as archgym.evaluate takes it: preset, file, JSON, `parameter=value`, several of them, or values.
        workload: spec or Workload; the environment's default when None.

    Raises:
        InputError: something is unknown, missing, unreadable or of the wrong type.
    """
    family = ENVIRONMENTS.load(surrogate.environment)
    parts = [design] if isinstance(design, str | Mapping) else design
    values, scenario = design_values(family, parts)
    network, space = network_of(family, workload), surrogate.layout.space
    records = space.design(_whole(values, family, space))
    found = surrogate.predict(records, network)
    feasible, columns = bool(found.why[0] == 0), (found.values[0], found.low[0], found.high[0])
    numbers = [dict(zip(("value", "low", "high"), map(float, row), strict=True)) for row in zip(*columns, strict=True)]
    own = surrogate.info["scenario"]
    others = [(name, value, own.get(name)) for name, value in scenario.items() if own.get(name) != value]
    return DesignPrediction(
        environment=surrogate.spec,
        workload=network.name,
        design=space.values(records)[0],
        metrics=dict(zip(surrogate.metrics, numbers, strict=True)) if feasible else {},
        feasible=feasible,
        why=surrogate.layout.reasons[found.why[0]],
        unknown=bool(found.unknown[0]),
        notes=tuple(f"{name} of the preset is {value}, of the surrogate {own}" for name, value, own in others),
    )


def _whole(values: Mapping[str, Any], family: Family, space: DesignSpace) -> dict[str, Any]:
    """Values of a design with what is left as it comes: features that only compressed networks use, and compression.

    Raises:
        InputError: a feature or compression that no design had which was trained on.
    """
    plain = {feature.name: feature.choices[0] for feature in family.space.fixed} | DEFAULTS
    for name, value in values.items():
        if name in plain and name not in space.names and str(value) != str(plain[name]):
            raise InputError(f"the surrogate knows no {name}: no design that it was trained on had it")
    own = {name: value for name, value in values.items() if name in space.names or name not in plain}
    return {name: value for name, value in plain.items() if name in space.names} | own


def predict_file(
    surrogate: Surrogate, designs: str | Path, out: str | Path, workload: str | Workload | None = None
) -> pd.DataFrame:
    """Predict the designs in a file and write what is said of them.

    Args:
        surrogate: a trained one.
        designs: CSV or Parquet file with a column per parameter, as in data sets; other columns are left out.
        out: CSV or Parquet file to write: workload, parameters, metrics with `_low` and `_high` (empty where
            infeasible), `feasible`, `why` and `unknown`.
        workload: of all designs; when None, what the file's column `workload` names, else the environment's default.

    Returns:
        What was written.

    Raises:
        InputError: the file cannot be read, or a row holds no design; RunError: `out` cannot be written.
    """
    designs, out = Path(designs), Path(out)
    if out.suffix not in FORMS:
        raise unknown("form of predictions", out.suffix or out.name, FORMS)
    if out.exists() and out.samefile(designs):
        raise InputError(f"{out} holds the designs: name another file for predictions")
    frame = predict_frame(surrogate, _read(designs), workload, str(designs))
    write_atomic(out, lambda file: (frame.to_csv if out.suffix == ".csv" else frame.to_parquet)(file, index=False))
    return frame


def predict_frame(
    surrogate: Surrogate, frame: pd.DataFrame, workload: str | Workload | None = None, what: str = "the table"
) -> pd.DataFrame:
    """Predict designs in a data frame; `what` names it in errors, else as `predict_file`."""
    import pandas as pd

    space, family = surrogate.layout.space, ENVIRONMENTS.load(surrogate.environment)
    records = _records(space, frame, what)
    named = frame["workload"] if workload is None and "workload" in frame else None
    names = [network_of(family, workload).name] if named is None else list(named.unique())
    parts = []
    for name in names:
        rows = np.arange(len(frame)) if named is None else np.flatnonzero(named == name)
        network = network_of(family, workload) if named is None else Workload.load(str(name))
        columns = {"workload": network.name} | {key: frame[key].to_numpy()[rows] for key in space.names}
        columns |= _columns(surrogate, surrogate.predict(records[rows], network))
        parts.append(pd.DataFrame(columns, index=rows))
    return pd.concat(parts).sort_index()


def _columns(surrogate: Surrogate, found: Prediction) -> dict[str, Any]:
    """What is said of designs, as columns."""
    feasible = found.why == 0
    columns: dict[str, Any] = {}
    for column, metric in enumerate(surrogate.metrics):
        for end, numbers in (("", found.values), ("_low", found.low), ("_high", found.high)):
            columns[f"{metric}{end}"] = np.where(feasible, numbers[:, column], np.nan)
    codes = np.array(surrogate.layout.codes, object)
    return columns | {"feasible": feasible, "why": codes[found.why], "unknown": found.unknown}


def _read(path: Path) -> pd.DataFrame:
    """A table; of a CSV file all values as text, as they stand there."""
    import pandas as pd

    if path.suffix not in FORMS:
        raise unknown("form of designs", path.suffix or path.name, FORMS)
    try:
        if path.suffix == ".parquet":
            return pq.read_table(path, partitioning=None).replace_schema_metadata().to_pandas()
        return pd.read_csv(path, dtype=str, keep_default_na=False, comment="#")
    except (OSError, ValueError, pa.ArrowException) as error:  # damaged files are ValueErrors
        raise InputError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from None


def _records(space: DesignSpace, frame: pd.DataFrame, what: str) -> np.ndarray:
    """Designs [N] of the rows of a table.

    Raises:
        InputError: there are none, a parameter has no column, or a row no value.
    """
    if missing := [name for name in space.names if name not in frame]:
        raise InputError(f"{what} has no column {', '.join(missing)}")
    if not len(frame):
        raise InputError(f"{what} holds no designs")
    records = np.empty(len(frame), space.dtype)
    for parameter in space.parameters:
        records[parameter.name] = _codes(parameter, frame[parameter.name], what)
    return records


def _codes(parameter: Parameter, column: pd.Series[Any], what: str) -> np.ndarray:
    """Codes [N] of values, each looked up once."""
    import pandas as pd

    known: dict[Any, float] = {}
    for value in column.unique():
        try:
            known[value] = parameter.code(value)
        except InputError as error:
            row = np.flatnonzero(column.isna() if pd.isna(value) else column == value)[0]
            raise InputError(f"{what}, row {row + 1}: {error}") from None
    return column.map(known).to_numpy(np.float64)
