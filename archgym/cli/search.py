"""`archgym search` and `archgym optimum`."""

from __future__ import annotations

import logging
import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from archgym.cli import INTERRUPTED, app, complete
from archgym.errors import InputError, RunError

if TYPE_CHECKING:
    from archgym.search import SearchResult

ENV = typer.Option(
    "systolic", "--env", "-e", help="Environment, with options: systolic?node_nm=16.",
    autocompletion=complete.environments,
)  # fmt: skip
WORKLOAD = typer.Option(
    None, "--workload", "-w", help="Workload: llama3-8b:decode?batch=8, or model.onnx.  \\[default: the environment's]",
    autocompletion=complete.workloads,
)  # fmt: skip
OBJECTIVE = typer.Option([], "--objective", "-o", help="Expression over metrics to minimise; several give a front.")
CONSTRAINT = typer.Option(
    [], "--constraint", "-c", help="e.g. 'area_mm2<=50', or none.  \\[default: the environment's]"
)
SET = typer.Option([], "--set", help="Hold a parameter to some choices: dataflow=ws,os.")
QUALITY_MODEL = typer.Option("", "--quality-model", help="Network whose published results speak for the workload.")
QUALITY_METHOD = typer.Option("best", "--quality-method", help="best, rounding, calibrated, trained, or a method.")
QUALITY_ROWS = typer.Option("", "--quality-rows", help="CSV file of your own results, used too.")
QUALITY_FUNCTION = typer.Option("published", "--quality-function", help="Quality function, yours by entry point.")
EXTRAPOLATE = typer.Option(False, "--allow-extrapolation", help="Settings without published support too.")
COST_MODELS = "analytical, surrogate:DIR, scalesim, zigzag, command:PROGRAM or python:FILE.py:FUNCTION"
COST_MODEL = typer.Option("analytical", "--cost-model", help=f"What evaluates: {COST_MODELS}.")
STORAGE = typer.Option(
    None, "--storage", help="Mirror as an Optuna study: journal, a file.journal, a database URL, or none."
)
JSON = typer.Option(False, "--json", help="Print JSON instead of tables.")
QUIET = typer.Option(False, "--quiet", "-q", help="No progress bar.")
SILENT = typer.Option(False, "--quiet", "-q", help="Print nothing.")


@app.command(rich_help_panel="Find designs")
def search(
    ctx: typer.Context,
    env: str = ENV,
    agent: str = typer.Option(
        "auto", "--agent", "-a", help="Agent, with options: genetic?population=64.", autocompletion=complete.agents
    ),
    workload: str = WORKLOAD,
    objective: list[str] = OBJECTIVE,
    constraint: list[str] = CONSTRAINT,
    budget: int = typer.Option(None, "--budget", "-n", help="Designs to evaluate.  \\[default: the agent's]"),
    seed: int = typer.Option(0, "--seed", "-s", help="Same seed, same trials."),
    out: Path = typer.Option(None, "--out", help="Run directory.  \\[default: a new one in runs/]"),
    choices: list[str] = SET,
    reward: str = typer.Option("log", "--reward", help="What learning agents are paid: log, linear or target."),
    quality_model: str = QUALITY_MODEL,
    quality_method: str = QUALITY_METHOD,
    quality_rows: str = QUALITY_ROWS,
    quality_function: str = QUALITY_FUNCTION,
    allow_extrapolation: bool = EXTRAPOLATE,
    cost_model: str = COST_MODEL,
    model_timeout: float = typer.Option(None, "--model-timeout", help="Seconds the cost model may take for a batch."),
    storage: str = STORAGE,
    resume: Path = typer.Option(None, "--resume", help="Continue the run in this directory."),
    json: bool = JSON,
    quiet: bool = QUIET,
) -> None:
    """Search for the best design with an agent."""
    from archgym import api
    from archgym.cli import show
    from archgym.search import Interrupted, new_run_path, resume_search

    show.log_to_stderr(logging.WARNING if quiet or json else logging.INFO)
    try:
        with show.progress("searching", quiet or json) as on_progress:
            if resume is not None:
                _refuse_others(ctx)
                result = resume_search(resume, on_progress, model_timeout_s=model_timeout, storage=storage)
            else:
                spec = workload or api.evaluator(env).workload.name
                path = out or new_run_path("runs", env, spec, agent, seed)
                quality = quality_of(quality_model, quality_method, quality_rows, quality_function, allow_extrapolation)
                result = api.search(
                    env, workload, agent, split(objective), constraints_of(constraint), budget, seed, path,
                    choices_of(choices), reward, on_progress, quality, cost_model, model_timeout, storage,
                )  # fmt: skip
    except Interrupted as stop:
        if stop.path is not None:
            hint = f"archgym search --resume {shlex.quote(str(stop.path))}"
            show.err.print(f"archgym: {stop}; continue with:\n  {hint}", soft_wrap=True)
        sys.exit(INTERRUPTED)
    if json:
        show.json_out(result.as_dict())
    else:
        _show(result)
    if result.best is None:
        raise RunError(_why_nothing(result))


def _refuse_others(ctx: typer.Context) -> None:
    """A resumed run takes everything from its config.json: refuse what would be ignored."""
    given = {"resume", "model_timeout", "storage", "json", "quiet"}
    for name in ctx.params:
        source = ctx.get_parameter_source(name)
        if name not in given and source is not None and source.name == "COMMANDLINE":
            option = name.replace("_", "-")
            raise InputError(f"--resume takes everything from the run's config.json: leave out --{option}")


def split(expressions: Sequence[str]) -> list[str]:
    """Objectives, each an option of its own or several in one: `latency_s,energy_j`; commas in calls stay."""
    return [part.strip() for text in expressions for part in re.split(r",(?![^(]*\))", text)]


