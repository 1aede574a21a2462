"""What the site makes itself: pages of results, and a page for every file of the repository that a page links to.

MkDocs calls the functions at the end; the others are plain and tested in tests/docs.
"""

from __future__ import annotations

import ast
import json
import math
import os
import posixpath
import re
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from archgym.agents import AGENTS
from archgym.registry import Entry

ROOT = Path(__file__).parent.parent
ARCHGYM = str(Path(sys.executable).with_name("archgym"))
# Pages are read on GitHub too, so they name files of the repository by relative paths, which the site does not have.
LINK = re.compile(r"\]\((\.\./[\w./-]+)\)")
PAGES = {"CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}  # files that are pages as they are
LANGUAGES = {".py": "python", ".csv": "", ".toml": "toml", ".json": "json"}
VALIDATED = ("systolic", "pim", "wafer", "fpga", "xr", "compression", "quality")


def validation_page() -> str:
    """Every published value beside ours: what `archgym validate NAME --markdown` prints."""
    with ThreadPoolExecutor(2) as pool:
        tables = list(pool.map(validation_table, VALIDATED))
    sections = [
        f'## {name}\n\n<div class="sources" markdown>\n\n{table}\n</div>'
        for name, table in zip(VALIDATED, tables, strict=True)
    ]
    return VALIDATION_INTRODUCTION + "\n\n".join(sections)


VALIDATION_INTRODUCTION = """# Validation

Made by `archgym validate NAME --markdown` when this site was built. A row is `met` or `MISSED` where it has a target,
`reported` where it has none, and `not available` where it needs another project's data, which we do not ship: the page
of each environment says where they are published, what was missed, and why. Long groups show their worst row.

"""


def validation_table(name: str) -> str:
    """The table of one environment, of `compression` or `quality`.

    Raises:
        RuntimeError: the command failed; a missed target is no failure.
    """
    folder = os.environ.get("ARCHGYM_REFERENCE", "")
    reference = ["--reference", folder] if Path(folder).is_dir() and folder else []
    done = subprocess.run([ARCHGYM, "validate", name, "--markdown", *reference], capture_output=True, text=True)
    if done.returncode not in (0, 1) or not done.stdout.startswith("| group"):
        raise RuntimeError(f"archgym validate {name}: {done.stderr}")
    return re.sub(r"[*_]", r"\\\g<0>", done.stdout)


def every_agent_page() -> str:
    """Every registered agent: what its module and its class say of it."""
    return EVERY_AGENT_INTRODUCTION + "\n".join(
        agent_section(name, entry) for name, entry in AGENTS.entries.items() if entry.target.startswith("archgym.")
    )


EVERY_AGENT_INTRODUCTION = """# Every agent

Made from the agents' own files when this site was built: how each works, its sources, and its options with their
defaults (`--agent genetic?population=64`). Which one to take, and how good they are: [Agents](agents.md).

"""


def agent_section(name: str, entry: Entry) -> str:
    """How an agent works, by its file."""
    module, _, attribute = entry.target.partition(":")
    document = ast.get_docstring(ast.parse((ROOT / f"{module.replace('.', '/')}.py").read_text())) or ""
    extra = f" (`archgym[{entry.extra}]`)" if entry.extra else ""
    options = "    options:\n      heading_level: 3\n      members: false\n      show_root_toc_entry: false\n"
    return f"## {name}\n\n*{entry.summary}*{extra}\n\n{document}\n\n::: {module}.{attribute}\n{options}"


def benchmarks_page() -> str:
    """Recorded results: a section for each record in benchmarks/, with the commands that made it."""
    return "# Benchmarks\n\n" + BENCHMARKS_INTRODUCTION + "\n\n".join(map(record_section, records()))


BENCHMARKS_INTRODUCTION = """Tables of the records in `benchmarks/*.json`, made when this site was built. The commands
that made the records make them again. Speed, which depends on the machine, is on [its own page](speed.md).

"""


def records() -> list[Path]:
    """The recorded results."""
    return sorted((ROOT / "benchmarks").glob("*.json"))


def record_section(record: Path) -> str:
    """What its script says of itself, and its table."""
    document = ast.get_docstring(ast.parse(record.with_suffix(".py").read_text())) or ""
    title, _, rest = document.partition("\n")
    table = TABLES.get(record.stem, as_it_is)(json.loads(record.read_text()))
    return f"## {record.stem}\n\n{title}\n\n```text\n{rest.strip()}\n```\n\n{table}"


def agents_table(record: dict[str, Any]) -> str:
    """Regret of every agent at every checkpoint: interquartile mean and interval, in %."""
    rows = []
    for standing in record["agents"]:
        found = standing["iqm"] + [None] * (len(record["checkpoints"]) - len(standing["iqm"]))
        rows.append([standing["agent"], *(interval(value) for value in found)])
    head = ["agent", *(f"{n:,} designs" for n in record["checkpoints"])]
    return f"{record['measure'].capitalize()} over {record['reference']} in %.\n\n" + markdown_table(head, rows)


def interval(value: dict[str, float | None] | None) -> str:
    """Interquartile mean [95 % interval] of a share, in %; nothing where there is none."""
    ends = [] if value is None else [value[name] for name in ("value", "low", "high")]
    if not ends or any(end is None or math.isnan(end) for end in ends):
        return ""
    mean, low, high = (f"{float(f'{100 * end:.3g}'):,g}" for end in ends if end is not None)
    return f"{mean} [{low}, {high}]"


def lottery_table(record: dict[str, Any]) -> str:
    """Regret of default and drawn settings, in %."""
    columns = ("default", "best", "median", "worst")
    rows = [[row["agent"], *(f"{100 * row[name]:.3g}" for name in columns)] for row in record["agents"]]
    head = f"Regret in % at {record['designs']} designs, of the default and of settings drawn at random.\n\n"
    return head + markdown_table(["agent", *columns], rows)


def gnn_table(record: dict[str, Any]) -> str:
    """Median regret of the GNN agent and of TPE, in %."""
    runs = {name: found for name, found in record.items() if " over " not in name}
    counts = list(dict.fromkeys(n for found in runs.values() for n in found))
    rows = [[name, *(median_percent(found.get(n)) for n in counts)] for name, found in runs.items()]
    return "Median regret in %.\n\n" + markdown_table(["task, agent", *(f"{n} designs" for n in counts)], rows)


def median_percent(values: list[float | None] | None) -> str:
    """Median of shares in %; a run without a valid design is worse than any."""
    if not values:
        return ""
    middle = sorted(float("inf") if value is None else value for value in values)
    median = (middle[(len(middle) - 1) // 2] + middle[len(middle) // 2]) / 2
    return "none valid" if median == float("inf") else f"{100 * median:.3g}"


def hls4ml_table(record: list[dict[str, Any]]) -> str:
    """R2 and symmetric error in % of every model and target, over all layers."""
    rows = [row for row in record if row["group"] == "all"]
    targets = list(dict.fromkeys(row["target"] for row in rows))
    found = {(row["split"], row["model"], row["target"]): f"{row['r2']:.3f} ({row['smape']:.1f})" for row in rows}
    models = list(dict.fromkeys((row["split"], row["model"]) for row in rows))
    body = [[*model, *(found.get((*model, target), "") for target in targets)] for model in models]
    return "R2 (symmetric error in %).\n\n" + markdown_table(["split", "model", *targets], body)


def surrogates_table(record: dict[str, Any]) -> str:
    """Errors of surrogates on the four headline metrics."""
    rows = []
    for name, found in record.items():
        scores = found["scores"] if name != "rates" else []
        rows += [[name, *surrogate_cells(score)] for score in scores if score["metric"] in HEADLINES]
    return markdown_table(["case, model", "network", "metric", "MAPE %", "RMSE %", "R2", "Kendall", "in 90 %"], rows)


HEADLINES = ("latency_s", "energy_j", "area_mm2", "power_w")


def surrogate_cells(score: dict[str, Any]) -> list[str]:
    """A row of the table of surrogates."""
    names = {"mape_percent": ".2f", "rmse_percent": ".2f", "r2": ".4f", "kendall": ".3f", "coverage": ".2f"}
    values = ("" if score[name] is None else format(score[name], form) for name, form in names.items())
    network = score["workload"] + ("" if score["trained"] else " (unseen)")
    return [network, score["metric"], *values]


def kills_table(record: dict[str, Any]) -> str:
    """What searches that were killed kept, agent by agent."""
    outcome = f"{record['lost']} trials lost, {record['resumed_to_other_trials']} searches resumed to other trials"
    columns = "The columns are those of [`Kills`](api/testing.md#archgym.testing.kills.Kills)."
    return f"{outcome} ({record['machine']}, {record['date']}). {columns}\n\n" + rows_table(record["agents"])


def mirror_table(record: dict[str, Any]) -> str:
    """Searches with and without a mirror, and what a trial takes by itself."""
    costs = ", ".join(f"{found:.3g} ms in {name}" for name, found in record["ms_per_trial"].items())
    searches = [{"agent": name} | found for name, found in record["searches"].items()]
    return f"A trial by itself takes {costs}.\n\n" + rows_table(searches)


def rows_table(rows: list[dict[str, Any]]) -> str:
    """Rows of the same names as they are, numbers with three digits."""
    body = [[f"{value:.3g}" if isinstance(value, float) else str(value) for value in row.values()] for row in rows]
    return markdown_table([name.replace("_", " ") for name in rows[0]], body)


def as_it_is(record: Any) -> str:
    """A record for which there is no table."""
    return f"```json\n{json.dumps(record, indent=1)}\n```"


TABLES = {
    "agents": agents_table,
    "gnn": gnn_table,
    "hls4ml_surrogates": hls4ml_table,
    "kills": kills_table,
    "lottery": lottery_table,
    "mirror": mirror_table,
    "surrogates": surrogates_table,
}


def markdown_table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table."""
    head = list(head)
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rows))


def source_page(path: str) -> str:
    """A page that shows a file of the repository."""
    text = (ROOT / path).read_text()
    language = LANGUAGES.get(Path(path).suffix, "text")
    return f"# {path}\n\n````{language}\n{text}\n````\n"


def root_page(path: str) -> str:
    """A page of the repository's root, with links as if it stood in docs/."""

    def moved(link: re.Match[str]) -> str:
        return f"]({link[2]})" if link[1] else f"](../{link[2]})"

    return re.sub(r"\]\((docs/)?([\w./-]+)\)", moved, (ROOT / path).read_text())


def outside(uri: str, link: str) -> str:
    """The file of the repository that a link of a page leads to; empty where it stays in docs/."""
    path = posixpath.normpath(posixpath.join("docs", posixpath.dirname(uri), link))
    return "" if path.startswith("docs/") else path


def linked_files(pages: Iterable[File]) -> set[str]:
    """The files of the repository that pages link to."""
    return {outside(page.src_uri, link) for page in pages for link in LINK.findall(page.content_string)} - {""}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made."""
    made = {
        "validation.md": validation_page(),
        "benchmarks.md": benchmarks_page(),
        "every-agent.md": every_agent_page(),
    }
    made |= {uri: root_page(path) for path, uri in PAGES.items()}
    for uri, text in made.items():
        files.append(File.generated(config, uri, content=text))
    for path in sorted(linked_files(files.documentation_pages()) - PAGES.keys()):
        if (ROOT / path).is_file():  # else MkDocs warns of a broken link
            files.append(File.generated(config, f"source/{path}.md", content=source_page(path)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Send links to files of the repository to their pages."""

    def send(link: re.Match[str]) -> str:
        path = outside(page.file.src_uri, link[1])
        up = "../" * page.file.src_uri.count("/")
        return f"]({up}{PAGES.get(path, f'source/{path}.md')})" if path else link[0]

    return LINK.sub(send, markdown)
