"""What the shell is offered at Tab."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from archgym.cli import complete

ARCHGYM = str(Path(sys.executable).with_name("archgym"))


@pytest.mark.parametrize(
    ("of", "typed", "offered"),
    [
        ("environments", "s", {"systolic"}),
        ("agents", "au", {"auto"}),
        ("agents", "gen", {"genetic"}),
        ("workloads", "llama3", {"llama3-8b"}),
        ("surrogates", "g", {"gnn"}),
        ("validations", "q", {"quality"}),
        ("figures", "ro", {"roofline"}),
        ("figures", "x", set()),
    ],
)
def test_names_are_offered(of, typed, offered) -> None:
    assert {name for name, _ in getattr(complete, of)(typed)} == offered


@pytest.mark.parametrize(("line", "offered"), [("plot run co", ["convergence"]), ("envs pi", ["pim"])])
def test_a_shell_asks_and_waits_little(line, offered) -> None:
    words = f"archgym {line}"
    environment = os.environ | {
        "_ARCHGYM_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split()) - 1),
    }
    done = subprocess.run([ARCHGYM], env=environment, capture_output=True, text=True)
    assert done.stdout.split() == offered
    code = "import sys, archgym.cli; print([name for name in ('numba', 'pandas', 'plotly') if name in sys.modules])"
    heavy = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert heavy.stdout.strip() == "[]"
