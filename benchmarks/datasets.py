"""Speed and memory of data sets: rows per second to generate and to check, largest memory, bytes per row.

    python benchmarks/datasets.py [--env systolic --env xr] [--n 1000000] [--json]

One process per row of the table, so that memory is that of one data set; times include everything from the start of the
command, imports too. Threads are those of `archgym`: $ARCHGYM_THREADS, else all cores.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from pathlib import Path

ARCHGYM = str(Path(sys.executable).with_name("archgym"))
ENVIRONMENTS = ("systolic", "pim", "wafer", "fpga", "xr")


def timed(*arguments: str) -> tuple[float, float]:
    """Seconds and largest memory in MB of a command.

    Raises:
        SystemExit: it failed.
    """
    start = time.perf_counter()
    quiet = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    process = os.posix_spawn(ARCHGYM, [ARCHGYM, *arguments], os.environ, file_actions=quiet)
    _, status, used = os.wait4(process, 0)
    if status:
        raise SystemExit(f"failed: archgym {' '.join(arguments)}")
    return time.perf_counter() - start, used.ru_maxrss / 1024


def measure(environment: str, n: int) -> dict[str, float | str]:
    """One row of the table; the cost model is compiled before."""
    with tempfile.TemporaryDirectory() as folder:
        warm, out = f"{folder}/warm", Path(folder) / "data"
        timed("dataset", "generate", "--env", environment, "--n", "1", "--out", warm, "--quiet")
        arguments = ("--env", environment, "--n", str(n), "--out", str(out), "--quiet")
        generate_s, generate_mb = timed("dataset", "generate", *arguments)
        check_s, check_mb = timed("dataset", "validate", str(out))
        size = sum(path.stat().st_size for path in out.rglob("*.parquet"))
    return {
        "environment": environment,
        "rows": n,
        "generate_s": generate_s,
        "generate_mb": generate_mb,
        "check_s": check_s,
        "check_mb": check_mb,
        "bytes_per_row": size / n,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--env", action="append", choices=ENVIRONMENTS)
    parser.add_argument("--n", type=int, default=1_000_000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    threads = os.environ.get("ARCHGYM_THREADS") or str(len(os.sched_getaffinity(0)))
    rows = [measure(environment, options.n) for environment in options.env or ENVIRONMENTS]
    if options.json:
        print(json.dumps({"machine": platform.processor(), "threads": threads, "rows": rows}, indent=2))
        return
    print(f"{threads} threads, Python {platform.python_version()}")
    print(f"{'environment':12} {'rows':>10} {'generate':>10} {'memory':>8} {'check':>8} {'memory':>8} {'per row':>8}")
    for row in rows:
        print(
            f"{row['environment']:12} {row['rows']:>10,} {row['generate_s']:>8.1f} s {row['generate_mb']:>5.0f} MB "
            f"{row['check_s']:>6.1f} s {row['check_mb']:>5.0f} MB {row['bytes_per_row']:>6.0f} B"
        )


if __name__ == "__main__":
    main()
