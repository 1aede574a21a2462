"""What a sweep costs and gains: the same searches one after the other in one process, then by Ray on 1 and 2 cores.

    python benchmarks/sweep.py [--runs 16] [--budget 200] [--agent tpe] [--json]

Times are those of whole commands in processes of their own, imports, Ray's start and compilation included, with the
compiled cost model in its cache. Runs are not mirrored. The overhead per run is what 1 core takes longer than the loop,
less what Ray takes to start and to stop, which a sweep of one run of one design measures.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time

ARCHGYM = os.path.join(os.path.dirname(sys.executable), "archgym")
LOOP = """
import archgym
shared = {{"budget": {budget}, "storage": "none"}}
for seed in range({runs}):
    archgym.search("systolic", "resnet18", "{agent}", seed=seed, out=f"{out}/s{{seed}}", **shared)
"""


def timed(command: list[str]) -> float:
    """Seconds of a command, on one thread per process.

    Raises:
        SystemExit: it failed.
    """
    single = {"OMP_NUM_THREADS": "1", "ARCHGYM_THREADS": "1"}
    start = time.perf_counter()
    if subprocess.run(command, env=os.environ | single, stdout=subprocess.DEVNULL).returncode:
        raise SystemExit(f"failed: {' '.join(command)}")
    return time.perf_counter() - start


def sweep(out: str, runs: int, budget: int, agent: str, workers: int) -> list[str]:
    flags = ["--workloads", "resnet18", "--agents", agent, "--seeds", str(runs), "--budget", str(budget)]
    flags += ["--workers", str(workers), "--storage", "none", "--out", out, "--quiet"]
    return [ARCHGYM, "sweep", *flags]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=16)
    parser.add_argument("--budget", type=int, default=200)
    parser.add_argument("--agent", default="tpe")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    what = (asked.runs, asked.budget, asked.agent)
    with tempfile.TemporaryDirectory() as folder:
        timed(sweep(f"{folder}/warm", 1, 1, "random", 1))  # compiles
        empty_s = timed(sweep(f"{folder}/empty", 1, 1, asked.agent, 1))
        code = LOOP.format(runs=asked.runs, budget=asked.budget, agent=asked.agent, out=f"{folder}/loop")
        loop_s = timed([sys.executable, "-c", code])
        one_s, two_s = (timed(sweep(f"{folder}/{workers}", *what, workers)) for workers in (1, 2))
    found = {
        "runs": asked.runs,
        "budget": asked.budget,
        "agent": asked.agent,
        "loop_s": loop_s,
        "one_core_s": one_s,
        "two_cores_s": two_s,
        "start_s": empty_s,
        "overhead_per_run_s": (one_s - empty_s - loop_s) / asked.runs,
        "loop_over_two_cores": loop_s / two_s,
        "one_over_two_cores": one_s / two_s,
        "without_start": (one_s - empty_s) / (two_s - empty_s),
    }
    if asked.json:
        print(json.dumps({"python": platform.python_version(), "cores": os.cpu_count()} | found, indent=2))
        return
    print(f"{asked.runs} runs of {asked.agent}, {asked.budget:,} designs each, on resnet18; {os.cpu_count()} cores")
    print(f"one after the other {loop_s:8.1f} s")
    print(f"sweep on 1 core     {one_s:8.1f} s, of them {empty_s:.1f} s to start and stop")
    print(f"sweep on 2 cores    {two_s:8.1f} s: {found['loop_over_two_cores']:.2f} times as fast as the loop")
    print(f"2 cores over 1      {found['one_over_two_cores']:8.2f}, {found['without_start']:.2f} without the start")
    print(f"overhead per run    {1e3 * found['overhead_per_run_s']:8.0f} ms")


if __name__ == "__main__":
    main()
