"""ArchGym: finds accelerator designs by machine learning.

    archgym.search("systolic", "resnet50", agent="ppo")            # a SearchResult
    archgym.evaluate("tpu-v1", "systolic", "resnet50")             # an Evaluation
    gymnasium.make("archgym/Systolic-v0", workload="resnet50")     # after `import archgym`

Importing this package registers its environments with Gymnasium; all else is imported when it is used.
"""

from typing import TYPE_CHECKING, Any

import wrapt

if TYPE_CHECKING:
    from archgym import compression as compression
    from archgym import datasets as datasets
    from archgym import surrogates as surrogates
    from archgym import testing as testing
    from archgym.api import (
        compare,
        compare_runs,
        make,
        optimum,
        plan_memory,
        plot,
        quality,
        report,
        search,
        sweep,
        validate,
        verify,
    )
    from archgym.evaluation import Evaluation, evaluate
    from archgym.objective import Objective
    from archgym.search import load_run
    from archgym.space import DesignSpace, Parameter
    from archgym.studies import optuna_objective
    from archgym.workloads import Workload

__version__ = "0.1.0"

_PUBLIC = {
    "DesignSpace": "archgym.space",
    "Evaluation": "archgym.evaluation",
    "Objective": "archgym.objective",
    "Parameter": "archgym.space",
    "Workload": "archgym.workloads",
    "compare": "archgym.api",
    "compare_runs": "archgym.api",
    "evaluate": "archgym.evaluation",
    "load_run": "archgym.search",
    "make": "archgym.api",
    "optimum": "archgym.api",
    "optuna_objective": "archgym.studies",
    "plan_memory": "archgym.api",
    "plot": "archgym.api",
    "quality": "archgym.api",
    "report": "archgym.api",
    "search": "archgym.api",
    "sweep": "archgym.api",
    "validate": "archgym.api",
    "verify": "archgym.api",
}
_PACKAGES = ("compression", "datasets", "surrogates", "testing")  # imported when they are used, as attributes
__all__ = [
    "DesignSpace",
    "Evaluation",
    "Objective",
    "Parameter",
    "Workload",
    "compare",
    "compare_runs",
    "evaluate",
    "load_run",
    "make",
    "optimum",
    "optuna_objective",
    "plan_memory",
    "plot",
    "quality",
    "report",
    "search",
    "sweep",
    "validate",
    "verify",
]


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in _PACKAGES:
        return import_module(f"archgym.{name}")
    if name not in _PUBLIC:
        raise AttributeError(f"module 'archgym' has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)


@wrapt.when_imported("gymnasium")  # now, or when somebody imports it: `archgym --help` need not wait for Gymnasium
def _register(module: object) -> None:
    from archgym.envs.register import register_environments

    register_environments()
