"""Every option of every command, given nonsense: an exit code and one line, never a traceback.

The commands and their options are read off the application, so a new one is tested from its first day. FUZZ=10 makes
ten times as many command lines.
"""

import io
import os
import shutil
import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from archgym.cli import app, main
from archgym.errors import described

TIMES = float(os.environ.get("FUZZ", "1"))
EXAMPLES = 400  # command lines in all
PATIENCE_S = 5.0  # then Ctrl-C: a nonsensical command line that happens to be valid
CODES = {0, 2, 130}
JUDGES = {"quality", "validate"}  # say no by exit code 1

# -- nonsense

TEXTS = (
    *(
        "",
        " ",
        "-",
        "--",
        "---",
        "?",
        "=",
        ",",
        ":",
        "&",
        "nope",
        "none",
        "all",
        "auto",
        "-1",
        "0",
        "1",
        "1e309",
        "nan",
        "inf",
    ),
    *(
        "9" * 400,
        "0x10",
        "1_000",
        "\u0661",
        "-0",
        "1.5",
        "é\u202e\u0000".replace("\0", ""),
        "\udcff",
        "\x1b[31m",
        "a\nb",
        "%s{}",
    ),
    *(
        "../..",
        ".",
        "/",
        "/dev/null",
        "/proc/self/environ",
        "gone/gone",
        "x" * 5000,
        "[/red]",
        "[bold]",
        "'\"",
        "$(true)",
    ),
    *(
        "systolic?",
        "systolic?node_nm=",
        "systolic?node_nm=0",
        "systolic?node_nm=1&node_nm=2",
        "nope?x=1",
        "systolic?x=1",
    ),
    *(
        "genetic?population=",
        "genetic?population=-1",
        "genetic?population=x",
        "genetic?&",
        "random?batch=1",
        "ppo?epochs=1.5",
    ),
    *(
        "alexnet?batch=0",
        "alexnet?batch=99999999",
        "llama3-8b:nope",
        "llama3-8b:decode?context=0",
        "alexnet:decode",
        ":decode",
    ),
    *(
        "latency_s*",
        "latency_s**2",
        "1/0",
        "__import__('os')",
        "latency_s;energy_j",
        "latency_s<1",
        "log(",
        "(" * 200,
        "a.b",
    ),
    *("area_mm2<=", "<=1", "area_mm2<=nan", "area_mm2==1", "area_mm2<=1<=2", "1<=2", "area_mm2>=1e400", "area_mm2<=-1"),
    *(
        "array_rows=",
        "=1",
        "array_rows=7",
        "array_rows=16,16",
        "nope=1",
        "array_rows=nan",
        "dataflow=ws,nope",
        "{",
        "{}",
        "[]",
    ),
    *(
        '{"array_rows": 1}',
        '{"array_rows": []}',
        '{"best": 3}',
        "null",
        '{"a":' * 500,
        "surrogate:",
        "surrogate:nope",
        "analytical:x",
    ),
    *(
        "sqlite://",
        "sqlite:///",
        "mysql://x",
        "x.journal/",
        "nope://x",
        "x.db",
        "2:4",
        "slice-",
        "weight_bits=3.5",
        "weight_bits=99",
    ),
)
FILES = (
    *("run", "half", "set", "surrogate", "net.csv", "config.json", "design.json", "sweep.yaml", "rows.csv", "binary"),
    *("empty", "run/config.json", "run/state.npz", "net.parquet", "net.onnx", "folder", "new", "new.csv", "new.html"),
)
NAMES = (
    *(
        "systolic",
        "pim",
        "alexnet",
        "tpu-v1",
        "random",
        "genetic",
        "forest",
        "gnn",
        "latency_s",
        "energy_j",
        "resnet50",
    ),
    *("best", "sobol", "npz", "hub", "minari", "test", "log", "target", "area_mm2<=60", "dataflow=ws", "published"),
    *("ilp", "journal"),
)
NUMBERS = (
    "-1",
    "0",
    "1",
    "2",
    "8",
    "1.5",
    "nan",
    "inf",
    "-inf",
    "1e30",
    "9" * 30,
    "-" + "9" * 30,
    "x",
    "",
    "0x1",
    "1e-300",
)
SMALL = ("1", "2", "8", "20")  # of budgets that are kept, so that a valid line ends soon
# Commands that would take long, serve for ever or install something where all is well: one option is always wrong.
WRONG = {
    "optimum": (("--env", "nope"), ("--workload", "nope"), ("--objective", "nope"), ("--constraint", "nope"),
                ("--set", "nope"), ("--cost-model", "nope"), ("--cost-model", "surrogate:empty")),
    "compare": (("--env", "nope"), ("--agents", "nope"), ("--objective", "nope"), ("--set", "nope=1"), ("gone",)),
    "sweep": (("--envs", "nope"), ("--agents", "nope"), ("--workloads", "nope"), ("gone.yaml",), ("--seeds", "x"),
              ("--objective", "nope"), ("--resume", "gone")),
    "dashboard": (("gone",), ("nope://x",), ("binary",), ("folder",), ("--port", "x"), ("--port", "-1")),
    "simulators install": (("nope",), ("",)),
    "surrogate train": (("--model", "nope"), ("--model", "gnn?x=1"), ("gone",), ("--most", "0")),
    "validate": (("nope",), ("--reference", "gone")),
    "verify": (("gone",), ("--with", "nope"), ("folder",)),
    "plot": (("--out", "x.nope"), ("gone",)),
    "report": (("gone",), ("folder",)),
}  # fmt: skip
BUDGETS = {"search": "--budget", "dataset generate": "--n"}  # given last, so that it counts


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Every command of the application by its words; those of a group before the group itself."""
    for name, child in getattr(command, "commands", {}).items():
        yield from commands(child, (*path, name))
    if path:
        yield " ".join(path), command


COMMANDS = dict(commands(typer.main.get_command(app)))


def values(parameter: Any) -> st.SearchStrategy[str]:
    """Nonsense and sense for a parameter, mostly of its type."""
    kind = parameter.type_descriptor.annotation
    text = st.sampled_from(TEXTS) | st.text(st.characters(exclude_categories=(), exclude_characters="\0"), max_size=12)
    if kind in (int, float):
        return st.sampled_from(NUMBERS) | st.integers().map(str) | st.floats().map(str) | text
    return st.sampled_from(FILES) | st.sampled_from(NAMES) | text


@st.composite
def lines(draw: st.DrawFn, words: str) -> list[str]:
    """A command line of one command."""
    command = COMMANDS[words]
    line = words.split()
    wanted = [p for p in command.params if p.name not in ("install_completion", "show_completion")]
    for parameter in wanted:
        often = 9 if parameter.required else 2
        for _ in range(draw(st.integers(1, 2)) if draw(st.integers(0, 9)) < often else 0):
            option = draw(st.sampled_from(parameter.opts)) if parameter.param_type_name == "option" else None
            given = [] if getattr(parameter, "is_flag", False) else [draw(values(parameter))]
            together = option is not None and given and option.startswith("--") and draw(st.booleans())
            line += [f"{option}={given[0]}"] if together else [*([option] if option else []), *given]
    extra = draw(st.sampled_from((None,) * 8 + ("--nope", "-Z")))
    line += [extra] if extra else []
    if words in WRONG:
        line += draw(st.sampled_from(WRONG[words]))
    if words in BUDGETS:
        line += [BUDGETS[words], draw(st.sampled_from(SMALL))]
    return line


# -- running them


class Streams:
    """Standard output and error as a terminal's: what cannot be encoded fails on the one, is escaped on the other."""

    def __init__(self) -> None:
        self.out = io.TextIOWrapper(io.BytesIO(), "utf-8", errors="strict")
        self.err = io.TextIOWrapper(io.BytesIO(), "utf-8", errors="backslashreplace")

    def __enter__(self) -> "Streams":
        self._kept = sys.stdout, sys.stderr
        sys.stdout, sys.stderr = self.out, self.err
        return self

    def __exit__(self, *_: object) -> None:
        sys.stdout, sys.stderr = self._kept

    def error_lines(self) -> list[str]:
        self.err.flush()
        return self.err.buffer.getvalue().decode().splitlines()


