"""A page that shows what a data set covers (Plotly): distributions of metrics, reasons, choices of every parameter."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from archgym.datasets.summary import EDGES, Summary
from archgym.plotting import COLOURS, LIGHT, MAIN, modules, write_html

if TYPE_CHECKING:
    import plotly.graph_objects as go

COLUMNS = 4
SHOWN = ("latency_s", "energy_j", "area_mm2", "power_w", "score", "fill_lut", "quality_loss")  # metrics, if there
ROW_PX = 230
FEASIBLE, INFEASIBLE = MAIN, "#d9d9d9"


def write_plot(summary: Summary, path: str | Path, title: str = "") -> None:
    """Write the page.

    Args:
        summary: of a data set.
        path: of the page, e.g. `coverage.html`.
        title: of the page.

    Raises:
        MissingExtraError: Plotly is not installed; RunError: the file cannot be written.
    """
    go, make_subplots = modules("a plot")
    names = [metric.name for metric in summary.layout.metrics]
    metrics = [name for name in SHOWN if name in names][:COLUMNS] or names[:COLUMNS]
    parameters = summary.layout.space.parameters
    units = summary.layout.units
    titles = [f"{name} [{units[name]}]" if units[name] else name for name in metrics]
    titles += [""] * (COLUMNS - len(metrics))
    titles += [f"{p.name} [{p.unit}]" if p.unit else p.name for p in parameters]
    rows = 2 + math.ceil(len(parameters) / COLUMNS)
    figure = make_subplots(
        rows=rows,
        cols=COLUMNS,
        specs=[[{}] * COLUMNS, [{"colspan": COLUMNS}, *[None] * (COLUMNS - 1)], *[[{}] * COLUMNS] * (rows - 2)],
        subplot_titles=[*titles[:COLUMNS], "Rows by workload and reason", *titles[COLUMNS:]],
        vertical_spacing=0.35 / rows,
    )
    _metrics(go, figure, summary, metrics)
    _reasons(go, figure, summary)
    _coverage(go, figure, summary)
    figure.update_layout(
        template=LIGHT,
        title=title or None,
        height=ROW_PX * rows + 120,
        barmode="stack",
        margin={"t": 90, "b": 40},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 1, "xanchor": "right"},
    )
    figure.update_annotations(font_size=12)
    write_html(figure, path)


def _metrics(go: Any, figure: go.Figure, summary: Summary, metrics: list[str]) -> None:
    """Distribution of each metric over feasible rows, one line per workload, on a logarithmic axis."""
    centres = 10.0 ** ((EDGES[:-1] + EDGES[1:]) / 2)
    for place, name in enumerate(metrics, 1):
        for number, (workload, histograms) in enumerate(summary.histograms.items()):
            counts = histograms[name]
            used = np.flatnonzero(counts)
            # Zero and below count in the first bin, which a logarithmic axis cannot show.
            bins = np.arange(max(used[0] - 1, 1) if used[0] else 1, min(used[-1] + 2, len(counts)))
            figure.add_trace(
                go.Scatter(
                    mode="lines",
                    x=centres[bins],
                    y=counts[bins] / counts.sum(),
                    name=workload,
                    legendgroup=workload,
                    showlegend=place == 1 and len(summary.by_workload) > 1,
                    line={"shape": "hvh", "color": COLOURS[number % len(COLOURS)]},
                ),
                row=1,
                col=place,
            )
        figure.update_xaxes(type="log", exponentformat="power", row=1, col=place)
        figure.update_yaxes(tickformat=".0%", rangemode="tozero", row=1, col=place)


def _reasons(go: Any, figure: go.Figure, summary: Summary) -> None:
    """Feasible rows, then those infeasible for each reason, one bar per workload."""
    workloads = list(summary.by_workload)
    codes = [code for code in summary.layout.codes[1:] if any(code in found for found in summary.reasons.values())]
    bars = {"feasible": [summary.feasible_of(name) for name in workloads]}
    bars |= {code: [summary.reasons[name][code] for name in workloads] for code in codes}
    for number, (code, counts) in enumerate(bars.items()):
        shade = int(225 - 120 * number / max(len(bars) - 1, 1))
        colour = FEASIBLE if number == 0 else f"rgb({shade},{shade},{shade})"
        figure.add_trace(
            go.Bar(y=workloads, x=counts, name=code, orientation="h", marker_color=colour, showlegend=False,
                   text=[code if count else "" for count in counts], textposition="inside", insidetextanchor="middle"),
            row=2, col=1,
        )  # fmt: skip
    figure.update_yaxes(autorange="reversed", automargin=True, row=2, col=1)


def _coverage(go: Any, figure: go.Figure, summary: Summary) -> None:
    """Rows of each choice, feasible and infeasible."""
    for number, parameter in enumerate(summary.layout.space.parameters):
        place = {"row": 3 + number // COLUMNS, "col": 1 + number % COLUMNS}
        rows, feasible = summary.coverage[parameter.name].T
        choices = list(map(str, parameter.choices))
        for name, counts, colour in (("feasible", feasible, FEASIBLE), ("infeasible", rows - feasible, INFEASIBLE)):
            figure.add_trace(
                go.Bar(x=choices, y=counts, name=name, legendgroup=name, marker_color=colour, showlegend=not number),
                **place,
            )
        figure.update_xaxes(type="category", **place)
