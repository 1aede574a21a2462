"""Learned surrogates of real synthesis: HLS reports of hls4ml dense layers, predicted from what is known before.

    python benchmarks/hls4ml_surrogates.py --reference DIR [--repeats 5] [--json FILE]

DIR holds hls4ml_dense.csv (Vitis HLS reports, wa-hls4ml project; not shipped). Every layer is predicted by models that
did not see it, in 5 folds, two ways: `shuffled`, where it may be in training at another width or reuse factor, and
`shape`, where no layer of its inputs x outputs is. R2 is in linear units over the predictions of all folds; +- is the
standard deviation over repeats, which differ in folds alone. SMAPE = 200/n sum |y - p| / (|y| + |p| + 1).

Models see the inputs alone, or with `+ forms` also closed forms, and learn their ratio to the report. Forest and MLP
learn the five targets together, boosting one by one. The last row is the package's own formula, for reference: its
constants were fitted on half of these rows. The thresholds in the closed forms were found in these reports as well.

For orientation: a graph network has R2 of LUT .74, FF .73, BRAM .51, DSP .89, cycles .89 on whole networks of many
kinds of layers (wa-hls4ml, arXiv 2511.05615), a harder task than single dense layers.
"""

import argparse
import warnings
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from lightgbm import LGBMRegressor
from numpy.typing import NDArray
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import RandomForestRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import r2_score
from sklearn.model_selection import KFold
from sklearn.multioutput import MultiOutputRegressor
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from archgym.envs.fpga import hls4ml

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
REPORTED = {"LUT": "LUT_hls", "FF": "FF_hls", "BRAM": "BRAM_18K_hls", "DSP": "DSP_hls", "cycles": "WorstLatency_hls"}
KNOWN = ["d_in", "d_out", "prec", "rf"]
DATA_BITS = 16
FIRST_SEED = 100  # of the folds; settings were chosen on others
_BOOSTING: dict[str, Any] = {"n_estimators": 300, "learning_rate": 0.05, "num_leaves": 8, "verbose": -1}
_BOOSTING |= {"feature_fraction_bynode": 0.5, "min_child_samples": 1}  # a width and shape without reuse is one row
_MLP: dict[str, Any] = {"hidden_layer_sizes": (64, 64), "alpha": 1.0, "solver": "lbfgs", "max_iter": 400}
MODELS: dict[str, Callable[[], Any]] = {
    "random forest": lambda: RandomForestRegressor(100, random_state=0),
    "boosting": lambda: MultiOutputRegressor(LGBMRegressor(**_BOOSTING, n_jobs=1, random_state=0)),
    "MLP": lambda: make_pipeline(StandardScaler(), MLPRegressor(**_MLP, random_state=0)),
}


def inputs(reports: pd.DataFrame) -> Array:
    """What a designer chooses [N, 5]; the clock target is one and the same in all reports."""
    n_in, n_out, bits, reuse = reports[KNOWN].to_numpy(float).T
    return np.column_stack([np.log2(n_in), np.log2(n_out), bits, np.log2(reuse), reports.strategy == "latency"])


def closed_forms(reports: pd.DataFrame) -> Array:
    """LUT, FF, BRAM, DSP and cycles [N, 5] from the structure of the circuit, with no fitted coefficient.

    A layer without reuse has its weights as constants in the logic, whatever its strategy. Otherwise every input,
    output and multiplier has a word of logic, and beyond RF = 2 n_in a multiplier selects among all accumulators: a
    six-input table passes one bit of four, three fewer. In proportion only: a model learns the rest.
    """
    n_in, n_out, bits, reuse = reports[KNOWN].to_numpy(float).T
    m, unrolled = hls4ml.multipliers(n_in, n_out, reuse), reuse == 1
    select = np.where(reuse > 2 * n_in, m * 2 ** np.ceil(np.log2(n_out)) / 3, 0)
    lut = np.where(unrolled, m * bits, DATA_BITS * (n_in + n_out + m + select))
    ff = DATA_BITS * n_out + np.where(unrolled | (bits > hls4ml.NARROW_BITS), m * bits, 0)
    memories = np.where(unrolled, 0, np.vectorize(hls4ml.memories, otypes=[float])(n_in, m, bits, reuse))
    dsp = np.where(unrolled, m * (bits > 6), np.vectorize(hls4ml.dsp, otypes=[float])(m, bits))
    return np.column_stack([lut, ff, memories, dsp, np.where(unrolled, 0, reuse)])


