"""How values look: SI prefixes, tables, progress. Fits 80 columns and reads without colour."""

from __future__ import annotations

import contextlib
import json
import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from archgym.metrics import operator_table
from archgym.metrics import quantity as quantity

if TYPE_CHECKING:
    from archgym.envs.family import Family
    from archgym.metrics import Metric
    from archgym.search import Progress as Standing
    from archgym.space import Value
    from archgym.workloads import Workload

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


def json_out(value: Any) -> None:
    """Print JSON for scripts; NaN and infinity, which JSON lacks, become null."""
    print(json.dumps(_finite(value), indent=2))


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> None:
    """Print a table; `right` lists the columns of numbers."""
    grid = Table(title=title, title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for index, column in enumerate(columns):
        grid.add_column(column, justify="right" if index in right else "left", overflow="fold")
    for row in rows:
        grid.add_row(*row)
    out.print(grid)
    out.print()


def design_table(title: str, family: Family, design: Mapping[str, Value]) -> None:
    """The parameters of a design with units."""
    parameters = [p for p in family.joint_space.parameters if p.name in design]
    rows = [(p.name, f"{design[p.name]} {p.unit}".strip(), p.doc) for p in parameters]
    table(title, ("parameter", "value", "meaning"), rows)


def metrics_table(known: Sequence[Metric], metrics: Mapping[str, float]) -> None:
    """What a design achieves, by the metrics of its cost model: its totals, then the shares of energy and area."""
    from archgym.compression.judge import QUALITY_METRICS

    parts = ("energy_", "area_")
    listed = {m.name: m for m in (*known, *QUALITY_METRICS)}  # each once: a cost model may have learned quality
    named = [listed[name] for name in listed if name in metrics]
    totals = [m for m in named if not (m.name.startswith(parts) and m.name not in ("energy_j", "area_mm2"))]
    table(
        "Metrics", ("metric", "value", "meaning"), [(m.name, quantity(metrics[m.name], m.unit), m.doc) for m in totals]
    )
    rows = []
    for total, prefix in (("energy_j", "energy_"), ("area_mm2", "area_")):
        for metric in named:
            if metric.name.startswith(prefix) and metric.name != total and total in metrics:
                value = metrics[metric.name]
                rows.append((metric.name, quantity(value, metric.unit), f"{100 * value / metrics[total]:.1f} %"))
    if rows:
        table("Breakdown", ("component", "value", "share"), rows, right=(2,))


def operators_title(workload: Workload) -> str:
    """What the table of operators is about."""
    return "Operators of one frame of each network" if workload.tasks else "Operators"


def operators_table(rows: Sequence[Mapping[str, Any]], what: str, at_most: int | None = None) -> None:
    """The operators of a workload by latency, with their bottleneck; the first `at_most`."""
    if not rows:
        return
    columns, cells, numbers = operator_table(rows, at_most)
    title = f"{what} ({len(cells)} of {len(rows)} by latency)" if len(cells) < len(rows) else what
    table(title, columns, cells, right=numbers)


@contextlib.contextmanager
def progress(what: str, quiet: bool) -> Iterator[Callable[[Standing], None] | None]:
    """A progress bar on stderr with designs/s, best so far and time left; None when quiet."""
    if quiet:
        yield None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=12),
        TaskProgressColumn(),
        TextColumn("{task.fields[rate]} designs/s  best {task.fields[best]} "),
        TimeRemainingColumn(compact=True),
    )
    bar = Progress(*columns, console=err)
    task = bar.add_task(what, total=None, rate="-", best="-")

    def show(now: Standing) -> None:
        bar.start()  # at the first design: an error before it stays one line
        best = f"{now.best:.4g}" if math.isfinite(now.best) else "-"
        bar.update(task, total=now.budget, completed=now.evaluated, rate=f"{now.designs_per_s:,.0f}", best=best)

    try:
        yield show
    finally:
        if bar.live.is_started:
            bar.stop()


@contextlib.contextmanager
def counter(what: str, quiet: bool) -> Iterator[Callable[[int, int], None] | None]:
    """A progress bar on stderr over a number of runs; None when quiet."""
    if quiet:
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=12), TaskProgressColumn(show_speed=False))
    with Progress(*columns, TextColumn("{task.completed:g} of {task.total:g} runs"), console=err) as bar:
        task = bar.add_task(what, total=1)
        yield lambda done, total: bar.update(task, completed=done, total=total)


class _Lines(logging.Handler):
    """A line above the progress bar, where there is one."""

    def emit(self, record: logging.LogRecord) -> None:
        err.print(f"archgym: {record.getMessage()}", soft_wrap=True, markup=False)


def log_to_stderr(level: int = logging.INFO) -> None:
    """Show what the library logs from a level: the first compilation, what keeps a run from being mirrored."""
    handler = _Lines()
    logger = logging.getLogger("archgym")
    logger.handlers = [handler]  # not one more with every command of a process
    logger.setLevel(level)
