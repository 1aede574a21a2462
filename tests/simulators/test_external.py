"""The user's own simulator, a program or a Python function, as a cost model."""

import importlib
import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import archgym
from archgym import api
from archgym.errors import InputError, RunError
from archgym.search import load_run, resume_search
from archgym.simulators import external
from archgym.simulators.driver import SimulationError

WORKLOAD = "tpu-v1-mlp0"
EXAMPLE = Path(__file__).parents[2] / "examples" / "own_simulator.py"
DESCRIPTION = {"metrics": {"latency_s": "s"}}
FUNCTION = """\
def simulate(request):
    print("a banner")
    if request["ask"] == "description":
        return {description!r}
    design = request["design"]
    return {answer}
"""
LATENCY = "{'latency_s': 1e-3 / design['array_rows']}"


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """A directory with a simulator in it, that no other test has asked what it is."""
    external._description.cache_clear()
    monkeypatch.chdir(tmp_path)
    write()
    return tmp_path


def write(answer: str = LATENCY, description: object = DESCRIPTION) -> None:
    Path("mysim.py").write_text(FUNCTION.format(answer=answer, description=description))


def searched(cost_model: str = "python:mysim.py:simulate", budget: int = 4, **options):
    options = {"objective": ["latency_s"], "constraints": [], "choices": {"arrays": 1}} | options
    return archgym.search("systolic", WORKLOAD, "random", budget=budget, cost_model=cost_model, **options)


@pytest.mark.parametrize(
    "kind", ["python:{}:simulate", "command:{} --answer", f"command:{sys.executable} {{}} --answer"]
)
def test_the_example_is_a_function_and_a_program(kind: str) -> None:
    shutil.copy(EXAMPLE, "own.py")
    if kind.startswith("command:{}"):
        Path("own.py").write_text(f"#!{sys.executable}\n" + EXAMPLE.read_text())
        Path("own.py").chmod(0o755)
    evaluator = api.evaluator("systolic", WORKLOAD, kind.format("./own.py"))
    assert [metric.name for metric in evaluator.metrics] == ["latency_s", "energy_j", "stalls"]
    assert evaluator.space["arrays"].choices == (1, 2)
    assert evaluator.space["dataflow"].choices == ("os",)
    values = evaluator.space.values(evaluator.space.decode(evaluator.space.centre[None]))[0]
    design = evaluator.space.design
    wide = evaluator.evaluate_designs(design(values | {"arrays": 4}))[0]  # more than it lists
    assert evaluator.why(int(wide.why)).startswith("not_expressible: ")
    fast, slow = (evaluator.evaluate_designs(design(values | {"clock_ghz": clock}))[0] for clock in (1.0, 0.3))
    assert fast.feasible
    assert fast.energy_j == pytest.approx(5e-13 * evaluator.workload.macs)
    assert evaluator.why(int(slow.why)) == "too_slow: the clock is below 0.5 GHz"


def test_what_a_simulator_is_told() -> None:
    out = Path("request.json").resolve()
    write(f"(__import__('json').dump(request, open({str(out)!r}, 'w')), {LATENCY})[1]")
    evaluator = api.evaluator("systolic?node_nm=16", WORKLOAD, "python:mysim.py:simulate")
    evaluator.evaluate(evaluator.space.centre[None])
    told = json.loads(out.read_text())
    assert sorted(told) == ["ask", "design", "environment", "protocol", "scenario", "workload"]
    assert told["scenario"] == {"node_nm": 16, "dispatch_us": 0.0}
    assert told["design"] == evaluator.space.values(evaluator.space.decode(evaluator.space.centre[None]))[0]
    operators = told["workload"]["operators"]
    assert operators[0]["kind"] == "matmul"
    assert operators[0]["weight"] == "b"
    macs = sum(row["count"] * row["batch"] * row["groups"] * row["m"] * row["k"] * row["n"] for row in operators)
    assert macs == evaluator.workload.macs


