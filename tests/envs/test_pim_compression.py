"""What a PIM system makes of narrow weights and of zeros."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archgym.compression.network import Network
from archgym.compression.setting import Setting
from archgym.envs.evaluator import Evaluator, plain_array
from archgym.envs.pim import PIM
from archgym.envs.pim.budget import FC_AUTO, FC_NPU, FC_PIM, SINGLE, budget
from archgym.envs.pim.dram import gemv, gemv_by_inputs
from archgym.envs.pim.formats import WIDER, format_of, lane_slots
from archgym.workloads import Workload
from archgym.workloads.operators import WEIGHT_B

SPACE = PIM.space
DECODE = "llama2-7b:decode"
HALF = "activation_sparsity=0.5,sparsity_method=teal"


class Compressed(Evaluator):
    """Evaluates one compressed network."""

    def __init__(self, workload: str, setting: str, scenario: dict | None = None) -> None:
        super().__init__(PIM, Workload.load(workload), scenario, threads=1)
        self.table = Network(self.workload).compressed(Setting.parse(setting))
        self._operators = plain_array(self.table)

    def operators_of(self, design: np.ndarray) -> tuple[np.recarray, list[str]]:
        return self.table, [""] * len(self.table)


def design_of(preset: str, **changes) -> np.recarray:
    return SPACE.design(dict(PIM.preset(preset).values) | changes)


def run(preset: str, setting: str, workload: str = DECODE, **changes) -> np.record:
    evaluator = Compressed(workload, setting, dict(PIM.preset(preset).scenario))
    return evaluator.evaluate_designs(design_of(preset, **changes))[0]


def formed(preset: str, setting: str, workload: str = DECODE, **changes):
    """Format and budget of the first product with weights of 4096 inputs and outputs."""
    design = design_of(preset, **changes)[0]
    constants = budget(design, PIM.technology(**PIM.preset(preset).scenario))
    table = Network(Workload.load(workload)).compressed(Setting.parse(setting))
    operator = next(row for row in table if row.weight == WEIGHT_B and row.k == row.n == 4096)
    return format_of(design, operator, operator.b_bits, constants), constants


def test_narrow_weights_by_hand() -> None:
    """4096 x 4096 on 8 channels of GDDR6-AiM, 4-bit weights with a 16-bit scale for 128 of them, inputs of 16 bits.

    A row of 64 columns would ask for 3972 inputs, the buffer holds 1024: 8 chunks of 512, loaded behind computing, of
    9 columns each; 7 outputs share a row. 32 outputs a bank are 4 rows of 63 columns and one of 36.
    """
    form, aim = formed("cent-8", "weight_bits=4", arithmetic="mixed")
    assert form.stored_bits == 4.125
    assert (form.width, form.outputs, form.widened) == (16, 4, 0)
    assert lane_slots(form) == pytest.approx((1 + 1 / 128) / 4)
    result = gemv(1.0, 4096.0, 4096.0, 16.0, form.stored_bits, 16.0, lane_slots(form), 8.0, False, aim)
    assert (result.rows, result.columns) == (8 * 5, 8 * 9 * 32)
    assert result.seconds * aim.busy == pytest.approx(8 * (4 * (63 + 49) + 36 + 49) * 1e-9)
    # widened in the lanes, a column has 62 products of 16 bits for 16 lanes: as long as four columns of wide weights
    form, aim = formed("cent-8", "weight_bits=4", arithmetic="widening")
    wide = gemv(1.0, 4096.0, 4096.0, 16.0, form.stored_bits, 16.0, lane_slots(form), 8.0, False, aim)
    assert wide.columns == result.columns
    assert wide.seconds > 4096 * 32 * (1 + 1 / 128) / 16 * 1e-9


def test_columns_of_zero_inputs_by_hand() -> None:
    """Lanes hold outputs: 256 columns of 16 outputs for 128 PUs; half the columns of each row are read."""
    _, aim = formed("cent-8", HALF)
    result = gemv_by_inputs(1.0, 4096.0, 4096.0, 16.0, 16.0, 16.0, 1.0, 0.5, 8.0, aim)
    assert (result.rows, result.columns, result.used) == (2 * 64, 4096, 0.5)
    assert result.seconds * aim.busy == pytest.approx(128 * (28 + 63 * 0.5 + 6 + 16) * 1e-9)
    # PUs that share the outputs have other inputs: the fullest of 16 decides
    split = gemv_by_inputs(1.0, 4096.0, 128.0, 16.0, 16.0, 16.0, 1.0, 0.5, 8.0, aim)
    assert split.used == pytest.approx((128 + np.sqrt(2 * 64 * np.log(16))) / 256)


def test_formats_by_hand() -> None:
    kept = {"sparsity_engine": "n:m"}
    for setting, stored, computed, density in (
        ("pattern=2:4", 0.5 * 18, 0.5, 0.5),
        ("pattern=1:4", 0.25 * 18, 0.5, 0.25),
        ("weight_bits=4,activation_bits=8,pattern=2:4", 0.5 * 10, 0.5, 0.5),  # no converter: 8 bits each
    ):
        form, _ = formed("cent-8", setting, **kept)
        assert (form.stored_bits, form.computed, form.kept) == (stored, computed, density)
    form, _ = formed("neupims-npu-only", "pattern=unstructured-50", sparsity_engine="bitmap")
    assert (form.stored_bits, form.computed, form.kept) == (0.5 * 16 + 1, 1, 0.5)
    form, _ = formed("cent-8", "weight_bits=4,activation_bits=4", arithmetic="packed")
    assert (form.width, form.outputs, form.stored_bits) == (4, 1, 4.125)
    form, _ = formed("neupims-npu-only", "weight_bits=4")
    assert (form.unpacked, form.stored_bits) == (1, 4.125)


@pytest.mark.parametrize(
    ("setting", "features"),
    [
        ("weight_bits=4", {}),  # PUs without converters ask for weights as wide as inputs
        ("weight_bits=4", {"sparsity_engine": "activations"}),
        ("pattern=2:4", {"sparsity_engine": "bitmap"}),  # a column is skipped if all its weights are zero: never
        ("pattern=unstructured-70", {"sparsity_engine": "n:m"}),
        (HALF, {"sparsity_engine": "n:m"}),
    ],
)
def test_what_pus_cannot_use_gains_nothing(setting: str, features: dict) -> None:
    dense, compressed = (run("aim-gddr6", text, **features) for text in ("dense", setting))
    assert dense.tolist() == compressed.tolist()


def test_a_feature_costs_area_and_changes_nothing_dense() -> None:
    plain = run("neupims", "dense", fc_mapping="auto")
    for feature in ("widening", "packed", "mixed"):
        other = run("neupims", "dense", fc_mapping="auto", arithmetic=feature)
        assert (other.latency_s, other.dram_bytes) == (plain.latency_s, plain.dram_bytes)
        assert other.area_mm2 > plain.area_mm2
    for engine in ("n:m", "bitmap"):
        other = run("neupims", "dense", fc_mapping="auto", sparsity_engine=engine)
        assert (other.latency_s, other.dram_bytes) == (plain.latency_s, plain.dram_bytes)
        assert other.area_mm2 > plain.area_mm2


@pytest.mark.parametrize("preset", ["aim-gddr6", "hbm-pim", "neupims"])
def test_weights_input_by_input_are_there_without_zeros_too(preset: str) -> None:
    """The layout needs wide registers, not zeros: hardly any zeros gain hardly anything."""
    machine = {"fc_mapping": "pim", "result_registers": 32, "pu_lanes": 32}
    hardly = "activation_sparsity=0.0001,sparsity_method=teal"
    plain, dense, one_in_10_000 = (
        run(preset, setting, sparsity_engine=engine, **machine)
        for setting, engine in (("dense", "none"), ("dense", "activations"), (hardly, "activations"))
    )
    assert plain.latency_s >= dense.latency_s >= one_in_10_000.latency_s
    assert one_in_10_000.latency_s == pytest.approx(dense.latency_s, rel=1e-3)
    assert one_in_10_000.energy_j == pytest.approx(dense.energy_j, rel=1e-3)
    assert dense.area_mm2 > plain.area_mm2


def test_zero_inputs_of_one_request_are_needed_by_another_on_the_npu_but_not_on_pus() -> None:
    def gain(preset: str, batch: int) -> float:
        workload, engine = f"{DECODE}?batch={batch}&context=64", {"sparsity_engine": "activations"}
        times = [run(preset, text, workload, **engine).latency_s for text in ("dense", HALF)]
        return float(times[0] / times[1])

    npu, pus = "neupims-npu-only", "aim-gddr6"
    assert gain(npu, 1) > 1.5 > gain(npu, 2) > gain(npu, 4) > gain(npu, 16) >= 1
    assert gain(npu, 16) < 1.01
    assert gain(pus, 16) == pytest.approx(gain(pus, 1), rel=0.1)  # each request reads the weights by itself


def test_weights_without_converter_are_unpacked_by_the_vector_unit() -> None:
    vector, converter = (run("neupims-npu-only", "weight_bits=4", arithmetic=a) for a in ("uniform", "widening"))
    assert vector.dram_bytes == converter.dram_bytes
    assert vector.energy_vector_j > 2 * converter.energy_vector_j
    assert vector.latency_s >= converter.latency_s


def test_weights_are_stored_wider_where_that_is_faster() -> None:
    """The vector unit takes longer to unpack 4-bit weights for 8-bit inputs than the NPU to read 8-bit weights."""
    eight, four, converted = (
        run("neupims-npu-only", f"weight_bits={bits},activation_bits=8", npu_arrays=4, arithmetic=arithmetic)
        for bits, arithmetic in ((8, "uniform"), (4, "uniform"), (4, "widening"))
    )
    assert (four.latency_s, four.dram_bytes) == (eight.latency_s, eight.dram_bytes)
    assert converted.latency_s < eight.latency_s
    assert converted.dram_bytes < eight.dram_bytes


@settings(max_examples=2)
@given(seed=st.integers(0, 2**32))
@pytest.mark.parametrize("batch", [1, 16])
@pytest.mark.parametrize("rest", ["activation_bits=16", "activation_bits=8,kv_bits=4"])
def test_narrower_is_not_slower_and_utilisation_is_at_most_one(batch: int, rest: str, seed: int) -> None:
    """But for what is too little to store weights wider. With dual row buffers the sides, chosen operator by
    operator, need not suit the overlap: see the docs.
    """
    rng = np.random.default_rng(seed)
    designs = SPACE.decode(SPACE.sample(300, rng))
    designs["row_buffers"] = SINGLE
    designs["sparsity_engine"] = rng.integers(0, 4, len(designs))
    networks = [Compressed(f"{DECODE}?batch={batch}", f"weight_bits={bits},{rest}") for bits in (16, 8, 6, 4, 3, 2)]
    for arithmetic, mapping in itertools.product(range(4), (FC_NPU, FC_PIM, FC_AUTO)):
        designs["arithmetic"], designs["fc_mapping"] = arithmetic, mapping
        found = [network.evaluate_designs(designs) for network in networks]
        for wide, narrow in itertools.pairwise(found):
            ok = wide.feasible & narrow.feasible
            assert (narrow.latency_s[ok] <= wide.latency_s[ok] / WIDER * (1 + 1e-12)).all()
            assert narrow.feasible[wide.feasible].all()
            assert (narrow.utilisation[ok] <= 1).all()


@pytest.mark.parametrize("preset", ["neupims", "attacc-bank", "aim-gddr6", "neupims-npu-only"])
@pytest.mark.parametrize(
    ("setting", "features"),
    [
        ("weight_bits=4,kv_bits=4", {"arithmetic": "mixed", "sparsity_engine": "n:m"}),
        ("weight_bits=3,activation_bits=8,pattern=2:4", {"arithmetic": "widening", "sparsity_engine": "n:m"}),
        ("weight_bits=4,activation_bits=4,pattern=unstructured-50", {"sparsity_engine": "bitmap"}),
        (HALF, {"sparsity_engine": "activations"}),
    ],
)
def test_compiled_is_plain(preset: str, setting: str, features: dict) -> None:
    evaluator = Compressed(f"{DECODE}?batch=2", setting, dict(PIM.preset(preset).scenario))
    design = design_of(preset, **features)
    compiled = evaluator.evaluate_designs(design)[0]
    assert compiled.feasible
    for name, value in evaluator.plain(design).items():
        assert compiled[name] == pytest.approx(value, rel=1e-12), name
