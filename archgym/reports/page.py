"""A report as one page that opens anywhere: figures, tables and the command that makes the run again, no network.

The words stand in page.html (Jinja2, which escapes whatever comes from a run), numbers come from ReportData.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import archgym
from archgym.errors import missing_extra
from archgym.metrics import operator_table, quantity
from archgym.plotting import DARK, LIGHT, write_text
from archgym.reports.absent import Absent
from archgym.reports.cloud import axes_of
from archgym.reports.command import spelled
from archgym.reports.data import ReportData, TaskData
from archgym.reports.design import BestDesign
from archgym.reports.figures import draw
from archgym.reports.presets import Machine, Standing, times
from archgym.search.run import NUMBERS

DETAILED = 4  # tasks whose best run is shown in detail
FRONT_ROWS = 12  # designs of the front in its table
OPERATOR_ROWS = 40
DETAILS = ("convergence", "front", "parallel", "importance", "operators", "roofline", "parts", "presets")
CONFIG = {"displaylogo": False, "responsive": True, "modeBarButtonsToRemove": ["select2d", "lasso2d", "autoScale2d"]}


class Table(NamedTuple):
    """A table: `numbers` are the columns that are aligned to the right."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    numbers: Sequence[int] = ()


class Drawn(NamedTuple):
    """A figure in HTML, and the width that it needs at least; or why there is none."""

    html: str = ""
    absent: str = ""
    least_px: int = 0


def write_report(report: ReportData, path: str | Path) -> None:
    """Write the page.

    Raises:
        MissingExtraError: Plotly, Jinja2 or scikit-learn is not installed; RunError: the file cannot be written.
    """
    write_text(path, page(report))


def page(report: ReportData) -> str:
    """The page as text.

    Raises:
        MissingExtraError: Plotly, Jinja2 or scikit-learn is not installed.
    """
    try:
        import jinja2
        from plotly.offline import get_plotlyjs
    except ImportError as error:
        raise missing_extra("a report", "plots", error) from error
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    template = environment.from_string(files(archgym).joinpath("reports/page.html").read_text())
    return template.render(
        title=_title(report),
        tasks=[_task(task, number) for number, task in enumerate(report.tasks)],
        plotlyjs=get_plotlyjs(),
        templates=_script({"light": LIGHT, "dark": DARK}),
        version=archgym.__version__,
    )


def _script(value: Any) -> str:
    """JSON that may stand in a script: no text in it can end the script."""
    return json.dumps(value).replace("<", "\\u003c")


def _title(report: ReportData) -> str:
    return report.tasks[0].place if len(report.tasks) == 1 else f"{len(report.tasks)} searches"


def _task(task: TaskData, number: int) -> dict[str, Any]:
    """What the template says of a task."""
    detailed, design = number < DETAILED, task.design
    names = DETAILS if detailed else DETAILS[:1]
    return {
        "id": f"task-{number + 1}",
        "place": task.place,
        "data": task,
        "config": task.best.run.config,
        "joint": task.best.run.config["compression"] is not None,
        "several": len(task.objective) > 1,
        "cards": _cards(task),
        "absent": design.why if isinstance(design, Absent) else "",
        "detailed": detailed,
        "figures": {name: _figure(name, task, f"{name}-{number + 1}") for name in names},
        "runs": _runs(task) if len(task.runs) > 1 else None,
        "parameters": None if isinstance(design, Absent) else _parameters(task, design),
        "metrics": None if isinstance(design, Absent) else _metrics(task, design),
        "front": _front(task),
        "operators": _operators(task, design),
        "limits": _limits(design),
        "presets": None if isinstance(task.machines, Absent) else _presets(task, task.machines),
        "importance": task.importance if detailed and not isinstance(task.importance, Absent) else (),
        "command": "" if isinstance(task.command, Absent) else spelled(task.command),
        "no_command": task.command.why if isinstance(task.command, Absent) else "",
        "identity": _identity(task),
    }


