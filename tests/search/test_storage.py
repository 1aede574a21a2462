"""Runs as Optuna studies: what is in them, what is left out, and what becomes of them when the storage fails."""

import json
import logging
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from archgym.envs import ENVIRONMENTS
from archgym.envs.systolic import SYSTOLIC
from archgym.errors import ArchGymError, InputError, MissingExtraError, RunError
from archgym.search import load_run, resume_search, search, storage
from archgym.search.backends import BatchedJournal
from archgym.search.places import JOURNAL_MOST, hidden, place_of
from archgym.search.storage import mirror_run
from archgym.search.translation import Chosen, distribution
from archgym.space import Parameter


def studies(target) -> dict[str, optuna.Study]:
    """All studies of a journal or database, read by Optuna alone."""
    opened = target if "://" in str(target) else JournalStorage(JournalFileBackend(str(target)))
    names = optuna.get_all_study_names(opened)
    return {name: optuna.load_study(study_name=name, storage=opened) for name in names}


def numbers(study) -> list[int]:
    return [trial.user_attrs["trial"] for trial in study.trials]


@pytest.fixture(scope="module", autouse=True)
def _compiled(evaluator):
    evaluator.compile()  # once, in the shared cache


@pytest.fixture
def run(evaluator, objective, tmp_path):
    """A mirrored search of 300 designs into a directory of the given name: its result."""

    def make(name="first", budget=300, agent="random", storage="journal", aim=None, **options):
        return search(evaluator, aim or objective, agent, budget, out=tmp_path / name, storage=storage, **options)

    return make


def test_a_run_is_a_study_of_its_name_with_everything_in_it(run) -> None:
    result = run(agent="genetic", checkpoint_s=0)
    (name, study), *others = studies(result.path / "optuna.journal").items()
    assert (name, others) == ("first", [])
    assert study.metric_names == ["latency_s*energy_j"]
    attributes = study.user_attrs
    assert attributes["environment"] == "systolic"
    assert attributes["workload"] == "alexnet"
    assert attributes["agent"] == "genetic"
    assert (attributes["seed"], attributes["budget"], attributes["mirrored"]) == (0, 300, "all")

    rows = result.trials.to_dict("records")
    assert numbers(study) == [row["trial"] for row in rows] == list(range(300))
    for trial, row in zip(study.trials, rows, strict=True):
        assert trial.params == {name: row[name] for name in result.space.names}
        assert trial.user_attrs["feasible"] == row["feasible"]
        assert (trial.state == TrialState.COMPLETE) == row["feasible"]
        if not row["feasible"]:
            assert (trial.state, trial.user_attrs["why"]) == (TrialState.PRUNED, row["why"])
            continue
        assert trial.values == [row["objective_0"]]
        assert trial.user_attrs["latency_s"] == row["latency_s"]
        assert "energy_dram_j" not in trial.user_attrs
        assert trial.constraints["area_mm2<=60"] == row["violation"]  # Optuna 5
        assert trial.system_attrs["constraints"] == [row["violation"]]  # optuna-dashboard 0.21
    assert study.best_trial.user_attrs["trial"] == result.trial
    times = [trial.datetime_start for trial in study.trials]
    assert times == sorted(times)
    assert all(trial.datetime_complete >= trial.datetime_start for trial in study.trials)


def test_distributions_are_of_values_and_logarithmic_where_choices_grow_by_a_factor() -> None:
    kinds = {name: distribution(SYSTOLIC.space[name]) for name in SYSTOLIC.space.names}
    assert kinds["array_rows"] == optuna.distributions.IntDistribution(8, 512, log=True)
    assert kinds["clock_ghz"] == optuna.distributions.FloatDistribution(0.3, 1.1)
    assert kinds["dataflow"] == optuna.distributions.CategoricalDistribution(["os", "ws", "is"])
    assert distribution(Parameter("x", (0, 1, 2, 4))) == optuna.distributions.IntDistribution(0, 4)
    assert distribution(Parameter("x", (7,))) == optuna.distributions.IntDistribution(7, 7)


@pytest.mark.parametrize("name", list(ENVIRONMENTS))
def test_every_parameter_of_every_environment_has_a_distribution(name) -> None:
    for parameter in ENVIRONMENTS.load(name).joint_space.parameters:
        values = distribution(parameter)
        for choice in parameter.choices:
            assert values.to_external_repr(values.to_internal_repr(choice)) == choice


