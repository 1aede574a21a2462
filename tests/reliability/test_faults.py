"""What may go wrong around a search: each ends in one clear line, and the run can be continued to the same trials."""

import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time

import pytest

from archgym import api
from archgym.agents import AGENTS
from archgym.agents.random import Random
from archgym.envs.evaluator import compiled_driver
from archgym.errors import ArchGymError, InputError, RunError
from archgym.registry import Entry
from archgym.search import Interrupted, load_run, resume_search, search
from archgym.search.run import RunDirectory
from archgym.testing.kills import same

AGENT, BUDGET = "genetic?offspring=40&population=40", 600


@pytest.fixture
def often(monkeypatch):
    """Report after every batch, and save it, however long the run has taken."""
    monkeypatch.setattr("archgym.search.loop.PROGRESS_S", 0)
    monkeypatch.setattr("archgym.search.loop.CHECKPOINT_SHARE", 0)


def at_call(number, act):
    """A report of progress that acts at its n-th call."""
    calls = []

    def on_progress(_):
        calls.append(1)
        if len(calls) == number:
            act()

    return on_progress


# -- disks


def test_a_full_disk_is_one_clear_line_and_the_run_goes_on_once_there_is_room(evaluator, objective, disk, refused):
    out = disk("size=600k") / "run"
    with pytest.raises(RunError, match=r"cannot write .*: No space left on device"):
        search(evaluator, objective, "random", 40_000, out=out, checkpoint_s=0)
    saved = len(load_run(out).trials)
    assert 0 < saved < 40_000
    assert "No space left on device" in refused("search", "--resume", out, "--quiet")
    assert len(load_run(out).trials) == saved
    disk("size=50m")
    whole = search(evaluator, objective, "random", 40_000)
    assert load_run(out).trials.equals(whole.trials[:saved])
    assert same(search(evaluator, objective, "random", 40_000, out=out, resume=True), whole)


@pytest.fixture
def quota():
    """Limit the size of files from now on; what a process writes beyond it fails with EFBIG."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_quota_is_one_clear_line_and_leaves_no_half_file(evaluator, objective, tmp_path, often, quota):
    out = tmp_path / "run"
    stop = at_call(4, lambda: quota(2000))
    with pytest.raises(RunError, match=r"cannot write .*part-0000\d.parquet: File too large"):
        search(evaluator, objective, AGENT, BUDGET, out=out, checkpoint_s=0, on_progress=stop)
    quota(resource.RLIM_INFINITY)
    assert len(load_run(out).trials) == 4 * 40
    assert not list(out.rglob("*.tmp"))
    assert same(resume_search(out), search(evaluator, objective, AGENT, BUDGET))


def test_a_data_set_on_a_full_disk_leaves_nothing(refused, quota, tmp_path):
    quota(20_000)
    line = refused("dataset", "generate", "--workloads", "alexnet", "--n", 3000, "--out", "set", "--quiet")
    assert "cannot write set" in line
    assert "File too large" in line
    assert list(tmp_path.iterdir()) == []


def test_a_read_only_directory_is_one_clear_line(evaluator, objective, disk, refused, monkeypatch):
    folder = disk("size=5m")
    run = folder / "run"
    with pytest.raises(Interrupted):
        search(evaluator, objective, AGENT, BUDGET, out=run, checkpoint_s=0, on_progress=at_call(1, interrupt))
    before = load_run(run).trials
    disk("ro")
    assert "cannot lock" in refused("search", "--resume", run, "--quiet")
    assert load_run(run).trials.equals(before)  # reading needs no permission
    arguments = ("--workload", "alexnet", "--agent", "random", "--budget", 10, "--quiet")
    assert "Read-only file system" in refused("search", *arguments, "--out", folder / "new")
    monkeypatch.chdir(folder)
    assert "Read-only file system" in refused("search", *arguments)
    data = ("--workloads", "alexnet", "--n", 64, "--quiet", "--out", folder / "set")
    assert "Read-only file system" in refused("dataset", "generate", *data)


def test_a_cache_that_cannot_be_written_is_one_clear_line(refused, monkeypatch):
    monkeypatch.setenv("ARCHGYM_CACHE_DIR", "/proc/archgym")
    monkeypatch.setattr("archgym.envs.evaluator.compiled_driver", compiled_driver.__wrapped__)  # as if not compiled yet
    line = refused("search", "--workload", "alexnet", "--agent", "random", "--budget", 10, "--quiet", "--out", "run")
    assert "cannot keep compiled code in /proc/archgym/compiled" in line


def test_a_directory_that_is_removed_during_the_run_is_one_clear_line(evaluator, objective, tmp_path, often):
    out = tmp_path / "run"
    with pytest.raises(RunError, match=r"cannot write .*: No such file or directory"):
        search(evaluator, objective, AGENT, BUDGET, out=out, checkpoint_s=0,
               on_progress=at_call(3, lambda: shutil.rmtree(out)))  # fmt: skip


# -- processes


def test_two_processes_on_one_run(evaluator, objective, tmp_path, refused):
    out = tmp_path / "run"
    search(evaluator, objective, AGENT, BUDGET, out=out)
    before = load_run(out)
    with RunDirectory(out, before.config, resume=True):
        line = refused("search", "--resume", out, "--quiet")
        assert f"is in use by another process (pid {os.getpid()})" in line
    assert load_run(out).trials.equals(before.trials)


def interrupt():
    raise KeyboardInterrupt


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_wish_to_stop_saves_everything(evaluator, objective, tmp_path, often, number):
    out, stop = tmp_path / "run", at_call(3, lambda: os.kill(os.getpid(), number))
    before = signal.getsignal(number)
    with pytest.raises(Interrupted, match=r"160 are saved in"):
        search(evaluator, objective, AGENT, BUDGET, out=out, on_progress=stop)
    assert signal.getsignal(number) is before
    assert same(resume_search(out), search(evaluator, objective, AGENT, BUDGET))


def test_ctrl_c_inside_the_cost_model_saves_all_batches_before(evaluator, objective, tmp_path, monkeypatch):
    whole = search(evaluator, objective, AGENT, BUDGET)
    with monkeypatch.context() as patch:
        calls = []

        def interrupted(designs):
            calls.append(1)
            if len(calls) == 5:
                raise KeyboardInterrupt
            return type(evaluator).evaluate_designs(evaluator, designs)

        patch.setattr(evaluator, "evaluate_designs", interrupted)
        with pytest.raises(Interrupted, match="160 are saved in"):
            search(evaluator, objective, AGENT, BUDGET, out=tmp_path / "run")
    assert same(resume_search(tmp_path / "run"), whole)


def test_sigterm_ends_the_command_like_ctrl_c(tmp_path):
    arguments = ["search", "--workload", "alexnet", "--agent", "random", "--budget", "1000000000", "--quiet"]
    script = "import sys; from archgym.cli import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", script, *arguments, "--out", str(tmp_path / "run")], stderr=subprocess.PIPE, text=True
    )
    for _ in range(1200):
        if (tmp_path / "run/state.npz").exists() or process.poll() is not None:
            break
        time.sleep(0.05)
    process.terminate()
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "are saved in" in err
    assert "archgym search --resume" in err
    trials = load_run(tmp_path / "run").trials
    assert f"{len(trials)} are saved" in err


PLUGIN = """
import os, signal
from archgym.agents.random import Random

