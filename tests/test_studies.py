"""Studies of one's own: any sampler of Optuna on any environment."""

import gymnasium
import optuna
import pytest

import archgym
from archgym import api
from archgym.errors import InputError
from archgym.studies import OptunaObjective, optuna_objective

optuna.logging.set_verbosity(optuna.logging.WARNING)
SAMPLERS = {
    "tpe": lambda: optuna.samplers.TPESampler(seed=0),
    "nsga2": lambda: optuna.samplers.NSGAIISampler(seed=0, population_size=20),
    "cma": lambda: optuna.samplers.CmaEsSampler(seed=0, warn_independent_sampling=False),
}


@pytest.fixture(scope="module")
def env():
    return archgym.make("systolic", "alexnet", ["latency_s*energy_j"], ["area_mm2<=60"])


@pytest.mark.filterwarnings("ignore:Constraints have been set")
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_samplers_find_designs_that_evaluate_to_the_same_numbers(env, sampler) -> None:
    objective = archgym.optuna_objective(env)
    study = optuna.create_study(directions=objective.directions, sampler=SAMPLERS[sampler]())
    study.optimize(objective, n_trials=60)

    states = {trial.state for trial in study.trials}
    assert states == {optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED}
    for trial in study.trials:
        evaluation = api.evaluate(trial.user_attrs["design"], "systolic", "alexnet")
        assert evaluation.feasible == (trial.state == optuna.trial.TrialState.COMPLETE)
        if not evaluation.feasible:
            assert trial.user_attrs["why"] == evaluation.why
            continue
        assert trial.user_attrs["latency_s"] == evaluation.metrics["latency_s"]
        assert trial.value == evaluation.metrics["latency_s"] * evaluation.metrics["energy_j"]
        outside = evaluation.metrics["area_mm2"] > 60
        assert (trial.constraints["area_mm2<=60"] > 0) == outside
        assert (trial.system_attrs["constraints"][0] > 0) == outside
    assert study.best_trial.user_attrs["area_mm2"] <= 60


def test_samplers_see_the_order_of_ordinal_choices(env) -> None:
    for parameter in env.problem.space.parameters:
        kind = type(optuna_objective(env).distributions[parameter.name]).__name__
        assert kind == {"ordinal": "IntDistribution", "categorical": "CategoricalDistribution"}[parameter.kind]


def test_several_objectives_by_spec() -> None:
    objective = optuna_objective(
        "systolic", workload="alexnet", objective=["latency_s", "energy_j"], constraints=[], choices={"arrays": [1, 4]}
    )
    study = optuna.create_study(directions=objective.directions, sampler=optuna.samplers.NSGAIISampler(seed=0))
    study.optimize(objective, n_trials=40)
    assert objective.directions == ["minimize", "minimize"]
    assert {trial.user_attrs["design"]["arrays"] for trial in study.trials} == {1, 4}
    assert all(
        trial.values == [trial.user_attrs["latency_s"], trial.user_attrs["energy_j"]] for trial in study.best_trials
    )


def test_trials_can_be_asked_for_by_hand(env) -> None:
    objective = optuna_objective(gymnasium.make("archgym/Systolic-v0", workload="alexnet"))
    assert isinstance(objective, OptunaObjective)
    study = optuna.create_study()
    trial = study.ask(objective.distributions)
    assert set(trial.params) == set(env.problem.space.names)


def test_what_is_no_environment_is_refused(env) -> None:
    with pytest.raises(InputError, match="an environment of archgym, or a spec"):
        optuna_objective(gymnasium.make("CartPole-v1"))
    with pytest.raises(InputError, match=r"knows its workload: give them to archgym\.make"):
        optuna_objective(env, workload="alexnet")
    with pytest.raises(InputError, match="did you mean 'systolic'"):
        optuna_objective("sistolic")
