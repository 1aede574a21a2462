"""What every surrogate model must satisfy."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from archgym.envs.evaluator import Evaluator
from archgym.envs.systolic import SYSTOLIC
from archgym.surrogates.base import Estimate, Model, Part
from archgym.surrogates.features import BASE_OF_UNIT, Observer, Seen
from archgym.surrogates.surrogate import network_of
from archgym.testing.agents import generator_states, require, restored_generators, same_states, seed_generators
from archgym.workloads import Workload

Build = Callable[[int, Sequence[int]], Model]  # (seed, bases)

METRICS = ("latency_s", "energy_j", "area_mm2", "power_w", "dram_bytes")
BASES = tuple(BASE_OF_UNIT.get(metric.unit, 0) for metric in SYSTOLIC.metrics if metric.name in METRICS)
LEARNT = 0.5  # of the error of one number for all designs: what a model that learns stays below
ROUNDING = 1e-4  # of log targets: what the size of a batch may change


class Task(NamedTuple):
    """A small task of regression: systolic arrays, labelled by their cost model.

    Attributes:
        train, validation: designs on two networks.
        held: designs of the first network that are in neither.
        unseen: the same designs on a network that nothing was trained on.
    """

    train: list[Part]
    validation: list[Part]
    held: Part
    unseen: Part


@functools.cache
def task() -> Task:
    """1,500 and 300 feasible designs to train on."""
    large, small, other = (_labelled(name, seed) for seed, name in enumerate(("resnet18", "tpu-v1-mlp0", "alexnet")))
    train, validation, held = (slice(*ends) for ends in ((1500,), (1500, 1800), (1800, 2100)))
    parts = [_rows(large, train), _rows(small, slice(300))]
    return Task(
        parts, [_rows(large, validation), _rows(small, slice(300, 400))], _rows(large, held), _rows(other, held)
    )


def check_surrogate(build: Build) -> None:
    """Check a surrogate model against the contract of archgym.surrogates.base; takes two trainings.

    Args:
        build: the model's class, or a function that builds it.

    Raises:
        AssertionError: names the contract that is broken.
    """
    model = check_training(build)
    check_predictions(model)
    check_batches(model)
    check_saved(build, model)
    check_learns(model)


def check_training(build: Build) -> Model:
    """The seed alone decides, nothing else is touched, and progress is told; returns a trained model."""
    with restored_generators():
        seed_generators(0)
        model = _trained(build)
        seed_generators(1)
        before = generator_states()  # only now: what is imported may draw random numbers, as scikit-learn does
        again = _trained(build)
        for name, state in generator_states().items():
            require(same_states(state, before[name]), f"fit changed the global random state of {name}")
    one, two = (of.predict(task().held.seen) for of in (model, again))
    require(_same(one, two), "two models of the same seed and designs differ: fit must depend on its seed alone")
    return model


def check_predictions(model: Model) -> None:
    """Shape, type and range of predictions, of one design or many and on any network."""
    for what, seen in (("the training network", task().held.seen), ("another network", task().unseen.seen)):
        for n in (1, 7, len(seen)):
            found = model.predict(seen.take(slice(n)))
            for name, values in found._asdict().items():
                where = f"{name} of {n} designs on {what}"
                shape = (n, len(METRICS))
                require(values.shape == shape, f"{where} must have shape {shape}, not {values.shape}")
                require(values.dtype == np.float32, f"{where} must be float32, not {values.dtype}")
                require(bool(np.isfinite(values).all()), f"{where} is not finite")
            require(bool((found.std >= 0).all()), f"std of {n} designs on {what} is negative")


def check_batches(model: Model) -> None:
    """What is said of a design does not depend on those beside it."""
    seen = task().held.seen.take(slice(20))
    together = model.predict(seen)
    for row in range(len(seen)):
        alone = model.predict(seen.take(slice(row, row + 1)))
        for name, one, all_of_them in zip(together._fields, alone, together, strict=True):
            off = float(np.abs(one[0] - all_of_them[row]).max())
            require(off <= ROUNDING, f"{name} of a design differs by {off:.3g} from what it is in a batch")


def check_saved(build: Build, model: Model) -> None:
    """A model that was saved and loaded predicts the same, bit by bit."""
    from safetensors.numpy import load, save

    values, arrays = model.state()
    try:
        text = json.dumps(values, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise AssertionError(f"the values of state must be plain: {error}") from None
    for name, array in arrays.items():
        plain = isinstance(array, np.ndarray) and array.dtype.kind in "biuf"
        require(plain, f"{name!r} of state must be an array of numbers, not {type(array).__name__}")
    again = build(0, BASES)
    again.load(json.loads(text), load(save({name: np.ascontiguousarray(array) for name, array in arrays.items()})))
    for seen in (task().held.seen, task().unseen.seen):
        require(_same(model.predict(seen), again.predict(seen)), "state and load did not give the same model")


def check_learns(model: Model) -> None:
    """On designs that were held out, the mean error is far below that of one number for all."""
    held, train = task().held, task().train[0]
    ours = _percent(model.predict(held.seen).mean, held.targets)
    mean = _percent(np.broadcast_to(train.targets.mean(axis=0), held.targets.shape), held.targets)
    better = ours <= LEARNT * mean
    require(better, f"the model did not learn: {ours:.3g} % error, {mean:.3g} % with one number for all designs")


# -- helpers


def _trained(build: Build) -> Model:
    """A model trained on the task, with its progress checked."""
    told: list[tuple[int, int, float]] = []
    model = build(0, BASES)
    model.fit(task().train, task().validation, lambda done, total, error: told.append((done, total, error)))
    require(bool(told), "fit must call on_step")
    steps = [done for done, _, _ in told]
    require(steps == sorted(steps), f"the steps that on_step is told must not go back: {steps}")
    require(all(0 < done <= total for done, total, _ in told), "on_step was told more steps than those at most")
    return model


def _same(one: Estimate, two: Estimate) -> bool:
    return all(np.array_equal(a, b, equal_nan=True) for a, b in zip(one, two, strict=True))


def _percent(logarithms: NDArray[np.float32], true: NDArray[np.float32]) -> float:
    """Mean absolute error in % of predicted log targets [N, T]."""
    return float(100 * np.mean(np.abs(np.expm1((logarithms - true).astype(np.float64)))))


def _labelled(workload: str, seed: int) -> Part:
    """Feasible designs with their log metrics."""
    evaluator = Evaluator(SYSTOLIC, Workload.load(workload))
    designs = SYSTOLIC.space.decode(SYSTOLIC.space.sample(12_000, np.random.default_rng(seed)))
    metrics = evaluator.evaluate_designs(designs)
    rows = np.flatnonzero(metrics.feasible)[:2100]
    seen = Observer(SYSTOLIC, evaluator.technology, SYSTOLIC.space).see(designs[rows], network_of(evaluator.workload))
    return Part(seen, np.log(np.stack([metrics[name][rows] for name in METRICS], axis=1)).astype(np.float32))


def _rows(part: Part, rows: slice) -> Part:
    seen: Seen = part.seen.take(rows)
    return Part(seen, part.targets[rows])
