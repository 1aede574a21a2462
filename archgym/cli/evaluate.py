"""`archgym evaluate`."""

from __future__ import annotations

from dataclasses import asdict

import typer

from archgym.cli import app
from archgym.cli.search import JSON, WORKLOAD
from archgym.errors import InputError


@app.command(rich_help_panel="Look at designs")
def evaluate(
    design: list[str] = typer.Argument(
        ..., help="Preset, JSON file or text, run directory, or parameter=value; later ones override."
    ),
    env: str = typer.Option("systolic", "--env", "-e", help="Environment; a preset brings its own options."),
    workload: str = WORKLOAD,
    json: bool = JSON,
) -> None:
    """Evaluate one design: metrics, and every operator with its bottleneck."""
    from archgym import api
    from archgym.cli import show

    show.log_to_stderr()
    result = api.evaluate(design, env, workload)
    if json:
        show.json_out(asdict(result))
    elif result.feasible:
        family = api.evaluator(result.environment, result.workload).family
        show.out.print(f"{result.environment} on {result.workload}\n")
        show.design_table("Design", family, result.design)
        show.metrics_table(family, result.metrics)
        show.operators_table(result.operators)
    if not result.feasible:
        raise InputError(f"the design is infeasible: {result.why}")
