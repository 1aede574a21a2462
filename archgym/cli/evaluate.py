"""`archgym evaluate`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import typer

from archgym.cli import app, complete
from archgym.cli.search import (
    EXTRAPOLATE,
    JSON,
    QUALITY_FUNCTION,
    QUALITY_METHOD,
    QUALITY_MODEL,
    QUALITY_ROWS,
    WORKLOAD,
    quality_of,
)
from archgym.errors import InputError

if TYPE_CHECKING:
    from archgym.envs.family import Family


@app.command(rich_help_panel="Look at designs")
def evaluate(
    design: list[str] = typer.Argument(
        ..., help="Preset, JSON file or text, run directory, or parameter=value; later ones override."
    ),
    env: str = typer.Option(
        None,
        "--env",
        "-e",
        help="Environment; a preset brings its own options.  \\[default: the run's, or systolic]",
        autocompletion=complete.environments,
    ),
    workload: str = WORKLOAD,
    memory_plan: str = typer.Option(
        None, "--memory-plan", metavar="ilp|greedy|none", help="Plan which activations stay on chip (docs/planning.md)."
    ),
    scratchpad: str = typer.Option(
        None, "--scratchpad", metavar="SIZE", help="Memory to plan for, e.g. 2MiB; the design's own if not given."
    ),
    quality_model: str = QUALITY_MODEL,
    quality_method: str = QUALITY_METHOD,
    quality_rows: str = QUALITY_ROWS,
    quality_function: str = QUALITY_FUNCTION,
    allow_extrapolation: bool = EXTRAPOLATE,
    cost_model: str = typer.Option(
        None, "--cost-model", help="As of search: surrogate:DIR, scalesim, ...  \\[default: the run's, or analytical]"
    ),
    json: bool = JSON,
) -> None:
    """Evaluate one design: metrics, and every operator with its bottleneck."""
    from archgym import api
    from archgym.cli import show
    from archgym.envs.evaluator import ANALYTICAL

    show.log_to_stderr()
    quality = quality_of(quality_model, quality_method, quality_rows, quality_function, allow_extrapolation)
    result = api.evaluate(design, env, workload, memory_plan, scratchpad, quality, cost_model)
    if json:
        optional = ("memory_plan", "quality")
        show.json_out({name: value for name, value in asdict(result).items() if name not in optional or value})
    elif result.feasible:
        model = api.evaluator(result.environment, result.workload, result.cost_model)
        family = model.family
        by = "" if result.cost_model == ANALYTICAL else f" by {result.cost_model}"
        show.out.print(f"{result.environment} on {result.workload}{by}\n", soft_wrap=True)
        show.design_table("Design", family, result.design)
        show.metrics_table(model.metrics, result.metrics)
        if result.quality:
            _print_quality(result.quality)
        if result.memory_plan:
            _memory_plan_tables(family, result.memory_plan)
        show.operators_table(result.operators, show.operators_title(model.workload))
    if not result.feasible:
        raise InputError(f"the design is infeasible: {result.why}")


def _print_quality(quality: Mapping[str, Any]) -> None:
    """What compression costs the network."""
    from archgym.cli import show

    if quality["quality_loss"] is None:
        show.out.print(f"Quality loss unknown: {quality['why']}\n")
    else:
        interval = f"{quality['low']:.4f} to {quality['high']:.4f}"
        show.out.print(
            f"Quality loss {quality['quality_loss']:.4f}, {interval} ({quality['network']}: {quality['why']})\n"
        )


def _memory_plan_tables(family: Family, plan: Mapping[str, Any]) -> None:
    """What the plan saves, and the cost model with and without it."""
    from archgym.cli import show

    rows = [
        ("scratchpad", _binary(plan["scratchpad_bytes"]), _scratchpad_note(plan)),
        ("traffic, nothing kept", show.quantity(plan["none_bytes"], "B"), "every activation goes off chip and back"),
        ("traffic, planned", show.quantity(plan["planned_bytes"], "B"), _bound(plan)),
        (
            "traffic, compulsory",
            show.quantity(plan["compulsory_bytes"], "B"),
            "weights, network inputs and outputs, caches",
        ),
        ("saved", f"{100 * plan['saved']:.1f} %", "of what is not compulsory"),
        ("optimal", *_optimal(plan)),
        ("peak", _binary(plan["peak_bytes"]), _addresses(plan)),
        ("time to plan", show.quantity(plan["seconds"], "s"), f"{plan['blocks']} blocks"),
    ]
    show.table(f"Memory plan ({plan['method']})", ("quantity", "value", "meaning"), rows)
    units = {metric.name: metric.unit for metric in family.metrics}
    model = plan["model"]
    cells = [
        (name, *(show.quantity(model[rule][name], units[name]) for rule in ("own", "none", "planned")))
        for name in model["planned"]
    ]
    columns = ("cost model", "its own rule", "nothing kept", "planned")
    show.table("Cost model (it counts re-reads within an operator too)", columns, cells, right=(1, 2, 3))


def _binary(value: float) -> str:
    """Bytes as memories are named: KiB or MiB."""
    return f"{value / 2**20:,.4g} MiB" if value >= 2**20 else f"{value / 2**10:,.4g} KiB"


def _bound(plan: Mapping[str, Any]) -> str:
    from archgym.cli import show

    whose = "its order" if plan["given_order_blocks"] else "any plan"
    return f"at least {show.quantity(plan['bound_bytes'], 'B')} in {whose}"


def _scratchpad_note(plan: Mapping[str, Any]) -> str:
    own = f"the design has {_binary(plan['on_chip_bytes'])}"
    if plan["scratchpad_bytes"] > plan["on_chip_bytes"]:
        return f"more than {own}: area and energy are of that"
    return f"{own}; it keeps tensors of up to {_binary(plan['largest_bytes'])}"


def _optimal(plan: Mapping[str, Any]) -> tuple[str, str]:
    order = "a new order" if plan["order_changed"] else "the given order"
    if plan["optimal"]:
        return "yes", f"{order}; no other needs less"
    large = plan["given_order_blocks"]
    searched = f"; in {large} large block{'s' * (large > 1)} no other was searched" if large else ""
    if plan["proven"]:
        return "for its order", order + searched
    return "not proven", f"gap {100 * plan['gap']:.1f} %; {order}{searched}"


def _addresses(plan: Mapping[str, Any]) -> str:
    fits = plan["contiguous_bytes"] <= plan["scratchpad_bytes"]
    needs = "" if fits else f"; unbroken addresses would need {_binary(plan['contiguous_bytes'])}"
    return f"in the scratchpad at once{needs}"
