"""What figures share: axes with units, the design that a hover shows, a colour for each bottleneck."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from archgym.metrics import Metric
from archgym.objective import FloatArray
from archgym.plotting import COLOURS
from archgym.space import DesignSpace, Indices

Item = TypeVar("Item")

PREFIXED = ("s", "J", "W", "B")  # units whose ticks take SI prefixes


def axis(name: str, metrics: Mapping[str, Metric], values: FloatArray) -> dict[str, Any]:
    """An axis for a metric or an expression: logarithmic where all values are positive."""
    unit = metrics[name].unit if name in metrics else ""
    found: dict[str, Any] = {"title": {"text": name}}
    if unit in PREFIXED:
        found |= with_unit(unit)
    else:
        found |= {"tickfont": {"size": 11}}  # powers are drawn larger than they should be
    if len(values) and (values > 0).all():
        found |= {"type": "log"} | _ticks(values)
    return found


def with_unit(unit: str) -> dict[str, Any]:
    """Ticks of an axis whose unit takes prefixes: `200us`, `50mJ`; another unit is written behind the number."""
    if unit in PREFIXED:
        return {"exponentformat": "SI", "ticksuffix": unit, "minexponent": 0}
    return {"ticksuffix": f" {unit}" if unit else ""}


def _ticks(values: FloatArray) -> dict[str, Any]:
    """Ticks of a logarithmic axis: of every decade, or at 1, 2 and 5 where there are few of them."""
    decades = np.log10(values.max() / values.min()) if values.min() > 0 else 0.0
    return {"dtick": "D2", "exponentformat": "SI"} if decades < 1.5 else {"dtick": 1 if decades < 8 else 2}


def choices_of(space: DesignSpace, indices: Indices) -> list[list[str]]:
    """The choices of designs [n, P] as text: what a hover shows."""
    labels = [[str(choice) for choice in parameter.choices] for parameter in space.parameters]
    return [[labels[column][i] for column, i in enumerate(row)] for row in indices.tolist()]


def hover(space: DesignSpace, head: Sequence[str]) -> str:
    """Hover text: lines of its own, then every parameter from `choices_of`, two to a line."""
    cells = [
        f"{p.name} <b>%{{customdata[{i}]}}</b>{' ' + p.unit if p.unit else ''}" for i, p in enumerate(space.parameters)
    ]
    rows = [" &#183; ".join(cells[i : i + 2]) for i in range(0, len(cells), 2)]
    return "<br>".join([*head, *rows]) + "<extra></extra>"


def colours_of(names: Iterable[str]) -> dict[str, str]:
    """A colour for each distinct name, in order."""
    distinct = list(dict.fromkeys(names))
    return {name: COLOURS[number % len(COLOURS)] for number, name in enumerate(distinct)}


def bottleneck_colours(relief: Iterable[str], found: Iterable[str]) -> dict[str, str]:
    """A colour for each bottleneck: the same in all figures of a family."""
    return colours_of([*relief, *sorted(set(found) - {"-"})])


def by_bottleneck(
    colours: Mapping[str, str], items: Sequence[Item], bottleneck: Callable[[Item], str]
) -> Iterator[tuple[str, str, list[Item]]]:
    """Name, colour and items of each bottleneck that has some, in the order of the colours."""
    for name, colour in colours.items():
        own = [item for item in items if bottleneck(item) == name]
        if own:
            yield name, colour, own


def translucent(colour: str, share: float) -> str:
    """A colour `#rrggbb` that lets the rest through."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{share})"
