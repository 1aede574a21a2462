"""Train Stable-Baselines3 directly on the native vector environment."""

import gymnasium
from stable_baselines3 import PPO

import archgym  # noqa: F401 (registers the environments)
from archgym.envs.sb3 import SB3VecEnv

envs = SB3VecEnv(gymnasium.make_vec("archgym/Systolic-v0", num_envs=256, mode="refine", workload="resnet18"))
model = PPO("MlpPolicy", envs, n_steps=16, batch_size=1024, seed=0, verbose=0)
model.learn(8192)
print("mean reward of the last episodes is in model.logger; policy:", type(model.policy).__name__)
