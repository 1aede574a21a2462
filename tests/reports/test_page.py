"""The page: whole, self-contained, safe, and drawn by a browser."""

import re
import shutil
import subprocess
from html.parser import HTMLParser

import pytest

from archgym import api
from archgym.reports.data import report_data
from archgym.reports.page import DETAILS, page
from archgym.workloads import Workload

SECTIONS = ("design", "convergence", "front", "parallel", "importance", "operators", "roofline", "presets", "command")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
EVIL = "x<script>alert(1)</script>"


class Page(HTMLParser):
    """What a test asks of a page: ids, addresses, headings, and tables without header cells."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids, self.addresses, self.headings, self.scripts, self.headless, self.words = [], [], [], 0, 0, []
        self._table, self._tag = None, ""
        self.feed(text)

    def handle_starttag(self, tag, attributes) -> None:
        found = dict(attributes)
        self._tag = tag
        self.ids += [found["id"]] if "id" in found else []
        self.addresses += [found[name] for name in ("src", "href") if name in found]
        self.scripts += tag == "script"
        if tag == "table":
            self._table = 0
        if tag == "th" and self._table is not None:
            assert found["scope"] in ("col", "row")
            self._table += 1

    def handle_endtag(self, tag) -> None:
        if tag == "table":
            self.headless += not self._table
            self._table = None

    def handle_data(self, data) -> None:
        if self._tag in ("h1", "h2", "h3"):
            self.headings.append(data.strip())
        elif self._tag not in ("script", "style"):
            self.words.append(data)


def read(*paths) -> Page:
    return Page(page(report_data(paths)))


def test_a_page_has_every_section_and_needs_no_network(known) -> None:
    found = read(known)
    assert all(address.startswith("#") for address in found.addresses), found.addresses
    assert {f"task-1-{name}" for name in SECTIONS} <= set(found.ids)
    assert {address[1:] for address in found.addresses} <= set(found.ids)  # the table of contents
    assert {f"{name}-1" for name in DETAILS} <= set(found.ids)  # the figures
    assert found.headless == 0
    assert len(found.ids) == len(set(found.ids))
    text = " ".join(found.words)
    for said in ("archgym search --env systolic", "--seed 3", "true optimum", "R2", "model hash"):
        assert said in text


def test_a_page_of_several_runs_and_tasks(several, two) -> None:
    found = read(several, two)
    assert {"task-1-runs", "task-2-front"} <= set(found.ids)
    assert "random-1" in " ".join(found.words)


def test_odd_runs_say_so(nothing, unfinished) -> None:
    text = " ".join(" ".join(read(nothing).words).split())
    assert "None of 200 designs is within the constraints" in text
    text = " ".join(" ".join(read(unfinished).words).split())
    assert "The run is not finished" in text


def test_names_are_text_not_markup(tmp_path, monkeypatch) -> None:
    """Names of workloads, directories and commands come from anywhere."""
    path = tmp_path / f"{EVIL}.csv"
    path.parent.mkdir(parents=True)
    Workload.load("alexnet").save(path)
    out = tmp_path / "<img src=y onerror=alert(2)>"
    for seed in (0, 1):
        monkeypatch.setattr("sys.argv", ["archgym", f"--{EVIL}"])
        api.search("systolic", str(path), "random", budget=150, seed=seed, out=out / f"<b>{seed}")
    text = page(report_data([out]))
    assert "alert(1)" in text
    assert "<script>alert" not in text
    assert "<img src=y" not in text
    found = Page(text)
    assert "".join(found.words).count("</script>.csv") >= 1  # as text
    assert found.scripts == Page(page(report_data([out / "<b>0"]))).scripts


def test_a_long_run_stays_light(folder) -> None:
    """The sample is bounded, and the page says what is left out."""
    path = api.search("systolic", "alexnet", "random", budget=30_000, out=folder / "long").path
    text = page(report_data([path]))
    assert len(text) < 10e6
    assert re.search(r"\d,\d{3} valid designs, 3,000 shown", text)


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_a_browser_draws_every_figure(known, two, tmp_path) -> None:
    path = tmp_path / "report.html"
    path.write_text(page(report_data([known, two])))
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=20000", "--dump-dom"]
    options += [f"--user-data-dir={tmp_path / 'profile'}", "--window-size=1280,2000"]
    drawn = subprocess.run([CHROMIUM, *options, path.as_uri()], capture_output=True, text=True, timeout=240)
    assert drawn.returncode == 0
    for task in (1, 2):
        for name in DETAILS:
            _, found, rest = drawn.stdout.partition(f'id="{name}-{task}"')
            assert found, name
            assert 'class="main-svg"' in rest[:20_000], name
