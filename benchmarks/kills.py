"""Kill -9 at random moments: python benchmarks/kills.py [MOMENTS [AGENT...]] writes kills.json. Minutes."""

import json
import os
import platform
import sys
import tempfile
import time
from dataclasses import asdict
from datetime import date
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch

import archgym
from archgym.envs.evaluator import Evaluator
from archgym.envs.systolic import SYSTOLIC
from archgym.objective import Objective
from archgym.search import search
from archgym.testing.kills import check_kills
from archgym.workloads import Workload

# Small enough that a run takes about a second; every batch is a checkpoint, of two files put on disk.
AGENTS = {
    "random": 10 * 1024,
    "genetic?population=32&offspring=32": 12 * 32,
    "tpe?startup=8&candidates=4": 40,
    "ppo": 10 * 32,
    "gnn?startup=8&batch=8&members=1&width=8&steps=4": 32,
}


RECORD = Path(__file__).with_suffix(".json")


def main(moments: int, names: list[str]) -> None:
    torch.set_num_threads(1)  # threads do not survive a fork
    evaluator = Evaluator(SYSTOLIC, Workload.load("alexnet"), threads=1)
    objective = Objective(["latency_s", "energy_j"], ["area_mm2<=60"])
    for agent, budget in AGENTS.items():
        if names and agent.partition("?")[0] not in names:
            continue

        def run(path: Path, resume: bool, agent: str = agent, budget: int = budget):
            return search(evaluator, objective, agent, budget, out=path, resume=resume, checkpoint_s=0)

        began = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            kills = check_kills(run, Path(folder), moments)
        own = {"agent": agent, "budget": budget} | asdict(kills)
        own |= {"seconds": round(time.perf_counter() - began), "load": round(os.getloadavg()[0], 1)}
        print(own, flush=True)
        add(own)


def add(own: dict) -> None:
    """Put the row of an agent into the record; check_kills has raised where anything was lost."""
    before = json.loads(RECORD.read_text())["agents"] if RECORD.exists() else []
    rows = {row["agent"]: row for row in before} | {own["agent"]: own}
    record = {
        "command": "python benchmarks/kills.py",
        "date": date.today().isoformat(),
        "machine": f"{os.cpu_count()} cores, Python {platform.python_version()}, archgym {archgym.__version__}",
        "lost": 0,
        "resumed_to_other_trials": 0,
        "agents": [rows[agent] for agent in AGENTS if agent in rows],
    }
    RECORD.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100, sys.argv[2:])
