"""The public API by name, and the examples."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import archgym
from archgym.errors import InputError

EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("*.py"))


def test_public_names_are_all_there_and_search_stays_callable() -> None:
    for name in archgym.__all__:
        assert callable(getattr(archgym, name))
    importlib.import_module("archgym.search.loop")  # binds the package over the function

    result = archgym.search("systolic", "tpu-v1-mlp0", agent="random", budget=50)
    assert result.evaluated == 50
    with pytest.raises(AttributeError):
        _ = archgym.nonsense


def test_make_gives_gymnasium_environments() -> None:
    env = archgym.make("systolic?node_nm=16", "resnet18", ["latency_s"], ["area_mm2<=30"], mode="refine")
    assert env.evaluator.name == "systolic?node_nm=16"
    assert archgym.make("systolic", num_envs=3).num_envs == 3
    with pytest.raises(InputError, match="did you mean 'propose'"):
        archgym.make("systolic", mode="purpose")


def test_gymnasium_knows_the_environments_whichever_is_imported_first() -> None:
    for first in ("import archgym, gymnasium", "import gymnasium, archgym"):
        code = f"{first}; print(gymnasium.make('archgym/Systolic-v0').spec.id)"
        assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "archgym/Systolic-v0"


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_example_runs(example: Path, tmp_path) -> None:
    assert len(example.read_text().splitlines()) <= 40
    subprocess.run([sys.executable, str(example)], check=True, cwd=tmp_path, capture_output=True)
