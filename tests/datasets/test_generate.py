"""Making data sets: reproducible, right, whole or absent."""

import json
import os

import numpy as np
import pyarrow.parquet as pq
import pytest

from archgym import datasets
from archgym.api import evaluator
from archgym.datasets import writer
from archgym.errors import ArchGymError, InputError, UnknownNameError

SMALL = {"environment": "systolic", "workloads": ["resnet18"], "n": 500}


def test_labels_are_those_of_the_cost_model(small) -> None:
    for workload in small.workloads:
        rows = small.arrays(workload=workload)
        metrics = evaluator("systolic", workload).evaluate(rows.indices)
        np.testing.assert_array_equal(rows.feasible, metrics.feasible)
        np.testing.assert_array_equal(rows.why, metrics.why)
        for name, column in rows.metrics.items():
            np.testing.assert_array_equal(column, metrics[name])


def test_contents_depend_on_the_seed_and_not_on_files(tmp_path, monkeypatch) -> None:
    one = datasets.generate(**SMALL, out=tmp_path / "one")
    monkeypatch.setattr(writer, "ROW_GROUP", 64)
    two = datasets.generate(**SMALL, out=tmp_path / "two", shard=100)
    other = datasets.generate(**SMALL, out=tmp_path / "other", seed=1)
    assert len(one.info["files"]) == 3 < len(two.info["files"])
    assert max(file["rows"] for file in two.info["files"]) == 100
    assert one.content_hash == two.content_hash != other.content_hash
    assert one.frame().equals(two.frame())
    datasets.load(two.path)


def test_parameters_can_be_held_and_indices_stay_those_of_the_whole_space(tmp_path) -> None:
    choices = {"array_rows": [64, 256], "dataflow": ["is"]}
    made = datasets.generate(**SMALL | {"sampler": "random"}, out=tmp_path / "held", choices=choices)
    frame = datasets.load(made.path).frame()
    assert set(frame["array_rows"]) == {64, 256}
    assert set(frame["i_array_rows"]) == {3, 5}
    assert set(frame["dataflow"]) == {"is"}
    assert made.info["sources"][0]["space"] == {"array_rows": [64, 256], "dataflow": ["is"]}


def test_agents_leave_their_trials(tmp_path) -> None:
    agents = ["genetic", "annealing"]
    made = datasets.generate(**SMALL | {"n": 101}, sampler="agents", agents=agents, out=tmp_path / "a")
    frame = datasets.load(made.path).frame()
    assert frame.groupby("agent").size().to_dict() == {"genetic": 51, "annealing": 50}
    assert set(frame["sampler"]) == {"agent"}
    assert sorted(frame["trial"][frame["agent"] == "genetic"]) == list(range(51))
    repeats = len(frame) - len(frame.drop_duplicates([f"i_{name}" for name in made.space.names]))
    assert made.info["workloads"][0]["repeats"] == repeats
    assert not (tmp_path / "a" / "runs").exists()


def test_quality_is_a_label_where_it_counts(tmp_path) -> None:
    bound = ["quality_loss<=0.05"]
    made = datasets.generate("systolic", ["bert-base"], 400, out=tmp_path / "q", constraints=bound)
    assert {"quality_loss", "weight_bits"} <= set(datasets.load(made.path).frame().columns)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"n": 0}, "at least 1, not 0"),
        ({"n": 2.5}, "whole number"),
        ({"n": 10**9}, "the space holds 484,041,600"),
        ({"seed": -1}, "seed must be"),
        ({"sampler": "halton"}, "unknown sampler 'halton'"),
        ({"workloads": ["resnet5"]}, "did you mean 'resnet50'"),
        ({"workloads": ["resnet18", "resnet18?batch=1"]}, "given twice"),
        ({"workloads": "resnet18"}, "list of specs"),
        ({"choices": {"dataflow": ["xs"]}}, "unknown value of dataflow"),
        ({"sampler": "agents", "agents": ["genetics"]}, "did you mean 'genetic'"),
        ({"sampler": "agents", "agents": []}, "at least one agent"),
        ({"sampler": "agents", "n": 1}, "cannot be shared among 4 agents"),
        ({"objective": ["latency"]}, "unknown metric 'latency'"),
    ],
)
def test_wrong_input_is_refused_and_leaves_nothing(tmp_path, wrong, message) -> None:
    with pytest.raises(InputError, match=message):
        datasets.generate(**SMALL | wrong, out=tmp_path / "x")
    assert not list(tmp_path.iterdir())


def test_what_is_there_stays_unless_a_data_set_is_to_be_replaced(tmp_path) -> None:
    out = tmp_path / "x"
    first = datasets.generate(**SMALL, out=out)
    with pytest.raises(InputError, match="there already"):
        datasets.generate(**SMALL, out=out)
    second = datasets.generate(**SMALL, seed=1, out=out, force=True)
    assert second.content_hash != first.content_hash
    datasets.load(out)
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match=r"holds no dataset\.json"):
        datasets.generate(**SMALL, out=tmp_path / "notes", force=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["notes", "x"]


@pytest.mark.parametrize("sampler", ["random", "agents"])
def test_an_interruption_leaves_nothing(tmp_path, sampler) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        datasets.generate(**SMALL | {"n": 5000}, sampler=sampler, out=tmp_path / "x", on_progress=stop)
    assert not list(tmp_path.iterdir())


def test_an_interruption_keeps_what_was_to_be_replaced(small, copy) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        datasets.generate(**SMALL, out=copy, force=True, on_progress=stop)
    assert datasets.load(copy).content_hash == small.content_hash


def test_what_a_killed_process_left_is_no_obstacle(tmp_path) -> None:
    (tmp_path / ".x.part" / "data").mkdir(parents=True)
    (tmp_path / ".x.part" / "data" / "half.parquet").write_bytes(b"PAR1")
    datasets.load(datasets.generate(**SMALL, out=tmp_path / "x").path)
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_an_unwritable_directory_is_named(tmp_path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match="cannot create"):
        datasets.generate(**SMALL, out=tmp_path / "x")


def test_a_fault_of_the_cost_model_is_no_label(tmp_path, monkeypatch) -> None:
    from archgym.envs.evaluator import Evaluator

    true = Evaluator.run

    def broken(self, designs):
        metrics = true(self, designs)
        metrics["latency_s"][metrics["feasible"]] = np.inf
        return metrics

    monkeypatch.setattr(Evaluator, "run", broken)
    with pytest.raises(ArchGymError, match="gives latency_s=inf for array_rows="):
        datasets.generate(**SMALL, out=tmp_path / "x")


def test_every_file_says_what_it_is_of(small) -> None:
    file = small.info["files"][0]
    about = json.loads(pq.read_schema(small.path / file["path"]).metadata[writer.KEY])
    assert about["workload"] == file["workload"]
    assert about["model_hash"] == small.info["model_hash"]


def test_an_unknown_environment_is_named(tmp_path) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'systolic'"):
        datasets.generate("sistolic", out=tmp_path / "x")
