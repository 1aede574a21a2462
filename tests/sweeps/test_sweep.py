"""Sweeps: what they are, and that Ray changes nothing in their runs. One Ray for all of them."""

import importlib
import json
import math
import os
import re
import shutil
import sys
import textwrap
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
import ray
from ray.tune.search import Searcher

import archgym
from archgym import api
from archgym.agents import AGENTS
from archgym.errors import InputError, RunError, UnknownNameError
from archgym.search import lineage
from archgym.search.loop import resume_search
from archgym.search.run import load_run
from archgym.sweeps import trial
from archgym.sweeps.directory import load_sweep
from archgym.sweeps.population import Populations, groups_of
from archgym.sweeps.sweep import Sweep, jobs_of, read_sweep, tasks_of

SMALL = {"arrays": [1, 4], "array_rows": [32, 128], "fold_overlap": "overlapped", "dataflow": "ws"}
SMALL |= {"ifmap_sram_kib": [256, 1024], "memory": ["hbm2-x1", "lpddr5-6400-x64"], "operand_bits": 8}

FAULTY = """
import os, time
from pathlib import Path
from archgym.agents.random import Random
from archgym.agents.reinforce import Reinforce

class Fragile(Random):
    "Kills its process once."
    def propose(self, n, rng):
        mark = Path(__file__).with_name("killed")
        if self.asked > 3 and not mark.exists():
            mark.touch()
            os._exit(1)
        return super().propose(n, rng)

class Hopeless(Random):
    def propose(self, n, rng):
        raise RuntimeError("no designs today")

class Moody(Reinforce):
    "The second of a population gives up."
    def propose(self, n, rng):
        if self.seed == 1:
            raise RuntimeError("enough")
        return super().propose(n, rng)

class Slow(Random):
    "Takes its time, and notes on which node."
    batch = 8
    def propose(self, n, rng):
        import ray
        time.sleep(0.02)
        if ray.is_initialized():
            Path(__file__).with_name("node-" + ray.get_runtime_context().get_node_id()).touch()
        return super().propose(n, rng)
"""
POINTS = (
    "[archgym.agents]\nfragile = faulty:Fragile\nhopeless = faulty:Hopeless\nslow = faulty:Slow\nmoody = faulty:Moody\n"
)


@pytest.fixture(scope="module")
def plugins(tmp_path_factory):
    """A package with four agents, installed where this process and those of Ray find it."""
    folder = tmp_path_factory.mktemp("plugins")
    about = folder / "faulty-1.0.dist-info"
    about.mkdir()
    (folder / "faulty.py").write_text(FAULTY)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: faulty\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(POINTS)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        patch.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)
        patch.setenv("RAY_worker_niceness", "0")
        importlib.invalidate_caches()
        AGENTS.__dict__.pop("entries", None)
        yield folder
    AGENTS.__dict__.pop("entries", None)
    sys.modules.pop("faulty", None)


@pytest.fixture(scope="module")
def _ray(plugins):
    ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False, object_store_memory=10**8)
    yield
    ray.shutdown()


def trials_of(path: Path) -> pd.DataFrame:
    return load_run(path).trials


def same(one: pd.DataFrame, other: pd.DataFrame) -> bool:
    """Bit for bit; of infeasible designs, metrics are NaN."""
    pd.testing.assert_frame_equal(one, other, check_exact=True)
    return True


def alone(run: Path) -> pd.DataFrame:
    """The trials of the same search without a sweep."""
    config = load_run(run).config
    spec = config["agent"] + "?" + "&".join(f"{name}={value}" for name, value in config["options"].items() if value)
    arguments = {"choices": config["space"], "budget": config["budget"], "seed": config["seed"]}
    return archgym.search(config["environment"], config["workload"], spec.rstrip("?"), **arguments).trials


