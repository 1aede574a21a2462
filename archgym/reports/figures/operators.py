"""Where the best design's time goes: the slowest operators, each in the colour of its bottleneck."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from archgym.plotting import FAINT, LIGHT
from archgym.reports.absent import Absent
from archgym.reports.data import TaskData
from archgym.reports.figures.common import bottleneck_colours, by_bottleneck, with_unit

MOST = 18  # operators shown one by one


def figure(task: TaskData) -> go.Figure | Absent:
    """Bars by latency, the rest as one."""
    if isinstance(task.design, Absent):
        return task.design
    rows = task.design.operators
    if isinstance(rows, Absent):
        return rows
    ordered = sorted((row for row in rows if row["latency_s"] > 0), key=lambda row: -row["latency_s"])
    total = sum(row["latency_s"] for row in ordered)
    shown, rest = ordered[:MOST], _sum(ordered[MOST:])
    colours = bottleneck_colours(task.best.request.evaluator.family.relief, (row["bottleneck"] for row in ordered))
    whole = go.Figure()
    for bottleneck, colour, own in by_bottleneck(colours, shown, lambda row: row["bottleneck"]):
        _bars(whole, own, total, bottleneck, colour)
    if rest:
        _bars(whole, rest, total, "others", FAINT)
    names = [row["operator"] for row in (*shown, *rest)]
    longest = max(row["latency_s"] for row in (*shown, *rest))
    whole.update_yaxes(categoryorder="array", categoryarray=names[::-1])
    whole.update_xaxes(title="latency", range=[0, 1.12 * longest], **with_unit("s"))
    return whole.update_layout(template=LIGHT, height=130 + 26 * len(names), showlegend=True, barmode="stack")


def _sum(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The remaining rows as one; none where there are none."""
    if not rows:
        return []
    sums = {name: sum(row[name] for row in rows) for name in ("latency_s", "macs")}
    return [{"operator": f"{len(rows)} others"} | sums]


def _bars(whole: go.Figure, rows: Sequence[Mapping[str, Any]], total: float, name: str, colour: str) -> None:
    whole.add_bar(
        y=[row["operator"] for row in rows],
        x=[row["latency_s"] for row in rows],
        name=name,
        orientation="h",
        marker_color=colour,
        text=[f"{100 * row['latency_s'] / total:.1f} %" for row in rows],
        textposition="outside",
        cliponaxis=False,
        customdata=[row["macs"] / 1e6 for row in rows],
        hovertemplate="%{y}: %{x:.4~s}s, %{customdata:,.1f} MMACs<extra>" + name + "</extra>",
    )
