"""`archgym compare`."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from archgym.cli import INTERRUPTED, app
from archgym.cli.search import (
    CONSTRAINT,
    COST_MODEL,
    ENV,
    JSON,
    OBJECTIVE,
    QUIET,
    SET,
    WORKLOAD,
    choices_of,
    constraints_of,
    split,
)

if TYPE_CHECKING:
    from archgym.search.compare import Comparison, Standing


@app.command(rich_help_panel="Find designs")
def compare(
    runs: list[Path] = typer.Argument(None, help="Run directories to compare, or directories of them.", metavar="RUN"),
    env: str = ENV,
    workload: str = WORKLOAD,
    agents: str = typer.Option("all", "--agents", "-a", help="Agents with options, by commas, or all."),
    objective: list[str] = OBJECTIVE,
    constraint: list[str] = CONSTRAINT,
    budget: int = typer.Option(1000, "--budget", "-n", help="Designs of each run."),
    seeds: int = typer.Option(10, "--seeds", "-s", help="Runs of each agent; all agents have the same seeds."),
    hyperparameters: int = typer.Option(0, "--hyperparameters", help="Settings of each agent to sample, too."),
    choices: list[str] = SET,
    cost_model: str = COST_MODEL,
    out: Path = typer.Option(None, "--out", help="Directory of the runs, kept if there.  \\[default: new in runs/]"),
    plot: Path = typer.Option(None, "--plot", help="Write the curves as a page, e.g. compare.html."),
    json: bool = JSON,
    quiet: bool = QUIET,
) -> None:
    """Compare agents at equal budgets and seeds: regret to the true optimum, or hypervolume."""
    from archgym import api
    from archgym.cli import show
    from archgym.search.plots import write_curves

    show.log_to_stderr()
    if runs:
        found = api.compare_runs(runs)
    else:
        with show.counter("comparing", quiet or json) as on_done:
            try:
                found, path, failed = api.compare(
                    env, workload, [agents], split(objective), constraints_of(constraint), budget, seeds,
                    choices_of(choices), hyperparameters, out, on_done, cost_model,
                )  # fmt: skip
            except KeyboardInterrupt:
                show.err.print("archgym: interrupted; the same command with the same --out goes on where it stopped")
                sys.exit(INTERRUPTED)
        for job, error in failed:
            show.err.print(f"archgym: {job.contestant}: {error}", soft_wrap=True)
    if plot is not None:
        write_curves(found, plot)
    if json:
        return show.json_out(found.as_dict())
    _show(found)
    if not runs:
        show.out.print(f"Runs: {path}", soft_wrap=True)
    return None


def _show(found: Comparison) -> None:
    from archgym.cli import show

    own = [standing for standing in found.standings if "#" not in standing.contestant]
    columns = ("agent", *(f"{n:,}" for n in found.checkpoints))
    rows = [(standing.contestant, *(_percent(value.value) for value in standing.values)) for standing in own]
    title = f"{found.measure.capitalize()} over {found.reference}, %: interquartile mean after so many designs"
    show.table(title, columns, rows, right=range(1, len(columns)))
    columns = ("agent", "designs", "95 % interval", "better than random", "95 %", "agent", "model")
    rows = [_end(standing) for standing in own]
    show.table("At the end, and time per design", columns, rows, right=range(1, len(columns)))
    sampled = _lottery(found.standings)
    if sampled:
        columns = ("agent", "settings", "default", "best", "median", "worst")
        show.table(f"Settings drawn at random: {found.measure} at the end, %", columns, sampled, right=range(1, 6))


def _lottery(standings: Sequence[Standing]) -> list[tuple[str, ...]]:
    """What sampled settings reach, agent by agent."""
    rows = []
    finals = {standing.contestant: _last(standing) for standing in standings}
    for name in [standing.contestant for standing in standings if "#" not in standing.contestant]:
        values = sorted(value for other, value in finals.items() if other.startswith(f"{name.partition('?')[0]}#"))
        if values:
            middle = values[len(values) // 2]
            rows.append((name, str(len(values)), *map(_percent, (finals[name], values[0], middle, values[-1]))))
    return rows


def _last(standing: Standing) -> float:
    return next(value.value for value in reversed(standing.values) if not math.isnan(value.value))


def _end(standing: Standing) -> tuple[str, ...]:
    """Where a contestant ends, with intervals."""
    last = next(value for value in reversed(standing.values) if not math.isnan(value.value))
    over = next((over for over in reversed(standing.over_baseline) if over is not None), None)
    better = ("-", "-")
    if over is not None:
        better = (f"{100 * over.value:.0f} %", f"{100 * over.low:.0f} to {100 * over.high:.0f}")
    times = (f"{standing.overhead_ms:.3g} ms", f"{1e3 * standing.model_ms:.3g} us")
    return (
        standing.contestant,
        f"{standing.last:,}",
        f"{_percent(last.low)} to {_percent(last.high)}",
        *better,
        *times,
    )


def _percent(value: float) -> str:
    """A share in percent, three digits."""
    if math.isnan(value):
        return "-"
    return f"{100 * value:.3g}" if value < 10 else f"{100 * value:.1e}"
