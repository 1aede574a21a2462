"""Every operator of the best design under the roofs of its engines."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from archgym.metrics import quantity
from archgym.plotting import LIGHT
from archgym.reports.absent import Absent
from archgym.reports.data import TaskData
from archgym.reports.design import Point, Roof
from archgym.reports.figures.common import bottleneck_colours, by_bottleneck, translucent

LARGEST_PX = 44  # diameter of an operator that takes all the time
INK = "#6b7a85"
BELOW = {"orientation": "h", "x": 0, "y": -0.14, "yanchor": "top"}  # the legend: roofs have long names
DASHES = ("solid", "dash", "dot", "dashdot")


def figure(task: TaskData) -> go.Figure | Absent:
    """Attained operations per second over operations per byte; areas of the points are shares of the time."""
    if isinstance(task.design, Absent):
        return task.design
    found = task.design.roofline
    if isinstance(found, Absent):
        return found
    if not found.points:
        return Absent("No operator of this workload computes anything.")
    low, high = _span(found.points, found.roofs)
    whole = go.Figure()
    colours = bottleneck_colours(task.best.request.evaluator.family.relief, (p.bottleneck for p in found.points))
    for number, roof in enumerate(found.roofs):
        _roof(whole, roof, low, high, DASHES[number % len(DASHES)])
    if any(point.vector for point in found.points):
        _vector_roofs(whole, found.roofs, low, high)
    for bottleneck, colour, own in by_bottleneck(colours, found.points, lambda point: point.bottleneck):
        _points(whole, own, bottleneck, colour, high)
    whole.update_xaxes(
        title=f"operations per byte ({found.bytes_counted})",
        type="log",
        dtick=1,
        exponentformat="none",
        separatethousands=True,
    )
    whole.update_yaxes(title="operations per second", type="log", exponentformat="SI", dtick=1)
    return whole.update_layout(template=LIGHT, height=620, hovermode="closest", legend=BELOW)


def _span(points: Sequence[Point], roofs: Sequence[Roof]) -> tuple[float, float]:
    """Range of intensities: of the points, and of the ridges of the roofs."""
    known = [point.intensity for point in points if np.isfinite(point.intensity)]
    ridges = [roof.ops_per_s / roof.bytes_per_s for roof in roofs if roof.bytes_per_s > 0]
    known += ridges or [1.0]
    return min(known) / 3, max(known) * 4


def _roof(whole: go.Figure, roof: Roof, low: float, high: float, dash: str) -> None:
    """The slope of the memory up to the ridge, then the peak."""
    ridge = roof.ops_per_s / roof.bytes_per_s if roof.bytes_per_s > 0 else low
    x = [low, min(max(ridge, low), high), high]
    label = f"{roof.engine}: {_si(roof.ops_per_s)}ops/s, {_si(roof.bytes_per_s)}B/s"
    line = {"color": INK, "width": 2, "dash": dash}
    y = [roof.at(intensity) for intensity in x]
    whole.add_scatter(x=x, y=y, mode="lines", name=label, line=line, hovertemplate=label + "<extra></extra>")


def _vector_roofs(whole: go.Figure, roofs: Sequence[Roof], low: float, high: float) -> None:
    """Lower roofs of vector operators; engines that share a vector unit have one."""
    engines: dict[float, list[str]] = {}
    for roof in (roof for roof in roofs if roof.vector_per_s > 0):
        engines.setdefault(roof.vector_per_s, []).append(roof.engine)
    thin = {"color": translucent(INK, 0.6), "width": 1, "dash": "dot"}
    for peak, names in engines.items():
        label = f"vector unit ({', '.join(names)}): {_si(peak)}ops/s"
        hover = label + "<extra></extra>"
        whole.add_scatter(x=[low, high], y=[peak, peak], mode="lines", name=label, line=thin, hovertemplate=hover)


def _points(whole: go.Figure, points: Sequence[Point], name: str, colour: str, edge: float) -> None:
    """Products are circles, vector operators diamonds; those that move no bytes stand at the right edge."""
    shapes = ["diamond" if point.vector else "circle" for point in points]
    symbols = [shape if np.isfinite(p.intensity) else "triangle-right" for shape, p in zip(shapes, points, strict=True)]
    texts = [
        f"<b>{point.operator}</b><br>{point.shape}<br>{_si(point.ops_per_s)}ops/s at {_intensity(point)}<br>"
        f"{_si(point.latency_s)}s, {100 * point.share:.1f} % of the time"
        for point in points
    ]
    whole.add_scatter(
        x=[point.intensity if np.isfinite(point.intensity) else edge for point in points],
        y=[point.ops_per_s for point in points],
        mode="markers",
        name=name,
        marker={
            "color": translucent(colour, 0.75),
            "symbol": symbols,
            "size": [max(LARGEST_PX * np.sqrt(point.share), 8.0) for point in points],
            "line": {"color": "white", "width": 1},
        },
        text=texts,
        hovertemplate="%{text}<extra>" + name + "</extra>",
    )


def _intensity(point: Point) -> str:
    return f"{point.intensity:.3g} ops/B" if np.isfinite(point.intensity) else "no bytes moved"


def _si(value: float) -> str:
    """A value with its prefix: `12.3 T`."""
    return quantity(value, "B")[:-1]
