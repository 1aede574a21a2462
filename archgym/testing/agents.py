"""What every agent must satisfy."""

from __future__ import annotations

import io
import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from archgym.agents.base import Agent, State
from archgym.agents.random import Random
from archgym.metrics import Metric, metrics_dtype
from archgym.objective import Objective, Outcome
from archgym.search.run import plain_value
from archgym.space import DesignSpace, Indices, Parameter

Build = Callable[[DesignSpace, int, int], Agent]  # (space, n_objectives, seed)

ROUNDS = 6  # batches of a short run: enough for every agent here to leave its start-up
SEEDS = (0, 1, 2)


# -- synthetic problems


@dataclass(frozen=True)
class Problem:
    """A search problem that costs nothing.

    Attributes:
        name: in messages.
        space: the design space.
        objective: over the metrics of `evaluate`.
        feasible_size: designs are feasible up to this size, which is 0..1 per parameter.
    """

    name: str
    space: DesignSpace
    objective: Objective
    feasible_size: float = np.inf

    def __call__(self, indices: Indices) -> Outcome:
        """Judge designs [N, P]: `near_m` and `far_m` grow with the distance from two places, `size_m` with indices."""
        at = indices / np.maximum(self.space.shape - 1, 1)
        near, far = ((at - place) ** 2 for place in (0.3, 0.8))
        metrics = np.zeros(len(indices), metrics_dtype(METRICS))
        metrics["near_m"] = 0.01 + near.sum(axis=1) + 0.5 * near[:, :-1].sum(axis=1) * near[:, 1:].sum(axis=1)
        metrics["far_m"] = 0.01 + far.sum(axis=1)
        metrics["size_m"] = at.sum(axis=1)
        metrics["feasible"] = metrics["size_m"] <= self.feasible_size
        metrics["why"] = ~metrics["feasible"]
        for metric in METRICS:
            metrics[metric.name][~metrics["feasible"]] = np.nan
        return self.objective(metrics)


METRICS = tuple(Metric(name, "m", "synthetic") for name in ("near_m", "far_m", "size_m"))


def mixed_space(ordinal: int = 6, categorical: int = 2, choices: int = 8) -> DesignSpace:
    """A space of ordinal and categorical parameters, and one with a single choice."""
    numbers, names = tuple(range(1, choices + 1)), ("red", "green", "blue")
    return DesignSpace(
        [Parameter(f"number_{i}", numbers) for i in range(ordinal)]
        + [Parameter(f"name_{i}", names, "categorical") for i in range(categorical)]
        + [Parameter("constant", (1,))]
    )


def problems() -> list[Problem]:
    """Small problems that cover what an agent meets."""
    space = mixed_space()
    return [
        Problem("one objective", space, Objective("near_m")),
        Problem("two objectives", space, Objective(["near_m", "far_m"])),
        Problem("constrained", space, Objective("far_m", ["size_m<=3"]), feasible_size=5.0),
        Problem("three objectives", space, Objective(["near_m", "far_m", "size_m"], ["size_m<=4"]), feasible_size=5.0),
        Problem("all infeasible", space, Objective("near_m"), feasible_size=-1.0),
        Problem("none valid", space, Objective("near_m", ["size_m>=100"])),
        Problem("six designs", mixed_space(ordinal=1, categorical=1, choices=2), Objective("near_m")),
        Problem("one design", mixed_space(ordinal=0, categorical=0), Objective("near_m")),
    ]


# -- agents


def check_agent(build: Build, improves: bool = True) -> None:
    """Check an agent against the contract of archgym.agents.base; takes seconds.

    Args:
        build: the agent's class, or a function that builds it.
        improves: also check that it beats random search on an easy problem.

    Raises:
        AssertionError: names the contract that is broken.
    """
    for problem in problems():
        check_proposals(build, problem)
        check_same_trials(build, problem)
    check_seeds_differ(build)
    check_isolation(build)
    check_adjustable(build)
    if improves:
        check_improves(build)


def play(agent: Agent, problem: Problem, rounds: int = ROUNDS, n: int | None = None) -> list[Indices]:
    """Run ask, evaluate, tell; returns the designs of each round."""
    asked = []
    for _ in range(rounds):
        indices = agent.ask(n or agent.batch)
        agent.tell(indices, problem(indices))
        asked.append(indices)
    return asked


def check_proposals(build: Build, problem: Problem) -> None:
    """Shape, type, range and number of proposals, whatever number was asked for."""
    agent = _new(build, problem)
    for n in (agent.batch, 1, 3, agent.batch, 2 * agent.batch):
        indices = agent.ask(n)
        where = f"ask({n}) on {problem.name!r}"
        require(isinstance(indices, np.ndarray), f"{where} must return an array, not {type(indices).__name__}")
        require(indices.dtype == np.int64, f"{where} must return int64, not {indices.dtype}")
        require(
            indices.ndim == 2 and indices.shape[1] == len(problem.space),
            f"{where} must return indices [N, {len(problem.space)}], not {list(indices.shape)}",
        )
        require(1 <= len(indices) <= n, f"{where} must return 1 to {n} designs, not {len(indices)}")
        inside = ((indices >= 0) & (indices < problem.space.shape)).all()
        require(bool(inside), f"{where} returned an index outside the space")
        agent.asked -= 1
        require(np.array_equal(agent.ask(n), indices), f"{where}: ask must learn nothing, yet asking changed the agent")
        agent.tell(indices, problem(indices))


