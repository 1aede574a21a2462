"""How close the compiled cost model comes to a plain C loop of the same formulas.

    python benchmarks/plain_loop.py        # needs gcc

Builds plain_loop.c with -O3 -march=native, checks that both give the same latency and energies for the same designs,
then times them in turn on one thread. The C loop is handed the per-design budgets; the cost model computes them too.
"""

import ctypes
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
from evaluator import feasible_designs
from numba import njit

from archgym.api import evaluator as evaluator_of
from archgym.envs.evaluator import Evaluator
from archgym.envs.systolic.budget import budget
from archgym.workloads.operators import OPERATOR_DTYPE

SUMS = ["latency", "compute", "memory", "vector", "shift", "macs", "sram", "dram"]
SUMS += ["mac_j", "sram_j", "vector_j", "dram_j"]


@njit
def budgets_of(designs, technologies, out):  # type: ignore[no-untyped-def]
    """Budgets [N, 18] without their `why`."""
    for i in range(len(designs)):
        fixed = budget(designs[i], technologies[0])
        for j in range(18):
            out[i, j] = fixed[1:][j]


def operator_struct() -> str:
    """The operator table's row as a C struct: one that is typed by hand is wrong after the next new column."""
    kinds = {"i": "long", "f": "double"}
    fields = " ".join(f"{kinds[OPERATOR_DTYPE[name].kind]} {name};" for name in OPERATOR_DTYPE.names or ())
    return f"typedef struct {{ {fields} }} Operator;\n"


def main() -> None:
    base = evaluator_of("systolic", "resnet50")
    model = Evaluator(base.family, base.workload, threads=1)
    designs = feasible_designs(model, 100_000)
    budgets = np.empty((len(designs), 18))
    budgets_of(designs, model._technology, budgets)
    sums = np.zeros(len(designs), [(name, np.float64) for name in SUMS])

    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / "plain_loop.so"
        source = Path(__file__).with_suffix(".c")
        (Path(folder) / "operator.h").write_text(operator_struct())
        options = ["-O3", "-march=native", "-shared", "-fPIC", f"-I{folder}"]
        subprocess.run(["gcc", *options, "-o", library, source, "-lm"], check=True)
        drive = ctypes.CDLL(str(library)).drive
        pointer, size = ctypes.c_void_p, ctypes.c_size_t
        drive.argtypes = [pointer, pointer, size, pointer, size, pointer]
        operators = model._operators

        def plain() -> None:
            drive(
                designs.ctypes.data,
                budgets.ctypes.data,
                len(designs),
                operators.ctypes.data,
                len(operators),
                sums.ctypes.data,
            )

        metrics = model.run(designs)
        plain()
        for ours, theirs in (("latency_s", "latency"), ("energy_mac_j", "mac_j"), ("energy_sram_j", "sram_j")):
            assert np.allclose(metrics[ours], sums[theirs], rtol=1e-12), f"{ours} differs from the C loop's"
        assert np.allclose(metrics["dram_bytes"], sums["dram"], rtol=1e-12)
        ratios, rates = [], []
        for _ in range(9):
            start = time.perf_counter()
            plain()
            middle = time.perf_counter()
            model.run(designs)
            end = time.perf_counter()
            ratios.append((end - middle) / (middle - start))
            rates.append((len(designs) / (middle - start), len(designs) / (end - middle)))
    c_rate, our_rate = (statistics.median(column) for column in zip(*rates, strict=True))
    print(f"C loop     {c_rate:12,.0f} designs/s, {1e9 / c_rate / len(operators):5.1f} ns/operator")
    print(
        f"cost model {our_rate:12,.0f} designs/s, {1e9 / our_rate / len(operators):5.1f} ns/operator, budgets included"
    )
    print(f"time of the cost model / time of the C loop: {statistics.median(ratios):.2f} (median of {len(ratios)})")


if __name__ == "__main__":
    main()