def quality_of(model: str, method: str, rows: str, function: str, allow_extrapolation: bool) -> dict[str, Any]:
    """What differs from the defaults among the options of quality."""
    given: dict[str, Any] = {"model": model, "method": method, "rows": rows, "function": function}
    given["allow_extrapolation"] = allow_extrapolation
    return {name: value for name, value in given.items() if value not in ("", False, "published", "best")}


def constraints_of(listed: Sequence[str]) -> Sequence[str] | None:
    """The constraints asked for: None for the environment's own, empty for `none`."""
    if not listed:
        return None
    return [] if list(listed) == ["none"] else list(listed)


def choices_of(settings: Sequence[str]) -> dict[str, Any]:
    """`--set parameter=choice,choice` as a mapping.

    Raises:
        InputError: not of that form, or a parameter given twice.
    """
    choices: dict[str, Any] = {}
    for setting in settings:
        name, equals, values = setting.partition("=")
        if not (name and equals and values):
            raise InputError(f"--set {setting!r} is not of the form parameter=choice,choice")
        if name in choices:
            raise InputError(f"--set gives {name!r} twice")
        choices[name] = [value.strip() for value in values.split(",")]
    return choices


def _show(result: SearchResult) -> None:
    from archgym import api
    from archgym.cli import show
    from archgym.envs.evaluator import ANALYTICAL
    from archgym.search.optimum import LARGEST

    cost_model = result.cost_model
    if cost_model != ANALYTICAL:
        show.out.print(f"Cost model {cost_model}\n", soft_wrap=True)
    if result.best is not None and result.metrics is not None and result.objectives is not None:
        evaluation = api.evaluate(result.best, result.environment, result.workload, cost_model=cost_model)
        model = api.evaluator(result.environment, result.workload, cost_model)
        show.design_table(f"Best design (trial {result.trial:,})", model.family, result.best)
        show.metrics_table(model.metrics, result.metrics)
        show.operators_table(evaluation.operators, show.operators_title(model.workload), at_most=6)
        for name, value in zip(result.objective, result.objectives, strict=True):
            show.out.print(f"{name} = {value:.5g}")
    if len(result.objective) > 1:
        show.out.print(f"Pareto front: {len(result.front_objectives)} designs")
    times = result.times
    show.out.print(
        f"{result.evaluated:,} designs ({result.distinct:,} distinct, {result.infeasible:,} infeasible, "
        f"{result.violating:,} outside a constraint)\n"
        f"in {times.elapsed_s:.1f} s: {times.model_s:.1f} s cost model, {times.agent_s:.1f} s agent"
    )
    if result.regret is not None:
        show.out.print(f"Regret: {100 * result.regret:.2f} % above the true optimum ({result.optimum:.5g})")
    elif result.best is not None and result.space.size <= LARGEST:
        show.out.print("Regret: unknown; `archgym optimum` with the same options finds the true optimum")
    elif result.best is not None:
        size = f"{result.space.size:.2g}"
        show.out.print(f"Regret: unknown; {size} designs are too many to enumerate: hold some parameters by --set")
    show.out.print(f"Run directory: {result.path}", soft_wrap=True)


def _why_nothing(result: SearchResult) -> str:
    """One line on a search that found no valid design."""
    if result.closest is None:
        reasons = ", ".join(f"{name} {count:,}" for name, count in result.reasons.items())
        return f"none of {result.evaluated:,} designs is feasible ({reasons})"
    missed = "; ".join(f"{miss['constraint']} (closest: {miss['value']:.4g})" for miss in result.closest["missed"])
    return f"none of {result.evaluated:,} designs meets the constraints: {missed}"


@app.command(rich_help_panel="Find designs")
def optimum(
    env: str = ENV,
    workload: str = WORKLOAD,
    objective: list[str] = OBJECTIVE,
    constraint: list[str] = CONSTRAINT,
    choices: list[str] = SET,
    quality_model: str = QUALITY_MODEL,
    quality_method: str = QUALITY_METHOD,
    quality_rows: str = QUALITY_ROWS,
    quality_function: str = QUALITY_FUNCTION,
    allow_extrapolation: bool = EXTRAPOLATE,
    cost_model: str = COST_MODEL,
    json: bool = JSON,
    quiet: bool = QUIET,
) -> None:
    """Enumerate the whole space on all cores: the true optimum and front."""
    from archgym import api
    from archgym.cli import show
    from archgym.search.optimum import optimum as enumerate_all

    show.log_to_stderr()
    quality = quality_of(quality_model, quality_method, quality_rows, quality_function, allow_extrapolation)
    posed = api.problem(
        env, workload, split(objective), constraints_of(constraint), choices_of(choices),
        quality=quality, cost_model=cost_model,
    )  # fmt: skip
    with show.progress("enumerating", quiet or json) as on_progress:
        found = enumerate_all(posed.evaluator, posed.objective, posed.space, on_progress=on_progress)
    if json:
        show.json_out(found.as_dict(posed.space))
    elif found.best is not None and found.metrics is not None and found.objectives is not None:
        show.design_table("True optimum", posed.evaluator.family, found.best)
        show.metrics_table(posed.evaluator.metrics, found.metrics)
        names = posed.objective.names
        for name, value in zip(names, found.objectives, strict=True):
            show.out.print(f"{name} = {value:.5g}")
        if len(names) > 1:
            show.out.print(f"True Pareto front: {len(found.front_objectives):,} designs")
        note = " (from the cache)" if found.cached else ""
        show.out.print(f"{found.designs:,} designs, {found.valid:,} valid, in {found.elapsed_s:.0f} s{note}")
    if found.best is None:
        raise InputError(f"none of {found.designs:,} designs is feasible within the constraints")