@pytest.mark.usefixtures("_ray")
def test_runs_are_those_of_the_same_searches_alone(tmp_path) -> None:
    seen = []
    what = {"workloads": ["resnet18", "alexnet"], "agents": ["random", "genetic"], "hyperparameters": 1}
    what |= {"seeds": 2, "budget": 150, "choices": SMALL}
    result = archgym.sweep(what, tmp_path / "sweep", on_progress=seen.append)
    rows = result.summary.to_pylist()
    assert len(rows) == 2 * 3 * 2
    assert {row["status"] for row in rows} == {"finished"}
    assert {row["contestant"] for row in rows} == {"random", "genetic", "genetic#1"}
    for row in rows:
        run = load_run(result.path / row["path"])
        assert same(trials_of(run.path), alone(run.path))
        assert row["objectives"] == run.result["objectives"]
        assert (row["evaluated"], row["elapsed_s"]) == (150, run.result["elapsed_s"])
        assert json.loads(row["options"]) == run.config["options"]
    assert pq.read_table(result.path / "summary.parquet").equals(result.summary)
    assert seen[0].finished == 0
    assert {now.total for now in seen} == {12}
    assert not (result.path / ".ray").exists()

    found = api.compare_runs([result.path])  # a sweep is a directory of runs
    assert {standing.contestant for standing in found.standings} == {"random", "genetic", "genetic#1"}
    assert {standing.final.shape for standing in found.standings} == {(2, 2)}
    assert archgym.datasets.export([result.path], tmp_path / "exported").info["rows"] == 12 * 150

    written = {path: path.stat().st_mtime_ns for path in result.path.glob("*/result.json")}
    gone = result.path / "systolic-alexnet-genetic#1-s1"
    shutil.rmtree(gone)
    (result.path / "systolic-alexnet-random-s0" / "result.json").unlink()  # as if it had not got so far
    again = archgym.sweep(result.path)
    assert [row["path"] for row in again.summary.to_pylist()] == [row["path"] for row in rows]
    kept = {path for path, at in written.items() if path.stat().st_mtime_ns == at}
    assert len(written) - len(kept) == 2
    assert same(trials_of(gone), alone(gone))
    with pytest.raises(RunError, match="its budget is 150, not 151"):
        archgym.sweep(what | {"budget": 151}, result.path)


@pytest.mark.usefixtures("_ray")
def test_a_killed_run_is_taken_up_again_and_a_failed_one_reported(tmp_path) -> None:
    what = {"workloads": "resnet18", "agents": ["fragile", "hopeless", "random"], "seeds": [3], "choices": SMALL}
    result = archgym.sweep(what | {"budget": 500}, tmp_path / "sweep")
    status = {row["agent"]: row["status"] for row in result.summary.to_pylist()}
    assert status == {"fragile": "finished", "hopeless": "failed", "random": "finished"}
    assert "RuntimeError: no designs today" in result.failed[0]["error"]
    runs = [tmp_path / "sweep" / f"systolic-resnet18-{agent}-s3" for agent in ("fragile", "random")]
    assert same(*map(trials_of, runs))


@pytest.mark.usefixtures("_ray")
def test_asha_stops_what_is_behind(tmp_path) -> None:
    what = {"workloads": "resnet18", "agents": ["slow"], "seeds": 6, "budget": 400, "scheduler": "asha"}
    result = archgym.sweep(what, tmp_path / "sweep")
    rows = result.summary.to_pylist()
    assert {row["status"] for row in rows} == {"finished", "stopped"}
    for row in rows:
        assert (row["evaluated"] == 400) == (row["status"] == "finished")
        assert row["evaluated"] >= 40
    stopped = result.path / next(row["path"] for row in rows if row["status"] == "stopped")
    trials = trials_of(stopped)
    assert same(trials, alone(stopped)[: len(trials)])
    again = archgym.sweep(result.path)  # what was stopped stays as it is
    assert again.summary.equals(result.summary)


@pytest.mark.slow
@pytest.mark.usefixtures("_ray")
def test_optuna_proposes_settings_and_goes_on(tmp_path) -> None:
    what = {"workloads": "resnet18", "agents": ["genetic"], "seeds": 1, "budget": 100, "choices": SMALL}
    what |= {"searcher": "optuna", "hyperparameters": 4}
    result = archgym.sweep(what, tmp_path / "sweep")
    rows = result.summary.to_pylist()
    assert sorted(row["contestant"] for row in rows) == [f"genetic#{number}" for number in range(1, 5)]
    assert len({row["options"] for row in rows}) == 4
    for row in rows:
        assert 8 <= json.loads(row["options"])["population"] <= 256
        assert same(trials_of(result.path / row["path"]), alone(result.path / row["path"]))
    (result.path / "systolic-resnet18-genetic#2-s0" / "result.json").unlink()
    shutil.rmtree(result.path / "systolic-resnet18-genetic#3-s0")
    again = {row["contestant"]: row for row in archgym.sweep(result.path).summary.to_pylist()}
    before = {row["contestant"]: row for row in rows}
    assert [again[name]["status"] for name in sorted(again)] == ["finished"] * 4
    assert again["genetic#2"]["options"] == before["genetic#2"]["options"]
    assert again["genetic#1"] == before["genetic#1"]


def killed(*_: object) -> None:
    raise KeyboardInterrupt


def by_hand(what: dict, folder: Path) -> list[Path]:
    """The runs of populations made one segment after the other, each by a process that knows the directory alone."""
    sweep = Sweep.of(what)
    groups = groups_of(sweep, tasks_of(sweep), folder)
    while (proposed := Populations(groups, lambda job, why: pytest.fail(why)).suggest("trial")) != Searcher.FINISHED:
        resume_search(proposed["job"]["path"], until=proposed["job"]["until"])
    return [job.path for group in groups for job in group.jobs]


