"""Designs in the plane of what is traded off: in two dimensions, three, or every pair of more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go

from archgym.objective import Expression, FloatArray
from archgym.plotting import FAINT, LIGHT, MAIN
from archgym.reports.absent import Absent
from archgym.reports.cloud import Cloud, Points
from archgym.reports.data import TaskData
from archgym.reports.figures.common import axis, choices_of, hover
from archgym.reports.presets import Machine

BEYOND = 3.0  # presets are drawn up to so many times beyond the designs
LABELLED = 8  # presets with their names beside them at most


class Marks(NamedTuple):
    """Presets to draw: values [n, A] and names."""

    values: FloatArray
    names: list[str]


def figure(task: TaskData) -> go.Figure | Absent:
    """Front, other valid designs and presets; a hover shows the whole design."""
    cloud = task.cloud
    if isinstance(cloud, Absent):
        return cloud
    if len(cloud.axes) == 1:
        return Absent(f"The only objective is {cloud.axes[0]}, without a constraint: nothing is traded off.")
    marks = _marks(cloud, task.machines)
    draw = {2: _plane, 3: _room}.get(len(cloud.axes), _pairs)
    return draw(task, cloud, marks).update_layout(template=LIGHT)


def _marks(cloud: Cloud, machines: Sequence[Machine] | Absent) -> Marks:
    """Presets as they were built, within the range of the designs and a little beyond."""
    everything = np.concatenate([cloud.sample.values, cloud.front.values])
    low, high = everything.min(axis=0), everything.max(axis=0)
    values, names = [], []
    for machine in [] if isinstance(machines, Absent) else machines:
        if machine.built.metrics is None:
            continue
        at = np.array([Expression.parse(name).of(machine.built.metrics) for name in cloud.axes])
        if ((at >= low / BEYOND) & (at <= high * BEYOND)).all():
            values.append(at)
            names.append(machine.name)
    return Marks(np.reshape(values, (-1, len(cloud.axes))), names)


def _head(cloud: Cloud, letters: Sequence[str]) -> list[str]:
    return [f"{name} <b>%{{{letter}:.4~s}}</b>" for name, letter in zip(cloud.axes, letters, strict=True)]


def _labels(cloud: Cloud) -> tuple[str, str]:
    """Legend of the sample and of the front, with numbers."""
    shown, on_front = len(cloud.sample.indices), len(cloud.front.indices)
    valid = f"{cloud.valid:,} valid designs" + (f", {shown:,} shown" if shown < cloud.valid else "")
    if not cloud.has_front:
        return valid, "best design"
    front = f"front: {cloud.on_front:,} designs" + (f", {on_front:,} shown" if on_front < cloud.on_front else "")
    return valid, front


def _text(marks: Marks) -> dict[str, Any]:
    labelled = len(marks.names) <= LABELLED
    shown = "markers+text" if labelled else "markers"
    return {"mode": shown, "text": marks.names, "textposition": "top center", "textfont": {"size": 11}}


def _plane(task: TaskData, cloud: Cloud, marks: Marks) -> go.Figure:
    """Two: designs as dots, the front as a stair of what it dominates."""
    template, labels = hover(cloud.space, _head(cloud, "xy")), _labels(cloud)
    stair = {"color": MAIN, "width": 1.5, "shape": "hv"}
    styles: list[dict[str, Any]] = [
        {"mode": "markers", "marker": {"color": FAINT, "size": 5, "opacity": 0.45}},
        {"mode": "lines+markers" if cloud.has_front else "markers", "line": stair,
         "marker": {"color": MAIN, "size": 7 if cloud.has_front else 14}},
    ]  # fmt: skip
    if not cloud.has_front:
        styles[1]["marker"] |= {"symbol": "star", "color": "#c23b3b", "line": {"color": "white", "width": 1}}
        styles[0]["marker"] |= _shades(cloud.sample, cloud.names[0])
    whole = go.Figure()
    for points, label, style in zip((cloud.sample, cloud.front), labels, styles, strict=True):
        x, y = points.values.T.tolist()
        custom = choices_of(cloud.space, points.indices)
        whole.add_scatter(x=x, y=y, name=label, customdata=custom, hovertemplate=template, **style)
    if marks.names:
        x, y = marks.values.T.tolist()
        diamonds = {"symbol": "diamond", "size": 10, "color": "#e07b39"}
        named = "%{text}<br>" + "<br>".join(_head(cloud, "xy")) + "<extra></extra>"
        whole.add_scatter(x=x, y=y, name="presets", marker=diamonds, hovertemplate=named, **_text(marks))
    columns = np.concatenate([cloud.sample.values, cloud.front.values, marks.values]).T
    for letter, name, column in zip("xy", cloud.axes, columns, strict=True):
        whole.update_layout({f"{letter}axis": axis(name, task.metrics, column)})
    return whole.update_layout(height=520, hovermode="closest")


def _shades(sample: Points, name: str) -> dict[str, Any]:
    """Designs of one objective are shaded by it."""
    values = sample.objectives[:, 0]
    logarithmic = bool((values > 0).all())
    bar = {"title": {"text": f"log10 {name}" if logarithmic else name, "side": "right"}, "thickness": 12}
    shade = np.log10(values) if logarithmic else values
    return {"color": shade.tolist(), "colorscale": "Viridis", "colorbar": bar, "opacity": 0.7}


def _room(task: TaskData, cloud: Cloud, marks: Marks) -> go.Figure:
    """Three: to be turned by hand."""
    template, labels = hover(cloud.space, _head(cloud, "xyz")), _labels(cloud)
    styles: list[Mapping[str, Any]] = [
        {"color": FAINT, "size": 2, "opacity": 0.2},
        {"color": cloud.front.values[:, 2].tolist() if cloud.has_front else MAIN, "colorscale": "Viridis", "size": 4},
    ]
    if cloud.has_front and (cloud.front.values[:, 2] > 0).all():
        styles[1] = {**styles[1], "color": np.log10(cloud.front.values[:, 2]).tolist()}
    whole = go.Figure()
    for points, label, style in zip((cloud.sample, cloud.front), labels, styles, strict=True):
        x, y, z = points.values.T.tolist()
        custom = choices_of(cloud.space, points.indices)
        whole.add_scatter3d(
            x=x, y=y, z=z, mode="markers", name=label, marker=style, customdata=custom, hovertemplate=template
        )
    if marks.names:
        x, y, z = marks.values.T.tolist()
        diamonds = {"symbol": "diamond", "size": 5, "color": "#e07b39"}
        named = "%{text}<br>" + "<br>".join(_head(cloud, "xyz")) + "<extra></extra>"
        whole.add_scatter3d(x=x, y=y, z=z, name="presets", marker=diamonds, hovertemplate=named, **_text(marks))
    columns = np.concatenate([cloud.sample.values, cloud.front.values, marks.values]).T
    scene: dict[str, Any] = {
        "camera": {"eye": {"x": 1.55, "y": 1.55, "z": 0.7}, "center": {"x": 0, "y": 0, "z": -0.12}},
        "aspectmode": "cube",
    }
    for letter, name, column in zip("xyz", cloud.axes, columns, strict=True):
        scene[f"{letter}axis"] = axis(name, task.metrics, column)
    return whole.update_layout(scene=scene, height=640)


def _pairs(task: TaskData, cloud: Cloud, marks: Marks) -> go.Figure:
    """More than three: every pair."""
    head = ["%{xaxis.title.text} <b>%{x:.4~s}</b>", "%{yaxis.title.text} <b>%{y:.4~s}</b>"]
    template, labels, whole = hover(cloud.space, head), _labels(cloud), go.Figure()
    styles = ({"color": FAINT, "size": 3, "opacity": 0.4}, {"color": MAIN, "size": 5})
    for points, label, style in zip((cloud.sample, cloud.front), labels, styles, strict=True):
        custom = choices_of(cloud.space, points.indices)
        _splom(whole, cloud, points.values, name=label, marker=style, customdata=custom, hovertemplate=template)
    if marks.names:
        diamonds = {"symbol": "diamond", "size": 7, "color": "#e07b39"}
        named = "<br>".join(["%{text}", *head]) + "<extra></extra>"
        _splom(whole, cloud, marks.values, name="presets", marker=diamonds, text=marks.names, hovertemplate=named)
    return whole.update_layout(height=210 * len(cloud.axes), hovermode="closest")


def _splom(whole: go.Figure, cloud: Cloud, values: FloatArray, **style: Any) -> None:
    dimensions = [
        {"label": name, "values": column.tolist(), "axis": {"type": "log" if (column > 0).all() else "linear"}}
        for name, column in zip(cloud.axes, values.T, strict=True)
    ]
    whole.add_splom(dimensions=dimensions, diagonal_visible=False, showupperhalf=False, **style)
