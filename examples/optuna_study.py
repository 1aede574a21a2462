"""A sampler of your own: any Optuna study can search an environment."""

import optuna

import archgym

optuna.logging.set_verbosity(optuna.logging.WARNING)
env = archgym.make("systolic", "resnet18", ["latency_s", "energy_j"], ["area_mm2<=60"])
objective = archgym.optuna_objective(env)

storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend("own.journal"))
study = optuna.create_study(
    study_name="nsga2", storage=storage, directions=objective.directions, sampler=optuna.samplers.NSGAIISampler(seed=0)
)
study.optimize(objective, n_trials=100)

for trial in study.best_trials:
    print([f"{value:.3g}" for value in trial.values], trial.user_attrs["design"])
print("archgym dashboard own.journal")
