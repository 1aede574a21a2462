"""Agents side by side."""

import numpy as np
import pytest

import archgym
from archgym.errors import InputError, RunError
from archgym.search import compare, curves, statistics

SMALL = {"array_rows": [32, 64, 128], "array_columns": [32, 64, 128], "arrays": [1, 2, 4], "dataflow": ["ws", "os"]}
SMALL |= {"fold_overlap": ["overlapped"], "operand_bits": [8], "accumulator_bits": [32], "memory": ["hbm2-x1"]}
SMALL |= {"ifmap_sram_kib": [512], "filter_sram_kib": [512], "vector_lanes": [128]}


def test_interquartile_means_are_of_the_middle_half() -> None:
    assert statistics.iqm(np.arange(8.0).reshape(4, 2)) == 3.5  # 2, 3, 4, 5
    assert statistics.iqm(np.array([[0.0], [1.0], [1.0], [np.inf]])) == 1.0
    assert statistics.iqm(np.array([[1.0], [2.0], [6.0]])) == pytest.approx((1 / 12 + 2 / 3 + 6 / 12) / 0.5)
    scores = np.random.default_rng(0).random((20, 3))
    found = statistics.interval(statistics.iqm, scores)
    assert found.low < found.value < found.high
    assert found == statistics.interval(statistics.iqm, scores)
    assert np.isnan(statistics.interval(statistics.iqm, np.array([[np.nan]])).value)


def test_probability_of_improvement() -> None:
    ours, theirs = np.array([[1.0], [2.0]]), np.array([[2.0], [3.0]])
    assert statistics.probability_of_improvement(ours, theirs) == (1 + 1 + 0.5 + 1) / 4
    assert statistics.probability_of_improvement(ours, ours) == 0.5
    assert statistics.performance_profile(ours, np.array([0.0, 1.0, 2.0])).tolist() == [0, 0.5, 1]


def test_curves_of_one_objective() -> None:
    values = np.array([[np.inf], [5.0], [7.0], [3.0]])
    assert curves.best_so_far(values, [1, 2, 3, 4]).tolist() == [np.inf, 5, 5, 3]
    assert np.isnan(curves.best_so_far(values, [5])[0])
    assert curves.checkpoints(1000) == [10, 30, 100, 300, 1000]
    assert curves.checkpoints(50) == [10, 30, 50]


def test_curves_of_several_objectives() -> None:
    front = np.array([[1.0, 100.0], [10.0, 10.0], [100.0, 1.0]])
    reference = curves.Reference.of(front)
    assert reference.hypervolume_gap(front) == pytest.approx(0)
    assert reference.igd_plus(front) == 0
    worse = np.array([[20.0, 20.0], [np.inf, np.inf]])
    assert 0 < reference.hypervolume_gap(front[:2]) < reference.hypervolume_gap(worse) < 1
    assert reference.igd_plus(worse) > 0
    assert reference.hypervolume_gap(worse[1:]) == 1
    losses = curves.Reference.of(np.array([[1.0, 0.0], [2.0, -0.1]]))  # a loss may be 0 or a gain: no logarithm
    assert losses.logarithmic == (True, False)


def test_agents_are_compared_by_their_regret_to_the_truth(tmp_path) -> None:
    archgym.optimum("systolic", "resnet18", choices=SMALL)
    arguments = {"choices": SMALL, "budget": 60, "seeds": 3, "out": tmp_path / "two", "hyperparameters": 2}
    found, path, failed = archgym.compare("systolic", "resnet18", ["random,genetic?population=8"], **arguments)
    assert not failed
    assert (found.measure, found.reference, found.checkpoints) == ("regret", "the true optimum", (10, 30, 60))
    names = {standing.contestant for standing in found.standings}
    assert names >= {"random", "genetic?population=8"}
    assert all(entry.values[-1] >= 0 for entry in found.entries)
    assert all((np.diff(entry.values) <= 0).all() for entry in found.entries)
    genetic = next(s for s in found.standings if s.contestant == "genetic?population=8")
    assert genetic.over_baseline[-1] is not None
    assert genetic.final.shape == (3, 1)
    seeds = {entry.seed for entry in found.entries if entry.contestant == "random"}
    assert seeds == {0, 1, 2}
    written = {part.stat().st_mtime_ns for part in path.glob("*/result.json")}
    again, _, _ = archgym.compare("systolic", "resnet18", ["random,genetic?population=8"], **arguments)
    assert {part.stat().st_mtime_ns for part in path.glob("*/result.json")} == written  # kept, not made again
    assert again.as_dict() == found.as_dict()
    from archgym import api

    assert {s.contestant for s in api.compare_runs([path]).standings} == names


def test_settings_are_drawn_alike_whatever_else_takes_part() -> None:
    one, two = compare.contestants(["genetic"], 3), compare.contestants(["random", "genetic"], 3)
    assert {name: two[name] for name in one} == one
    assert [name for name in two if name.startswith("random")] == ["random"]  # it has nothing to tune


def test_what_cannot_be_compared_says_so(tmp_path) -> None:
    from archgym import api

    with pytest.raises(RunError, match="no run directory"):
        api.compare_runs([tmp_path])
    for name, objective in (("one", ["latency_s"]), ("two", ["latency_s", "energy_j"])):
        archgym.search("systolic", "resnet18", "random", objective, budget=20, out=tmp_path / name, choices=SMALL)
    with pytest.raises(InputError, match="several objectives"):
        api.compare_runs([tmp_path / "one", tmp_path / "two"])
    front = api.compare_runs([tmp_path / "two"])
    assert front.measure == "share of the hypervolume missing"
    assert front.entries[0].igd is not None


def test_says_why_where_every_agent_fails(tmp_path) -> None:
    with pytest.raises(RunError, match=r"random_nope_1-s0: agent random has no options"):
        archgym.compare("systolic", "resnet18", ["random?nope=1"], budget=10, seeds=1, out=tmp_path / "runs")
