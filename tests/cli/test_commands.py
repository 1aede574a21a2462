"""The commands as a user types them: in this process where only output counts, installed where the process counts."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from typer.main import get_command

from archgym.cli import app

ARCHGYM = str(Path(sys.executable).with_name("archgym"))
SMALL = [
    "--set",
    "arrays=1,4",
    "--set",
    "array_rows=32,128",
    "--set",
    "fold_overlap=overlapped",
    "--set",
    "dataflow=ws",
]
SMALL += ["--set", "ifmap_sram_kib=256,1024", "--set", "filter_sram_kib=512", "--set", "ofmap_sram_kib=512,1024"]
SMALL += ["--set", "array_columns=32,128", "--set", "memory=hbm2-x1,lpddr5-6400-x64", "--set", "accumulator_bits=32"]
SMALL += ["--set", "operand_bits=8", "--set", "clock_ghz=0.5,0.7", "--set", "vector_lanes=128,512"]


def test_search_ends_with_a_design_a_run_and_its_regret(run, tmp_path) -> None:
    arguments = ["--agent", "random", "--budget", "3000", "--workload", "resnet18", *SMALL]
    code, out, _ = run("optimum", "--workload", "resnet18", *SMALL, "--quiet")
    assert code == 0
    assert "True optimum" in out
    code, out, err = run("search", *arguments)
    assert code == 0
    for part in ("Best design", "array_rows", "latency_s", "bottleneck", "Regret: 0.00 %", "Run directory"):
        assert part in out
    assert max(map(len, out.splitlines()[:-1])) <= 80
    assert "designs/s" in err
    directory = tmp_path / "runs" / "systolic-resnet18-random-s0-1"
    trials = pd.concat(pd.read_parquet(part) for part in (directory / "trials").iterdir())
    assert len(trials) == 3000
    code, out, err = run("search", *arguments, "--json", "--out", "again")
    assert json.loads(out)["regret"] == 0
    assert err == ""
    code, out, _ = run("evaluate", "again", "--workload", "resnet18", "--json")  # the best design of a run
    assert json.loads(out)["metrics"] == json.loads((tmp_path / "again" / "result.json").read_text())["metrics"]


def test_several_objectives_give_a_front(run) -> None:
    arguments = ("--workload", "resnet18", *SMALL, "-o", "latency_s", "-o", "energy_j", "-c", "none", "--json")
    _, out, _ = run("optimum", *arguments)
    true_front = {tuple(point["objectives"]) for point in json.loads(out)["front"]}
    code, out, _ = run("search", "--agent", "genetic", "--budget", "2000", *arguments)
    assert code == 0
    assert {tuple(point["objectives"]) for point in json.loads(out)["front"]} == true_front


def test_evaluate_takes_presets_files_text_and_values(run, tmp_path) -> None:
    code, out, _ = run("evaluate", "tpu-v1", "--workload", "tpu-v1-mlp0")
    assert code == 0
    assert "off-chip memory" in out
    assert max(map(len, out.splitlines())) <= 80
    _, out, _ = run("evaluate", "tpu-v1", "--json")
    whole = json.loads(out)
    assert len(whole["operators"]) == 30
    assert sum(row["latency_s"] for row in whole["operators"]) == pytest.approx(whole["metrics"]["latency_s"])
    (tmp_path / "mine.json").write_text(json.dumps(whole["design"]))
    _, out, _ = run("evaluate", "mine.json", "array_rows=100", '{"arrays": 2}', "--json")
    assert json.loads(out)["design"] == whole["design"] | {"array_rows": 100, "arrays": 2}
    _, out, _ = run("evaluate", "tpu-v1", "--env", "systolic?node_nm=7", "--json")
    assert json.loads(out)["metrics"]["area_mm2"] < 0.5 * whole["metrics"]["area_mm2"]


def test_listings_and_validation(run) -> None:
    for command, word in (("envs", "systolic"), ("agents", "ppo"), ("workloads", "llama3-8b")):
        code, out, _ = run(command)
        assert code == 0
        assert word in out
        assert word in json.loads(run(command, "--json")[1])
    assert "ofmap_sram_kib" in run("envs", "systolic")[1]
    assert "GMACs" in run("workload", "show", "bert-base")[1]
    code, out, _ = run("validate", "systolic")
    assert code == 1  # one target is missed, and said to be
    assert "MISSED" in out
    rows = json.loads(run("validate", "systolic", "--json")[1])
    assert {"published", "ours", "error", "target", "status", "source"} <= set(rows[0])
    assert run("validate", "systolic", "--markdown")[1].startswith("| group |")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("search --env sytolic", "unknown environment 'sytolic'; did you mean 'systolic'?"),
        ("search --agent pp", "unknown agent 'pp'; did you mean 'ppo'?"),
        ("search --workload resnet51", "did you mean 'resnet50'?"),
        ("search --agent random?x=1", "random has no options"),
        ("search --agent genetic?populaton=8", "did you mean 'population'?"),
        ("search --env systolic?node_nm=6", "unknown node_nm '6'"),
        ("search --objective latency", "did you mean 'latency_s'?"),
        ("search --objective latency_s+", "cannot read the expression"),
        ("search --constraint area_mm2<=0", "cannot be met"),
        ("search --constraint area_mm2<=nan", "not a finite number"),
        ("search --constraint area_mm2<=1e-3 --agent random --budget 50", "none of 50 designs meets the constraints"),
        ("search --budget 0", "budget"),
        ("search --budget ten", "--budget"),
        ("search --set array_rows", "parameter=choice,choice"),
        ("search --set array_row=8", "did you mean 'array_rows'?"),
        ("search --set array_rows=9", "nearest is 8"),
        ("search --reward lg", "did you mean 'log'?"),
        ("search --resume nowhere", "nowhere"),
        ("search --resume nowhere --agent random", "leave out --agent"),
        ("search --bugdet 5", "--budget"),
        ("optimum --set clock_ghz=9", "nearest is 1.1"),
        (
            "optimum --constraint area_mm2<=0.1 --set arrays=1 --set array_rows=8 --set dataflow=os",
            "is feasible within",
        ),
        ("evaluate tpu-v2", "did you mean 'tpu-v1'?"),
        ("evaluate missing.json", "missing.json"),
        ("evaluate broken.json", "broken.json is not valid JSON"),
        ("evaluate binary.json", "cannot read binary.json"),
        ("evaluate array_rows=8", "the design lacks array_columns"),
        ("evaluate tpu-v1 array_rows=nan", "array_rows must be a positive number, not 'nan'"),
        ("evaluate tpu-v1 array_rows=-4", "must be a positive number"),
        ("evaluate tpu-v1 memory=hbm3", "unknown value of memory 'hbm3'"),
        ("evaluate tpu-v1 clock_ghz=5", "infeasible: clock_too_fast"),
        ("evaluate [1,2]", "unknown systolic preset"),
        ("validate systolic --reference nowhere", "nowhere does not exist"),
        ("validate gpu", "unknown environment 'gpu'"),
        ("workload show llama3-8b:decod", "did you mean 'decode'?"),
        ("nonsense", "nonsense"),
    ],
)
def test_bad_input_gets_one_clear_line_and_exit_code_2(run, tmp_path, arguments: str, says: str) -> None:
    (tmp_path / "broken.json").write_text('{"array_rows": ')
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe\x00\x80")
    before = sorted(tmp_path.iterdir())
    code, out, err = run(*arguments.split(" "), *(["--quiet"] if arguments.startswith(("search", "optimum")) else []))
    assert code == 2, out + err
    line = err.splitlines()[-1]
    assert says in line
    assert "Traceback" not in err + out
    assert sorted(path for path in tmp_path.iterdir() if path.name != "runs") == before


def test_ctrl_c_saves_and_prints_the_command_that_continues(tmp_path) -> None:
    command = [ARCHGYM, "search", "--agent", "random", "--budget", "30000000", "--out", "run"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not (tmp_path / "run" / "trials" / "part-00000.parquet").exists() and time.monotonic() < deadline:
        assert process.poll() is None
        time.sleep(0.05)  # until there is something to save
    second = subprocess.run([ARCHGYM, "search", "--resume", "run"], cwd=tmp_path, capture_output=True, text=True)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "archgym search --resume run" in err
    assert "Traceback" not in err
    assert second.returncode == 2
    assert "run" in second.stderr.splitlines()[-1]
    assert "Traceback" not in second.stderr


def test_help_is_light() -> None:
    """`archgym --help` imports nothing heavy: it answers in a fraction of a second."""
    heavy = "numpy, numba, pandas, gymnasium, torch, optuna, pyarrow, stable_baselines3"
    code = (
        "import sys; sys.argv = ['archgym', '--help']\n"
        "from archgym.cli import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        f"found = [name for name in '{heavy}'.split(', ') if name in sys.modules]\n"
        "sys.exit(f'imported {found}' if found else 0)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert "search" in result.stdout


def test_a_missing_extra_names_the_pip_command() -> None:
    code = (
        "import sys; sys.modules['stable_baselines3'] = None\n"
        "sys.argv = ['archgym', 'search', '--agent', 'ppo', '--quiet']\n"
        "from archgym.cli import main\nmain()"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 2
    assert result.stderr.splitlines()[-1].endswith("pip install 'archgym[rl]'")


def commands(group, before=()):
    """Every command with the words that name it."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*before, name))
        if not getattr(command, "no_args_is_help", False):
            yield " ".join((*before, name)), command


def test_every_command_has_json_for_scripts() -> None:
    options = {name: {o for p in command.params for o in p.opts} for name, command in commands(get_command(app))}
    assert len(options) > 25
    assert [name for name, known in options.items() if "--json" not in known] == []
