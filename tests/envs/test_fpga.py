"""Physics of the FPGA model."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archgym.envs.evaluator import Evaluator
from archgym.envs.fpga import FPGA, hls4ml
from archgym.envs.fpga.budget import FF_FULL, URAM_FULL, fullest
from archgym.envs.fpga.devices import scenario
from archgym.envs.fpga.memories import bram18, uram
from archgym.envs.fpga.validation import validate
from archgym.errors import InputError
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


def run(workload: str | Workload, sparsity: str = "dense", **changes: object) -> np.record:
    loaded = Workload.load(workload) if isinstance(workload, str) else workload
    evaluator = Evaluator(FPGA, loaded, {"weight_sparsity": sparsity}, threads=1)
    return evaluator.evaluate_designs(SPACE.design(U280 | changes))[0]


def why(workload: str | Workload, **changes: object) -> str:
    return FPGA.reasons[int(run(workload, **changes).why)].partition(":")[0]


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


def test_pruned_weights_need_a_chain_that_skips_them() -> None:
    dense = run(DECODE)
    assert run(DECODE, sparse_chain="2:8").latency_s == pytest.approx(dense.latency_s), "no gain without pruned weights"
    assert run(DECODE, "2:8").latency_s == dense.latency_s, "no gain without a chain"
    assert run(DECODE, "2:8", sparse_chain="2:4").latency_s == dense.latency_s, "the chain sees too few weights"
    pruned = run(DECODE, "2:8", sparse_chain="2:8")
    weights = Workload.load(DECODE).weight_bytes
    assert dense.dram_bytes - pruned.dram_bytes == pytest.approx(weights * (1 - 2 / 8 * (1 + 3 / 8)))  # 3 index bits
    assert pruned.latency_s < dense.latency_s
    with pytest.raises(InputError, match="weight_sparsity must be dense or N:M"):
        scenario("4:2")


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
