"""Figures of searches, as pages (Plotly)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from archgym.plotting import LIGHT, modules, write_html
from archgym.search.statistics import performance_profile

if TYPE_CHECKING:
    from archgym.search.compare import Comparison

LEAST = 1e-4  # regrets below are drawn here: a logarithmic axis has no 0
LEVELS = np.geomspace(LEAST, 10, 101)


def write_curves(comparison: Comparison, path: Path) -> None:
    """Interquartile means with their intervals over the number of designs, and performance profiles at the end.

    A profile is the share of runs at or below each regret (Agarwal et al. 2021, section 4.2); one line per contestant.

    Raises:
        MissingExtraError: Plotly is not installed; RunError: the file cannot be written.
    """
    go, make_subplots = modules("a plot")
    from plotly.colors import qualitative  # two dozen agents need as many colours

    figure = make_subplots(1, 2, subplot_titles=("interquartile mean", "share of runs that are as good, at the end"))
    shown = [standing for standing in comparison.standings if "#" not in standing.contestant]
    for number, standing in enumerate(shown):
        line = {"color": qualitative.Dark24[number % len(qualitative.Dark24)]}
        values = [max(value.value, LEAST) for value in standing.values]
        ups = [value.high - value.value for value in standing.values]
        downs = [max(value.value, LEAST) - max(value.low, LEAST) for value in standing.values]
        bars = {"type": "data", "array": ups, "arrayminus": downs, "symmetric": False, "thickness": 1}
        own = {"name": standing.contestant, "legendgroup": standing.contestant, "line": line}
        curve = go.Scatter(x=comparison.checkpoints, y=values, error_y=bars, mode="lines+markers", **own)
        figure.add_trace(curve, 1, 1)
        shares = performance_profile(standing.final, LEVELS)
        figure.add_trace(go.Scatter(x=LEVELS, y=shares, mode="lines", showlegend=False, **own), 1, 2)
    measure = f"{comparison.measure} over {comparison.reference}"
    figure.update_xaxes(type="log")
    figure.update_layout(
        template=LIGHT,
        xaxis={"title": "designs"},
        yaxis={"title": measure, "type": "log"},
        xaxis2={"title": measure},
        yaxis2={"title": "share of runs", "range": [0, 1.02]},
        margin_t=90,
    )
    write_html(figure, path)