class Patience:
    """Ctrl-C, twice, for a command that takes its time."""

    def __enter__(self) -> "Patience":
        self._over, self._lock = False, threading.Lock()
        self._timers = [threading.Timer(seconds, self._interrupt) for seconds in (PATIENCE_S, PATIENCE_S + 2)]
        for timer in self._timers:
            timer.start()
        return self

    def _interrupt(self) -> None:
        with self._lock:
            if not self._over:
                os.kill(os.getpid(), signal.SIGINT)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._over = True
        for timer in self._timers:
            timer.cancel()


def fault_of(line: list[str]) -> str | None:
    """What is wrong with how a command line ends; None where all is well."""
    sys.argv = ["archgym", *line]
    with Streams() as streams, Patience():
        try:
            main()
            return "it did not end by an exit code"
        except SystemExit as stop:
            code = stop.code or 0
        except BaseException as error:
            frames = [f for f in traceback.extract_tb(error.__traceback__) if "/archgym/" in f.filename]
            places = " < ".join(f"{Path(f.filename).name}:{f.lineno}" for f in frames[:-4:-1])
            return f"{places}: {described(error)}"
    words = streams.error_lines()
    ignored = code == 130 and any("Exception ignored" in word for word in words)  # Python's, of a Ctrl-C in a finaliser
    if any("Traceback" in word for word in words) and not ignored:
        return f"it prints a traceback: {words}"
    if code not in CODES | ({1} if line[0] in JUDGES else set()):
        return f"exit code {code}: {words}"
    if code == 2 and not (words and words[-1].startswith("archgym: ") and len(words[-1]) > 12):
        return f"exit code 2 without a clear line: {words}"
    return None


@pytest.fixture
def place(valid, tmp_path, monkeypatch):
    """The current directory, full of examples, and a home that is nobody's."""
    work = tmp_path / "work"
    shutil.copytree(valid, work)
    (work / "folder").mkdir()
    (work / "binary").write_bytes(bytes(range(256)) * 8)
    (work / "empty").touch()
    monkeypatch.chdir(work)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(sys, "argv", ["archgym"])
    return work


@pytest.mark.parametrize("line", [["search", "--resume"], ["compare"], ["workload", "show"], ["dataset", "describe"]])
def test_a_name_that_the_system_refuses(line, place):
    assert fault_of([*line, "x" * 5000]) is None


@pytest.mark.parametrize("words", COMMANDS)
def test_nonsense_ends_in_one_line(words, place, valid, tmp_path):
    faults: dict[str, list[str]] = {}  # all there are, each once
    around = sorted(Path(__file__).parents[2].iterdir())

    @seed(0)
    @settings(max_examples=max(3, int(EXAMPLES * TIMES / len(COMMANDS))), phases=[Phase.generate], database=None,
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(lines(words))
    def check(line: list[str]) -> None:
        if (fault := fault_of(line)) is not None:
            faults.setdefault(fault, line)

    check()
    assert not faults, "\n".join(f"{fault}\n    {line}" for fault, line in faults.items())
    assert {path.name for path in tmp_path.iterdir()} <= {"work", "home"}
    assert sorted(Path(__file__).parents[2].iterdir()) == around
