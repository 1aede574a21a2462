"""Energy and area of the best design by component."""

from __future__ import annotations

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from archgym.metrics import quantity
from archgym.plotting import COLOURS, LIGHT
from archgym.reports.absent import Absent
from archgym.reports.data import TaskData
from archgym.reports.design import parts_of
from archgym.reports.figures.common import with_unit


def figure(task: TaskData) -> go.Figure | Absent:
    """A bar per component with its share of the total."""
    if isinstance(task.design, Absent):
        return task.design
    groups = parts_of(task.design.metrics)
    if not groups:
        return Absent("The cost model tells no parts of energy or area.")
    totals = [f"{total}: {quantity(task.design.metrics[total], task.metrics[total].unit)}" for total in groups]
    sizes = [len(parts) for parts in groups.values()]
    height = 60 * len(groups) + 28 * sum(sizes)
    whole = make_subplots(len(groups), 1, subplot_titles=totals, vertical_spacing=80 / (height + 90), row_heights=sizes)
    for row, (total, parts) in enumerate(groups.items(), 1):
        unit, sum_ = task.metrics[total].unit, task.design.metrics[total]
        names = sorted(parts, key=lambda name: parts[name])
        whole.add_bar(
            x=[parts[name] for name in names],
            y=names,
            orientation="h",
            text=[f"{100 * parts[name] / sum_:.1f} %" for name in names],
            customdata=[quantity(parts[name], unit) for name in names],
            textposition="outside",
            cliponaxis=False,
            marker_color=COLOURS[row - 1],
            showlegend=False,
            hovertemplate="%{y}: %{customdata}, %{text}<extra></extra>",
            row=row,
            col=1,
        )
        whole.update_xaxes(**with_unit(unit), range=[0, 1.15 * max(parts.values())], row=row, col=1)
    return whole.update_annotations(font_size=14).update_layout(template=LIGHT, height=height + 90)
