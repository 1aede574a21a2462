"""Every command and every Python block of README and pages: parsed, and run with small budgets where that is quick.

The commands of a page run in its order in a directory of its own, so that one finds what those before it made.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import typer
from typer.main import get_command

import archgym
from archgym.cli import app

ROOT = Path(__file__).parent.parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]

# What a command gets instead, so that it is quick: values of options, then words.
QUICK = {"--budget": "24", "--n": "600", "--seeds": "2", "--hyperparameters": "2"}
TINY = "members=2&width=8"
WORDS = {
    "all": "random,genetic",
    "gnn": f"gnn?{TINY}&epochs=1",
    "gnn?warm_start=learned": f"gnn?warm_start=learned&{TINY}&steps=2&startup=8",
    "DATASET": "designs",
    "DESIGN...": "tpu-v1",
    "DIR": "dir",
    "RUN": "runs/a",
    "W": "resnet50",
}
# What a command gets where it leaves it to defaults, which are large.
ADDED = {"search": "--budget 24", "compare": "--budget 24", "surrogate train": f"--model gnn?{TINY}&epochs=1"}
# Commands that are parsed and not run, by how they begin, with the reason.
PARSED = {
    "optimum --env systolic": "half a billion designs, two minutes; tests/search/test_optimum.py runs it small",
    "validate": "tests/docs/test_site.py runs all of them",
    "search --cost-model NAME:ARGUMENT": "stands for the reader's own",
    "quality --function mine": "stands for the reader's own",
    "search --cost-model command:": "stands for the reader's own; tests/simulators",
    "search --cost-model python:": "stands for the reader's own; tests/simulators",
    "search --workload net.csv --cost-model scalesim": "SCALE-Sim is installed apart; tests/simulators",
    "search --workload resnet50 --agent genetic --cost-model mymodel": "stands for the reader's own",
    "dashboard": "serves until it is stopped; tests/search",
    "plot runs/agents importance": "needs more designs than are made here; tests/reports",
    "simulators install": "downloads; tests/simulators",
    "verify": "SCALE-Sim is installed apart; tests/simulators",
    "sweep": "Ray takes long to start; tests/search/test_sweep.py sweeps",
    "compare runs/sweep-1": "of a sweep that was not run",
    "result = archgym.sweep": "of a sweep that was not run",
}


def zigzag(name: str) -> Path:
    """An ONNX model of the zigzag-dse package."""
    (folder,) = find_spec("zigzag").submodule_search_locations
    return Path(folder) / "inputs/workload" / name


def run_of(seed: int) -> Callable[[str], object]:
    """What makes a run directory."""
    return lambda name: archgym.search("systolic", agent="random", budget=64, seed=seed, out=name)


# What a page takes for granted, and how it is made.
GIVEN: dict[str, Callable[[str], object]] = {
    "designs.csv": lambda name: archgym.datasets.load("designs").frame().to_csv(name, index=False),
    "model.onnx": lambda name: shutil.copy(zigzag("resnet18.onnx"), name),
    "net.csv": lambda name: archgym.Workload.load("xr-res8-narrow").save(name),
    "runs/a": run_of(0),
    "runs/b": run_of(1),
    "runs/NAME": run_of(2),
}


class Block(NamedTuple):
    """A block of code on a page: its language, empty for an indented one, and its text."""

    language: str
    text: str


def blocks(page: str) -> Iterator[Block]:
    """Fenced and indented blocks of a page, in order; an indented one follows an empty line."""
    fenced = r"^```(?P<language>\w*)\n(?P<fenced>(?:.*\n)*?)```$"
    indented = r"(?:(?<=\n\n)|\A)(?P<indented>(?:    .*\n(?:\n(?=    ))*)+)"
    for match in re.finditer(f"{fenced}|{indented}", page, re.M):
        if match["indented"] is None:
            yield Block(match["language"], match["fenced"])
        else:
            yield Block("", re.sub(r"^    ", "", match["indented"], flags=re.M))


def lines(block: Block) -> Iterator[str]:
    """The lines of a block of commands, continued ones joined."""
    if block.language in ("", "bash", "console", "sh"):
        yield from block.text.replace("\\\n", " ").splitlines()


def words_of(line: str) -> list[str] | None:
    """The words of an `archgym` command, without comment and what follows a pipe; None where it is something else."""
    command = line.removeprefix("$ ")
    if not command.startswith("archgym "):
        return None
    words = shlex.split(command, comments=True)[1:]
    ends = [words.index(end) for end in ("|", ">", "&&") if end in words]
    return words[: min(ends, default=len(words))]


def quick(words: list[str]) -> list[str]:
    """The command with small numbers, and with files for placeholders."""
    words = [QUICK.get(before, WORDS.get(word, word)) for before, word in zip(["", *words], words, strict=False)]
    words = [word.replace("$MODELS", str(zigzag(""))) for word in words]
    if words[0] == "plot":  # tests/reports draws pictures
        words[-1] = str(Path(words[-1]).with_suffix(".html"))
    added = next((ADDED[start].split() for start in ADDED if " ".join(words).startswith(start)), [])
    return words if not added or added[0] in words else words + added


def parse(words: list[str]) -> None:
    """Parse a command with its real parser.

    Raises:
        Exception: what the parser raises for an unknown command, option or value.
    """
    command, context, rest = get_command(app), None, words
    while True:
        name = rest[0] if context else "archgym"
        found: Any = command
        try:
            context = found.make_context(name, rest[1:] if context else rest, parent=context)
        except typer.Exit:  # --help
            return
        rest = [*context._protected_args, *context.args]
        if not hasattr(found, "commands") or (context.parent and not rest):  # a group may be a command, too
            return
        _, command, _ = found.resolve_command(context, rest)


def mention(words: list[str]) -> None:
    """Parse a command that a sentence mentions, perhaps without its arguments; `dataset generate|export` is two."""
    for choice in words[1].split("|") if len(words) > 1 else [""]:
        try:
            parse([words[0], choice, *words[2:]] if choice else words)
        except Exception as error:
            if not str(error).startswith("Missing"):
                raise


def skipped(text: str) -> bool:
    """Whether a command or program is only parsed."""
    return any(text.startswith(start) for start in PARSED)


def program(block: Block) -> str:
    """The Python program that a block is; empty where it is none."""
    if block.language == "python" or block.text.startswith("import "):
        return block.text
    return f"import archgym\n{block.text}" if re.match(r"\w+ = archgym\.", block.text) else ""


@pytest.fixture
def command(run):
    """Run a command of a page, with the files that it is given."""

    def call(words: list[str]) -> None:
        for word in words:
            given = word.partition("?")[0]
            if given in GIVEN and not Path(given).exists():
                GIVEN[given](given)
        code, _, err = run(*words)
        assert not code, f"archgym {shlex.join(words)}: {err}"

    return call


def python(program: str) -> None:
    """Run a program; in a process of its own where it has a name that others look up."""
    if "__name__" not in program:
        exec(compile(program, "page", "exec"), {})
        return
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, f"{program}\n{done.stderr}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_commands_and_programs_of_a_page_work(page: Path, command) -> None:
    for block in blocks(page.read_text()):
        if program(block):
            compile(program(block), page.name, "exec")
            if not skipped(block.text):
                python(program(block))
            continue
        for line in lines(block):
            words = words_of(line)
            if words is not None:
                parse(words)
                if not skipped(" ".join(words)):
                    command(quick(words))
            elif line.startswith("archgym."):  # a call among commands
                python(f"import archgym\n{line}")
            elif " python -c " in line:
                path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
                subprocess.run(line, shell=True, check=True, env=os.environ | {"PATH": path})


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_commands_in_sentences_can_be_parsed(page: Path) -> None:
    prose = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.M | re.S)
    for span in re.findall(r"`(archgym [^`]*)`", prose):
        words = words_of(" ".join(span.split()))
        assert words
        if not words[0].startswith("--"):  # --install-completion acts when it is parsed
            mention(words)


def test_blocks_of_a_page_are_found_in_order() -> None:
    page = (
        "    archgym search \\\n        --json\n\ntext\n\n```python\nimport x\n\ny\n```\n\n- c\n\n    a\n\n    b\nend\n"
    )
    assert [tuple(block) for block in blocks(page)] == [
        ("", "archgym search \\\n    --json\n"),
        ("python", "import x\n\ny\n"),
        ("", "a\n\nb\n"),
    ]
    (joined,) = lines(next(blocks(page)))
    assert words_of(joined + " # why | what") == ["search", "--json"]


def test_scripts_that_pages_name_have_the_options_that_pages_give_them() -> None:
    for page in PAGES:
        for block in blocks(page.read_text()):
            for line in lines(block):
                script, *words = shlex.split(line, comments=True)[1:] if line.startswith("python benchmarks/") else [""]
                source = (ROOT / script).read_text() if script else ""
                assert all(word in source for word in words if word.islower()), f"{page.name}: {line}"


def test_extras_that_pages_name_exist() -> None:
    known = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for page in PAGES:
        for extras in re.findall(r"(?:archgym|\.)\[([a-z,]+)\]", page.read_text()):
            assert set(extras.split(",")) <= known.keys(), f"{page.name}: [{extras}]"


def test_a_command_that_does_not_exist_is_noticed() -> None:
    for wrong in (["serch"], ["search", "--budgets", "3"], ["dataset", "generat"], ["search", "--budget", "many"]):
        with pytest.raises(Exception, match=r"(?i)no such|valid"):
            parse(wrong)
