"""Agents: search algorithms behind one ask/tell contract."""

from archgym.registry import Entry, Registry

AGENTS = Registry(
    "agent",
    {
        "random": Entry("archgym.agents.random:Random", "uniform random search"),
        "sobol": Entry("archgym.agents.sobol:Sobol", "scrambled Sobol sequence (SciPy)", extra="optimisers"),
        "latin_hypercube": Entry(
            "archgym.agents.latin_hypercube:LatinHypercube", "Latin hypercube sampling (SciPy)", extra="optimisers"
        ),
        "exhaustive": Entry("archgym.agents.exhaustive:Exhaustive", "every design once, in random order"),
        "local": Entry("archgym.agents.local:Local", "hill climbing with kicks and restarts"),
        "annealing": Entry("archgym.agents.annealing:Annealing", "simulated annealing, several chains"),
        "ant_colony": Entry("archgym.agents.ant_colony:AntColony", "MAX-MIN ant system"),
        "cma_es": Entry(
            "archgym.agents.cma_es:CMAES", "CMA-ES with margin for mixed spaces (cmaes)", extra="optimisers"
        ),
        "bottleneck": Entry("archgym.agents.bottleneck:Bottleneck", "hill climb guided by the model's bottlenecks"),
        "reinforce": Entry("archgym.agents.reinforce:Reinforce", "REINFORCE over independent categoricals"),
        "genetic": Entry("archgym.agents.genetic:Genetic", "genetic algorithm; NSGA-II for several objectives"),
        "surrogate_genetic": Entry(
            "archgym.agents.surrogate_genetic:SurrogateGenetic",
            "NSGA-II over an ensemble of trees (scikit-learn)",
            extra="models",
        ),
        "forest": Entry(
            "archgym.agents.forest:Forest", "Bayesian optimisation by random forests (scikit-learn)", extra="models"
        ),
        "gnn": Entry(
            "archgym.agents.gnn:GNN",
            "Thompson sampling over graph networks of all metrics (PyTorch Geometric)",
            extra="surrogates",
        ),
        "gp": Entry("archgym.agents.gp:GP", "Gaussian processes (Optuna's GPSampler)", extra="models"),
        "bayesian": Entry(
            "archgym.agents.bayesian:Bayesian",
            "Gaussian processes, batches of qLogEI and qLogNEHVI (BoTorch)",
            extra="models",
        ),
        "composite": Entry(
            "archgym.agents.composite:Composite",
            "Gaussian processes of every metric in the objective (BoTorch)",
            extra="models",
        ),
        "tpe": Entry("archgym.agents.tpe:TPE", "tree-structured Parzen estimator (Optuna)"),
        "ppo": Entry("archgym.agents.ppo:PPO", "proximal policy optimisation (Stable-Baselines3)", extra="rl"),
        "a2c": Entry("archgym.agents.a2c:A2C", "advantage actor-critic (Stable-Baselines3)", extra="rl"),
        "dqn": Entry("archgym.agents.dqn:DQN", "deep Q-network, one parameter after the other", extra="rl"),
        "masked_ppo": Entry(
            "archgym.agents.masked_ppo:MaskedPPO", "PPO of one parameter after the other (sb3-contrib)", extra="rl"
        ),
    },
)
