"""The driver: kept answers, processes that end, errors that name what failed."""

import json
import os
import signal
import threading
from pathlib import Path

import pytest

from archgym.errors import InputError
from archgym.simulators import driver
from archgym.simulators.driver import Job, SimulationError, answers, asked

ANSWER = "print(json.dumps({'square': request['number'] ** 2}))"


def jobs(*numbers: int) -> list[Job]:
    return [Job({"number": number}, f"number {number}") for number in numbers]


def anything(answer) -> None:
    pass


def runs(log: Path) -> list[list[str]]:
    return [line.split() for line in log.read_text().splitlines()] if log.exists() else []


def test_equal_requests_run_once_and_are_kept(program, log) -> None:
    found = answers(program(ANSWER), jobs(3, 4, 3), 2, anything)
    assert [answer["square"] for answer in found] == [9, 16, 9]
    assert sorted(number for number, _ in runs(log)) == ["3", "4"]
    assert answers(program(ANSWER), jobs(4, 5), 2, anything)[1] == {"square": 25}
    assert [number for number, _ in runs(log)[2:]] == ["5"]


def test_another_program_has_other_answers(program, log) -> None:
    answers(program(ANSWER), jobs(1), 1, anything)
    answers(program(ANSWER, identity="2"), jobs(1), 1, anything)
    assert len(runs(log)) == 2


def test_every_process_has_a_directory_of_its_own_which_is_removed(program, log) -> None:
    answers(program("open('left', 'w').write('x')\n" + ANSWER), jobs(1, 2), 1, anything)
    places = [Path(place) for _, place in runs(log)]
    assert len(set(places)) == 2
    assert not any(place.exists() for place in places)


@pytest.mark.parametrize("damage", ["", "{", "[1]", '{"square": 9'])
def test_a_damaged_answer_is_made_again(program, log, cache, damage) -> None:
    answers(program(ANSWER), jobs(3), 1, anything)
    (kept,) = cache.rglob("*.json")
    kept.write_text(damage)
    assert answers(program(ANSWER), jobs(3), 1, anything) == [{"square": 9}]
    assert json.loads(kept.read_text()) == {"square": 9}


def test_a_cache_that_cannot_be_written_loses_no_answer(program, cache) -> None:
    cache.write_text("a file in its place")
    assert answers(program(ANSWER), jobs(3), 1, anything) == [{"square": 9}]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("sys.exit('no licence')", r"failed with exit code 1: no licence \[number 2\]"),
        ("raise KeyError('x')", r"failed with exit code 1: .*KeyError: 'x'"),
        ("os.kill(os.getpid(), 11)", r"failed with signal 11 \(Segmentation fault\): it printed nothing"),
        ("pass", "must print one JSON object, but .*it printed: nothing"),
        ("print('Hello', '{}')", "must print one JSON object, but .*it printed: Hello"),
        ("print('[1]')", r"must print one JSON object, not: \[1\]"),
        ("print('{\"square\": NaN}')", "NaN is no JSON number"),
        ("print('{}')", "gave an answer that cannot be used: it lacks square"),
    ],
)
def test_failures_name_the_job_and_are_not_kept(program, cache, body, message) -> None:
    def check(answer) -> None:
        if "square" not in answer:
            raise InputError("it lacks square")

    with pytest.raises(SimulationError, match=message) as failure:
        answers(program(body), jobs(2), 1, check)
    assert str(failure.value).startswith("simulator 'fake' ")
    assert not list(cache.rglob("*.json"))


def test_a_program_that_is_not_there() -> None:
    with pytest.raises(SimulationError, match=r"cannot be started: .*No such file"):
        asked(driver.Program("fake", ("/nowhere/simulator",), "1"), jobs(1)[0], anything)


def test_answers_before_a_failure_are_kept(program, log) -> None:
    body = "if request['number'] == 2: sys.exit(1)\n" + ANSWER
    with pytest.raises(SimulationError, match="number 2"):
        answers(program(body), jobs(1, 2), 1, anything)
    answers(program(body), jobs(1), 1, anything)
    assert [number for number, _ in runs(log)] == ["1", "2"]


def test_a_simulation_that_takes_too_long_ends_with_all_that_it_started(
    program, tmp_path, monkeypatch, alive, wait_until
) -> None:
    monkeypatch.setenv(driver.LIMIT, "0.8")
    pids = tmp_path / "pids"
    body = f"child = os.fork()\nopen({str(pids)!r}, 'a').write(f'{{os.getpid()}}\\n')\ntime.sleep(60)"
    with pytest.raises(SimulationError, match=r"takes longer than 0.8 s .* \[number 1\]"):
        answers(program(body), jobs(1), 1, anything)
    started = [int(pid) for pid in pids.read_text().split()]
    assert len(started) == 2
    assert wait_until(lambda: not any(map(alive, started)))


@pytest.mark.parametrize("text", ["soon", "0", "-1", "nan", "inf"])
def test_a_time_limit_is_a_number_of_seconds(program, monkeypatch, text) -> None:
    monkeypatch.setenv(driver.LIMIT, text)
    with pytest.raises(InputError, match="ARCHGYM_SIMULATION_TIMEOUT_S must be a number of seconds"):
        answers(program(ANSWER), jobs(1), 1, anything)


def test_ctrl_c_ends_all_processes_and_keeps_what_is_done(program, log, cache, tmp_path, alive, wait_until) -> None:
    pids = tmp_path / "pids"
    slow = f"open({str(pids)!r}, 'a').write(f'{{os.getpid()}}\\n')\ntime.sleep(60)"
    body = f"if request['number'] > 1:\n    {slow.replace(chr(10), chr(10) + '    ')}\n{ANSWER}"

    def interrupt() -> None:
        wait_until(lambda: pids.exists() and len(list(cache.rglob("*.json"))) == 1)
        os.kill(os.getpid(), signal.SIGINT)

    watcher = threading.Thread(target=interrupt)
    watcher.start()
    with pytest.raises(KeyboardInterrupt):
        answers(program(body), jobs(1, 2, 3, 4), 2, anything)
    watcher.join()
    assert not any(alive(int(pid)) for pid in pids.read_text().split())
    assert [json.loads(path.read_text()) for path in cache.rglob("*") if path.is_file()] == [{"square": 1}]
    assert "4" not in [number for number, _ in runs(log)]  # what had not begun never did
