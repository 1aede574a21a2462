"""Training, directories, damage, intervals, what is unknown."""

import json
import os
import pickle
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of
from safetensors.numpy import load as load_arrays
from safetensors.numpy import save

from archgym import datasets, surrogates
from archgym.compression.knobs import DEFAULTS
from archgym.errors import InputError, UnknownNameError
from archgym.surrogates import surrogate as module
from archgym.surrogates.base import Estimate
from archgym.surrogates.predicting import predict_design
from archgym.surrogates.surrogate import CARD, INFO, NEEDED, WEIGHTS, SurrogateError, network_of
from archgym.surrogates.targets import least_of, offsets_of
from archgym.workloads import Workload


@pytest.fixture(scope="module")
def designs(data):
    """Designs that were not trained on."""
    return data.space.decode(data.arrays("test", "resnet18").indices)


RESNET = network_of(Workload.load("resnet18"))


def _same(one, two) -> bool:
    return all(np.array_equal(a, b, equal_nan=True) for a, b in zip(one, two, strict=True))


# -- training


def test_what_is_loaded_is_what_was_trained(trained, designs) -> None:
    made, path = trained
    again = surrogates.load(path)
    assert sorted(file.name for file in path.iterdir()) == sorted((INFO, WEIGHTS, CARD))
    assert again.info == made.info
    assert again.weights_hash == made.weights_hash
    assert _same(made.predict(designs, RESNET), again.predict(designs, RESNET))


def test_training_in_memory_gives_the_same(data, trained, designs) -> None:
    made = surrogates.train(data, "forest?members=1", most=100)
    again = surrogates.train(data.path, "forest?members=1", most=100)
    assert _same(made.predict(designs, RESNET), again.predict(designs, RESNET))
    other = surrogates.train(data, "forest?members=1", seed=1, most=100)
    assert not np.array_equal(made.predict(designs, RESNET).values, other.predict(designs, RESNET).values)


def test_scores_are_of_all_workloads_and_say_which_were_trained_on(data, trained) -> None:
    made, path = trained
    rows = surrogates.evaluate(path, data)
    assert rows == made.info["scores"]
    assert {row["workload"]: row["trained"] for row in rows} == {
        "resnet18": True,
        "tpu-v1-mlp0": True,
        "alexnet": False,
    }
    assert len(rows) == 3 * len(data.layout.metrics)
    latency = next(row for row in rows if row["metric"] == "latency_s")
    assert latency["spearman"] > 0.9
    assert latency["feasible_right"] > 0.9
    assert (path / CARD).read_text().count("| latency_s |") == 3


def test_wrong_requests_are_refused_before_training(data, trained, tmp_path) -> None:
    told = []
    (tmp_path / "file").touch()
    for wrong, message in (
        ({"model": "gnnn"}, "did you mean 'gnn'"),
        ({"model": "forest?leafs=3"}, "did you mean 'leaf'"),
        ({"model": "boosting?rounds=many"}, "must be a whole number"),
        ({"seed": -1}, "seed must be at least 0"),
        ({"most": 3}, "must be at least 20"),
        ({"out": trained[1]}, "is there already"),
        ({"out": tmp_path, "force": True}, "is there already"),  # no surrogate: not ours to replace
    ):
        with pytest.raises(InputError, match=message):
            surrogates.train(data, **wrong, on_step=lambda *_: told.append(1))
    assert not told


