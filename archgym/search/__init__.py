"""Search: the one loop, its run directory, and the true optimum by enumeration.

The package is called like the public function: `archgym.search(...)` works before and after its first import.
"""

import sys
from types import ModuleType
from typing import Any

from archgym.search.loop import resume_search, search
from archgym.search.optimum import Optimum, known_optimum, optimum
from archgym.search.result import Interrupted, Progress, SearchResult
from archgym.search.run import Run, load_run, new_run_path

__all__ = [
    "Interrupted",
    "Optimum",
    "Progress",
    "Run",
    "SearchResult",
    "known_optimum",
    "load_run",
    "new_run_path",
    "optimum",
    "resume_search",
    "search",
]


class _Callable(ModuleType):
    """The module itself, callable as archgym.api.search, over whose name its import is bound."""

    def __call__(self, *arguments: Any, **options: Any) -> SearchResult:
        from archgym import api

        return api.search(*arguments, **options)


sys.modules[__name__].__class__ = _Callable
