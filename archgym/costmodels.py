"""Cost models: what tells the metrics of a design, named `NAME` or `NAME:ARGUMENT`, such as `surrogate:DIR`.

The analytical models are the default. Another one is a function

    build(argument, family, workload, scenario, threads=None) -> Evaluator

registered here or in the entry-point group `archgym.cost_models`. `argument` is what follows the colon, empty without
one. It is simplest to subclass archgym.envs.evaluator.Evaluator and override `_fill`. What is promised to those who use
an evaluator, the search, the Gymnasium environments and the data sets:

    family, scenario, workload, threads     what it was built for
    technology                              record of the scenario's constants
    space                                   the designs it evaluates: a DesignSpace with parameters of the family's
    metrics, reasons, dtype                 the columns of its answers, the texts of their `why`, and their record type
    cost_model                              its canonical spec, which builds the same model from any directory: paths
                                            are absolute
    identity()                              hash of the numbers it gives, beside those of the family's own source: it
                                            changes with the weights, the version of a simulator, its settings
    evaluate(indices), evaluate_designs(designs), run(designs), stream(chunks)
                                            metrics [N]. A design's numbers depend on nothing else but its batch, and on
                                            that by rounding alone. NaN where infeasible. Called from several threads
    compile()                               gets ready, before time is taken
    explains, breakdown(design), operators_of(design)
                                            whether the cost of each operator is known, and that; else breakdown raises
                                            InputError, and agents do without
    why(code), name                         the reason behind a code; the spec of family and scenario

What it does not know it says: an objective on a metric it has not, a compression parameter outside its space or a
memory plan end in an InputError. `answers` holds it to this; what it raises becomes an ArchGymError that names it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from archgym.envs.evaluator import ANALYTICAL, Evaluator
from archgym.envs.family import Family
from archgym.errors import FAULTS, ArchGymError, InputError, described
from archgym.metrics import metric_names, metric_values
from archgym.registry import Entry, Registry
from archgym.signals import TimeUp, time_limit
from archgym.workloads import Workload

COST_MODELS = Registry(
    "cost model",
    {
        ANALYTICAL: Entry("archgym.costmodels:analytical", "equations of the environment, from published work"),
        "surrogate": Entry(
            "archgym.surrogates.evaluator:build", "a trained surrogate: surrogate:DIR", extra="surrogates"
        ),
        "scalesim": Entry("archgym.simulators.scalesim:build", "SCALE-Sim, cycle by cycle (systolic)"),
        "zigzag": Entry("archgym.simulators.zigzag:build", "ZigZag, by mappings (systolic)", extra="simulators"),
        "command": Entry("archgym.simulators.external:build_command", "your simulator: command:PROGRAM ARGUMENTS"),
        "python": Entry("archgym.simulators.external:build_python", "your simulator: python:FILE.py:FUNCTION"),
    },
)


def build(
    cost_model: str,
    family: Family,
    workload: Workload,
    scenario: Mapping[str, Any] | None = None,
    threads: int | None = None,
) -> Evaluator:
    """The evaluator of a spec `NAME[:ARGUMENT]`.

    Raises:
        UnknownNameError: no such cost model; MissingExtraError: what it imports is not installed.
        InputError: an argument, option or workload that it cannot use.
        ArchGymError: a cost model that fails, or does not say which one it is.
    """
    name, _, argument = cost_model.strip().partition(":")
    maker = COST_MODELS.load(name)
    try:
        evaluator: Evaluator = maker(argument, family, workload, scenario, threads)
    except ArchGymError:
        raise
    except FAULTS as error:
        raise ArchGymError(f"cost model {name!r} cannot be built: {described(error)}") from error
    known = name == ANALYTICAL or type(evaluator).identity is not Evaluator.identity
    if evaluator.cost_model.partition(":")[0] != name or not known:
        raise ArchGymError(
            f"cost model {name!r} calls itself {evaluator.cost_model!r}: it must set cost_model and override identity"
        )
    return evaluator


def analytical(
    argument: str, family: Family, workload: Workload, scenario: Mapping[str, Any] | None, threads: int | None = None
) -> Evaluator:
    """The equations of a family, compiled.

    Raises:
        InputError: there is an argument.
    """
    if argument:
        raise InputError(f"the analytical cost model takes no argument, not {argument!r}")
    return Evaluator(family, workload, scenario, threads)


def needed(argument: str, form: str) -> str:
    """The argument of a cost model that cannot do without; `form` shows what is expected: `surrogate:DIR`.

    Raises:
        InputError: there is none.
    """
    if not argument:
        raise InputError(f"cost model {form.partition(':')[0]!r} needs an argument: {form}")
    return argument


# -- asking


def prepare(evaluator: Evaluator) -> None:
    """Have a cost model get ready.

    Raises:
        ArchGymError: it fails.
    """
    try:
        evaluator.compile()
    except ArchGymError:
        raise
    except FAULTS as error:
        raise ArchGymError(f"cost model {evaluator.cost_model!r} cannot get ready: {described(error)}") from error


def answers(evaluator: Evaluator, designs: np.ndarray, limit_s: float | None = None) -> np.recarray:
    """Metrics [N] of designs [N], checked.

    Raises:
        ArchGymError: as `evaluated`, and where a feasible design has a metric that is no number.
    """
    metrics = evaluated(evaluator, designs, limit_s)
    _require_numbers(evaluator, metrics, designs)
    return metrics


def evaluated(evaluator: Evaluator, designs: np.ndarray, limit_s: float | None = None) -> np.recarray:
    """Metrics [N] of designs [N], which may hold anything: the fast path.

    Raises:
        ArchGymError: the cost model fails, takes longer than `limit_s`, or gives no records; names it and a design.
    """
    name = f"cost model {evaluator.cost_model!r}"
    try:
        with time_limit(limit_s):
            metrics = evaluator.evaluate_designs(designs)
    except ArchGymError:
        raise
    except TimeUp:
        raise ArchGymError(f"{name} takes longer than {limit_s:g} s for {_listed(evaluator, designs)}") from None
    except FAULTS as error:
        raise ArchGymError(f"{name} fails on {_listed(evaluator, designs)}: {described(error)}") from error
    _require_records(evaluator, metrics, len(designs))
    return metrics


def _listed(evaluator: Evaluator, designs: np.ndarray) -> str:
    """The first of some designs, and how many more there are."""
    design = evaluator.space.values(designs[:1])[0]
    others = f" or one of the {len(designs) - 1} designs after it" if len(designs) > 1 else ""
    return ", ".join(f"{name}={value}" for name, value in design.items()) + others


def _require_records(evaluator: Evaluator, metrics: Any, n: int) -> None:
    """Refuse anything but metrics [n] with reasons that there are, which infeasible designs alone have."""
    name = f"cost model {evaluator.cost_model!r}"
    if not isinstance(metrics, np.ndarray) or metrics.shape != (n,) or metrics.dtype != evaluator.dtype:
        found = f"an array {list(metrics.shape)}" if isinstance(metrics, np.ndarray) else type(metrics).__name__
        columns = ", ".join(evaluator.dtype.names or ())
        raise ArchGymError(f"{name} must answer {n} designs with records [{n}] of {columns}, not with {found}")
    plain, reasons = metrics.view(np.ndarray), len(evaluator.reasons)
    why = plain["why"].astype(np.uint64)  # a negative one becomes a large one
    if why.max(initial=0) >= reasons or ((why == 0) != plain["feasible"]).any():
        raise ArchGymError(f"{name} must give infeasible designs, and no others, a reason from 1 to {reasons - 1}")


def _require_numbers(evaluator: Evaluator, metrics: np.ndarray, designs: np.ndarray) -> None:
    """Refuse a design that is flagged feasible but has a metric that is no number."""
    rows = np.flatnonzero(metrics.view(np.ndarray)["feasible"])
    wrong = np.argwhere(~np.isfinite(metric_values(metrics)[rows]))
    if len(wrong):
        names, row, column = metric_names(metrics), rows[wrong[0, 0]], wrong[0, 1]
        given = f"{names[column]}={metrics[names[column]][row]} for {_listed(evaluator, designs[row : row + 1])}"
        raise ArchGymError(f"cost model {evaluator.cost_model!r} gives {given}")
