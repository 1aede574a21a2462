import importlib
import json
import threading

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from archgym.envs.evaluator import Evaluator
from archgym.errors import InputError
from archgym.objective import Objective
from archgym.search import known_optimum, optimum, search
from archgym.search.optimum import _Blocks, regret
from archgym.search.tally import _nondominated
from archgym.workloads import Workload

module = importlib.import_module("archgym.search.optimum")  # the package's attribute of that name is the function


def brute_force(evaluator, objective, space):
    indices = space.unrank(np.arange(space.size))
    outcome = objective(evaluator.evaluate_designs(space.decode(indices)))
    return indices, outcome


@pytest.mark.parametrize("chunk", [1, 7, 100, 8192])
def test_blocks_walk_the_space_in_order(small, chunk):
    space = small.restrict(array_rows=[8, 16, 32], array_columns=[8, 64], ifmap_sram_kib=[64, 128])
    blocks, rank = _Blocks(space, chunk), 0
    for block in range(blocks.count):
        first, designs = blocks.fill(block)
        assert first == rank
        assert (designs == space.decode(space.unrank(np.arange(rank, rank + len(designs))))).all()
        rank += len(designs)
    assert rank == space.size


@pytest.mark.parametrize("chunk", [50, 8192])
@pytest.mark.parametrize("threads", [1, 2, 5])
def test_optimum_is_that_of_brute_force(evaluator, objective, small, chunk, threads):
    indices, outcome = brute_force(evaluator, objective, small)
    found = optimum(Evaluator(evaluator.family, evaluator.workload, threads=threads), objective, small, chunk)
    assert found.value == outcome.scores.min()
    assert found.ties == (outcome.scores == outcome.scores.min()).sum()
    assert_array_equal(found.index, indices[np.argmin(outcome.scores)])
    assert found.best == small.values(small.decode(found.index[None]))[0]
    assert found.designs == small.size
    assert found.feasible == outcome.metrics.feasible.sum()
    assert found.valid == outcome.valid.sum()
    assert_array_equal(found.front_indices, found.index[None])
    assert not found.cached


@pytest.mark.parametrize("threads", [1, 3])
def test_front_is_that_of_brute_force(evaluator, small, threads):
    objective = Objective(["latency_s", "energy_j", "area_mm2"], ["area_mm2<=60"])
    indices, outcome = brute_force(evaluator, objective, small)
    valid = np.flatnonzero(outcome.valid)
    ranks, points = _nondominated(valid, outcome.objectives[valid])
    found = optimum(Evaluator(evaluator.family, evaluator.workload, threads=threads), objective, small, chunk=500)
    assert_array_equal(found.front_indices, indices[ranks])
    assert_array_equal(found.front_objectives, points)
    assert len(found.as_dict(small)["front"]) == len(points) > 10


def test_the_second_time_it_is_known(evaluator, objective, small, cache, monkeypatch):
    assert known_optimum(evaluator, objective, small) is None
    first = optimum(evaluator, objective, small)
    monkeypatch.setattr(module._Enumeration, "run", None)
    second = optimum(evaluator, objective, small)
    assert second.cached
    assert second.as_dict(small) | {"cached": False} == first.as_dict(small)


@pytest.mark.parametrize(
    "other",
    [
        lambda e, o, s: (e, Objective("latency_s", ["area_mm2<=60"]), s),
        lambda e, o, s: (e, Objective("latency_s*energy_j", ["area_mm2<=61"]), s),
        lambda e, o, s: (e, o, s.restrict(memory="hbm2-x1")),
        lambda e, o, s: (Evaluator(e.family, Workload.load("alexnet?batch=2")), o, s),
        lambda e, o, s: (Evaluator(e.family, e.workload, {"node_nm": 16}), o, s),
    ],
    ids=["objective", "constraint", "space", "workload", "scenario"],
)
def test_another_question_is_not_answered_from_the_cache(evaluator, objective, small, other):
    optimum(evaluator, objective, small)
    assert known_optimum(*other(evaluator, objective, small)) is None


def test_changed_numbers_are_not_answered_from_the_cache(evaluator, objective, small, monkeypatch):
    optimum(evaluator, objective, small)
    monkeypatch.setattr(module, "model_hash", lambda family: "other")
    assert known_optimum(evaluator, objective, small) is None


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "",
        lambda text: text[: len(text) // 2],
        lambda text: "[]",
        lambda text: json.dumps(json.loads(text) | {"rank": 10**15}),
        lambda text: json.dumps(json.loads(text) | {"rank": 5}),
        lambda text: json.dumps(json.loads(text) | {"value": 1e-30}),
        lambda text: json.dumps(json.loads(text) | {"ties": None}),
        lambda text: json.dumps({"key": json.loads(text)["key"]}),
    ],
)
def test_a_damaged_cache_is_found_again(evaluator, objective, small, cache, damage):
    first = optimum(evaluator, objective, small)
    (path,) = cache.glob("*.json")
    path.write_text(damage(path.read_text()))
    assert known_optimum(evaluator, objective, small) is None
    again = optimum(evaluator, objective, small)
    assert not again.cached
    assert again.value == first.value
    assert known_optimum(evaluator, objective, small) is not None


def test_a_cache_that_cannot_be_written_loses_nothing(evaluator, objective, small, cache):
    cache.parent.mkdir()
    cache.write_text("a file where the directory should be")
    assert optimum(evaluator, objective, small).value < np.inf


def test_search_tells_its_regret_once_the_optimum_is_known(evaluator, objective, small):
    assert search(evaluator, objective, "random", budget=100, space=small).regret is None
    truth = optimum(evaluator, objective, small)
    result = search(evaluator, objective, "random", budget=100, space=small)
    assert result.optimum == truth.value
    assert result.regret == pytest.approx(result.objectives[0] / truth.value - 1)
    assert result.regret >= 0


def test_regret_of_other_signs():
    assert regret(2.0, 2.0) == regret(0.0, 0.0) == 0
    assert regret(3.0, 2.0) == 0.5
    assert regret(-1.0, -2.0) == 0.5
    assert regret(1.0, 0.0) is None


def test_no_valid_design(evaluator, small):
    found = optimum(evaluator, Objective("latency_s", ["area_mm2<=0.01"]), small)
    assert found.best is found.index is None
    assert found.value == np.inf
    assert (found.valid, found.designs) == (0, small.size)
    known = known_optimum(evaluator, Objective("latency_s", ["area_mm2<=0.01"]), small)
    assert known is not None
    assert known.best is None
    json.dumps(known.as_dict(small), allow_nan=False)


def test_progress_ends_at_the_size(evaluator, objective, small):
    seen = []
    optimum(evaluator, objective, small, on_progress=seen.append)
    assert seen[-1].evaluated == seen[-1].budget == small.size


def test_too_large_a_space_is_refused(evaluator, objective, monkeypatch):
    monkeypatch.setattr(module, "LARGEST", 10**8)
    with pytest.raises(InputError, match=r"a space of 4.84e\+08 designs is too large .* restrict it with --set"):
        optimum(evaluator, objective)


def test_ctrl_c_stops_the_threads(evaluator, objective):
    before = threading.active_count()

    def stop(progress):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        optimum(evaluator, objective, on_progress=stop)  # of a space that takes minutes
    assert threading.active_count() == before


def test_an_error_in_a_thread_is_raised(evaluator, objective):
    class Broken(Evaluator):
        def evaluate_designs(self, designs):
            raise InputError("broken")

    with pytest.raises(InputError, match="broken"):
        optimum(Broken(evaluator.family, evaluator.workload, threads=2), objective)