class Doomed(Random):
    def propose(self, n, rng):
        if self.seed == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().propose(n, rng)
"""


@pytest.fixture
def doomed(tmp_path, monkeypatch):
    """An agent of another package that kills its process where the seed is 1."""
    package = tmp_path / "plugin"
    (package / "doomed-1.dist-info").mkdir(parents=True)
    (package / "doomed.py").write_text(PLUGIN)
    (package / "doomed-1.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: doomed\nVersion: 1\n")
    (package / "doomed-1.dist-info/entry_points.txt").write_text("[archgym.agents]\ndoomed = doomed:Doomed\n")
    monkeypatch.syspath_prepend(package)
    monkeypatch.setitem(AGENTS.entries, "doomed", Entry("doomed:Doomed"))


def test_a_killed_worker_of_a_comparison_takes_its_own_run_with_it_and_no_other(doomed, tmp_path, monkeypatch):
    monkeypatch.setenv("ARCHGYM_THREADS", "1")
    out = tmp_path / "runs"
    found, path, failed = api.compare("systolic", "alexnet", ["doomed,random"], budget=50, seeds=2, out=out)
    assert path == out
    ((job, error),) = failed
    assert (job.contestant, job.arguments["seed"]) == ("doomed", 1)
    assert error == "its process was killed, perhaps for lack of memory"
    assert {standing.contestant for standing in found.standings} == {"random"}
    assert len(load_run(out / "doomed-s0").trials) == 50


ORPHANS = """
import os, sys, time
from archgym.search.workers import Workers

def job(path):
    open(path, "w").write(str(os.getpid()))
    time.sleep(600)

if __name__ == "__main__":
    with Workers(1) as workers:
        workers.submit(job, sys.argv[1]).result()
