"""ZigZag as a cost model: with fixed answers in its place always, with itself where it is installed."""

import numpy as np
import pytest

from archgym import api
from archgym.envs.evaluator import Evaluator
from archgym.envs.systolic import SYSTOLIC
from archgym.errors import InputError, MissingExtraError, UnknownNameError
from archgym.simulators import installing, zigzag
from archgym.simulators.installing import zigzag_version
from archgym.workloads.builder import Builder

pytestmark = pytest.mark.usefixtures("equations")
DESIGN = {
    "array_rows": 32,
    "array_columns": 32,
    "arrays": 1,
    "dataflow": "ws",
    "fold_overlap": "serial",
    "ifmap_sram_kib": 64,
    "filter_sram_kib": 64,
    "ofmap_sram_kib": 128,
    "clock_ghz": 0.5,
    "memory": "hbm2-x1",
    "vector_lanes": 128,
    "operand_bits": 8,
    "accumulator_bits": 32,
}
FIXED = """\
import json, sys
request = json.load(sys.stdin)
# 1000 cycles and MACs, 100 bytes off chip, and 300, 200 and 400 bytes of the three buffers
moved = {"dram": 100, "ifmap": 300, "filter": 200, "ofmap": 400}
answer = {f"{name}_pj": count * request[f"{name}_pj"] for name, count in moved.items()}
print(json.dumps({"mapping": request["m"] != 13, "cycles": 1000, "mac_pj": 1000 * request["mac_pj"]} | answer))
"""


def network(m: int = 64, bits: int = 8):
    net = Builder(bits)
    return net.build("product", net.linear("product", net.input(m, 32), 48))


def metrics_of(evaluator, **changes):
    return evaluator.evaluate_designs(evaluator.space.design(DESIGN | changes))[0]


@pytest.fixture
def fixed(tmp_path, monkeypatch):
    """A worker that answers at once, whether or not ZigZag is installed."""
    path = tmp_path / "run_fixed.py"
    path.write_text(FIXED)
    monkeypatch.setattr(zigzag, "WORKER", path)
    monkeypatch.setattr(zigzag, "zigzag_version", lambda: "3.9.1")


def test_its_counts_become_our_metrics(fixed) -> None:
    theirs, ours = metrics_of(zigzag.build("", SYSTOLIC, network(), None)), metrics_of(Evaluator(SYSTOLIC, network()))
    assert theirs.latency_s == pytest.approx(1000 / 0.5e9)
    assert theirs.dram_bytes == pytest.approx(100)
    assert theirs.sram_bytes == pytest.approx(800)
    assert theirs.energy_dram_j / ours.energy_dram_j == pytest.approx(100 / ours.dram_bytes)
    assert theirs.energy_mac_j / ours.energy_mac_j == pytest.approx(1000 / (64 * 32 * 48))
    assert theirs.area_mm2 == ours.area_mm2
    parts = ("mac", "sram", "vector", "dram", "leakage")
    assert theirs.energy_j == pytest.approx(sum(theirs[f"energy_{part}_j"] for part in parts))


def test_what_it_is_asked(fixed) -> None:
    simulator = zigzag.build("latency", SYSTOLIC, network(bits=16), None).simulator
    assert simulator.cost_model == "zigzag:latency"
    changes = {"operand_bits": 16, "accumulator_bits": 48, "fold_overlap": "overlapped", "dataflow": "is"}
    why, (job,) = simulator.jobs(simulator.space.design(DESIGN | changes)[0])
    assert why == 0
    energies = {name: value for name, value in job.request.items() if name.endswith("_pj")}
    assert sorted(energies) == ["dram_pj", "filter_pj", "ifmap_pj", "mac_pj", "ofmap_pj"]
    assert min(energies.values()) > 0
    assert {name: value for name, value in job.request.items() if name not in energies} == {
        "rows": 32, "columns": 32, "dataflow": "is", "register_words": 2, "m": 64, "k": 32, "n": 48, "bits": 16,
        "sums_bits": 48, "out_bits": 16, "ifmap_bytes": 65536, "filter_bytes": 65536, "ofmap_bytes": 131072,
        "dram_bits": 4096, "optimise": "latency",
    }  # fmt: skip


def test_refusals(fixed) -> None:
    evaluator = zigzag.build("", SYSTOLIC, network(m=13), None)
    metrics = metrics_of(evaluator)
    assert evaluator.why(int(metrics.why)).startswith("no_mapping: ")
    assert np.isnan(metrics.energy_j)
    assert evaluator.why(int(metrics_of(evaluator, arrays=2).why)).startswith("not_expressible: ")
    assert evaluator.why(int(metrics_of(evaluator, clock_ghz=3.0).why)).startswith("clock_too_fast: ")
    with pytest.raises(UnknownNameError, match="did you mean 'energy'"):
        zigzag.build("enrgy", SYSTOLIC, network(), None)
    with pytest.raises(InputError, match="simulates systolic arrays, not environment 'pim'"):
        api.evaluator("pim", None, "zigzag")


def test_a_missing_zigzag_names_the_extra(monkeypatch) -> None:
    monkeypatch.setattr(installing, "ZIGZAG", "no-such-package")
    with pytest.raises(MissingExtraError, match=r"pip install 'archgym\[simulators\]'"):
        zigzag.build("", SYSTOLIC, network(), None)


@pytest.fixture
def installed() -> None:
    try:
        zigzag_version()
    except MissingExtraError as error:
        pytest.skip(str(error))


def test_one_product_in_zigzag(installed) -> None:
    """It takes no fewer cycles than all products need, moves every word off chip at least once, and agrees roughly."""
    theirs, ours = metrics_of(zigzag.build("", SYSTOLIC, network(), None)), metrics_of(Evaluator(SYSTOLIC, network()))
    assert theirs.feasible
    assert theirs.latency_s * 0.5e9 >= 64 * 32 * 48 / 32**2
    assert theirs.dram_bytes == 64 * 32 + 32 * 48 + 64 * 48
    assert theirs.energy_mac_j == pytest.approx(ours.energy_mac_j)
    assert theirs.latency_s == pytest.approx(ours.latency_s, rel=0.3)
