"""A request to a Python function: JSON in, JSON out. Arguments: the file or module that holds it, and its name."""

import contextlib
import importlib
import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


def load(place: str, name: str) -> Callable[[dict[str, Any]], Any]:
    """The function `name` of a file, whose neighbours it can import, or of a module."""
    if not place.endswith(".py"):
        return getattr(importlib.import_module(place), name)
    path = Path(place)
    sys.path.insert(0, str(path.parent))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return getattr(module, name)


if __name__ == "__main__":
    with contextlib.redirect_stdout(sys.stderr):  # what it prints is no answer
        answer = load(*sys.argv[1:])(json.load(sys.stdin))
    json.dump(answer, sys.stdout)
