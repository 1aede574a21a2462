"""The truth: every design of a space evaluated, on all threads, in constant memory; found once, then remembered.

A block holds every combination of the last few parameters, written once; going to the next block changes only the
columns of the first parameters that differ. So walking the space costs a few percent of evaluating it.
"""

from __future__ import annotations

import itertools
import json
import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from archgym.costmodels import evaluated, prepare
from archgym.envs.evaluator import ANALYTICAL, CHUNK, Evaluator, cache_dir, model_hash
from archgym.errors import ArchGymError, InputError, RunError
from archgym.objective import FloatArray, Objective
from archgym.search.files import read_json, write_json
from archgym.search.request import checked_space, choices, compression_of, digest, hash_of_compression
from archgym.search.result import Progress, plain_metrics
from archgym.search.tally import Front
from archgym.space import DesignSpace, Indices, Value

LARGEST = 5 * 10**9  # designs: about an hour on two cores
POLL_S = 0.1  # between calls of on_progress, and the longest that Ctrl-C waits for the main thread
SCHEMA = 1  # of the cache files


@dataclass(frozen=True)
class Optimum:
    """The true optimum of a space.

    Attributes:
        value: smallest first objective of a valid design; infinite when no design is valid.
        best, metrics, objectives, index: that design; None without one.
        ties: designs that reach `value`; `best` is the first of them in the order of the space.
        front_indices, front_objectives: the true front [F, P] and [F, K] by first objective; of designs with equal
            objectives the first. With one objective the best design alone.
        designs, feasible, valid: numbers of designs.
        elapsed_s: seconds the enumeration took.
        cached: read from the cache.
    """

    value: float
    best: dict[str, Value] | None
    metrics: dict[str, float] | None
    objectives: list[float] | None
    index: Indices | None
    ties: int
    front_indices: Indices
    front_objectives: FloatArray
    designs: int
    feasible: int
    valid: int
    elapsed_s: float
    cached: bool

    def as_dict(self, space: DesignSpace) -> dict[str, Any]:
        """Plain values for --json."""
        front = space.values(space.decode(self.front_indices)) if len(self.front_indices) else []
        pairs = zip(front, self.front_objectives.tolist(), strict=True)
        names = ("best", "metrics", "objectives", "ties", "designs", "feasible", "valid", "elapsed_s", "cached")
        return {name: getattr(self, name) for name in names} | {
            "front": [{"design": design, "objectives": point} for design, point in pairs]
        }


def optimum(
    evaluator: Evaluator,
    objective: Objective,
    space: DesignSpace | None = None,
    chunk: int = CHUNK,
    on_progress: Callable[[Progress], None] | None = None,
) -> Optimum:
    """Enumerate a space on the evaluator's threads, unless its optimum is known already.

    Args:
        evaluator: environment, scenario, workload and threads.
        objective: what to minimise, and the constraints.
        space: a restriction of the environment's space.
        chunk: designs a thread holds at a time.
        on_progress: called about ten times a second, and at the end.

    Raises:
        InputError: the space is too large, or the objective uses an unknown metric.
    """
    if (known := known_optimum(evaluator, objective, space)) is not None:
        return known
    objective.check([metric.name for metric in evaluator.metrics])
    space = checked_space(evaluator, space)
    if space.size > LARGEST:
        raise InputError(
            f"a space of {space.size:.3g} designs is too large to enumerate (at most {LARGEST:.0e}); "
            "restrict it with --set PARAMETER=CHOICES"
        )
    found = _Enumeration(evaluator, objective, space, chunk).run(on_progress)
    key, result = _key(evaluator, objective, space), _optimum(evaluator, objective, space, found, cached=False)
    if result.best is not None:
        found["value"] = result.value  # of the design alone: a surrogate rounds differently in a block
    try:
        path = _path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, {"key": key, **found})
    except (OSError, RunError):
        pass  # a cache that cannot be written is no reason to lose the answer
    return result


def known_optimum(evaluator: Evaluator, objective: Objective, space: DesignSpace | None = None) -> Optimum | None:
    """The optimum of an earlier enumeration; None when there was none, or its file is damaged."""
    space = checked_space(evaluator, space)
    key = _key(evaluator, objective, space)
    try:
        found = read_json(_path(key))
        if found["key"] != json.loads(json.dumps(key)):
            return None
        result = _optimum(evaluator, objective, space, found, cached=True)
        same = result.value == found["value"] if found["value"] is not None else result.best is None
    except (RunError, InputError, KeyError, TypeError, ValueError, IndexError):
        return None
    return result if same else None


