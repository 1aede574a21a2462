"""Best objective so far, with the regret below where the optimum is known; of several objectives the missing share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from archgym.objective import FloatArray
from archgym.plotting import LIGHT
from archgym.reports.absent import Absent
from archgym.reports.convergence import Curve
from archgym.reports.data import TaskData
from archgym.reports.figures.common import axis, colours_of, translucent
from archgym.search.plots import LEAST


def figure(task: TaskData) -> go.Figure | Absent:
    """One line per run, or the median of the runs of one agent with a band from quartile to quartile."""
    found = task.convergence
    shown = [curve for curve in found.curves if len(curve.values)]
    if not shown:
        return Absent("No run has found a valid design.")
    if len(task.objective) > 1:
        return (_missing if found.true_front else _reached)(shown)
    rows = 2 if found.optimum else 1  # nothing is relative to 0
    whole = make_subplots(rows, 1, shared_xaxes=True, vertical_spacing=0.08, row_heights=[0.6, 0.4][:rows])
    _lines(whole, shown, 1)
    everything = np.concatenate([curve.values for curve in shown])
    whole.update_yaxes(axis(found.measure, task.metrics, everything), row=1)
    if found.optimum:
        _lines(whole, [_regrets(curve, found.optimum) for curve in shown], 2)
        ends = [min(curve.designs[0] for curve in shown), max(curve.designs[-1] for curve in shown)]
        dashed = {"dash": "dash", "width": 1.5, "color": "#c23b3b"}
        flat = go.Scatter(x=ends, y=[found.optimum] * 2, mode="lines", name="true optimum", line=dashed)
        whole.add_trace(flat.update(hovertemplate="%{y:.5~g}"), 1, 1)
        whole.update_yaxes(title="regret", **_PERCENT, row=2)
    return _finished(whole, rows)


_PERCENT = {"type": "log", "tickformat": ",.2~%", "dtick": 1}


def _missing(curves: Sequence[Curve]) -> go.Figure:
    """Shares of the true front's hypervolume that are missing."""
    whole = make_subplots(1, 1)
    _lines(whole, [curve._replace(values=np.maximum(curve.values, LEAST)) for curve in curves], 1)
    whole.update_yaxes(title="hypervolume missing", **_PERCENT)
    return _finished(whole, 1)


def _reached(curves: Sequence[Curve]) -> go.Figure:
    """Shares of the hypervolume of all trials that were reached."""
    whole = make_subplots(1, 1)
    turned = [
        curve._replace(
            values=1 - curve.values,
            low=None if curve.high is None else 1 - curve.high,
            high=None if curve.low is None else 1 - curve.low,
        )
        for curve in curves
    ]
    _lines(whole, turned, 1)
    whole.update_yaxes(title="hypervolume reached", tickformat=".0%", range=[0, 1.02])
    return _finished(whole, 1)


def _finished(whole: go.Figure, rows: int) -> go.Figure:
    whole.update_xaxes(type="log", dtick=1, exponentformat="none", separatethousands=True)
    whole.update_xaxes(title="designs evaluated", row=rows)
    return whole.update_layout(template=LIGHT, height=300 + 120 * rows, hovermode="closest")


def _regrets(curve: Curve, optimum: float) -> Curve:
    """Values over the optimum, relative to it; at least LEAST, as a logarithmic axis has no 0."""

    def regret(values: FloatArray | None) -> Any:
        return None if values is None else np.maximum((values - optimum) / abs(optimum), LEAST)

    return curve._replace(values=regret(curve.values), low=regret(curve.low), high=regret(curve.high))


def _lines(whole: go.Figure, curves: Sequence[Curve], row: int) -> None:
    """Lines in a row of the figure; the legend names those of the first."""
    colours = colours_of(curve.name for curve in curves)
    for curve in curves:
        _line(whole, curve, colours[curve.name], row)


def _line(whole: go.Figure, curve: Curve, colour: str, row: int) -> None:
    """A stair of one run, or a median on its band."""
    shared = {"legendgroup": curve.name, "x": curve.designs.tolist()}
    if curve.low is not None and curve.high is not None:
        ends = np.isfinite(curve.high)
        edge = {"mode": "lines", "line": {"width": 0, "shape": "hv"}, "hoverinfo": "skip", "showlegend": False}
        edge |= {"legendgroup": curve.name, "x": curve.designs[ends].tolist()}
        whole.add_trace(go.Scatter(y=curve.low[ends].tolist(), **edge), row, 1)
        fill = {"fill": "tonexty", "fillcolor": translucent(colour, 0.2)}
        whole.add_trace(go.Scatter(y=curve.high[ends].tolist(), **fill, **edge), row, 1)
    line = {"color": colour, "shape": "hv", "width": 2}
    hover = "%{x:,} designs: %{y:.4~g}<extra>" + curve.name + "</extra>"
    whole.add_trace(
        go.Scatter(y=curve.values.tolist(), mode="lines", name=curve.name, line=line, showlegend=row == 1,
                   hovertemplate=hover, **shared),
        row, 1,
    )  # fmt: skip
