"""What searching hardware and compression together is worth, environment by environment.

    python benchmarks/cosearch.py [--envs systolic pim wafer fpga] [--workload llama3-8b:decode] [--bound 0.05]

Four designs under `quality_loss <= bound`, each with the energy-delay product that its method can reach:

    dense      the true optimum of the hardware for the network in 16 bits, dense: every design enumerated
    sequential that hardware kept, and the true optimum of features and compression for it: all of them enumerated
    co-search  the best of hardware, features and compression that an agent finds, median over seeds
    confirmed  the true optimum of the hardware for the features and the setting that the best seed found

The last says how far the agent is from the best hardware for its own setting. The first three are a fair comparison:
an agent sees a few thousand designs, the other two see all of theirs.
"""

import argparse
import statistics
import time
from typing import Any

from archgym import api
from archgym.compression.knobs import DEFAULTS, KNOB_NAMES
from archgym.envs import ENVIRONMENTS

OBJECTIVE = ["latency_s*energy_j"]


def dense(env: str, workload: str) -> dict[str, Any]:
    """The true optimum of the hardware for the network in 16 bits."""
    sixteen = workload + ("&" if "?" in workload else "?") + "bits=16"
    found = api.optimum(env, sixteen, OBJECTIVE, [])
    assert found.best is not None
    return {"value": found.value, "hardware": found.best}


def held(choices: dict[str, Any]) -> dict[str, list[Any]]:
    """Choices that leave nothing to choose."""
    return {name: [value] for name, value in choices.items()}


def sequential(env: str, workload: str, hardware: dict[str, Any], bounds: list[str]) -> dict[str, Any]:
    """The true optimum of features and compression for a given hardware."""
    found = api.optimum(env, workload, OBJECTIVE, bounds, held(hardware))
    assert found.best is not None
    return {"value": found.value, "design": found.best, "quality": found.metrics, "designs": found.designs}


def searched(env: str, workload: str, agent: str, budget: int, seeds: int, bounds: list[str]) -> dict[str, Any]:
    """The best designs that an agent finds."""
    start = time.perf_counter()
    results = [api.search(env, workload, agent, OBJECTIVE, bounds, budget, seed) for seed in range(seeds)]
    seconds = (time.perf_counter() - start) / seeds
    values = [result.objectives[0] for result in results if result.objectives]
    best = min((result for result in results if result.objectives), key=lambda result: result.objectives[0])
    return {"values": values, "best": best, "seconds": seconds}


def confirmed(env: str, workload: str, design: dict[str, Any], bounds: list[str]) -> float:
    """The true optimum of the hardware for the features and the setting of a design."""
    family = ENVIRONMENTS.load(env)
    rest = {name: value for name, value in design.items() if name not in family.space.names}
    return api.optimum(env, workload, OBJECTIVE, bounds, held(rest)).value


def short(env: str, design: dict[str, Any]) -> str:
    """The setting of a design and the features that it uses, for a table."""
    features = [parameter.name for parameter in ENVIRONMENTS.load(env).space.fixed]
    changed = [name for name in KNOB_NAMES if design[name] != DEFAULTS[name]]
    if not design["activation_sparsity"]:
        changed = [name for name in changed if name != "sparsity_method"]
    used = [str(design[name]) for name in features]
    return ", ".join([*(f"{name}={design[name]}" for name in changed), *used])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--envs", nargs="+", default=["systolic", "pim", "wafer", "fpga"])
    parser.add_argument("--workload", default="llama3-8b:decode")
    parser.add_argument("--agent", default="genetic")
    parser.add_argument("--budget", type=int, default=20_000)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--bound", type=float, default=0.05)
    args = parser.parse_args()
    bounds = [f"quality_loss<={args.bound:g}"]
    print(
        "| environment | dense 16 bits | sequential | co-search | over dense | over sequential | from optimum | finds |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for env in args.envs:
        first = dense(env, args.workload)
        second = sequential(env, args.workload, first["hardware"], bounds)
        found = searched(env, args.workload, args.agent, args.budget, args.seeds, bounds)
        median, best = statistics.median(found["values"]), found["best"]
        truth = confirmed(env, args.workload, best.best, bounds)
        cells = (
            env,
            f"{first['value']:.4g}",
            f"{second['value']:.4g} ({short(env, second['design'])})",
            f"{median:.4g}",
            f"{first['value'] / median:.3g}x",
            f"{second['value'] / median:.3g}x",
            f"{100 * (median / truth - 1):.2g} %",
            f"{short(env, best.best)}; loss {best.metrics['quality_loss']:.3f}; {found['seconds']:.0f} s",
        )
        print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