def test_an_edited_simulator_has_other_numbers(place) -> None:
    first = searched(out="run")
    assert first.cost_model == f"python:{place / 'mysim.py'}:simulate"
    write("{'latency_s': 2e-3 / design['array_rows']}")
    assert searched().metrics["latency_s"] == 2 * first.metrics["latency_s"]
    with pytest.raises(RunError, match="the cost model has changed since"):
        resume_search("run")


def test_a_run_resumes_from_another_directory(place, monkeypatch) -> None:
    searched(out="run")
    (place / "elsewhere").mkdir()
    monkeypatch.chdir(place / "elsewhere")
    external._description.cache_clear()
    assert len(load_run(place / "run").trials) == 4
    assert resume_search(place / "run").evaluated == 4


def test_a_version_that_it_tells_is_part_of_its_identity() -> None:
    identities = set()
    for version in ("1", "2"):
        Path("version").write_text(version)
        text = f"open({str(Path('version').resolve())!r}).read()"
        source = FUNCTION.format(answer=LATENCY, description=DESCRIPTION)
        Path("mysim.py").write_text(source.replace(repr(DESCRIPTION), f"{DESCRIPTION!r} | {{'version': {text}}}"))
        external._description.cache_clear()
        identities.add(api.evaluator("systolic", WORKLOAD, "python:mysim.py:simulate").identity())
    assert len(identities) == 2


def test_a_function_of_a_module_and_its_whole_package(place, monkeypatch) -> None:
    package = place / "lab"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "constants.py").write_text("SPEED = 1.0\n")
    write("{'latency_s': SPEED}")
    source = Path("mysim.py").read_text()
    (package / "chip.py").write_text("from lab.constants import SPEED\n" + source)
    monkeypatch.syspath_prepend(str(place))
    importlib.invalidate_caches()
    assert searched("python:lab.chip:simulate").metrics == {"latency_s": 1.0}
    (package / "constants.py").write_text("SPEED = 3.0\n")
    assert searched("python:lab.chip:simulate").metrics == {"latency_s": 3.0}


@pytest.mark.parametrize(
    ("cost_model", "message"),
    [
        ("command:", r"cost model 'command' needs an argument: command:PROGRAM"),
        ("command:./nothing --fast", r"the simulator './nothing' is no program that can be run"),
        ("command:'", r"cannot read the command"),
        ("python:mysim.py", r"is FILE.py:FUNCTION or MODULE:FUNCTION, not 'mysim.py'"),
        ("python:absent.py:simulate", r"cannot read the simulator .*absent.py: No such file"),
        ("python:no_such_module:simulate", r"there is no module 'no_such_module'"),
    ],
)
def test_a_simulator_that_is_not_there(cost_model: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        api.evaluator("systolic", WORKLOAD, cost_model)


@pytest.mark.parametrize(
    ("description", "message"),
    [
        ([], "must print one JSON object"),
        ({}, "its metrics must be an object of names and texts, not null"),
        ({"metrics": {}}, "it tells no metrics"),
        ({"metrics": {"latency_s": 1}}, "its metrics must be an object of names and texts"),
        ({"metrics": {"latency s": "s"}}, "'latency s' cannot be the name of one of its metrics"),
        ({"metrics": {"feasible": "1"}}, "'feasible' cannot be the name"),
        ({"metrics": {"latency_s": "ms"}}, "latency_s is in 's', not in 'ms'"),
        (DESCRIPTION | {"metric": {}}, "unknown key 'metric'; did you mean 'metrics'"),
        (DESCRIPTION | {"space": {"rows": [8]}}, "unknown parameter 'rows'"),
        (DESCRIPTION | {"space": {"arrays": [3]}}, "arrays=3 is no choice"),
        (DESCRIPTION | {"space": {"arrays": None}}, "its space cannot be used"),
        (DESCRIPTION | {"space": [1]}, "its space must be an object"),
        (DESCRIPTION | {"reasons": {"refused": "x"}}, "'refused' cannot be the name of one of its reasons"),
    ],
)
def test_a_description_that_cannot_be_used(description: object, message: str) -> None:
    write(description=description)
    with pytest.raises(SimulationError, match=message):
        searched()


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("{}", "it lacks latency_s"),
        ("{'latency_s': 'fast'}", 'latency_s must be a finite number, not "fast"'),
        ("{'latency_s': True}", "latency_s must be a finite number, not true"),
        ("{'latency_s': float('nan')}", "NaN is no JSON number"),
        ("{'latency_s': 10**400}", "latency_s must be a finite number"),
        ("{'latency_s': 1.0, 'energy_j': 1.0}", "unknown key 'energy_j'"),
        ("{'feasible': False, 'why': 'bored'}", "unknown reason 'bored'"),
        ("{'feasible': False, 'latency_s': 1.0}", "unknown key 'latency_s'"),
        ("1 / 0", "ZeroDivisionError"),
        ("{'latency_s': object()}", "not JSON serializable"),
    ],
)
def test_an_answer_that_cannot_be_used(answer: str, message: str) -> None:
    write(answer)
    with pytest.raises(SimulationError, match=message) as failure:
        searched()
    assert "array_rows=" in str(failure.value)