def test_a_long_run_is_thinned_out_to_what_matters(run, two_objectives, caplog) -> None:
    caplog.set_level(logging.INFO, "archgym")
    budget = 4 * JOURNAL_MOST
    result = run("one", budget, "genetic")
    (study,) = studies(result.path / "optuna.journal").values()
    trials, kept = result.trials, numbers(study)
    best = trials.objective_0.where(trials.violation == 0).fillna(np.inf).cummin()
    improvements = trials.trial[best < best.shift(fill_value=np.inf)].tolist()
    assert sorted({*range(0, budget, 4), *improvements}) == kept
    assert study.best_trial.user_attrs["trial"] == result.trial
    said = f"{len(kept)} of 2,000 trials: 1 in 4, the improvements and the front"
    assert study.user_attrs["mirrored"] == said
    assert any(said in message for message in caplog.messages)

    result = run("two", budget, "genetic", aim=two_objectives)
    (study,) = studies(result.path / "optuna.journal").values()
    front = {tuple(trial.values) for trial in study.best_trials}
    assert front == {tuple(point) for point in result.front_objectives.tolist()}


def test_an_even_sample_of_any_split_is_the_same() -> None:
    chosen = Chosen(10_000, 500, 1)
    assert chosen.every == 20
    assert Chosen(500, 500, 1).every == 1
    assert Chosen(501, 500, 1).every == 2


def test_mirroring_again_and_resuming_add_nothing(run) -> None:
    path = run(storage="none").path
    assert not (path / "optuna.journal").exists()
    assert mirror_run(path, "journal").new == 300
    assert mirror_run(path, "journal").new == 0
    before = (path / "optuna.journal").read_bytes()
    resume_search(path, storage="journal")
    assert len(studies(path / "optuna.journal")["first"].trials) == 300
    assert (path / "optuna.journal").read_bytes().startswith(before)
    with pytest.raises(InputError, match="is not mirrored: name a storage"):
        mirror_run(path)


@pytest.mark.slow
def test_killed_at_any_moment_and_resumed_the_study_is_whole(tmp_path) -> None:
    """SIGKILL a few times while a search checkpoints all the time, then resume to the end."""
    path = tmp_path / "killed"
    code = (
        "import sys; from archgym.search import search, resume_search; from archgym.envs.evaluator import Evaluator;"
        "from archgym.envs.systolic import SYSTOLIC; from archgym.objective import Objective;"
        "from archgym.workloads import Workload\n"
        "if sys.argv[2] == 'new': search(Evaluator(SYSTOLIC, Workload.load('alexnet'), threads=1),"
        "Objective('latency_s'), 'genetic?population=20&offspring=10', 400, out=sys.argv[1], storage='journal',"
        "checkpoint_s=0, on_progress=lambda now: print(now.evaluated, flush=True))\n"
        "else: resume_search(sys.argv[1], checkpoint_s=0, on_progress=lambda now: print(now.evaluated, flush=True))"
    )
    rng = np.random.default_rng(0)
    environment = {name: value for name, value in os.environ.items() if name != "ARCHGYM_CACHE_DIR"}
    for _ in range(4):
        what = "old" if (path / "config.json").exists() else "new"
        command = [sys.executable, "-c", code, str(path), what]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment)
        process.stdout.readline()
        time.sleep(rng.uniform(0, 0.3))
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
    result = resume_search(path)
    (study,) = studies(path / "optuna.journal").values()
    assert sorted(numbers(study)) == list(range(400)) == result.trials.trial.tolist()


def test_two_runs_of_one_name_in_a_shared_storage_stay_apart(run, evaluator, objective, tmp_path) -> None:
    shared = str(tmp_path / "shared.journal")
    run("a/same", storage=shared)
    run("b/same", storage=shared, seed=1)
    run("c/other", storage=shared)
    found = studies(shared)
    assert len(found) == 3
    assert {"same", "other"} < set(found)
    assert all(numbers(study) == list(range(300)) for study in found.values())
    assert sorted(study.user_attrs["seed"] for study in found.values()) == [0, 0, 1]


def test_a_moved_run_keeps_its_study(run, tmp_path) -> None:
    shared = str(tmp_path / "shared.journal")
    path = run(storage=shared).path
    assert load_run(path).config["storage"] == shared
    moved = path.rename(tmp_path / "b-first")
    assert mirror_run(moved).new == 0


# -- what can be wrong at the start


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("nonsense", "unknown storage 'nonsense'"),
        ("runs.db", "did you mean sqlite:///runs.db"),
        ("sqlite:////nowhere/at/all.db", "unable to open database file"),
        ("postgresql://me:secret@127.0.0.1:1/x", "Connection refused"),
        ("oops://me:secret@127.0.0.1:1/x", "Can't load plugin"),
        ("mysql://me:secret@127.0.0.1:1/x", "needs a driver that is not installed"),
        ("postgresql://me:secret@[/x", "cannot open the storage"),
        ("/nowhere/at/all.journal", "cannot open the storage"),
    ],
)
def test_a_wrong_storage_is_refused_before_there_is_a_run(run, tmp_path, given, message) -> None:
    with pytest.raises(InputError, match=message) as error:
        run(storage=given)
    assert "secret" not in str(error.value)
    assert not (tmp_path / "first").exists()


