"""Surrogates as a user trains and uses them."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from archgym import datasets, surrogates
from archgym.surrogates import SURROGATES
from archgym.surrogates.predicting import predict_design, predict_frame
from archgym.workloads import Workload

ARCHGYM = str(Path(sys.executable).with_name("archgym"))
TRAIN = ("surrogate", "train", "designs", "--model", "forest?members=2", "--out", "forest")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A directory with a data set, where the installed command trained a surrogate: also what it printed."""
    path = tmp_path_factory.mktemp("work")
    datasets.generate("systolic", ["resnet18", "alexnet"], 1000, out=path / "designs", hold_out=["alexnet"])
    narrow = os.environ | {"COLUMNS": "80"}
    done = subprocess.run([ARCHGYM, *TRAIN], cwd=path, capture_output=True, text=True, env=narrow)
    assert done.returncode == 0, done.stderr
    return path, done.stdout, done.stderr


@pytest.fixture
def at(run, place, monkeypatch):
    """Run a command beside that surrogate."""
    monkeypatch.chdir(place[0])
    return run


def test_training_prints_scores_and_what_to_do_next(at, place) -> None:
    _, out, err = place
    assert "resnet18:" in out
    assert "alexnet:" in out
    assert "a network it was not trained on" in out
    assert out.count("latency_s") == 2
    *lines, command = out.splitlines()  # the command is one line, to be copied
    assert max(map(len, lines)) <= 80
    assert "training" in err
    code, out, _ = at(*shlex.split(command)[1:], "--agent", "random", "--budget", "30", "--out", "run", "--json")
    assert code == 0
    assert json.loads(out)["evaluated"] == 30


def test_training_again_needs_force_and_json_has_the_scores(at) -> None:
    code, _, err = at(*TRAIN, "--quiet")
    assert code == 2
    assert "forest is there already" in err
    assert err.count("\n") == 1
    small = (*TRAIN[:-1], "again", "--most", "100", "--json")
    assert at(*small)[0] == 0
    code, out, err = at(*small, "--force")
    assert code == 0
    assert err == ""
    made = json.loads(out)
    assert made["kind"] == "forest"
    assert made["options"] == {"members": 2, "leaf": 3}
    assert {row["workload"] for row in made["scores"]} == {"resnet18", "alexnet"}


def test_evaluate(at, place) -> None:
    code, out, _ = at("surrogate", "evaluate", "forest", "designs", "--split", "train")
    assert code == 0
    assert "train designs" in out
    code, out, _ = at("surrogate", "evaluate", "forest", "designs", "--json")
    assert code == 0
    assert json.loads(out)["scores"] == surrogates.load(place[0] / "forest").info["scores"]


def test_describe_and_listing(at) -> None:
    code, out, _ = at("surrogate", "describe", "forest")
    assert code == 0
    for text in ("forest (members=2, leaf=3)", "systolic", "resnet18", "alexnet", "latency_s"):
        assert text in out
    assert max(map(len, out.splitlines())) <= 80
    code, out, _ = at("surrogate", "describe", "forest", "--json")
    assert json.loads(out)["kind"] == "forest"
    code, out, _ = at("surrogates")
    assert code == 0
    assert all(name in out for name in SURROGATES)
    code, out, _ = at("surrogates", "forest", "--json")
    assert json.loads(out)["options"] == {"members": 20, "leaf": 3}


DESIGN = ("tpu-v1", "memory=hbm2-x1", "clock_ghz=0.7", "--workload", "resnet18")


def test_predict_one_design(at, place) -> None:
    code, out, _ = at("surrogate", "predict", "forest", *DESIGN)
    assert code == 0
    assert "latency_s" in out
    assert "90 % from" in out
    assert max(map(len, out.splitlines())) <= 80
    code, out, _ = at("surrogate", "predict", "forest", *DESIGN, "--json")
    found = json.loads(out)
    latency = found["metrics"]["latency_s"]
    assert latency["low"] <= latency["value"] <= latency["high"]
    made = surrogates.load(place[0] / "forest")
    own = made.predict(made.layout.space.design(found["design"]), Workload.load("resnet18"))
    assert latency["value"] == own.values[0, made.metrics.index("latency_s")]


def test_predict_says_what_is_unknown_infeasible_or_another_scenario(at, place) -> None:
    code, out, _ = at("surrogate", "predict", "forest", "tpu-v1", "array_rows=4096")
    assert code == 0
    assert "Unknown: the design or the workload is unlike" in out
    code, out, err = at("surrogate", "predict", "forest", *DESIGN, "clock_ghz=1.1")
    assert code == 2
    assert out == ""
    assert "takes the design for infeasible: clock_too_fast" in err
    made = surrogates.load(place[0] / "forest")
    assert predict_design(made, "eyeriss-like").notes == ("node_nm of the preset is 45, of the surrogate 28",)


