"""`archgym surrogate train`, `evaluate`, `predict` and `describe`."""

from __future__ import annotations

import contextlib
import math
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from archgym.cli import app
from archgym.cli.search import JSON, QUIET, WORKLOAD
from archgym.errors import InputError

if TYPE_CHECKING:
    from archgym.surrogates import Surrogate
    from archgym.surrogates.predicting import DesignPrediction

surrogate_app = typer.Typer(no_args_is_help=True)
app.add_typer(
    surrogate_app,
    name="surrogate",
    help="Train learned cost models, judge and use them.",
    rich_help_panel="Find designs",
)

DIRECTORY = typer.Argument(..., help="Directory of a surrogate.", metavar="DIR")
DATASET = typer.Argument(..., help="Directory of a data set: archgym dataset generate.")
SCORES = (("rmse_percent", ".3g"), ("mape_percent", ".3g"), ("r2", ".4f"), ("spearman", ".4f"), ("kendall", ".4f"))


@surrogate_app.command()
def train(
    dataset: Path = DATASET,
    model: str = typer.Option("gnn", "--model", "-m", help="gnn, mlp, boosting, forest; options: gnn?width=128."),
    out: Path = typer.Option(..., "--out", help="Directory to make."),
    seed: int = typer.Option(0, "--seed", "-s", help="Same seed, same surrogate."),
    most: int = typer.Option(20_000, "--most", help="Feasible designs of a workload to train on at most."),
    force: bool = typer.Option(False, "--force", "-f", help="Replace the surrogate that is there."),
    json: bool = JSON,
    quiet: bool = QUIET,
) -> None:
    """Train on a data set, and hold it against designs that were held out."""
    from archgym import surrogates
    from archgym.cli import show

    show.log_to_stderr()
    with _bar(quiet or json) as on_step:
        made = surrogates.train(dataset, model, out, seed, most, force, on_step)
    if json:
        names = ("kind", "options", "seed", "environment", "scenario", "workloads", "scores")
        return show.json_out({"path": str(out)} | {name: made.info[name] for name in names})
    _print_scores(made.info["scores"], "test")
    _print_next(made, out)
    return None


@surrogate_app.command()
def evaluate(
    path: Path = DIRECTORY,
    dataset: Path = DATASET,
    split: str = typer.Option("test", "--split", help="Designs to judge by: test, validation or train."),
    json: bool = JSON,
) -> None:
    """Hold a surrogate against the designs of a data set."""
    from archgym import surrogates
    from archgym.cli import show

    rows = surrogates.evaluate(path, dataset, split)
    if json:
        return show.json_out({"path": str(path), "dataset": str(dataset), "split": split, "scores": rows})
    return _print_scores(rows, split)


@surrogate_app.command()
def predict(
    path: Path = DIRECTORY,
    design: list[str] = typer.Argument(
        None, help="Preset, JSON file or text, run directory, or parameter=value; later ones override."
    ),
    workload: str = WORKLOAD,
    designs: Path = typer.Option(None, "--designs", help="CSV or Parquet file of designs, a column per parameter."),
    out: Path = typer.Option(None, "--out", help="CSV or Parquet file for predictions of --designs."),
    json: bool = JSON,
) -> None:
    """Predict one design, or the designs in a file, with 90 % intervals."""
    from archgym import surrogates
    from archgym.cli import show
    from archgym.surrogates.predicting import predict_design, predict_file

    show.log_to_stderr()
    if bool(design) == (designs is not None):
        raise InputError("give one design, or several by --designs FILE")
    if (designs is None) != (out is None):
        raise InputError("--designs FILE and --out FILE go together")
    made = surrogates.load(path)
    if designs is not None:
        frame = predict_file(made, designs, out, workload)
        counts = {"designs": len(frame), "feasible": int(frame.feasible.sum()), "unknown": int(frame.unknown.sum())}
        if json:
            return show.json_out({"path": str(out)} | counts)
        listed = ", ".join(f"{count:,} {name}" for name, count in counts.items())
        return show.out.print(f"{listed}\nSaved in {out}", soft_wrap=True)
    found = predict_design(made, design, workload)
    if json:
        show.json_out(asdict(found))
    elif found.feasible:
        _print_design(made, path, found)
    if not found.feasible:
        raise InputError(f"the surrogate takes the design for infeasible: {found.why}")
    return None