def _figure(name: str, task: TaskData, key: str) -> Drawn:
    """A figure in HTML, as wide as the page, whose script repaints it in the dark."""
    drawn = draw(name, task)
    if isinstance(drawn, Absent):
        return Drawn(absent=drawn.why)
    least = int(drawn.layout.width or 0)
    drawn.update_layout(width=None)
    html = drawn.to_html(full_html=False, include_plotlyjs=False, div_id=key, config=CONFIG, default_width="100%")
    return Drawn(html=html, least_px=least)


def _cards(task: TaskData) -> list[tuple[str, str, str]]:
    """The few numbers that matter most: name, value, remark."""
    best, result = task.best, task.best.result
    cards = []
    for name, value in zip(task.objective, result["objectives"] or [], strict=False):
        unit = task.metrics[name].unit if name in task.metrics else ""
        of_front = "smallest of the front" if name == task.objective[0] else "of the same design"
        cards.append((name, quantity(value, unit), of_front if len(task.objective) > 1 else "of the best design"))
    if len(task.objective) == 1 and result["metrics"]:
        others = [name for name in axes_of(best.request.objective) if name not in task.objective]
        cards += [(name, _value(task, name, result["metrics"][name]), task.metrics[name].doc) for name in others]
    if len(task.objective) > 1:
        cards.append(("Pareto front", f"{len(result['front']):,} designs", "that no other of the run dominates"))
    elif best.regret is not None and best.optimum is not None:
        cards.append(("regret", f"{100 * best.regret:.2f} %", f"above the true optimum {best.optimum:.4g}"))
    share = f"{best.valid:,} valid, {result['infeasible']:,} infeasible, {result['violating']:,} outside a constraint"
    whose = "of the best run" if len(task.runs) > 1 else "evaluated"
    cards.append((f"designs {whose}", f"{result['evaluated']:,}", share))
    spent = f"{quantity(result['model_s'], 's')} cost model, {quantity(result['agent_s'], 's')} agent"
    return [*cards, ("time", quantity(result["elapsed_s"], "s"), spent)]


def _runs(task: TaskData) -> Table:
    """One row per run."""
    several = len(task.objective) > 1
    columns = ["run", "agent", "seed", "designs", task.objective[0], "regret", "valid", "time", "state"]
    if several:
        columns[5:6] = ["front", "hypervolume missing"]
    rows = []
    for run, end in zip(task.runs, task.convergence.ends, strict=True):
        best = "none" if run.best is None else _value(task, task.objective[0], run.best)
        regret = "unknown" if run.regret is None else f"{100 * run.regret:.2f} %"
        measured = [f"{len(run.result['front']):,}", f"{100 * end:.2f} %"] if several else [regret]
        state = "finished" if run.finished else f"{run.result['evaluated']:,} of {run.run.config['budget']:,}"
        counts = [f"{run.result['evaluated']:,}", best, *measured, f"{run.valid:,}"]
        name = run.run.path.name + (" (best)" if run is task.best else "")
        seed = str(run.run.config["seed"])
        rows.append([name, run.contestant, seed, *counts, quantity(run.result["elapsed_s"], "s"), state])
    return Table(columns, rows, range(2, len(columns) - 1))


def _parameters(task: TaskData, design: BestDesign) -> Table:
    """The best design, with the choices that were open."""
    space, family = task.best.request.space, task.best.request.evaluator.family
    docs = {parameter.name: parameter for parameter in (*family.joint_space.parameters, *space.parameters)}
    rows = []
    for name, value in design.design.items():
        parameter = docs[name]
        open_ = len(space[name].choices) if name in space.names else 1
        rows.append([name, f"{value} {parameter.unit}".strip(), str(open_), parameter.doc])
    return Table(("parameter", "value", "choices", "meaning"), rows, (2,))


def _metrics(task: TaskData, design: BestDesign) -> Table:
    """Totals; their parts are a figure."""
    parts = ("energy_", "area_")
    rows = [
        [name, quantity(value, task.metrics[name].unit), task.metrics[name].doc]
        for name, value in design.metrics.items()
        if name in task.metrics and (not name.startswith(parts) or name in ("energy_j", "area_mm2"))
    ]
    return Table(("metric", "value", "meaning"), rows)


