"""What a search of 10^12 designs over 1,000 nodes would need, and its storage load at 1/100 of it, here.

python benchmarks/scaling.py rates --out DIR       # designs per second and core, bytes and memory per trial
python benchmarks/scaling.py parts --out DIR       # how fast this disk takes parts and states of runs
python benchmarks/scaling.py head --out DIR        # Ray Tune: time of the head per trial
python benchmarks/scaling.py database --out DIR    # 160 runs mirrored at the same time to one PostgreSQL
python benchmarks/scaling.py report --out DIR      # the plan: docs/scaling.md; benchmarks/scaling.json

Each on an otherwise idle machine. The database is a PostgreSQL server of its own on this machine.
"""

import argparse
import json
import multiprocessing
import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

DESIGNS, NODES, CORES = 10**12, 1000, 16  # evaluated in all; of the cluster; of a node, one run on each
RUNS, SHARE = NODES * CORES, 100  # runs of the search; the simulation has one in so many
AGENTS = {"random": 2_000_000, "genetic": 1_000_000, "annealing": 20_000, "ppo": 10_000}  # designs to time each with
ENV, WORKLOAD = "systolic", "resnet50"
MEMORY, MANY = "memory of a run, GB", 1_000_000  # and from how many designs on it tells something
RECORD = Path(__file__).with_name("scaling.json")


def rates(out: Path) -> dict:
    """Each agent alone in a process on one core: end to end, with its run directory and without a mirror."""
    found = {}
    for agent, budget in AGENTS.items():
        shutil.rmtree(out / agent, ignore_errors=True)
        command = [sys.executable, __file__, "one", "--agent", agent, "--budget", str(budget), "--out", str(out)]
        found[agent] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        print(f"{agent}: {found[agent]}", flush=True)
    return found


def one(agent: str, budget: int, out: Path) -> None:
    """One search, timed after a short one has loaded and compiled everything."""
    import archgym

    archgym.search(ENV, WORKLOAD, agent, budget=256)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.process_time()
    archgym.search(ENV, WORKLOAD, agent, budget=budget, out=out / agent, storage="none")
    seconds = time.process_time() - start
    size = sum(path.stat().st_size for path in (out / agent / "trials").iterdir())
    grown = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    print(json.dumps({"designs_per_cpu_s": budget / seconds, "bytes": size / budget, "memory_bytes": grown / budget}))


def parts(out: Path) -> dict:
    """Whole parts and states, one after the other, each flushed to disk, as a run writes them."""
    from archgym.search import load_run
    from archgym.search.trials import read_part, write_part

    run = load_run(out / "random")
    table = max(run.tables(), key=len)
    saved = run.saved()
    where = out / "parts"
    shutil.rmtree(where, ignore_errors=True)
    where.mkdir(parents=True)
    number = size = 0
    start = time.perf_counter()
    while time.perf_counter() - start < 20:
        write_part(where / f"part-{number:05d}.parquet", table)
        saved.write(where / "state.npz")
        size += (where / f"part-{number:05d}.parquet").stat().st_size
        number += 1
    seconds = time.perf_counter() - start
    shutil.rmtree(where)
    print(f"{len(read_part(run.parts()[0])):,} trials in the first part of the run")
    return {"parts_per_s": number / seconds, "mb_per_s": size / seconds / 1e6, "trials_of_a_part": len(table)}


def head(out: Path) -> dict:
    """Runs so short that what is timed is their start, their reports and their end."""
    import archgym

    seconds = {}
    for runs in (16, 16, 160):  # the first starts Ray from a cold disk
        where = out / f"head-{runs}"
        shutil.rmtree(where, ignore_errors=True)
        start = time.perf_counter()
        archgym.sweep({"agents": ["random"], "seeds": runs, "budget": 64, "storage": "none"}, where)
        seconds[runs] = time.perf_counter() - start
        shutil.rmtree(where)
    few, many = seconds
    return {"s_per_trial": (seconds[many] - seconds[few]) / (many - few), "s_start": seconds[few]}


