"""Settings of an agent, proposed one after the other by what the runs before have reached.

Tune's OptunaSearch asks Optuna's tree-structured Parzen estimator. Here its proposals become searches, and a sweep that
is continued tells it first what its directory holds.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from ray.tune.search.optuna import OptunaSearch

from archgym.agents import AGENTS
from archgym.agents.base import OneOf, Range
from archgym.search.compare import Job
from archgym.search.run import CONFIG, load_run
from archgym.sweeps.summary import INTERRUPTED, Row
from archgym.sweeps.sweep import Sweep, Task, agent_of, job_of
from archgym.sweeps.trial import BEST, config_of


class Settings(OptunaSearch):  # type: ignore[misc]  # Ray is not typed
    """Proposes searches until Tune has enough; one that was interrupted is proposed again.

    Args:
        base: the agent as it is.
        runs: what there is already.
        most: number of settings in all.
    """

    def __init__(self, base: Job, runs: Sequence[Row], most: int) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.base = base
        begun = {int(row.contestant.rpartition("#")[2]): row for row in runs}
        again = {number: row for number, row in begun.items() if row.status == INTERRUPTED}
        self.numbers = [*again, *(number for number in range(1, most + 1) if number not in begun)]
        space = {name: _distribution(choice) for name, choice in _ranges(base).items()}
        options = [self._options(row) for row in again.values()]
        super().__init__(space, metric=BEST, mode="min", seed=base.arguments["seed"], points_to_evaluate=options)
        for row in runs:
            if row.status != INTERRUPTED:
                self.add_evaluated_point(self._options(row), row.objectives[0] if row.objectives else float("inf"))

    def _options(self, row: Row) -> dict[str, Any]:
        """The options of a run that are searched."""
        options = json.loads(row.options)
        return {name: options[name] for name in _ranges(self.base)}

    def suggest(self, trial_id: str) -> dict[str, Any]:
        """The next search, as Tune's configuration of a trial."""
        return {"job": config_of(_setting(self.base, self.numbers.pop(0), super().suggest(trial_id)))}


def base_of(sweep: Sweep, task: Task, folder: Path) -> Job:
    """The search whose settings are proposed: the agent as it is."""
    agent = agent_of(sweep, task)
    return job_of(sweep, task, agent, agent, sweep.seeds[0], folder)


def begun_settings(base: Job) -> list[Job]:
    """The searches that lie in the directory of the sweep already."""
    pattern = re.compile(re.escape(_stem(base)) + r"#(\d+)-s\d+")
    found = {}
    for path in base.path.parent.glob(f"*/{CONFIG}"):
        if matched := pattern.fullmatch(path.parent.name):
            options = load_run(path.parent).config["options"]
            found[int(matched[1])] = {name: options[name] for name in _ranges(base)}
    return [_setting(base, number, found[number]) for number in sorted(found)]


def _setting(base: Job, number: int, options: Mapping[str, Any]) -> Job:
    """The search number `number`, with its options to three digits, so that they read well."""
    agent, seed = base.arguments["agent"], base.arguments["seed"]
    short = {name: float(f"{value:.3g}") if isinstance(value, float) else value for name, value in options.items()}
    spec = f"{agent}?" + "&".join(f"{name}={value}" for name, value in short.items())
    path = base.path.with_name(f"{_stem(base)}#{number}-s{seed}")
    return Job(f"{agent}#{number}", path, {**base.arguments, "agent": spec})


def _stem(base: Job) -> str:
    return base.path.name.removesuffix(f"-s{base.arguments['seed']}")


def _ranges(base: Job) -> Mapping[str, Range | OneOf]:
    ranges: Mapping[str, Range | OneOf] = AGENTS.load(base.arguments["agent"]).hyperparameters
    return ranges


def _distribution(choice: Range | OneOf) -> BaseDistribution:
    """What an option may be, as Optuna says it."""
    if isinstance(choice, OneOf):
        return CategoricalDistribution(choice.values)
    if isinstance(choice.low, int):
        return IntDistribution(choice.low, int(choice.high), log=choice.log)
    return FloatDistribution(choice.low, choice.high, log=choice.log)
