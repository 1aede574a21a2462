"""Agents: search algorithms behind one ask/tell contract."""

from archgym.registry import Entry, Registry

AGENTS = Registry(
    "agent",
    {
        "random": Entry("archgym.agents.random:Random", "uniform random search"),
        "genetic": Entry("archgym.agents.genetic:Genetic", "genetic algorithm; NSGA-II for several objectives"),
        "tpe": Entry("archgym.agents.tpe:TPE", "tree-structured Parzen estimator (Optuna)"),
        "ppo": Entry("archgym.agents.ppo:PPO", "proximal policy optimisation (Stable-Baselines3)", extra="rl"),
    },
)
