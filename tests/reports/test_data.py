"""A report says what the run says."""

import json

import numpy as np
import pytest

from archgym import api
from archgym.errors import RunError
from archgym.reports import cloud, importance
from archgym.reports.absent import Absent
from archgym.reports.cloud import axes_of, evenly
from archgym.reports.data import report_data
from archgym.reports.figures import FIGURES, draw
from archgym.search import curves, load_run


def test_numbers_are_those_of_the_result(known, task) -> None:
    result, found = load_run(known).result, task(known)
    assert found.design.design == result["best"]
    assert found.design.metrics == result["metrics"]
    assert list(found.design.objectives) == result["objectives"]
    assert found.best.regret == result["regret"]
    assert found.convergence.ends == (result["objectives"][0],)
    assert found.cloud.valid == result["evaluated"] - result["infeasible"] - result["violating"]
    said = found.as_dict()
    assert said["best"] == result["best"]
    assert said["runs"][0]["infeasible"] == result["infeasible"]
    assert json.loads(json.dumps(said))["convergence"]["curves"][0]["values"][-1] == result["objectives"][0]


def test_operators_are_those_of_evaluate(known, task) -> None:
    run = load_run(known)
    evaluation = api.evaluate(run.result["best"], "systolic", "alexnet")
    assert task(known).design.operators == evaluation.operators
    points = task(known).design.roofline.points
    assert sum(point.share for point in points) == pytest.approx(1)
    assert sum(point.latency_s for point in points) == pytest.approx(run.result["metrics"]["latency_s"])


def test_steps_of_convergence_are_the_improvements(known, task) -> None:
    run = load_run(known)
    values = curves.objectives_of(run.tables(), 1)
    curve = task(known).convergence.curves[0]
    assert curve.values.tolist() == curves.best_so_far(values, curve.designs.tolist()).tolist()
    assert (np.diff(curve.values[:-1]) < 0).all()
    assert curve.designs[-1] == run.config["budget"]


def test_a_front_is_that_of_the_result(two, task) -> None:
    result, found = load_run(two).result, task(two)
    assert found.cloud.front.objectives.tolist() == [row["objectives"] for row in result["front"]]
    assert found.cloud.on_front == len(result["front"])
    assert found.convergence.ends[0] == pytest.approx(0, abs=1e-9)  # of its own front nothing is missing
    design = found.cloud.space.values(found.cloud.space.decode(found.cloud.front.indices[:1]))[0]
    assert design == result["front"][0]["design"]


def test_runs_of_one_agent_are_a_median_with_its_band(several) -> None:
    (found,) = report_data([several]).tasks
    assert len(found.runs) == 4
    assert [curve.name for curve in found.convergence.curves] == ["genetic, seed 0", "random (3 runs)"]
    band = found.convergence.curves[1]
    assert band.values[-1] == np.median([run.best for run in found.runs if run.contestant == "random"])
    assert (band.low <= band.values).all()
    assert (band.values <= band.high).all()
    assert found.best.best == min(run.best for run in found.runs)


def test_tasks_stand_apart(known, two, several) -> None:
    found = report_data([known, two, several])
    assert [len(task.runs) for task in found.tasks] == [1, 1, 4]


def test_a_run_that_is_not_finished_is_as_its_trials(unfinished, task) -> None:
    found = task(unfinished)
    assert not found.best.finished
    values = curves.objectives_of(load_run(unfinished).tables(), 1)
    assert found.best.result["evaluated"] == len(values)
    assert found.best.best == values.min()
    assert found.design.metrics["latency_s"] * found.design.metrics["energy_j"] == pytest.approx(found.best.best)


def test_a_run_without_valid_designs_says_why(nothing, task) -> None:
    found = task(nothing)
    assert "area_mm2<=0.01, closest" in found.design.why
    for name in FIGURES:
        assert isinstance(draw(name, found), Absent), name
    assert found.as_dict()["operators"] == {"absent": found.design.why}


def test_a_changed_cost_model_is_not_asked(known, task, tmp_path) -> None:
    """Its breakdown and the presets would be of other numbers than the run's."""
    other = tmp_path / "run"
    other.mkdir()
    config = json.loads((known / "config.json").read_text()) | {"model_hash": "another"}
    (other / "config.json").write_text(json.dumps(config))
    for name in ("trials", "state.npz", "result.json"):
        (other / name).symlink_to(known / name)
    found = task(other)
    assert not found.best.current
    assert isinstance(found.design.operators, Absent)
    assert isinstance(found.machines, Absent)
    assert found.design.design == load_run(known).result["best"]


def test_points_are_an_even_sample_with_the_front(two, task, monkeypatch) -> None:
    monkeypatch.setattr(cloud, "MOST", 50)
    monkeypatch.setattr(cloud, "MOST_FRONT", 3)
    found = cloud.cloud_of(task(two).best)
    assert len(found.sample.indices) == 50
    assert len(found.front.indices) == 3
    assert found.on_front > 3
    rows = np.flatnonzero(np.isfinite(task(two).best.objectives).all(axis=1))
    assert found.sample.objectives.tolist() == task(two).best.objectives[evenly(rows, 50)].tolist()
    metrics = task(two).best.request.evaluator.evaluate(found.sample.indices)
    assert task(two).best.request.objective.measure(metrics)[0].tolist() == found.sample.objectives.tolist()


def test_importance_finds_what_decides(known, task) -> None:
    (found,) = task(known).importance
    assert found.r2 > 0.8
    assert set(found.parameters) == {name for name, choices in vary(known).items() if choices}
    assert found.values == tuple(sorted(found.values, reverse=True))
    assert found.designs + found.held_out <= 400


def vary(path):
    space = load_run(path).config["space"]
    return {name: len(choices) > 1 for name, choices in space.items()}


def test_importance_wants_designs(several, task, monkeypatch) -> None:
    monkeypatch.setattr(importance, "FEWEST", 10_000)
    assert "at least 10000" in importance.importance_of(task(several).best).why


def test_published_machines_are_as_evaluate_says(known, task) -> None:
    machines = {machine.name: machine for machine in task(known).machines}
    built, run = machines["tpu-v1"], load_run(known)
    assert built.built.metrics == api.evaluate("tpu-v1", "systolic", "alexnet").metrics
    assert machines["a100-80gb"].scenario == "?node_nm=7&dispatch_us=6.87"
    assert machines["a100-80gb"].built.metrics == api.evaluate("a100-80gb", "systolic", "alexnet").metrics
    assert machines["a100-80gb"].moved != machines["a100-80gb"].built
    assert built.built.meets == (built.built.metrics["area_mm2"] <= 60)
    assert run.config["constraints"] == ["area_mm2<=60"]


def test_axes_are_what_is_traded_off(known, two, task) -> None:
    assert axes_of(task(known).best.request.objective) == ("energy_j", "latency_s")
    assert axes_of(task(two).best.request.objective) == ("latency_s", "energy_j")


def test_errors(tmp_path, known) -> None:
    with pytest.raises(RunError, match="no run directory"):
        report_data([tmp_path])
    (tmp_path / "empty" / "trials").mkdir(parents=True)
    (tmp_path / "empty" / "config.json").write_text((known / "config.json").read_text())
    with pytest.raises(RunError, match="no trials yet"):
        report_data([tmp_path / "empty"])
