"""ArchGym: finds accelerator designs by machine learning.

    archgym.search("systolic", "resnet50", agent="ppo")            # a SearchResult
    archgym.evaluate("tpu-v1", "systolic", "resnet50")             # an Evaluation
    gymnasium.make("archgym/Systolic-v0", workload="resnet50")     # after `import archgym`

Importing this package registers its environments with Gymnasium; all else is imported when it is used.
"""

from typing import TYPE_CHECKING, Any

import wrapt

if TYPE_CHECKING:
    from archgym import datasets as datasets
    from archgym.api import compare, compare_runs, make, optimum, plan_memory, quality, search, validate
    from archgym.evaluation import Evaluation, evaluate
    from archgym.objective import Objective
    from archgym.search import load_run
    from archgym.space import DesignSpace, Parameter
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
    "plan_memory": "archgym.api",
    "quality": "archgym.api",
    "search": "archgym.api",
    "validate": "archgym.api",
}
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
    "plan_memory",
    "quality",
    "search",
    "validate",
]


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name == "datasets":
        return import_module("archgym.datasets")
    if name not in _PUBLIC:
        raise AttributeError(f"module 'archgym' has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)


@wrapt.when_imported("gymnasium")  # now, or when somebody imports it: `archgym --help` need not wait for Gymnasium
def _register(module: object) -> None:
    from archgym.envs.register import register_environments

    register_environments()
