"""How good predictions are: the measures of the field, on designs that were not trained on."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from archgym.objective import FloatArray


class Score(NamedTuple):
    """Predictions of one metric.

    Attributes:
        metric: its name.
        n: designs.
        rmse_percent: root mean square error, % of the range of the true values (ArchGym's measure of its proxies).
        mape_percent: mean of |error| / |true value|, %; values of zero are left out.
        r2: coefficient of determination.
        spearman, kendall: rank correlations (Kendall's tau-b).
        coverage: share of true values within the interval.
    """

    metric: str
    n: int
    rmse_percent: float
    mape_percent: float
    r2: float
    spearman: float
    kendall: float
    coverage: float


def score(metric: str, true: FloatArray, predicted: FloatArray, low: FloatArray, high: FloatArray) -> Score:
    """The score of predictions [N] with their intervals; NaN where a measure has no meaning, as of equal values."""
    from scipy.stats import kendalltau, spearmanr

    error, spread = predicted - true, float(np.ptp(true))
    known = true != 0
    mape = 100 * np.mean(np.abs(error[known] / true[known])) if known.any() else np.nan
    slack = 1e-6 * np.abs(true)  # of single precision
    inside = (low - slack <= true) & (true <= high + slack)
    varied = spread > 0 and np.ptp(predicted) > 0
    return Score(
        metric,
        len(true),
        float(100 * np.sqrt(np.mean(error**2)) / spread) if spread > 0 else np.nan,
        float(mape),
        float(1 - np.sum(error**2) / np.sum((true - true.mean()) ** 2)) if spread > 0 else np.nan,
        float(spearmanr(true, predicted).statistic) if varied else np.nan,
        float(kendalltau(true, predicted).statistic) if varied else np.nan,
        float(inside.mean()),
    )


def conformal_quantile(scores: NDArray[np.float64], level: float) -> FloatArray:
    """Quantiles [T] of calibration scores [N, T] that cover a new one with probability `level` at least.

    Source: V. Vovk, A. Gammerman, G. Shafer, "Algorithmic learning in a random world", Springer 2005: the
    ceil((n + 1) * level)-th smallest; the largest where there are too few.
    """
    rank = min(int(np.ceil((len(scores) + 1) * level)), len(scores))
    return np.asarray(np.sort(scores, axis=0)[rank - 1])
