"""`archgym dashboard` and `archgym mirror`."""

from __future__ import annotations

from json import dumps
from pathlib import Path

import typer

from archgym.cli import app
from archgym.cli.search import JSON, SILENT, STORAGE


@app.command(rich_help_panel="Find designs")
def dashboard(
    where: str = typer.Argument(
        "runs", help="Run directory, directory of runs, journal, or database URL.", metavar="PATH|URL"
    ),
    host: str = typer.Option("127.0.0.1", "--host", help="Address to listen on; 0.0.0.0 for other machines, too."),
    port: int = typer.Option(8080, "--port", "-p", help="Port to listen on; 0 for any free one."),
    json: bool = typer.Option(False, "--json", help="Print where it is as JSON, on one line."),
) -> None:
    """Watch runs in the browser, on optuna-dashboard."""
    from archgym.cli import show
    from archgym.search.dashboard import serve

    def say(url: str) -> None:
        if json:
            print(dumps({"where": where, "url": url}), flush=True)
        else:
            show.out.print(f"Dashboard of {where}: {url} (Ctrl-C ends it)")

    show.log_to_stderr()
    try:
        serve(where, host, port, say)
    except KeyboardInterrupt:
        if not json:
            show.out.print("Dashboard ended")


@app.command(rich_help_panel="Find designs")
def mirror(
    runs: list[Path] = typer.Argument(..., help="Run directories, or directories of them.", metavar="RUN"),
    storage: str = STORAGE,
    json: bool = JSON,
    quiet: bool = SILENT,
) -> None:
    """Add trials of runs to an Optuna storage that lacks them."""
    from archgym.cli import show
    from archgym.search.compare import found_runs
    from archgym.search.storage import mirror_run

    show.log_to_stderr()
    rows = []
    for _, path in found_runs(runs):
        done = mirror_run(path, storage)
        rows.append({"run": str(path), "added": done.new, "held": done.held, "storage": str(done.place)})
        if not (quiet or json):
            show.out.print(f"{path}: {done.new:,} trials added, {done.held:,} are in {done.place}", soft_wrap=True)
    if json:
        show.json_out(rows)
