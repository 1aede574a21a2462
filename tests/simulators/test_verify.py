"""The best designs of a run by another cost model."""

import json
import math
from pathlib import Path

import pytest

import archgym
from archgym.errors import InputError, RunError
from archgym.search import load_run

pytestmark = pytest.mark.usefixtures("equations")
WORKLOAD = "tpu-v1-mlp0"
DOUBLE = """\
def simulate(request):
    if request["ask"] == "description":
        return {"metrics": {"latency_s": "s", "heat": "K"}, "reasons": {"odd": "too odd"}}
    design = request["design"]
    if design["vector_lanes"] == 32:
        return {"feasible": False, "why": "odd"}
    return {"latency_s": 1.0 / design["array_rows"], "heat": 300.0}
"""


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    (tmp_path / "double.py").write_text(DOUBLE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def searched(objective=("latency_s",), budget=300, **options):
    options = {"choices": {"arrays": 1, "fold_overlap": "serial"}, "out": "run"} | options
    return archgym.search("systolic", WORKLOAD, "random", objective, ["area_mm2<=100"], budget, **options)


def test_the_best_distinct_valid_designs_best_first() -> None:
    searched(choices={"arrays": [1, 2], "array_rows": 128, "array_columns": 128, "clock_ghz": 0.7,
                      "memory": "hbm2-x1", "operand_bits": 8, "accumulator_bits": 32, "dataflow": "ws"})  # fmt: skip
    found = archgym.verify("run", "python:double.py:simulate", top=7)
    trials = load_run("run").trials
    valid = trials[(trials.violation == 0)].drop_duplicates([name for name in trials if name.startswith("i_")])
    best = valid.sort_values("objective_0", kind="stable")[:7]
    assert [row.trial for row in found.designs] == best.trial.tolist()
    assert [row.run["latency_s"] for row in found.designs] == best.latency_s.tolist()
    assert [row.design["ifmap_sram_kib"] for row in found.designs] == best.ifmap_sram_kib.tolist()


def test_both_numbers_their_ratio_and_rank_correlation() -> None:
    searched()
    found = archgym.verify("run", "python:double.py:simulate", top=9)
    told = [row for row in found.designs if not row.why]
    assert {row.why for row in found.designs if row.why} <= {"odd: too odd"}
    for row in told:
        assert row.other == {"latency_s": 1.0 / row.design["array_rows"], "heat": 300.0}
    (agreement,) = found.agreement  # heat is not of the run
    ratios = [row.other["latency_s"] / row.run["latency_s"] for row in told]
    assert agreement.metric == "latency_s"
    assert agreement.designs == len(told)
    assert (agreement.low, agreement.high) == (min(ratios), max(ratios))
    assert agreement.ratio == pytest.approx(math.prod(ratios) ** (1 / len(ratios)))


@pytest.mark.parametrize(("other", "correlation"), [([1, 2, 3, 4], 1), ([4, 3, 2, 1], -1), ([1, 1, 1, 1], math.nan)])
def test_rank_correlation(other, correlation) -> None:
    from archgym.simulators.verify import Verified, _agreement

    rows = [Verified(0, {}, {"x": x}, {"x": y}) for x, y in zip([1.0, 2.0, 5.0, 9.0], other, strict=True)]
    assert _agreement("x", rows).rank_correlation == pytest.approx(correlation, nan_ok=True)


def test_several_objectives_are_verified_along_the_front() -> None:
    result = searched(["latency_s", "area_mm2"])
    assert len(result.front_objectives) > 3
    found = archgym.verify("run", "analytical", top=3)
    points = [(row.run["latency_s"], row.run["area_mm2"]) for row in found.designs]
    front = [tuple(point) for point in result.front_objectives]
    assert points[0] == front[0]
    assert points[-1] == front[-1]
    assert set(points) <= set(front)
    assert all(row.other == row.run for row in found.designs)
    assert all(agreed.ratio == pytest.approx(1) for agreed in found.agreement)


def test_designs_that_a_simulator_cannot_express_say_so(fake_scalesim, run) -> None:
    searched(choices={"arrays": [1, 2], "fold_overlap": "serial"})
    code, out, err = run("verify", "run", "--top", "8")
    assert code == 0
    assert "not_expressible: SCALE-Sim has one array" in out
    assert "scalesim over analytical" in out
    tables = out[out.index("Designs") :]
    assert max(map(len, tables.splitlines())) <= 80
    assert "new simulations" in err
    code, out, _ = run("verify", "run", "--top", "8", "--with", "scalesim", "--json")
    told = json.loads(out)
    assert len(told["designs"]) == 8
    assert {bool(row["why"]) for row in told["designs"]} == {True, False}
    assert {"latency_s", "energy_j"} <= {row["metric"] for row in told["agreement"]}


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"run": "nowhere"}, RunError, "nowhere is not a run directory"),
        ({"top": 0}, InputError, "must be at least 1, not 0"),
        ({"cost_model": "scalesimm"}, InputError, "did you mean 'scalesim'"),
    ],
)
def test_what_cannot_be_verified(arguments, error, message) -> None:
    searched(budget=20)
    with pytest.raises(error, match=message):
        archgym.verify(**{"run": "run", "cost_model": "analytical"} | arguments)


def test_a_run_without_valid_designs_and_one_of_compressed_networks() -> None:
    archgym.search("systolic?node_nm=45", WORKLOAD, "random", [], [], 5, out="bad", choices={"clock_ghz": 1.1})
    with pytest.raises(InputError, match="bad holds no valid design to verify"):
        archgym.verify("bad", "analytical")
    archgym.search("systolic", "resnet18", "random", [], [], 5, out="joint", choices={"weight_bits": [4, 8]})
    with pytest.raises(InputError, match="it has no parameter"):
        archgym.verify("joint", "python:double.py:simulate")


def test_simulators_are_listed(run, fake_scalesim) -> None:
    code, out, _ = run("simulators", "--json")
    assert code == 0
    rows = {row["name"]: row for row in json.loads(out)}
    assert rows["scalesim"]["version"] == "3.0.0"
    assert {"zigzag", "command", "python"} <= set(rows)
    code, out, _ = run("simulators")
    assert "archgym[simulators]" in out.replace("\n", "").replace(" ", "")
    code, _, err = run("simulators", "install", "gem5")
    assert code == 2
    assert "unknown simulator to install 'gem5'" in err
    assert Path("run").exists() is False
