"""Physics of the wafer-scale model."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archgym.envs.evaluator import Evaluator
from archgym.envs.wafer import WAFER
from archgym.envs.wafer.budget import CANNON, K_TREE, MESHGEMM, RING, SUMMA, allreduce_cycles, budget, row_yield
from archgym.envs.wafer.budget import step_cycles as step_of
from archgym.envs.wafer.cost import gemm, gemv
from archgym.envs.wafer.devices import STAGE_CYCLES, STEP_CYCLES, scenario
from archgym.envs.wafer.formats import format_of
from archgym.envs.wafer.validation import FITTED, decode_rate, prefill_rate, validate
from archgym.errors import InputError, UnknownNameError
from archgym.workloads import Workload
from archgym.workloads.operators import WEIGHT_B, Operator, operator_table

SPACE = WAFER.space
NAMES = list(SPACE.names)
DECODE_8B = "llama3-8b:decode?context=4096&bits=16"


def run(preset: str, workload: str, options: dict | None = None, **changes) -> np.record:
    machine = WAFER.preset(preset)
    evaluator = Evaluator(WAFER, Workload.load(workload), dict(machine.scenario) | (options or {}), threads=1)
    return evaluator.evaluate_designs(SPACE.design(dict(machine.values) | changes))[0]


def fixed(preset: str = "wse-2", **changes):
    machine = WAFER.preset(preset)
    return budget(SPACE.design(dict(machine.values) | changes)[0], WAFER.technology(**machine.scenario))


def product(m: float, k: float, n: float) -> np.record:
    bits = {"a_bits": 16, "b_bits": 16, "out_bits": 16}
    return operator_table([Operator("matmul", m, k, n, 2 * m * k, 2 * k * n, 2 * m * n, weight=WEIGHT_B, **bits)])[0]


def test_collectives_by_hand() -> None:
    """WaferLLM's critical paths on 400 cores: alpha = 1, beta as fitted."""
    technology = scenario()
    assert allreduce_cycles(K_TREE, 400.0, technology) == pytest.approx(400 + 20 * STAGE_CYCLES)
    assert allreduce_cycles(RING, 400.0, technology) == pytest.approx((2 + STAGE_CYCLES) * 400)
    steps = [step_of(algorithm, 400.0, technology) - STEP_CYCLES for algorithm in (SUMMA, CANNON, MESHGEMM)]
    assert steps == pytest.approx([(1 + STAGE_CYCLES) * 400, 400, 2])


def test_products_by_hand() -> None:
    """A vector times 4096 x 4096 on 420^2 cores, tiles of 10 x 10; and 4096^3 on 480^2, tiles of 9 x 9 x 9."""
    machine = fixed(decode_side=420, prefill_side=480)
    design = SPACE.design(dict(WAFER.preset("wse-2").values))[0]
    vector = product(1.0, 4096.0, 4096.0)
    form = format_of(design, vector)
    compute, routing, payload, _ = gemv(design, 420.0, 1.0, 10.0, 10.0, vector, form, machine.decode_reduce, machine)
    assert compute == pytest.approx(100)
    assert routing == pytest.approx(420 + math.sqrt(420) * STAGE_CYCLES)
    assert payload == pytest.approx(5 * 10 * 16 / 32)  # two levels from two sides, one broadcast, two values a word
    matrix = product(4096.0, 4096.0, 4096.0)
    compute, routing, payload, buffers = gemm(
        design, 480.0, 9.0, 9.0, 9.0, False, matrix, form, machine.forward_step, machine
    )
    assert compute == pytest.approx(480 * 729)
    assert routing == pytest.approx(480 * (STEP_CYCLES + 2))
    assert payload == 0  # 41 words behind 729 cycles
    assert buffers == pytest.approx(2 * 2 * 81 * 2 + 81 * 4)


