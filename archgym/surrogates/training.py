"""Trains surrogates on data sets, and holds them against designs and workloads that were held out."""

from __future__ import annotations

import platform
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import archgym
from archgym.datasets.load import Dataset, load
from archgym.datasets.staging import staged
from archgym.errors import InputError, unknown
from archgym.objective import FloatArray
from archgym.search.files import write_atomic, write_json
from archgym.spec import option_defaults, parse_options
from archgym.surrogates import SURROGATES
from archgym.surrogates.base import Model, OnStep, Part
from archgym.surrogates.card import card
from archgym.surrogates.features import BASE_OF_UNIT, FEATURES, Network, Observer, operator_features
from archgym.surrogates.scores import Score, conformal_quantile, score
from archgym.surrogates.surrogate import CARD, INFO, LEVEL, SCHEMA, WEIGHTS, Calibration, Surrogate
from archgym.surrogates.surrogate import load as load_surrogate
from archgym.surrogates.targets import least_of, offsets_of
from archgym.surrogates.validity import Validity

MOST = 20_000  # feasible designs of a workload that are trained on, the first of the data set, and infeasible ones
LEAST = 20  # designs that a model or its calibration can be fitted to


class Labelled(NamedTuple):
    """Designs of one workload with what the cost model said of them.

    Attributes:
        network: the workload.
        records: designs [N].
        values: metrics [N, T]; NaN where infeasible.
        why: codes [N]; 0 where feasible.
    """

    network: Network
    records: np.ndarray
    values: FloatArray
    why: NDArray[np.int64]

    @property
    def feasible(self) -> Labelled:
        """The feasible ones."""
        rows = self.why == 0
        return Labelled(self.network, self.records[rows], self.values[rows], self.why[rows])


def train(
    dataset: str | Path | Dataset,
    model: str = "gnn",
    out: str | Path | None = None,
    seed: int = 0,
    most: int = MOST,
    force: bool = False,
    on_step: OnStep | None = None,
) -> Surrogate:
    """Train a surrogate on the training designs of the training workloads of a data set.

    The validation designs say when to stop (one half) and how wide intervals are (the other).

    Args:
        dataset: directory, or a loaded data set.
        model: spec of a model: `gnn`, `mlp?width=256`.
        out: directory to make; None keeps the surrogate in memory.
        seed: same seed, same surrogate.
        most: feasible designs of a workload to train on at most, and as many infeasible ones.
        force: replace the surrogate that is there.
        on_step: told of the progress.

    Raises:
        InputError: unknown model or option, too few designs, or `out` exists.
        DataError: the data set is damaged.
        MissingExtraError: what the model needs is not installed.
    """
    for what, number, least in (("seed", seed, 0), ("number of designs of a workload", most, LEAST)):
        if number < least:
            raise InputError(f"the {what} must be at least {least}, not {number}")
    data = dataset if isinstance(dataset, Dataset) else load(dataset)
    if out is None:
        return _trained(data, model, seed, most, on_step)
    with staged(out, force, INFO) as scratch:  # first: whether the place is free is known before the work
        _write(scratch, _trained(data, model, seed, most, on_step))
        made = load_surrogate(scratch)
        scores = evaluate(made, data)
        made = replace(made, info=made.info | {"scores": scores})
        write_json(scratch / INFO, made.info)
        write_atomic(scratch / CARD, lambda file: file.write(card(Path(out).name, made).encode()))
    return made


def _trained(data: Dataset, model: str, seed: int, most: int, on_step: OnStep | None) -> Surrogate:
    name, options, built = new_model(model, seed, _bases(data))
    names = [row["name"] for row in data.info["workloads"] if row["split"] == "train"] or data.workloads
    train_on, held = (_labelled(data, split, names, most) for split in ("train", "validation"))
    made = _fitted(data, train_on, held, built, seed, on_step)
    return replace(made, info=_info(data, name, options, seed, names, train_on, made.model))


def new_model(spec: str, seed: int, bases: Sequence[int]) -> tuple[str, dict[str, Any], Model]:
    """Name, options and model of a spec.

    Raises:
        UnknownNameError, InputError, MissingExtraError: as `train`.
    """
    name, mark, query = spec.partition("?")
    build = SURROGATES.load(name)
    options = option_defaults(build)
    if mark:
        options |= parse_options(f"surrogate {name}", query, options)
    return name, options, build(seed, bases, **options)


