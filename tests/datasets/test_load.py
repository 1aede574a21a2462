"""Reading: selections, arrays, operators, notes."""

import numpy as np
import pytest

from archgym import datasets
from archgym.datasets import validate
from archgym.errors import InputError, UnknownNameError
from archgym.workloads import Workload


def test_selections_are_parts_of_the_whole(small) -> None:
    whole = small.frame()
    assert len(whole) == len(small) == 900
    for split in ("train", "validation", "test"):
        part = small.frame(split)
        assert len(part) == (whole["design_split"] == split).sum()
        assert set(part["design_split"]) == {split}
    assert set(small.frame(workload_split="test")["workload"]) == {"bert-base"}
    assert small.splits["workload"] == {"train": ["resnet18", "resnet18?batch=8"], "test": ["bert-base"]}
    columns = ["latency_s", "i_array_rows"]
    assert list(small.frame("test", "resnet18", columns=columns).columns) == columns
    assert small.frame("test", "bert-base", "train").empty
    assert len(small.arrays("test", "bert-base", "train").indices) == 0


def test_arrays_and_frames_agree(small) -> None:
    rows, frame = small.arrays("train"), small.frame("train")
    np.testing.assert_array_equal(rows.metrics["energy_j"], frame["energy_j"])
    np.testing.assert_array_equal(np.isnan(rows.metrics["energy_j"]), ~rows.feasible)
    assert [small.workloads[number] for number in rows.workload] == frame["workload"].tolist()
    assert rows.indices.shape == (len(frame), len(small.space))


def test_operators_are_those_of_the_workloads(small) -> None:
    for name in small.workloads:
        workload = Workload.load(name)
        np.testing.assert_array_equal(small.operators_of(name), workload.operators)
        edges = small.edges[small.edges["workload"] == name]
        assert edges["count"].sum() == len(workload.edges)
        assert edges[["source", "target"]].to_numpy().max() < len(workload.operators)
    assert small.units["latency_s"] == "s"


def test_unknown_names_are_named(small) -> None:
    for wrong in ({"split": "tset"}, {"workload": "resnet19"}, {"columns": ["latency"]}, {"workload_split": "tests"}):
        with pytest.raises(UnknownNameError, match="did you mean"):
            small.frame(**wrong)


def test_another_cost_model_is_a_note(small, monkeypatch) -> None:
    assert datasets.load(small.path).notes == ()
    monkeypatch.setattr(validate, "model_hash", lambda family: "0123456789abcdef")
    assert "may label designs differently" in datasets.load(small.path).notes[0]


def test_what_is_no_data_set_is_said(tmp_path) -> None:
    for path, why in ((tmp_path, "has no dataset.json"), (tmp_path / "x", "does not exist")):
        with pytest.raises(InputError, match=why):
            datasets.load(path)
