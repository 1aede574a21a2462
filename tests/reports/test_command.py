"""The command of a report makes the same run again."""

import json
import shlex
import shutil
from pathlib import Path

import pytest

from archgym import api
from archgym.objective import Objective
from archgym.reports.absent import Absent
from archgym.reports.command import spelled
from archgym.search import load_run
from archgym.search import search as search_loop
from archgym.search.run import NUMBERS, REQUEST

SEARCHES = {
    "options": {"environment": "systolic?node_nm=16", "workload": "resnet18?batch=2",
                "agent": "genetic?population=32", "seed": 7, "budget": 200},
    "sets": {"environment": "systolic", "workload": "alexnet", "agent": "random", "budget": 150,
             "choices": {"dataflow": ["ws", "os"], "clock_ghz": [0.5, 0.7], "arrays": 4}, "constraints": []},
    "front": {"environment": "pim", "agent": "random", "budget": 150, "objective": ["interval_s", "energy_j*area_mm2"],
              "constraints": ["area_mm2<=400", "power_w>=10"]},
    "quality": {"environment": "systolic", "workload": "llama2-7b:decode", "agent": "random", "budget": 150,
                "constraints": ["quality_loss<=0.3"], "quality": {"allow_extrapolation": True},
                "choices": {"weight_bits": [4, 8]}},
    "compressed": {"environment": "systolic", "workload": "llama2-7b:decode", "agent": "random", "budget": 150,
                   "choices": {"weight_bits": 16}},
    "reward": {"environment": "systolic", "workload": "alexnet", "agent": "random", "budget": 150, "reward": "linear"},
}  # fmt: skip


@pytest.mark.parametrize("kind", SEARCHES)
def test_the_command_makes_the_run_again(kind, run, tmp_path, task) -> None:
    path = api.search(**SEARCHES[kind], out=tmp_path / kind).path
    words = shlex.split(spelled(task(path).command))
    assert words[:2] == ["archgym", "search"]
    assert run(*words[1:], "--out", str(tmp_path / "again"), "--quiet")[0] == 0
    first, second = load_run(path), load_run(tmp_path / "again")
    assert {key: first.config[key] for key in (*REQUEST, *NUMBERS)} == {
        key: second.config[key] for key in (*REQUEST, *NUMBERS)
    }
    for key in ("best", "objectives", "metrics", "trial", "front"):
        assert first.result[key] == second.result[key]


def test_only_what_differs_is_said(tmp_path, task) -> None:
    path = api.search("systolic", "alexnet", "random", budget=120, out=tmp_path / "run").path
    assert spelled(task(path).command) == (
        "archgym search --env systolic --workload alexnet --agent random --objective 'latency_s*energy_j' "
        "--constraint 'area_mm2<=100' --budget 120 --seed 0"
    )


def test_what_no_command_can_say(tmp_path, task) -> None:
    target = Objective("latency_s", reward="target", target=0.001)
    path = search_loop(api.evaluator("systolic", "alexnet"), target, "random", 50, out=tmp_path / "run").path
    found = task(path).command
    assert isinstance(found, Absent)
    assert "from Python alone" in found.why
    member = Path(shutil.copytree(path, tmp_path / "member"))
    (member / "config.json").write_text(json.dumps(load_run(path).config | {"lineage": []}))
    assert "member of a population" in task(member).command.why