def test_refusals_are_infeasible_designs() -> None:
    write("{'feasible': False}")
    found = searched()
    assert found.best is None
    assert found.reasons == {"refused": 4}
    write("{'feasible': False, 'why': 'too_hot'}", DESCRIPTION | {"reasons": {"too_hot": "it melts"}})
    assert searched().reasons == {"too_hot": 4}


def test_ctrl_c_twice_ends_a_search_and_its_simulations(place, alive, wait_until) -> None:
    """The first waits for the batch, the second does not."""
    pids = place / "pids"
    write(f"(open({str(pids)!r}, 'a').write(f'{{__import__(\"os\").getpid()}}\\n'), __import__('time').sleep(60))")
    command = [str(Path(sys.executable).with_name("archgym")), "search", "--workload", WORKLOAD, "--agent", "random"]
    options = ["--cost-model", "python:mysim.py:simulate", "-o", "latency_s", "-c", "none", "--budget", "9", "-q"]
    search = subprocess.Popen([*command, *options, "--out", "run"], stderr=subprocess.PIPE, text=True)
    wait_until(lambda: pids.exists() and len(pids.read_text().split()) > 0)
    for _ in range(2):
        search.send_signal(signal.SIGINT)
        time.sleep(0.5)
    _, err = search.communicate(timeout=30)
    assert search.returncode == 130
    assert "interrupted after 0 of 9 designs" in err
    assert not any(alive(int(pid)) for pid in pids.read_text().split())


def test_a_word_of_a_command_that_is_no_path_stays(place) -> None:
    (place / "fast").mkdir()
    shutil.copy(EXAMPLE, "own.py")
    evaluator = api.evaluator("systolic", WORKLOAD, f"command:{sys.executable} own.py fast ./fast --answer")
    assert evaluator.cost_model == f"command:{sys.executable} {place}/own.py fast {place}/fast --answer"


def test_objectives_on_metrics_that_it_has_not() -> None:
    with pytest.raises(InputError, match="unknown metric 'energy_j'"):
        searched(objective=["energy_j"])


def test_any_environment_has_simulators() -> None:
    write("{'latency_s': float(len(design['board']))}")
    fpga = archgym.search("fpga", WORKLOAD, "random", ["latency_s"], [], 3, cost_model="python:mysim.py:simulate")
    assert fpga.metrics["latency_s"] == len(fpga.best["board"])


def test_the_program_of_a_strangers_run_is_not_run(cache) -> None:
    write(description={"metrics": {"latency_s": "s"}, "version": "1"})
    searched(budget=2, out="theirs")
    shutil.rmtree(cache / "trusted")
    external._description.cache_clear()
    ran = Path("ran").resolve()
    Path("mysim.py").write_text(f"open({str(ran)!r}, 'w')\n" + Path("mysim.py").read_text())
    Path("theirs/result.json").unlink()
    for read in (resume_search, lambda path: archgym.verify(path, "analytical")):
        with pytest.raises(InputError, match="nobody has named on this machine"):
            read("theirs")
    assert not ran.exists()
    searched(budget=2)  # who names it trusts it
    assert ran.exists()
