"""What every sub-accelerator does when: the run of a scenario, frame by frame, as records and as a figure.

The event loop is the one that the compiled model runs, as plain Python with a log.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from archgym.envs.evaluator import Evaluator
from archgym.envs.xr.budget import clusters_of, dataflow_of
from archgym.envs.xr.cost import budget, frames, times_and_energies
from archgym.envs.xr.runtime import LOG_FIELDS, Run, simulate
from archgym.errors import InputError, missing_extra
from archgym.workloads import Workload

if TYPE_CHECKING:
    import plotly.graph_objects as go

_FIELDS = ("task", "frame", "accelerator", "arrival_ms", "start_ms", "end_ms", "deadline_ms")
FRAME_DTYPE = np.dtype([(name, np.float64 if name.endswith("_ms") else np.int64) for name in _FIELDS])
_COLOURS = (
    "#4477aa",
    "#66ccee",
    "#228833",
    "#ccbb44",
    "#aa3377",
    "#bbbbbb",
)  # Paul Tol's bright scheme without its red
_LATE, _DROPPED = "#ee3333", "#000000"


@dataclass(frozen=True)
class Timeline:
    """The run of a scenario on a design.

    Attributes:
        environment, workload: canonical specs.
        tasks: name of each network.
        lanes: dataflow and size of each sub-accelerator.
        frames: every counted frame [N] of FRAME_DTYPE, in the order in which they ended; accelerator -1: dropped.
        run: scores and counts.
    """

    environment: str
    workload: str
    tasks: tuple[str, ...]
    lanes: tuple[str, ...]
    frames: np.recarray
    run: Run

    def rows(self) -> list[dict[str, Any]]:
        """The frames as plain values, for files."""
        return [
            {"task": self.tasks[frame.task], "dropped": bool(frame.accelerator < 0), "late": _late(frame)}
            | {name: frame[name].item() for name in _FIELDS[1:]}
            for frame in self.frames
        ]


def timeline(
    design: str | Mapping[str, Any] | Sequence[str], environment: str = "xr", workload: str | Workload | None = None
) -> Timeline:
    """The run of a scenario on a design.

    Args:
        design, environment, workload: as in `archgym.evaluate`; the environment is `xr`.

    Raises:
        InputError: another environment, a workload without frame rates, an infeasible or unknown design.
    """
    from archgym import api

    result = api.evaluate(design, environment, workload)
    if result.environment.partition("?")[0] != "xr":
        raise InputError(f"a timeline is a run of the xr environment, not of {result.environment!r}")
    if not result.feasible:
        raise InputError(f"the design is infeasible: {result.why}")
    model = api.evaluator(result.environment, workload if isinstance(workload, Workload) else result.workload)
    if not model.workload.tasks:
        raise InputError(
            f"{result.workload!r} is one run of one network: a timeline needs frame rates, as xr-vr-gaming"
        )
    return record(model, model.family.space.design(result.design))


def record(model: Evaluator, design: np.ndarray) -> Timeline:
    """The run of the model's workload on a feasible design record [1]."""
    values = design.view(np.recarray)[0]
    fixed = budget(values, model.technology)
    tasks, technology = model.workload.task_table, model.technology
    table = frames(values, model.workload.operators, tasks, technology, fixed)
    times, energies = times_and_energies(table)
    log = np.zeros((_most_frames(tasks, float(technology.duration_ms)), LOG_FIELDS))
    run, _ = simulate(times, energies, tasks, values.scheduler, technology.duration_ms, technology.seed, log)
    rows = [tuple(row) for row in log[: run.logged]]
    names = model.family.space["dataflow_2"].vocabulary
    lanes = []
    for accelerator in range(fixed.accelerators):
        clusters, cluster = clusters_of(values, accelerator, fixed.accelerators)
        dataflow = names[int(dataflow_of(values, accelerator))]
        lanes.append(f"{accelerator + 1}: {dataflow}, {clusters * cluster:g} PEs")
    return Timeline(
        model.name,
        model.workload.name,
        tuple(task.name for task in model.workload.tasks),
        tuple(lanes),
        np.array(rows, FRAME_DTYPE).view(np.recarray),
        run,
    )


def _most_frames(tasks: np.recarray, duration_ms: float) -> int:
    return int(sum(duration_ms / np.floor(1000 / rate) if rate > 0 else 1 for rate in tasks.rate_hz) + len(tasks))


def _late(frame: Any) -> bool:
    return bool(frame.accelerator >= 0 and frame.end_ms > frame.deadline_ms)


