"""Published machines relative to the best design: above 1 the best design is better."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import plotly.graph_objects as go

from archgym.plotting import FAINT, LIGHT, MAIN
from archgym.reports.absent import Absent
from archgym.reports.data import TaskData
from archgym.reports.presets import Machine, Standing, times


def figure(task: TaskData) -> go.Figure | Absent:
    """Ratio of the first objective, of each machine as it was built and in the technology of the run."""
    if isinstance(task.design, Absent):
        return task.design
    if isinstance(task.machines, Absent):
        return task.machines
    best = task.design.objectives[0]
    able = [machine for machine in task.machines if machine.built.objectives or machine.moved.objectives]
    if not able:
        return Absent("None of the published machines can run this workload.")
    if not best > 0:
        return Absent(f"The best {task.objective[0]} is {best:.4g}: there is no ratio to it.")
    whole = go.Figure()
    bars: list[tuple[str, str, Callable[[Machine], Standing]]] = [
        ("as it was built", MAIN, lambda machine: machine.built),
        ("in the technology of this run", FAINT, lambda machine: machine.moved),
    ]
    if all(machine.built == machine.moved for machine in able):
        bars = bars[:1]
    for label, colour, standing in bars:
        _bars(whole, [machine.name for machine in able], [standing(machine) for machine in able], best, label, colour)
    whole.add_vline(x=1, line={"color": "#c23b3b", "dash": "dash", "width": 1})
    whole.update_xaxes(
        title=f"{task.objective[0]}, machine over best design",
        type="log",
        exponentformat="none",
        separatethousands=True,
    )
    whole.update_yaxes(autorange="reversed")
    return whole.update_layout(template=LIGHT, height=130 + 22 * len(able) * len(bars), showlegend=len(bars) > 1)


def _bars(
    whole: go.Figure, names: Sequence[str], standings: Sequence[Standing], best: float, label: str, colour: str
) -> None:
    ratios = [one.objectives[0] / best if one.objectives else None for one in standings]
    outside = ["" if one.meets else ", outside a constraint" for one in standings]
    whole.add_bar(
        y=names,
        x=ratios,
        name=label,
        orientation="h",
        marker_color=colour,
        text=["" if x is None else times(x) + remark for x, remark in zip(ratios, outside, strict=True)],
        textposition="auto",
        cliponaxis=False,
        hovertemplate="%{y}: %{x:.4~g} times the best design<extra></extra>",
    )