@surrogate_app.command()
def describe(path: Path = DIRECTORY, json: bool = JSON) -> None:
    """Say what a surrogate is, what it was trained on, and how good it is."""
    from archgym.cli import show
    from archgym.surrogates.surrogate import read_info

    info = read_info(path)
    if json:
        return show.json_out(info)
    options = ", ".join(f"{name}={value}" for name, value in info["options"].items())
    scenario = ", ".join(f"{name}={value}" for name, value in info["scenario"].items())
    rows = [
        ("model", f"{info['kind']} ({options}), seed {info['seed']}"),
        ("environment", f"{info['environment']} ({scenario})"),
        ("cost model", info["model_hash"]),
        ("data set", f"{info['dataset'].get('name')}, content hash {info['dataset'].get('content_hash')}"),
        ("made", f"{info['created']}, archgym {info['archgym']}"),
    ]
    show.table("Surrogate", ("what", "value"), rows)
    trained = [(name, *(f"{info[of].get(name, 0):,}" for of in ("designs", "feasible"))) for name in info["workloads"]]
    show.table("Trained on", ("workload", "designs", "feasible"), trained, right=(1, 2))
    metrics = [(row["name"], row["unit"], row["doc"]) for row in info["layout"].get("metrics", ())]
    show.table("Predicts", ("metric", "unit", "meaning"), metrics)
    return _print_scores(info.get("scores", []), "test")


def _print_scores(rows: Sequence[dict[str, Any]], split: str) -> None:
    """A table per workload, those that were trained on first."""
    from archgym.cli import show

    columns = ("metric", "RMSE %", "MAPE %", "R2", "Spearman", "Kendall", "in 90 %")
    for name in dict.fromkeys(row["workload"] for row in sorted(rows, key=lambda row: not row["trained"])):
        own = [row for row in rows if row["workload"] == name]
        cells = [(row["metric"], *_scores(row)) for row in own]
        known = f"{split} designs" if own[0]["trained"] else f"{split} designs of a network it was not trained on"
        show.table(f"{name}: {own[0]['n']:,} {known}", columns, cells, right=range(1, len(columns)))
        show.out.print(
            f"Feasibility right: {100 * own[0]['feasible_right']:.1f} %; "
            f"flagged as unknown: {100 * own[0]['unknown']:.1f} %\n"
        )
    if not rows:
        return show.out.print(f"No feasible {split} designs")
    return show.out.print("RMSE: in % of the metric's range; in 90 %: true values inside the 90 % interval\n")


def _scores(row: dict[str, Any]) -> list[str]:
    cells = ["-" if row[name] is None else f"{row[name]:{form}}" for name, form in SCORES]
    return [*cells, f"{100 * row['coverage']:.1f} %"]


def _print_next(made: Surrogate, out: Path) -> None:
    from archgym.cli import show

    env, workload = shlex.quote(made.spec), shlex.quote(made.info["workloads"][0])
    where = shlex.quote(f"surrogate:{out}")
    show.out.print(f"Surrogate: {out}; search with it:", soft_wrap=True)
    show.out.print(f"  archgym search --env {env} --workload {workload} --cost-model {where}", soft_wrap=True)


def _print_design(made: Surrogate, path: Path, found: DesignPrediction) -> None:
    """Metrics with their intervals, and what a user should know."""
    from archgym.cli import show

    show.out.print(f"{found.environment} on {found.workload} by {path}\n", soft_wrap=True)
    cells = []
    for metric in made.layout.metrics:
        value, low, high = (show.quantity(number, metric.unit) for number in found.metrics[metric.name].values())
        cells.append((metric.name, value, low, high))
    show.table("Predicted", ("metric", "value", "90 % from", "to"), cells, right=(1, 2, 3))
    for note in found.notes:
        show.out.print(f"note: {note}")
    if found.unknown:
        show.out.print("Unknown: the design or the workload is unlike all that it was trained on; these are guesses")


@contextlib.contextmanager
def _bar(quiet: bool) -> Iterator[Callable[[int, int, float], None] | None]:
    """A progress bar on stderr over training steps, with the error on validation designs; None when quiet."""
    if quiet:
        yield None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from archgym.cli import show

    columns = (
        TextColumn("training"),
        BarColumn(bar_width=12),
        MofNCompleteColumn(),
        TextColumn("{task.fields[error]}"),
    )
    bar = Progress(*columns, TimeRemainingColumn(), console=show.err)
    task = bar.add_task("", total=None, error="")

    def on_step(done: int, total: int, error: float) -> None:
        bar.start()  # at the first step: an error before it stays one line
        known = "" if math.isnan(error) else f"validation error {100 * math.expm1(error):.2f} %"
        bar.update(task, completed=done, total=total, error=known)

    try:
        yield on_step
    finally:
        if bar.live.is_started:
            bar.stop()
