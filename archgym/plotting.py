"""How figures look and how they get into files: one theme for searches, data sets and reports (Plotly).

Pictures are made by Kaleido, which has a Chrome or Chromium on this machine draw them, without a network.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from archgym.errors import RunError, missing_extra, unknown

if TYPE_CHECKING:
    import plotly.graph_objects as go

COLOURS = ("#2a7f9e", "#e07b39", "#5b8c3a", "#a8558f", "#8c6d46", "#c23b3b", "#4f5bd5", "#777777")
MAIN, FAINT = "#2a7f9e", "#9aa5ad"  # what a figure is about, and what it is seen against
SCALE = [[0.0, "#0b3c5d"], [0.35, "#2a7f9e"], [0.7, "#e9b872"], [1.0, "#f6e7cb"]]  # best to worst
FONT = "Inter, 'Helvetica Neue', Arial, 'DejaVu Sans', sans-serif"
PAGES, PICTURES = (".html", ".htm"), (".png", ".svg", ".pdf", ".jpg", ".webp")
TITLE_PX = 44
WIDTH_PX, PIXELS = 1000, 1.5  # of a picture, and how many of its own to each
LEGEND = {"traceorder": "normal", "itemsizing": "constant"}


def modules(what: str) -> tuple[Any, Callable[..., Any]]:
    """Plotly's graph objects and `make_subplots`.

    Raises:
        MissingExtraError: Plotly is not installed.
    """
    try:
        import plotly.graph_objects as go
        from plotly.subplots import make_subplots
    except ImportError as error:
        raise missing_extra(what, "plots", error) from error
    return go, make_subplots


def theme(ink: str = "#24323b", grid: str = "#e3e8eb", line: str = "#b6c0c7") -> dict[str, Any]:
    """A Plotly template in these colours; backgrounds are those of the page."""
    shared: dict[str, Any] = {"gridcolor": grid, "linecolor": line, "zerolinecolor": grid, "exponentformat": "power"}
    axis = shared | {"ticks": "outside", "tickcolor": line, "automargin": True, "minorloglabels": "complete"}
    scene = shared | {"gridcolor": line, "backgroundcolor": "rgba(0,0,0,0)"}
    return {
        "layout": {
            "font": {"family": FONT, "size": 13, "color": ink},
            "colorway": COLOURS,
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "margin": {"l": 64, "r": 24, "t": 32, "b": 56},
            "xaxis": axis,
            "yaxis": axis,
            "scene": {"xaxis": scene, "yaxis": scene, "zaxis": scene},
            "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"} | LEGEND,
            "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": line, "activecolor": ink},
            "hoverlabel": {"align": "left", "font": {"size": 12}},
            "title": {"font": {"size": 16}, "x": 0.01, "xanchor": "left"},
        }
    }


LIGHT, DARK = theme(), theme("#dfe6ea", "#2f3a41", "#5b6972")


def write_html(figure: go.Figure, path: str | Path) -> None:
    """Write a figure as a page that needs no network.

    Raises:
        RunError: the file cannot be written.
    """
    write_text(path, figure.to_html(include_plotlyjs=True))


def write_text(path: str | Path, text: str) -> None:
    """Write a text file, and the folders above it.

    Raises:
        RunError: it cannot be written.
    """
    write_bytes(path, text.encode())


def write_bytes(path: str | Path, data: bytes) -> None:
    """Write a file, and the folders above it.

    Raises:
        RunError: it cannot be written.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror or error}") from error


def require_known(path: str | Path) -> str:
    """The ending of a file for a figure, in small letters without its dot.

    Raises:
        UnknownNameError: another ending.
    """
    ending = Path(path).suffix.lower()
    if ending not in (*PAGES, *PICTURES):
        raise unknown("kind of file", ending or Path(path).name, (*PAGES, *PICTURES))
    return ending


def write_figure(figure: go.Figure, path: str | Path, title: str = "") -> None:
    """Write a figure as the page or picture that the path's ending names, under a title.

    Raises:
        UnknownNameError: another ending; MissingExtraError: Kaleido is not installed.
        RunError: there is no Chrome to draw a picture, or the file cannot be written.
    """
    ending = require_known(path)
    if title:
        above = {"text": title, "y": 1, "yref": "container", "yanchor": "top", "pad": {"t": 14}}
        figure.update_layout(title=above, margin_t=TITLE_PX + (figure.layout.margin.t or 32))
    if ending in PAGES:
        write_html(figure, path)
    else:
        write_bytes(path, picture(figure, ending[1:]))


def picture(figure: go.Figure, ending: str) -> bytes:
    """A figure on white as png, svg, pdf, jpg or webp.

    Raises:
        MissingExtraError: Kaleido is not installed; RunError: there is no Chrome, or it did not draw.
    """
    try:
        import kaleido
    except ImportError as error:
        raise missing_extra("a picture", "plots", error) from error
    size = figure.layout.width or WIDTH_PX, figure.layout.height or WIDTH_PX * 0.6
    options: Mapping[str, Any] = {"format": ending, "width": size[0], "height": size[1], "scale": PIXELS}
    white = {"paper_bgcolor": "white"}
    try:
        return bytes(kaleido.calc_fig_sync(figure.update_layout(white), opts=options, kopts={"mathjax": False}))
    except (RuntimeError, ValueError, OSError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise RunError(f"a picture is drawn by Chrome or Chromium, which is not there or failed ({reason})") from error
