"""`archgym validate`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from archgym.cli import app, complete
from archgym.cli.search import JSON

if TYPE_CHECKING:
    from archgym.validation import Check


@app.command(rich_help_panel="Look at designs")
def validate(
    name: str = typer.Argument(
        "systolic", help="Environment, compression or quality.", autocompletion=complete.validations
    ),
    reference: Path = typer.Option(None, "--reference", help="Folder with other projects' data."),
    synthesis: bool = typer.Option(False, "--synthesis", help="Also synthesise a few designs by Yosys (fpga)."),
    rows: bool = typer.Option(False, "--rows", help="Every row; long groups are shortened to their worst otherwise."),
    json: bool = JSON,
    markdown: bool = typer.Option(False, "--markdown", help="Print a Markdown table."),
) -> None:
    """Hold a cost model, or the quality model, against published values; exit code 1 when a target is missed."""
    from archgym import api
    from archgym.cli import show
    from archgym.validation import worst_rows

    show.log_to_stderr()
    checks = api.validate(name, reference, synthesis)
    shown = checks if rows else worst_rows(checks)
    if json:
        show.json_out([asdict(check) | {"error": check.error, "status": check.status} for check in checks])
    elif markdown:
        _markdown(shown)
    else:
        show.table(f"Validation of {name}", _COLUMNS, [_cells(check) for check in shown], right=(2, 3, 4, 5))
        for check in shown:
            if check.note and check.status == "missed":
                show.out.print(f"{check.group}, {check.item}: {check.note}")
        show.out.print(_summary(checks))
    if any(check.status == "missed" for check in checks):
        raise typer.Exit(1)


_COLUMNS = ("group", "row", "published", "ours", "error", "target", "status")


def _cells(check: Check) -> tuple[str, ...]:
    def number(value: float | None) -> str:
        return "-" if value is None else f"{value:.6g}" if abs(value) < 1e6 else f"{value:.0f}"

    def percent(value: float | None, sign: str) -> str:
        if value is None:
            return "-"
        return f"{value:{sign}g}" if check.absolute and check.unit != "1" else f"{100 * value:{sign}.1f} %"

    status = check.status.upper() if check.status == "missed" else check.status
    ours, error, target = number(check.ours), percent(check.error, "+"), percent(check.target, "")
    return check.group, check.item, number(check.published), ours, error, target, status


def _markdown(checks: Sequence[Check]) -> None:
    print("| " + " | ".join((*_COLUMNS, "unit", "source", "note")) + " |")
    print("|" + "---|" * (len(_COLUMNS) + 3))
    for check in checks:
        print("| " + " | ".join((*_cells(check), check.unit, check.source, check.note)) + " |")


def _summary(checks: Sequence[Check]) -> str:
    counts = {
        status: sum(c.status == status for c in checks) for status in ("met", "missed", "reported", "not available")
    }
    return ", ".join(f"{count} {status}" for status, count in counts.items() if count)