def database(out: Path) -> dict:
    """All writers at the same time: 1/100 of the runs, each with what a long run mirrors."""
    import alembic.command  # noqa: F401  what every writer needs is imported once, before they fork
    import psycopg  # noqa: F401

    import archgym
    import archgym.search.storage
    from archgym.testing.postgresql import postgresql

    source = out / "mirrored"
    shutil.rmtree(source, ignore_errors=True)
    archgym.search(ENV, WORKLOAD, "random", budget=1_000_000, out=source, storage="none")
    copies = [out / f"copy-{number}" for number in range(RUNS // SHARE)]
    for number, path in enumerate(copies):
        shutil.rmtree(path, ignore_errors=True)
        owned = shutil.ignore_patterns(".lock", ".owner")
        shutil.copytree(source, path, copy_function=os.link, ignore=owned)  # parts are only read
        config = json.loads((path / "config.json").read_text())
        (path / "config.json").unlink()
        (path / "config.json").write_text(json.dumps(config | {"seed": number}))
    with postgresql() as server:
        start = time.perf_counter()
        with multiprocessing.get_context("fork").Pool(len(copies)) as pool:
            waits = pool.starmap(mirror, [(path, server.url) for path in copies], chunksize=1)
        seconds = time.perf_counter() - start
        stored, size = held(server.url)
    for path in copies:
        shutil.rmtree(path)
    given = sum(count for count, _ in waits)
    print(f"{stored:,} of {given:,} trials are in the database")
    return {
        "runs": len(copies),
        "trials": stored,
        "lost": given - stored,
        "trials_per_s": stored / seconds,
        "bytes_per_trial": size / stored,
        "longest_s": max(wait for _, wait in waits),
    }


def mirror(path: Path, url: str) -> tuple[int, float]:
    """Trials mirrored of one run, and the seconds it took."""
    from archgym.search.storage import mirror_run

    start = time.perf_counter()
    made = mirror_run(path, url)
    return made.held, time.perf_counter() - start


def held(url: str) -> tuple[int, int]:
    """Trials in a database, and its bytes."""
    import sqlalchemy

    engine = sqlalchemy.create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.connect() as connection:
        trials = connection.execute(sqlalchemy.text("select count(*) from trials")).scalar_one()
        size = connection.execute(sqlalchemy.text("select pg_database_size(current_database())")).scalar_one()
    return int(trials), int(size)


def report(out: Path) -> None:
    """The plan, from what was measured."""
    found = {what: json.loads((out / f"{what}.json").read_text()) for what in MEASURED}
    plans = {agent: plan(one, found) for agent, one in found["rates"].items()}
    for agent in [agent for agent, budget in AGENTS.items() if budget < MANY]:
        del plans[agent][MEMORY]  # of so few designs it is that of libraries
    RECORD.write_text(json.dumps(found | {"plan": plans}, indent=1) + "\n")
    print("| | " + " | ".join(plans) + " |\n|---|" + "---:|" * len(plans))
    for key in plans["random"]:
        print(f"| {key} | " + " | ".join(f"{own[key]:.3g}" if key in own else "" for own in plans.values()) + " |")


def plan(one: dict, found: dict) -> dict[str, float]:
    """What one agent's share of the cluster does, and what it loads storage and head with."""
    seconds = DESIGNS / RUNS / one["designs_per_cpu_s"]
    files = DESIGNS / found["parts"]["trials_of_a_part"]
    mirrored = found["database"]["trials"] * SHARE
    return {
        "hours": seconds / 3600,
        "trials in Parquet, TB": one["bytes"] * DESIGNS / 1e12,
        "GB per node": one["bytes"] * DESIGNS / NODES / 1e9,
        "MB/s per node": one["bytes"] * DESIGNS / NODES / seconds / 1e6,
        "GB/s of the cluster": one["bytes"] * DESIGNS / seconds / 1e9,
        "million parts": files / 1e6,
        "parts per s of the cluster": files / seconds,
        MEMORY: one["memory_bytes"] * DESIGNS / RUNS / 1e9,
        "head of Ray, share of the time": RUNS * found["head"]["s_per_trial"] / seconds,
        "million trials in the database": mirrored / 1e6,
        "GB in the database": mirrored * found["database"]["bytes_per_trial"] / 1e9,
        "database, share of the time": mirrored / found["database"]["trials_per_s"] / seconds,
    }


MEASURED = {"rates": rates, "parts": parts, "head": head, "database": database}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=[*MEASURED, "report", "one"])
    parser.add_argument("--out", type=Path, default=Path("runs/scaling"))
    parser.add_argument("--agent", choices=AGENTS, help="of one: a single search, timed in this process")
    parser.add_argument("--budget", type=int)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    if options.what == "one":
        return one(options.agent, options.budget, options.out)
    if options.what == "report":
        return report(options.out)
    found = MEASURED[options.what](options.out)
    (options.out / f"{options.what}.json").write_text(json.dumps(found, indent=1))
    print(json.dumps(found, indent=1))
    return None


if __name__ == "__main__":
    main()
