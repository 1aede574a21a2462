"""What cores on a wafer make of narrow weights and of zeros."""

import numpy as np
import pytest

from archgym.compression.network import Network
from archgym.compression.setting import Setting
from archgym.envs.evaluator import Evaluator, plain_array
from archgym.envs.wafer import WAFER
from archgym.envs.wafer.budget import budget
from archgym.envs.wafer.cost import gemv
from archgym.envs.wafer.formats import format_of
from archgym.workloads import Workload
from archgym.workloads.operators import WEIGHT_B

SPACE = WAFER.space
DECODE = "llama3-8b:decode?context=4096"
HALF = "activation_sparsity=0.5,sparsity_method=teal"
SMALLER = {"core_rows": 112, "core_columns": 68}  # of WSE-2: the full wafer has no room for larger cores


class Compressed(Evaluator):
    """Evaluates one compressed network."""

    def __init__(self, workload: str, setting: str) -> None:
        super().__init__(WAFER, Workload.load(workload), threads=1)
        self.table = Network(self.workload).compressed(Setting.parse(setting))
        self._operators = plain_array(self.table)

    def operators_of(self, design: np.ndarray) -> tuple[np.recarray, list[str]]:
        return self.table, [""] * len(self.table)


def design_of(**changes) -> np.recarray:
    return SPACE.design(dict(WAFER.preset("wse-2").values) | SMALLER | changes)


def run(setting: str, workload: str = DECODE, **changes) -> np.record:
    return Compressed(workload, setting).evaluate_designs(design_of(**changes))[0]


@pytest.mark.parametrize(
    ("setting", "features", "cycles"),
    [
        ("weight_bits=4", {}, 100 + 100),  # an operation to unpack each weight
        ("weight_bits=4", {"arithmetic": "widening"}, 100 + 10),  # 10 sums to scale
        ("weight_bits=8,activation_bits=8", {}, 100),
        ("weight_bits=8,activation_bits=8", {"arithmetic": "packed"}, 5 * 10),
        ("weight_bits=4,activation_bits=4", {"arithmetic": "packed"}, 3 * 10 + 10),
        ("pattern=2:4", {"sparsity_engine": "n:m"}, 6 * 10),  # three groups of four
        ("pattern=2:8", {"sparsity_engine": "n:m"}, 4 * 10),
        ("pattern=2:4", {}, 100),
        # the fullest of 420^2 tiles of 100 weights; of 420 rows of cores one has 10 inputs of 10 left
        ("pattern=unstructured-50", {"sparsity_engine": "bitmap"}, 50 + np.sqrt(50 * np.log(420**2))),
        (HALF, {"sparsity_engine": "activations"}, 100),
    ],
)
def test_vector_times_matrix_by_hand(setting: str, features: dict, cycles: float) -> None:
    """A vector times 4096 x 4096 on 420^2 cores: tiles of 10 x 10, a product a cycle."""
    design = design_of(decode_side=420, **features)[0]
    table = Network(Workload.load(DECODE)).compressed(Setting.parse(setting))
    operator = next(row for row in table if row.weight == WEIGHT_B and row.k == row.n == 4096)
    machine, form = budget(design, WAFER.technology()), format_of(design, operator)
    compute, _, _, _ = gemv(design, 420.0, 1.0, 10.0, 10.0, operator, form, machine.decode_reduce, machine)
    assert compute == pytest.approx(cycles)


def test_compression_saves_sram_and_streamed_bytes() -> None:
    dense, narrow = run("dense"), run("weight_bits=4,kv_bits=4", arithmetic="widening")
    assert narrow.core_bytes < 0.4 * dense.core_bytes
    sparse = run("pattern=2:4", sparsity_engine="n:m")
    workload = Workload.load(DECODE + "&bits=16")
    head = 2.0 * 4096 * 128256
    saved = (workload.weight_bytes - head) * (1 - 0.5 * 18 / 16)
    design = design_of(sparsity_engine="n:m")[0]
    meshes = budget(design, WAFER.technology()).decode_cores
    assert dense.core_bytes - sparse.core_bytes == pytest.approx(saved / meshes, rel=0.02)
    streamed = {"memory": "stacked", "streaming": "weights", "sparsity_engine": "activations"}
    shares = []
    for batch in (1, 4, 16):
        both = [run(text, f"{DECODE}&batch={batch}", **streamed).off_wafer_bytes for text in ("dense", HALF)]
        shares.append((both[1] - head) / (both[0] - head))
    assert shares == pytest.approx([1 - 0.5**batch for batch in (1, 4, 16)], rel=1e-3)


@pytest.mark.parametrize("setting", ["pattern=2:4", "pattern=unstructured-70", HALF])
def test_without_an_engine_zeros_change_nothing(setting: str) -> None:
    assert run(setting).tolist() == run("dense").tolist()


def test_features_cost_area_and_change_nothing_dense() -> None:
    plain = run("dense")
    features = [("arithmetic", "widening"), ("arithmetic", "packed")]
    features += [("sparsity_engine", engine) for engine in ("n:m", "bitmap", "activations")]
    for name, choice in features:
        other = run("dense", **{name: choice})
        assert other.core_mm2 > plain.core_mm2
        assert other.latency_s == plain.latency_s


@pytest.mark.parametrize("workload", [DECODE, "llama3-8b:prefill?seq=512&batch=2", "llama3-8b:decode?batch=8"])
@pytest.mark.parametrize(
    ("setting", "features"),
    [
        ("weight_bits=4,kv_bits=4", {}),
        ("weight_bits=4,activation_bits=4,pattern=2:4", {"arithmetic": "packed", "sparsity_engine": "n:m"}),
        ("weight_bits=3,pattern=unstructured-50", {"arithmetic": "widening", "sparsity_engine": "bitmap"}),
        (HALF, {"sparsity_engine": "activations", "memory": "stacked", "streaming": "weights"}),
    ],
)
def test_compiled_is_plain_and_utilisation_at_most_one(workload: str, setting: str, features: dict) -> None:
    evaluator, design = Compressed(workload, setting), design_of(**features)
    compiled = evaluator.evaluate_designs(design)[0]
    assert compiled.feasible
    assert 0 < compiled.utilisation <= 1
    for name, value in evaluator.plain(design).items():
        assert compiled[name] == pytest.approx(value, rel=1e-12), name
