"""How fast runs of one task got better: best objective so far, or the share of the hypervolume that is missing.

Several runs of one contestant are shown by their median and their quartiles.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from archgym.objective import FloatArray
from archgym.reports.runs import RunData
from archgym.search import curves

STEPS = 60  # numbers of designs at which medians and hypervolumes are taken
FEWEST = 3  # runs of a contestant that are worth a median


class Curve(NamedTuple):
    """One line: `values` after so many `designs`, with the quartiles of several runs; one run has none of these.

    With one objective values are best so far and begin with the first valid design; with several, missing shares.
    """

    name: str
    designs: NDArray[np.int64]
    values: FloatArray
    low: FloatArray | None = None
    high: FloatArray | None = None


@dataclass(frozen=True)
class Convergence:
    """The lines of a task.

    Attributes:
        measure: what the values are.
        true_front: of several objectives, hypervolumes are shares of the true front's; else of all trials' here.
        optimum: of one objective, the true one where it is known.
        ends: value of each run at its end; infinite without a valid design.
    """

    measure: str
    true_front: bool
    curves: tuple[Curve, ...]
    optimum: float | None
    ends: tuple[float, ...]


def convergence_of(runs: Sequence[RunData], truth: FloatArray | None) -> Convergence:
    """The convergence of runs of one task.

    Args:
        runs: of the task.
        truth: with several objectives the true front [F, K], where it is known.
    """
    if len(runs[0].request.objective) == 1:
        lines = [_best_so_far(run) for run in runs]
        measure = runs[0].request.objective.names[0]
    else:
        front = curves.front_of(np.concatenate([run.objectives for run in runs])) if truth is None else truth
        box = curves.Reference.of(front) if len(front) else None
        lines = [_missing_share(run, box) for run in runs]
        measure = "share of the hypervolume missing"
    ends = tuple(float(line.values[-1]) if len(line.values) else np.inf for line in lines)
    known = [run.optimum for run in runs if run.optimum is not None]
    return Convergence(measure, truth is not None, tuple(_joined(runs, lines)), known[0] if known else None, ends)


def _best_so_far(run: RunData) -> Curve:
    """The designs at which the best objective improved, and the last."""
    values = run.objectives[:, 0]
    best = np.minimum.accumulate(values)
    better = np.append(np.inf, best[:-1]) > best
    better[-1] |= np.isfinite(best[-1])
    designs = np.flatnonzero(better) + 1
    return Curve(_name(run), designs, best[designs - 1])


def _missing_share(run: RunData, box: curves.Reference | None) -> Curve:
    """What the front of the first designs lacks, at numbers of designs in equal ratios."""
    designs, values = _grid(len(run.objectives)), []
    front = run.objectives[:0]
    for before, now in zip([0, *designs[:-1]], designs, strict=True):
        front = curves.front_of(np.concatenate([front, run.objectives[before:now]]))
        values.append(1.0 if box is None else box.hypervolume_gap(front))
    return Curve(_name(run), designs, np.array(values))


def _grid(designs: int) -> NDArray[np.int64]:
    return np.unique(np.geomspace(1, designs, STEPS).round().astype(np.int64))


def _name(run: RunData) -> str:
    return f"{run.contestant}, seed {run.run.config['seed']}"


def _joined(runs: Sequence[RunData], lines: Sequence[Curve]) -> list[Curve]:
    """One line per run, or per contestant where it has several runs."""
    found = []
    for name in dict.fromkeys(run.contestant for run in runs):
        own = [line for run, line in zip(runs, lines, strict=True) if run.contestant == name]
        found += [_median(name, own)] if len(own) >= FEWEST else own
    return found


def _median(name: str, lines: Sequence[Curve]) -> Curve:
    """Median and quartiles of runs, as far as all of them go and from where most have a valid design."""
    last = min(int(line.designs[-1]) if len(line.designs) else 1 for line in lines)
    designs = _grid(last)
    table = np.array([_at(line, designs) for line in lines])
    low, middle, high = (np.quantile(table, share, axis=0, method="inverted_cdf") for share in (0.25, 0.5, 0.75))
    kept = np.isfinite(middle)
    return Curve(f"{name} ({len(lines)} runs)", designs[kept], middle[kept], low[kept], high[kept])


def _at(line: Curve, designs: NDArray[np.int64]) -> FloatArray:
    """The values of a line after so many designs: those of its last step; infinite before the first."""
    step = np.searchsorted(line.designs, designs, side="right") - 1
    values = np.append(line.values, np.inf)  # index -1: no step yet
    return np.asarray(values[step])
