"""`archgym envs`, `agents` and `workloads`."""

from __future__ import annotations

import typer

from archgym.cli import app
from archgym.cli.search import JSON

NAME = typer.Argument(None, help="Show one in detail.")


@app.command(rich_help_panel="Look things up")
def envs(name: str = NAME, json: bool = JSON) -> None:
    """List environments; with a name, its parameters, metrics and presets."""
    from archgym.cli import show
    from archgym.envs import ENVIRONMENTS

    if name is None:
        rows = {key: entry.summary for key, entry in ENVIRONMENTS.entries.items()}
        return show.json_out(rows) if json else show.table("Environments", ("name", "summary"), [*rows.items()])
    from archgym.api import evaluator

    family = evaluator(name).family
    if json:
        parameters = {p.name: {"choices": p.choices, "unit": p.unit, "doc": p.doc} for p in family.space.parameters}
        metrics = {m.name: {"unit": m.unit, "doc": m.doc} for m in family.metrics}
        presets = {key: {"design": dict(p.values), "source": p.source} for key, p in family.presets.items()}
        return show.json_out({"parameters": parameters, "metrics": metrics, "presets": presets})
    show.out.print(f"{family.gymnasium_id}: {family.space.size:,} designs\n")
    show.table(
        "Parameters",
        ("name", "choices", "meaning"),
        [(p.name, f"{', '.join(map(str, p.choices))} {p.unit}".strip(), p.doc) for p in family.space.parameters],
    )
    show.table("Metrics", ("name", "unit", "meaning"), [(m.name, m.unit, m.doc) for m in family.metrics])
    show.table("Presets", ("name", "source"), [(key, preset.source) for key, preset in family.presets.items()])
    bounds = ", ".join(family.constraints)
    show.out.print(f"Default: minimise {family.objective} with {bounds} on {family.workload}")
    return None


@app.command(rich_help_panel="Look things up")
def agents(name: str = NAME, json: bool = JSON) -> None:
    """List agents; with a name, its options."""
    from archgym.agents import AGENTS
    from archgym.cli import show
    from archgym.spec import option_defaults

    if name is None:
        rows = {key: entry.summary for key, entry in AGENTS.entries.items()}
        return show.json_out(rows) if json else show.table("Agents", ("name", "summary"), [*rows.items()])
    build = AGENTS.load(name)
    options = option_defaults(build)
    if json:
        return show.json_out({"summary": AGENTS.entry(name).summary, "budget": build.budget, "options": options})
    show.out.print(f"{name}: {AGENTS.entry(name).summary}; {build.budget:,} designs unless --budget says otherwise\n")
    return show.table("Options", ("option", "default"), [(key, str(value)) for key, value in options.items()])


@app.command(rich_help_panel="Look things up")
def workloads(name: str = NAME, json: bool = JSON) -> None:
    """List workloads; with a spec, its operators."""
    from archgym.cli import show
    from archgym.workloads import WORKLOADS, Workload

    if name is None:
        rows = {key: entry.summary for key, entry in WORKLOADS.entries.items()}
        return show.json_out(rows) if json else show.table("Workloads", ("name", "summary"), [*rows.items()])
    workload = Workload.load(name)
    from archgym.workloads.operators import KINDS

    operators = [
        {"operator": label, "kind": KINDS[row.kind]}
        | {field: float(row[field]) for field in workload.operators.dtype.names or () if field != "kind"}
        for label, row in zip(workload.labels, workload.operators, strict=True)
    ]
    totals = {name: getattr(workload, name) for name in ("macs", "weight_bytes", "cache_bytes", "vector_ops")}
    if json:
        return show.json_out({"name": workload.name} | totals | {"operators": operators})
    sizes = ("batch", "groups", "m", "k", "n")
    cells = [
        (
            str(o["operator"]),
            str(o["kind"]),
            *(f"{o[size]:g}" for size in sizes),
            show.quantity(float(o["b_bytes"]), "B"),
        )
        for o in operators
    ]
    show.table(workload.name, ("operator", "kind", *sizes, "B operand"), cells, right=(2, 3, 4, 5, 6, 7))
    weights, cache = show.quantity(workload.weight_bytes, "B"), show.quantity(workload.cache_bytes, "B")
    caches = f", {cache} of key-value cache" if workload.cache_bytes else ""
    show.out.print(f"{workload.macs / 1e9:.4g} GMACs, {weights} of weights{caches}")
    return None
