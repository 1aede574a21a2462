"""Optuna studies of one's own, driven by an environment.

objective = archgym.optuna_objective(archgym.make("systolic", "resnet50"))
study = optuna.create_study(directions=objective.directions, sampler=...)
study.optimize(objective, n_trials=200)
"""

from __future__ import annotations

import math
from typing import Any

import gymnasium
import numpy as np
import optuna
from optuna.distributions import CategoricalDistribution

from archgym import api
from archgym.envs.base import ArchGymEnv
from archgym.errors import InputError
from archgym.metrics import metric_names
from archgym.problem import Problem


class OptunaObjective:
    """A function of Optuna trials: suggests a design, evaluates it and returns its objectives.

    Ordinal parameters are suggested by the position of their choice, so that samplers know which are neighbours;
    categorical ones by name. The values themselves are in the user attribute `design` of a trial, next to its metrics.
    Constraints are told by Optuna's `set_constraint`. A design that breaks a rule of the hardware has no objectives:
    it is pruned, and its user attribute `why` names the rule.

    Attributes:
        directions: of the study: every objective is minimised.
        distributions: what is suggested, by parameter; for `study.ask`.
    """

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.directions = ["minimize"] * len(problem.objective)
        self.distributions = problem.space.optuna() | {
            parameter.name: CategoricalDistribution([str(choice) for choice in parameter.choices])
            for parameter in problem.space.parameters
            if parameter.kind == "categorical"
        }

    def __call__(self, trial: optuna.Trial) -> float | tuple[float, ...]:
        """The objectives of the design that a trial suggests.

        Raises:
            optuna.TrialPruned: the design has none.
        """
        space, objective, evaluator = self.problem.space, self.problem.objective, self.problem.evaluator
        index = np.array([[self._suggested(trial, name) for name in space.names]], np.int64)
        design = space.decode(index)
        trial.set_user_attr("design", space.values(design)[0])
        metrics = evaluator.evaluate_designs(design)
        outcome = objective(metrics)
        if not math.isfinite(outcome.violation[0]):
            why = int(metrics["why"][0])
            trial.set_user_attr("why", evaluator.why(why) or "an objective is no finite number")
            raise optuna.TrialPruned
        for name in metric_names(metrics):
            trial.set_user_attr(name, float(metrics[name][0]))
        violations = {str(constraint): float(constraint.violation(metrics)[0]) for constraint in objective.constraints}
        for name, violation in violations.items():
            trial.set_constraint(name, violation)
        if violations:  # optuna-dashboard 0.21 reads this key alone, for which Optuna has no function left
            trial.storage.set_trial_system_attr(trial._trial_id, "constraints", list(violations.values()))
        values = tuple(outcome.objectives[0].tolist())
        return values if len(values) > 1 else values[0]

    def _suggested(self, trial: optuna.Trial, name: str) -> int:
        """Position of the choice that a trial suggests for a parameter."""
        distribution = self.distributions[name]
        if isinstance(distribution, CategoricalDistribution):
            return distribution.choices.index(trial.suggest_categorical(name, distribution.choices))
        return trial.suggest_int(name, 0, len(self.problem.space[name].choices) - 1)


def optuna_objective(env: gymnasium.Env[Any, Any] | str = "systolic", **posed: Any) -> OptunaObjective:
    """The objective of an Optuna study that searches an environment with a sampler of your own.

    Args:
        env: an environment made by archgym.make or gymnasium.make, or a spec such as `systolic?node_nm=16`.
        posed: of a spec: workload, objective, constraints, choices, quality, cost_model, as archgym.search.

    Raises:
        InputError: something else, or what archgym.search would refuse.
    """
    if isinstance(env, str):
        return OptunaObjective(api.problem(env, **posed))
    inside = getattr(env, "unwrapped", None)
    if not isinstance(inside, ArchGymEnv):
        raise InputError(f"optuna_objective needs an environment of archgym, or a spec, not {env!r}")
    if posed:
        raise InputError(f"the environment knows its {', '.join(posed)}: give them to archgym.make")
    return OptunaObjective(inside.problem)
