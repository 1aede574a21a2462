"""Data sets as Minari data sets for offline reinforcement learning: one-step episodes of the `propose` mode.

An episode is one design: the observation before (the centre of the space, 0 of the episode passed) and after (the
design, all of it), the action (indices of the choices) and the reward. Minari data sets have one task each, so there is
one per workload and objective, below the directory that MINARI_DATASETS_PATH is then set to.
They are stored as HDF5, a file each: the Arrow form of Minari takes a folder per episode, and quadratic time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np

import archgym
from archgym.datasets.load import Dataset
from archgym.envs import ENVIRONMENTS
from archgym.envs.family import Family
from archgym.errors import missing_extra

TASK = ("workload", "objective", "constraints", "reward", "target")  # sources alike in these are one task


def write_episodes(dataset: Dataset, folder: Path) -> None:
    """Write `<environment>-<workload>-v0/data` for each task, which minari.load_dataset finds by that name.

    Raises:
        MissingExtraError: Minari is not installed.
    """
    try:
        import h5py  # noqa: F401 (Minari needs it to write)
        import minari
        from minari.dataset.minari_storage import MinariStorage
    except ImportError as error:
        raise missing_extra("the format 'minari'", "minari", error) from error
    names: list[str] = []
    for sources in _tasks(dataset):
        about = dataset.info["sources"][sources[0]]
        name = _name(dataset.environment, about["workload"], names)
        names.append(name)
        (folder / name).mkdir()
        spec = _env_spec(dataset, about)
        observations, actions = _spaces(dataset)
        storage = MinariStorage.new(folder / name / "data", observations, actions, spec, data_format="hdf5")
        storage.update_metadata(
            {
                "dataset_id": name,
                "minari_version": minari.__version__,
                "algorithm_name": ", ".join(dict.fromkeys(_maker(dataset.info["sources"][k]) for k in sources)),
                "description": f"Designs of {dataset.environment} for {about['workload']}, archgym "
                f"{archgym.__version__}: reward of minimising {', '.join(about['objective'])} with "
                f"{', '.join(about['constraints']) or 'no constraints'}; content hash {dataset.content_hash}",
            }
        )
        storage.update_episodes(_episodes(dataset, about["workload"], sources))


def _tasks(dataset: Dataset) -> list[list[int]]:
    """Numbers of the sources, those of one task together."""
    tasks: dict[str, list[int]] = {}
    for number, source in enumerate(dataset.info["sources"]):
        if source["rows"]:
            tasks.setdefault(repr([source[name] for name in TASK]), []).append(number)
    return list(tasks.values())


def _name(environment: str, workload: str, taken: list[str]) -> str:
    """A Minari id that is not taken: a number before the version tells objectives apart."""
    stem = re.sub(r"[^A-Za-z0-9_-]+", "_", f"{environment}-{workload}").strip("_")
    name, number = f"{stem}-v0", 2
    while name in taken:
        name, number = f"{stem}-{number}-v0", number + 1
    return name


def _maker(source: dict[str, Any]) -> str:
    return str(source["agent"] or source["sampler"])


def _spaces(dataset: Dataset) -> tuple[gymnasium.spaces.Box, gymnasium.spaces.MultiDiscrete]:
    """Observations and actions as the environment has them."""
    n_features = len(dataset.space.feature_owner)
    return gymnasium.spaces.Box(0.0, 1.0, (n_features + 1,), np.float32), dataset.space.gymnasium()


def _env_spec(dataset: Dataset, about: dict[str, Any]) -> Any:
    """The Gymnasium spec that makes the environment again; None where its arguments cannot be spelt there.

    That is so of compression settings and of rewards other than the default one.
    """
    family: Family = ENVIRONMENTS.load(dataset.environment)
    if dataset.info["compression"] is not None or (about["reward"], about["target"]) != ("log", 1.0):
        return None
    names = ("workload", "objective", "constraints")
    spec = gymnasium.spec(family.gymnasium_id)
    spec.kwargs = spec.kwargs | {name: about[name] for name in names} | {"scenario": dataset.info["scenario"]}
    return spec


def _episodes(dataset: Dataset, workload: str, sources: list[int]) -> Iterator[Any]:
    """One episode per row of these sources."""
    from minari.data_collector.episode_buffer import EpisodeBuffer

    space = dataset.space
    before = np.append(space.features(space.centre[None])[0], np.float32(0))
    for table in dataset.tables(workload=workload):
        rows = np.flatnonzero(np.isin(table["source"].to_numpy(), sources))
        if not len(rows):
            continue
        indices = dataset.layout.indices(table)[rows]
        rewards = table["reward"].to_numpy()[rows]
        after = np.column_stack([space.features(indices), np.ones(len(rows), np.float32)])
        for action, reward, observation in zip(indices, rewards, after, strict=True):
            yield EpisodeBuffer(
                observations=np.stack([before, observation]),
                actions=action[None],
                rewards=[float(reward)],
                terminations=[True],
                truncations=[False],
                infos={},
            )
