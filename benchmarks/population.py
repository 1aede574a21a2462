"""What population-based training gains: populations against as many runs of the same agent, of equal budget in all.

    python benchmarks/population.py [--agent reinforce] [--workload resnet50] [--budget 2000] [--seeds 10] [--json]

Groups of four runs, one for each seed: the agent as it is; the agent as it is and three drawn settings (which is how a
population begins); and populations that exchange states every tenth of the budget. All have as many evaluations. What
is compared is the best design of a group, and the median of all runs, as regret over the best of all.
"""

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np

import archgym

MEMBERS = 4


def values(what: dict, folder: Path, workers: int | None) -> np.ndarray:
    """Best objectives of the runs of a sweep, [seeds, MEMBERS]."""
    rows = archgym.sweep(what | {"storage": "none"}, folder, workers=workers).summary.to_pylist()
    if any(row["status"] != "finished" for row in rows):
        raise SystemExit(f"not all runs of {folder} finished")
    found = {}
    for row in sorted(rows, key=lambda row: (row["seed"], row["contestant"])):
        found.setdefault(row["seed"], []).append(row["objectives"][0] if row["objectives"] else np.inf)
    return np.array([best for own in found.values() for best in own]).reshape(-1, MEMBERS)


def shown(regrets: np.ndarray) -> dict[str, float]:
    """Of groups [seeds, MEMBERS]: median and mean of their best, and the median of all runs."""
    best = regrets.min(axis=1)
    return {
        "best_median": float(np.median(best)),
        "best_mean": float(best.mean()),
        "member_median": float(np.median(regrets)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--agent", default="reinforce")
    parser.add_argument("--workload", default="resnet50")
    parser.add_argument("--budget", type=int, default=2000)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--workers", type=int)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    shared = {"workloads": [asked.workload], "agents": [asked.agent], "budget": asked.budget}
    pbt = f"pbt?population={MEMBERS}&interval={max(1, asked.budget // 10)}"
    sweeps = {
        "as it is": {"seeds": MEMBERS * asked.seeds},
        "drawn settings": {"seeds": asked.seeds, "hyperparameters": MEMBERS - 1},
        "population": {"seeds": asked.seeds, "scheduler": pbt},
    }
    with tempfile.TemporaryDirectory() as folder:
        found = {name: values(shared | own, Path(folder, name), asked.workers) for name, own in sweeps.items()}
    truth = min(float(best.min()) for best in found.values())
    regrets = {name: best / truth - 1 for name, best in found.items()}
    ours = regrets["population"].min(axis=1)
    others = {name: own.min(axis=1) for name, own in regrets.items() if name != "population"}
    wins = {name: [int((ours < own).sum()), int((ours > own).sum())] for name, own in others.items()}
    table = {name: shown(own) for name, own in regrets.items()}
    if asked.json:
        print(json.dumps({**vars(asked), "regret": table, "population_wins_losses": wins}, indent=2))
        return
    print(f"{asked.agent} on {asked.workload}: {MEMBERS} x {asked.seeds} runs of {asked.budget:,} designs; regret")
    for name, own in table.items():
        print(f"{name:15}" + "".join(f" {what} {100 * value:7.2f} %" for what, value in own.items()))
    for name, (better, worse) in wins.items():
        print(f"population over {name}: better in {better} of {asked.seeds}, worse in {worse}")


if __name__ == "__main__":
    main()