def figure(line: Timeline) -> go.Figure:
    """A Plotly figure: above a lane per sub-accelerator, below a row per network with its deadlines.

    Above, a bar is a frame while it runs; late ones are hatched in red. Below, a bar reaches from arrival to deadline;
    a dot is the end of a frame in time, a red diamond of a late one, a black cross a dropped frame.

    Raises:
        MissingExtraError: Plotly is not installed.
    """
    try:
        from plotly.subplots import make_subplots
    except ImportError as error:
        raise missing_extra("a timeline", "plots", error) from None

    heights = [len(line.lanes), len(line.tasks)]
    titles = ("What each sub-accelerator runs", "Each network's frames, from arrival to deadline, and when they ended")
    whole = make_subplots(rows=2, shared_xaxes=True, row_heights=heights, vertical_spacing=0.12, subplot_titles=titles)
    for task, name in enumerate(line.tasks):
        own = line.frames[line.frames.task == task]
        colour = _COLOURS[task % len(_COLOURS)]
        ran, dropped = own[own.accelerator >= 0], own[own.accelerator < 0]
        late = np.array([_late(frame) for frame in ran], bool)
        edges = {"color": np.where(late, _LATE, "white"), "width": np.where(late, 2.0, 0.5)}
        whole.add_bar(
            orientation="h",
            y=[line.lanes[accelerator] for accelerator in ran.accelerator],
            base=ran.start_ms,
            x=ran.end_ms - ran.start_ms,
            marker={"color": colour, "line": edges, "pattern": {"shape": np.where(late, "/", ""), "fgcolor": _LATE}},
            showlegend=False,
            customdata=np.stack([ran.frame, ran.arrival_ms, ran.end_ms, ran.deadline_ms], axis=-1),
            hovertemplate=f"{name} %{{customdata[0]}}<br>arrival %{{customdata[1]:.2f}}, start %{{base:.2f}}, "
            "end %{customdata[2]:.2f}, deadline %{customdata[3]:.2f} ms<extra></extra>",
            row=1,
            col=1,
        )
        whole.add_bar(
            orientation="h",
            y=[name] * len(own),
            base=own.arrival_ms,
            x=own.deadline_ms - own.arrival_ms,
            width=0.7,
            marker={"color": colour, "opacity": 0.35, "line": {"color": "white", "width": 1.5}},
            hoverinfo="skip",
            showlegend=False,
            row=2,
            col=1,
        )
        marks = (
            ("in time", ran[~late].end_ms, "circle", colour),
            ("late", ran[late].end_ms, "diamond", _LATE),
            ("dropped", dropped.end_ms, "x", _DROPPED),
        )
        for label, at, symbol, shade in marks:
            whole.add_scatter(
                x=at,
                y=[name] * len(at),
                mode="markers",
                marker={"symbol": symbol, "color": shade, "size": 8, "line": {"color": "white", "width": 0.5}},
                hovertemplate=f"{name} {label}: %{{x:.2f}} ms<extra></extra>",
                showlegend=False,
                row=2,
                col=1,
            )
    entries = [(name, "square", _COLOURS[task % len(_COLOURS)]) for task, name in enumerate(line.tasks)]
    for label, symbol, shade in (*entries, ("late", "diamond", _LATE), ("dropped", "x", _DROPPED)):  # the legend
        marker = {"symbol": symbol, "color": shade, "size": 10}
        whole.add_scatter(x=[None], y=[line.tasks[0]], mode="markers", marker=marker, name=label, row=2, col=1)
    run = line.run
    title = (
        f"{line.workload} on {line.environment}: score {run.score:.3f}, {run.frames:g} frames, "
        f"{run.misses:g} late, {run.drops:g} dropped"
    )
    whole.update_layout(
        title=title,
        barmode="overlay",
        template="plotly_white",
        height=260 + 60 * sum(heights),
        legend={"orientation": "h", "yref": "container", "y": 0.02},
    )
    whole.update_yaxes(categoryorder="array", categoryarray=line.lanes[::-1], row=1, col=1)
    whole.update_yaxes(categoryorder="array", categoryarray=line.tasks[::-1], row=2, col=1)
    whole.update_xaxes(title="time (ms)", row=2, col=1)
    return whole


def save(line: Timeline, path: str | Path) -> None:
    """Write the figure as one page that needs no network.

    Raises:
        InputError: a path that does not end in .html, or cannot be written; MissingExtraError: no Plotly.
    """
    path = Path(path)
    if path.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"a timeline is written as a page, .html, not as {path.name!r}: pictures would need a browser")
    page = figure(line).to_html(include_plotlyjs=True)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error
