"""Agents side by side: the same space, decoder, budget and seeds for all, each run a run directory of its own.

A task is an environment on a workload with an objective. Runs of several tasks are put together by interquartile means
over runs and tasks (statistics.py). What they are measured against is the true optimum, or the true front, where
`archgym optimum` has found it; else the best of all runs compared, and the result says so.
"""

from __future__ import annotations

import contextlib
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from archgym.agents import AGENTS
from archgym.envs.evaluator import ANALYTICAL, default_threads
from archgym.errors import ArchGymError, InputError, MissingExtraError, RunError
from archgym.objective import FloatArray
from archgym.search import curves, statistics
from archgym.search.lineage import contestant_name
from archgym.search.optimum import known_optimum
from archgym.search.request import Request, request_of
from archgym.search.run import CONFIG, NUMBERS, Run, load_run
from archgym.search.statistics import Interval
from archgym.search.workers import Workers

BASELINE = "random"  # what probabilities of improvement are over
WORST_REGRET = 1e3  # stands for "no valid design yet", so that means exist


@dataclass(frozen=True)
class Job:
    """One run that is to be made.

    Attributes:
        contestant: name in the comparison: the agent, or one sampled setting of it.
        path: its run directory.
        arguments: of archgym.search, but `out`.
    """

    contestant: str
    path: Path
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class Entry:
    """One run, measured.

    Attributes:
        task: environment, workload, cost model, objectives and constraints.
        contestant, agent, seed, budget: of the run.
        values: [C] regret, or the share of the hypervolume that is missing, at each checkpoint.
        igd: [C] IGD+, of several objectives.
        model_s, agent_s: seconds in the cost model, and in the agent.
    """

    task: str
    contestant: str
    agent: str
    seed: int
    budget: int
    values: FloatArray
    igd: FloatArray | None
    model_s: float
    agent_s: float


@dataclass(frozen=True)
class Standing:
    """One contestant over all tasks and seeds.

    Attributes:
        values: interquartile mean with its interval at each checkpoint; NaN beyond its budget.
        over_baseline: probability that a run of it is better than one of random search, at each checkpoint; None
            beyond its budget, and where random search does not take part.
        overhead_ms, model_ms: time of the agent, and of the cost model, per design.
        last: its own last checkpoint.
        final: [runs, tasks] there.
    """

    contestant: str
    values: tuple[Interval, ...]
    over_baseline: tuple[Interval | None, ...]
    overhead_ms: float
    model_ms: float
    last: int
    final: FloatArray


