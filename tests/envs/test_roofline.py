"""Rooflines of every family: peak rates that no design of the cost models gets past."""

from functools import cache

import numpy as np
import pytest

from archgym.api import evaluator
from archgym.envs.evaluator import Evaluator
from archgym.envs.roofline import Engine

WORKLOADS = {
    "systolic": ("resnet50", "bert-base?bits=16"),
    "pim": ("llama3-8b:decode?bits=4&batch=16", "llama2-7b"),
    "wafer": ("llama3-8b:decode?context=4096&bits=16", "bert-base?bits=16"),
    "fpga": ("bert-base", "xr-ed-tcn"),  # the second also fits as circuits of hls4ml
    "xr": ("resnet50", "bert-base"),
}
CASES = [(name, workload) for name, workloads in WORKLOADS.items() for workload in workloads]
DESIGNS = 20_000  # some 5 % of wafers and FPGA designs are feasible
DONE_S = {"fpga": "interval_s"}  # pipelines: a run may end sooner than after the sum of its operators


@cache
def feasible(environment: str, workload: str) -> tuple[Evaluator, np.recarray, np.recarray]:
    """Random designs that can run the workload, and their metrics."""
    model = evaluator(environment, workload)
    indices = model.space.sample(DESIGNS, np.random.default_rng(7))
    metrics = model.evaluate(indices)
    return model, model.space.decode(indices[metrics.feasible]), metrics[metrics.feasible]


def engines_of(model: Evaluator, designs: np.recarray) -> dict[str, Engine]:
    assert model.family.engines is not None
    return dict(model.family.engines(designs, model.technology))


def preset(environment: str, name: str) -> dict[str, Engine]:
    model = evaluator(environment)
    return engines_of(model, model.space.design(dict(model.family.preset(name).values)))


def peak(model: Evaluator, designs: np.recarray) -> np.ndarray:
    """Multiply-accumulates per second of all engines [N]."""
    return np.sum([engine.macs_per_s for engine in engines_of(model, designs).values()], axis=0)


@pytest.mark.parametrize("environment", WORKLOADS)
def test_engines_are_finite_arrays(environment: str) -> None:
    """Of any designs, feasible or not; one design alone has what it has among others."""
    model = evaluator(environment, WORKLOADS[environment][0])
    designs = model.space.decode(model.space.sample(500, np.random.default_rng(0)))
    alone = engines_of(model, designs[3:4])
    for name, engine in engines_of(model, designs).items():
        for field, values in engine._asdict().items():
            assert values.shape == (500,), (name, field)
            assert np.isfinite(values).all(), (name, field)
            assert (values >= 0).all(), (name, field)
            assert values[3] == getattr(alone[name], field)[0], (name, field)


@pytest.mark.parametrize(("environment", "workload"), CASES)
def test_no_network_runs_faster_than_the_peak(environment: str, workload: str) -> None:
    model, designs, metrics = feasible(environment, workload)
    assert len(designs) > 300
    assert (peak(model, designs) > 0).all()
    o = model.workload.operators
    macs = (o["count"] * o.batch * o.groups * o.m * o.k * o.n).sum()
    least_s = macs / peak(model, designs)
    assert (metrics[DONE_S.get(environment, "latency_s")] >= least_s * (1 - 1e-9)).all()


@pytest.mark.parametrize(("environment", "workload"), CASES)
def test_no_operator_runs_faster_than_the_peak(environment: str, workload: str) -> None:
    model, designs, _ = feasible(environment, workload)
    for i in range(10):
        rate = peak(model, designs[i : i + 1])[0]
        for row in model.breakdown(designs[i : i + 1]):
            assert row["latency_s"] >= row["macs"] / rate * (1 - 1e-9), row["operator"]


@pytest.mark.parametrize(
    ("environment", "engine", "parameter"),
    [
        ("systolic", "arrays", "array_rows"),
        ("systolic", "arrays", "clock_ghz"),
        ("pim", "npu", "npu_arrays"),
        ("pim", "pim", "pu_lanes"),
        ("wafer", "decode", "clock_ghz"),
        ("fpga", "gemm", "tile_k"),
        ("fpga", "attention", "attention_lanes"),
        ("xr", "accelerator_1", "clock_ghz"),
    ],
)
def test_twice_as_much_is_twice_as_fast(environment: str, engine: str, parameter: str) -> None:
    model, designs, _ = feasible(environment, WORKLOADS[environment][0])
    larger = designs.copy()
    larger[parameter] *= 2
    once, twice = (engines_of(model, d)[engine].macs_per_s for d in (designs, larger))
    assert once.any()
    assert twice == pytest.approx(2 * once)


def test_rates_by_hand() -> None:
    """XRBench's K: three quarters of 4096 PEs, one quarter, and nothing; AiM: 16 chips of 1 TFLOPS, and no NPU."""
    split, aim = preset("xr", "k-4k"), preset("pim", "aim-gddr6")
    assert [engine.macs_per_s[0] for engine in split.values()] == pytest.approx([3072e9, 1024e9, 0, 0])
    busy = 1 - (105 + 16 + 28) / 1666.5  # refresh
    assert aim["pim"].macs_per_s[0] == pytest.approx(2 * 16 * 512e9 * busy)  # of 8 bits
    assert aim["pim"].bytes_per_s[0] == pytest.approx(16 * 2 * 16 * 32e9 * busy)  # a column of each bank per ns
    assert (aim["npu"].macs_per_s[0], aim["npu"].bytes_per_s[0]) == (0, 0)