def evaluate(
    surrogate: Surrogate | str | Path, dataset: str | Path | Dataset, split: str = "test", most: int = MOST
) -> list[dict[str, Any]]:
    """Scores on held-out designs: one row per workload of the data set and metric.

    Args:
        surrogate: directory, or a loaded one.
        dataset: of the same environment and parameters.
        split: by design: test, validation, train.
        most: feasible designs of a workload at most, and as many infeasible ones.

    Returns:
        Rows of `workload`, `trained` (whether it was trained on), `feasible_right` (share of designs whose feasibility
        is right, infeasible ones included), `unknown` (share flagged), and the fields of scores.Score.

    Raises:
        InputError: the data set is of something else.
    """
    made = surrogate if isinstance(surrogate, Surrogate) else load_surrogate(surrogate)
    data = dataset if isinstance(dataset, Dataset) else load(dataset)
    _require_same(made, data)
    rows: list[dict[str, Any]] = []
    for labelled in _labelled(data, split, data.workloads, most):
        rows += _scored(made, labelled)
    return rows


def _scored(made: Surrogate, labelled: Labelled) -> list[dict[str, Any]]:
    """One row per metric of one workload."""
    if not len(labelled.records):
        return []
    found = made.predict(labelled.records, labelled.network)
    feasible = labelled.why == 0
    shared = {
        "workload": labelled.network.name,
        "trained": labelled.network.name in made.info["workloads"],
        "feasible_right": float(np.mean((found.why == 0) == feasible)),
        "unknown": float(np.mean(found.unknown[feasible])) if feasible.any() else 0.0,
    }
    if not feasible.any():
        return []
    columns = zip(
        made.metrics, *(array[feasible].T for array in (labelled.values, found.values, found.low, found.high)),
        strict=True,
    )  # fmt: skip
    scores: list[Score] = [score(*column) for column in columns]
    return [
        shared | {name: None if value != value else value for name, value in found._asdict().items()}
        for found in scores
    ]


def _require_same(made: Surrogate, data: Dataset) -> None:
    if data.environment != made.environment:
        raise InputError(f"the surrogate is of {made.environment}, the data set of {data.environment}")
    if data.space.names != made.layout.space.names:
        raise unknown("parameters", ", ".join(data.space.names), [", ".join(made.layout.space.names)])
    if data.info["scenario"] != made.info["scenario"]:
        raise InputError(f"the data set is of another scenario: {data.info['scenario']}, not {made.info['scenario']}")


# -- from data sets


def _labelled(data: Dataset, split: str, workloads: Sequence[str], most: int) -> list[Labelled]:
    """The first designs of a split, per workload: up to `most` feasible and as many infeasible ones."""
    found = []
    for name in workloads:
        arrays = data.arrays(split=split, workload=name)
        rows = np.sort(np.concatenate([np.flatnonzero(arrays.feasible == kind)[:most] for kind in (True, False)]))
        edges = data.edges[data.edges["workload"] == name][["source", "target"]].to_numpy(np.int64, copy=True)
        found.append(
            Labelled(
                Network(name, data.operators_of(name), edges),
                data.space.records(arrays.indices[rows]),
                np.stack([arrays.metrics[metric][rows] for metric in data.layout.metric_names], axis=1),
                arrays.why[rows],
            )
        )
    return found


def _bases(data: Dataset) -> list[int]:
    return [BASE_OF_UNIT.get(metric.unit, 0) for metric in data.layout.metrics]


# -- fitting