def test_a_missing_driver_names_the_extra(run, tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(MissingExtraError, match=r"archgym\[postgresql\]"):
        run(storage="postgresql://me:secret@127.0.0.1:1/x")


def test_a_search_in_memory_cannot_be_mirrored(evaluator, objective) -> None:
    with pytest.raises(InputError, match="a search in memory cannot be mirrored"):
        search(evaluator, objective, "random", 10, storage="journal")


def test_passwords_are_neither_written_nor_shown(run, tmp_path, monkeypatch) -> None:
    assert hidden("postgresql://me:a:b@c@host/db") == "postgresql://me:***@host/db"
    assert hidden("--storage=mysql://me:s@h/x?y") == "--storage=mysql://me:***@h/x?y"
    assert hidden("sqlite:////tmp/x@y.db") == "sqlite:////tmp/x@y.db"
    path = run(storage="none").path
    config = json.loads((path / "config.json").read_text())
    config["storage"] = place_of("postgresql://me:secret@127.0.0.1:1/x", path).spec
    (path / "config.json").write_text(json.dumps(config))
    assert "secret" not in (path / "config.json").read_text()
    with pytest.raises(RunError, match=r"whose password config\.json does not keep: set ARCHGYM_STORAGE"):
        resume_search(path)
    monkeypatch.setenv("ARCHGYM_STORAGE", "postgresql://me:secret@127.0.0.1:1/x")
    with pytest.raises(InputError, match="Connection refused"):
        mirror_run(path)


def test_the_command_line_in_config_json_has_no_password(run, monkeypatch) -> None:
    monkeypatch.setattr(sys, "argv", ["archgym", "search", "--storage", "mysql://me:secret@host/x"])
    assert "secret" not in (run(storage="none").path / "config.json").read_text()


# -- what can go wrong later


def quickly(monkeypatch, seconds=0.3) -> None:
    monkeypatch.setattr("archgym.search.backends.ANSWER_S", seconds)
    monkeypatch.setattr("archgym.search.backends.PATIENCE_S", seconds)
    monkeypatch.setattr(storage, "HANGS_S", seconds)


def test_a_database_locked_later_holds_up_nothing_and_is_caught_up(run, tmp_path, monkeypatch, caplog) -> None:
    quickly(monkeypatch)
    monkeypatch.setattr(storage, "HANGS_S", 30)
    caplog.set_level(logging.WARNING, "archgym")
    monkeypatch.setattr("optuna.storages._rdb.storage.random.random", lambda: 0)  # between Optuna's own retries
    url = f"sqlite:///{tmp_path}/runs.db"
    run("before", 20, storage=url)
    locker = sqlite3.connect(tmp_path / "runs.db")
    connect = storage.Mirror._connect

    def and_lock(self):
        study = connect(self)
        if not locker.in_transaction:
            locker.execute("BEGIN EXCLUSIVE")
        return study

    monkeypatch.setattr(storage.Mirror, "_connect", and_lock)
    result = run("locked", 60, storage=url)
    monkeypatch.setattr(storage.Mirror, "_connect", connect)
    locker.rollback()
    locker.close()
    assert result.evaluated == len(load_run(result.path).trials) == 60
    first, last = caplog.messages[0], caplog.messages[-1]
    assert first == f"cannot mirror to {url}: database is locked; the search goes on"
    assert "60 trials of " in last
    assert f"archgym mirror {result.path} --storage {url}" in last
    assert len(caplog.messages) == 2
    assert mirror_run(result.path).new == 60
    assert mirror_run(result.path).new == 0
    assert numbers(studies(url)["locked"]) == list(range(60))


@pytest.mark.slow
@pytest.mark.parametrize("comes_back", [True, False])
def test_a_database_that_goes_down_in_mid_search(run, postgresql, monkeypatch, caplog, comes_back) -> None:
    quickly(monkeypatch)
    monkeypatch.setattr(storage, "HANGS_S", 30)
    monkeypatch.setattr("archgym.search.loop.PROGRESS_S", 0)
    caplog.set_level(logging.WARNING, "archgym")

    def restart() -> None:  # while more checkpoints are to come
        while not caplog.messages:
            time.sleep(0.01)
        postgresql.start()

    def follow(now) -> None:
        for when in [when for when in events if now.evaluated >= when]:
            events.pop(when)()

    events = {20: postgresql.stop} | ({60: restart} if comes_back else {})
    agent = {"agent": "genetic?population=20&offspring=20", "checkpoint_s": 0, "storage": postgresql.url}
    result = run(f"comes_back={comes_back}", 100, on_progress=follow, **agent)
    assert not events
    assert result.evaluated == len(load_run(result.path).trials) == 100
    assert f"cannot mirror to {place_of(postgresql.url, Path())}" in caplog.messages[0]
    if not comes_back:
        assert f"archgym mirror {result.path}" in caplog.messages[-1]
        postgresql.start()
        assert mirror_run(result.path).new > 0
    assert len(caplog.messages) == 1 + (not comes_back)
    assert mirror_run(result.path).new == 0
    assert numbers(studies(postgresql.url)[result.path.name]) == list(range(100))


def test_a_storage_that_hangs_does_not_keep_a_search_from_ending(run, monkeypatch, caplog) -> None:
    quickly(monkeypatch)
    hang = threading.Event()
    monkeypatch.setattr(storage.Mirror, "_write", lambda *_: hang.wait())
    began = time.monotonic()
    result = run()
    assert time.monotonic() - began < 60
    assert result.evaluated == 300
    assert "300 trials of" in caplog.messages[-1]
    hang.set()
    (thread,) = [thread for thread in threading.enumerate() if thread.name == "archgym-mirror"]
    thread.join()


def test_a_full_disk_is_said_once_and_the_next_checkpoint_makes_up_for_it(run, monkeypatch, caplog) -> None:
    quickly(monkeypatch)
    append, failures = BatchedJournal._append, iter([True, True, True])

    def full(self, data: bytes) -> None:
        if b'"trial":' in data and next(failures, False):
            with self._path.open("ab") as file:
                file.write(data[: len(data) // 2])  # what fitted
            os.truncate(self._path, self._bytes)
            raise OSError(28, "No space left on device")
        append(self, data)

    monkeypatch.setattr(BatchedJournal, "_append", full)
    result = run(agent="genetic?population=20&offspring=10", checkpoint_s=0)
    assert [message for message in caplog.messages if "No space left" in message] == caplog.messages[:1]
    assert len(caplog.messages) == 1
    monkeypatch.undo()
    assert mirror_run(result.path).new == 0
    assert numbers(studies(result.path / "optuna.journal")["first"]) == list(range(300))


def test_a_journal_deleted_meanwhile_is_made_again(run) -> None:
    path = run().path
    (path / "optuna.journal").unlink()
    assert mirror_run(path).new == 300


def test_a_run_in_use_is_not_mirrored_twice_at_once(run) -> None:
    path = run().path
    from archgym.search.run import own

    lock = own(path)
    with pytest.raises(RunError, match="in use by another process"):
        mirror_run(path)
    lock.release()


# -- the journal


@pytest.fixture
def journal(tmp_path):
    return BatchedJournal(tmp_path / "x.journal", 3)


def write(journal, *values) -> None:
    with journal:
        for value in values:
            journal.append_logs([{"value": value}])


def read(journal, start=0):
    return [log["value"] for log in journal.read_logs(start)]


def test_a_batch_is_written_at_once_and_read_at_once(journal, tmp_path) -> None:
    other = BatchedJournal(tmp_path / "x.journal", 3)
    with journal:
        journal.append_logs([{"value": 1}])
        assert read(journal) == [1]
        assert read(other) == []
    write(other, 2, 3)
    with journal:
        journal.append_logs([{"value": 4}])
        assert read(journal) == [1, 2, 3, 4]
        assert read(journal, 2) == [3, 4]
        assert read(journal, 3) == [4]
    journal.append_logs([{"value": 5}])
    assert read(other) == read(journal) == [1, 2, 3, 4, 5]


def test_half_a_record_is_cut_off_before_more_is_written(journal, tmp_path) -> None:
    write(journal, 1, 2)
    with (tmp_path / "x.journal").open("ab") as file:
        file.write(b'{"value": 3')
    write(BatchedJournal(tmp_path / "x.journal", 3), 4)
    assert read(journal) == [1, 2, 4]
    assert [json.loads(line) for line in (tmp_path / "x.journal").read_text().splitlines()] == [
        {"value": value} for value in (1, 2, 4)
    ]


def test_an_exception_drops_the_batch_and_frees_the_lock(journal) -> None:
    def fail() -> None:
        with journal:
            journal.append_logs([{"value": 1}])
            raise ArchGymError

    with pytest.raises(ArchGymError):
        fail()
    write(journal, 2)
    assert read(journal) == [2]


def test_the_lock_of_a_dead_writer_is_taken_over(journal, tmp_path) -> None:
    (tmp_path / "x.journal.lock").symlink_to(tmp_path / "x.journal")
    write(journal, 1)
    assert read(journal) == [1]
    assert not Path(tmp_path / "x.journal.lock").is_symlink()
