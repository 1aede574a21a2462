"""A sweep on a cluster of two nodes, here two of Ray's on one machine: a node is a scheduler with one core."""

import pytest
import ray
from ray.cluster_utils import Cluster

import archgym
from archgym.errors import InputError


@pytest.fixture
def cluster():
    head = {"num_cpus": 1, "object_store_memory": 10**8, "include_dashboard": False}
    found = Cluster(initialize_head=True, head_node_args=head)
    found.add_node(num_cpus=1, object_store_memory=10**8)
    yield found
    ray.shutdown()
    found.shutdown()


@pytest.mark.slow
def test_both_nodes_take_part(tmp_path, cluster) -> None:
    at_once = []

    def note(now) -> None:
        at_once.append(sum(run.evaluated > 0 for run in now.running))

    result = archgym.sweep(
        {"workloads": "resnet18", "agents": "tpe", "seeds": 4, "budget": 100, "storage": "none"},
        tmp_path / "sweep",
        address=cluster.address,
        on_progress=note,
    )
    assert [row["status"] for row in result.summary.to_pylist()] == ["finished"] * 4
    assert max(at_once) == 2  # a run takes a core, and a node has one
    assert not ray.is_initialized()


@pytest.mark.parametrize(
    ("address", "says"), [("127.0.0.1:1", "no Ray cluster answers"), ("head", "auto or host:port"), ("a:70000", "a:7")]
)
def test_no_cluster_no_sweep(tmp_path, address, says) -> None:
    with pytest.raises(InputError, match=says):
        archgym.sweep({"workloads": "resnet18", "agents": "random"}, tmp_path / "sweep", address=address)
    assert not (tmp_path / "sweep").exists()