@pytest.mark.usefixtures("_ray")
def test_members_of_a_population_take_over_from_others(tmp_path, monkeypatch) -> None:
    what = {"workloads": "resnet18", "agents": ["reinforce", "moody"], "seeds": [0], "budget": 100, "choices": SMALL}
    what |= {"scheduler": "pbt?population=4&interval=50", "retries": 0, "storage": "none"}
    result = archgym.sweep(what, tmp_path / "sweep")
    rows = {row["path"]: row for row in result.summary.to_pylist()}
    members = [f"systolic-resnet18-pbt_reinforce-s{seed}" for seed in range(4)]
    assert [rows.pop(name)["evaluated"] for name in members] == [100] * 4  # each its own
    assert {row["error"] for row in rows.values()} >= {"systolic-resnet18-pbt_moody-s1, of its population, has failed"}
    assert {row["status"] for row in rows.values()} == {"failed"}
    assert "RuntimeError: enough" in rows["systolic-resnet18-pbt_moody-s1"]["error"]

    runs = [load_run(result.path / name) for name in members]
    audit = json.loads((result.path / "lineage.json").read_text())
    exchanged = [(run, segment) for run in runs for segment in run.config["lineage"][1:]]
    assert exchanged
    for run, segment in exchanged:
        assert segment["trial"] == 50
        assert segment["parent_best"] < (segment["best"] or math.inf)
        assert segment["parent"] in set(members) - {run.path.name}
    for run in runs:
        assert audit[run.path.name] == run.config["lineage"]
        assert run.config["options"] == run.config["lineage"][-1]["options"]
    with monkeypatch.context() as patch:  # between the state of an agent and config.json
        patch.setattr(lineage, "write_json", killed)
        with pytest.raises(KeyboardInterrupt):
            by_hand(what | {"agents": "reinforce"}, tmp_path / "hand")
    for made, run in zip(by_hand(what | {"agents": "reinforce"}, tmp_path / "hand"), runs, strict=True):
        assert same(trials_of(made), trials_of(run.path))
        assert load_run(made).config["lineage"] == run.config["lineage"]

    found = api.compare_runs([run.path for run in runs])
    assert [standing.contestant for standing in found.standings] == ["pbt:reinforce"]
    made = archgym.datasets.export([run.path for run in runs], tmp_path / "exported").info
    assert (made["rows"], made["sources"][0]["agent"]) == (4 * 100, "pbt:reinforce")
    found = runs[0].result["objectives"]
    (runs[0].path / "result.json").unlink()
    with pytest.raises(RunError, match=r"together with the others of its population.*archgym sweep --resume"):
        resume_search(runs[0].path)
    by_hand(what | {"agents": "reinforce"}, result.path)
    assert load_run(runs[0].path).result["objectives"] == found


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ({"budgets": 5}, "unknown key 'budgets'; did you mean 'budget'?"),
        ({"budget": "ten"}, "budget must be a whole number, not 'ten'"),
        ({"budget": True}, "budget must be a whole number"),
        ({"budget": 0}, "budget must be at least 1"),
        ({"seeds": [1, -1]}, "seeds must be at least 0"),
        ({"seeds": []}, "seeds must name at least one"),
        ({"agents": 5}, "agents must be a list of texts, not 5"),
        ({"envs": []}, "envs must name at least one"),
        ({"choices": ["arrays"]}, "choices must be a mapping"),
        ({"envs": "sytolic"}, "did you mean 'systolic'?"),
        ({"workloads": ["resnet51"]}, "did you mean 'resnet50'?"),
        ({"workloads": {"pim": ["resnet18"]}}, "unknown environment of workloads 'pim'"),
        ({"workloads": ["resnet18", "resnet18?batch=1"]}, "twice"),
        ({"agents": ["genetc"]}, "did you mean 'genetic'?"),
        ({"agents": ["genetic?populaton=8"]}, "did you mean 'population'?"),
        ({"objective": "latency"}, "did you mean 'latency_s'?"),
        ({"scheduler": "ahsa"}, "did you mean 'asha'?"),
        ({"scheduler": "asha", "workloads": "resnet18,alexnet"}, "one environment and one workload"),
        ({"scheduler": "asha", "objective": "latency_s,energy_j"}, "single one"),
        ({"scheduler": "pbt"}, "such as reinforce, a2c, ppo, masked_ppo or dqn, not 'random'"),
        ({"scheduler": "pbt?populaton=4"}, "did you mean 'population'?"),
        ({"scheduler": "pbt?population=1"}, "the population must be at least 2, not 1"),
        ({"scheduler": "pbt?quantile=0.6"}, "the quantile must be at most 0.5, not 0.6"),
        ({"scheduler": "pbt", "agents": "reinforce", "budget": 100}, "interval, 100, must be less than the budget"),
        ({"scheduler": "pbt", "agents": "reinforce", "hyperparameters": 3}, "leave searcher and hyperparameters out"),
        ({"scheduler": "pbt", "agents": "reinforce", "objective": "latency_s,energy_j"}, "single one"),
        ({"model_timeout_s": 5}, "in the main thread alone, where Ray runs no trials"),
        ({"searcher": "optuna", "agents": "random,genetic"}, "one agent"),
        ({"searcher": "optuna", "agents": "random", "seeds": 1}, "no hyperparameters"),
        ({"searcher": "optuna", "agents": "genetic", "seeds": 1}, "hyperparameters: 20"),
        ({"storage": "runs.db"}, "did you mean sqlite:///runs.db"),
    ],
)
def test_what_is_wrong_is_found_before_anything_starts(tmp_path, what, says) -> None:
    with pytest.raises(InputError) as error:
        archgym.sweep({"workloads": "resnet18", "agents": "random"} | what, tmp_path / "sweep")
    assert says in str(error.value)
    assert not (tmp_path / "sweep").exists()


