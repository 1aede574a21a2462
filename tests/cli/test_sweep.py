"""`archgym sweep`: what is wrong in this process, what Ray and Ctrl-C do in one of their own."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from archgym import api
from archgym.sweeps.sweep import Sweep

ARCHGYM = str(Path(sys.executable).with_name("archgym"))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("sweep.yaml", "unknown key in sweep.yaml 'budgt'; did you mean 'budget'?"),
        ("wrong.yaml", "seeds in wrong.yaml must be a whole number, not 'many'"),
        ("broken.yaml", "broken.yaml is no YAML"),
        ("missing.yaml", "cannot read missing.yaml"),
        ("--envs sytolic", "did you mean 'systolic'?"),
        ("--workloads resnet18,resnet51", "did you mean 'resnet50'?"),
        ("--agents random,genetc", "did you mean 'genetic'?"),
        ("--seeds few", "--seeds"),
        ("--scheduler ahsa", "did you mean 'asha'?"),
        ("--model-timeout 5", "where Ray runs no trials"),
        ("--resume nowhere", "nowhere is no sweep"),
        ("--resume nowhere --budget 5", "leave out --budget"),
        ("sweep.yaml --resume nowhere", "leave out the file"),
        ("--address ray://here:1", "ray job submit"),
        ("--workers 0", "at least 1"),
    ],
)
def test_what_is_wrong_is_one_line(run, tmp_path, arguments, says) -> None:
    (tmp_path / "sweep.yaml").write_text("budgt: 5\n")
    (tmp_path / "wrong.yaml").write_text("seeds: many\n")
    (tmp_path / "broken.yaml").write_text("seeds: [1\n")
    code, out, err = run("sweep", *arguments.split())
    assert code == 2
    assert out == ""
    assert says in err
    assert len(err.splitlines()) == 1
    assert not (tmp_path / "runs").exists()


def test_flags_go_before_the_file(run, tmp_path, monkeypatch) -> None:
    asked = []
    monkeypatch.setattr(api, "sweep", lambda *arguments: asked.append(arguments) or sys.exit(0))
    (tmp_path / "sweep.yaml").write_text("agents: [random]\nseeds: 3\nbudget: 100\nquality: {model: llama2-7b}\n")
    flags = [
        "--seeds",
        "4,7",
        "--set",
        "arrays=1,2",
        "--constraint",
        "none",
        "--objective",
        "latency_s,max(energy_j,1)",
    ]
    assert run("sweep", "sweep.yaml", *flags, "--address", "auto", "--workers", "3", "--quiet")[0] == 0
    what, where, address, workers, _ = asked[0]
    values = {"agents": "random", "seeds": [4, 7], "budget": 100, "quality": {"model": "llama2-7b"}, "constraints": []}
    values |= {"choices": {"arrays": ["1", "2"]}, "objective": ["latency_s", "max(energy_j,1)"]}
    assert what == Sweep.of(values)
    assert (str(where), address, workers) == ("runs/sweep-1", "auto", 3)


def test_the_live_table_fits_80_columns() -> None:
    from rich.console import Console

    from archgym.cli.sweep import _standing
    from archgym.sweeps.watch import Running, SweepProgress

    names = [f"systolic-{'long' * 20}-genetic#{number}-s0" for number in range(20)]
    running = tuple(Running(name, 50, 1000, float("inf")) for name in names)
    console = Console(width=80, record=True)
    console.print(_standing(SweepProgress(100, 5, 2, 1, running, 61.2)))
    lines = console.export_text().splitlines()
    assert lines[0].startswith("sweep: 7 of 100 runs, 2 stopped, 1 failed, 20 running, 61 s")
    assert max(map(len, lines)) <= 80
    assert len(lines) == 1 + 8
    assert all("-s0" in line and "50 of 1,000  best -" in line for line in lines[1:])


@pytest.mark.slow
def test_ctrl_c_keeps_what_is_done_and_prints_the_command_that_continues(tmp_path) -> None:
    flags = ["-w", "resnet18", "-a", "random", "-n", "2000000", "-s", "2", "--storage", "none", "--workers", "1"]
    first = [ARCHGYM, "sweep", *flags, "--out", "my sweep"]
    process = subprocess.Popen(first, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    runs = [tmp_path / "my sweep" / f"systolic-resnet18-random-s{seed}" for seed in range(2)]
    deadline = time.monotonic() + 240
    while not (runs[1] / "trials" / "part-00000.parquet").exists() and time.monotonic() < deadline:
        assert process.poll() is None
        time.sleep(0.05)  # until one is done, and the other begun
    second = subprocess.run([ARCHGYM, "sweep", "--resume", "my sweep"], cwd=tmp_path, capture_output=True, text=True)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert out == ""
    assert f"interrupted after 1 of 2 runs, which are kept in {tmp_path}/my sweep" in err
    assert f"archgym sweep --resume '{tmp_path}/my sweep'" in err
    assert (second.returncode, second.stderr) == (2, f"archgym: {tmp_path}/my sweep is in use by another sweep\n")
    summary = pq.read_table(tmp_path / "my sweep" / "summary.parquet").to_pylist()
    assert [row["status"] for row in summary] == ["finished", "interrupted"]
    kept = (runs[0] / "result.json").stat().st_mtime_ns
    command = [ARCHGYM, "sweep", "--resume", "my sweep", "--json"]
    resumed = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (resumed.returncode, resumed.stderr) == (0, "")
    assert [row["status"] for row in json.loads(resumed.stdout)["runs"]] == ["finished", "finished"]
    assert (runs[0] / "result.json").stat().st_mtime_ns == kept
