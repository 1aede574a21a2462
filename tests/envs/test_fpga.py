"""Physics of the FPGA model."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archgym.compression.knobs import DEFAULTS
from archgym.compression.network import Network
from archgym.envs.cosearch import JointEvaluator
from archgym.envs.evaluator import Evaluator
from archgym.envs.fpga import FPGA, hls4ml
from archgym.envs.fpga.budget import FF_FULL, URAM_FULL, fullest
from archgym.envs.fpga.devices import scenario
from archgym.envs.fpga.memories import bram18, uram
from archgym.envs.fpga.validation import validate
from archgym.envs.fpga.weights import chain_density
from archgym.workloads import Workload
from archgym.workloads.builder import RELU, Builder

SPACE = FPGA.space
DECODE, IMAGE = "llama3-8b:decode?batch=4", "resnet18"
U280 = {  # int8 design with room for every change made below
    "board": "u280",
    "engine": "gemm",
    "precision": "int8",
    "tile_m": 4,
    "tile_k": 16,
    "tile_n": 16,
    "engines": 4,
    "activation_buffer_kib": 512,
    "weight_buffer_kib": 2048,
    "output_buffer_kib": 64,
    "memory_channels": 32,
    "clock_mhz": 200,
    "sparse_chain": "off",
    "execution": "sequential",
    "attention_lanes": 0,
    "streaming_attention": "off",
    "reuse_factor": 32,
    "strategy": "resource",
}


FEATURES = {feature.name: feature.choices[0] for feature in SPACE.fixed}
W8A8 = {"weight_bits": 8, "activation_bits": 8, "kv_bits": 8}


def run(workload: str | Workload, **changes: object) -> np.record:
    loaded = Workload.load(workload) if isinstance(workload, str) else workload
    return Evaluator(FPGA, loaded, threads=1).evaluate_designs(SPACE.design(U280 | changes))[0]


def compressed(workload: str | Workload, **changes: object) -> np.record:
    """Metrics where `changes` are of the design, its features for compressed networks, and the setting (W8A8KV8)."""
    loaded = Workload.load(workload) if isinstance(workload, str) else workload
    evaluator = JointEvaluator(FPGA, loaded, threads=1)
    design = evaluator.space.design(FEATURES | DEFAULTS | W8A8 | U280 | changes)
    return evaluator.evaluate_designs(design)[0]


def why(workload: str | Workload, **changes: object) -> str:
    return FPGA.reasons[int(run(workload, **changes).why)].partition(":")[0]


def why_compressed(workload: str | Workload, **changes: object) -> str:
    return FPGA.reasons[int(compressed(workload, **changes).why)].partition(":")[0]


@pytest.fixture(scope="module", params=[DECODE, IMAGE])
def evaluator(request) -> Evaluator:
    return Evaluator(FPGA, Workload.load(request.param), threads=1)


def varied(evaluator: Evaluator, name: str, seed: int) -> np.recarray:
    """Metrics [designs, choices] of random tiled designs in which only `name` varies, all choices feasible."""
    n, count = len(SPACE[name].choices), 400
    indices = np.repeat(SPACE.sample(count, np.random.default_rng(seed)), n, axis=0)
    indices[:, SPACE.names.index("engine")] = 0
    indices[:, SPACE.names.index("precision")] = 1
    indices[:, SPACE.names.index(name)] = np.tile(np.arange(n), count)
    metrics = evaluator.evaluate(indices).reshape(count, n)
    return metrics[metrics.feasible.all(axis=1)]


@settings(max_examples=10)
@given(seed=st.integers(0, 2**32))
def test_monotonicity(evaluator: Evaluator, seed: int) -> None:
    for buffer in ("activation_buffer_kib", "weight_buffer_kib", "output_buffer_kib"):
        larger = varied(evaluator, buffer, seed)
        larger = larger[larger.aie[:, 0] == 0]  # AI-engine schedules pad to the tile, so a larger one may move more
        assert len(larger)
        assert not (np.diff(larger.dram_bytes) > 1e-6).any(), "a larger buffer never moves more off chip"
        memory = larger.bram18 + 16 * larger.uram  # an UltraRAM holds 16 of the small ones
        assert not (np.diff(memory) < -1e-9).any(), "a larger buffer never takes less memory"
    clock = varied(evaluator, "clock_mhz", seed)
    assert not (np.diff(clock.latency_s) > 1e-15).any(), "a faster clock is never slower"
    chain = varied(evaluator, "sparse_chain", seed)
    assert not (np.diff(chain.lut) < 0).any(), "a chain that skips zeros is never smaller"


def test_more_channels_are_never_slower() -> None:
    for board, channels in (("u280", (1, 2, 3, 8, 16, 32)), ("u250", (1, 2, 3, 4)), ("zcu102", (1, 2, 3, 4))):
        times = [run(DECODE, board=board, memory_channels=n, clock_mhz=150).latency_s for n in channels]
        assert not (np.diff(times) > 1e-15).any(), board


def test_memories_take_the_best_aspect_ratio() -> None:
    """The two buffers of the synthesis runs, in halves of a RAMB36, and a tall one."""
    assert bram18(128, 4096) == 30
    assert bram18(256, 512) == 8
    assert bram18(1, 16384) == 1
    assert uram(73, 4097) == 4


def test_dense_circuits() -> None:
    """More reuse is fewer multipliers and more time; the multiplexer appears beyond two outputs per multiplier."""
    slow, fast = (hls4ml.resource_layer(64, 64, 8, reuse) for reuse in (128, 32))
    assert (slow.multipliers, fast.multipliers) == (32, 128) == (slow.dsp, fast.dsp)
    assert (slow.interval, slow.latency) == (128, 130)
    jump = hls4ml.resource_layer(64, 64, 8, 256).lut - slow.lut
    assert jump > 16 * 64 * 5 - 16 * hls4ml.LUT_PER_MULTIPLIER - 1, "16 multiplexers over 64 accumulators, less logic"
    assert hls4ml.dsp(100, 4) == 0, "narrow weights are multiplied in LUTs"
    assert hls4ml.latency_layer(64, 64, 8).interval == 1


def _network(*widths: int, bits: int = 8) -> Workload:
    net = Builder(bits)
    x = net.input(1, widths[0])
    for index, width in enumerate(widths[1:]):
        x = net.linear(f"fc{index}", x, width, activation=RELU)
    return net.build("small", x)


def test_circuits_of_a_network() -> None:
    small = _network(64, 64, 32)
    slow, fast = (run(small, engine="hls4ml-dense", reuse_factor=reuse) for reuse in (64, 16))
    cycle = 1e-6 / slow.clock_mhz
    assert slow.interval_s == pytest.approx(64 * cycle)  # the slower layer, 64 inputs to a multiplier
    assert slow.latency_s == pytest.approx((66 + 66) * cycle)  # both layers in turn
    assert fast.dsp == pytest.approx(4 * slow.dsp)
    assert slow.utilisation == pytest.approx(1)
    assert why(DECODE, engine="hls4ml-dense") == "no_weights"


def test_packing_and_passes() -> None:
    counts = [run("llama3-8b:decode?bits=4", precision=precision).dsp for precision in ("int4", "int8", "int16")]
    lanes = 4 * 16  # of the vector unit
    assert [count - lanes for count in counts] == [1024, 2048, 4096]
    versal = run("resnet18", board="vhk158")
    assert versal.dsp - lanes == np.ceil(4096 / 3)  # DSP58: three int8 products


@pytest.mark.parametrize(
    ("window", "pattern", "density"),
    [
        (4, (2, 4), 1 / 2),
        (4, (1, 4), 1 / 2),  # padded: two products for each window
        (4, (2, 8), 1 / 2),  # two of eight are at most two of four
        (4, (4, 8), 1),  # all four of a window may be left
        (8, (2, 4), 1 / 2),  # four of eight, two at a time
        (8, (4, 8), 1 / 2),
        (8, (1, 4), 1 / 4),
        (8, (2, 8), 1 / 4),
        (4, (2, 16), 1 / 2),
    ],
)
def test_what_a_chain_makes_of_a_pattern(window: int, pattern: tuple[int, int], density: float) -> None:
    assert chain_density(window, *pattern) == density


def test_pruned_weights_need_a_chain_that_skips_them() -> None:
    dense = compressed(DECODE)
    assert compressed(DECODE, sparse_chain="2:8").latency_s == dense.latency_s, "no gain without pruned weights"
    for zeros in ({"pattern": "2:8"}, {"pattern": "unstructured-70"}, {"activation_sparsity": 0.65}):
        assert compressed(DECODE, **zeros) == dense, "no gain without a chain"
    for zeros in ({"pattern": "unstructured-70"}, {"activation_sparsity": 0.65}):
        assert compressed(DECODE, sparse_chain="2:8", **zeros).latency_s == dense.latency_s, "no gain but of N:M"
    products = Workload.load(DECODE).operators
    weights = (products.weight == 2) & ~Network(Workload.load(DECODE)).roles.head
    dense_bytes = (products.count * products.b_bytes)[weights].sum()
    for chain, share in (("2:8", 2 / 8 * (1 + 3 / 8)), ("2:4", 2 / 4 * (1 + 2 / 8))):  # an index for each weight left
        pruned = compressed(DECODE, pattern="2:8", sparse_chain=chain)
        assert dense.dram_bytes - pruned.dram_bytes == pytest.approx(dense_bytes * (1 - share))
        assert pruned.latency_s < dense.latency_s


def test_weights_with_group_scales_need_a_dequantiser() -> None:
    """One product of 512 inputs and 64 outputs: the bytes of its weights."""
    layer, positions = _network(512, 64), 512 * 64
    ends = 512 + 64 * 1.0  # input and output, 8 bits
    for dequantise, bits in (("off", 8), ("weights", 4 + 16 / 128), ("sums", 4 + 16 / 128)):
        got = compressed(layer, weight_bits=4, dequantise=dequantise)
        assert got.dram_bytes == pytest.approx(ends + positions * bits / 8), dequantise
    assert compressed(layer, weight_bits=6, dequantise="weights").dram_bytes == ends + positions, "codes up to 4 bits"
    assert why_compressed(layer, precision="int4", activation_bits=4, weight_bits=4) == "precision", (
        "scales need 8 bits"
    )
    assert compressed(layer, precision="int4", activation_bits=4, weight_bits=4, dequantise="sums").feasible
    one_group = compressed(_network(128, 64), weight_bits=4)
    assert one_group.dram_bytes == pytest.approx(128 + 64 + 128 * 64 * (4 + 16 / 128) / 8), "its scale is the output's"


def test_what_dequantisers_take() -> None:
    plain, weights, sums = (run(IMAGE, dequantise=how) for how in ("off", "weights", "sums"))
    per_cycle = 4 * 16 * 16  # weights
    assert weights.lut - plain.lut == pytest.approx(per_cycle * 1.1 * (2 * 2 - 1) * (4 + 8))
    assert weights.ff - plain.ff == pytest.approx(per_cycle * 8)
    assert sums.dsp - plain.dsp == 4 * (4 * 16 * 16 / 128) * 2
    assert run(IMAGE, dequantise="sums", sparse_chain="2:8").dsp - plain.dsp == 4 * 4 * (sums.dsp - plain.dsp) / 4
    assert (
        run(IMAGE, board="vck190", memory_channels=1, dequantise="sums").dsp
        == run(IMAGE, board="vck190", memory_channels=1).dsp
    ), "AI engines have none"


def test_two_narrow_products_fit_a_slice() -> None:
    """Weights 22 bits apart on the 27-bit input times a 16-bit activation: 8 sums come apart, also at their largest."""
    rng = np.random.default_rng(1)
    largest = np.full((1, 8), -7), np.full((1, 8), 7), np.full((1, 8), -(2**15))
    drawn = *(rng.integers(-7, 8, (1000, 8)) for _ in range(2)), rng.integers(-(2**15), 2**15, (1000, 8))
    for high, low, activation in (largest, drawn):
        packed = (high << 22) + low
        assert (abs(packed) < 2**26).all(), "the input of a DSP48E2 is 27 bits wide"
        total = (packed * activation).sum(axis=1)
        below = (total + 2**21) % 2**22 - 2**21  # the lower field, with its sign
        assert (below == (low * activation).sum(axis=1)).all()
        assert (total - below >> 22 == (high * activation).sum(axis=1)).all()


def test_a_narrow_port_packs_two_products_and_takes_passes() -> None:
    slices = {
        (precision, port): run("llama3-8b:decode?bits=4", precision=precision, weight_port=port).dsp - 4 * 16
        for precision in ("int4", "int8", "int16")
        for port in ("full", "4-bit")
    }
    assert slices["int16", "4-bit"] == slices["int16", "full"] / 2 == 2048
    assert slices["int8", "4-bit"] == slices["int8", "full"] == 2048
    assert slices["int4", "4-bit"] == slices["int4", "full"] == 1024
    fast = {"precision": "int16", "weight_port": "4-bit", "dequantise": "sums", "tile_m": 1, "engines": 1}
    one, two = (compressed(_network(512, 64), weight_bits=bits, **fast).energy_dsp_j for bits in (4, 8))
    assert two == pytest.approx(2 * one)


def test_zeros_of_a_circuit() -> None:
    """A constant that is zero has no multiplier; the resource strategy reads it from memory as any other."""
    network, circuit = _network(64, 64, 32), {"engine": "hls4ml-dense"}
    full, half = (compressed(network, strategy="latency", pattern=p, **circuit) for p in ("dense", "unstructured-50"))
    assert half.dsp == pytest.approx(full.dsp / 2)
    assert half.utilisation == full.utilisation
    kept = [compressed(network, strategy="resource", pattern=p, **circuit) for p in ("dense", "unstructured-50")]
    assert kept[0] == kept[1]


@settings(max_examples=10)
@given(seed=st.integers(0, 2**32), workload=st.sampled_from(["llama2-7b:decode?batch=2", IMAGE]))
def test_narrower_is_never_slower(seed: int, workload: str) -> None:
    evaluator = JointEvaluator(FPGA, Workload.load(workload), threads=1)
    whole = {"token_pruning": 0, "head_pruning": 0, "pattern": ["dense", "2:4", "4:8"]}
    space = evaluator.space.restrict(engine="gemm", activation_bits=8, kv_bits=8, weight_bits=[3, 4, 6, 8], **whole)
    indices = np.repeat(space.sample(300, np.random.default_rng(seed)), 4, axis=0)
    indices[:, space.names.index("weight_bits")] = np.tile(np.arange(4), 300)
    metrics = evaluator.evaluate_designs(space.decode(indices)).reshape(300, 4)
    metrics = metrics[metrics.feasible.all(axis=1) & (metrics.aie[:, 0] == 0)]
    assert not (np.diff(metrics.dram_bytes) < -1e-3).any()
    # more of narrower weights fit a buffer, so the first tile may be longer
    assert not (np.diff(metrics.latency_s) < -0.02 * metrics.latency_s[:, 1:]).any()


def test_compiled_is_plain_on_compressed_networks() -> None:
    evaluator = JointEvaluator(FPGA, Workload.load(IMAGE), threads=1)
    rng = np.random.default_rng(3)
    space = evaluator.space.restrict(
        pattern=["dense", "2:4", "2:8", "unstructured-50"], token_pruning=0, head_pruning=0
    )
    designs = space.decode(space.sample(3000, rng))
    metrics = evaluator.evaluate_designs(designs)
    for i in rng.permutation(np.flatnonzero(metrics.feasible))[:15]:
        for name, value in evaluator.plain(designs[i : i + 1]).items():
            assert metrics[i][name] == pytest.approx(value, rel=1e-12), name


def test_execution_styles() -> None:
    image = "vit-b16"
    common = {"activation_buffer_kib": 64, "memory_channels": 1, "streaming_attention": "on"}
    sequential, dataflow, hybrid = (run(image, **common, execution=e) for e in ("sequential", "dataflow", "hybrid"))
    assert sequential.interval_s == sequential.latency_s
    assert dataflow.interval_s < dataflow.latency_s, "several runs are in flight"
    assert hybrid.dram_bytes < sequential.dram_bytes, "large intermediates are handed over, not spilled"
    apart = run(image, **common | {"streaming_attention": "off"})
    assert apart.dram_bytes > sequential.dram_bytes, "scores that do not fit are spilled"
    unit = run(image, **common, attention_lanes=128)
    assert unit.dsp - sequential.dsp == 2 * 128 / 2


def test_every_reason_is_reached() -> None:
    reached = {
        "dsp_full": why(IMAGE, board="artix-100t", memory_channels=1),
        "lut_full": why(_network(32, 256, 256), engine="hls4ml-dense", board="pynq-z2", reuse_factor=512),
        "bram_full": why(IMAGE, board="zcu102", memory_channels=1, engines=1, weight_buffer_kib=65536),
        "aie_full": why(IMAGE, board="vck190", memory_channels=1, tile_k=64, tile_n=64, tile_m=16),
        "memory_channels": why(IMAGE, memory_channels=64),
        "memory_full": why("llama2-13b:decode"),
        "precision": why("llama3-8b:decode?bits=16"),
        "no_weights": why("bert-base", engine="hls4ml-dense"),
        "buffer_too_small": why(IMAGE, tile_m=16, tile_n=64, engines=16, tile_k=1),
    }
    assert reached == {name: name for name in reached}
    constants = scenario()
    assert fullest(constants, 6, 0, 0, 1.4e6, 0, 0)[0] == FF_FULL
    assert fullest(constants, 6, 0, 0, 0, 0, 800)[0] == URAM_FULL


def test_workloads_of_the_papers() -> None:
    """CHARM's table 5 in multiply-accumulates, and M3ViT as UbiMoE sizes it."""
    tokens = 3072
    products = {
        "charm-bert": tokens * (4 * 1024**2 + 8 * 1024**2) + 96 * 2 * 512**2 * 64,
        "charm-vit": tokens * 1024 * (3024 + 1024 + 8192 + 3072) + 768 * 2 * 64**3,
        "charm-mlp": tokens * 4096 * (2048 + 2 * 4096 + 1024),
    }
    for name, macs in products.items():
        assert Workload.load(name).macs == macs
    assert Workload.load("m3vit").weight_bytes == pytest.approx(2 * 17.86e6, rel=0.01)
    layer = Workload.load("m3vit").layers[0]
    assert replace(layer, name="x").operator.m == 128  # patches of a 128 x 256 image


def test_validation(reference: Path | None) -> None:
    checks = validate(reference)
    # UbiMoE's unrolls on ZCU102 are not published; with CHARM the mean is within the target
    assert {check.group for check in checks if check.status == "missed"} == {"UbiMoE throughput"}
    met = {(check.group, check.item) for check in checks if check.status == "met"}
    assert {("flightllm-u280", "tokens"), ("SAT", "speed-up 2:8")} <= met
    assert ("UbiMoE and CHARM throughput", "mean absolute error of 6") in met
    dense = [check for check in checks if check.group.startswith("hls4ml dense")]
    if reference is None:
        assert [check.status for check in dense] == ["not available"]
    else:
        assert sum(check.status == "met" for check in dense) == 6
