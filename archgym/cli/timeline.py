"""`archgym timeline`."""

from __future__ import annotations

from pathlib import Path

import typer

from archgym.cli import app
from archgym.cli.search import JSON, WORKLOAD


@app.command(rich_help_panel="Look at designs")
def timeline(
    design: list[str] = typer.Argument(
        ..., help="Preset, JSON file or text, run directory, or parameter=value; later ones override."
    ),
    env: str = typer.Option("xr", "--env", "-e", help="The xr environment, perhaps with options: xr?seed=2."),
    workload: str = WORKLOAD,
    out: Path = typer.Option(Path("timeline.html"), "--out", help="Page to write."),
    json: bool = JSON,
) -> None:
    """Draw which sub-accelerator runs which frame when, with deadlines, late and dropped frames."""
    from archgym.cli import show
    from archgym.envs.xr import timeline as module

    show.log_to_stderr()
    line = module.timeline(design, env, workload)
    module.save(line, out)
    run = line.run._asdict()
    if json:
        show.json_out(
            {"out": str(out), "run": {name: float(value) for name, value in run.items()}, "frames": line.rows()}
        )
        return
    show.out.print(f"{line.workload} on {line.environment}, {len(line.lanes)} sub-accelerators")
    show.out.print(
        f"score {run['score']:.3f}; {run['frames']:g} frames, {run['misses']:g} late, {run['drops']:g} dropped"
    )
    show.out.print(f"written to {out}")