def test_predict_files(at, place) -> None:
    data = datasets.load("designs")
    frame = data.frame("test")
    assert {"resnet18", "alexnet"} == set(frame["workload"])
    frame.to_csv("designs.csv", index=False)
    frame.to_parquet("designs.parquet")
    code, out, _ = at("surrogate", "predict", "forest", "--designs", "designs.csv", "--out", "a.parquet")
    assert code == 0
    assert out.startswith(f"{len(frame)} designs, ")
    code, out, _ = at("surrogate", "predict", "forest", "--designs", "designs.parquet", "--out", "b.parquet", "--json")
    assert json.loads(out)["designs"] == len(frame)
    one, two = pd.read_parquet("a.parquet"), pd.read_parquet("b.parquet")
    names = [name for name in one if name not in data.space.names]
    pd.testing.assert_frame_equal(one[names], two[names])
    assert (one["workload"] == frame["workload"]).all()
    made = surrogates.load("forest")
    arrays = data.arrays("test", "resnet18")
    found = made.predict(data.space.records(arrays.indices), Workload.load("resnet18"))
    rows = (one["workload"] == "resnet18").to_numpy()
    expected = np.where(found.why == 0, found.values[:, 0], np.nan)
    np.testing.assert_allclose(one[made.metrics[0]][rows], expected, rtol=1e-6)
    all_on_one = predict_frame(made, frame, "resnet18")
    assert set(all_on_one["workload"]) == {"resnet18"}


def test_wrong_input_is_one_line(at, place) -> None:
    values = surrogates.load("forest").layout.space
    row = values.values(values.records(values.centre[None]))[0]
    pd.DataFrame([row, row | {"array_rows": "many"}]).to_csv("wrong.csv", index=False)
    pd.DataFrame([row | {"memory": "hbm9"}]).to_csv("memory.csv", index=False)
    pd.DataFrame([row]).drop(columns="memory").to_csv("lacks.csv", index=False)
    pd.DataFrame([row])[:0].to_csv("none.csv", index=False)
    Path("damaged.parquet").write_bytes(b"PAR1")
    to = ("--out", "p.csv")
    for arguments, message in (
        (("predict", "forest"), "give one design, or several by --designs FILE"),
        (("predict", "forest", "tpu-v1", "--designs", "wrong.csv", *to), "give one design, or several"),
        (("predict", "forest", "--designs", "wrong.csv"), "go together"),
        (("predict", "forest", "tpu-v1", *to), "go together"),
        (("predict", "nowhere", "tpu-v1"), "nowhere is no surrogate: it does not exist"),
        (("predict", "forest", "tpu-v2"), "did you mean 'tpu-v1'"),
        (("predict", "forest", "tpu-v1", "array_row=8"), "did you mean 'array_rows'"),
        (("predict", "forest", "tpu-v1", "weight_bits=4"), "the surrogate knows no weight_bits"),
        (("predict", "forest", "a100-80gb"), "the surrogate knows no sparsity_engine"),
        (("predict", "forest", "tpu-v1", "--workload", "resnet19"), "did you mean 'resnet18'"),
        (("predict", "forest", "array_rows=8"), "the design lacks array_columns"),
        (
            ("predict", "forest", "--designs", "wrong.csv", *to),
            "wrong.csv, row 2: array_rows must be a positive number",
        ),
        (("predict", "forest", "--designs", "memory.csv", *to), "memory.csv, row 1: unknown value of memory 'hbm9'"),
        (("predict", "forest", "--designs", "lacks.csv", *to), "lacks.csv has no column memory"),
        (("predict", "forest", "--designs", "none.csv", *to), "none.csv holds no designs"),
        (("predict", "forest", "--designs", "no.csv", *to), "cannot read no.csv: No such file"),
        (("predict", "forest", "--designs", "damaged.parquet", *to), "cannot read damaged.parquet"),
        (("predict", "forest", "--designs", "x.json", *to), "unknown form of designs '.json'"),
        (("predict", "forest", "--designs", "wrong.csv", "--out", "p.txt"), "unknown form of predictions '.txt'"),
        (("predict", "forest", "--designs", "wrong.csv", "--out", "wrong.csv"), "name another file"),
        (("evaluate", "forest", "nowhere"), "nowhere is no data set"),
        (("evaluate", "forest", "designs", "--split", "tests"), "did you mean 'test'"),
        (("train", "designs", "--model", "gnnn", "--out", "x"), "did you mean 'gnn'"),
        (("train", "designs", "--model", "forest?members=0", "--out", "x"), "members must be positive"),
        (("train", "designs", "--seed", "-1", "--out", "x"), "the seed must be at least 0"),
        (("describe", "designs"), "it has no surrogate.json"),
    ):
        code, _, err = at("surrogate", *arguments)
        assert code == 2, arguments
        assert message in err, err
        assert err.count("\n") == 1, err
    assert not Path("x").exists()
    assert not Path("p.csv").exists()


TRAINING_S = 12  # of processor time: by then libraries are imported, and 100,000 trees keep it busy for minutes


def cpu_seconds(process: subprocess.Popen) -> float:
    stat = Path(f"/proc/{process.pid}/stat")
    if not stat.exists():
        pytest.skip("needs the times of another process in /proc")
    user, system = stat.read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def test_ctrl_c_leaves_nothing(place) -> None:
    path = place[0]
    before = sorted(path.iterdir())
    process = subprocess.Popen(
        [ARCHGYM, *TRAIN[:3], "--model", "forest?members=100000", "--out", "stopped"],
        cwd=path, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not (path / ".stopped.part").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    while cpu_seconds(process) < TRAINING_S and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted" in err
    assert "Traceback" not in err
    assert sorted(path.iterdir()) == before