def _front(task: TaskData) -> Table | None:
    """Some designs of the front, evenly over it: objectives, and the parameters in which they differ."""
    rows = task.best.result["front"]
    if len(task.objective) < 2 or not rows:
        return None
    step = max((len(rows) - 1) / max(FRONT_ROWS - 1, 1), 1)
    shown = [rows[round(i * step)] for i in range(min(FRONT_ROWS, len(rows)))]
    names = [name for name in shown[0]["design"] if len({str(row["design"].get(name)) for row in shown}) > 1]
    cells = [
        [
            *(_value(task, name, value) for name, value in zip(task.objective, row["objectives"], strict=True)),
            *(str(row["design"].get(name, "")) for name in names),
        ]
        for row in shown
    ]
    return Table((*task.objective, *names), cells, range(len(task.objective)))


def _operators(task: TaskData, design: BestDesign | Absent) -> Table | None:
    """The slowest operators."""
    if isinstance(design, Absent) or isinstance(design.operators, Absent):
        return None
    return Table(*operator_table(design.operators, OPERATOR_ROWS))


def _limits(design: BestDesign | Absent) -> str:
    """Shares of the operators' time by bottleneck, in words."""
    if isinstance(design, Absent) or isinstance(design.operators, Absent):
        return ""
    shares: dict[str, float] = {}
    for row in design.operators:
        shares[row["bottleneck"]] = shares.get(row["bottleneck"], 0.0) + row["latency_s"]
    total = sum(shares.values())
    ordered = sorted(shares.items(), key=lambda item: -item[1])
    return ", ".join(f"{name} {100 * value / total:.0f} %" for name, value in ordered if value > 0)


def _presets(task: TaskData, machines: Sequence[Machine]) -> Table:
    """Every machine: what it reaches, or why it cannot run the workload."""
    names = list(
        dict.fromkeys([*task.objective, *(n for n in ("latency_s", "energy_j", "area_mm2") if n in task.metrics)])
    )
    first = task.objective[0]
    rows = []
    for machine in machines:
        for standing, scenario in _scenarios(machine):
            cells = _standing_cells(task, standing, names, first)
            rows.append([machine.name, scenario, *cells, machine.source])
    columns = ("machine", "scenario", *names, "to the best", "", "source")
    return Table(columns, rows, range(2, 3 + len(names)))


def _scenarios(machine: Machine) -> list[tuple[Standing, str]]:
    built = (machine.built, machine.scenario.removeprefix("?").replace("&", ", ") or "its own")
    return [built] if machine.built == machine.moved else [built, (machine.moved, "this run's")]


def _standing_cells(task: TaskData, standing: Standing, names: Sequence[str], first: str) -> list[str]:
    if standing.metrics is None or standing.objectives is None:
        return [*("" for _ in names), "", standing.why]
    known = dict(standing.metrics) | dict(zip(task.objective, standing.objectives, strict=True))
    best = task.best.best
    ratio = times(standing.objectives[0] / best) if best is not None and best > 0 else ""
    remark = "" if standing.meets else "outside the constraints"
    return [*(_value(task, name, known[name]) for name in names), ratio, remark]


def _value(task: TaskData, name: str, value: float) -> str:
    return quantity(value, task.metrics[name].unit if name in task.metrics else "")


def _identity(task: TaskData) -> Table:
    """Versions, hashes and seed: what the numbers depend on."""
    config: Mapping[str, Any] = task.best.run.config
    rows = [("seed", str(config["seed"])), ("made", config.get("created", "unknown"))]
    rows += [(name, str(config.get(name, "unknown"))) for name in ("archgym", "python", "numpy")]
    rows += [(name.replace("_", " "), str(config[name])) for name in NUMBERS if config[name]]
    if config.get("command"):
        rows.append(("made by", " ".join(map(str, config["command"]))))
    return Table(("what", "value"), rows)
