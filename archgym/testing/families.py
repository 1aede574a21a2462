"""What every accelerator family must satisfy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from archgym.compression.judge import Judge
from archgym.compression.knobs import DEFAULTS
from archgym.envs.base import MODES, ArchGymEnv, ArchGymVectorEnv
from archgym.envs.cosearch import JointEvaluator, searched
from archgym.envs.evaluator import Evaluator
from archgym.envs.family import Family
from archgym.metrics import metric_names
from archgym.objective import Objective
from archgym.space import Indices
from archgym.workloads import Workload

WORKLOADS = ("resnet18", "llama3-8b:decode", "llama2-7b:generate?seq=256&out=16")


def check_family(family: Family, workloads: Sequence[str] = WORKLOADS, seed: int = 0) -> None:
    """Check an accelerator family: its numbers, then its Gymnasium environments.

    Raises:
        AssertionError: naming the contract that is broken.
    """
    assert 10**6 <= family.space.size <= 5 * 10**8, f"{family.name}: the optimum of the space cannot be enumerated"
    assert family.reasons[0] == "feasible", "reasons[0] stands for feasible"
    Objective(family.objective, family.constraints).check([metric.name for metric in family.metrics])
    for name, preset in family.presets.items():
        design = family.space.design(preset.values)
        models = [Evaluator(family, Workload.load(spec), preset.scenario) for spec in (family.workload, *workloads)]
        whys = [model.why(int(model.evaluate_designs(design).why[0])) for model in models]
        assert "feasible" in whys, f"preset {name} runs no workload: {whys}"
        assert preset.source, f"preset {name} names no source"
    for workload in workloads:
        check_numbers(Evaluator(family, Workload.load(workload)), seed)
    check_joint(family, seed=seed)
    for mode in MODES:
        check_environment(family, mode, seed)


def check_numbers(evaluator: Evaluator, seed: int = 0, n: int = 500) -> None:
    """Check metrics of random designs: consistent with physics, with each other, and however they are computed."""
    family, workload = evaluator.family, evaluator.workload
    indices = family.space.sample(n, np.random.default_rng(seed))
    metrics = evaluator.evaluate(indices)
    feasible = metrics.feasible
    assert feasible.any(), "no random design is feasible"
    assert np.array_equal(feasible, metrics.why == 0), "feasible means why == 0"
    assert metrics.why.max() < len(family.reasons), "a why code without a reason"
    for name in metric_names(metrics):
        assert np.isnan(metrics[name][~feasible]).all(), f"{name} of an infeasible design is not NaN"
        assert (metrics[name][feasible] >= 0).all(), f"{name} is negative or NaN"
        assert np.isfinite(metrics[name][feasible]).all(), f"{name} is infinite"
    good = metrics[feasible]
    overlapping = "interval_s" in metric_names(metrics)  # runs follow each other in a pipeline
    period = good.interval_s if overlapping else good.latency_s
    assert (period <= good.latency_s * (1 + 1e-9)).all(), "a run takes at least the interval between runs"
    assert np.allclose(good.power_w, good.energy_j / period), "power is energy over latency, or over the interval"
    for total, prefix in (("energy_j", "energy_"), ("area_mm2", "area_")):
        parts = [name for name in metric_names(metrics) if name.startswith(prefix) and name != total]
        if parts:
            assert np.allclose(good[total], sum(good[name] for name in parts)), f"{total} is the sum of its parts"
    if "utilisation" in metric_names(metrics):
        assert (good.utilisation <= 1).all(), "more MACs per second than there are MAC units"
    if "dram_bytes" in metric_names(metrics):
        assert (good.dram_bytes >= workload.compulsory_bytes * (1 - 1e-12)).all(), "less than the compulsory traffic"

    again = Evaluator(family, workload, evaluator.scenario, threads=2)
    assert again.evaluate(np.repeat(indices, 40, axis=0)).tobytes() == np.repeat(metrics, 40).tobytes(), (
        "results depend on batch size or threads"
    )
    for row in np.flatnonzero(feasible)[:10]:
        design = family.space.decode(indices[row : row + 1])
        assert evaluator.evaluate(indices[row : row + 1])[0] == metrics[row], "one design differs from a batch"
        plain = evaluator.plain(design)
        for name in metric_names(metrics):
            assert np.isclose(plain[name], metrics[row][name], rtol=1e-9), f"compiled {name} is not the plain one"
        rows = evaluator.breakdown(design)
        assert len(rows) == len(workload.operators), "the breakdown has one row per operator"
    for row in np.flatnonzero(~feasible)[:3]:
        assert evaluator.why(int(metrics.why[row])) != "feasible", "an infeasible design without a reason"


def check_environment(family: Family, mode: str, seed: int = 0) -> None:
    """Check the Gymnasium environments of a family in one action mode."""
    from gymnasium.utils.env_checker import check_env

    env = ArchGymEnv(family, mode=mode)
    check_env(env, skip_render_check=True)
    n, steps = 5, 40
    vector = ArchGymVectorEnv(n, family, mode=mode)
    first, _ = vector.reset(seed=seed)
    assert np.array_equal(first, vector.reset(seed=seed)[0]), "reset is not deterministic under its seed"
    vector.action_space.seed(seed)
    for _ in range(steps):
        actions = vector.action_space.sample()
        observations, rewards, terminated, truncated, infos = vector.step(actions)
        assert vector.observation_space.contains(observations), "an observation outside the space"
        assert np.isfinite(rewards).all(), "a reward that is not finite"
        done = terminated | truncated
        assert not done.any() or infos["final_obs"].shape == observations.shape, "no final observation"
    _check_vector_equals_single(family, mode, seed)


def _check_vector_equals_single(family: Family, mode: str, seed: int) -> None:
    """The same actions from the same start give the same rewards in a batch and alone."""
    env, vector = ArchGymEnv(family, mode=mode), ArchGymVectorEnv(1, family, mode=mode)
    alone, _ = env.reset(seed=seed)
    together, _ = vector.reset(seed=seed)
    assert np.array_equal(alone, together[0]), "single and vector environment start differently"
    env.action_space.seed(seed)
    done = False
    while not done:
        action = env.action_space.sample()
        _, reward, terminated, truncated, _ = env.step(action)
        _, rewards, *_ = vector.step(np.asarray(action)[None])
        assert reward == rewards[0], "single and vector environment disagree"
        done = terminated or truncated


def check_joint(family: Family, workload: str = "llama3-8b:decode", seed: int = 0, n: int = 300) -> None:
    """Check hardware and compression together: the same numbers as hardware alone, and zeros that nobody skips.

    Args:
        family: the family.
        workload: spec of a workload whose widths an option `bits` gives.
        seed: of the designs.
        n: designs.
    """
    joint, alone = (
        JointEvaluator(family, Workload.load(workload)),
        Evaluator(family, Workload.load(f"{workload}{'&' if '?' in workload else '?'}bits=16")),
    )
    indices = family.space.sample(n, np.random.default_rng(seed))
    known = alone.evaluate(indices)
    plain = {parameter.name: parameter.choices[0] for parameter in family.space.fixed}
    for zeros in ({}, {"pattern": "unstructured-50"}, {"activation_sparsity": 0.5, "sparsity_method": "teal"}):
        metrics = joint.evaluate_designs(joint_designs(family, indices, plain | zeros))
        assert metrics.tobytes() == known.tobytes(), f"{zeros or 'dense 16 bits'} is not as the hardware alone"

    judged = JointEvaluator(family, Workload.load(workload), judge=Judge())
    indices = judged.space.restrict(**searched(judged, None)).sample(n, np.random.default_rng(seed))
    designs = judged.space.restrict(**searched(judged, None)).decode(indices)
    metrics = judged.evaluate_designs(designs)
    assert np.array_equal(metrics.feasible, metrics.why == 0), "feasible means why == 0"
    assert metrics.why.max() < len(judged.reasons), "a why code without a reason"
    for row in range(0, n, 7):
        assert judged.evaluate_designs(designs[row : row + 1]).tobytes() == metrics[row : row + 1].tobytes(), (
            "one design differs from a batch"
        )
    for row in np.flatnonzero(metrics.feasible)[:5]:
        for name, value in judged.plain(designs[row : row + 1]).items():
            if name in metric_names(metrics):
                assert np.isclose(value, metrics[row][name], rtol=1e-9), f"compiled {name} is not the plain one"


def joint_designs(family: Family, indices: Indices, values: dict[str, Any]) -> np.recarray:
    """Designs [N] of the joint space: hardware [N, P], the same features and setting for all."""
    fixed = {name: [value] for name, value in (DEFAULTS | values).items()}
    space = family.joint_space.restrict(**fixed)
    whole = np.zeros((len(indices), len(space)), np.int64)
    whole[:, : indices.shape[1]] = indices
    return space.decode(whole)
