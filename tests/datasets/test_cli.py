"""The commands as a user types them."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

ARCHGYM = str(Path(sys.executable).with_name("archgym"))


def test_generate_describe_validate_and_again(run, tmp_path) -> None:
    arguments = ["generate", "--workloads", "resnet18,alexnet", "--n", "200", "--sampler", "random", "--out", "d"]
    code, out, _ = run("dataset", *arguments, "--quiet")
    assert code == 0
    assert "400 rows of 2 workloads" in out
    code, out, _ = run("dataset", "describe", "d", "--plot", "d.html")
    assert code == 0
    assert "400 rows of systolic" in out
    assert max(map(len, out.splitlines())) <= 80
    assert (tmp_path / "d.html").exists()
    code, out, _ = run("dataset", "describe", "d", "--json")
    assert json.loads(out)["rows"] == 400
    code, out, _ = run("dataset", "validate", "d")
    assert code == 0
    assert out.count("ok  ") == 7
    code, _, err = run("dataset", *arguments)
    assert code == 2
    assert "d is there already" in err
    code, out, _ = run("dataset", *arguments, "--force", "--json")
    assert code == 0
    assert json.loads(out)["rows"] == 400
    assert "--sampler random" in json.loads((tmp_path / "d" / "dataset.json").read_text())["command"]


def test_a_broken_data_set_is_one_line(run, copy) -> None:
    path = copy / "data/resnet18/train-00000.parquet"
    path.write_bytes(path.read_bytes()[:-10])
    for command in ("validate", "describe"):
        code, _, err = run("dataset", command, str(copy))
        assert code == 2
        assert "train-00000.parquet is damaged" in err
        assert err.count("\n") == 1


def test_export_of_a_data_set_to_csv(run, small) -> None:
    code, out, _ = run("dataset", "export", str(small.path), "--format", "csv", "--out", "x")
    assert code == 0
    assert "Saved in x" in out


def test_options_without_effect_are_refused(run) -> None:
    code, _, err = run("dataset", "generate", "--agents", "ppo", "--out", "x")
    assert code == 2
    assert "--sampler agents" in err


def test_ctrl_c_leaves_nothing(tmp_path) -> None:
    process = subprocess.Popen(
        [ARCHGYM, "dataset", "generate", "--env", "xr", "--n", "3000000", "--out", "x"],
        cwd=tmp_path, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not (tmp_path / ".x.part" / "data").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted" in err
    assert "Traceback" not in err
    assert not list(tmp_path.iterdir())
