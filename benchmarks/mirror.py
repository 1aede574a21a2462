"""What mirroring a search to Optuna costs: whole commands with and without it, and trials by storage.

Commands are whole processes, imports and all, as a user starts them; the two kinds take turns, and medians are
compared. The other part mirrors one finished run to a storage of each kind.

python benchmarks/mirror.py                                   # a few minutes on an idle machine; benchmarks/mirror.json
python benchmarks/mirror.py --postgresql postgresql://me@/db  # a PostgreSQL, too
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import archgym
from archgym.search.storage import mirror_run

RECORD = Path(__file__).with_name("mirror.json")
SEARCHES = {"random": 10_000, "genetic": 10_000, "tpe": 300}
COMMAND = [sys.executable, "-c", "from archgym.cli import main; main()", "search", "-w", "resnet50", "-q"]


def command_s(agent: str, budget: int, storage: str, out: Path) -> tuple[float, float]:
    """Seconds of a search, by the clock and of the processor."""
    arguments = ["-a", agent, "-n", str(budget), "--storage", storage, "--out", str(out)]
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([*COMMAND, *arguments], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)
    return time.perf_counter() - began, processor


def searches(repeats: int, folder: Path) -> dict[str, dict[str, float]]:
    """Medians of each search with and without a mirror, and the share that it adds."""
    found = {}
    for agent, budget in SEARCHES.items():
        times: dict[str, list[tuple[float, float]]] = {"none": [], "journal": []}
        for repeat in range(repeats):
            for storage, listed in times.items():
                listed.append(command_s(agent, budget, storage, folder / f"{agent}-{storage}-{repeat}"))
        medians = [[median(column) for column in zip(*listed, strict=True)] for listed in times.values()]
        (plain, plain_cpu), (mirrored, mirrored_cpu) = medians
        found[agent] = {
            "designs": budget,
            "plain_s": plain,
            "mirrored_s": mirrored,
            "added": mirrored / plain - 1,
            "plain_processor_s": plain_cpu,
            "mirrored_processor_s": mirrored_cpu,
            "added_processor": mirrored_cpu / plain_cpu - 1,
        }
        print(f"{agent} {budget:,}: {plain:.2f} s, mirrored {mirrored:.2f} s ({100 * found[agent]['added']:+.0f} %); "
              f"processor {100 * found[agent]['added_processor']:+.0f} %", flush=True)  # fmt: skip
    return found


def storages(folder: Path, postgresql: str | None) -> dict[str, float]:
    """Milliseconds per trial of each kind of storage, opening it not counted."""
    path = folder / "run"
    archgym.search("systolic", "resnet50", agent="random", budget=100, out=path, storage="none")
    kinds = {"journal": "journal", "sqlite": f"sqlite:///{folder}/runs.db"}
    if postgresql:
        kinds["postgresql"] = postgresql
    found = {}
    for kind, storage in kinds.items():
        began = time.perf_counter()
        new = mirror_run(path, storage).new
        middle = time.perf_counter()
        mirror_run(path, storage)  # opens it and adds nothing
        found[kind] = 1e3 * max(2 * middle - began - time.perf_counter(), 0) / new
        print(f"{kind}: {found[kind]:.2f} ms per trial", flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--postgresql")
    options = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        record = {"searches": searches(options.repeats, folder), "ms_per_trial": storages(folder, options.postgresql)}
    RECORD.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