@dataclass(frozen=True)
class Comparison:
    """All contestants.

    Attributes:
        measure: what the numbers are.
        reference: what they are measured against, in words.
        checkpoints: numbers of designs.
    """

    measure: str
    reference: str
    checkpoints: tuple[int, ...]
    standings: tuple[Standing, ...]
    entries: tuple[Entry, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for --json."""
        return {
            "measure": self.measure,
            "reference": self.reference,
            "checkpoints": list(self.checkpoints),
            "agents": [
                {
                    "agent": standing.contestant,
                    "iqm": [value._asdict() for value in standing.values],
                    "over_random": [over._asdict() if over else None for over in standing.over_baseline],
                    "agent_ms_per_design": standing.overhead_ms,
                    "model_ms_per_design": standing.model_ms,
                    "designs": standing.last,
                    "final": standing.final.tolist(),
                }
                for standing in self.standings
            ],
        }


# -- making runs


def listed(agents: Sequence[str]) -> list[str]:
    """Specs of agents from texts that may list several by commas; `all` for every agent that is installed."""
    specs = [spec.strip() for text in agents for spec in text.split(",") if spec.strip()]
    return list(dict.fromkeys(name for spec in specs for name in (_installed() if spec == "all" else [spec])))


def _installed() -> list[str]:
    """Names of all agents whose extras are there."""
    found = []
    for name in AGENTS:
        with contextlib.suppress(MissingExtraError):
            AGENTS.load(name)
            found.append(name)
    return found


def budget_of(agent: str, budget: int) -> int:
    """Designs of an agent: `budget`, or the most that it is of use for."""
    most = AGENTS.load(agent.partition("?")[0]).most
    return min(budget, most) if most else budget


def file_name(contestant: str) -> str:
    """Name of the run directories of a contestant."""
    return re.sub(r"[^A-Za-z0-9._#-]+", "_", contestant)


def found_runs(paths: Sequence[Path]) -> list[tuple[str, Path]]:
    """Contestants and run directories among paths: runs, or directories of runs.

    Raises:
        RunError: a path that is neither.
    """
    found = []
    for path in paths:
        inside = [path] if (path / CONFIG).exists() else sorted(child.parent for child in path.glob(f"*/{CONFIG}"))
        if not inside:
            raise RunError(f"{path} is no run directory, and holds none")
        found += [(contestant_of(run), run) for run in inside]
    return found


def contestant_of(path: Path) -> str:
    """The agent of a run with its options; its population, or a sampled setting where the directory is named so."""
    config = load_run(path).config
    sampled = re.search(rf"(?:^|-)({re.escape(config['agent'])}#\d+)-s\d+$", path.name)
    return sampled[1] if sampled else contestant_name(config)


def contestants(agents: Sequence[str], samples: int, seed: int = 0) -> dict[str, str]:
    """Names and specs: each agent as it is, and `samples` settings of its hyperparameters drawn from their ranges.

    Raises:
        InputError: an unknown agent; nothing to sample.
    """
    found = {}
    for spec in agents:
        name = spec.partition("?")[0]
        build = AGENTS.load(name)
        found[spec] = spec
        rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
        for number in range(samples if build.hyperparameters else 0):
            drawn = {option: choice.sample(rng) for option, choice in build.hyperparameters.items()}
            options = "&".join(f"{option}={value}" for option, value in drawn.items())
            found[f"{name}#{number + 1}"] = f"{name}?{options}"
    return found


def make_runs(
    jobs: Sequence[Job], workers: int | None = None, on_done: Callable[[int, int], None] | None = None
) -> list[tuple[Job, str]]:
    """Make all runs, several processes of one thread each; those that are there already are kept or continued.

    Returns:
        Jobs that failed, and why.
    """
    failed = []
    with Workers(min(workers or default_threads(), max(len(jobs), 1))) as pool:
        futures = {pool.submit(_make, job): job for job in jobs}
        for done, future in enumerate(as_completed(futures), 1):
            try:
                error = future.result()
            except RunError as stop:  # of the process
                error = str(stop)
            if error is not None:
                failed.append((futures[future], error))
            if on_done is not None:
                on_done(done, len(jobs))
    return failed


def _make(job: Job) -> str | None:
    """Make, continue or keep one run; the message of its error."""
    import os

    os.environ["ARCHGYM_THREADS"] = "1"
    from archgym import api
    from archgym.search.loop import resume_search

    try:
        if (job.path / CONFIG).exists():
            if load_run(job.path).result is None:
                resume_search(job.path, threads=1)
        else:
            api.search(**job.arguments, out=job.path)
    except ArchGymError as error:
        return str(error)
    return None


# -- measuring runs


def compare_runs(paths: Iterable[tuple[str, Path]]) -> Comparison:
    """Compare finished runs, given as (contestant, run directory).

    Raises:
        RunError: a directory that is no finished run; InputError: nothing to compare, or runs that cannot be.
    """
    runs = [(contestant, _finished(path)) for contestant, path in paths]
    if not runs:
        raise InputError("there is nothing to compare: name agents, or run directories")
    several = {len(run.config["objective"]) for _, run in runs}
    if len(several) > 1:
        raise InputError("runs with one and with several objectives cannot be compared")
    at = curves.checkpoints(max(run.config["budget"] for _, run in runs))
    tasks: dict[str, list[tuple[str, Run]]] = {}
    for contestant, run in runs:
        tasks.setdefault(task_of(run), []).append((contestant, run))
    entries, known = [], []
    for task, listed in tasks.items():
        found, truth = _entries(task, listed, at)
        entries += found
        known.append(truth)
    single = several == {1}
    return Comparison(
        measure="regret" if single else "share of the hypervolume missing",
        reference=("the true " if all(known) else "the best known ") + ("optimum" if single else "front"),
        checkpoints=tuple(at),
        standings=tuple(_standings(entries, at)),
        entries=tuple(entries),
    )


def _finished(path: Path) -> Run:
    run = load_run(path)
    if run.result is None:
        raise RunError(f"{path} is not finished: continue it with archgym search --resume {path}")
    return run


def task_of(run: Run) -> str:
    """What a run is about, in words: runs with the same words can be compared."""
    config = run.config
    bounds = " with " + ", ".join(config["constraints"]) if config["constraints"] else ""
    scenario = "".join(f" {name}={value}" for name, value in config["scenario"].items())
    place = f"{config['environment']}{scenario} on {config['workload']}{_cost_model(config)}"
    return f"{place}: {', '.join(config['objective'])}{bounds}"


def _cost_model(config: Mapping[str, Any]) -> str:
    """Runs of different cost models, or of one trained anew, are different tasks."""
    if config["cost_model"] == ANALYTICAL:
        return ""
    return f" by {config['cost_model']} ({config['cost_model_hash']})"


def _entries(task: str, runs: Sequence[tuple[str, Run]], at: Sequence[int]) -> tuple[list[Entry], bool]:
    """The runs of one task measured against its truth, and whether that is known."""
    n_objectives = len(runs[0][1].config["objective"])
    try:
        points = [curves.objectives_of(run.tables(), n_objectives) for _, run in runs]
    except (KeyError, ValueError, TypeError) as error:
        raise RunError(f"the trials of a run of {task} are damaged: {error}") from None
    request = request_of(runs[0][1], threads=1)
    truth = None
    if same_numbers((run for _, run in runs), request):
        truth = known_optimum(request.evaluator, request.objective, request.space)
    if n_objectives == 1:
        best = truth.value if truth else min(float(values.min()) for values in points)
        measured = [_regrets(curves.best_so_far(values, at), best) for values in points]
        distances: list[FloatArray | None] = [None] * len(points)
    else:
        front = truth.front_objectives if truth else curves.front_of(np.concatenate(points))
        if not len(front):
            raise InputError(f"no run of {task} has found a valid design")
        reference = curves.Reference.of(front)
        measured = [_at(reference.hypervolume_gap, values, at) for values in points]
        distances = [_at(reference.igd_plus, values, at) for values in points]
    found = []
    for (contestant, run), values, igd in zip(runs, measured, distances, strict=True):
        result = run.result or {}
        times = float(result["model_s"]), float(result["agent_s"])
        config = run.config
        found.append(Entry(task, contestant, config["agent"], config["seed"], config["budget"], values, igd, *times))
    return found, truth is not None


def same_numbers(runs: Iterable[Run], request: Request) -> bool:
    """Whether runs were evaluated with the numbers of today: the optimum is of those."""
    now = request.config()
    return all(run.config[key] == now[key] for run in runs for key in NUMBERS)


def _at(measure: Callable[[FloatArray], float], values: FloatArray, at: Sequence[int]) -> FloatArray:
    """A measure [C] of the first trials of a run; NaN beyond the last."""
    return np.array([measure(values[:n]) if n <= len(values) else np.nan for n in at])


def _regrets(values: FloatArray, best: float) -> FloatArray:
    """Regret [C] of values; WORST_REGRET where there is no valid design yet, NaN beyond the last."""
    if not np.isfinite(best):
        return np.full(len(values), WORST_REGRET)
    return np.minimum((values - best) / abs(best), WORST_REGRET)


def _standings(entries: Sequence[Entry], at: Sequence[int]) -> Iterator[Standing]:
    """Contestants in the order of their interquartile mean at the last checkpoint, then at the one before."""
    names = list(dict.fromkeys(entry.contestant for entry in entries))
    scores = {name: _matrix([entry for entry in entries if entry.contestant == name]) for name in names}
    baseline = scores.get(BASELINE)
    found = []
    for name in names:
        own, table = [entry for entry in entries if entry.contestant == name], scores[name]
        designs = sum(entry.budget for entry in own)
        last = int(np.flatnonzero(~np.isnan(table).any(axis=(0, 1)))[-1])
        found.append(
            Standing(
                contestant=name,
                values=tuple(statistics.interval(statistics.iqm, column) for column in np.moveaxis(table, -1, 0)),
                over_baseline=tuple(_over(table, None if name == BASELINE else baseline)),
                overhead_ms=1e3 * sum(entry.agent_s for entry in own) / designs,
                model_ms=1e3 * sum(entry.model_s for entry in own) / designs,
                last=at[last],
                final=table[..., last],
            )
        )
    yield from sorted(found, key=lambda standing: [np.nan_to_num(v.value, nan=np.inf) for v in standing.values[::-1]])


def _over(table: FloatArray, baseline: FloatArray | None) -> Iterator[Interval | None]:
    """Probability of improvement over the baseline at each checkpoint that both reach, with as many runs."""
    for column in range(table.shape[-1]):
        ours = table[..., column]
        if baseline is None or baseline.shape != table.shape or np.isnan([ours, baseline[..., column]]).any():
            yield None
        else:
            yield statistics.improvement_interval(ours, baseline[..., column])


def _matrix(entries: Sequence[Entry]) -> FloatArray:
    """Values [runs, tasks, checkpoints] of one contestant, runs in the order of their seeds.

    Raises:
        InputError: tasks with different numbers of runs.
    """
    tasks: dict[str, list[Entry]] = {}
    for entry in sorted(entries, key=lambda entry: entry.seed):
        tasks.setdefault(entry.task, []).append(entry)
    counts = {len(listed) for listed in tasks.values()}
    if len(counts) > 1:
        raise InputError(f"{entries[0].contestant} has {sorted(counts)} runs: every task needs as many")
    return np.stack([[entry.values for entry in listed] for listed in tasks.values()], axis=1)