def test_too_few_designs_are_said_to_be(data, tmp_path) -> None:
    few = datasets.generate("systolic", ["resnet18"], 60, sampler="random", out=tmp_path / "few")
    with pytest.raises(InputError, match="too few"):
        surrogates.train(few, "forest", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["few"]


def test_data_sets_of_something_else_are_refused(data, trained) -> None:
    made, _ = trained
    others = (("environment", "pim", "of systolic, the data set of pim"), ("scenario", {"node_nm": 7}, "scenario"))
    for name, value, message in others:
        with pytest.raises(InputError, match=message):
            surrogates.evaluate(made, replace(data, info=data.info | {name: value}))


# -- predictions


def test_many_designs_are_predicted_in_parts(trained, designs, monkeypatch) -> None:
    made, _ = trained
    whole = made.predict(designs[:50], RESNET)
    monkeypatch.setattr(module, "CHUNK", 7)
    parts = made.predict(designs[:50], RESNET)
    assert all(np.allclose(a, b, rtol=1e-5) for a, b in zip(whole, parts, strict=True))
    none = made.predict(designs[:0], RESNET)
    assert [column.shape for column in none] == [(0, len(made.metrics))] * 4 + [(0,)] * 2
    assert [a.dtype for a in none] == [a.dtype for a in whole]


def test_intervals_cover_about_nine_tenths(data, trained) -> None:
    made, path = trained
    rows = [row for row in surrogates.evaluate(path, data) if row["trained"]]
    assert sum(row["n"] for row in rows) > 400 * len(made.metrics)
    assert 0.85 <= np.mean([row["coverage"] for row in rows]) <= 0.95


def test_intervals_hold_the_value_between_them(trained, designs) -> None:
    found = trained[0].predict(designs, RESNET)
    assert (found.low <= found.values).all()
    assert (found.values <= found.high).all()
    assert (found.std >= 0).all()


def test_known_designs_and_workloads_are_known(data, trained) -> None:
    made, _ = trained
    seen = data.space.decode(data.arrays("train", "resnet18").indices[:500])
    assert made.predict(seen, RESNET).unknown.mean() < 0.05
    assert made.predict(seen, Workload.load("resnet18")).unknown.mean() < 0.05


@pytest.mark.parametrize(("name", "value"), [("memory", "hbm2-x1"), ("clock_ghz", 0.7), ("array_rows", 4096)])
def test_choices_that_were_not_trained_on_are_unknown(trained, designs, name: str, value) -> None:
    made, _ = trained
    strange = designs.copy()
    strange[name] = made.layout.space[name].code(value)
    assert made.predict(strange, RESNET).unknown.all()


def test_far_larger_workloads_are_unknown(trained, designs) -> None:
    found = trained[0].predict(designs[:20], Workload.load("llama3-8b:prefill"))
    assert found.unknown.all()
    assert np.isfinite(found.values).all()


class Saying:
    """A model that says what it is told to."""

    def __init__(self, mean: np.ndarray) -> None:
        self.mean = mean

    def predict(self, seen) -> Estimate:
        return Estimate(self.mean, np.abs(self.mean) / 10)


@settings(max_examples=25)
@given(mean=arrays_of.arrays(np.float32, (8, 17), elements=st.floats(-90, 90, width=32)))
def test_metrics_that_may_be_zero_are_never_negative(trained, designs, mean: np.ndarray) -> None:
    made, _ = trained
    offsets = np.where(np.arange(17) % 2, 10.0 ** np.arange(-12, 5), 0.0)
    told = replace(made, model=Saying(mean), calibration=replace(made.calibration, offsets=offsets))
    found = told.predict(designs[:8], RESNET)
    assert np.isfinite(found.values).all()
    for values in (found.values, found.low, found.high):
        assert (values >= 0).all()
    assert (found.low <= found.values).all()
    assert (found.values <= found.high).all()


@settings(max_examples=50)
@given(values=arrays_of.arrays(np.float64, (6, 2), elements=st.just(0.0) | st.floats(1e-9, 1e9) | st.floats(-1, -1e-9)))
def test_offsets_let_all_have_a_logarithm_and_come_back(values: np.ndarray) -> None:
    offsets, least = offsets_of(values), least_of(values)
    assert np.array_equal(offsets > 0, (values <= 0).any(axis=0))
    assert np.array_equal(offsets, offsets_of(np.concatenate([values, np.full((1, 2), np.nan)])))
    assert np.array_equal(least < 0, (values < 0).any(axis=0))
    logarithms = np.log(values + offsets)
    assert np.isfinite(logarithms).all()
    back = np.maximum(np.exp(logarithms) - offsets, least)
    np.testing.assert_allclose(back, values, rtol=1e-6, atol=1e-9 * max(offsets.max(), 1))


def test_hardware_and_compression_together(known, tmp_path) -> None:
    """Some compressed networks are better than dense ones: a loss below zero, which has no logarithm."""
    plain = {name: value for name, value in DEFAULTS.items() if name != "pattern"}
    choices = known | plain | {"sparsity_engine": "none", "arithmetic": "bit-parallel"}
    data = datasets.generate(
        "systolic", ["resnet50"], 1500, out=tmp_path / "joint", constraints=["quality_loss<=0.5"], choices=choices
    )
    losses = data.arrays().metrics["quality_loss"]
    assert np.nanmin(losses) < 0 < np.nanmax(losses)
    made = surrogates.train(data, "forest?members=2")
    scores = {row["metric"]: row for row in surrogates.evaluate(made, data)}
    assert scores["quality_loss"]["spearman"] > 0.9
    found = predict_design(made, ["tpu-v1", "memory=gddr6-16-x64", "clock_ghz=0.5", "pattern=2:4"], "resnet50")
    assert found.design["weight_bits"] == 16
    assert found.design["pattern"] == "2:4"
    values = made.predict(data.space.records(data.arrays().indices), RESNET).values
    assert values[:, made.metrics.index("quality_loss")].min() < 0
    assert values[:, made.metrics.index("energy_j")].min() > 0


# -- damage


def _edit(path, **changed) -> None:
    info = json.loads((path / INFO).read_text())
    for name, value in changed.items():
        info[name] = value(info[name]) if callable(value) else value
    (path / INFO).write_text(json.dumps(info))


@pytest.mark.parametrize("name", [INFO, WEIGHTS])
@pytest.mark.parametrize("share", [0, 0.1, 0.5, 0.999])
def test_half_written_files_are_damaged(copy, name: str, share: float) -> None:
    data = (copy / name).read_bytes()
    (copy / name).write_bytes(data[: int(share * len(data))])
    with pytest.raises(SurrogateError, match=name):
        surrogates.load(copy)


def test_missing_files_are_named(copy, tmp_path) -> None:
    (copy / WEIGHTS).unlink()
    with pytest.raises(SurrogateError, match=f"cannot read .*{WEIGHTS}: No such file"):
        surrogates.load(copy)
    (copy / INFO).unlink()
    with pytest.raises(InputError, match=f"has no {INFO}"):
        surrogates.load(copy)
    with pytest.raises(InputError, match="does not exist"):
        surrogates.load(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="is no directory"):
        surrogates.load(tmp_path / "file")


@pytest.mark.parametrize("name", NEEDED)
def test_entries_that_lack_or_are_of_another_type_are_named(copy, name: str) -> None:
    for value in (None, 1.5):
        _edit(copy, **{name: value})
        with pytest.raises(SurrogateError, match=f"it lacks {name}"):
            surrogates.load(copy)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"schema": 2}, "has schema 2; this version of archgym reads 1"),
        ({"schema": None}, "has schema None"),
        ({"kind": "boosting"}, "damaged"),  # trees of another number
        ({"kind": "mlp"}, "damaged"),
        ({"options": {"depth": 3}}, "damaged: .*depth"),
        ({"options": {"members": 2}}, "damaged"),
        ({"options": {"members": "three"}}, "damaged"),
        ({"bases": lambda bases: bases[:-1]}, "damaged"),
        ({"bases": lambda bases: [9, *bases[1:]]}, "damaged: no such base: 9"),
        ({"bases": lambda bases: ["one", *bases[1:]]}, "damaged"),
        ({"environment": "wafer"}, "damaged"),
        ({"scenario": {"node": 3}}, "damaged"),
        ({"layout": {}}, "damaged"),
        ({"layout": lambda layout: layout | {"metrics": layout["metrics"][1:]}}, "damaged"),
        ({"layout": lambda layout: layout | {"parameters": layout["parameters"][1:]}}, "damaged"),
        ({"layout": lambda layout: layout | {"reasons": layout["reasons"][:1]}}, "damaged: it knows reasons"),
    ],
)
def test_edited_descriptions_are_damaged(copy, changed, message: str) -> None:
    _edit(copy, **changed)
    with pytest.raises(SurrogateError, match=message) as error:
        surrogates.load(copy)
    assert str(error.value).count("\n") == 0
    assert len(str(error.value)) < 400


