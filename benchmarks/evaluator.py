"""Speed of the cost models: designs per second, steps per second, memory.

    python benchmarks/evaluator.py [--env systolic] [--workload resnet50] [--json]

Whole-workload designs, all feasible, on one thread and on all; medians of several runs in one process.
"""

import argparse
import json
import platform
import resource
import statistics
import time
from collections.abc import Callable

import gymnasium
import numpy as np

import archgym  # noqa: F401 (registers the environments)
from archgym.api import evaluator as evaluator_of
from archgym.envs.evaluator import Evaluator, default_threads

REPEATS = 7


def rate(work: Callable[[], object], units: float) -> float:
    """Median units per second of `work`."""
    work()
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return units / statistics.median(times)


def feasible_designs(evaluator: Evaluator, n: int) -> np.ndarray:
    """Records of `n` random feasible designs: infeasible ones stop early and would flatter the rate."""
    space, rng = evaluator.family.space, np.random.default_rng(0)
    indices = space.sample(8 * n, rng)
    return space.records(indices[evaluator.evaluate(indices).feasible][:n])


def step_us(identifier: str, workload: str, steps: int = 2000) -> tuple[float, float]:
    """Smallest and largest of several medians of `env.step` (propose mode, as gymnasium.make returns it), in us."""
    env = gymnasium.make(identifier, workload=workload)
    env.action_space.seed(0)
    env.reset(seed=0)
    actions = [env.action_space.sample() for _ in range(steps)]
    medians = []
    for _ in range(REPEATS):
        times = []
        for action in actions:
            start = time.perf_counter()
            env.step(action)
            times.append(time.perf_counter() - start)
        medians.append(1e6 * statistics.median(times))
    return min(medians), max(medians)


def vector_rate(identifier: str, workload: str, num_envs: int = 1024) -> float:
    """Environment steps per second of the native vector environment."""
    envs = gymnasium.make_vec(identifier, num_envs=num_envs, workload=workload)
    envs.action_space.seed(0)
    envs.reset(seed=0)
    actions = [envs.action_space.sample() for _ in range(16)]
    return rate(lambda: [envs.step(action) for action in actions], num_envs * len(actions))


def peak_mib_of_stream(evaluator: Evaluator, n: int, chunk: int = 65536) -> float:
    """Peak resident memory after streaming `n` designs, in MiB."""
    rng, space = np.random.default_rng(0), evaluator.family.space
    for _, metrics in evaluator.stream(space.sample(chunk, rng) for _ in range(n // chunk)):
        assert len(metrics) == chunk
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--env", default="systolic")
    parser.add_argument("--workload")
    parser.add_argument("--designs", type=int, default=200_000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()

    base = evaluator_of(options.env, options.workload)
    family, workload = base.family, base.workload
    peaks = {millions: peak_mib_of_stream(base, millions * 1_000_000) for millions in (1, 5)}  # before large arrays
    designs = feasible_designs(base, options.designs)
    result: dict[str, object] = {
        "environment": base.name,
        "workload": workload.name,
        "operators": len(workload.operators),
        "python": platform.python_version(),
        "cpu": platform.processor() or platform.machine(),
    }
    cores = default_threads()
    for threads in sorted({1, 2, cores}):
        if threads <= cores:
            model = Evaluator(family, workload, base.scenario, threads)
            result[f"designs/s, {threads} thread(s)"] = rate(lambda m=model: m.run(designs), len(designs))
    result["ns/operator, 1 thread"] = 1e9 / result["designs/s, 1 thread(s)"] / len(workload.operators)
    fastest, slowest = step_us(family.gymnasium_id, workload.name)
    result |= {"us/env.step, fastest median": fastest, "us/env.step, slowest median": slowest}
    result["vector steps/s, 1024 envs"] = vector_rate(family.gymnasium_id, workload.name)
    for millions, peak in peaks.items():
        result[f"peak MiB after {millions} M designs"] = peak
    if options.json:
        print(json.dumps(result, indent=2))
    else:
        for name, value in result.items():
            print(f"{name:28} {value:,.4g}" if isinstance(value, float) else f"{name:28} {value}")


if __name__ == "__main__":
    main()
