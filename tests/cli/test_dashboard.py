"""`archgym dashboard` and `archgym mirror`: the real page, driven in headless Chromium."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request

import pytest

from archgym.envs.evaluator import Evaluator
from archgym.envs.systolic import SYSTOLIC
from archgym.objective import Objective
from archgym.search import search
from archgym.search.dashboard import Gathered
from archgym.workloads import Workload

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
GREY = "rgb(204, 204, 204)"  # of designs that do not meet the constraints


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A directory with one run of one objective and one of two: their results."""
    root = tmp_path_factory.mktemp("work") / "runs"
    evaluator = Evaluator(SYSTOLIC, Workload.load("alexnet"), threads=1)
    bound = ["area_mm2<=20"]
    return {
        name: search(evaluator, Objective(names, bound), "genetic", 200, out=root / name, storage="journal")
        for name, names in {"best": ["latency_s*energy_j"], "front": ["latency_s", "energy_j"]}.items()
    }


@pytest.fixture(scope="module")
def dashboard(runs):
    """Address of the dashboard of both runs, served by the command."""
    root = runs["best"].path.parent
    command = [sys.executable, "-c", "from archgym.cli import main; main()", "dashboard", str(root), "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    line = process.stdout.readline()
    while str(root) in line and "http" not in line:
        line += process.stdout.readline()
    yield re.search(r"http://\S+/", line)[0]
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 0
    assert "Dashboard ended" in process.stdout.read()


def page(url: str) -> str:
    """What the browser makes of a page once its scripts have run."""
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    options = ["--headless", "--disable-gpu", "--window-size=1400,1600", "--virtual-time-budget=20000", "--dump-dom"]
    sandbox = ["--no-sandbox"] if os.getuid() == 0 else []
    return subprocess.run([CHROMIUM, *options, *sandbox, url], check=True, capture_output=True, text=True).stdout


def studies(dashboard: str) -> dict[str, int]:
    """Numbers of the studies by name, once all are there."""
    for _ in range(60):
        with urllib.request.urlopen(f"{dashboard}api/studies") as answer:
            listed = json.load(answer)["study_summaries"]
        if len(listed) == 2 and all(detail(dashboard, study["study_id"])["trials"] for study in listed):
            break
        time.sleep(0.5)
    return {study["study_name"]: study["study_id"] for study in listed}


def detail(dashboard: str, study: int) -> dict:
    with urllib.request.urlopen(f"{dashboard}api/studies/{study}") as answer:
        return json.load(answer)


def points(dom: str) -> list[tuple[int, bool]]:
    """Every cloud of points in the plots: how many, and whether they are grey."""
    clouds = re.findall(r'<g class="trace scatter.*?<g class="text">', dom, flags=re.DOTALL)
    listed = [re.findall(r'class="point"[^>]*?style="([^"]*)"', cloud) for cloud in clouds]
    return [(len(styles), all(f"fill: {GREY}" in style for style in styles)) for styles in listed if styles]


def test_the_list_shows_all_studies(dashboard, runs) -> None:
    assert set(studies(dashboard)) == set(runs)
    dom = page(f"{dashboard}dashboard")
    for name in runs:
        assert re.search(rf">\d+\. {name}<", dom)


def test_a_study_shows_its_history_and_the_best_design_that_meets_the_constraints(dashboard, runs) -> None:
    number = studies(dashboard)["best"]
    trials = runs["best"].trials
    outside = int((trials.feasible & (trials.violation > 0)).sum())
    valid = int((trials.violation == 0).sum())
    assert min(outside, valid) > 0
    (best,) = detail(dashboard, number)["best_trials"]
    assert {"key": "trial", "value": str(runs["best"].trial)} in best["user_attrs"]

    dom = page(f"{dashboard}dashboard/studies/{number}")
    assert 'data-unformatted="Trial"' in dom
    assert 'data-unformatted="latency_s*energy_j"' in dom
    assert {(outside, True), (valid, False)} <= set(points(dom))
    assert f"Best Trial (number={runs['best'].trial})" in dom


def test_the_pareto_front_does_not_take_designs_outside_a_constraint_for_feasible(dashboard, runs) -> None:
    number, result = studies(dashboard)["front"], runs["front"]
    trials = result.trials
    outside = int((trials.feasible & (trials.violation > 0)).sum())
    valid = int((trials.violation == 0).sum())
    dom = page(f"{dashboard}dashboard/studies/{number}")
    assert "Pareto Front" in dom
    assert {"latency_s", "energy_j"} <= set(re.findall(r">(\w+)<", dom))
    front = len(result.front_objectives)
    assert sorted(points(dom)[:3]) == sorted([(outside, True), (valid - front, False), (front, False)])


def test_the_dashboard_writes_nothing_into_runs(dashboard, runs) -> None:
    studies(dashboard)
    for result in runs.values():
        names = {path.name for path in result.path.iterdir() if path.name[0] != "."}
        assert names == {"config.json", "optuna.journal", "result.json", "state.npz", "trials"}
    request = urllib.request.Request(f"{dashboard}api/studies/0", method="DELETE", data=b"{}")
    request.add_header("Content-Type", "application/json")
    before = {name: (result.path / "optuna.journal").read_bytes() for name, result in runs.items()}
    urllib.request.urlopen(request).close()
    assert {name: (result.path / "optuna.journal").read_bytes() for name, result in runs.items()} == before


def test_a_page_of_a_running_search_grows(tmp_path) -> None:
    evaluator = Evaluator(SYSTOLIC, Workload.load("alexnet"), threads=1)
    out, seen = tmp_path / "run", []
    gathered: list[Gathered] = []

    def look(_now) -> None:
        if not gathered:
            gathered.append(Gathered(tmp_path))
        gathered[0].refresh()
        listed = gathered[0].storage.get_all_studies()
        seen.append(len(gathered[0].storage.get_all_trials(listed[0]._study_id)) if listed else 0)

    agent = "genetic?population=20&offspring=10"
    search(evaluator, Objective("latency_s"), agent, 200, out=out, storage="journal", on_progress=look, checkpoint_s=0)
    look(None)
    assert seen == sorted(seen)
    assert seen[-1] == 200


def test_runs_of_one_name_are_told_apart(tmp_path, runs) -> None:
    for folder in ("a", "b"):
        shutil.copytree(runs["best"].path, tmp_path / folder / "best")
    gathered = Gathered(tmp_path)
    gathered.refresh()
    assert {study.study_name for study in gathered.storage.get_all_studies()} == {"best", "b/best/best"}


def test_a_journal_that_cannot_be_read_is_named_and_left_out(tmp_path, runs, caplog) -> None:
    shutil.copytree(runs["best"].path, tmp_path / "best")
    (tmp_path / "bad.journal").write_text("nonsense\n" * 3)
    gathered = Gathered(tmp_path)
    gathered.refresh()
    gathered.refresh()
    assert len(gathered.storage.get_all_studies()) == 1
    (message,) = caplog.messages
    assert message.startswith(f"{tmp_path}/bad.journal is not shown: ")


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("nowhere", "nowhere does not exist"),
        ("empty", "there is no run in empty"),
        ("plain", "this makes one: archgym mirror plain --storage journal"),
        ("elsewhere", "are mirrored to a database: archgym dashboard sqlite:///x.db"),
        ("bad.journal", "bad.journal is no journal of Optuna"),
        ("sqlite:///nowhere.db", "there is no database"),
        ("postgresql://me:secret@127.0.0.1:1/x", "Connection refused"),
    ],
)
def test_nothing_to_show_is_one_line(run, tmp_path, runs, where, said) -> None:
    (tmp_path / "empty").mkdir()
    for name, storage in {"plain": "none", "elsewhere": "sqlite:///x.db"}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(json.dumps({"storage": storage}))
    (tmp_path / "bad.journal").write_text("nonsense\n" * 3)
    code, _, err = run("dashboard", where)
    assert code == 2
    assert said in " ".join(err.split())
    assert "secret" not in err


