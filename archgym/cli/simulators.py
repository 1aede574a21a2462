"""`archgym verify`, `archgym simulators` and `archgym simulators install`."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from archgym.cli import app
from archgym.cli.search import JSON, SILENT

if TYPE_CHECKING:
    from archgym.simulators.verify import Verification

simulators_app = typer.Typer()
app.add_typer(simulators_app, name="simulators", rich_help_panel="Look things up")


@simulators_app.callback(invoke_without_command=True)
def simulators(ctx: typer.Context, json: bool = JSON) -> None:
    """List simulators and whether they are installed; `install` installs one."""
    from rich.markup import escape

    from archgym.cli import show
    from archgym.simulators.installing import listed

    if ctx.invoked_subcommand is not None:
        return None
    if json:
        return show.json_out([asdict(row) for row in listed()])
    cells = [(row.name, row.version or "not installed", row.summary, escape(row.how)) for row in listed()]
    return show.table("Simulators", ("name", "version", "what", "how"), cells)


@simulators_app.command()
def install(name: str = typer.Argument(..., help="scalesim."), json: bool = JSON, quiet: bool = SILENT) -> None:
    """Install a simulator into an environment of its own, under the cache directory."""
    from archgym.cli import show
    from archgym.simulators.installing import install as install_tool
    from archgym.simulators.installing import python_of

    show.log_to_stderr()
    version, place = install_tool(name), python_of(name).parent.parent
    if json:
        show.json_out({"name": name, "version": version, "place": str(place)})
    elif not quiet:
        show.out.print(f"{name} {version} in {place}", soft_wrap=True)


@app.command(rich_help_panel="Look at designs")
def verify(
    run: Path = typer.Argument(..., help="Run directory."),
    cost_model: str = typer.Option("scalesim", "--with", help="Cost model to evaluate with: scalesim, zigzag, ..."),
    top: int = typer.Option(5, "--top", "-t", help="Designs: the best, or as many of the front."),
    json: bool = JSON,
) -> None:
    """Evaluate the best designs of a run by another cost model, and print both numbers."""
    from archgym import api
    from archgym.cli import show

    show.log_to_stderr()
    found = api.verify(run, cost_model, top)
    if json:
        show.json_out(asdict(found))
    else:
        _tables(found)


SHOWN = ("latency_s", "energy_j", "area_mm2", "power_w", "utilisation", "dram_bytes")  # of the metrics, in tables


def _tables(found: Verification) -> None:
    from archgym.cli import show

    what = f"{found.environment} on {found.workload}: {found.cost_model} and {found.other}\n"
    show.out.print(what, soft_wrap=True, markup=False)
    mine, theirs = _short_names(found)
    units = _units(found)
    names = [name for name in (*found.objective, *SHOWN) if name in units]
    cells = []
    for row in found.designs:
        listed = ", ".join(f"{name}={value}" for name, value in row.design.items())
        why = f"\n  {row.why}" if row.why else ""
        show.out.print(f"Trial {row.trial}: {listed}{why}", soft_wrap=True, markup=False)
        for name in dict.fromkeys(names):
            if name in row.other:
                run, other = row.run[name], row.other[name]
                ratio = f"{other / run:.3f}" if run else "-"
                both = (show.quantity(value, units[name]) for value in (run, other))
                cells.append((str(row.trial), name, *both, ratio))
    show.out.print()
    if cells:
        show.table("Designs", ("trial", "metric", mine, theirs, "ratio"), cells, right=(0, 2, 3, 4))
    agreement = {row.metric: row for row in found.agreement}
    agreed = [
        (name, str(row.designs), *map(_number, (row.ratio, row.low, row.high, row.rank_correlation)))
        for name, row in ((name, agreement[name]) for name in dict.fromkeys(names))
    ]
    if agreed:
        columns = ("metric", "designs", "mean ratio", "least", "largest", "rank correlation")
        show.table(f"{theirs} over {mine}", columns, agreed, right=range(1, 6))


def _short_names(found: Verification) -> tuple[str, str]:
    """Names of both cost models without their arguments, where that tells them apart."""
    mine, theirs = (spec.partition(":")[0] for spec in (found.cost_model, found.other))
    return (mine, theirs) if mine != theirs else (found.cost_model, found.other)


def _units(found: Verification) -> dict[str, str]:
    """Units of what both tell; products of metrics have none."""
    from archgym import api

    metrics = api.evaluator(found.environment, found.workload).family.metrics
    units = {metric.name: metric.unit for metric in metrics}
    return {row.metric: units.get(row.metric, "") for row in found.agreement}


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"
