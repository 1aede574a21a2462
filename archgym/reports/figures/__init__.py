"""The figures of a report, by name: functions of a task's data that return a Plotly figure, or say why there is none.

A figure of one's own is one function `(TaskData) -> Figure | Absent` and one line here, or an entry point in the group
`archgym.figures`; `archgym plot` then draws it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from archgym.registry import Entry, Registry
from archgym.reports.absent import Absent

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from archgym.reports.data import TaskData


def _entry(name: str, summary: str) -> Entry:
    return Entry(f"archgym.reports.figures.{name}:figure", summary, extra="plots")


FIGURES = Registry(
    "figure",
    {
        "convergence": _entry("convergence", "best so far and regret, or missing hypervolume, over designs"),
        "front": _entry("front", "designs in the plane of what is traded off, and the Pareto front"),
        "parallel": _entry("parallel", "parallel coordinates: every parameter of many designs"),
        "importance": _entry("importance", "which parameters mattered, by permutation on a forest"),
        "operators": _entry("operators", "time of the best design's operators by bottleneck"),
        "parts": _entry("parts", "energy and area of the best design by component"),
        "roofline": _entry("roofline", "operators of the best design under the roofs of its engines"),
        "presets": _entry("presets", "published machines relative to the best design"),
    },
)


def draw(name: str, task: TaskData) -> go.Figure | Absent:
    """A figure of a task.

    Raises:
        UnknownNameError: no such figure; MissingExtraError: Plotly or scikit-learn is not installed.
    """
    drawn: go.Figure | Absent = FIGURES.load(name)(task)
    return drawn
