"""Small programs in the place of simulators."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from archgym import api
from archgym.simulators import installing
from archgym.simulators.driver import Program

PROGRAM = """\
import json, os, sys, time
request = json.load(sys.stdin)
with open({log!r}, "a") as log:
    log.write(f"{{request.get('number')}} {{os.getcwd()}}\\n")
{body}
"""


@pytest.fixture(scope="session")
def equations() -> None:
    """Compile our own model where all tests keep it, before `cache` hides it."""
    api.evaluator("systolic").compile()


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    """A cache of answers of its own."""
    monkeypatch.setenv("ARCHGYM_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def log(tmp_path) -> Path:
    """One line of every process that ran: its request's number and its directory."""
    return tmp_path / "log"


@pytest.fixture
def program(tmp_path, log):
    """Make a program that reads its `request`, and does the rest as `body` says."""

    def make(body: str, identity: str = "1") -> Program:
        path = tmp_path / "program.py"
        path.write_text(PROGRAM.format(log=str(log), body=body))
        return Program("fake", (sys.executable, "-I", "-S", str(path)), identity)

    return make


@pytest.fixture
def alive() -> Callable[[int], bool]:
    """Whether a process runs: not gone, and no zombie that nobody has waited for yet."""

    def runs(pid: int) -> bool:
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        except OSError:
            return False

    return runs


@pytest.fixture
def wait_until() -> Callable[[Callable[[], bool]], bool]:
    """Wait for a condition, half a minute at most."""

    def wait(condition: Callable[[], bool]) -> bool:
        end = time.monotonic() + 30
        while not condition() and time.monotonic() < end:
            time.sleep(0.02)
        return condition()

    return wait


# SCALE-Sim's place is taken by its closed forms with ample bandwidth: each word crosses the chip's boundary once.
SCALESIM = """\
#!{python} -IS
import json, math, sys
if sys.argv[1] == "-c":
    sys.exit(print("3.0.0"))
job = json.load(sys.stdin)
m, k, n, r, c, flow = (job[name] for name in ("m", "k", "n", "rows", "columns", "dataflow"))
sr, sc, t = {{"os": (m, n, k), "ws": (k, n, m), "is": (k, m, n)}}[flow]
fr, fc = math.ceil(sr / r), math.ceil(sc / c)
cycles = fr * fc * ((r if flow == "os" else 2 * r) + c + t - 2) - 1
words = {{"os": (fc * m * k, fr * k * n, m * n), "ws": (fc * m * k, k * n, fr * m * n),
         "is": (m * k, fc * k * n, fr * m * n)}}[flow]
answer = {{"cycles": cycles, "stall_cycles": 0, "dram_ifmap": m * k, "dram_filter": k * n, "dram_ofmap": m * n}}
json.dump(answer | dict(zip(("sram_ifmap", "sram_filter", "sram_ofmap"), words)), sys.stdout)
"""


@pytest.fixture
def fake_scalesim(tmp_path, monkeypatch) -> Path:
    """A Python that answers as SCALE-Sim does."""
    path = tmp_path / "scalesim-python"
    path.write_text(SCALESIM.format(python=sys.executable))
    path.chmod(0o755)
    monkeypatch.setenv("ARCHGYM_SCALESIM_PYTHON", str(path))
    installing._version.cache_clear()
    return path
