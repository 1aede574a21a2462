"""The site: built strictly as `make docs` does, with what it makes itself, and nothing loaded from elsewhere."""

import importlib.util
import inspect
import json
import math
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from archgym.agents import AGENTS
from archgym.envs import ENVIRONMENTS

ROOT = Path(__file__).parent.parent.parent
API = sorted((ROOT / "docs/api").glob("*.md"))


@pytest.fixture(scope="module")
def hooks() -> ModuleType:
    spec = importlib.util.spec_from_file_location("site_hooks", ROOT / "docs/hooks.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The site, built once."""
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=os.environ | {"NO_COLOR": "1"})
    assert done.returncode == 0, done.stderr
    return out


@pytest.mark.slow
def test_every_environment_and_model_is_validated_on_the_site(site: Path, hooks: ModuleType) -> None:
    assert set(ENVIRONMENTS) <= set(hooks.VALIDATED)
    page = (site / "validation.html").read_text()
    assert page.count("<table>") == len(hooks.VALIDATED)
    for text in ("SCALE-Sim 3", "MISSED", "not available", "Fr*Fc*(R+C)"):
        assert text in page


@pytest.mark.slow
def test_pages_show_records_sources_and_the_root(site: Path) -> None:
    page = (site / "benchmarks.html").read_text()
    for record in (ROOT / "benchmarks").glob("*.json"):
        assert f'id="{record.stem}"' in page
    page = (site / "every-agent.html").read_text()
    assert [name for name in AGENTS if f'<h2 id="{name}">' not in page] == []
    assert "HillClimbing" in (site / "source/examples/own_agent.py.html").read_text()
    assert 'href="source/examples/own_agent.py.html"' in (site / "extending.html").read_text()
    assert 'href="reproducing.html"' in (site / "contributing.html").read_text()
    assert not (site / "hooks.py").exists()


@pytest.mark.slow
def test_nothing_comes_from_elsewhere_and_search_knows_the_pages(site: Path) -> None:
    for page in site.rglob("*.html"):
        loaded = re.findall(r'<(?:script|link|img|iframe)[^>]*(?:src|href)="([^"]+)"', page.read_text())
        assert not [link for link in loaded if link.startswith(("http", "//"))], page.name
    index = json.loads((site / "search/search_index.json").read_text())
    assert {"systolic.html", "api/search.html"} <= {entry["location"] for entry in index["docs"]}


def test_links_leave_the_pages_for_files_of_the_repository_only(hooks: ModuleType) -> None:
    assert hooks.outside("extending.md", "../examples/own_agent.py") == "examples/own_agent.py"
    assert hooks.outside("api/index.md", "../agents.md") == ""
    assert hooks.outside("api/index.md", "../../README.md") == "README.md"


def test_tables_of_records_leave_out_what_is_not_known(hooks: ModuleType) -> None:
    assert hooks.interval({"value": 0.1234, "low": 0.1, "high": 12.3456}) == "12.3 [10, 1,230]"
    assert hooks.interval({"value": math.nan, "low": math.nan, "high": math.nan}) == hooks.interval(None) == ""
    assert hooks.median_percent([0.5, None, 0.1]) == "50"
    assert hooks.median_percent([None, None, 0.1]) == "none valid"
    assert hooks.markdown_table(["a", "b"], [["1", "2"]]) == "| a | b |\n| --- | --- |\n| 1 | 2 |"


def documented() -> Iterator[tuple[str, Any]]:
    """Every object of the reference by name, with the public methods of classes."""
    for page in API:
        for name in re.findall(r"^::: ([\w.]+)$", page.read_text(), re.M):
            module, _, attribute = name.rpartition(".")
            found = getattr(importlib.import_module(module), attribute)
            yield name, found
            if inspect.isclass(found):
                methods = inspect.getmembers(found, inspect.isfunction)
                yield from ((f"{name}.{method}", body) for method, body in methods if not method.startswith("_"))


def test_the_reference_documents_everything_under_its_real_name() -> None:
    import archgym

    names = dict(documented())
    assert {f"archgym.{name}" for name in archgym.__all__} - names.keys() <= {"archgym.search"}
    for name, found in names.items():
        if inspect.ismodule(found):
            continue
        text = inspect.getdoc(found)
        assert text, name
        section = re.search(r"^Args:\n((?:    .*\n?|\n)+)", text, re.M)
        known = inspect.signature(found).parameters if section else {}
        for entry in re.findall(r"^    ([\w*, ]+?):", section[1], re.M) if section else []:
            assert {part.strip("* ") for part in entry.split(",")} <= set(known), f"{name}: {entry}"
