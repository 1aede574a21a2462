"""The least traffic of a whole network: blocks, the integer program of each, and the chain of them put together."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from archgym.planning import ilp
from archgym.planning.blocks import Block, Problem, blocks_of
from archgym.planning.graph import Graph
from archgym.planning.replay import Hits

# A larger program is built for the given order only. Of the library's networks HiGHS proved all blocks of up to 800
# variables but one, and none of the two above 3000 in a minute.
ORDER_VARIABLES = 2000
Ends = tuple[int, int]  # whether the tensor from the block before, and the one that goes on, is on chip


@dataclass(frozen=True)
class Solved:
    """A block with its ends held: order, hits, bytes above the fixed ones, the bound, and whether any order counts."""

    order: tuple[int, ...]
    hits: frozenset[tuple[int, int]]
    bytes: float
    bound: float
    any_order: bool


@dataclass(frozen=True)
class Schedule:
    """A whole network.

    Attributes:
        order: layers as they run.
        hits: reads that find their tensor on chip.
        bound: lower bound of the bytes that reads and the stores they cause need, fixed ones aside.
        blocks: blocks it was cut into.
        given_order: blocks too large to search their order: the bound holds for the given order of these.
    """

    order: tuple[int, ...]
    hits: Hits
    bound: float
    blocks: int
    given_order: int


def least_traffic(graph: Graph, time_limit_s: float) -> Schedule:
    """Order and hits of the least traffic, as far as the time limit allows.

    Raises:
        MissingExtraError: SciPy is not installed.
    """
    ilp.require_solver()  # also where no block needs it: the same call fails or works for every network
    blocks = list(blocks_of(graph))
    jobs = {(block.problem, ends): None for block in blocks for ends in _ends(block.problem)}
    deadline = time.perf_counter() + time_limit_s
    solved: dict[tuple[Problem, Ends], Solved] = {}
    for left, (problem, ends) in zip(range(len(jobs), 0, -1), sorted(jobs, key=lambda job: job[0].layers), strict=True):
        share = max(deadline - time.perf_counter(), 0.0) / left  # what an easy block leaves, a hard one gets
        solved[problem, ends] = solve_block(problem, ends, share)
    return _chain(blocks, solved)


def _ends(problem: Problem) -> list[Ends]:
    return [(a, b) for a in range(1 + problem.enters) for b in range(1 + problem.leaves)]


def solve_block(problem: Problem, ends: Ends, time_limit_s: float) -> Solved:
    """A block with its ends held: everything kept where that fits, else the given order, then any order."""
    missing = Solved(tuple(range(problem.layers)), frozenset(), _bytes(problem, frozenset()), 0.0, False)
    if not problem.tensors:
        return replace(missing, any_order=True)
    kept = _keep_all(problem, ends)
    if kept is not None:
        return kept
    start = time.perf_counter()
    found = ilp.solve(problem, ilp.given_windows(problem), *ends, float("inf"), time_limit_s / 2)
    best = _better(problem, ends, missing, found)
    windows = ilp.every_window(problem)
    one_order = all(low == high for low, high in windows)
    if one_order or ilp.variables(problem, windows) > ORDER_VARIABLES:
        return replace(best, any_order=one_order)
    left = time_limit_s - (time.perf_counter() - start)
    return replace(_better(problem, ends, best, ilp.solve(problem, windows, *ends, best.bytes, left)), any_order=True)


def _better(problem: Problem, ends: Ends, known: Solved, found: ilp.Found) -> Solved:
    """The better of what is known and what a program found, with the program's bound."""
    if found.order is not None and _fits(problem, ends, found.order, found.hits):
        total = _bytes(problem, found.hits)
        if total < known.bytes:
            known = replace(known, order=found.order, hits=found.hits, bytes=total)
    return replace(known, bound=min(found.bound, known.bytes))


def _fits(problem: Problem, ends: Ends, order: Sequence[int], hits: frozenset[tuple[int, int]]) -> bool:
    """Whether a plan fits the scratchpad to the byte: the solver's tolerance is wider."""
    step = {layer: index for index, layer in enumerate(order)}
    occupied = [0.0] * problem.layers
    for t, tensor in enumerate(problem.tensors):
        since, held = step.get(tensor.producer, -1), set[int]()
        for v, _, whole in sorted(tensor.reads, key=lambda read: step[read[0]]):
            if (t, v) in hits:
                held |= set(range(max(since, 0), step[v] + 1))
            elif whole:
                since = step[v]
        if tensor.last and ends[1]:
            held = set(range(since, problem.layers))
        for index in held:
            occupied[index] += tensor.size
    return max(occupied) <= problem.scratchpad_bytes


def _bytes(problem: Problem, hits: frozenset[tuple[int, int]]) -> float:
    """Bytes of the misses and of the stores that they cause."""
    total = 0.0
    for t, tensor in enumerate(problem.tensors):
        missed = [cost for v, cost, _ in tensor.reads if (t, v) not in hits]
        total += sum(missed) + tensor.store * bool(missed)
    return total


def _keep_all(problem: Problem, ends: Ends) -> Solved | None:
    """Everything kept in the given order, where that fits and nothing could be better."""
    occupied = [0.0] * problem.layers
    hits, least = set(), 0.0
    for t, tensor in enumerate(problem.tensors):
        readers = sorted(tensor.reads)
        first = tensor.producer
        if tensor.producer < 0 and not ends[0]:  # it has to be fetched: by its first reader, if by one alone
            first, cost, whole = readers.pop(0)
            if cost > min(bytes_ for _, bytes_, _ in tensor.reads) or (readers and not whole):
                return None
            least += cost + tensor.store
        hits |= {(t, v) for v, _, _ in readers}
        last = problem.layers - 1 if tensor.last else max((v for v, _, _ in readers), default=-1)
        if tensor.last and not ends[1]:
            continue
        for i in range(max(first, 0), last + 1):
            occupied[i] += tensor.size
    if max(occupied) > problem.scratchpad_bytes:
        return None
    return Solved(tuple(range(problem.layers)), frozenset(hits), least, least, True)


def _chain(blocks: Sequence[Block], solved: dict[tuple[Problem, Ends], Solved]) -> Schedule:
    """The best choice of ends along the blocks, by dynamic programming."""
    best: dict[int, tuple[float, tuple[Solved, ...]]] = {0: (0.0, ())}
    bound: dict[int, float] = {0: 0.0}
    for block in blocks:
        after: dict[int, tuple[float, tuple[Solved, ...]]] = {}
        floor: dict[int, float] = {}
        for enters, leaves in _ends(block.problem):
            part = solved[block.problem, (enters, leaves)]
            total = best[enters][0] + part.bytes
            if leaves not in after or total < after[leaves][0]:
                after[leaves] = (total, (*best[enters][1], part))
            floor[leaves] = min(floor.get(leaves, float("inf")), bound[enters] + part.bound)
        best, bound = after, floor
    parts = min(best.values(), key=lambda item: item[0])[1]
    pairs = list(zip(blocks, parts, strict=True))
    order = tuple(block.layers[v] for block, part in pairs for v in part.order)
    hits = frozenset((block.tensors[t], block.layers[v]) for block, part in pairs for t, v in part.hits)
    return Schedule(order, hits, min(bound.values()), len(blocks), sum(not part.any_order for part in parts))