def package_formula(reports: pd.DataFrame) -> Array:
    """The fitted formulas of the package [N, 5]; a layer without reuse is taken as one of the latency strategy."""
    rows = []
    for n_in, n_out, bits, reuse in reports[KNOWN].to_numpy(float):
        unrolled = reuse == 1
        layer = hls4ml.latency_layer(n_in, n_out, bits) if unrolled else hls4ml.resource_layer(n_in, n_out, bits, reuse)
        rows.append((layer.lut, layer.ff, layer.bram18, layer.dsp, layer.latency))
    return np.array(rows)


def folds(reports: pd.DataFrame, split: str, seed: int) -> list[Mask]:
    """Which rows to train on, five times; the others are predicted."""
    unit = reports.groupby(["d_in", "d_out"]).ngroup() if split == "shape" else pd.Series(range(len(reports)))
    parts = KFold(5, shuffle=True, random_state=seed).split(range(unit.max() + 1))
    return [unit.isin(train).to_numpy() for train, _ in parts]


def predict(model: Callable[[], Any], seen: Array, base: Array, told: Array, parts: list[Mask]) -> Array:
    """Predictions of every row [N, 5] by models of log((y + 1) / (base + 1)) that did not train on it."""
    scale, ours = np.log1p(base), np.empty_like(told)
    for train in parts:
        learner = TransformedTargetRegressor(model(), transformer=StandardScaler())  # targets count alike
        learner.fit(seen[train], np.log1p(told[train]) - scale[train])
        ours[~train] = np.expm1(scale[~train] + learner.predict(seen[~train])).clip(0)
    return ours


def scores(told: Array, ours: Array) -> Array:
    """R2 and SMAPE [2, 5]; R2 is NaN where every report says the same."""
    smape = 200 * np.mean(np.abs(told - ours) / (np.abs(told) + np.abs(ours) + 1), axis=0)
    return np.array([np.where(np.ptp(told, axis=0) > 0, r2_score(told, ours, multioutput="raw_values"), np.nan), smape])


def outcomes(reports: pd.DataFrame, told: Array, split: str, repeats: int) -> dict[str, list[Array]]:
    """Predictions [N, 5] of every model, once per repeat."""
    known, forms = inputs(reports), closed_forms(reports)
    rich = np.column_stack([known, reports.rf > 2 * reports.d_in, np.log2(1 + forms)])
    parts = [folds(reports, split, FIRST_SEED + repeat) for repeat in range(repeats)]
    found: dict[str, list[Array]] = {}
    for name, model in MODELS.items():
        found[name] = [predict(model, known, np.zeros_like(told), told, part) for part in parts]
        found[name + " + forms"] = [predict(model, rich, forms, told, part) for part in parts]
    return found | {"formula alone": [package_formula(reports)]}


def measure(reports: pd.DataFrame, repeats: int) -> pd.DataFrame:
    """Mean and deviation of the scores, a row per split, group of layers, model and target."""
    told = reports[list(REPORTED.values())].to_numpy(float)
    resource, reused = (reports.strategy == "resource").to_numpy(), (reports.rf > 1).to_numpy()
    every = np.ones(len(reports), bool)
    groups = {"all": every, "resource": resource, "latency": ~resource, "resource, RF > 1": resource & reused}
    records = []
    for split in ("shuffled", "shape"):
        found = outcomes(reports, told, split, repeats)
        for (group, rows), (model, tries) in product(groups.items(), found.items()):
            each = np.array([scores(told[rows], ours[rows]) for ours in tries])
            for target, mean, deviation in zip(REPORTED, each.mean(0).T, each.std(0).T, strict=True):
                records.append((split, group, int(rows.sum()), model, target, mean[0], deviation[0], mean[1]))
    return pd.DataFrame(records, columns=["split", "group", "rows", "model", "target", "r2", "r2_sd", "smape"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reference", type=Path, required=True, help="folder of hls4ml_dense.csv")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)  # the number of iterations is a setting
    reports = pd.read_csv(options.reference / "hls4ml_dense.csv", comment="#")
    with threadpool_limits(1):
        records = measure(reports, options.repeats)
    for (split, group, rows), part in records.groupby(["split", "group", "rows"], sort=False):
        print(f"\n{split}, {group} ({rows} layers): R2 +- deviation, SMAPE in %")
        print(" " * 22 + "".join(f"{target:>22}" for target in REPORTED))
        for model, row in part.groupby("model", sort=False):
            cells = [f"{r.r2:8.4f} +-{r.r2_sd:6.4f} {r.smape:4.1f}" for r in row.itertuples()]
            print(f"{model:22}" + "".join(f"{cell:>22}" for cell in cells))
    if options.json:
        records.round(4).to_json(options.json, orient="records", indent=2)


if __name__ == "__main__":
    main()
