"""Makes data sets: designs of a space, labelled by its cost model."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from archgym.costmodels import answers
from archgym.datasets.load import Dataset, load
from archgym.datasets.runs import add_run, lift, run_source
from archgym.datasets.samplers import SAMPLERS, distinct
from archgym.datasets.schema import Rows, Source
from archgym.datasets.writer import SHARD, Writer, writer
from archgym.envs.cosearch import Choices
from archgym.envs.evaluator import ANALYTICAL
from archgym.envs.family import Family
from archgym.errors import InputError, unknown
from archgym.problem import Problem, Quality, family_of, network_of, objective_of, pose
from archgym.search.loop import search
from archgym.search.request import restriction
from archgym.search.result import Interrupted, Progress
from archgym.search.run import load_run
from archgym.workloads import Workload

AGENTS = ("random", "genetic", "annealing", "ant_colony")  # where none are named: they need no extra
OnProgress = Callable[[int, int], None]


def generate(
    environment: str = "systolic",
    workloads: Sequence[str | Workload] = (),
    n: int = 10_000,
    sampler: str = "sobol",
    *,
    out: str | Path,
    seed: int = 0,
    agents: Sequence[str] = AGENTS,
    objective: Sequence[str] = (),
    constraints: Sequence[str] | None = None,
    choices: Choices | None = None,
    quality: Quality | None = None,
    cost_model: str = ANALYTICAL,
    hold_out: Sequence[str] | None = None,
    force: bool = False,
    shard: int = SHARD,
    on_progress: OnProgress | None = None,
) -> Dataset:
    """Label designs of an environment and write them as a data set, in constant memory; whole or not at all.

    Args:
        environment: spec, as everywhere.
        workloads: specs or Workloads; the environment's default where there are none.
        n: designs of each workload: `n` distinct ones (sobol, random: the same ones under every workload), or the
            trials of searches (agents), which may come again.
        sampler: sobol, random or agents.
        out: directory to make.
        seed: of the sampler, or of every agent.
        agents: specs of the agents that search, each an equal part of `n`.
        objective, constraints: what `reward` means, and what agents search for; the environment's own when not given.
        choices: parameters held to some of their choices.
        quality: as archgym.search, where quality_loss is an objective or a constraint.
        cost_model: spec of what labels, as archgym.search.
        hold_out: workloads of the test split by workload; every fourth network when None.
        force: replace the data set that is there.
        shard: rows of a file at most.
        on_progress: called with the numbers of rows written and of all.

    Returns:
        The data set, not read back.

    Raises:
        InputError: a value that cannot be used, or `out` exists or cannot be written.
        MissingExtraError: SciPy (sobol) or what an agent needs is not installed.
    """
    if sampler not in (*SAMPLERS, "agents"):
        raise unknown("sampler", sampler, (*SAMPLERS, "agents"))
    for what, number, least in (("number of designs", n, 1), ("seed", seed, 0), ("shard", shard, 1)):
        if not isinstance(number, int | np.integer) or isinstance(number, bool) or number < least:
            raise InputError(f"the {what} must be a whole number of at least {least}, not {number!r}")
    family, scenario = family_of(environment)
    judged = objective_of(family, list(objective), constraints)
    networks = _networks(family, workloads)
    problems = [pose(family, scenario, network, judged, choices, quality, cost_model) for network in networks]
    if sampler == "agents":
        shares = _shares(agents, n)
    else:
        _require_room(problems, n)
    with writer(out, problems[0].evaluator, networks, hold_out, force, shard) as made:
        for number, problem in enumerate(problems):
            progress = _progress(on_progress, number * n, len(problems) * n)
            if sampler == "agents":
                _add_searches(made, number, problem, shares, seed, progress)
            else:
                _add_samples(made, number, problem, sampler, n, seed, progress)
    return load(out, check=False)


def _networks(family: Family, workloads: Sequence[str | Workload]) -> list[Workload]:
    """The workloads, each once."""
    if isinstance(workloads, str):
        raise InputError("workloads is a list of specs, e.g. ['resnet50', 'bert-base']")
    networks = [network_of(family, workload) for workload in workloads or (family.workload,)]
    names = [network.name for network in networks]
    if twice := [name for name in names if names.count(name) > 1]:
        raise InputError(f"the workload {twice[0]} is given twice")
    return networks


def _require_room(problems: Sequence[Problem], n: int) -> None:
    least = min(problem.space.size for problem in problems)
    if n > least:
        raise InputError(f"{n:,} distinct designs cannot be drawn: the space holds {least:,}")


def _shares(agents: Sequence[str], n: int) -> list[tuple[str, int]]:
    """Designs of each agent: equal parts of `n`, the first ones larger by one where they must be."""
    if not agents:
        raise InputError("the sampler 'agents' needs at least one agent")
    if n < len(agents):
        raise InputError(f"{n} designs cannot be shared among {len(agents)} agents: each needs one at least")
    return [(agent, n // len(agents) + (k < n % len(agents))) for k, agent in enumerate(agents)]


def _progress(on_progress: OnProgress | None, before: int, total: int) -> Callable[[int], None]:
    """What is told the designs of one workload so far."""
    return lambda done: on_progress(before + done, total) if on_progress is not None else None


def _after(done: int, progress: Callable[[int], None]) -> Callable[[Progress], None]:
    """What a search that follows `done` designs tells of its own."""
    return lambda now: progress(done + now.evaluated)


def _add_samples(
    made: Writer, number: int, problem: Problem, sampler: str, n: int, seed: int, progress: Callable[[int], None]
) -> None:
    """Sample, label and write chunk after chunk."""
    source = Source(len(made.sources), sampler, "", seed)
    made.sources.append(_sample_source(problem, source, n))
    done = 0
    for indices in distinct(problem.space, sampler, n, seed):
        metrics = answers(problem.evaluator, problem.space.records(indices))
        whole = lift(problem.space, made.layout.space, indices)
        made.add(number, Rows(whole, metrics, problem.objective(metrics).rewards, done), source)
        done += len(indices)
        progress(done)


def _sample_source(problem: Problem, source: Source, n: int) -> dict[str, Any]:
    objective, evaluator = problem.objective, problem.evaluator
    return {
        "sampler": source.sampler,
        "agent": "",
        "seed": source.seed,
        "workload": evaluator.workload.name,
        "rows": n,
        "objective": objective.names,
        "constraints": [str(constraint) for constraint in objective.constraints],
        "reward": objective.reward,
        "target": objective.target,
        "space": restriction(evaluator.space, problem.space),
        "run": None,
    }


def _add_searches(
    made: Writer,
    number: int,
    problem: Problem,
    shares: Sequence[tuple[str, int]],
    seed: int,
    progress: Callable[[int], None],
) -> None:
    """Let each agent search in a run directory of its own, then write its trials."""
    done = 0
    for agent, budget in shares:
        path = made.path / "runs"
        try:
            search(
                problem.evaluator, problem.objective, agent, budget, seed, path, space=problem.space,
                on_progress=_after(done, progress),
            )  # fmt: skip
        except Interrupted:
            raise KeyboardInterrupt from None
        run = load_run(path)
        add_run(made, number, run, problem.evaluator, problem.space, run_source(run) | {"run": None})
        shutil.rmtree(path)
        done += budget
