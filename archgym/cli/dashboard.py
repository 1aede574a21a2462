"""`archgym dashboard` and `archgym mirror`."""

from __future__ import annotations

from pathlib import Path

import typer

from archgym.cli import app
from archgym.cli.search import STORAGE


@app.command(rich_help_panel="Find designs")
def dashboard(
    where: str = typer.Argument(
        "runs", help="Run directory, directory of runs, journal, or database URL.", metavar="[PATH|URL]"
    ),
    host: str = typer.Option("127.0.0.1", "--host", help="Address to listen on; 0.0.0.0 for other machines, too."),
    port: int = typer.Option(8080, "--port", "-p", help="Port to listen on; 0 for any free one."),
) -> None:
    """Watch runs in the browser, on optuna-dashboard."""
    from archgym.cli import show
    from archgym.search.dashboard import serve

    show.log_to_stderr()
    try:
        serve(where, host, port, lambda url: show.out.print(f"Dashboard of {where}: {url} (Ctrl-C ends it)"))
    except KeyboardInterrupt:
        show.out.print("Dashboard ended")


@app.command(rich_help_panel="Find designs")
def mirror(
    runs: list[Path] = typer.Argument(..., help="Run directories, or directories of them.", metavar="RUN..."),
    storage: str = STORAGE,
) -> None:
    """Add trials of runs to an Optuna storage that lacks them."""
    from archgym.cli import show
    from archgym.search.compare import found_runs
    from archgym.search.storage import mirror_run

    show.log_to_stderr()
    for _, path in found_runs(runs):
        done = mirror_run(path, storage)
        show.out.print(f"{path}: {done.new:,} trials added, {done.held:,} are in {done.place}", soft_wrap=True)
