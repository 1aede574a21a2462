"""The networks and scenarios of XRBench against published sizes."""

import csv
from pathlib import Path

import numpy as np
import pytest

from archgym.errors import UnknownNameError
from archgym.workloads import WORKLOADS, Workload
from archgym.workloads.builder import Builder
from archgym.workloads.operators import KINDS
from archgym.workloads.xr import person, scenarios

DOCS = Path(__file__).parents[2] / "docs"
SCENARIOS = [scenarios.workload_name(name) for name in scenarios.SCENARIOS]
NETWORKS = [name for name in WORKLOADS if name.startswith("xr-") and name not in SCENARIOS]


def test_sizes_of_the_papers() -> None:
    """MACs and weights that the networks' authors give, at the image size they give them for."""
    fbnet = person.fbnet_c(height=224, width=224)
    assert fbnet.macs == pytest.approx(375e6, rel=0.01)  # arXiv 1812.03443
    assert fbnet.weight_bytes == pytest.approx(5.5e6, rel=0.01)
    hrvit = Workload.load("xr-hrvit-b1")
    assert hrvit.macs == pytest.approx(2.7e9, rel=0.03)  # arXiv 2111.01236, with the classifier
    assert hrvit.weight_bytes == pytest.approx(19.7e6, rel=0.02)
    assert Workload.load("xr-ritnet").weight_bytes == pytest.approx(248_900, rel=0.01)  # arXiv 1910.00694
    assert Workload.load("xr-res8-narrow").weight_bytes == pytest.approx(19.9e3, rel=0.02)  # arXiv 1710.10361
    emformer = Workload.load("xr-emformer")
    products, attention = 24 * (4 * 512**2 + 2 * 512 * 2048), 24 * 2 * 128 * 512
    assert emformer.weight_bytes == products
    assert emformer.macs == 128 * (products + attention)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_is_whole(name: str) -> None:
    network = Workload.load(name)
    assert network.name == name
    table = network.operators
    assert (table.m % table.width == 0).all(), "the map has whole rows"
    assert (table.k % table.kernel == 0).all(), "whole input channels"
    assert ((table.kernel > 1) <= (table.kind == KINDS.index("conv"))).all()
    used = {source for source, _ in network.edges}
    ends = {index for index, layer in enumerate(network.layers) if layer.operator.out_external}
    assert used | ends == set(range(len(network.layers))), "every layer's output is used"
    assert any(layer.operator.a_external for layer in network.layers)


def test_the_page_lists_every_network_with_its_macs() -> None:
    page = (DOCS / "xr.md").read_text()
    for name in NETWORKS:
        network = Workload.load(name)
        row = next(line for line in page.splitlines() if line.startswith(f"| {name} |"))
        macs, weights = (float(cell) for cell in row.split("|")[3:5])
        assert macs == pytest.approx(network.macs / 1e6, rel=0.005)
        assert weights == pytest.approx(network.weight_bytes / 1e6, rel=0.01, abs=0.005)


def test_scenarios_are_the_published_ones() -> None:
    path = Path(scenarios.__file__).parent / "scenarios.csv"
    rows = list(csv.DictReader(line for line in path.read_text().splitlines() if not line.startswith("#")))
    assert len(rows) == 26
    for row in rows:
        workload = Workload.load(scenarios.workload_name(row["scenario"]))
        names = [task.name for task in workload.tasks]
        task = workload.tasks[names.index(row["model"])]
        assert task.rate_hz == float(row["fps"])
        assert task.probability == float(row["probability"])
        assert (names[task.after] if task.after >= 0 else "") == row["depends_on"]
        own = [layer.operator for layer in workload.layers if layer.operator.task == names.index(row["model"])]
        alone = scenarios.NETWORKS[row["model"]]()
        assert sum(operator.macs for operator in own) == alone.macs
        table = workload.operators
        merged = table[table.task == names.index(row["model"])]
        assert np.sum(merged["count"]) == len(alone.layers)


def test_tasks_have_no_dependences_between_their_layers() -> None:
    workload = Workload.load("xr-vr-gaming")
    tasks = [layer.operator.task for layer in workload.layers]
    assert all(tasks[source] == tasks[target] for source, target in workload.edges)


def test_depthwise_as_published_is_dense() -> None:
    grouped, dense = (Workload.load(f"xr-outdoor-activity-b?depthwise={kind}") for kind in ("grouped", "dense"))
    assert dense.macs > 1.5 * grouped.macs
    assert dense.operators.groups.max() == 1
    assert grouped.name == "xr-outdoor-activity-b"
    with pytest.raises(UnknownNameError, match="did you mean 'dense'"):
        Workload.load("xr-vr-gaming?depthwise=dens")


def test_transposed_and_oblong_convolutions_by_hand() -> None:
    net = Builder()
    x = net.conv_transposed("up", net.input(2, 5, 7, 3), 4, 4)
    assert x.shape == (2, 10, 14, 4)
    x = net.conv("tall", x, 6, (5, 1))
    assert x.shape == (2, 10, 14, 6)
    up, tall = (layer.operator for layer in net.build("net", x).layers)
    assert up.macs == 2 * 10 * 14 * 4 * 3 * 16 / 4  # 16 taps, of which a quarter meets each output
    assert up.b_bytes == 3 * 16 * 4
    assert (tall.macs, tall.kernel, tall.width) == (2 * 10 * 14 * 6 * 4 * 5, 5, 14)
