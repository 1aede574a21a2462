"""Objectives: finite rewards, honest violations, safe expressions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archgym.errors import InputError
from archgym.metrics import Metric, metrics_dtype
from archgym.objective import INFEASIBLE_REWARD, REWARDS, Objective

DTYPE = metrics_dtype([Metric("latency_s", "s", ""), Metric("area_mm2", "mm2", "")])


def metrics(*rows: tuple[float, float, bool]) -> np.ndarray:
    return np.array([(a, b, ok, 0 if ok else 1) for a, b, ok in rows], DTYPE)


@given(
    st.lists(st.tuples(*[st.floats(allow_nan=True)] * 2, st.booleans()), min_size=1, max_size=8),
    st.sampled_from(sorted(REWARDS)),
    st.floats(1e-6, 1e6),
)
def test_rewards_are_finite_whatever_the_metrics(rows, reward: str, target: float) -> None:
    given_metrics = metrics(*rows)
    for name in ("latency_s", "area_mm2"):
        given_metrics[name][~given_metrics["feasible"]] = np.nan
    outcome = Objective("latency_s*area_mm2", ["area_mm2<=5"], reward, target)(given_metrics)
    assert np.isfinite(outcome.rewards).all()
    assert not np.isnan(outcome.violation).any()
    assert (outcome.violation[~given_metrics["feasible"]] == np.inf).all()
    assert (outcome.rewards[~given_metrics["feasible"]] == INFEASIBLE_REWARD).all()
    assert (np.isfinite(outcome.objectives[outcome.valid])).all()


def test_values_violations_and_order() -> None:
    table = metrics((1e-3, 4.0, True), (1e-3, 10.0, True), (1e-4, 4.0, True), (np.nan, np.nan, False))
    outcome = Objective("latency_s", ["area_mm2<=5", "area_mm2>=2"])(table)
    assert outcome.objectives[:3, 0].tolist() == [1e-3, 1e-3, 1e-4]
    assert outcome.violation.tolist() == [0, 1.0, 0, np.inf]
    assert outcome.valid.tolist() == [True, False, True, False]
    assert outcome.rewards[:3] == pytest.approx([3, 3 - 10, 4])
    assert outcome.scores.tolist() == [1e-3, np.inf, 1e-4, np.inf]
    two = Objective(["latency_s", "area_mm2"])(table)
    assert two.objectives.shape == (4, 2)
    assert two.rewards[0] == pytest.approx((3 - np.log10(4)) / 2)


def test_one_design_is_judged_as_in_a_batch() -> None:
    table = metrics((1e-3, 4.0, True), (2e-3, 9.0, True), (np.nan, np.nan, False))
    objective = Objective("sqrt(latency_s)/max(area_mm2, 1)", ["area_mm2<=5"])
    batch = objective(table)
    for row in range(3):
        one = objective(table[row : row + 1])
        assert one.rewards[0] == batch.rewards[row]
        assert one.violation[0] == batch.violation[row]
    for row in range(2):
        values = dict(zip(DTYPE.names, table[row].item(), strict=True))
        assert objective.judge(values) == pytest.approx((batch.rewards[row], batch.violation[row]))
    assert Objective("latency_s/(area_mm2-4)").judge({"latency_s": 1.0, "area_mm2": 4.0}) == (INFEASIBLE_REWARD, np.inf)


def test_target_reward_is_bounded_at_its_target() -> None:
    reward = REWARDS["target"](np.array([1.0, 1.005, 2.0]), 1.0)
    assert reward.tolist() == pytest.approx([100, 100, 1])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("latency",), "unknown metric 'latency'; did you mean 'latency_s'"),
        (("1e-3",), "the same for every design"),
        (("latency_s +",), "cannot read the expression"),
        (("__import__('os')",), "only metrics, numbers"),
        (("latency_s.real",), "only metrics, numbers"),
        (("exp(latency_s)",), "unknown function 'exp'"),
        (("latency_s if 1 else 2",), "only metrics, numbers"),
        (("latency_s", ["area_mm2"]), "not of the form"),
        (("latency_s", ["area_mm2<=nan"]), "not a finite number"),
        (("latency_s", ["area_mm2<=big"]), "'big' is not a finite number"),
        (("latency_s", ["area_mm2<=0"]), "cannot be met"),
        (("latency_s", ["area_mm2<=1", "area_mm2>=2"]), "cannot both be met"),
        (("latency_s", [], "logg"), "did you mean 'log'"),
        (("latency_s", [], "target", 0.0), "positive number"),
        (([],), "at least one"),
    ],
)
def test_bad_objectives_get_one_clear_line(arguments, says: str) -> None:
    with pytest.raises(InputError) as caught:
        Objective(*arguments).check(["latency_s", "area_mm2"])
    assert says in str(caught.value)
