"""Every agent on four environments and three workloads each, ten seeds, against the true optimum.

The objective is the energy-delay product under a bound on area (LUTs of an FPGA). None of these workloads was used to
choose the agents' defaults: those come from mobilenetv2 and bert-base.

python benchmarks/agents.py optimum               # once: the true optima of all tasks, an hour on two cores
python benchmarks/agents.py run --out DIR         # makes what is not there yet
python benchmarks/agents.py report --out DIR      # tables; benchmarks/agents.json
"""

import argparse
import json
from pathlib import Path

import numpy as np

import archgym
from archgym.search.compare import Comparison, Standing

OBJECTIVE = ["latency_s*energy_j"]
TASKS = {
    "systolic": ("area_mm2<=100", ("resnet50", "vit-b16", "llama3-8b:decode")),
    "pim": ("area_mm2<=800", ("llama3-8b:decode", "vit-b16", "gpt2-xl:decode")),
    "wafer": ("area_mm2<=20000", ("llama3-8b:decode", "llama3-8b:prefill", "vit-b16")),
    "fpga": ("lut<=250000", ("resnet50", "vit-b16", "llama3-8b:decode")),
}
# Designs, seeds, agents: as many designs as an agent's own time allows in an afternoon on two cores.
GROUPS = (
    (10_000, 10, "random,genetic,ppo"),
    (1000, 10, "bottleneck,annealing,reinforce,ant_colony,local,cma_es,sobol,a2c,masked_ppo,dqn"),
    (300, 10, "bayesian,surrogate_genetic,tpe"),
)
RECORD = Path(__file__).with_name("agents.json")
SHOWN = (100, 300, 1000, 10_000)


def optima() -> None:
    for env, (bound, workloads) in TASKS.items():
        for workload in workloads:
            found = archgym.optimum(env, workload, OBJECTIVE, [bound])
            print(f"{env} {workload}: {found.value:.6g}, {found.valid:,} of {found.designs:,} valid", flush=True)


def run(out: Path) -> None:
    for budget, seeds, agents in GROUPS:
        for env, (bound, workloads) in TASKS.items():
            for workload in workloads:
                where = out / f"{env}-{workload.replace(':', '_')}"
                _, _, failed = archgym.compare(env, workload, [agents], OBJECTIVE, [bound], budget, seeds, out=where)
                print(f"{budget} {where.name}", *(f"{job.contestant}: {error}" for job, error in failed), flush=True)


def report(out: Path) -> None:
    found = archgym.compare_runs(sorted(path for path in out.iterdir() if path.is_dir()))
    record = found.as_dict() | {"tasks": sorted({entry.task for entry in found.entries})}
    RECORD.write_text(json.dumps(record, indent=1, default=float) + "\n")
    print(
        f"{found.measure} over {found.reference}, %, interquartile mean [95 % interval]; * better than random at 95 %\n"
    )
    print("| agent | " + " | ".join(f"{n:,}" for n in SHOWN) + " | ms per design |")
    print("|---|" + "---:|" * (len(SHOWN) + 1))
    for standing in found.standings:
        cells = [cell(found, standing, n) for n in SHOWN]
        print(f"| {standing.contestant} | " + " | ".join(cells) + f" | {standing.overhead_ms:.2g} |")
    print("\nWorst task's median at the end, %\n")
    tasks = [short(task) for task in dict.fromkeys(entry.task for entry in found.entries)]
    for standing in found.standings:
        medians = 100 * np.median(standing.final, axis=0)
        worst = int(medians.argmax())
        print(f"- {standing.contestant} after {standing.last:,}: {medians[worst]:.3g} ({tasks[worst]})")


def short(task: str) -> str:
    """Environment and workload of a task."""
    environment, _, rest = task.partition(" on ")
    return f"{environment.split()[0]}, {rest.split(': ')[0]}"


def cell(found: Comparison, standing: Standing, designs: int) -> str:
    at = found.checkpoints.index(designs)
    value, over = standing.values[at], standing.over_baseline[at]
    if np.isnan(value.value):
        return ""
    mark = " *" if over is not None and over.low > 0.5 else ""
    return f"{100 * value.value:.3g} [{100 * value.low:.2g}, {100 * value.high:.2g}]{mark}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["optimum", "run", "report"])
    parser.add_argument("--out", type=Path, default=Path("runs/agents"))
    options = parser.parse_args()
    if options.what == "optimum":
        optima()
    else:
        (run if options.what == "run" else report)(options.out)


if __name__ == "__main__":
    main()
