"""SCALE-Sim as a cost model: with its closed forms in its place always, with itself where it is installed."""

import json
from pathlib import Path

import numpy as np
import pytest

import archgym
from archgym import api, datasets, surrogates
from archgym.envs.evaluator import Evaluator
from archgym.envs.systolic import SYSTOLIC
from archgym.envs.systolic.validation import _HERE
from archgym.errors import ArchGymError, InputError, MissingExtraError, UnknownNameError
from archgym.simulators import installing, scalesim
from archgym.simulators.driver import Job, SimulationError, answers
from archgym.simulators.installing import TOOLS, install, listed, tool_version
from archgym.validation import read_table
from archgym.workloads import Workload
from archgym.workloads.builder import Builder

WORKLOAD = "tpu-v1-mlp0"
DESIGN = {
    "array_rows": 32,
    "array_columns": 64,
    "arrays": 1,
    "dataflow": "ws",
    "fold_overlap": "serial",
    "ifmap_sram_kib": 256,
    "filter_sram_kib": 128,
    "ofmap_sram_kib": 512,
    "clock_ghz": 0.5,
    "memory": "hbm2-x1",
    "vector_lanes": 128,
    "operand_bits": 8,
    "accumulator_bits": 32,
}


pytestmark = pytest.mark.usefixtures("equations")


def products(*sizes: tuple[int, int, int], bits: int = 8) -> Workload:
    """Independent products M x K x N that come from and go off chip."""
    net = Builder(bits)
    outputs = [net.linear(f"product {m}x{k}x{n}", net.input(m, k), n) for m, k, n in sizes]
    return net.build("products", *outputs)


def metrics_of(evaluator: Evaluator, **changes) -> np.record:
    return evaluator.evaluate_designs(evaluator.space.design(DESIGN | changes))[0]


# -- in its place


@pytest.mark.parametrize("dataflow", ["os", "ws", "is"])
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("mode", ["", "calc"])
def test_with_the_same_counts_its_metrics_are_ours(fake_scalesim, dataflow, bits, mode) -> None:
    """The stand-in counts as our equations do where operands fit their buffers and no fold adds to another's sums."""
    network = products((100, 30, 60), (64, 32, 64), bits=bits)
    theirs = metrics_of(
        scalesim.build(mode, SYSTOLIC, network, None), dataflow=dataflow, operand_bits=bits, accumulator_bits=48
    )
    ours = metrics_of(Evaluator(SYSTOLIC, network), dataflow=dataflow, operand_bits=bits, accumulator_bits=48)
    for metric in SYSTOLIC.metrics:
        assert theirs[metric.name] == pytest.approx(ours[metric.name], rel=1e-12), metric.name


def test_vector_operators_and_independent_products_are_counted(fake_scalesim) -> None:
    ours, theirs = (api.evaluator("systolic", "bert-base", model) for model in ("analytical", "scalesim"))
    ours_at, theirs_at = metrics_of(ours, operand_bits=16), metrics_of(theirs, operand_bits=16)
    assert theirs_at.energy_vector_j == ours_at.energy_vector_j
    assert theirs_at.energy_mac_j == pytest.approx(ours_at.energy_mac_j)
    design = ours.space.design(DESIGN | {"operand_bits": 16})
    vector = sum(row["dram_bytes"] for row in ours.breakdown(design) if not row["macs"])
    table = ours.workload.operators[ours.workload.operators.k > 0]
    words = table.count * table.batch * table.groups * (table.m * table.k + table.k * table.n + table.m * table.n)
    assert theirs_at.dram_bytes == words.sum() + vector


def test_an_operator_takes_no_less_than_its_words_need(fake_scalesim) -> None:
    network = products((8, 512, 512))
    slow = metrics_of(
        scalesim.build("calc", SYSTOLIC, network, None), memory="ddr4-3200-x1", array_rows=512, array_columns=512
    )
    assert slow.latency_s == pytest.approx(slow.dram_bytes / 25.6e9)
    assert slow.dram_bytes == 8 * 512 + 512 * 512 + 8 * 512


