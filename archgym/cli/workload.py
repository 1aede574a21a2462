"""`archgym workload show`, `import` and `export`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from archgym.cli import app, complete
from archgym.cli.search import JSON
from archgym.errors import InputError

if TYPE_CHECKING:
    from archgym.workloads import Workload

workload_app = typer.Typer(no_args_is_help=True)
app.add_typer(
    workload_app, name="workload", help="Look into workloads, import and save them.", rich_help_panel="Look things up"
)

SPEC = typer.Argument(
    ...,
    help="Workload: resnet50?batch=8, model.onnx?batch=4, config.json:decode, net.csv.",
    autocompletion=complete.workloads,
)
FORCE = typer.Option(False, "--force", "-f", help="Replace a file that is there.")


@workload_app.command()
def show(spec: str = SPEC, json: bool = JSON) -> None:
    """Show the operators of a workload, its totals, and what could not be costed."""
    from archgym.cli import show as printed
    from archgym.workloads import Workload
    from archgym.workloads.recorder import uncosted_operators

    printed.log_to_stderr()
    workload = Workload.load(spec)
    if not json:
        _tables(workload)
        return
    uncosted = [row._asdict() for row in uncosted_operators(workload)]
    printed.json_out(
        {"name": workload.name, "layers": len(workload.layers), "edges": len(workload.edges)}
        | {name: getattr(workload, name) for name in _TOTALS}
        | {"operators": _operators(workload), "uncosted": uncosted}
    )


@workload_app.command("import")
def import_(
    model: str = typer.Argument(..., help="model.onnx?batch=4 or config.json:decode?batch=8."),
    out: Path = typer.Argument(None, help="Table, .csv or .parquet.  \\[default: a .csv in this folder]"),
    force: bool = FORCE,
    json: bool = JSON,
) -> None:
    """Turn an ONNX model or a Hugging Face configuration into a table."""
    from archgym.workloads.files import CONFIG, ONNX, form_of, split_phase

    head = model.strip().partition("?")[0]
    if form_of(head) not in (ONNX, CONFIG):
        raise InputError(f"import takes a model ({ONNX}) or a configuration ({CONFIG}), not {head!r}; see export")
    _save(model, Path(Path(split_phase(head)[0]).stem + ".csv") if out is None else out, force, json)


@workload_app.command()
def export(
    spec: str = SPEC,
    out: Path = typer.Argument(..., help="Table, .csv or .parquet."),
    force: bool = FORCE,
    json: bool = JSON,
) -> None:
    """Save any workload as a table."""
    _save(spec, out, force, json)


def _save(spec: str, out: Path, force: bool, json: bool) -> None:
    from archgym.cli import show as printed
    from archgym.workloads import Workload

    printed.log_to_stderr()
    if out.exists() and not force:
        raise InputError(f"{out} is there already: name another file, or replace it with --force")
    workload = Workload.load(spec)
    workload.save(out)
    if json:
        totals = {name: getattr(workload, name) for name in _TOTALS}
        sizes = {"layers": len(workload.layers), "edges": len(workload.edges)}
        return printed.json_out({"name": workload.name, "out": str(out)} | sizes | totals)
    printed.out.print(f"{workload.name}: {_summary(workload)}\nSaved in {out}", soft_wrap=True)
    return None


_TOTALS = ("macs", "weight_bytes", "cache_bytes", "compulsory_bytes", "vector_ops")
_SIZES = ("batch", "groups", "m", "k", "n")


def _operators(workload: Workload) -> list[dict[str, Any]]:
    """One row per merged operator."""
    from archgym.workloads.operators import KINDS

    names = [name for name in workload.operators.dtype.names or () if name != "kind"]
    return [
        {"operator": label, "kind": KINDS[row.kind]} | {name: float(row[name]) for name in names}
        for label, row in zip(workload.labels, workload.operators, strict=True)
    ]


def _tables(workload: Workload) -> None:
    from archgym.cli import show
    from archgym.workloads.recorder import uncosted_operators

    cells = [
        (row["operator"], row["kind"], *(f"{row[size]:g}" for size in _SIZES), show.quantity(row["b_bytes"], "B"))
        for row in _operators(workload)
    ]
    show.table(workload.name, ("operator", "kind", *_SIZES, "B operand"), cells, right=range(2, 8))
    rows = [
        (
            row.kind,
            str(row.occurrences),
            show.quantity(row.bytes_share, "1"),
            "unknown" if row.macs_share is None else show.quantity(row.macs_share, "1"),
        )
        for row in uncosted_operators(workload)
    ]
    if rows:
        columns = ("operator type", "count", "share of bytes", "share of MACs")
        show.table("Not costed: counted as moving their bytes only", columns, rows, right=(1, 2, 3))
    show.out.print(_summary(workload))


def _summary(workload: Workload) -> str:
    from archgym.cli.show import quantity

    caches = f", {quantity(workload.cache_bytes, 'B')} of key-value cache" if workload.cache_bytes else ""
    layers = f"{len(workload.layers)} layers, {len(workload.edges)} edges"
    return f"{workload.macs / 1e9:.4g} GMACs, {quantity(workload.weight_bytes, 'B')} of weights{caches}; {layers}"