def test_row_yield_is_the_binomial_sum() -> None:
    q = 0.01
    by_hand = sum(math.comb(20, i) * q**i * (1 - q) ** (20 - i) for i in range(3))
    assert row_yield(20.0, 2.0, q) == pytest.approx(by_hand)
    assert row_yield(20.0, 0.0, q) == pytest.approx((1 - q) ** 20)


def varied(evaluator: Evaluator, name: str, seed: int) -> np.recarray:
    """Metrics of feasible WSE-2-like designs in which only `name` varies over its choices."""
    rng, choices = np.random.default_rng(seed), len(SPACE[name].choices)
    indices = SPACE.sample(4000, rng)
    indices = indices[evaluator.evaluate(indices).feasible][:50]
    indices = np.repeat(indices, choices, axis=0)
    indices[:, NAMES.index(name)] = np.tile(range(choices), len(indices) // choices)
    return evaluator.evaluate(indices).reshape(-1, choices)


@settings(max_examples=10)
@given(seed=st.integers(0, 2**32))
@pytest.mark.parametrize("workload", [DECODE_8B, "llama2-7b:generate?seq=600&out=20", "resnet18?batch=8"])
def test_monotonicity(workload: str, seed: int) -> None:
    evaluator = Evaluator(WAFER, Workload.load(workload), {"lowest_yield": 0.0}, threads=1)
    for name in ("sram_kib", "sram_bits", "macs", "noc_bits", "clock_ghz", "reticle_bandwidth", "gemm"):
        metrics = varied(evaluator, name, seed)
        pairs = metrics.feasible[:, 1:] & metrics.feasible[:, :-1]
        worse = metrics.latency_s[:, 1:] > metrics.latency_s[:, :-1] * (1 + 1e-9)
        assert not (worse & pairs).any(), f"a better {name} is never slower"
    for name in ("sram_kib", "sram_bits", "macs", "noc_bits"):
        metrics = varied(evaluator, name, seed)
        pairs = metrics.feasible[:, 1:] & metrics.feasible[:, :-1]
        assert not ((np.diff(metrics.core_mm2) < 0) & pairs).any(), f"more {name} is never smaller"


def test_streaming_is_limited_by_the_memory() -> None:
    weights = Workload.load(DECODE_8B).weight_bytes
    resident = run("wse-2", DECODE_8B)
    edge = run("wse-2", DECODE_8B, memory="edge", streaming="weights")
    assert edge.off_wafer_bytes == pytest.approx(weights)
    assert edge.latency_s >= weights / 900e9 > 10 * resident.latency_s
    stacked = run("wse-2", DECODE_8B, memory="stacked", streaming="weights")
    assert resident.latency_s <= stacked.latency_s < edge.latency_s
    assert stacked.core_bytes < edge.core_bytes * 1.001 < resident.core_bytes
    everything = run("wse-2", DECODE_8B, memory="stacked", streaming="weights-and-cache")
    assert everything.off_wafer_bytes == pytest.approx(weights + Workload.load(DECODE_8B).cache_bytes)


def test_generate_is_prefill_relayout_and_decode() -> None:
    """128 tokens after a prompt: a prefill, 127 steps at the mean context, the weights moved once."""
    both = run("wse-2", "llama3-8b:generate?seq=2048&out=128&bits=16")
    prefill = run("wse-2", "llama3-8b:prefill?seq=2048&logits=last&bits=16")
    step = run("wse-2", "llama3-8b:decode?context=2112&bits=16")
    assert both.latency_s == pytest.approx(prefill.latency_s + both.relayout_s + 127 * step.latency_s, rel=1e-9)
    assert 0 < both.relayout_s < 0.01
    assert prefill.relayout_s == step.relayout_s == 0


def test_each_phase_runs_on_its_mesh() -> None:
    for workload, used, unused in (
        (DECODE_8B, "decode_side", "prefill_side"),
        ("resnet18", "prefill_side", "decode_side"),
    ):
        one, other = run("wse-2", workload, **{unused: 300}), run("wse-2", workload, **{unused: 600})
        assert one.latency_s == other.latency_s
        assert run("wse-2", workload, **{used: 500}).latency_s != one.latency_s


@pytest.mark.parametrize(
    ("name", "workload", "changes"),
    [
        ("clock_too_fast", DECODE_8B, {"clock_ghz": 3}),
        ("reticle_too_large", DECODE_8B, {"sram_kib": 192}),
        ("wafer_too_large", DECODE_8B, {"reticle_columns": 13}),
        ("yield", DECODE_8B, {"spare_cores": 0}),
        ("mesh_too_large", DECODE_8B, {"prefill_side": 950}),
        ("mesh_too_large", DECODE_8B, {"decode_side": 950}),
        ("no_memory", DECODE_8B, {"streaming": "weights"}),
        (
            "memory_capacity",
            "gpt3-175b:decode?bits=32&context=300000",
            {"streaming": "weights-and-cache", "memory": "edge"},
        ),
        ("sram_weights", "llama2-70b:decode?bits=16", {}),
        ("sram_cache", "llama3-8b:decode?context=300000&bits=16", {}),
        ("sram_buffers", "llama3-8b:prefill?seq=4096&logits=last&bits=16", {"gemm": "allgather"}),
    ],
)
def test_infeasible_designs_say_why(name: str, workload: str, changes: dict) -> None:
    metrics = run("wse-2", workload, **changes)
    assert not metrics.feasible
    assert WAFER.reasons[metrics.why].startswith(name + ":")
    assert math.isnan(metrics.latency_s)


def test_streaming_lifts_the_capacity_limit() -> None:
    assert run("wse-2", "llama2-70b:decode?bits=16", memory="edge", streaming="weights").feasible
    long = "llama3-8b:decode?context=300000&bits=16"
    assert run("wse-2", long, memory="stacked", streaming="weights-and-cache").feasible


def test_scenario_refuses_bad_values() -> None:
    with pytest.raises(UnknownNameError, match="unknown node_nm '10'"):
        scenario(node_nm=10)
    with pytest.raises(InputError, match="reticle_gap_mm must be finite and not negative"):
        scenario(reticle_gap_mm=-1.0)
    with pytest.raises(InputError, match="lowest_yield must be a share"):
        scenario(lowest_yield=1.0)
    assert not run("wse-2", DECODE_8B, {"reticle_gap_mm": 0.8}).feasible  # its dies would not fit on a carrier


@pytest.mark.parametrize(
    ("constant", "value", "phase", "rate"),
    [("stage_cycles", STAGE_CYCLES, "decode", decode_rate), ("step_cycles", STEP_CYCLES, "prefill", prefill_rate)],
)
def test_fitted_constants_are_the_best_for_the_fitted_model(constant: str, value: float, phase: str, rate) -> None:
    """Least squares of the relative error in time over the three rows of Llama3-8B, as devices.py says."""
    rows = [check for check in validate() if check.group == f"WaferLLM {phase}" and check.item.startswith(FITTED)]

    def loss(constant_value: float) -> float:
        rates = (rate(FITTED, float(row.item.split()[1]), **{constant: constant_value}) for row in rows)
        return sum((row.published / ours - 1) ** 2 for row, ours in zip(rows, rates, strict=True))

    assert len(rows) == 3
    assert loss(value) < min(loss(0.97 * value), loss(1.03 * value))


def test_validation_meets_its_targets_but_for_the_known_miss() -> None:
    """One end-to-end row of Llama2-13B is missed and must be reported as missed."""
    checks = validate()
    missed = [check.item for check in checks if check.status == "missed"]
    assert missed == ["llama2-13b 2048/128 750 375"]
    means = {check.group: check.status for check in checks if check.item.startswith("mean absolute error")}
    assert means == dict.fromkeys(("WaferLLM, all", "WaferLLM, held out", "WaferLLM end to end"), "met")
    met = {check.group for check in checks if check.status == "met"}
    assert {"WaferLLM decode", "WaferLLM prefill", "GEMM efficiency", "Core area", "Core yield"} <= met
