"""What a newcomer does: no arguments, two make commands, and a wheel that works outside the checkout."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


def test_no_arguments_say_what_to_try_first() -> None:
    archgym = Path(sys.executable).with_name("archgym")
    done = subprocess.run([archgym], capture_output=True, text=True, env=os.environ | {"COLUMNS": "80"})
    assert done.returncode == 0
    first, _, rest = done.stdout.partition("Usage:")
    assert len([line for line in first.splitlines() if line.startswith("  archgym ")]) == 3
    assert "Find designs" in rest


def test_make_search_and_make_test_are_the_commands_of_the_readme() -> None:
    for target, command in {
        "search": ".venv/bin/archgym search --env systolic --agent ppo --workload resnet50",
        "test": ".venv/bin/python -m pytest",
        "docs": ".venv/bin/mkdocs build --strict",
    }.items():
        dry = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True, check=True)
        assert command in dry.stdout


@pytest.mark.slow
def test_a_wheel_works_outside_the_checkout(tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "--no-input", "--disable-pip-version-check"]
    flags = ["--no-deps", "--no-index", "--quiet"]
    source = tmp_path / "source"  # a build leaves files behind
    names = subprocess.check_output(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, text=True).split()
    for name in names:
        if name.startswith("archgym/") or name in ("pyproject.toml", "README.md", "LICENSE"):
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    subprocess.run([*pip, "wheel", *flags, "--no-build-isolation", "-w", tmp_path, source], check=True)
    (wheel,) = tmp_path.glob("archgym-*.whl")
    inside = set(zipfile.ZipFile(wheel).namelist())
    assert {name for name in names if name.startswith("archgym/")} <= inside
    assert {"archgym/py.typed", "archgym/envs/systolic/published.csv"} <= inside

    subprocess.run([*pip, "install", *flags, "--target", tmp_path / "site", wheel], check=True)
    elsewhere = os.environ | {"PYTHONPATH": str(tmp_path / "site"), "PYTHONSAFEPATH": "1"}
    run = "import sys, archgym.cli; assert sys.argv[1] in archgym.__file__; del sys.argv[1]; archgym.cli.main()"
    for command, answer in {
        "search --agent genetic --budget 64 --workload resnet18 --quiet": "Run directory",
        "workloads": "xr-vr-gaming",
        "quality --model llama2-7b --weight-bits 4": "Quality loss",
        "evaluate tpu-v1 --workload bert-base": "bottleneck",
    }.items():
        done = subprocess.run(
            [sys.executable, "-c", run, str(tmp_path), *command.split()],
            cwd=tmp_path,
            env=elsewhere,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        assert answer in done.stdout