def test_what_it_is_asked(fake_scalesim) -> None:
    user, calc = (scalesim.build(mode, SYSTOLIC, products((100, 30, 60), bits=16), None) for mode in ("user", "calc"))
    assert (user.cost_model, calc.cost_model) == ("scalesim", "scalesim:calc")
    design = user.space.design(DESIGN | {"operand_bits": 16, "accumulator_bits": 48})[0]
    why, (job,) = user.simulator.jobs(design)
    assert why == 0
    assert job.request == {
        "rows": 32, "columns": 64, "dataflow": "ws", "ifmap_kib": 128, "filter_kib": 64, "ofmap_kib": 256,
        "m": 100, "k": 30, "n": 60, "words_per_cycle": 256,
    }  # fmt: skip
    assert calc.simulator.jobs(design)[1][0].request == job.request | {"words_per_cycle": None}


@pytest.mark.parametrize(
    ("changes", "bits", "why"),
    [
        ({"arrays": 2}, 8, "not_expressible: SCALE-Sim has one array"),
        ({"fold_overlap": "overlapped"}, 8, "not_expressible"),
        ({"sparsity_engine": "n:m"}, 8, "not_expressible"),
        ({"arithmetic": "bit-serial"}, 8, "not_expressible"),
        ({"accumulator_bits": 48}, 16, "not_expressible"),  # data wider than the multipliers take several passes
        ({"accumulator_bits": 16}, 8, "accumulator_overflow"),
        ({"clock_ghz": 3.0}, 8, "clock_too_fast"),
    ],
)
def test_what_it_cannot_express_is_infeasible(fake_scalesim, changes, bits, why) -> None:
    evaluator = scalesim.build("", SYSTOLIC, products((100, 30, 60), bits=bits), None)
    metrics = metrics_of(evaluator, **changes)
    assert not metrics.feasible
    assert np.isnan(metrics.latency_s)
    assert evaluator.why(int(metrics.why)).startswith(why)


def test_a_search_proposes_what_it_can_express(fake_scalesim) -> None:
    found = archgym.search("systolic", WORKLOAD, "random", ["latency_s"], [], 12, cost_model="scalesim")
    assert "not_expressible" not in found.reasons
    assert found.best["arrays"] == 1
    assert found.best["fold_overlap"] == "serial"


def test_other_environments_and_modes_are_refused(fake_scalesim) -> None:
    with pytest.raises(InputError, match="simulates systolic arrays, not environment 'fpga'"):
        api.evaluator("fpga", WORKLOAD, "scalesim")
    with pytest.raises(UnknownNameError, match=r"unknown mode of scalesim 'cal'; did you mean 'calc'\?"):
        api.evaluator("systolic", WORKLOAD, "scalesim:cal")


def test_an_answer_without_counts(fake_scalesim) -> None:
    fake_scalesim.write_text(fake_scalesim.read_text().replace('"cycles": cycles, ', ""))
    with pytest.raises(SimulationError, match=r"lacks cycles \[product 100x30x60: rows=32, columns=64"):
        metrics_of(scalesim.build("", SYSTOLIC, products((100, 30, 60)), None))


def test_two_fidelities_the_simulator_is_the_dear_one(fake_scalesim, tmp_path) -> None:
    """Data of the equations, over all designs, teach networks that go on learning from SCALE-Sim, which takes few."""
    data = datasets.generate("systolic", [WORKLOAD], 900, "random", out=tmp_path / "data")
    surrogates.train(data, "gnn?members=1&width=8&epochs=2", tmp_path / "cheap")
    agent = f"gnn?warm_start={tmp_path / 'cheap'}&steps=4&batch=4"
    found = archgym.search("systolic", WORKLOAD, agent, budget=8, cost_model="scalesim", out=tmp_path / "run")
    assert found.evaluated == 8
    assert found.cost_model == "scalesim"
    again = archgym.verify(tmp_path / "run", "analytical")
    assert (again.cost_model, again.other) == ("scalesim", "analytical")


# -- whether it is there


def test_a_missing_simulator_names_what_installs_it(tmp_path, monkeypatch) -> None:
    monkeypatch.delenv("ARCHGYM_SCALESIM_PYTHON", raising=False)
    with pytest.raises(MissingExtraError, match=r"not installed for .*: archgym simulators install scalesim, or set"):
        api.evaluator("systolic", WORKLOAD, "scalesim")
    monkeypatch.setenv("ARCHGYM_SCALESIM_PYTHON", str(tmp_path / "nothing"))
    assert {row.name: row.version for row in listed()}["scalesim"] == ""


