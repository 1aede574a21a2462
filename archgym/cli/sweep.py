"""`archgym sweep`."""

from __future__ import annotations

import contextlib
import math
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from archgym.cli import INTERRUPTED, app
from archgym.cli.search import CONSTRAINT, COST_MODELS, JSON, OBJECTIVE, SET, STORAGE, choices_of, split
from archgym.errors import InputError

if TYPE_CHECKING:
    from rich.console import Group

    from archgym.sweeps.running import SweepResult
    from archgym.sweeps.watch import SweepProgress

SHOWN = 8  # running runs in the live table
LONGEST = 40  # characters of their names there
WITH_RESUME = {"resume", "address", "workers", "json", "quiet"}


@app.command(rich_help_panel="Find designs")
def sweep(
    ctx: typer.Context,
    file: Path = typer.Argument(None, help="YAML file of the sweep; options go before it.", metavar="FILE"),
    envs: str = typer.Option(None, "--envs", "-e", help="Environments, by commas.  \\[default: systolic]"),
    workloads: str = typer.Option(None, "--workloads", "-w", help="Workloads, by commas."),
    agents: str = typer.Option(None, "--agents", "-a", help="Agents with options, by commas, or all."),
    seeds: str = typer.Option(None, "--seeds", "-s", help="How many, or which: 5, or 3,4,7.  \\[default: 5]"),
    budget: int = typer.Option(None, "--budget", "-n", help="Designs of each run.  \\[default: 1000]"),
    hyperparameters: int = typer.Option(None, "--hyperparameters", help="Settings of each agent to sample, too."),
    objective: list[str] = OBJECTIVE,
    constraint: list[str] = CONSTRAINT,
    choices: list[str] = SET,
    cost_model: str = typer.Option(None, "--cost-model", help=f"What evaluates: {COST_MODELS}."),
    scheduler: str = typer.Option(None, "--scheduler", help="asha: stop runs that are behind; pbt: train populations."),
    searcher: str = typer.Option(None, "--searcher", help="optuna: propose settings of one agent."),
    storage: str = STORAGE,
    model_timeout: float = typer.Option(None, "--model-timeout", hidden=True),
    out: Path = typer.Option(None, "--out", help="Directory of the sweep.  \\[default: a new one in runs/]"),
    resume: Path = typer.Option(None, "--resume", help="Continue the sweep in this directory."),
    address: str = typer.Option(None, "--address", help="Ray cluster: auto, or host:port.  \\[default: this machine]"),
    workers: int = typer.Option(None, "--workers", help="Runs at a time.  \\[default: all cores]"),
    json: bool = JSON,
    quiet: bool = typer.Option(False, "--quiet", "-q", help="No live table."),
) -> None:
    """Run many searches by Ray Tune: agents, settings, workloads, seeds."""
    from archgym import api
    from archgym.cli import show
    from archgym.sweeps.directory import load_sweep, new_sweep_path
    from archgym.sweeps.sweep import Sweep, read_sweep

    if resume is not None:
        _refuse_others(ctx)
        load_sweep(resume)
        what, where = resume, None
    else:
        given = {
            "envs": envs, "workloads": workloads, "agents": agents, "seeds": _seeds(seeds), "budget": budget,
            "hyperparameters": hyperparameters, "objective": split(objective), "constraints": list(constraint),
            "choices": choices_of(choices), "cost_model": cost_model, "scheduler": scheduler, "searcher": searcher,
            "storage": storage, "model_timeout_s": model_timeout,
        }  # fmt: skip
        flags = {name: value for name, value in given.items() if value not in (None, [], {})}
        asked = Sweep.of(read_sweep(file), str(file)).plain() if file else {}
        what, where = Sweep.of(asked | flags), out or new_sweep_path()
    result = _watched(lambda on_progress: api.sweep(what, where, address, workers, on_progress), quiet or json)
    if json:
        show.json_out(result.as_dict())
    else:
        _show(result)
    for row in result.failed:
        show.err.print(f"archgym: {row['path']} failed: {row['error']}", soft_wrap=True)
    if result.failed:
        sys.exit(2)


