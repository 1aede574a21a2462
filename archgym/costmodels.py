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
memory plan end in an InputError.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from archgym.envs.evaluator import ANALYTICAL, Evaluator
from archgym.envs.family import Family
from archgym.errors import ArchGymError, InputError
from archgym.registry import Entry, Registry
from archgym.workloads import Workload

COST_MODELS = Registry(
    "cost model",
    {
        ANALYTICAL: Entry("archgym.costmodels:analytical", "equations of the environment, from published work"),
        "surrogate": Entry(
            "archgym.surrogates.evaluator:build", "a trained surrogate: surrogate:DIR", extra="surrogates"
        ),
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
        ArchGymError: a cost model that does not say which one it is.
    """
    name, _, argument = cost_model.strip().partition(":")
    evaluator: Evaluator = COST_MODELS.load(name)(argument, family, workload, scenario, threads)
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
