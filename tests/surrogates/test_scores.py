"""Measures of predictions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archgym.surrogates.scores import conformal_quantile, score

TRUE = np.array([1.0, 2.0, 4.0, 8.0])


def test_of_a_perfect_prediction() -> None:
    found = score("x", TRUE, TRUE, TRUE, TRUE)
    assert found == ("x", 4, 0, 0, 1, 1, 1, 1)


def test_by_hand() -> None:
    predicted = np.array([2.0, 1.0, 4.0, 8.0])
    found = score("x", TRUE, predicted, predicted, predicted + 0.5)
    assert found.rmse_percent == pytest.approx(100 * np.sqrt(2 / 4) / 7)
    assert found.mape_percent == pytest.approx(100 * (1 + 0.5) / 4)
    assert found.r2 == pytest.approx(1 - 2 / np.sum((TRUE - 3.75) ** 2))
    assert found.spearman == pytest.approx(0.8)  # 1 - 6 * (1 + 1) / (4 * 15)
    assert found.kendall == pytest.approx(4 / 6)  # one of six pairs the other way
    assert found.coverage == 0.5


def test_of_equal_and_of_zero_values() -> None:
    found = score("x", np.zeros(3), np.zeros(3), np.zeros(3), np.zeros(3))
    assert np.isnan([found.rmse_percent, found.mape_percent, found.r2, found.spearman, found.kendall]).all()
    assert found.coverage == 1
    found = score("x", np.array([0.0, 2.0]), np.array([1.0, 1.0]), np.zeros(2), np.ones(2))
    assert found.mape_percent == 50  # of the value that is not zero
    assert np.isnan(found.spearman)


@given(n=st.integers(1, 60), level=st.floats(0.05, 0.95))
def test_quantiles_leave_out_as_many_as_they_may(n: int, level: float) -> None:
    scores = np.random.default_rng(n).permuted(np.tile(np.arange(1.0, n + 1)[:, None], 2), axis=0)
    quantile = conformal_quantile(scores, level)
    assert quantile.shape == (2,)
    assert (quantile == min(np.ceil((n + 1) * level), n)).all()


def test_intervals_of_new_scores_are_covered() -> None:
    rng = np.random.default_rng(0)
    trials = [rng.exponential(size=41) for _ in range(4000)]
    covered = np.mean([scores[0] <= conformal_quantile(scores[1:, None], 0.9)[0] for scores in trials])
    assert 0.89 <= covered <= 0.92  # 37 of 41 ranks: 0.902, and three deviations