"""


def test_workers_end_with_the_process_that_started_them(tmp_path):
    script, told = tmp_path / "orphans.py", tmp_path / "pid"
    script.write_text(ORPHANS)
    parent = subprocess.Popen([sys.executable, script, told])
    wait_until(lambda: told.exists() and told.read_text())
    worker = int(told.read_text())
    parent.kill()
    parent.wait()
    wait_until(lambda: not running(worker))


def wait_until(condition, seconds=60):
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.05)


def running(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


# -- cost models and agents of others

DESIGN = r"array_rows=\d+, array_columns=\d+"
FAULTS = {
    "raise": rf"cost model 'faulty:raise' fails on {DESIGN}.* or one of the 39 designs after it: "
    r"ZeroDivisionError: no capacitance \(conftest.py, line \d+\)",
    "exit": rf"cost model 'faulty:exit' fails on {DESIGN}.*: SystemExit: 7",
    "hang": rf"cost model 'faulty:hang' takes longer than 0.3 s for {DESIGN}",
    "nan": rf"cost model 'faulty:nan' gives energy_j=nan for {DESIGN}",
    "short": r"cost model 'faulty:short' must answer 40 designs with records \[40\] of latency_s, .* an array \[39\]",
    "none": r"cost model 'faulty:none' must answer 40 designs .*, not with NoneType",
    "fields": r"cost model 'faulty:fields' must answer 40 designs",
    "reason": r"cost model 'faulty:reason' must give infeasible designs, and no others, a reason from 1 to \d+",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_cost_model_that_misbehaves_is_named_and_nothing_is_lost(faulty, refused, run, tmp_path, monkeypatch, fault):
    monkeypatch.setattr("archgym.search.loop.BUFFERED", 10**9)
    given = ("--workload", "alexnet", "--agent", AGENT, "--budget", BUDGET, "--cost-model", f"faulty:{fault}")
    line = refused("search", *given, "--out", "run", "--quiet", "--model-timeout", "0.3")
    assert re.search(FAULTS[fault], line), line
    assert line.endswith("160 designs are saved in run")
    assert len(load_run("run").trials) == 160
    monkeypatch.setenv("MENDED", "1")
    code, _, err = run("search", "--resume", "run", "--quiet", "--json")
    assert code == 0, err
    assert run("search", *given, "--out", "whole", "--quiet", "--json")[0] == 0
    assert load_run("run").trials.equals(load_run("whole").trials)


def test_a_cost_model_that_kills_the_process_costs_no_acknowledged_trial(faulty, tmp_path, monkeypatch):
    monkeypatch.setattr("archgym.search.loop.CHECKPOINT_SHARE", 0)  # a checkpoint after every batch
    posed = api.problem("systolic", "alexnet", cost_model="faulty:die")

    def run(out, resume=False):
        return search(posed.evaluator, posed.objective, AGENT, BUDGET, out=out, resume=resume, checkpoint_s=0)

    child = os.fork()
    if child == 0:
        run(tmp_path / "run")
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert len(load_run(tmp_path / "run").trials) == 160
    monkeypatch.setenv("MENDED", "1")
    assert same(run(tmp_path / "run", True), run(None))


def test_a_cost_model_that_cannot_be_built_or_imported_is_named(faulty, refused, monkeypatch):
    from archgym.costmodels import COST_MODELS

    given = ("evaluate", "tpu-v1", "--cost-model")
    monkeypatch.setitem(COST_MODELS.entries, "gone", Entry("no_such_module:build"))
    assert "cost model 'gone' (no_such_module:build) cannot be imported: ModuleNotFoundError" in refused(*given, "gone")
    monkeypatch.setattr(sys.modules["cost_models_of_a_test"], "build", lambda *_: {}["key"])
    assert "cost model 'faulty' cannot be built: KeyError: 'key'" in refused(*given, "faulty:raise")


def test_a_time_limit_that_cannot_be_kept_is_refused(evaluator, objective):
    for limit in (0, -1, float("nan"), float("inf"), "1"):
        with pytest.raises(InputError, match="time limit of the cost model must be seconds"):
            search(evaluator, objective, "random", 10, model_timeout_s=limit)
    caught = []

    def elsewhere():
        try:
            search(evaluator, objective, "random", 10, model_timeout_s=1.0)
        except InputError as error:
            caught.append(str(error))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert "main thread" in caught[0]


def test_a_time_limit_leaves_no_timer_behind(evaluator, objective):
    assert search(evaluator, objective, "random", 3000, model_timeout_s=60.0).evaluated == 3000
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert signal.getsignal(signal.SIGALRM) is signal.SIG_DFL


@pytest.mark.parametrize("where", ["propose", "tell", "__init__"])
def test_an_agent_that_raises_is_named(evaluator, objective, tmp_path, monkeypatch, where):
    class Bad(Random):
        batch = 10

    def fails(self, *arguments):
        if where == "__init__" or self.asked > 3:
            raise ZeroDivisionError("oh")
        return getattr(Random, where)(self, *arguments)

    monkeypatch.setattr(Bad, where, fails, raising=False)
    monkeypatch.setitem(AGENTS.entries, "bad", Entry("bad_agents:Bad"))
    monkeypatch.setitem(sys.modules, "bad_agents", type(sys)("bad_agents"))
    sys.modules["bad_agents"].Bad = Bad
    with pytest.raises(ArchGymError, match=r"agent 'bad' (fails|cannot be built).*ZeroDivisionError: oh \(test_faults"):
        search(evaluator, objective, "bad", 100, out=tmp_path / "run", checkpoint_s=0)
    if where == "propose":
        assert len(load_run(tmp_path / "run").trials) == 30
    elif where == "tell":  # it may have learnt half: the last checkpoint counts
        assert 10 <= len(load_run(tmp_path / "run").trials) <= 30
