"""Figures of searches, as pages (Plotly)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from archgym.errors import RunError, missing_extra

if TYPE_CHECKING:
    from archgym.search.compare import Comparison

LEAST = 1e-4  # regrets below are drawn here: a logarithmic axis has no 0


def write_curves(comparison: Comparison, path: Path) -> None:
    """Interquartile means with their intervals over the number of designs, one line per contestant.

    Raises:
        MissingExtraError: Plotly is not installed; RunError: the file cannot be written.
    """
    try:
        import plotly.graph_objects as go
    except ImportError as error:
        raise missing_extra("a plot", "plots", error) from error
    figure = go.Figure()
    for standing in comparison.standings:
        if "#" in standing.contestant:
            continue
        values = [max(value.value, LEAST) for value in standing.values]
        ups = [value.high - value.value for value in standing.values]
        downs = [max(value.value, LEAST) - max(value.low, LEAST) for value in standing.values]
        bars = {"type": "data", "array": ups, "arrayminus": downs, "symmetric": False, "thickness": 1}
        figure.add_trace(
            go.Scatter(x=comparison.checkpoints, y=values, error_y=bars, name=standing.contestant, mode="lines+markers")
        )
    figure.update_layout(
        template="plotly_white",
        xaxis={"title": "designs", "type": "log"},
        yaxis={"title": f"{comparison.measure} over {comparison.reference}", "type": "log"},
    )
    try:
        figure.write_html(path, include_plotlyjs=True)
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror}") from error