def _refuse_others(ctx: typer.Context) -> None:
    """A resumed sweep takes everything from its sweep.json: refuse what would be ignored."""
    for name in ctx.params:
        source = ctx.get_parameter_source(name)
        if name not in WITH_RESUME and source is not None and source.name == "COMMANDLINE":
            what = "the file" if name == "file" else {"choices": "--set"}.get(name, f"--{name.replace('_', '-')}")
            raise InputError(f"--resume takes everything from the sweep's sweep.json: leave out {what}")


def _seeds(text: str | None) -> Any:
    """`5` for the first five, `3,4,7` for these."""
    if text is None:
        return None
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError:
        raise InputError(f"--seeds must be whole numbers, not {text!r}") from None
    return numbers if "," in text else numbers[0]


def _watched(run: Callable[[Any], SweepResult], quiet: bool) -> SweepResult:
    """Run with a live table; Ctrl-C ends in the command that continues."""
    from archgym.cli import show
    from archgym.sweeps.running import SweepInterrupted

    try:
        with _live(quiet) as on_progress:
            return run(on_progress)
    except SweepInterrupted as stop:
        hint = f"archgym sweep --resume {shlex.quote(str(stop.result.path))}"
        show.err.print(f"archgym: {stop}; continue with:\n  {hint}", soft_wrap=True)
        sys.exit(INTERRUPTED)


@contextlib.contextmanager
def _live(quiet: bool) -> Iterator[Callable[[SweepProgress], None] | None]:
    """A table on stderr of what runs now; None when quiet."""
    if quiet:
        yield None
        return
    from rich.live import Live

    from archgym.cli import show

    with Live(console=show.err, transient=True, auto_refresh=False) as live:
        yield lambda now: live.update(_standing(now), refresh=True)


def _standing(now: SweepProgress) -> Group:
    """One line on all runs, and a line for each of those that run, by how far they are."""
    from rich.console import Group
    from rich.table import Table

    counts = [f"{now.finished + now.stopped} of {now.total} runs"]
    counts += [f"{number} {what}" for number, what in ((now.stopped, "stopped"), (now.failed, "failed")) if number]
    counts += [f"{len(now.running)} running" if now.running else "starting Ray", f"{now.elapsed_s:.0f} s"]
    grid = Table.grid(padding=(0, 2, 0, 0))
    for justify in ("left", "right", "right"):
        grid.add_column(justify=justify, no_wrap=True)
    for run in sorted(now.running, key=lambda run: -run.evaluated / run.budget)[:SHOWN]:
        name = run.name if len(run.name) <= LONGEST else f"...{run.name[3 - LONGEST :]}"
        best = f"best {run.best:.4g}" if math.isfinite(run.best) else "best -"
        grid.add_row(name, f"{run.evaluated:,} of {run.budget:,}", best)
    return Group("sweep: " + ", ".join(counts), grid)


def _show(result: SweepResult) -> None:
    """What was found, task by task."""
    from archgym.cli import show

    tasks: dict[str, list[dict[str, Any]]] = {}
    for row in result.summary.to_pylist():
        tasks.setdefault(f"{row['env']} on {row['workload']}", []).append(row)
    columns = ("agent", "finished", "best", "median", "worst", "regret")
    for task, rows in tasks.items():
        agents = list(dict.fromkeys(row["contestant"] for row in rows))
        cells = [_agent(name, [row for row in rows if row["contestant"] == name]) for name in agents]
        show.table(f"{task}: first objective", columns, cells, right=range(1, 6))
        valid = [row for row in rows if row["objectives"]]
        if valid:
            best = min(valid, key=lambda row: row["objectives"][0])
            show.out.print(f"Best: {best['objectives'][0]:.5g} by {best['agent']} in {best['path']}\n", soft_wrap=True)
    show.out.print(f"Runs: {result.path}", soft_wrap=True)


def _agent(name: str, rows: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    """The runs of one agent on one task; their regret is the median."""
    import statistics

    finished = [row for row in rows if row["status"] == "finished"]
    values = [row["objectives"][0] if row["objectives"] else math.inf for row in finished]
    regrets = [row["regret"] for row in finished if row["regret"] is not None]
    ends = (min(values), statistics.median(values), max(values)) if values else (math.nan,) * 3
    shown = (f"{value:.4g}" if math.isfinite(value) else "-" for value in ends)
    regret = f"{100 * statistics.median(regrets):.3g} %" if regrets else "-"
    return (name, f"{len(finished)} of {len(rows)}", *shown, regret)