def regret(value: float, optimum: float) -> float | None:
    """How far a value is above the optimum, relative to it: value / optimum - 1 for a positive optimum."""
    gap = value - optimum
    if gap == 0:
        return 0.0
    return gap / abs(optimum) if math.isfinite(gap) and optimum else None


# -- enumeration


class _Blocks:
    """Designs block after block in one buffer: all combinations of the last parameters times some of the first."""

    def __init__(self, space: DesignSpace, chunk: int) -> None:
        self.space = space
        sizes = np.cumprod(space.shape[::-1])  # designs of the last 1, 2, .. parameters
        n_inner = max(int(np.searchsorted(sizes, chunk, side="right")), 1)
        self.inner = int(sizes[n_inner - 1])
        self.outer = space.size // self.inner
        self.per_block = max(chunk // self.inner, 1)  # combinations of the first parameters in a block
        self.count = -(-self.outer // self.per_block)
        self._first_names = space.names[: len(space) - n_inner]
        self._buffer = np.tile(space.decode(space.unrank(np.arange(self.inner))), self.per_block)
        self._now: dict[str, FloatArray] = {}

    def fill(self, block: int) -> tuple[int, np.recarray]:
        """Rank of the first design, and the designs, of a block; valid until the next call."""
        first = block * self.per_block
        n = min(self.per_block, self.outer - first)
        ranks = np.arange(first, first + n) * self.inner
        outer = self.space.decode(self.space.unrank(ranks))
        for name in self._first_names:
            codes = np.ascontiguousarray(outer[name])
            if name not in self._now or not np.array_equal(self._now[name], codes):
                self._buffer[name][: n * self.inner].reshape(n, self.inner)[:] = codes[:, None]
                self._now[name] = codes
        return int(ranks[0]), self._buffer[: n * self.inner].view(np.recarray)


class _Found:
    """What one thread has found so far."""

    def __init__(self, n_objectives: int) -> None:
        self.designs = self.feasible = self.valid = self.ties = 0
        self.value, self.rank = math.inf, -1
        self.front = Front(n_objectives)

    def add(self, first_rank: int, metrics: np.ndarray, objective: Objective) -> None:
        """Count a block and keep its best designs."""
        objectives, violation = objective.measure(metrics)
        rows = np.flatnonzero(violation == 0)
        self.designs += len(metrics)
        self.feasible += int(np.count_nonzero(metrics["feasible"]))
        self.valid += len(rows)
        if len(rows):
            points = objectives[rows]
            if np.isnan(points).any():  # it would hide the best of its block
                raise ArchGymError(f"the objective of {np.isnan(points).any(axis=1).sum()} designs is no number")
            self._challenge(points[:, 0], first_rank + rows)
            if len(objective) > 1:
                self.front.add(first_rank + rows, points)

    def _challenge(self, values: FloatArray, ranks: Indices) -> None:
        row = int(np.argmin(values))
        value = float(values[row])
        if value <= self.value:
            self.ties = int(np.count_nonzero(values == value)) + (self.ties if value == self.value else 0)
            self.rank = int(ranks[row]) if value < self.value else self.rank
            self.value = value


class _Enumeration:
    """One enumeration on several threads, each with its own buffer, taking block after block."""

    def __init__(self, evaluator: Evaluator, objective: Objective, space: DesignSpace, chunk: int) -> None:
        if chunk < 1:
            raise InputError(f"the chunk must be at least 1, not {chunk}")
        self.evaluator, self.objective, self.space = evaluator, objective, space
        self.chunk = min(chunk, CHUNK)  # beyond CHUNK the evaluator would start threads of its own
        self.found = [_Found(len(objective)) for _ in range(evaluator.threads)]
        self._next = itertools.count()  # its next() is atomic
        self._stop = threading.Event()

    def run(self, on_progress: Callable[[Progress], None] | None) -> dict[str, Any]:
        """Evaluate all designs: the answer as plain values, for the cache."""
        prepare(self.evaluator)
        started = time.perf_counter()
        with ThreadPoolExecutor(len(self.found)) as pool:
            jobs = [pool.submit(self._work, found) for found in self.found]
            try:
                self._watch(jobs, started, on_progress)
            finally:
                self._stop.set()  # Ctrl-C, or an error in one thread: the others stop at their next block
        return self._answer(time.perf_counter() - started)

    def _work(self, found: _Found) -> None:
        blocks = _Blocks(self.space, self.chunk)
        for block in self._next:
            if block >= blocks.count or self._stop.is_set():
                return
            first, designs = blocks.fill(block)
            found.add(first, evaluated(self.evaluator, designs), self.objective)

    def _watch(self, jobs: list[Future[None]], started: float, on_progress: Callable[[Progress], None] | None) -> None:
        pending = set(jobs)
        while pending:
            done, pending = wait(pending, POLL_S)
            for job in done:
                job.result()
            if on_progress is not None:
                on_progress(self._progress(time.perf_counter() - started))

    def _progress(self, elapsed: float) -> Progress:
        designs = sum(found.designs for found in self.found)
        return Progress(
            evaluated=designs,
            budget=self.space.size,
            best=min(found.value for found in self.found),
            designs_per_s=designs / max(elapsed, 1e-9),
            elapsed_s=elapsed,
            feasible_share=sum(found.feasible for found in self.found) / max(designs, 1),
            front_size=max(len(found.front.ranks) for found in self.found),
        )

    def _answer(self, elapsed: float) -> dict[str, Any]:
        """Join what the threads found; the same whichever thread took which block."""
        best = min(self.found, key=lambda found: (found.value, found.rank))
        front = Front(len(self.objective))
        for found in self.found:
            front.add(found.front.merge().ranks, found.front.points)
        return {
            "schema": SCHEMA,
            "value": best.value if best.rank >= 0 else None,
            "rank": best.rank,
            "ties": sum(found.ties for found in self.found if found.value == best.value),
            "front": front.merge().ranks.tolist(),
            "designs": sum(found.designs for found in self.found),
            "feasible": sum(found.feasible for found in self.found),
            "valid": sum(found.valid for found in self.found),
            "elapsed_s": elapsed,
        }


# -- the cache


def _key(evaluator: Evaluator, objective: Objective, space: DesignSpace) -> dict[str, Any]:
    """All that the optimum depends on; the equations are identified by `model_hash` alone."""
    key = {
        "schema": SCHEMA,
        "environment": evaluator.family.name,
        "model_hash": model_hash(evaluator.family),
        "scenario": evaluator.scenario,
        "technology": digest(np.asarray(evaluator.technology).tobytes()),
        "workload": evaluator.workload.name,
        "operators": digest(evaluator.workload.identity),
        "compression": compression_of(evaluator),
        "compression_hash": hash_of_compression(evaluator),
        "objective": objective.names,
        "constraints": sorted(map(str, objective.constraints)),
        "space": choices(space),
    }
    return key if evaluator.cost_model == ANALYTICAL else key | {"cost_model_hash": evaluator.identity()}


def _path(key: dict[str, Any]) -> Path:
    return cache_dir() / "optimum" / f"{digest(json.dumps(key, sort_keys=True).encode())}.json"


def _optimum(
    evaluator: Evaluator, objective: Objective, space: DesignSpace, found: dict[str, Any], cached: bool
) -> Optimum:
    """The answer with its designs evaluated again, so that a cache file holds nothing that could be wrong."""
    best = [int(found["rank"])] if found["value"] is not None else []
    ranks = found["front"] if len(objective) > 1 else best
    indices, front = space.unrank(best).reshape(-1, len(space)), space.unrank(ranks).reshape(-1, len(space))
    designs, front_designs = space.decode(indices), space.decode(front)
    metrics, front_metrics = evaluator.evaluate_designs(designs), evaluator.evaluate_designs(front_designs)
    objectives, violation = objective.measure(metrics)
    if violation.any():
        raise ValueError("the remembered optimum is not valid")
    return Optimum(
        value=float(objectives[0, 0]) if best else math.inf,
        best=space.values(designs)[0] if best else None,
        metrics=plain_metrics(metrics) if best else None,
        objectives=objectives[0].tolist() if best else None,
        index=indices[0] if best else None,
        ties=int(found["ties"]),
        front_indices=front,
        front_objectives=objective.measure(front_metrics)[0],
        designs=int(found["designs"]),
        feasible=int(found["feasible"]),
        valid=int(found["valid"]),
        elapsed_s=float(found["elapsed_s"]),
        cached=cached,
    )