def test_an_unknown_simulator_is_not_installed() -> None:
    with pytest.raises(UnknownNameError, match="unknown simulator to install 'gem5'"):
        install("gem5")


@pytest.mark.parametrize("stop", ["no pip", "full disk", "ctrl-c"])
def test_an_installation_that_fails_leaves_nothing(cache, monkeypatch, stop) -> None:
    monkeypatch.delenv("ARCHGYM_SCALESIM_PYTHON", raising=False)

    def create(home, with_pip) -> None:
        (home / "bin").mkdir(parents=True)
        if stop != "no pip":
            raise OSError(28, "No space left on device") if stop == "full disk" else KeyboardInterrupt
        (home / "bin" / "python").write_text("#!/bin/sh\necho $* >&2\nexit 1\n")
        (home / "bin" / "python").chmod(0o755)

    monkeypatch.setattr(installing.venv, "create", create)
    error, message = {
        "no pip": (ArchGymError, r"pip cannot install scalesim==3.0.0 numpy<2.4: -m pip install .* scalesim==3.0.0"),
        "full disk": (ArchGymError, "cannot make an environment in .*No space left on device"),
        "ctrl-c": (KeyboardInterrupt, None),
    }[stop]
    with pytest.raises(error, match=message):
        install("scalesim")
    assert not (cache / "simulators" / "scalesim").exists()


# -- itself


@pytest.fixture
def installed(monkeypatch) -> str:
    """The version of SCALE-Sim; skips where it is not installed."""
    monkeypatch.delenv("ARCHGYM_CACHE_DIR", raising=False)  # where a developer has it
    installing._version.cache_clear()
    try:
        return tool_version("scalesim")
    except MissingExtraError:
        pytest.skip("SCALE-Sim is not installed: archgym simulators install scalesim")


def test_it_counts_as_in_the_recorded_table(installed, cache, monkeypatch) -> None:
    python = installing.python_of("scalesim")
    monkeypatch.setenv("ARCHGYM_SCALESIM_PYTHON", str(python))
    monkeypatch.setenv("ARCHGYM_CACHE_DIR", str(cache))
    assert f"scalesim=={installed}" in TOOLS["scalesim"].requirements
    rows = [row for row in read_table(_HERE / "scalesim_gemm.csv") if row["bw_mode"] == "CALC"]
    rows = [next(row for row in rows if row["dataflow"] == dataflow and row["M"] == "64") for dataflow in ("os", "ws")]
    simulator = scalesim.build("calc", SYSTOLIC, products((8, 8, 8)), None).simulator
    names = {"rows": "rows", "columns": "cols", "ifmap_kib": "ifmap_kb", "filter_kib": "filter_kb"}
    names |= {"ofmap_kib": "ofmap_kb", "m": "M", "k": "K", "n": "N"}
    jobs = [
        Job({key: int(row[name]) for key, name in names.items()}
            | {"dataflow": row["dataflow"], "words_per_cycle": None}, json.dumps(row))
        for row in rows
    ]  # fmt: skip
    for row, counted in zip(rows, answers(simulator.program, jobs, 2, simulator.check), strict=True):
        assert counted["cycles"] == int(row["compute_cycles"])
        for place in ("sram", "dram"):
            for part, what in (("ifmap", "reads"), ("filter", "reads"), ("ofmap", "writes")):
                assert counted[f"{place}_{part}"] == float(row[f"{place}_{part}_{what}"])


def test_it_agrees_with_our_cycles(installed, cache, monkeypatch) -> None:
    python: Path = installing.python_of("scalesim")
    monkeypatch.setenv("ARCHGYM_SCALESIM_PYTHON", str(python))
    monkeypatch.setenv("ARCHGYM_CACHE_DIR", str(cache))
    network = products((40, 30, 60))
    theirs, ours = metrics_of(scalesim.build("", SYSTOLIC, network, None)), metrics_of(Evaluator(SYSTOLIC, network))
    assert theirs.latency_s == pytest.approx(ours.latency_s, rel=1e-12)
