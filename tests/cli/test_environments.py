"""Every environment through the command line: search, presets, optimum of a corner, validation, bad input."""

import itertools
import json
from pathlib import Path

import pytest

from archgym.envs import ENVIRONMENTS

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("name", list(ENVIRONMENTS))
def test_search_its_default_workload_and_evaluate_what_was_found(run, name: str, tmp_path) -> None:
    code, out, _ = run("search", "--env", name, "--agent", "genetic", "--budget", "2000", "--out", "found", "--quiet")
    assert code == 0
    assert max(map(len, out.splitlines()[:-1])) <= 80
    best = json.loads((tmp_path / "found" / "result.json").read_text())
    code, out, _ = run("evaluate", "found", "--json")  # environment and workload are the run's
    assert code == 0
    assert json.loads(out)["metrics"] == best["metrics"]
    code, out, _ = run("evaluate", "found", "--env", name)
    assert "Operators" in out
    assert max(map(len, out.splitlines())) <= 80


@pytest.mark.parametrize("name", list(ENVIRONMENTS))
def test_the_optimum_of_a_corner_is_what_random_search_finds(run, name: str) -> None:
    """All parameters but the last three held to those of a valid design."""
    _, out, _ = run("search", "--env", name, "--agent", "random", "--budget", "3000", "--json", "--quiet", "--out", "a")
    best = json.loads(out)["best"]
    space = ENVIRONMENTS.load(name).space
    held = [word for key in space.names[:-3] for word in ("--set", f"{key}={best[key]}")]
    code, out, _ = run("optimum", "--env", name, *held, "--json", "--quiet")
    assert code == 0
    truth = json.loads(out)["objectives"]
    arguments = ("--agent", "random", "--budget", "1000", "--out", "b", "--json", "--quiet")
    _, out, _ = run("search", "--env", name, *held, *arguments)
    assert json.loads(out)["objectives"] == truth


@pytest.mark.parametrize("name", list(ENVIRONMENTS))
def test_bad_input_gets_one_clear_line_and_exit_code_2(run, name: str) -> None:
    family = ENVIRONMENTS.load(name)
    ordinal = next(p for p in family.space.parameters if p.kind == "ordinal")
    categorical = next(p for p in family.space.parameters if p.kind == "categorical")
    preset = next(iter(family.presets))
    cases = [
        (("search", "--env", f"{name}?nonsense=1"), "nonsense"),
        (("search", "--env", name, "--set", f"{ordinal.name}=-1"), "must be a positive number"),
        (("search", "--env", name, "--set", f"{categorical.name}=nonsense"), "unknown value"),
        (("search", "--env", name, "--objective", "latency"), "did you mean 'latency_s'?"),
        (("search", "--env", name, "--objective", "latency_s", "--constraint", "speed>=1"), "unknown metric 'speed'"),
        (("search", "--env", name, "--workload", "llama3-8b:decode?context=-5"), "context must be positive"),
        (("evaluate", "nonsense", "--env", name), f"unknown {name} preset 'nonsense'"),
        (("evaluate", f"{preset}x", "--env", name), f"did you mean '{preset}'?"),
        (("evaluate", preset, f"{ordinal.name}=nan", "--env", name), "must be a positive number"),
        (("validate", name, "--reference", "nowhere"), "nowhere does not exist"),
    ]
    for arguments, says in cases:
        code, _, err = run(*arguments, *(["--quiet"] if arguments[0] == "search" else []))
        assert code == 2, arguments
        assert says in " ".join(err.split()), arguments
        assert "Traceback" not in err


@pytest.mark.parametrize("name", list(ENVIRONMENTS))
def test_listing_shows_the_table_within_80_columns(run, name: str) -> None:
    code, out, _ = run("envs", name)
    assert code == 0
    assert max(map(len, out.splitlines())) <= 80
    family = ENVIRONMENTS.load(name)
    assert all(word in out for word in (*family.space.names, *family.presets))


def _table(lines: list[str]) -> list[list[str]]:
    """Cells of the first Markdown table about `group`, without sources and notes."""
    start = next(index for index, line in enumerate(lines) if line.startswith("| group"))
    rows = itertools.takewhile(lambda line: line.startswith("|"), lines[start + 2 :])
    return [[cell.strip() for cell in row.strip("|").split("|")][:8] for row in rows]


@pytest.mark.parametrize("name", list(ENVIRONMENTS))
def test_the_page_of_an_environment_shows_what_validate_prints(run, name: str, reference: Path | None) -> None:
    folder = [] if reference is None else ["--reference", str(reference)]
    printed = _table(run("validate", name, "--markdown", *folder)[1].splitlines())
    page = _table((DOCS / f"{name}.md").read_text().splitlines())
    if reference is None:
        printed = [row for row in printed if row[6] != "not available"]
        groups = {row[0] for row in printed}
        page = [row for row in page if row[0] in groups and row[6] != "not available"]
    assert [(*row[:3], *row[5:]) for row in page] == [(*row[:3], *row[5:]) for row in printed]
    for ours, told in zip(printed, page, strict=True):
        assert told[3] == ours[3] == "-" or float(told[3]) == pytest.approx(float(ours[3]), rel=1e-3)
