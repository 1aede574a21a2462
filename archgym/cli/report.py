"""`archgym report` and `archgym plot`."""

from __future__ import annotations

from pathlib import Path

import typer

from archgym.cli import app, complete
from archgym.cli.search import JSON, SILENT
from archgym.reports.figures import FIGURES

KINDS = "".join(f"\n\n{name}: {entry.summary}" for name, entry in FIGURES.entries.items())


@app.command(rich_help_panel="Look at designs")
def report(
    runs: list[Path] = typer.Argument(..., help="Run directories, or directories of them.", metavar="RUN"),
    html: Path = typer.Option(None, "--html", help="Page to write.  \\[default: report.html in the (first) directory]"),
    json: bool = typer.Option(False, "--json", help="Print the report's data as JSON; a page only with --html."),
    quiet: bool = SILENT,
) -> None:
    """Write one page on a search or several: designs, convergence, front, bottlenecks, how to make it again."""
    from archgym import api
    from archgym.cli import show

    show.log_to_stderr()
    found = api.report(runs, html if json else html or runs[0] / "report.html")
    if json:
        show.json_out(found.as_dict())
    elif not quiet:
        for task in found.tasks:
            show.out.print(f"{task.place}: {len(task.runs)} run{'s' * (len(task.runs) > 1)}", soft_wrap=True)
        show.out.print(f"Page: {html or runs[0] / 'report.html'}", soft_wrap=True)


@app.command(rich_help_panel="Look at designs", epilog=KINDS)
def plot(
    run: Path = typer.Argument(..., help="Run directory, or a directory of them."),
    kind: str = typer.Argument(..., help="Figure to draw, see below.", autocompletion=complete.figures),
    out: Path = typer.Option(None, "--out", "-o", help="File: .html, .png, .svg or .pdf.  \\[default: KIND.png]"),
    json: bool = JSON,
    quiet: bool = SILENT,
) -> None:
    """Draw one figure of a report as a page or a picture."""
    from archgym import api
    from archgym.cli import show

    show.log_to_stderr()
    path = out or Path(f"{kind}.png")
    api.plot([run], kind, path)
    if json:
        show.json_out({"figure": kind, "out": str(path)})
    elif not quiet:
        show.out.print(f"Figure: {path}", soft_wrap=True)
