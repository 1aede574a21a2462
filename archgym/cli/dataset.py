"""`archgym dataset generate`, `export`, `describe` and `validate`."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from archgym.cli import app
from archgym.cli.search import (
    CONSTRAINT,
    COST_MODEL,
    ENV,
    JSON,
    OBJECTIVE,
    QUIET,
    SET,
    choices_of,
    constraints_of,
    split,
)

if TYPE_CHECKING:
    from archgym.datasets import Dataset, Summary

dataset_app = typer.Typer(no_args_is_help=True)
app.add_typer(
    dataset_app, name="dataset", help="Make, export, check and describe data sets.", rich_help_panel="Find designs"
)

OUT = typer.Option(..., "--out", help="Directory to make.")
FORCE = typer.Option(False, "--force", "-f", help="Replace the data set that is there.")
HOLD_OUT = typer.Option(
    None, "--hold-out", help="Test workloads of the split by workload, or none.  \\[default: every fourth network]"
)
DATASET = typer.Argument(..., help="Directory of a data set.", metavar="DIR")


@dataset_app.command()
def generate(
    env: str = ENV,
    workloads: list[str] = typer.Option(
        [], "--workloads", "-w", help="Workloads by commas: resnet50,bert-base.  \\[default: the environment's]"
    ),
    n: int = typer.Option(10_000, "--n", "-n", help="Designs of each workload."),
    sampler: str = typer.Option("sobol", "--sampler", help="sobol, random, or agents that search."),
    agents: list[str] = typer.Option(
        [], "--agents", "-a", help="Agents by commas.  \\[default: random,genetic,annealing,ant_colony]"
    ),
    seed: int = typer.Option(0, "--seed", "-s", help="Same seed, same designs."),
    objective: list[str] = OBJECTIVE,
    constraint: list[str] = CONSTRAINT,
    choices: list[str] = SET,
    cost_model: str = COST_MODEL,
    out: Path = OUT,
    hold_out: list[str] = HOLD_OUT,
    force: bool = FORCE,
    json: bool = JSON,
    quiet: bool = QUIET,
) -> None:
    """Label designs and write them as a data set: Parquet, splits, card."""
    from archgym import datasets
    from archgym.cli import show
    from archgym.datasets.generate import AGENTS
    from archgym.errors import InputError

    if agents and sampler != "agents":
        raise InputError(f"--agents are of use with --sampler agents, not {sampler!r}")
    show.log_to_stderr()
    with _bar(quiet or json) as on_progress:
        made = datasets.generate(
            env, _listed(workloads), n, sampler, out=out, seed=seed, agents=_listed(agents) or AGENTS,
            objective=split(objective), constraints=constraints_of(constraint), choices=choices_of(choices),
            cost_model=cost_model, hold_out=_held_out(hold_out), force=force, on_progress=on_progress,
        )  # fmt: skip
    _made(made, json)


@dataset_app.command()
def export(
    runs: list[Path] = typer.Argument(
        ..., help="Run directories, or directories of them; or one data set.", metavar="RUN"
    ),
    form: str = typer.Option("parquet", "--format", help="parquet, csv, npz, or minari: episodes for offline RL."),
    out: Path = OUT,
    hold_out: list[str] = HOLD_OUT,
    force: bool = FORCE,
    json: bool = JSON,
) -> None:
    """Turn runs into a data set."""
    from archgym import datasets
    from archgym.cli import show

    show.log_to_stderr()
    made = datasets.export(runs, out, form, _held_out(hold_out), force)
    if made is not None:
        return _made(made, json)
    if json:
        return show.json_out({"path": str(out), "format": form})
    show.out.print(f"Saved in {out}", soft_wrap=True)
    return None


@dataset_app.command()
def describe(
    path: Path = DATASET,
    plot: Path = typer.Option(None, "--plot", help="Write a page with the coverage, e.g. coverage.html."),
    json: bool = JSON,
) -> None:
    """Count what a data set holds: splits, reasons, ranges, coverage."""
    from archgym import datasets
    from archgym.cli import show

    data = datasets.load(path, check=False)
    summary = datasets.describe(data)
    if plot is not None:
        datasets.write_plot(summary, plot, f"{path.name}: {len(data):,} designs of {data.environment}")
    if json:
        return show.json_out({"environment": data.environment, "content_hash": data.content_hash} | summary.as_dict())
    _describe(data, summary)
    if plot is not None:
        show.out.print(f"Plot: {plot}", soft_wrap=True)
    return None


@dataset_app.command()
def validate(path: Path = DATASET, json: bool = JSON) -> None:
    """Check all of a data set; the first wrong row is named."""
    from archgym import datasets
    from archgym.cli import show
    from archgym.datasets.validate import CHECKS

    data = datasets.load(path)
    if json:
        return show.json_out({"rows": len(data), "content_hash": data.content_hash, "notes": data.notes})
    for check in CHECKS:
        show.out.print(f"ok  {check}")
    for note in data.notes:
        show.out.print(f"note: {note}")
    show.out.print(f"{len(data):,} rows in {len(data.info['files'])} files; content hash {data.content_hash[:16]}")
    return None


def _listed(options: list[str]) -> list[str]:
    """Values given by commas, or each as an option of its own."""
    return [part.strip() for text in options for part in text.split(",") if part.strip()]


def _held_out(options: list[str] | None) -> list[str] | None:
    listed = _listed(options or [])
    return None if not listed else [] if listed == ["none"] else listed


def _made(data: Dataset, json: bool) -> None:
    """What was made, in short."""
    from archgym.cli import show

    if json:
        names = ("environment", "rows", "workloads", "content_hash")
        return show.json_out({"path": str(data.path)} | {name: data.info[name] for name in names})
    held = ", ".join(data.splits["workload"].get("test", [])) or "none"
    show.out.print(f"{len(data):,} rows of {len(data.workloads)} workloads; held out: {held}", soft_wrap=True)
    show.out.print(f"Content hash {data.content_hash[:16]}; data set: {data.path}", soft_wrap=True)
    return None


def _describe(data: Dataset, summary: Summary) -> None:
    from archgym.cli import show
    from archgym.datasets.splits import DESIGN_SPLITS

    share = summary.feasible / max(summary.rows, 1)
    show.out.print(f"{summary.rows:,} rows of {data.environment}, {show.quantity(share, '1')} feasible\n")
    rows = []
    for workload in data.info["workloads"]:
        splits = summary.by_workload.get(workload["name"], {})
        counts = [f"{splits.get(split, (0, 0))[0]:,}" for split in DESIGN_SPLITS]
        feasible = summary.feasible_of(workload["name"]) / max(summary.rows_of(workload["name"]), 1)
        rows.append((workload["name"], workload["split"], *counts, show.quantity(feasible, "1")))
    show.table("Rows", ("workload", "held", *DESIGN_SPLITS, "feasible"), rows, right=range(2, 6))
    texts = dict(zip(summary.layout.codes, summary.layout.reasons, strict=True))
    counted = [
        (code, f"{count:,}", texts[code].partition(": ")[2])
        for code in texts
        if (count := sum(found[code] for found in summary.reasons.values()))
    ]
    if counted:
        show.table("Why designs are infeasible", ("why", "rows", "reason"), counted, right=(1,))
    ranges = [(metric, summary.range_of(metric.name)) for metric in summary.layout.metrics]
    cells = [
        (metric.name, show.quantity(found[0], metric.unit), show.quantity(found[1], metric.unit))
        for metric, found in ranges
        if found is not None
    ]
    show.table("Metrics of feasible designs", ("metric", "least", "most"), cells, right=(1, 2))
    show.table("Coverage", ("parameter", "choices", "rows per choice", "feasible"), _coverage(summary), right=(1, 2, 3))
    show.out.print(f"Content hash {data.content_hash}", soft_wrap=True)


def _coverage(summary: Summary) -> list[tuple[str, ...]]:
    """Per parameter: choices that occur, fewest and most rows of one, lowest and highest share that is feasible."""
    rows: list[tuple[str, ...]] = []
    for parameter in summary.layout.space.parameters:
        counts = [(int(rows), int(feasible)) for rows, feasible in summary.coverage[parameter.name]]
        shares = [100 * feasible / rows for rows, feasible in counts if rows]
        few, many = min(rows for rows, _ in counts), max(rows for rows, _ in counts)
        between = f"{min(shares):.0f} - {max(shares):.0f} %" if shares else "-"
        covered = f"{summary.covered(parameter.name)} of {len(counts)}"
        rows.append((parameter.name, covered, f"{few:,} - {many:,}", between))
    return rows


@contextlib.contextmanager
def _bar(quiet: bool) -> Iterator[Callable[[int, int], None] | None]:
    """A progress bar on stderr over rows; None when quiet."""
    if quiet:
        yield None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from archgym.cli import show

    columns = (TextColumn("labelling"), BarColumn(bar_width=12), MofNCompleteColumn(), TimeRemainingColumn())
    bar = Progress(*columns, console=show.err)
    task = bar.add_task("", total=None)

    def on_progress(done: int, total: int) -> None:
        bar.start()  # at the first rows: an error before them stays one line
        bar.update(task, completed=done, total=total)

    try:
        yield on_progress
    finally:
        if bar.live.is_started:
            bar.stop()
