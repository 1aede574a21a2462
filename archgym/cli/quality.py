"""`archgym quality`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from archgym.cli import app
from archgym.cli.search import JSON
from archgym.errors import InputError

if TYPE_CHECKING:
    from archgym.compression import Estimate
    from archgym.compression.rows import Row


@app.command(rich_help_panel="Look things up")
def quality(
    model: str = typer.Option(None, "--model", "-m", help="Network; all known ones are listed without it."),
    setting: str = typer.Option("dense", "--setting", help="Setting as text: weight_bits=4,pattern=2:4"),
    weight_bits: str = typer.Option(None, "--weight-bits", help="2, 3, 4, 5, 6, 8 or 16."),
    activation_bits: str = typer.Option(None, "--activation-bits", help="2, 3, 4, 6, 8 or 16."),
    kv_bits: str = typer.Option(None, "--kv-bits", help="Key-value cache: 4, 8 or 16."),
    pattern: str = typer.Option(None, "--pattern", help="dense, unstructured-50, 2:4, slice-20, ..."),
    activation_sparsity: str = typer.Option(None, "--activation-sparsity", help="Share of zeros, 0 to 0.65."),
    sparsity_method: str = typer.Option(None, "--sparsity-method", help="cats, teal, larosa or r-sparse."),
    token_pruning: str = typer.Option(None, "--token-pruning", help="Share of tokens removed."),
    head_pruning: str = typer.Option(None, "--head-pruning", help="Share of attention heads removed."),
    method: str = typer.Option("best", "--method", help="best, rounding, calibrated, trained, or a method."),
    rows: Path = typer.Option(None, "--rows", help="CSV file of your own results, used too."),
    function: str = typer.Option("published", "--function", help="Quality function, yours by entry point."),
    allow_extrapolation: bool = typer.Option(False, "--allow-extrapolation", help="A number where none is supported."),
    json: bool = JSON,
) -> None:
    """Estimate the quality that a network loses to a compression setting; exit code 1 when unsupported."""
    from archgym import api
    from archgym.cli import show
    from archgym.compression import Setting

    parts = {
        "weight_bits": weight_bits,
        "activation_bits": activation_bits,
        "kv_bits": kv_bits,
        "pattern": pattern,
        "activation_sparsity": activation_sparsity,
        "sparsity_method": sparsity_method,
        "token_pruning": token_pruning,
        "head_pruning": head_pruning,
    }
    given = {name: value for name, value in parts.items() if value is not None}
    if model is None:
        if given or setting != "dense":
            raise InputError("name the network the setting is for: --model llama2-7b (`archgym quality` lists them)")
        return _models(rows, json)
    text = ",".join([setting, *(f"{name}={value}" for name, value in given.items())])
    chosen = Setting.parse(text)
    estimate = api.quality(
        model, chosen, method=method, allow_extrapolation=allow_extrapolation, rows=rows, function=function
    )
    if json:
        show.json_out(_plain(estimate))
    else:
        _print(estimate)
    if not estimate.supported and not allow_extrapolation:
        raise typer.Exit(1)
    return None


def _models(rows: Path | None, json: bool) -> None:
    """The networks that published results are about."""
    from archgym.cli import show
    from archgym.compression.quality import evidence, known_models

    known = evidence(rows).rows
    counts = {model: sum(row.model == model for row in known) for model in known_models(known)}
    if json:
        return show.json_out(
            {
                name: {"kind": network.kind, "family": network.family, "rows": counts[name]}
                for name, network in known_models(known).items()
            }
        )
    cells = [(name, network.kind, network.family, str(counts[name])) for name, network in known_models(known).items()]
    show.table("Networks with published results", ("network", "kind", "family", "results"), cells, right=(3,))
    show.out.print("archgym quality --model NAME --weight-bits 4: what a setting costs one")
    return None


def _row(row: Row) -> dict[str, Any]:
    plain = asdict(row) | {"setting": str(row.setting), "loss": row.loss, "paper": row.paper}
    return {name: plain[name] for name in plain if name not in ("network", "stem")}


def _plain(estimate: Estimate) -> dict[str, Any]:
    plain = {name: getattr(estimate, name) for name in ("model", "method", "quality_loss", "low", "high", "supported")}
    plain |= {"setting": str(estimate.setting), "rule": estimate.rule, "why": estimate.why, "unit": estimate.unit}
    return plain | {"rows": [_row(row) for row in estimate.rows]}


def _print(estimate: Estimate) -> None:
    from archgym.cli import show

    show.out.print(f"{estimate.model}, {estimate.setting}, method {estimate.method}")
    if not estimate.supported:
        show.out.print(f"Unsupported: {estimate.why}")
    if estimate.quality_loss == estimate.quality_loss:
        show.out.print(f"Quality loss {estimate.quality_loss:.4f}, {estimate.low:.4f} to {estimate.high:.4f}")
        share = ", an interval for about 90 % of published results" if estimate.supported else ""
        show.out.print(f"  {estimate.unit}{share}")
        if estimate.supported:
            show.out.print(
                f"  {estimate.why}" if estimate.rule in estimate.why else f"  {estimate.rule}: {estimate.why}"
            )
    if estimate.rows:
        show.out.print()
        cells = [
            (
                row.model,
                row.setting.short,
                row.method,
                f"{row.value:g}",
                f"{row.baseline:g}",
                f"{row.loss:.4f}",
                row.paper,
            )
            for row in estimate.rows
        ]
        columns = ("network", "setting", "method", "value", "baseline", "loss", "source")
        show.table("Published results", columns, cells, right=(3, 4, 5))
