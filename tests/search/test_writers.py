"""Many processes mirror their runs to one storage at once, and nothing is lost.

Two hundred of them keep two cores busy for minutes: ARCHGYM_WRITERS=200 python -m pytest tests/search/test_writers.py
"""

import multiprocessing
import os
import time

import optuna
import pytest

from archgym.objective import Objective
from archgym.search import load_run, search
from archgym.search.backends import opened, patiently
from archgym.search.places import place_of
from archgym.search.request import request_of
from archgym.search.run import Run
from archgym.search.storage import Mirror

WRITERS = int(os.environ.get("ARCHGYM_WRITERS", "24"))


@pytest.fixture(scope="module")
def made(evaluator, tmp_path_factory):
    """A run of 20 designs, which every writer mirrors under a name of its own."""
    path = tmp_path_factory.mktemp("runs") / "made"
    search(evaluator, Objective("latency_s*energy_j", ["area_mm2<=60"]), "random", 20, out=path)
    return load_run(path)


def mirror(run: Run, number: int, target: str, trials: int) -> None:
    """What one process does; its exit code says whether all was written."""
    own = Run(run.path.with_name(f"writer-{number}"), run.config | {"seed": number})
    place = place_of(target, own.path)
    with Mirror(place, request_of(run)).of(own) as copy:
        for table in run.tables():
            copy.add(table.slice(0, trials), time.time())
    os._exit(1 if copy.missing else 0)


def written(run: Run, target: str, trials: int) -> dict[str, list[int]]:
    """Trial numbers by study, after all processes have written."""
    optuna.create_study(storage="sqlite://")  # imports what every process needs
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=mirror, args=(run, n, target, trials)) for n in range(WRITERS)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert {process.exitcode for process in processes} == {0}
    storage = opened(place_of(target, run.path)).storage  # one for all studies: each has connections of its own
    names = patiently(lambda: optuna.get_all_study_names(storage))  # a server takes a moment to see who has gone
    studies = [optuna.load_study(study_name=name, storage=storage) for name in names]
    assert all(study.user_attrs["run"].endswith(study.study_name) for study in studies)
    assert all(study.metric_names == ["latency_s*energy_j"] for study in studies)
    return {study.study_name: [trial.user_attrs["trial"] for trial in study.trials] for study in studies}


def everything(trials: int) -> dict[str, list[int]]:
    return {f"writer-{number}": list(range(trials)) for number in range(WRITERS)}


def test_one_journal(made, tmp_path) -> None:
    assert written(made, str(tmp_path / "shared.journal"), 5) == everything(5)


@pytest.mark.slow
def test_one_sqlite_database(made, tmp_path) -> None:
    assert written(made, f"sqlite:///{tmp_path}/shared.db", 1) == everything(1)


@pytest.mark.slow
def test_one_postgresql_database(made, postgresql) -> None:
    assert written(made, postgresql.url, 1) == everything(1)
