"""What a systolic array makes of compressed operators."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archgym.compression.network import Network
from archgym.compression.setting import Setting
from archgym.envs.evaluator import Evaluator, plain_array
from archgym.envs.systolic import SYSTOLIC
from archgym.envs.systolic.arithmetic import element_pj, element_um2
from archgym.envs.systolic.cost import LayerCost, budget, cost, metrics
from archgym.envs.technology import technology
from archgym.workloads import Workload
from archgym.workloads.operators import WEIGHT_B, Operator, operator_table

SPACE, NODE = SYSTOLIC.space, technology(28)
M, K, N, SIDE = 64, 512, 32, 32
ARRAY = {
    **{"array_rows": SIDE, "array_columns": SIDE, "arrays": 1, "dataflow": "os", "fold_overlap": "serial"},
    **{"ifmap_sram_kib": 1024, "filter_sram_kib": 1024, "ofmap_sram_kib": 1024, "clock_ghz": 0.5},
    **{"memory": "hbm2e-x1", "vector_lanes": 512, "operand_bits": 16, "accumulator_bits": 48},
}
FEATURES = {parameter.name: parameter.choices for parameter in SPACE.fixed}
WORKLOADS = ("llama3-8b:decode?batch=4", "bert-base")


def gemm(weight_bits: float, activation_bits: float, m: int = M, **columns: float) -> np.record:
    """A product with weights; below 8 bits they come with scales."""
    stored = weight_bits + 16 / 128 if weight_bits < 8 else weight_bits
    a_bytes, b_bytes, out_bytes = m * K * activation_bits / 8, K * N * stored / 8, m * N * 2
    row = Operator("matmul", m, K, N, a_bytes, b_bytes, out_bytes, a_bits=activation_bits, b_bits=weight_bits)
    table = operator_table([row])
    table.weight, table.a_external, table.out_external = WEIGHT_B, 1, 1
    table.weight_group = 128 if weight_bits < 8 else 0
    for name, value in columns.items():
        table[name] = value
    return table[0]


def run(operator: np.record, **features: object) -> LayerCost:
    """Its cost on the small array with these features."""
    design = SPACE.design(ARRAY | features)[0]
    return cost(design, operator, NODE, budget(design, NODE))


def cycles(operator: np.record, **features: object) -> int:
    """Compute cycles on the small array: 2 folds of R + C + T - 2."""
    return round(run(operator, **features).compute_s * 0.5e9)


def expected(streamed: float) -> int:
    return 2 * (2 * SIDE + math.ceil(streamed) - 2) - 1


@pytest.mark.parametrize(
    ("arithmetic", "weight_bits", "activation_bits", "streamed"),
    [
        ("bit-parallel", 4, 16, K),  # narrower data gain no time
        ("bit-serial", 16, 16, K / 4 * 8),
        ("bit-serial", 4, 16, K / 4 * 2),
        ("bit-serial", 3, 8, K / 4 * 2),  # ceil(3 / 2)
        ("bit-serial", 2, 16, K / 4),
        ("mixed", 4, 16, K),
        ("mixed", 8, 8, K * 2),
        ("mixed", 16, 16, K * 4),
        ("outlier-victim", 4, 16, K),  # four 4 x 4 multipliers make one product,
        ("outlier-victim", 4, 8, K / 2),  # two,
        ("outlier-victim", 4, 4, K / 4),  # or four
        ("outlier-victim", 16, 16, K * 4),
    ],
)
def test_cycles_by_arithmetic(arithmetic: str, weight_bits: int, activation_bits: int, streamed: float) -> None:
    assert cycles(gemm(weight_bits, activation_bits), arithmetic=arithmetic) == expected(streamed)


def test_cycles_and_bytes_by_sparsity_engine() -> None:
    two_of_four = gemm(16, 16, weight_density=0.5, pattern_m=4)
    anywhere = gemm(16, 16, weight_density=0.5)
    dense = run(gemm(16, 16))
    weights = K * N * 2
    layer = run(two_of_four, sparsity_engine="n:m")
    assert cycles(two_of_four, sparsity_engine="n:m") == expected(K / 2)
    assert layer.macs == dense.macs / 2
    assert dense.dram_bytes - layer.dram_bytes == pytest.approx(weights * (1 - 0.5 * (1 + 2 / 16)))
    # Both row folds read the weights; inputs are read whole, as each kept weight chooses one of two.
    assert dense.sram_bytes - layer.sram_bytes == pytest.approx(2 * weights * (1 - 0.5 * (1 + 2 / 16)))

    worst = 16 + math.sqrt(2 * 32 * 0.25 * math.log(SIDE))  # of 32 positions in 32 columns
    assert cycles(anywhere, sparsity_engine="bitmap") == expected(K * worst / 32)
    assert cycles(anywhere, sparsity_engine="n:m") == expected(K)
    saved = dense.dram_bytes - run(anywhere, sparsity_engine="bitmap").dram_bytes
    assert saved == pytest.approx(weights * (1 - 0.5 - 1 / 16))


def test_zeros_among_inputs_save_less_with_every_request() -> None:
    for requests, share in ((1, 0.5), (2, 0.75), (64, 1.0)):
        sparse = gemm(16, 16, requests, activation_density=0.5)
        dense, layer = run(gemm(16, 16, requests)), run(sparse, sparsity_engine="activations")
        assert layer.macs == pytest.approx(share * dense.macs)
        assert dense.dram_bytes - layer.dram_bytes == pytest.approx(K * N * 2 * (1 - share), abs=1e-6)
        assert run(sparse) == dense  # no engine, no use


def test_scales_cost_where_the_hardware_applies_them() -> None:
    design = SPACE.design(ARRAY)[0]
    unit = budget(design, NODE)
    words = 2 * K * N  # both row folds
    assert run(gemm(4, 16)).energy_vector_j == pytest.approx(words * unit.vector_j)
    assert run(gemm(8, 16)).energy_vector_j == 0
    # Of 2:4 weights half are unpacked, whatever their indices add in bytes.
    sparse = run(gemm(4, 16, weight_density=0.5, pattern_m=4), sparsity_engine="n:m")
    assert sparse.energy_vector_j == pytest.approx(words / 2 * unit.vector_j)
    mixed = SPACE.design(ARRAY | {"arithmetic": "mixed"})[0]
    unit = budget(mixed, NODE)
    scaled = M * N * (K / 128 - 1) * unit.scale_j
    assert run(gemm(4, 16), arithmetic="mixed").energy_mac_j == pytest.approx(M * N * K * unit.element_j + scaled)


def test_indices_are_not_decoded() -> None:
    """Pairs: 2:4 halves the 4-bit words of weights that pass a decoder; inputs pass whole, in both row folds."""
    features = {"arithmetic": "outlier-victim", "sparsity_engine": "n:m"}
    unit = budget(SPACE.design(ARRAY | features)[0], NODE)
    macs = M * K * N / 2
    layer = run(gemm(4, 16, weight_density=0.5, pattern_m=4), **features)
    decoded = M * K * 4 + 2 * K * N / 2
    assert layer.energy_mac_j == pytest.approx(macs * (unit.element_j + unit.select_j) + decoded * unit.decode_j)


@pytest.mark.parametrize("pattern", [{}, {"weight_density": 0.5, "pattern_m": 4.0}])
def test_weights_are_stored_at_8_bits_where_unpacking_is_slower(pattern: dict[str, float]) -> None:
    features = {"vector_lanes": 8, "sparsity_engine": "n:m"}
    assert run(gemm(4, 16, **pattern), **features) == run(gemm(8, 16, **pattern), **features)
    # So do sums that have room for products of 8 bits, but not of 16: 16 + 16 - 1 + log2(512) > 32.
    assert run(gemm(4, 16), accumulator_bits=32) == run(gemm(8, 16), accumulator_bits=32)
    assert run(gemm(4, 16)).dram_bytes < run(gemm(8, 16)).dram_bytes


def test_gates_agree_with_published_elements() -> None:
    """BitMoD, table of PEs at 28 nm: energies 0.77 (FP16) and 0.56 pJ a cycle, so 0.73 (ours are integer)."""
    serial, parallel = (SPACE.design(ARRAY | {"arithmetic": name})[0] for name in ("bit-serial", "bit-parallel"))
    assert element_pj(serial, NODE) / element_pj(parallel, NODE) == pytest.approx(0.56 / 0.77, rel=0.15)
    assert element_pj(serial, NODE) == pytest.approx(0.56, rel=0.15)
    pairs = SPACE.design(ARRAY | {"arithmetic": "outlier-victim"})[0]
    assert element_um2(pairs) < element_um2(parallel)


class Compressed:
    """An evaluator of a workload under a setting, and random designs with features."""

    def __init__(self, workload: str, setting: str) -> None:
        loaded = Workload.load(workload)
        self.table = Network(loaded).compressed(Setting.parse(setting))
        self.evaluator = Evaluator(SYSTOLIC, loaded, threads=1)
        self.evaluator._operators = plain_array(self.table)

    def metrics(self, designs: np.ndarray) -> np.recarray:
        return self.evaluator.evaluate_designs(designs)

    def plain(self, design: np.record) -> dict[str, float]:
        fixed = budget(design, NODE)
        total = LayerCost(0, *(0.0 for _ in LayerCost._fields[1:]))
        for operator in self.table:
            layer = cost(design, operator, NODE, fixed)
            total = LayerCost(0, *(t + operator.count * x for t, x in zip(total[1:], layer[1:], strict=True)))
        return metrics(design, NODE, fixed, total)._asdict()


def featured(n: int, seed: int, **features: str) -> np.ndarray:
    """Random designs with wide accumulators and these features, random where not given."""
    rng = np.random.default_rng(seed)
    designs = SPACE.records(SPACE.sample(n, rng))
    designs["accumulator_bits"] = 48
    for name, choices in FEATURES.items():
        designs[name] = SPACE_CODES[name](features[name]) if name in features else rng.integers(len(choices), size=n)
    return designs


SPACE_CODES = {parameter.name: parameter.code for parameter in SPACE.fixed}


@pytest.mark.parametrize("setting", ["weight_bits=4,activation_bits=8,pattern=2:4", "pattern=unstructured-70", "dense"])
@pytest.mark.parametrize("workload", WORKLOADS)
def test_compiled_is_plain_and_nobody_does_more_than_he_can(workload: str, setting: str) -> None:
    compressed = Compressed(workload, setting)
    designs = featured(200, 1)
    found = compressed.metrics(designs)
    good = np.flatnonzero(found.feasible)
    assert len(good) > 20
    assert (found.utilisation[good] <= 1).all()
    for i in good[:8]:
        values = compressed.plain(designs.view(np.recarray)[i])
        assert {k: values[k] for k in values if k != "why"} == pytest.approx(
            {k: float(found[k][i]) for k in values if k != "why"}, rel=1e-9
        )


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 2**32))
@pytest.mark.parametrize("workload", WORKLOADS)
@pytest.mark.parametrize("pattern", ["dense", "2:4"])
def test_narrower_is_never_worse(pattern: str, workload: str, seed: int) -> None:
    """But for the energy of unpacking on bit-parallel arrays, which is spent where it saves time."""
    steps = ["weight_bits=16", "weight_bits=8"]
    steps += [f"weight_bits={bits},activation_bits=8" for bits in (8, 6, 4, 2)]
    designs = featured(100, seed)
    serial = designs["arithmetic"] != 0
    narrowed = [Compressed(workload, f"{setting},pattern={pattern}").metrics(designs) for setting in steps]
    for before, after in pairwise(narrowed):
        assert after.feasible[before.feasible].all()
        for name in ("latency_s", "dram_bytes", "sram_bytes", "energy_j"):
            both = before.feasible & serial if name == "energy_j" else before.feasible
            assert (after[name][both] <= before[name][both] * (1 + 1e-9)).all(), name


@pytest.mark.parametrize("setting", ["pattern=2:4", "pattern=unstructured-50", "activation_sparsity=0.5"])
def test_zeros_without_an_engine_change_nothing(setting: str) -> None:
    method = ",sparsity_method=teal" if "activation" in setting else ""
    designs = featured(100, 2, sparsity_engine="none")
    zeros, dense = Compressed(WORKLOADS[0], setting + method), Compressed(WORKLOADS[0], "dense")
    found, same = zeros.metrics(designs), dense.metrics(designs)
    for name in found.dtype.names or ():
        np.testing.assert_array_equal(found[name], same[name])  # NaN equals NaN


@pytest.mark.parametrize("workload", WORKLOADS)
def test_idle_engines_save_nothing(workload: str) -> None:
    """On a dense network an engine is area that leaks: ports it does not need make no byte cheaper."""
    dense = Compressed(workload, "dense")
    for arithmetic in FEATURES["arithmetic"]:
        plain = dense.metrics(featured(100, 3, sparsity_engine="none", arithmetic=arithmetic))
        for engine in ("n:m", "bitmap", "activations"):
            found = dense.metrics(featured(100, 3, sparsity_engine=engine, arithmetic=arithmetic))
            both = np.flatnonzero(found.feasible)
            assert len(both) > 10
            assert plain.feasible[both].all()
            for name in ("latency_s", "dram_bytes", "sram_bytes", "energy_mac_j", "energy_sram_j"):
                np.testing.assert_array_equal(found[name][both], plain[name][both])
            for name in ("energy_j", "energy_leakage_j", "area_mm2", "area_array_mm2"):
                assert (found[name][both] > plain[name][both]).all(), (engine, name)


@pytest.mark.parametrize("arithmetic", FEATURES["arithmetic"])
def test_no_arithmetic_makes_a_byte_cheaper(arithmetic: str) -> None:
    plain, other = (
        budget(SPACE.design(ARRAY)[0], NODE),
        budget(SPACE.design(ARRAY | {"arithmetic": arithmetic})[0], NODE),
    )
    for name in ("ifmap_j_per_byte", "filter_j_per_byte", "ofmap_j_per_byte", "vector_j", "memory_j_per_byte"):
        assert getattr(other, name) == getattr(plain, name), name