def test_unknown_kinds_and_environments_are_named_not_imported(copy) -> None:
    for name, value in (("kind", "os:system"), ("kind", "gnnn"), ("environment", "sistolic")):
        before = json.loads((copy / INFO).read_text())[name]
        _edit(copy, **{name: value})
        with pytest.raises(UnknownNameError, match=value):
            surrogates.load(copy)
        _edit(copy, **{name: before})


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("model.trees.left", lambda array: np.zeros_like(array)),  # cycles
        ("model.trees.feature", lambda array: np.where(array >= 0, 10**6, -1).astype(array.dtype)),
        ("model.trees.feature", lambda array: array.astype(np.float32)),
        ("model.trees.values", lambda array: np.full_like(array, np.nan)),
        ("model.trees.roots", lambda array: array + 10**9),
        ("model.trees.groups", lambda array: array + 1),
        ("validity.codes", lambda array: array[:-1]),
        ("validity.codes", lambda array: array[:0]),
        ("validity.roots", None),
        ("validity.codes", lambda array: array + 100),
        ("calibration.quantiles", lambda array: array[:-1]),
        ("calibration.hardware", lambda array: array[:, :-1]),
        ("calibration.most_std", lambda array: np.zeros(3)),
        ("calibration.errors", None),
    ],
)
def test_edited_weights_are_damaged(copy, name: str, change) -> None:
    arrays = load_arrays((copy / WEIGHTS).read_bytes())
    array = arrays.pop(name)
    if change is not None:
        arrays[name] = np.ascontiguousarray(change(array))
    (copy / WEIGHTS).write_bytes(save(arrays))
    with pytest.raises(SurrogateError, match="is damaged"):
        surrogates.load(copy)


class Payload:
    """Writes a file where it is unpickled."""

    def __init__(self, path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_loading_never_runs_code(copy, tmp_path) -> None:
    payload = pickle.dumps(Payload(tmp_path / "ran"))
    pickle.loads(payload)  # it would
    (tmp_path / "ran").rmdir()
    archive = tmp_path / "weights.npz"
    np.savez(archive, weights=np.array([Payload(tmp_path / "ran")], object), allow_pickle=True)
    for data in (payload, archive.read_bytes(), pickle.dumps({"model": Payload(tmp_path / "ran")}, protocol=2)):
        (copy / WEIGHTS).write_bytes(data)
        with pytest.raises(SurrogateError, match="is damaged"):
            surrogates.load(copy)
    (tmp_path / "evil.py").write_text(f"import os; os.mkdir({str(tmp_path / 'ran')!r}); Model = dict")
    sys.path.insert(0, str(tmp_path))
    try:
        _edit(copy, kind="evil:Model")
        with pytest.raises(UnknownNameError, match="unknown surrogate 'evil:Model'"):
            surrogates.load(copy)
    finally:
        sys.path.remove(str(tmp_path))
    assert not (tmp_path / "ran").exists()
