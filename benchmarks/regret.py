"""Regret of the agents to the true optimum, at their default budgets.

archgym optimum --env systolic --workload resnet50      # once: the optimum is cached
python benchmarks/regret.py [--agents ppo,genetic,random] [--seeds 10] [--workload resnet50] [--json]
"""

import argparse
import json
import statistics

import archgym
from archgym.errors import ArchGymError


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--agents", default="ppo,genetic,random")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--env", default="systolic")
    parser.add_argument("--workload")
    parser.add_argument("--budget", type=int)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()

    rows = []
    for agent in options.agents.split(","):
        runs = [
            archgym.search(options.env, options.workload, agent, budget=options.budget, seed=seed)
            for seed in range(options.seeds)
        ]
        if runs[0].regret is None:
            raise ArchGymError("the optimum is not known: run `archgym optimum` with the same options first")
        regrets = sorted(100 * float(run.regret or 0.0) for run in runs)
        seconds = statistics.median(run.times.elapsed_s for run in runs)
        rows.append({"agent": agent, "budget": runs[0].budget, "regret %": regrets, "seconds": seconds})
    if options.json:
        print(json.dumps(rows, indent=2))
        return
    print("agent      designs  median regret  worst  within 5 %  seconds")
    for row in rows:
        regrets = row["regret %"]
        within = f"{sum(regret <= 5 for regret in regrets)}/{len(regrets)}"
        print(
            f"{row['agent']:10} {row['budget']:7,}  {statistics.median(regrets):11.2f} %  {regrets[-1]:4.1f} %"
            f"  {within:>10}  {row['seconds']:7.1f}"
        )


if __name__ == "__main__":
    main()
