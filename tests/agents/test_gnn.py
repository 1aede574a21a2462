"""The agent that searches by a graph surrogate."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import archgym
from archgym import datasets, surrogates
from archgym.agents.gnn import GNN
from archgym.costmodels import COST_MODELS
from archgym.envs.evaluator import Evaluator
from archgym.errors import InputError
from archgym.search import Interrupted, Progress, load_run, resume_search
from archgym.testing import check_agent

SMALL = "gnn?members=2&width=16&steps=20&startup=16&batch=8"


@pytest.mark.slow
def test_contract() -> None:
    # Without a cost model behind the designs it has no metrics to learn from: what it is good at is tested below.
    check_agent(partial(GNN, members=1, width=8, steps=5, startup=8), improves=False)


@pytest.mark.slow
def test_beats_random_search_where_it_sees_metrics() -> None:
    found = {
        agent: [archgym.search("systolic", "resnet18", agent, budget=100, seed=seed) for seed in range(2)]
        for agent in (SMALL, "random")
    }
    best = {agent: np.log([run.objectives[0] for run in runs]).mean() for agent, runs in found.items()}
    assert best[SMALL] < best["random"]


def test_learns_every_metric_of_the_design_and_resumes(tmp_path: Path) -> None:
    arguments = {"agent": SMALL, "seed": 3, "workload": "xr-res8-narrow"}
    whole = archgym.search("systolic", budget=40, **arguments, out=tmp_path / "whole")
    seen = []

    def stop(progress: Progress) -> None:
        seen.append(progress.evaluated)
        if progress.evaluated >= 24:
            raise KeyboardInterrupt

    with pytest.raises((KeyboardInterrupt, Interrupted)):
        archgym.search("systolic", budget=40, **arguments, out=tmp_path / "part", on_progress=stop)
    assert 24 <= seen[-1] < 40
    assert resume_search(tmp_path / "part").best == whole.best
    kept = [load_run(tmp_path / name).trials.drop(columns="trial") for name in ("whole", "part")]
    pd.testing.assert_frame_equal(*kept)


class Dear(Evaluator):
    """Stands for a simulator: the analytical model, but for what it leaves out."""

    cost_model = "dear"

    def identity(self) -> str:
        return "1"

    def _fill(self, designs: np.ndarray, out: np.ndarray) -> None:
        super()._fill(designs, out)
        out["latency_s"] *= (
            1 + 0.5 * (designs["dataflow"] == 0) + 0.05 * designs["array_rows"] / designs["array_columns"]
        )
        out["power_w"] = out["energy_j"] / out["latency_s"]


@pytest.fixture
def dear() -> Iterator[str]:
    COST_MODELS.register("dear", f"{__name__}:build_dear")
    yield "dear"
    del COST_MODELS.entries["dear"]


def build_dear(argument: str, *problem: Any) -> Dear:
    return Dear(*problem)


def test_two_fidelities_a_dear_cost_model_starts_from_what_a_cheap_one_taught(tmp_path: Path, dear: str) -> None:
    data = datasets.generate("systolic", ["xr-res8-narrow"], 3000, "random", out=tmp_path / "data")
    surrogates.train(data, "gnn?members=2&width=32&epochs=60", tmp_path / "cheap")
    warm = f"gnn?warm_start={tmp_path / 'cheap'}&steps=30"
    best = {
        agent: archgym.search("systolic", "xr-res8-narrow", agent, budget=budget, cost_model=dear).objectives[0]
        for agent, budget in ((warm, 20), ("tpe", 100))
    }
    assert best[warm] < best["tpe"]
    with pytest.raises(InputError, match="environment systolic"):
        archgym.search("pim", agent=warm, budget=5)


@pytest.mark.parametrize("kind", ["forest", "missing"])
def test_a_warm_start_needs_a_graph_network(tmp_path: Path, kind: str) -> None:
    with pytest.raises(InputError):
        archgym.search("systolic", agent=f"gnn?warm_start={tmp_path / kind}", budget=10)
