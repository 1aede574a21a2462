"""Nothing of a split is in another."""

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archgym.datasets.splits import DESIGN_SPLITS, design_split, workload_splits
from archgym.errors import UnknownNameError
from archgym.workloads import WORKLOADS, Workload

FORMS = ["resnet18", "resnet18?batch=8", "alexnet", "bert-base", "llama3-8b", "llama3-8b:decode", "vit-b16"]
loaded = cache(Workload.load)


@given(st.lists(st.integers(0, 2**62), min_size=1, max_size=50), st.randoms())
def test_the_split_of_a_design_depends_on_the_design_alone(ranks, random) -> None:
    alone = {rank: int(design_split(np.array([rank]))[0]) for rank in ranks}
    random.shuffle(ranks)
    assert design_split(np.array(ranks)).tolist() == [alone[rank] for rank in ranks]


def test_the_shares_are_80_10_10() -> None:
    counts = np.bincount(design_split(np.arange(200_000)), minlength=3) / 200_000
    np.testing.assert_allclose(counts, [0.8, 0.1, 0.1], atol=0.003)


def test_no_design_is_in_two_splits_under_any_workload(small) -> None:
    frame = small.frame()
    designs = frame.groupby([f"i_{name}" for name in small.space.names])
    assert (designs["design_split"].nunique() == 1).all()
    assert (designs["workload"].nunique() == 3).all()
    assert set(frame["design_split"]) == set(DESIGN_SPLITS)


@settings(max_examples=30)
@given(st.lists(st.sampled_from(FORMS), min_size=1, unique=True))
def test_all_forms_of_a_network_are_on_one_side(specs) -> None:
    splits = workload_splits([loaded(spec) for spec in specs])
    sides: dict[str, set[str]] = {}
    for spec, side in zip(specs, splits, strict=True):
        sides.setdefault(spec.partition("?")[0].partition(":")[0], set()).add(side)
    assert all(len(of) == 1 for of in sides.values())
    assert ("test" in splits) == (len(sides) > 1)


def test_networks_with_equal_operators_are_on_one_side(monkeypatch) -> None:
    WORKLOADS.entries  # noqa: B018 (filled before it is patched)
    monkeypatch.setitem(WORKLOADS.entries, "twin", WORKLOADS.entry("resnet18"))
    workloads = [Workload.load(spec) for spec in ("resnet18", "twin", "alexnet")]
    assert workload_splits(workloads, ["twin"]) == ["test", "test", "train"]


def test_what_is_held_out_is_chosen() -> None:
    workloads = [Workload.load(spec) for spec in FORMS]
    assert workload_splits(workloads, ["llama3-8b:decode"]).count("test") == 2
    assert workload_splits(workloads, []).count("test") == 0
    with pytest.raises(UnknownNameError, match="did you mean 'alexnet'"):
        workload_splits(workloads, ["alexnett"])
