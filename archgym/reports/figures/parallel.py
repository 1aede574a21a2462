"""Every parameter of many designs: a line is a design, darker where its objective is better."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go

from archgym.plotting import LIGHT, SCALE
from archgym.reports.absent import Absent
from archgym.reports.cloud import evenly
from archgym.reports.data import TaskData

MOST = 1200  # lines
SPREAD = 0.22  # of the lines around a choice, in steps
WIDTH_PX = 62  # of a parameter


def figure(task: TaskData) -> go.Figure | Absent:
    """Choices at even steps with their labels; parameters that never vary are left out."""
    cloud = task.cloud
    if isinstance(cloud, Absent):
        return cloud
    rows = evenly(np.arange(len(cloud.sample.indices)), MOST)
    indices = np.concatenate([cloud.sample.indices[rows], cloud.front.indices])
    values = np.concatenate([cloud.sample.objectives[rows], cloud.front.objectives])[:, 0]
    varied = np.flatnonzero(indices.max(axis=0) > indices.min(axis=0))
    if not len(varied):
        return Absent("All valid designs of this run are the same.")
    order = np.argsort(-values, kind="stable")
    spread = np.random.default_rng(0).uniform(-SPREAD, SPREAD, indices.shape)  # lines of one choice, side by side
    places = (indices + spread)[order]
    dimensions = [_dimension(cloud.space.parameters[column], places[:, column]) for column in varied]
    # Shades tell ranks: values of a search crowd near the best. Plotly draws lines of larger numbers on top.
    shares = [0.0, 0.25, 0.5, 0.75, 1.0]
    ticks = [f"{value:.3g}" for value in np.quantile(values, shares)]
    bar = {"title": {"text": cloud.names[0], "side": "right"}, "thickness": 12}
    bar |= {"tickvals": [1 - share for share in shares], "ticktext": ticks}
    line = {"color": np.linspace(0, 1, len(order)).round(4).tolist(), "cmin": 0, "cmax": 1}
    line |= {"colorscale": SCALE, "reversescale": True, "showscale": True, "colorbar": bar}
    lines = go.Parcoords(line=line, dimensions=dimensions, labelangle=-28, labelside="top", tickfont={"size": 10})
    width = WIDTH_PX * len(varied) + 170
    return go.Figure(lines).update_layout(
        template=LIGHT, width=width, height=520, margin={"l": 90, "r": 60, "t": 120, "b": 30}
    )


def _dimension(parameter: Any, column: np.ndarray) -> dict[str, Any]:
    labels = [f"{choice:g}" if isinstance(choice, float) else str(choice) for choice in parameter.choices]
    positions = list(range(len(labels)))
    title = f"{parameter.name} [{parameter.unit}]" if parameter.unit else parameter.name
    ends = [-0.5, len(labels) - 0.5]
    return {
        "label": title,
        "values": column.round(3).tolist(),
        "tickvals": positions,
        "ticktext": labels,
        "range": ends,
    }