def check_same_trials(build: Build, problem: Problem) -> None:
    """Agents of one seed make the same trials, also one that loads a state saved on the way."""
    agent = _new(build, problem)
    states, asked = [_through_file(agent.state())], []
    for _ in range(ROUNDS):
        asked += play(agent, problem, 1)
        states.append(_through_file(agent.state()))
    twin = _same(asked, play(_new(build, problem), problem, ROUNDS))
    require(twin, f"two agents of the same seed made different trials on {problem.name!r}")
    for start in (0, 1, ROUNDS - 1):
        resumed = _new(build, problem)
        resumed.load(states[start])
        same = _same(asked[start : start + 2], play(resumed, problem, min(2, ROUNDS - start)))
        require(same, f"after {start} rounds of {problem.name!r}, state and load did not continue the same trials")


def check_seeds_differ(build: Build) -> None:
    """Agents of different seeds begin with different designs."""
    problem = problems()[0]
    one, two = (_new(build, problem, seed).ask(8) for seed in (0, 1))
    require(not np.array_equal(one, two), "agents of different seeds proposed the same designs: the seed is not used")


def check_isolation(build: Build) -> None:
    """Global random generators neither influence the agent nor are touched by it."""
    problem = problems()[0]
    runs = []
    with restored_generators():
        for seed in (0, 1):
            seed_generators(seed)
            before = generator_states()
            runs.append(play(_new(build, problem), problem))
            for name, state in generator_states().items():
                untouched = name not in before or same_states(state, before[name])
                require(untouched, f"the agent changed the global random state of {name}")
    require(_same(*runs), "the agent's trials depend on global random state, not on its seed alone")


def check_adjustable(build: Build) -> None:
    """A state fits the agent with other values of the options that it says may change on the way."""
    names, ranges = getattr(build, "adjustable", ()), getattr(build, "hyperparameters", {})
    for name in names:
        require(name in ranges, f"the adjustable option {name!r} is none of the hyperparameters")
    if not names:
        return
    problem, rng = problems()[0], np.random.default_rng(0)
    agent = _new(build, problem)
    play(agent, problem, 2)
    for _ in SEEDS:
        options = {name: ranges[name].sample(rng) for name in names}
        other = build(problem.space, len(problem.objective), 1, **options)
        try:
            other.load(_through_file(agent.state()))
            play(other, problem, 2)
        except Exception as error:
            raise AssertionError(f"a state does not fit the agent with {options}: {error}") from error


def check_improves(build: Build) -> None:
    """With some thousand designs at most, the best found is better than random search's, on average over seeds."""
    problem = problems()[0]
    ours, random_ones = [], []
    for seed in SEEDS:
        agent = _new(build, problem, seed)
        asked = play(agent, problem, max(8, 160 // agent.batch))
        n = sum(map(len, asked))
        ours.append(min(problem(indices).scores.min() for indices in asked))
        random_ones.append(problem(Random(problem.space, 1, seed).ask(n)).scores.min())
    better = np.log(ours).mean() < np.log(random_ones).mean()
    require(bool(better), f"the agent did not beat random search: best found {ours}, random {random_ones}")


# -- helpers


def require(condition: bool, message: str) -> None:
    """Fail with a message that names the contract."""
    if not condition:
        raise AssertionError(message)


def _new(build: Build, problem: Problem, seed: int = 0) -> Agent:
    return build(problem.space, len(problem.objective), seed)


def _same(one: list[Indices], two: list[Indices]) -> bool:
    return len(one) == len(two) and all(map(np.array_equal, one, two))


def _through_file(state: State) -> State:
    """The state as it comes back from a run directory."""
    for name, value in state.items():
        plain = isinstance(value, np.ndarray | np.generic | int | float | str) and np.asarray(value).dtype != object
        require(plain, f"state {name!r} must be an array, a number or text, not {type(value).__name__}")
    file = io.BytesIO()
    np.savez(file, **state)
    file.seek(0)
    with np.load(file, allow_pickle=False) as loaded:
        return {name: plain_value(loaded[name]) for name in loaded.files}


def generator_states() -> dict[str, Any]:
    """States of the global generators that are in use: torch only where something imported it."""
    states: dict[str, Any] = {"random": random.getstate(), "numpy": np.random.get_state()}
    if torch := sys.modules.get("torch"):
        states["torch"] = torch.get_rng_state().numpy()
    return states


def seed_generators(seed: int) -> None:
    """Seed those generators."""
    random.seed(seed)
    np.random.seed(seed)
    if torch := sys.modules.get("torch"):
        torch.manual_seed(seed)


@contextmanager
def restored_generators() -> Iterator[None]:
    """Give the global generators back as they were."""
    states = generator_states()
    try:
        yield
    finally:
        random.setstate(states["random"])
        np.random.set_state(states["numpy"])
        if "torch" in states:
            torch = sys.modules["torch"]
            torch.set_rng_state(torch.from_numpy(states["torch"]))


def same_states(one: Any, two: Any) -> bool:
    """Equality of states of generators: nested tuples of arrays."""
    if isinstance(one, tuple):
        return len(one) == len(two) and all(map(same_states, one, two))
    return bool(np.array_equal(one, two))
