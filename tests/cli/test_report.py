"""`archgym report` and `archgym plot` as a user types them."""

import importlib.util
import json
import shutil

import pytest

from archgym import api
from archgym.reports.figures import FIGURES

HAS_CHROME = any(map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome")))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def made(folder):
    return api.search("systolic", "alexnet", "random", budget=200, out=folder / "run").path


def test_a_report_stands_in_its_run_which_stays_one(run, made) -> None:
    code, out, _ = run("report", str(made))
    assert code == 0
    assert f"Page: {made / 'report.html'}" in out
    assert (made / "report.html").read_text().startswith("<!doctype html>")
    code, out, err = run("search", "--resume", str(made), "--quiet")  # a foreign file does not disturb it
    assert code == 0, err
    code, out, _ = run("report", str(made.parent), "--html", "here.html", "--quiet")
    assert (code, out) == (0, "")


def test_json_is_the_data_and_writes_no_page_unasked(run, made, tmp_path) -> None:
    (made / "report.html").unlink(missing_ok=True)
    code, out, err = run("report", str(made), "--json")
    assert code == 0
    assert err == ""
    result = json.loads((made / "result.json").read_text())
    (task,) = json.loads(out)["tasks"]
    assert task["best"] == result["best"]
    assert task["command"][:2] == ["archgym", "search"]
    assert not (made / "report.html").exists()


def test_figures_as_pages(run, made, tmp_path) -> None:
    code, out, _ = run("plot", str(made), "roofline", "--out", "roof.html")
    assert (code, out) == (0, "Figure: roof.html\n")
    assert "plotly" in (tmp_path / "roof.html").read_text()
    code, out, _ = run("plot", str(made), "front", "--out", "front.html", "--json")
    assert json.loads(out) == {"figure": "front", "out": "front.html"}


@pytest.mark.skipif(importlib.util.find_spec("kaleido") is None or not HAS_CHROME, reason="needs Kaleido and Chrome")
@pytest.mark.parametrize(("ending", "begin"), [("png", b"\x89PNG"), ("svg", b"<svg"), ("pdf", b"%PDF")])
def test_figures_as_pictures(run, made, tmp_path, ending, begin) -> None:
    code, _, err = run("plot", str(made), "operators", "--out", f"x.{ending}", "--quiet")
    assert code == 0, err
    assert (tmp_path / f"x.{ending}").read_bytes().startswith(begin)


def test_plot_help_lists_the_figures(run) -> None:
    code, out, _ = run("plot", "--help")
    assert code == 0
    assert all(name in out for name in FIGURES)
    assert max(map(len, out.splitlines())) <= 80


def test_errors_are_one_line(run, made, tmp_path) -> None:
    for arguments, said in (
        (("report", str(tmp_path)), "no run directory"),
        (("plot", str(made), "rooflin", "--out", "x.html"), "did you mean 'roofline'"),
        (("plot", str(made), "roofline", "--out", "x.gif"), "unknown kind of file '.gif'"),
        (("report", str(made), "--html", str(made / "config.json" / "x.html")), "cannot write"),
    ):
        code, out, err = run(*arguments)
        assert code == 2
        assert out == ""
        assert said in err
        assert err.count("\n") == 1
