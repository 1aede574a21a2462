"""`archgym envs`, `agents`, `surrogates` and `workloads`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from archgym.cli import app, complete
from archgym.cli.search import JSON

if TYPE_CHECKING:
    from archgym.envs.family import Family
    from archgym.space import Parameter

SHOWN = "Show one in detail."


@app.command(rich_help_panel="Look things up")
def envs(name: str = typer.Argument(None, help=SHOWN, autocompletion=complete.environments), json: bool = JSON) -> None:
    """List environments; with a name, its parameters, metrics and presets."""
    from archgym.cli import show
    from archgym.compression.judge import QUALITY_METRICS
    from archgym.envs import ENVIRONMENTS

    if name is None:
        rows = {key: entry.summary for key, entry in ENVIRONMENTS.entries.items()}
        return show.json_out(rows) if json else show.table("Environments", ("name", "summary"), [*rows.items()])
    from archgym.api import evaluator

    family = evaluator(name).family
    if json:
        parameters, joint = (
            {p.name: {"choices": p.choices, "unit": p.unit, "doc": p.doc} for p in listed}
            for listed in (family.space.parameters, joint_only(family))
        )
        metrics = {m.name: {"unit": m.unit, "doc": m.doc} for m in (*family.metrics, *QUALITY_METRICS)}
        presets = {key: {"design": dict(p.values), "source": p.source} for key, p in family.presets.items()}
        everything = {"parameters": parameters, "compression": joint, "metrics": metrics, "presets": presets}
        return show.json_out(everything)
    show.out.print(f"{family.gymnasium_id}: {family.space.size:,} designs\n")
    for title, listed in (
        ("Parameters", family.space.parameters),
        ("Compression, part of the design where quality_loss is an objective or a constraint", joint_only(family)),
    ):
        cells = [(p.name, f"{', '.join(map(str, p.choices))} {p.unit}".strip(), p.doc) for p in listed]
        show.table(title, ("name", "choices", "meaning"), cells)
    cells = [(m.name, m.unit, m.doc) for m in (*family.metrics, *QUALITY_METRICS)]
    show.table("Metrics", ("name", "unit", "meaning"), cells)
    show.table("Presets", ("name", "source"), [(key, preset.source) for key, preset in family.presets.items()])
    bounds = ", ".join(family.constraints)
    show.out.print(f"Default: minimise {family.objective} with {bounds} on {family.workload}")
    return None


def joint_only(family: Family) -> tuple[Parameter, ...]:
    """Parameters of the joint space that the hardware's has not."""
    return family.joint_space.parameters[len(family.space) :]


@app.command(rich_help_panel="Look things up")
def agents(name: str = typer.Argument(None, help=SHOWN, autocompletion=complete.agents), json: bool = JSON) -> None:
    """List agents; with a name, its options."""
    from archgym.agents import AGENTS
    from archgym.agents.auto import AUTO, SUMMARY
    from archgym.cli import show
    from archgym.spec import option_defaults

    if name is None:
        rows = {AUTO: SUMMARY} | {key: entry.summary for key, entry in AGENTS.entries.items()}
        return show.json_out(rows) if json else show.table("Agents", ("name", "summary"), [*rows.items()])
    if name == AUTO:
        return _show_auto(json)
    build = AGENTS.load(name)
    options = option_defaults(build)
    if json:
        return show.json_out({"summary": AGENTS.entry(name).summary, "budget": build.budget, "options": options})
    show.out.print(f"{name}: {AGENTS.entry(name).summary}; {build.budget:,} designs unless --budget says otherwise\n")
    return show.table("Options", ("option", "default"), [(key, str(value)) for key, value in options.items()])


def _show_auto(json: bool) -> None:
    from archgym.agents.auto import AUTO, SUITED, SUMMARY
    from archgym.cli import show

    if json:
        names = ("designs_at_most", "one_objective", "several_objectives")
        suited = [
            dict(zip(names, (None if row[0] == float("inf") else row[0], *row[1:]), strict=True)) for row in SUITED
        ]
        return show.json_out({"summary": SUMMARY, "suited": suited})
    show.out.print(f"{AUTO}: {SUMMARY}; the first that is installed, and the run names it\n")
    rows = [("more" if most == float("inf") else f"up to {most:,}", *map(", ".join, names)) for most, *names in SUITED]
    return show.table("Agents", ("designs", "one objective", "several objectives"), rows)


@app.command(rich_help_panel="Look things up")
def surrogates(
    name: str = typer.Argument(None, help=SHOWN, autocompletion=complete.surrogates), json: bool = JSON
) -> None:
    """List surrogate models; with a name, its options."""
    from archgym.cli import show
    from archgym.spec import option_defaults
    from archgym.surrogates import SURROGATES

    if name is None:
        rows = {key: entry.summary for key, entry in SURROGATES.entries.items()}
        return show.json_out(rows) if json else show.table("Surrogates", ("name", "summary"), [*rows.items()])
    options, summary = option_defaults(SURROGATES.load(name)), SURROGATES.entry(name).summary
    if json:
        return show.json_out({"summary": summary, "options": options})
    show.out.print(f"{name}: {summary}\n")
    return show.table("Options", ("option", "default"), [(key, str(value)) for key, value in options.items()])


@app.command(rich_help_panel="Look things up")
def workloads(json: bool = JSON) -> None:
    """List workloads; `archgym workload show` looks into one."""
    from archgym.cli import show
    from archgym.workloads import WORKLOADS

    rows = {key: entry.summary for key, entry in WORKLOADS.entries.items()}
    if json:
        return show.json_out(rows)
    show.table("Workloads", ("name", "summary"), [*rows.items()])
    show.table("Workloads in files", ("file", "what it is"), FILES)
    show.out.print("archgym workload show NAME: the operators of one")
    return None


FILES = (
    ("model.onnx?batch=4", "an ONNX model; its symbolic dimensions are options"),
    ("config.json:decode?batch=8", "a language model's Hugging Face configuration; phases as the built-in ones"),
    ("net.csv, net.parquet", "a table of operators, saved or written by hand"),
)
