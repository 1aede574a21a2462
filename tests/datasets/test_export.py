"""Runs become data sets, and data sets other forms of themselves."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from archgym import api, datasets
from archgym.errors import InputError, UnknownNameError


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two agents on one workload, one of them in a part of the space, and one agent on another workload."""
    folder = tmp_path_factory.mktemp("runs")
    api.search("systolic", "resnet18", "genetic", budget=150, out=folder / "a")
    api.search("systolic", "resnet18", "random", budget=100, seed=3, out=folder / "b", choices={"dataflow": ["is"]})
    api.search("systolic", "alexnet", "annealing", budget=80, out=folder / "c")
    return folder


def test_every_trial_is_a_row(runs, tmp_path) -> None:
    made = datasets.export([runs], tmp_path / "x", hold_out=["alexnet"])
    frame = datasets.load(made.path).frame()
    for name, agent, seed in (("a", "genetic", 0), ("b", "random", 3), ("c", "annealing", 0)):
        trials = api_trials(runs / name)
        rows = frame[(frame["agent"] == agent) & (frame["seed"] == seed)].sort_values("trial")
        assert rows["trial"].tolist() == trials["trial"].tolist()
        for column in ("array_rows", "dataflow", "latency_s", "reward", "feasible"):
            np.testing.assert_array_equal(rows[column].to_numpy(), trials[column].to_numpy())
    assert [source["run"] for source in made.info["sources"]] == ["a", "b", "c"]
    assert str(runs) not in (made.path / "dataset.json").read_text()


def api_trials(path) -> pd.DataFrame:
    from archgym import load_run

    return load_run(path).trials


def test_csv_and_npz_hold_the_same(runs, tmp_path) -> None:
    made = datasets.export([runs], tmp_path / "x")
    frame = made.frame()
    assert datasets.export([runs], tmp_path / "csv", "csv") is None
    table = pd.read_csv(tmp_path / "csv" / "data.csv", keep_default_na=False, na_values=[""])
    assert list(table.columns) == list(frame.columns)
    np.testing.assert_array_equal(table["energy_j"], frame["energy_j"])
    datasets.export([made.path], tmp_path / "npz", "npz")
    with np.load(tmp_path / "npz" / "data.npz", allow_pickle=False) as arrays:
        for name in frame.columns:
            expected = frame[name].to_numpy()
            np.testing.assert_array_equal(arrays[name], expected.astype(arrays[name].dtype))
    info = json.loads((tmp_path / "npz" / "dataset.json").read_text())
    assert info["content_hash"] == made.content_hash
    with pytest.raises(InputError, match="exported as npz"):
        datasets.load(tmp_path / "npz")


def test_minari_plays_the_environment(runs, tmp_path, monkeypatch) -> None:
    minari = pytest.importorskip("minari")
    pytest.importorskip("h5py")
    datasets.export([runs / "c"], tmp_path / "m", "minari")
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "m"))
    episodes = minari.load_dataset("systolic-alexnet-v0")
    assert episodes.total_episodes == 80 == episodes.total_steps
    env = episodes.recover_environment()
    for episode in episodes.iterate_episodes(range(10)):
        observation, _ = env.reset(seed=0)
        np.testing.assert_array_equal(observation, episode.observations[0])
        observation, reward, terminated, _, _ = env.step(episode.actions[0])
        np.testing.assert_array_equal(observation, episode.observations[1])
        assert reward == pytest.approx(episode.rewards[0])
        assert terminated == episode.terminations[0]


def test_runs_that_do_not_fit_together_are_refused(runs, tmp_path) -> None:
    api.search("systolic?node_nm=16", "alexnet", "random", budget=20, out=tmp_path / "d")
    with pytest.raises(InputError, match="differ in the scenario"):
        datasets.export([runs / "c", tmp_path / "d"], tmp_path / "x")
    with pytest.raises(InputError, match="given twice"):
        datasets.export([runs, runs / "c"], tmp_path / "x")
    with pytest.raises(InputError, match="no run directory"):
        datasets.export([tmp_path / "d" / "trials"], tmp_path / "x")
    with pytest.raises(InputError, match="does not exist"):
        datasets.export([tmp_path / "e"], tmp_path / "x")
    with pytest.raises(UnknownNameError, match="unknown format 'zip'"):
        datasets.export([runs], tmp_path / "x", "zip")


def test_labels_of_an_earlier_cost_model_are_kept_as_such(runs, tmp_path) -> None:
    copy = shutil.copytree(runs / "c", tmp_path / "c")
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(config | {"model_hash": "0123456789abcdef"}))
    made = datasets.export([copy], tmp_path / "x")
    assert "0123456789abcdef" in datasets.load(made.path).notes[0]
    (copy / "config.json").write_text(json.dumps(config | {"space_hash": "0123456789abcdef"}))
    with pytest.raises(datasets.DataError, match="design space of systolic has changed"):
        datasets.export([copy], tmp_path / "y")
