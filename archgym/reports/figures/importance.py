"""Which parameters mattered: bars, one colour for each objective."""

from __future__ import annotations

import plotly.graph_objects as go

from archgym.plotting import COLOURS, LIGHT
from archgym.reports.absent import Absent
from archgym.reports.data import TaskData

MOST = 20  # parameters shown


def figure(task: TaskData) -> go.Figure | Absent:
    """Loss of the forest's R2 on held-out designs when a parameter is shuffled; whiskers: standard deviation."""
    found = task.importance
    if isinstance(found, Absent):
        return found
    ranked: dict[str, float] = {}
    for one in found:
        for name, value in zip(one.parameters, one.values, strict=True):
            ranked[name] = max(ranked.get(name, 0.0), value)
    names = sorted(ranked, key=lambda name: -ranked[name])[:MOST]
    whole = go.Figure()
    for number, one in enumerate(found):
        own = {
            name: (value, spread) for name, value, spread in zip(one.parameters, one.values, one.spread, strict=True)
        }
        whiskers = {"type": "data", "array": [own[name][1] for name in names], "thickness": 1, "color": "#5b6972"}
        whole.add_bar(
            y=names, x=[own[name][0] for name in names], error_x=whiskers, orientation="h",
            name=f"{one.objective} (held-out R2 {one.r2:.2f})", marker_color=COLOURS[number % len(COLOURS)],
            hovertemplate="%{y}: %{x:.3f}<extra></extra>",
        )  # fmt: skip
    whole.update_yaxes(autorange="reversed")
    whole.update_xaxes(title="loss of R2 when shuffled", rangemode="tozero")
    bars = len(names) * len(found)
    return whole.update_layout(template=LIGHT, height=150 + max(14 * bars, 24 * len(names)), showlegend=True)
