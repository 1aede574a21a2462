"""Populations of learning agents, trained by turns: segments of their runs, and between them exchanges of states.

All members make `interval` designs each, as trials of Tune of their own; when the last has ended, those that are behind
take over the state of one that is ahead (pbt.py, lineage.py), and the next segments begin. Who takes over from whom
follows from the trials and the seed alone. So the run directories are all there is to keep: a sweep that goes on finds
in them where each population stands, and an exchange that was interrupted is made again.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from ray.tune.search import Searcher

from archgym.agents import AGENTS
from archgym.agents.auto import resolved
from archgym.agents.base import OneOf, Range
from archgym.errors import ArchGymError, InputError
from archgym.search import curves
from archgym.search.compare import Job, budget_of, listed
from archgym.search.files import write_json
from archgym.search.lineage import LINEAGE, Segment, begin_member, saved_of, take_over
from archgym.search.request import Request, new_request
from archgym.search.run import CONFIG, STATE, load_run
from archgym.sweeps.pbt import ADJUSTABLE, Rules, drawn, pairs, perturbed
from archgym.sweeps.summary import is_finished
from archgym.sweeps.sweep import OPTUNA, PBT, Sweep, Task, job_of
from archgym.sweeps.trial import BEST, ERROR, EVALUATED, UNTIL, config_of

AUDIT = "lineage.json"  # in the directory of the sweep: the lineage of every member
OnBroken = Callable[[Job, str], None]


@dataclass(frozen=True)
class Group:
    """Who belongs to a population.

    Attributes:
        rules: of its training.
        ranges: of the options that change.
        jobs, requests: the search of each member, with the options that it begins with.
    """

    rules: Rules
    ranges: Mapping[str, Range | OneOf]
    jobs: tuple[Job, ...]
    requests: tuple[Request, ...]

    @property
    def budget(self) -> int:
        """Designs of each member."""
        return self.requests[0].budget


def groups_of(sweep: Sweep, tasks: Sequence[Task], folder: Path) -> list[Group]:
    """The populations of a sweep: one of each agent on each task, from each seed; none with another scheduler.

    Raises:
        InputError: an agent without options that may change, or a sweep that does not go with populations.
    """
    if (rules := sweep.rules) is None:
        return []
    if sweep.searcher == OPTUNA or sweep.hyperparameters:
        raise InputError("scheduler pbt draws and changes settings itself: leave searcher and hyperparameters out")
    groups = []
    for seed in sweep.seeds:
        for task in tasks:
            specs = [resolved(agent, sweep.budget, len(task.problem.objective)) for agent in listed(sweep.agents)]
            groups += [_group(sweep, rules, task, spec, seed, folder) for spec in specs]
    return groups


def _group(sweep: Sweep, rules: Rules, task: Task, spec: str, seed: int, folder: Path) -> Group:
    """The population of an agent; the first member begins with the agent as it is, the others with drawn options."""
    name, _, query = spec.partition("?")
    problem, ranges, budget = task.problem, _changing(name, query), budget_of(spec, sweep.budget)
    if rules.interval >= budget:
        raise InputError(f"scheduler pbt: the interval, {rules.interval}, must be less than the budget, {budget}")
    jobs: list[Job] = []
    requests: list[Request] = []
    for own in range(seed * rules.population, (seed + 1) * rules.population):
        request = new_request(problem.evaluator, problem.objective, spec, budget, own, problem.space)
        if requests:
            rng = np.random.default_rng([zlib.crc32(jobs[0].path.name.encode()), own])
            request = replace(request, options=drawn(request.options, ranges, rng))
        requests.append(request)
        jobs.append(job_of(sweep, task, f"{PBT}:{spec}", request.agent_spec, own, folder))
    return Group(rules, ranges, tuple(jobs), tuple(requests))


def _changing(name: str, query: str) -> dict[str, Range | OneOf]:
    """Ranges of the options of an agent that may change on the way; those that its spec names are held.

    Raises:
        InputError: there are none; names agents that have some.
    """
    build = AGENTS.load(name)
    if not build.adjustable:
        able = f"such as {', '.join(ADJUSTABLE[:-1])} or {ADJUSTABLE[-1]}"
        raise InputError(f"scheduler pbt needs an agent whose options may change on the way, {able}, not {name!r}")
    held = {part.partition("=")[0] for part in query.split("&")}
    if not (ranges := {each: build.hyperparameters[each] for each in build.adjustable if each not in held}):
        raise InputError(f"scheduler pbt: {name}?{query} holds all options that may change: leave some out")
    return ranges


def segments_of(groups: Iterable[Group]) -> int:
    """Segments of all members of populations."""
    return sum(len(group.jobs) * -(-group.budget // group.rules.interval) for group in groups)


@dataclass(eq=False)
class Population:
    """The members of one population, and the segments that they are about to make.

    Attributes:
        group: who they are.
        until: designs at which the present segments end.
        waiting: members whose segment has not begun.
        running: segments that are being made.
    """

    group: Group
    until: int = 0
    waiting: list[Job] = field(default_factory=list)
    running: int = 0

    def begin(self) -> None:
        """Make the run directories that are missing, and take up where the others stand.

        Raises:
            RunError: one of them is damaged.
        """
        for job, request in zip(self.group.jobs, self.group.requests, strict=True):
            if not (job.path / CONFIG).exists():
                begin_member(job.path, request, job.contestant, job.arguments["storage"])
        self.advance()

    def advance(self) -> None:
        """Where all have made their segments: have states taken over, and let the next segments begin.

        Raises:
            RunError: a run is damaged.
        """
        jobs, interval = self.group.jobs, self.group.rules.interval
        done = [_trials(job) for job in jobs]
        reached = min(done) // interval * interval
        if 0 < reached < self.group.budget:
            self._exchange(reached)
        self.until = min(reached + interval, self.group.budget)
        last = self.until == self.group.budget
        left = [not is_finished(job) if last else trials < self.until for job, trials in zip(jobs, done, strict=True)]
        self.waiting = [job for job, is_left in zip(jobs, left, strict=True) if is_left]

    def _exchange(self, trial: int) -> None:
        """Have those that are behind after so many designs take over the state of some that are ahead."""
        jobs, rules = self.group.jobs, self.group.rules
        rng = np.random.default_rng([zlib.crc32(jobs[0].path.name.encode()), trial])
        scores = [_score(job, trial - rules.interval, trial) for job in jobs]
        for child, parent in pairs(scores, rules, rng).items():
            options = perturbed(load_run(jobs[parent].path).config["options"], self.group.ranges, rng)
            best = scores[child] if np.isfinite(scores[child]) else None
            new = Segment(trial, options, jobs[parent].path.name, best, scores[parent])
            take_over(jobs[child].path, jobs[parent].path, new)


def _trials(job: Job) -> int:
    return saved_of(job.path).trials if (job.path / STATE).exists() else 0


def _score(job: Job, start: int, stop: int) -> float:
    """The best objective of some trials of a run; infinite where none is valid."""
    return float(curves.objectives_of(load_run(job.path).tables(), 1)[start:stop].min())


def write_audit(folder: Path, jobs: Iterable[Job]) -> None:
    """Write who took over from whom, and with which options: what config.json of all members says, in one file.

    Raises:
        RunError: it cannot be written.
    """
    begun = [job for job in jobs if (job.path / CONFIG).exists()]
    write_json(folder / AUDIT, {job.path.name: load_run(job.path).config[LINEAGE] for job in begun})


class Populations(Searcher):  # type: ignore[misc]  # Ray is not typed
    """Proposes to Tune the segments of populations, those of the next turn when all of one are done.

    Args:
        groups: who is to be trained.
        on_broken: called with each member of a population that cannot go on since another one has failed.
    """

    def __init__(self, groups: Sequence[Group], on_broken: OnBroken) -> None:
        super().__init__(metric=BEST, mode="min")
        self.populations, self.on_broken = [Population(group) for group in groups], on_broken
        self.made: dict[str, tuple[Population, Job, int]] = {}
        for population in self.populations:
            population.begin()

    def __getstate__(self) -> dict[str, Any]:
        """Tune may save it: it is of no use to anybody."""
        return {}

    def suggest(self, trial_id: str) -> Any:
        """The next segment, as Tune's configuration of a trial; None while others have to end before."""
        for population in self.populations:
            if population.waiting:
                job = population.waiting.pop(0)
                self.made[trial_id] = population, job, population.until
                population.running += 1
                return {"job": {**config_of(job), UNTIL: population.until}}
        return None if self.made else Searcher.FINISHED

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """A segment has ended; where it was the last of a turn, the next one begins."""
        population, job, until = self.made.pop(trial_id)
        population.running -= 1
        whole = not error and result is not None and ERROR not in result and result.get(EVALUATED) == until
        if not whole:
            return self._break(population, f"{job.path.name}, of its population, has failed")
        last = not (population.running or population.waiting)
        if not last or until == population.group.budget or population not in self.populations:
            return None
        try:
            return population.advance()
        except ArchGymError as damage:
            return self._break(population, str(damage))

    def _break(self, population: Population, why: str) -> None:
        """Let a population rest: it goes on when its sweep is continued."""
        self.populations = [other for other in self.populations if other is not population]
        for job in population.group.jobs:
            self.on_broken(job, why)