def _fitted(
    data: Dataset,
    train_on: Sequence[Labelled],
    held: Sequence[Labelled],
    model: Model,
    seed: int,
    on_step: OnStep | None,
) -> Surrogate:
    observer = Observer.of(data.environment, data.info["scenario"], data.space)
    labelled = [part.feasible for part in train_on if (part.why == 0).any()]
    checks = [part.feasible for part in held if (part.why == 0).sum() >= 2]
    n, n_held = (sum(len(part.records) for part in parts) for parts in (labelled, checks))
    if n < LEAST or n_held < LEAST:
        raise InputError(
            f"{n} feasible designs to train on and {n_held} to validate with are too few (at least {LEAST} each): "
            "generate a larger data set, or sample with agents"
        )
    values = np.concatenate([part.values for part in (*labelled, *checks)])
    offsets = offsets_of(values)
    seen = [observer.see(part.records, part.network) for part in train_on]
    feasible = [np.flatnonzero(part.why == 0) for part in train_on]
    views = [view.take(rows) for view, rows in zip(seen, feasible, strict=True) if len(rows)]
    parts = [Part(view, _targets(part, offsets)) for view, part in zip(views, labelled, strict=True)]
    stops, last = ([_held(observer, part, first, offsets) for part in checks] for first in (0, 1))
    model.fit(parts, stops, on_step)
    validity = Validity.fit(seen, [part.why for part in train_on], seed)
    calibration = _calibrated(model, parts, labelled, last, offsets, least_of(values))
    return Surrogate({}, data.layout, model, validity, calibration)


def _held(observer: Observer, part: Labelled, first: int, offsets: FloatArray) -> Part:
    """Every second design from the first on."""
    rows = slice(first, None, 2)
    half = Labelled(part.network, part.records[rows], part.values[rows], part.why[rows])
    return Part(observer.see(half.records, half.network), _targets(half, offsets))


def _targets(labelled: Labelled, offsets: FloatArray) -> NDArray[np.float32]:
    return np.log(labelled.values + offsets).astype(np.float32)


def _calibrated(
    model: Model,
    parts: Sequence[Part],
    labelled: Sequence[Labelled],
    last: Sequence[Part],
    offsets: FloatArray,
    least: FloatArray,
) -> Calibration:
    """Sizes of errors, intervals and what is known, from designs that the model has not seen."""
    estimates = [model.predict(part.seen) for part in last]
    errors = np.concatenate([part.targets - found.mean for part, found in zip(last, estimates, strict=True)])
    hardware = _bounds([part.seen.hardware for part in parts])
    operators = _bounds([operator_features(part.network.operators) for part in labelled])
    sizes = np.maximum(np.sqrt(np.mean(errors.astype(np.float64) ** 2, axis=0)), 1e-6)
    draft = Calibration(offsets, least, sizes, np.ones(errors.shape[1]), np.inf, hardware, operators)
    expected = np.concatenate([draft.expected(found) for found in estimates])
    quantiles = conformal_quantile(np.abs(errors) / expected, LEVEL)
    most = 2 * max(float(draft.disagreement(found).max()) for found in estimates)
    return replace(draft, quantiles=quantiles, most_std=most)


def _bounds(arrays: Sequence[NDArray[Any]]) -> FloatArray:
    return np.stack([np.min([array.min(axis=0) for array in arrays], axis=0),
                     np.max([array.max(axis=0) for array in arrays], axis=0)]).astype(np.float64)  # fmt: skip


# -- the directory


def _info(
    data: Dataset,
    name: str,
    options: dict[str, Any],
    seed: int,
    workloads: Sequence[str],
    train_on: Sequence[Labelled],
    model: Model,
) -> dict[str, Any]:
    values, _ = model.state()
    return {
        "schema": SCHEMA,
        "features": FEATURES,
        "archgym": archgym.__version__,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": sys.argv if len(sys.argv) > 1 else None,
        "python": platform.python_version(),
        "kind": name,
        "options": options,
        "seed": seed,
        "environment": data.environment,
        "scenario": data.info["scenario"],
        "compression": data.info["compression"],
        "model_hash": data.info["model_hash"],
        "dataset": {"name": data.path.name, "content_hash": data.content_hash},
        "workloads": list(workloads),
        "designs": {part.network.name: len(part.records) for part in train_on},
        "feasible": {part.network.name: int((part.why == 0).sum()) for part in train_on},
        "level": LEVEL,
        "bases": _bases(data),
        "layout": data.layout.as_dict(),
        "model": values,
    }


def _write(directory: Path, made: Surrogate) -> None:
    from safetensors.numpy import save

    data = save(made.arrays())
    write_atomic(directory / WEIGHTS, lambda file: file.write(data))
    write_json(directory / INFO, made.info)
