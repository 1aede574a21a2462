import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from archgym import api
from archgym.errors import ArchGymError, RunError
from archgym.objective import Objective
from archgym.search import load_run, resume_search, search

AGENTS = ["random", "genetic?offspring=40&population=30"]
BUDGET = {"random": 2500, AGENTS[1]: 100}


class Killed(BaseException):
    """Stands for a process that is gone: nothing after it runs."""


class Saboteur:
    """Kills at the n-th disk operation of a checkpoint, before or after it took effect."""

    def __init__(self, monkeypatch, at=-1, after=False):
        self.at, self.after, self.calls = at, after, 0
        for name in ("fsync", "replace"):
            monkeypatch.setattr(f"archgym.search.files.os.{name}", self.wrap(getattr(os, name)))

    def wrap(self, operation):
        def wrapped(*arguments):
            self.calls += 1
            if self.calls == self.at and not self.after:
                raise Killed
            operation(*arguments)
            if self.calls == self.at:
                raise Killed

        return wrapped


def disk_operations(monkeypatch, run):
    with monkeypatch.context() as patch:
        counter = Saboteur(patch)
        run()
        return counter.calls


def same(result, other):
    assert result.trials.equals(other.trials)
    mine, its = result.as_dict(), other.as_dict()
    for key in ("path", "elapsed_s", "model_s", "agent_s"):
        mine.pop(key), its.pop(key)
    assert mine == its


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("agent", AGENTS)
def test_killed_at_any_write_it_resumes_to_the_same_trials(
    evaluator, two_objectives, tmp_path, monkeypatch, agent, after
):
    def run(out, resume=False):
        return search(evaluator, two_objectives, agent, BUDGET[agent], out=out, resume=resume, checkpoint_s=0)

    whole = run(None)
    for at in range(1, disk_operations(monkeypatch, lambda: run(tmp_path / "count")) + 1):
        out = tmp_path / f"killed-{at}"
        with monkeypatch.context() as patch:
            Saboteur(patch, at, after)
            with pytest.raises(Killed):
                run(out)
        same(run(out, resume=True), whole)


@pytest.mark.parametrize("agent", AGENTS)
def test_killed_again_and_again(evaluator, objective, tmp_path, monkeypatch, agent):
    rng = np.random.default_rng(0)
    out, resume = tmp_path / "run", False
    for _ in range(100):
        with monkeypatch.context() as patch:
            Saboteur(patch, at=int(rng.integers(7, 20)), after=bool(rng.integers(2)))
            try:
                result = search(evaluator, objective, agent, BUDGET[agent], out=out, resume=resume, checkpoint_s=0)
                break
            except Killed:
                resume = True
    same(result, search(evaluator, objective, agent, BUDGET[agent]))
    assert not list(out.rglob("*.tmp"))


SLOW_SEARCH = """
import sys, time
from archgym.envs.evaluator import Evaluator
from archgym.envs.systolic import SYSTOLIC
from archgym.objective import Objective
from archgym.search import search
from archgym.workloads import Workload

class Slow(Evaluator):
    def evaluate_designs(self, designs):
        time.sleep(0.02)
        return super().evaluate_designs(designs)

search(Slow(SYSTOLIC, Workload.load("alexnet")), Objective("latency_s*energy_j", ["area_mm2<=60"]),
       "genetic?offspring=40", budget=4000, out=sys.argv[1], checkpoint_s=0)
"""


@pytest.fixture
def slow_process(tmp_path, monkeypatch):
    """A search in another process, past its third checkpoint."""
    monkeypatch.delenv("ARCHGYM_CACHE_DIR")  # its compiled code lies in the shared cache
    process = subprocess.Popen([sys.executable, "-c", SLOW_SEARCH, str(tmp_path / "run")])
    for _ in range(1200):
        if (tmp_path / "run/trials/part-00003.parquet").exists() or process.poll() is not None:
            break
        time.sleep(0.05)
    assert process.poll() is None
    yield process
    process.kill()
    process.wait()


def test_kill_9_and_the_lock(evaluator, objective, tmp_path, slow_process):
    out, agent = tmp_path / "run", "genetic?offspring=40"
    for resume in (False, True):
        with pytest.raises(RunError, match=rf"run is in use by another process \(pid {slow_process.pid}\)"):
            search(evaluator, objective, agent, budget=4000, out=out, resume=resume)
    assert len(load_run(out).trials) >= 120  # reading needs no lock
    slow_process.send_signal(signal.SIGKILL)
    slow_process.wait()
    with pytest.raises(RunError, match="holds a run already: use --resume or another --out"):
        search(evaluator, objective, agent, budget=4000, out=out)
    resumed = search(evaluator, objective, agent, budget=4000, out=out, resume=True)
    assert resumed.trials.equals(search(evaluator, objective, agent, budget=4000).trials)


@pytest.fixture
def run(evaluator, objective, tmp_path):
    """A finished run of three parts."""
    search(evaluator, objective, "random", budget=2500, out=tmp_path / "run", checkpoint_s=0)
    return tmp_path / "run"


def contents(path):
    return {file: file.read_bytes() for file in path.rglob("*") if file.is_file() and file.name[0] != "."}


def truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def other_state(run):
    with np.load(run / "state.npz") as file:
        np.savez(run / "state.npz", **(dict(file) | {"trials": 7}))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda run: (run / "config.json").unlink(), "half-written: config.json is missing"),
        (lambda run: truncate(run / "config.json"), "config.json is damaged or half-written"),
        (lambda run: (run / "config.json").write_text("[]"), "config.json is damaged: it holds no JSON object"),
        (lambda run: (run / "config.json").write_text('{"schema": 99}'), "config.json has schema 99"),
        (lambda run: (run / "config.json").write_text('{"schema": 2}'), "config.json is damaged: it lacks environ"),
        (lambda run: truncate(run / "trials/part-00001.parquet"), "part-00001.parquet is damaged or half-written"),
        (lambda run: (run / "trials/part-00001.parquet").write_bytes(b""), "part-00001.parquet is damaged"),
        (lambda run: (run / "trials/part-00001.parquet").unlink(), "part-00001.parquet is missing, but part-00002"),
        (lambda run: (run / "trials/part-00002.parquet").unlink(), "part-00002.parquet is missing: .*covers 3 parts"),
        (lambda run: truncate(run / "state.npz"), "state.npz is damaged or half-written"),
        (lambda run: (run / "state.npz").write_bytes(b"nonsense"), "state.npz is damaged or half-written"),
        (lambda run: (run / "state.npz").unlink(), "state.npz is missing, but part-00002"),
        (other_state, "state.npz does not match: it covers 7 trials, but the parts hold 2500"),
        (lambda run: truncate(run / "result.json"), "result.json is damaged or half-written"),
    ],
)
def test_a_damaged_run_is_one_clear_line_and_stays_untouched(evaluator, objective, run, damage, message):
    damage(run)
    before = contents(run)
    with pytest.raises(RunError, match=message) as caught:
        load_run(run)
    assert "\n" not in str(caught.value)
    with pytest.raises(RunError):
        search(evaluator, objective, "random", budget=2500, out=run, resume=True)
    with pytest.raises(RunError):
        search(evaluator, objective, "random", budget=2500, out=run)
    assert contents(run) == before


def test_what_is_no_run_directory(evaluator, objective, tmp_path):
    (tmp_path / "file").write_text("x")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/cat.jpg").write_text("x")
    for name, message in [("file", "it is a file"), ("none", "does not exist"), ("photos", "config.json is missing")]:
        with pytest.raises(RunError, match=message):
            load_run(tmp_path / name)
    with pytest.raises(RunError, match=r"not empty and not a run directory: .* cat.jpg is there"):
        search(evaluator, objective, "random", budget=9, out=tmp_path / "photos")
    assert [path.name for path in (tmp_path / "photos").iterdir()] == ["cat.jpg"]
    with pytest.raises(RunError, match="cannot create"):
        search(evaluator, objective, "random", budget=9, out=tmp_path / "file/run")
    with pytest.raises(RunError, match="nothing to resume"):
        search(evaluator, objective, "random", budget=9, out=tmp_path / "none", resume=True)
    assert not (tmp_path / "none").exists()


def test_an_empty_directory_is_used(evaluator, objective, tmp_path):
    (tmp_path / "run").mkdir()
    assert search(evaluator, objective, "random", budget=9, out=tmp_path / "run").evaluated == 9


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"budget": 99}, "made with budget 2500, not 99"),
        ({"seed": 5}, "made with seed 0, not 5"),
        ({"agent": "genetic"}, "made with agent random, not genetic"),
        ({"objective": Objective("latency_s", ["area_mm2<=60"])}, r"objective \['latency_s\*energy_j'\], not"),
        ({"objective": Objective("latency_s*energy_j")}, r"constraints \['area_mm2<=60'\], not \[\]"),
    ],
)
def test_resume_refuses_another_request(evaluator, objective, run, change, message):
    before = contents(run)
    arguments = {"objective": objective, "agent": "random", "budget": 2500} | change
    with pytest.raises(RunError, match=message):
        search(evaluator, out=run, resume=True, **arguments)
    assert contents(run) == before


def test_resume_refuses_another_space(evaluator, objective, run, small):
    with pytest.raises(RunError, match=r"made with space \{\}, not \{'arrays'"):
        search(evaluator, objective, "random", budget=2500, out=run, resume=True, space=small)


def test_resume_refuses_changed_numbers(evaluator, objective, run, monkeypatch):
    monkeypatch.setattr("archgym.search.request.model_hash", lambda family: "0123456789abcdef")
    with pytest.raises(RunError, match=r"the cost model has changed since \(.* is now 0123456789abcdef\); start"):
        resume_search(run)


def test_a_finished_run_resumes_to_its_result(evaluator, objective, run):
    before = load_run(run)
    trials, result = before.trials, before.result
    again = resume_search(run)
    assert again.trials.equals(trials)
    assert again.as_dict()["best"] == result["best"]


def test_resume_search_rebuilds_the_request(evaluator, small, tmp_path, monkeypatch):
    objective = Objective(["latency_s", "energy_j"], ["area_mm2<=60"], reward="target", target=0.5)

    def run(resume=False):
        return search(evaluator, objective, AGENTS[1], 120, seed=3, out=tmp_path / "a", space=small, checkpoint_s=0)

    with monkeypatch.context() as patch:
        Saboteur(patch, at=14)
        with pytest.raises(Killed):
            run()
    whole = search(evaluator, objective, AGENTS[1], 120, seed=3, space=small)
    same(resume_search(tmp_path / "a"), whole)


def test_a_full_disk_is_one_clear_line(evaluator, objective, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("archgym.search.files.os.fsync", full)
    with pytest.raises(ArchGymError, match=r"cannot write .*: No space left on device"):
        search(evaluator, objective, "random", budget=9, out=tmp_path / "run")


def test_a_metric_with_the_name_of_a_parameter_has_a_column_of_its_own() -> None:
    result = api.search("fpga", agent="random", budget=64, choices={"clock_mhz": [200, 300]})
    trials = result.trials
    assert set(trials["clock_mhz"]) == {200, 300}  # asked for
    assert (trials["m_clock_mhz"].dropna() <= 300).all()  # reached