def test_a_file_says_what_a_mapping_says(tmp_path) -> None:
    path = tmp_path / "sweep.yaml"
    path.write_text("workloads:\n  systolic: resnet18\nagents: [random]\nseeds: 3\nconstraints: none\nscheduler:\n")
    read = Sweep.of(read_sweep(path), "sweep.yaml")
    assert read == Sweep.of(
        {"workloads": {"systolic": ["resnet18"]}, "agents": "random", "seeds": 3, "constraints": []}
    )
    assert Sweep.of(read.plain()) == read
    jobs = jobs_of(read, tasks_of(read), tmp_path)
    assert [job.path.name for job in jobs] == [f"systolic-resnet18-random-s{seed}" for seed in range(3)]
    for text, says in (("budget: [1", "no YAML"), ("5", "names and values"), ("agents: [5]", "agents in sweep.yaml")):
        path.write_text(text)
        with pytest.raises(InputError, match=says):
            Sweep.of(read_sweep(path), "sweep.yaml")
    with pytest.raises(InputError, match="cannot read"):
        read_sweep(tmp_path / "none.yaml")


def test_the_file_on_the_page_is_a_sweep(tmp_path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "sweeps.md").read_text()
    given = []
    for block in re.findall(r"(?<=\n\n)    (?:envs|choices): (?:.+\n)+", page):
        (tmp_path / "sweep.yaml").write_text(textwrap.dedent(block))
        given.append(read_sweep(tmp_path / "sweep.yaml"))
    sweep = Sweep.of(given[0])
    assert len(jobs_of(sweep, tasks_of(sweep), tmp_path)) == 3 * 5 * (3 + 4)
    assert {**given[0], **given[1]}.keys() == vars(Sweep()).keys()
    assert Sweep.of(given[1]).retries == 2


def test_a_directory_is_a_sweep_or_refused(tmp_path) -> None:
    with pytest.raises(RunError, match=r"holds no sweep\.json"):
        archgym.sweep(tmp_path)
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(RunError, match=r"not empty and no sweep: thesis\.tex"):
        archgym.sweep({"agents": "random"}, tmp_path)
    (tmp_path / "sweep.json").write_text('{"schema": 1, "sweep": {"budgt": 5}}')
    with pytest.raises(UnknownNameError, match=r"sweep\.json.*did you mean 'budget'"):
        load_sweep(tmp_path)
    with pytest.raises(InputError, match="ray job submit"):
        archgym.sweep({"agents": "random"}, tmp_path / "new", address="ray://head:10001")
    with pytest.raises(InputError, match="at least 1"):
        archgym.sweep({"agents": "random"}, tmp_path / "new", workers=0)


def test_passwords_stay_out_of_the_directory(tmp_path, monkeypatch) -> None:
    sweep = Sweep.of({"storage": "postgresql://me:secret@host/runs"})
    assert "secret" not in json.dumps(sweep.kept())
    kept = Sweep.of(sweep.kept())
    task = tasks_of(Sweep.of({"workloads": "resnet18"}))
    with pytest.raises(RunError, match="ARCHGYM_STORAGE"):
        jobs_of(kept, task, tmp_path)
    monkeypatch.setenv("ARCHGYM_STORAGE", "postgresql://me:secret@host/runs")
    assert "secret" in jobs_of(kept, task, tmp_path)[0].arguments["storage"]


def test_a_node_without_the_folder_says_so(tmp_path) -> None:
    asked = {"command": sys.argv, "directory": str(Path.cwd()), "folder": str(tmp_path)}
    with pytest.raises(RunError, match=r"does not see .*sweep\.json: put the sweep on a shared folder"):
        trial._settle(asked)