def test_a_port_in_use_is_one_line(run, dashboard, runs) -> None:
    port = re.search(r":(\d+)/", dashboard)[1]
    code, _, err = run("dashboard", str(runs["best"].path), "--port", port)
    assert code == 2
    assert f"cannot listen on 127.0.0.1:{port}: Address already in use; choose another --port" in " ".join(err.split())


def test_without_the_extra_the_command_names_it(run, runs, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna_dashboard", None)
    code, _, err = run("dashboard", str(runs["best"].path))
    assert code == 2
    assert "pip install 'archgym[dashboard]'" in " ".join(err.split())


def test_mirror_catches_up_with_many_runs(run, runs) -> None:
    root = str(runs["best"].path.parent)
    code, out, _ = run("mirror", root, "--storage", "all.journal")
    assert code == 0
    assert [line.split(": ")[1] for line in out.splitlines()] == ["200 trials added, 200 are in all.journal"] * 2
    code, out, _ = run("mirror", root, "--storage", "all.journal")
    assert [line.split(": ")[1] for line in out.splitlines()] == ["0 trials added, 200 are in all.journal"] * 2
    assert run("mirror", root, "--storage", "all.journal", "--quiet")[1] == ""
    code, out, _ = run("mirror", f"{root}/best", "--storage", "all.journal", "--json")
    assert json.loads(out) == [{"run": f"{root}/best", "added": 0, "held": 200, "storage": "all.journal"}]
    code, _, err = run("mirror", root, "--storage", "all.db")
    assert code == 2
    assert "did you mean sqlite:///all.db?" in " ".join(err.split())
