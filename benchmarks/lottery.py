"""The hyperparameter lottery: defaults of agents beside 20 settings of each, drawn from the ranges that it declares.

The first task of each environment of benchmarks/agents.py, which finds the optima, one seed. Agents over forests,
Gaussian processes and graph networks do not take part: many a setting of theirs takes minutes.

python benchmarks/agents.py optimum
python benchmarks/lottery.py --out DIR            # makes what is not there yet; benchmarks/lottery.json
"""

import argparse
import json
from pathlib import Path

import numpy as np

import archgym

OBJECTIVE = ["latency_s*energy_j"]
TASKS = {
    "systolic": ("resnet50", "area_mm2<=100"),
    "pim": ("llama3-8b:decode", "area_mm2<=800"),
    "wafer": ("llama3-8b:decode", "area_mm2<=20000"),
    "fpga": ("resnet50", "lut<=250000"),
}
DRAWN, DESIGNS = 20, 300
PLAYERS = "genetic,local,annealing,ant_colony,cma_es,bottleneck,reinforce,a2c,ppo,masked_ppo,dqn,tpe"
RECORD = Path(__file__).with_name("lottery.json")


def play(out: Path) -> None:
    for env, (workload, bound) in TASKS.items():
        archgym.compare(env, workload, [PLAYERS], OBJECTIVE, [bound], DESIGNS, 1, hyperparameters=DRAWN, out=out / env)
    found = archgym.compare_runs([out / env for env in TASKS])
    at = found.checkpoints.index(DESIGNS)
    reached = {standing.contestant: standing.values[at].value for standing in found.standings}
    rows = []
    for agent in PLAYERS.split(","):
        drawn = sorted(value for name, value in reached.items() if name.startswith(f"{agent}#"))
        better = sum(value < reached[agent] for value in drawn)
        row = {"agent": agent, "default": reached[agent], "best": drawn[0], "median": float(np.median(drawn))}
        rows.append(row | {"worst": drawn[-1], "settings": len(drawn), "better_than_default": better})
    rows.sort(key=lambda row: row["default"])
    RECORD.write_text(json.dumps({"designs": DESIGNS, "agents": rows}, indent=1) + "\n")
    print(
        f"{found.measure} at {DESIGNS} designs, %\n\n| agent | default | best | median | worst | better than default |"
    )
    print("|---|" + "---:|" * 5)
    for row in rows:
        cells = [f"{100 * row[what]:.3g}" for what in ("default", "best", "median", "worst")]
        print(f"| {row['agent']} | {' | '.join(cells)} | {row['better_than_default']} of {row['settings']} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/lottery"))
    play(parser.parse_args().out)


if __name__ == "__main__":
    main()
