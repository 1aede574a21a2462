"""Gymnasium environments: the shipped conformance suite over the registry, and Stable-Baselines3 on top."""

import gymnasium
import numpy as np
import pytest

from archgym.envs import ENVIRONMENTS
from archgym.envs.base import MODES, ArchGymEnv, ArchGymVectorEnv
from archgym.envs.register import GYMNASIUM_IDS
from archgym.errors import InputError
from archgym.testing import check_family


@pytest.mark.parametrize("name", list(ENVIRONMENTS))
def test_conformance(name: str) -> None:
    check_family(ENVIRONMENTS.load(name))


def test_registered_ids_are_those_of_the_families() -> None:
    assert {ENVIRONMENTS.load(name).gymnasium_id: name for name in ENVIRONMENTS} == GYMNASIUM_IDS


def test_refine_pays_improvement_and_construct_pays_at_the_end() -> None:
    refine = ArchGymEnv(mode="refine", workload="resnet18")
    refine.reset(seed=3)
    total, start = 0.0, refine.design
    for action in (0, 1, 1, 5, 4):
        _, reward, _, _, info = refine.step(action)
        total += reward
    assert refine.design != start
    judge = refine._episodes.objective.judge
    begin = refine.evaluator.evaluate_designs(refine.evaluator.family.space.design(start))
    first = judge({name: float(begin[name][0]) for name in info["metrics"]})[0] if begin.feasible[0] else -40.0
    last = judge(info["metrics"])[0] if info["feasible"] else -40.0
    assert total == pytest.approx(last - first)

    construct = ArchGymEnv(mode="construct", workload="resnet18")
    _, info = construct.reset(seed=0)
    rewards = []
    for parameter in construct.evaluator.family.space.parameters:
        assert info["action_mask"].sum() == len(parameter.choices)
        _, reward, terminated, _, info = construct.step(len(parameter.choices) - 1)
        rewards.append(reward)
    assert terminated
    assert rewards[:-1] == [0] * (len(rewards) - 1)
    assert rewards[-1] != 0
    assert construct.design["array_rows"] == 512


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"mode": "propse"}, "did you mean 'propose'"),
        ({"horizon": 0}, "horizon"),
        ({"mode": "construct", "horizon": 3}, "horizon"),
        ({"objective": "latency"}, "did you mean 'latency_s'"),
        ({"family": "systolc"}, "did you mean 'systolic'"),
        ({"num_envs": 0}, "num_envs"),
        ({"scenario": {"node_nm": 3}}, "unknown node_nm '3'"),
    ],
)
def test_bad_arguments_get_one_clear_line(arguments, says: str) -> None:
    with pytest.raises(InputError) as caught:
        (ArchGymVectorEnv if "num_envs" in arguments else ArchGymEnv)(**arguments)
    assert says in str(caught.value)


def test_an_action_outside_the_space_is_refused() -> None:
    env = ArchGymEnv()
    env.reset(seed=0)
    with pytest.raises(InputError, match="outside 0"):
        env.step(np.full(len(env.evaluator.family.space), 99))
    for mode in ("refine", "construct"):
        env = ArchGymEnv(mode=mode)
        env.reset(seed=0)
        for action in (-1, 99, 0.5):
            with pytest.raises(InputError, match="actions must be whole numbers"):
                env.step(action)


def test_plain_stable_baselines3_trains_unchanged() -> None:
    sb3 = pytest.importorskip("stable_baselines3")
    env = gymnasium.make("archgym/Systolic-v0", workload="resnet18")
    model = sb3.PPO("MlpPolicy", env, n_steps=64, seed=0, device="cpu").learn(128)
    assert env.action_space.contains(model.predict(env.reset(seed=0)[0])[0])


@pytest.mark.parametrize("mode", MODES)
def test_stable_baselines3_trains_on_the_native_vector_environment(mode: str) -> None:
    sb3 = pytest.importorskip("stable_baselines3")
    from archgym.envs.sb3 import SB3VecEnv

    envs = SB3VecEnv(gymnasium.make_vec("archgym/Systolic-v0", num_envs=64, mode=mode, workload="resnet18"))
    model = sb3.PPO("MlpPolicy", envs, n_steps=8, batch_size=256, seed=0, device="cpu").learn(64 * 40)
    assert model.num_timesteps >= 64 * 40
