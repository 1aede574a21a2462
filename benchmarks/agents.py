"""Every agent on four environments and three workloads each, ten seeds, against the true optimum.

The objective is the energy-delay product under a bound on area (LUTs of an FPGA). None of these workloads was used to
choose the agents' defaults: those come from mobilenetv2 and bert-base, of `composite` also others (docs/agents.md).

python benchmarks/agents.py optimum               # once: the true optima of all tasks, an hour on two cores
python benchmarks/agents.py run --out DIR         # makes what is not there yet
python benchmarks/agents.py report --out DIR      # tables; benchmarks/agents.json

Agents without runs in DIR keep what the record says of them.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from scipy.stats import trim_mean

import archgym

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
    (1000, 10, "composite,bottleneck,annealing,reinforce,ant_colony,local,cma_es,sobol,a2c,masked_ppo,dqn"),
    (300, 10, "bayesian,forest,surrogate_genetic,tpe"),
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
    tasks = list(dict.fromkeys(entry.task for entry in found.entries))  # in the order of the columns of `final`
    record = merged(json.loads(RECORD.read_text()), found.as_dict() | {"tasks": tasks})
    RECORD.write_text(json.dumps(record, indent=1, default=float) + "\n")
    print(
        f"{found.measure} over {found.reference}, %, interquartile mean [95 % interval]; * better than random at 95 %\n"
    )
    print("| agent | " + " | ".join(f"{n:,}" for n in SHOWN) + " | ms per design |")
    print("|---|" + "---:|" * (len(SHOWN) + 1))
    for agent in record["agents"]:
        cells = [cell(agent, record["checkpoints"].index(n)) for n in SHOWN]
        print(f"| {agent['agent']} | " + " | ".join(cells) + f" | {agent['agent_ms_per_design']:.2g} |")
    environments = [short(task).partition(",")[0] for task in tasks]
    print("\nAt the end, %: interquartile mean of each environment, and the worst task's median\n")
    for agent in record["agents"]:
        final = 100 * np.array(agent["final"])
        means = [f"{name} {iqm(final[:, np.array(environments) == name]):.3g}" for name in TASKS]
        medians = np.median(final, axis=0)
        worst = f"{medians.max():.3g} ({short(tasks[int(medians.argmax())])})"
        print(f"- {agent['agent']} after {agent['designs']:,}: {', '.join(means)}; {worst}")


def iqm(regrets: np.ndarray) -> float:
    """Interquartile mean."""
    return float(trim_mean(regrets, 0.25, axis=None))


def merged(before: dict, now: dict) -> dict:
    """What was found now, and what was known before of agents that did not run now: of the same tasks and measure.

    Raises:
        SystemExit: they cannot be held side by side.
    """
    if any(before[key] != now[key] for key in ("measure", "reference", "checkpoints", "tasks")):
        raise SystemExit("the record is of other tasks, or of another reference: run all agents")
    names = {agent["agent"] for agent in now["agents"]}
    agents = now["agents"] + [agent for agent in before["agents"] if agent["agent"] not in names]
    reached = [
        [np.inf if np.isnan(mean["value"]) else mean["value"] for mean in agent["iqm"][::-1]] for agent in agents
    ]
    order = sorted(range(len(agents)), key=lambda place: reached[place])
    return now | {"agents": [agents[place] for place in order]}


def short(task: str) -> str:
    """Environment and workload of a task."""
    environment, _, rest = task.partition(" on ")
    return f"{environment.split()[0]}, {rest.split(': ')[0]}"


def cell(agent: dict, at: int) -> str:
    value, over = agent["iqm"][at], agent["over_random"][at]
    if np.isnan(value["value"]):
        return ""
    mark = " *" if over is not None and over["low"] > 0.5 else ""
    return f"{100 * value['value']:.3g} [{100 * value['low']:.2g}, {100 * value['high']:.2g}]{mark}"


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
