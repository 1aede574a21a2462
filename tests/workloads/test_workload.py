"""The library: published totals, sound graphs, and how networks scale."""

import itertools
import subprocess
import sys

import numpy as np
import pytest

from archgym.workloads import WORKLOADS, Workload
from archgym.workloads.operators import KINDS

SPECS = [*WORKLOADS, "llama3-8b:decode", "opt-6.7b:decode"]

# Measured with PyTorch 2.13 (dispatch-level count), alexnet and resnet18 from the ONNX files of zigzag-dse 3.9.1.
MACS = {
    "alexnet": 0.655e9,
    "resnet18": 1.814e9,
    "resnet50": 4.089e9,
    "mobilenetv2": 0.301e9,
    "bert-base": 11.17e9,
    "vit-b16": 17.56e9,
    "opt-6.7b": 855e9,
    "llama2-7b": 850e9,
    "llama3-8b": 965e9,
}

# Published parameters less embedding tables, where the network has its own output head (torchvision, model cards).
WEIGHTS = {
    "alexnet": 61.1e6,
    "resnet18": 11.69e6,
    "resnet50": 25.56e6,
    "mobilenetv2": 3.50e6,
    "bert-base": 109.5e6 - 23.8e6 - 0.6e6,  # tables and pooler
    "vit-b16": 86.57e6,
    "gpt2-xl": 1557.6e6,  # the output head shares the embedding table
    "gpt3-175b": 175e9,
    "opt-6.7b": 6658e6,
    "llama2-7b": 6738e6 - 32000 * 4096,
    "llama2-13b": 13016e6 - 32000 * 5120,
    "llama3-8b": 8030e6 - 128256 * 4096,
}


@pytest.mark.parametrize("name", MACS)
def test_macs_match_published_totals(name: str) -> None:
    assert Workload.load(name).macs == pytest.approx(MACS[name], rel=0.005)


@pytest.mark.parametrize("name", WEIGHTS)
def test_weights_match_published_parameters(name: str) -> None:
    assert Workload.load(name).weight_bytes == pytest.approx(WEIGHTS[name], rel=0.01)


@pytest.mark.parametrize("spec", SPECS)
def test_edges_join_every_layer_from_input_to_output(spec: str) -> None:
    work = Workload.load(spec)
    assert all(0 <= source < target < len(work.layers) for source, target in work.edges)
    sources, targets = {source for source, _ in work.edges}, {target for _, target in work.edges}
    over_pcie = spec.startswith("tpu-v1")  # its inputs and outputs do not cross the weight memory
    inputs = {layer.operator.a_bytes for layer in work.layers if layer.operator.a_external}  # may have more readers
    inputs |= {work.layers[0].operator.a_bytes} if over_pcie else set()
    last = max(targets)
    for index, layer in enumerate(work.layers):
        assert index in targets or layer.operator.a_bytes in inputs, f"{layer.name} has no input"
        assert index in sources or layer.operator.out_external or (over_pcie and index >= last - 2), layer.name
    assert len({layer.name for layer in work.layers}) == len(work.layers)


@pytest.mark.parametrize("spec", SPECS)
def test_table_conserves_the_layers(spec: str) -> None:
    work = Workload.load(spec)
    operators = [layer.operator for layer in work.layers]
    assert work.macs == sum(operator.macs for operator in operators)
    assert work.vector_ops == sum(operator.vector_ops for operator in operators)
    assert np.sum(work.operators.count * work.operators.out_bytes) == sum(operator.out_bytes for operator in operators)
    assert len(work.labels) == len(work.operators)
    assert work.weight_bytes <= work.compulsory_bytes


def test_labels_name_the_first_layer_and_the_count() -> None:
    labels = Workload.load("bert-base").labels
    assert labels[0] == "embedding"
    assert "layer0.softmax x12" in labels


@pytest.mark.parametrize("spec", ["resnet50", "mobilenetv2", "bert-base", "llama3-8b", "llama3-8b:decode"])
def test_batch_scales_work_and_not_weights_and_bits_scale_bytes_and_not_work(spec: str) -> None:
    one, eight, wide = Workload.load(spec), Workload.load(f"{spec}?batch=8"), Workload.load(f"{spec}?bits=16")
    assert (eight.macs, eight.vector_ops) == (8 * one.macs, 8 * one.vector_ops)
    assert eight.weight_bytes == one.weight_bytes
    assert (wide.macs, wide.vector_ops) == (one.macs, one.vector_ops)
    assert (wide.weight_bytes, wide.compulsory_bytes) == (2 * one.weight_bytes, 2 * one.compulsory_bytes)


@pytest.mark.parametrize("name", ["resnet18", "mobilenetv2", "vit-b16"])
def test_vision_networks_read_the_image_and_write_the_classes(name: str) -> None:
    work = Workload.load(name)
    positions = 197 * 768 if name == "vit-b16" else 0
    assert work.compulsory_bytes == work.weight_bytes + 224 * 224 * 3 + 1000 + positions


def test_kinds_fit_their_sizes() -> None:
    rows = itertools.chain.from_iterable(Workload.load(spec).operators for spec in SPECS)
    for row in rows:
        multiplies = KINDS[row.kind] in ("conv", "matmul", "attention")
        assert (row.k > 0) == multiplies
        assert row.m > 0
        assert row.n > 0


def test_import_stays_light() -> None:
    code = "import sys, archgym.workloads; print(not {'torch', 'numba', 'ray', 'optuna'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "True"
