"""Against table 1 and section 7 of arXiv 1704.04760."""

import math
from collections import Counter

import pytest

from archgym.workloads import Workload

#       weights, MACs per weight byte, layers: FC, conv, vector, pool
TABLE = {
    "mlp0": (20e6, 200, (5, 0, 0, 0)),
    "mlp1": (5e6, 168, (4, 0, 0, 0)),
    "lstm0": (52e6, 64, (24, 0, 34, 0)),
    "lstm1": (34e6, 96, (37, 0, 19, 0)),
    "cnn0": (8e6, 2888, (0, 16, 0, 0)),
    "cnn1": (100e6, 1750, (4, 72, 0, 13)),
}


@pytest.mark.parametrize("name", TABLE)
def test_published_table(name: str) -> None:
    weights, intensity, layers = TABLE[name]
    work = Workload.load(f"tpu-v1-{name}")
    assert work.weight_bytes == pytest.approx(weights, rel=0.01)
    assert work.macs / work.weight_bytes == pytest.approx(intensity, rel=0.02)
    fully_connected = {layer.name.partition(".")[0] for layer in work.layers if layer.operator.kind == "matmul"}
    kinds = Counter(layer.operator.kind for layer in work.layers)
    assert (len(fully_connected), kinds["conv"], kinds["elementwise"], kinds["pool"]) == layers


def test_lstm1_consists_of_600x600_matrices() -> None:
    products = [layer.operator for layer in Workload.load("tpu-v1-lstm1").layers if layer.operator.k]
    assert {(operator.k, operator.n) for operator in products} == {(600, 600)}


def test_cnn1_fills_half_of_its_weight_tiles() -> None:
    table = Workload.load("tpu-v1-cnn1").operators
    tiles = [math.ceil(k / 256) * math.ceil(n / 256) * 256**2 for k, n in zip(table.k, table.n, strict=True)]
    rows = table.count * table.m
    filled = sum(rows * table.k * table.n) / sum(rows * tiles)
    assert filled == pytest.approx(22.5 / 46.2, rel=0.02)
