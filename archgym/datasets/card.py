"""The data card: README.md in the form that the Hugging Face Hub reads, so that `load_dataset(DIR)` finds the files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from archgym.datasets.schema import Layout
from archgym.datasets.splits import DESIGN_SPLITS, TENTHS, WORKLOAD_SPLITS
from archgym.datasets.summary import Summary

Info = Mapping[str, Any]


def card(name: str, info: Info, layout: Layout, summary: Summary) -> str:
    """The text of the card of the data set called `name`."""
    parts = [
        *_front_matter(name, info),
        *_overview(name, info, summary),
        *_counts(info, summary),
        *_metrics(layout, summary),
        *_parameters(layout, summary),
        *_provenance(info),
        *_CHECKS,
    ]
    return "\n".join(parts) + "\n"


def _front_matter(name: str, info: Info) -> list[str]:
    """YAML: one configuration by design (the default), one by workload, the tables of operators and edges."""
    names = {file["split"] for file in info["files"]}
    by_design = {split: [f"data/*/{split}-*.parquet"] for split in DESIGN_SPLITS if split in names}
    by_workload = {
        split: [f"data/{row['folder']}/*.parquet" for row in info["workloads"] if row["split"] == split and row["rows"]]
        for split in WORKLOAD_SPLITS
    }
    lines = [
        "---",
        f"pretty_name: {_quoted(name)}",
        "tags:",
        *(f"- {tag}" for tag in ("archgym", "design-space-exploration", "accelerator", f"env-{info['environment']}")),
        "size_categories:",
        f"- {_size_category(info['rows'])}",
        "configs:",
        *_config("designs", by_design, default=True),
    ]
    if by_workload["test"]:
        lines += _config("unseen_workloads", by_workload)
    lines += _config("operators", {"train": ["operators.parquet"]})
    lines += _config("edges", {"train": ["edges.parquet"]})
    return [*lines, "---", ""]


def _config(name: str, files: Mapping[str, Sequence[str]], default: bool = False) -> list[str]:
    lines = [f"- config_name: {name}", *(["  default: true"] if default else []), "  data_files:"]
    for split, paths in files.items():
        if paths:
            lines += [f"  - split: {split}", "    path:", *(f"    - {_quoted(path)}" for path in paths)]
    return lines


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _size_category(rows: int) -> str:
    """As the Hub names them."""
    steps = [("n<1K", 10**3), ("1K<n<10K", 10**4), ("10K<n<100K", 10**5), ("100K<n<1M", 10**6), ("1M<n<10M", 10**7)]
    return next((name for name, limit in steps if rows < limit), "n>10M")


def _overview(name: str, info: Info, summary: Summary) -> list[str]:
    scenario = ", ".join(f"{key}={value}" for key, value in info["scenario"].items()) or "none"
    share = 100 * summary.feasible / max(summary.rows, 1)
    return [
        f"# {name}",
        "",
        f"{summary.rows:,} labelled accelerator designs of the ArchGym environment `{info['environment']}`, "
        f"{summary.feasible:,} of them feasible ({share:.1f} %).",
        "",
        f"Scenario: {scenario}. One row per design and workload; indices count in the environment's whole space of "
        f"{summary.layout.space.size:,} designs. Columns and splits are described in ArchGym's docs/datasets.md.",
        "",
        "```python",
        "import archgym.datasets",
        "",
        'data = archgym.datasets.load("DIR")  # checked; data.frame(split="train"), data.operators, data.units',
        "```",
        "",
        "```python",
        "import datasets  # Hugging Face",
        "",
        'designs = datasets.load_dataset("DIR")',
        "```",
        "",
    ]


def _counts(info: Info, summary: Summary) -> list[str]:
    rows = []
    for workload in info["workloads"]:
        name = workload["name"]
        splits = summary.by_workload.get(name, {})
        counts = [f"{splits.get(split, (0, 0))[0]:,}" for split in DESIGN_SPLITS]
        feasible = f"{summary.feasible_of(name):,}"
        rows.append((f"`{name}`", workload["split"], *counts, feasible, f"{workload['repeats']:,}"))
    columns = ("workload", "split by workload", *DESIGN_SPLITS, "feasible", "repeats")
    lines = ["## Counts", "", *_table(columns, rows), ""]
    reasons = {code for found in summary.reasons.values() for code in found}
    if reasons:
        texts = dict(zip(summary.layout.codes, summary.layout.reasons, strict=True))
        ordered = [code for code in texts if code in reasons]
        counted = [
            (f"`{code}`", texts[code].partition(": ")[2] or code, f"{sum(f[code] for f in summary.reasons.values()):,}")
            for code in ordered
        ]
        lines += ["Why designs are infeasible:", "", *_table(("why", "reason", "rows"), counted), ""]
    percent = " / ".join(f"{10 * tenths} %" for tenths in TENTHS)
    return [
        *lines,
        f"By design, {' / '.join(DESIGN_SPLITS)} are {percent}: the split follows from the design alone, so that a "
        "design is in one split under all workloads and in all data sets of this environment. By workload, all forms "
        "of a network are on one side. A repeat is a design that came before under the same workload.",
        "",
    ]


def _metrics(layout: Layout, summary: Summary) -> list[str]:
    rows = []
    for metric in layout.metrics:
        found = summary.range_of(metric.name)
        low, high = (f"{value:.4g}" for value in found) if found else ("-", "-")
        rows.append((f"`{metric.name}`", metric.unit, low, high, metric.doc))
    return ["## Metrics", "", *_table(("metric", "unit", "least", "most", "meaning"), rows), ""]


def _parameters(layout: Layout, summary: Summary) -> list[str]:
    rows = []
    for parameter in layout.space.parameters:
        covered = f"{summary.covered(parameter.name)} of {len(parameter.choices)}"
        listed = ", ".join(map(str, parameter.choices))
        rows.append((f"`{parameter.name}`", parameter.unit, listed, covered, parameter.doc))
    return ["## Parameters", "", *_table(("parameter", "unit", "choices", "in the data", "meaning"), rows), ""]


def _provenance(info: Info) -> list[str]:
    lines = [
        "## Provenance",
        "",
        f"- archgym {info['archgym']}, cost model `{info['model_hash']}`, made {info['created']}",
        f"- content hash `{info['content_hash']}`",
    ]
    if info["command"]:
        lines.append(f"- command: `{info['command']}`")
    rows = [
        (
            str(source["sampler"]),
            f"`{source['agent']}`" if source["agent"] else "-",
            str(source["seed"]),
            f"`{source['workload']}`",
            f"{source['rows']:,}",
            f"`{', '.join(source['objective'])}`",
        )
        for source in info["sources"][:_SHOWN]
    ]
    columns = ("sampler", "agent", "seed", "workload", "rows", "objective behind `reward`")
    lines += ["", *_table(columns, rows)]
    if len(info["sources"]) > _SHOWN:
        lines.append(f"\nand {len(info['sources']) - _SHOWN:,} more in dataset.json.")
    return [*lines, ""]


_SHOWN = 20  # sources; the others are in dataset.json

_CHECKS = [
    "## Checks",
    "",
    "`archgym dataset validate DIR` checks types and units, that values are the choices at their indices, that metrics "
    "are there and finite where a design is feasible and nowhere else, that power is energy over time, that splits do "
    "not leak, that repeats agree, and that rows, operators and edges have the recorded hashes. So does "
    "`archgym.datasets.load`.",
    "",
    "Labels come from an analytical cost model: they are as right as it is (`archgym validate ENV` compares it with "
    "published machines).",
]


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A table in Markdown."""
    lines = [columns, ["---"] * len(columns), *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]
