"""The GNN agent beside TPE, from nothing and from what other networks taught, one task per environment.

The energy-delay product under a bound on area, as in benchmarks/agents.py; regret is to the true optimum.

python benchmarks/gnn.py learn --out DIR     # data sets and surrogates of other networks, some ten minutes
python benchmarks/gnn.py run --out DIR       # makes what is not there yet: hours on one core
python benchmarks/gnn.py report --out DIR    # tables; benchmarks/gnn.json
"""

import argparse
import json
from pathlib import Path

import numpy as np
from scipy.stats import mannwhitneyu

import archgym
from archgym import datasets, surrogates
from archgym.search import load_run
from archgym.search.statistics import probability_of_improvement

OBJECTIVE = ["latency_s*energy_j"]
# Task, its bound, the networks that a warm start learns from, and designs drawn of each.
TASKS = {
    "systolic": ("resnet50", "area_mm2<=100", "alexnet,resnet18,mobilenetv2,bert-base,vit-b16,gpt2-xl:decode", 6000),
    "pim": ("llama3-8b:decode", "area_mm2<=800", "gpt2-xl:decode,opt-6.7b:decode,llama2-7b:decode,bert-base", 4000),
    "wafer": (
        "llama3-8b:decode",
        "area_mm2<=20000",
        "gpt2-xl:decode,opt-6.7b:decode,llama2-7b:decode,bert-base",
        30_000,
    ),
    "fpga": ("resnet50", "lut<=250000", "alexnet,resnet18,mobilenetv2,bert-base,vit-b16", 27_000),
}
TAUGHT, MODEL = 1000, "gnn?epochs=40"  # feasible designs of each network
BUDGET, WARM_BUDGET, SHOWN = 300, 50, (50, 100, 300)
RECORD = Path(__file__).with_name("gnn.json")


def learn(out: Path) -> None:
    for env, (_, _, networks, n) in TASKS.items():
        if not (out / f"{env}-learned").exists():
            data = datasets.generate(env, networks.split(","), n, "random", out=out / f"{env}-data", hold_out=[])
            surrogates.train(data, MODEL, out / f"{env}-learned", most=TAUGHT)
            print(f"{env}: learned", flush=True)


def run(out: Path, seeds: int) -> None:
    for number in range(1, seeds + 1):  # seed after seed, so that a stopped benchmark is a fair one
        for env, (workload, bound, _, _) in TASKS.items():
            warm = f"gnn?warm_start={(out / f'{env}-learned').resolve()}"
            for agent, budget in (("tpe", BUDGET), ("gnn", BUDGET), (warm, WARM_BUDGET)):
                where = out / "runs" / env / ("warm" if agent == warm else agent)
                _, _, failed = archgym.compare(env, workload, [agent], OBJECTIVE, [bound], budget, number, out=where)
                print(number, env, agent, *(error for _, error in failed), flush=True)


def regrets(out: Path, env: str, name: str) -> np.ndarray:
    """Regret after each number of designs: [runs, budget]."""
    workload, bound, _, _ = TASKS[env]
    optimum = archgym.optimum(env, workload, OBJECTIVE, [bound]).value
    found = []
    for path in sorted((out / "runs" / env / name).iterdir()):
        trials = load_run(path).trials
        values = np.where(trials["violation"] == 0, trials["objective_0"], np.inf)
        found.append(np.minimum.accumulate(values) / optimum - 1)
    return np.array(found)


def report(out: Path) -> None:
    record = {}
    print("| environment | agent | seeds | " + " | ".join(f"{n} designs" for n in SHOWN) + " |")
    print("|---|---|---:|" + "---:|" * len(SHOWN))
    for env in TASKS:
        runs = {name: regrets(out, env, name) for name in ("tpe", "gnn", "warm")}
        for name, table in runs.items():
            medians = [100 * np.median(table[:, n - 1]) if n <= table.shape[1] else np.nan for n in SHOWN]
            cells = ["" if np.isnan(value) else f"{value:.3g}" for value in medians]
            print(f"| {env} | {name} | {len(table)} | " + " | ".join(cells) + " |")
            shown = {n: table[:, n - 1] for n in SHOWN if n <= table.shape[1]}
            record[f"{env}/{name}"] = {n: [x if np.isfinite(x) else None for x in shown[n]] for n in shown}
        pairs = {
            **{f"gnn over tpe at {n}": (runs["gnn"][:, n - 1], runs["tpe"][:, n - 1]) for n in (100, 300)},
            "warm at 50 over tpe at 300": (runs["warm"][:, 49], runs["tpe"][:, 299]),
        }
        for what, (ours, theirs) in pairs.items():
            # Few seeds: an exact rank test over all runs of both, where a bootstrap would be too sure of itself.
            share = probability_of_improvement(ours[:, None], theirs[:, None])
            p = mannwhitneyu(ours, theirs, alternative="less").pvalue
            record[f"{env}/{what}"] = {"probability": share, "p": float(p), "seeds": [len(ours), len(theirs)]}
            print(f"  {env}: P({what}) = {share:.2f}, one-sided p = {p:.3g}, {len(ours)} and {len(theirs)} seeds")
    RECORD.write_text(json.dumps(record, indent=1) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["learn", "run", "report"])
    parser.add_argument("--out", type=Path, default=Path("runs/gnn"))
    parser.add_argument("--seeds", type=int, default=10)
    options = parser.parse_args()
    if options.what == "run":
        run(options.out, options.seeds)
    else:
        (learn if options.what == "learn" else report)(options.out)


if __name__ == "__main__":
    main()
