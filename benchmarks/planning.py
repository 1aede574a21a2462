"""Memory planning: the integer program beside the greedy plan, on real networks and several scratchpads.

    python benchmarks/planning.py [--workloads resnet50,mobilenetv2] [--scratchpads 128KiB,1MiB] [--markdown]

Bytes are deterministic where the program is solved to the end; seconds are of this machine.
"""

import argparse

from archgym.api import plan_memory
from archgym.planning import Plan

WORKLOADS = "resnet50,mobilenetv2,bert-base,vit-b16,m3vit"
SCRATCHPADS = "64KiB,128KiB,256KiB,512KiB,1MiB,2MiB"
COLUMNS = (
    "workload",
    "scratchpad",
    "none",
    "greedy",
    "ilp",
    "compulsory",
    "saved greedy",
    "saved ilp",
    "gap",
    "seconds",
)


def row(workload: str, scratchpad: str, time_limit_s: float) -> tuple[str, ...]:
    """One line of the table; traffic in MB."""
    greedy = plan_memory(workload, scratchpad, "greedy")
    ilp = plan_memory(workload, scratchpad, "ilp", time_limit_s)
    traffic = (ilp.none_bytes, greedy.planned_bytes, ilp.planned_bytes, ilp.compulsory_bytes)
    shares = (greedy.saved, ilp.saved)
    return (
        workload,
        scratchpad,
        *(f"{value / 1e6:.2f}" for value in traffic),
        *(f"{100 * value:.1f} %" for value in shares),
        proof(ilp),
        f"{ilp.seconds:.2f}",
    )


def proof(plan: Plan) -> str:
    """`optimal`, or what is left of the gap; `for its order` where a block was too large to search other orders."""
    if plan.proven:
        return "optimal" if plan.optimal else "optimal for its order"
    return f"{100 * plan.gap:.1f} %"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workloads", default=WORKLOADS)
    parser.add_argument("--scratchpads", default=SCRATCHPADS)
    parser.add_argument("--time-limit", type=float, default=60.0, help="seconds of the solver, each")
    parser.add_argument("--markdown", action="store_true", help="print a table for the documentation")
    options = parser.parse_args()
    if options.markdown:
        print("| " + " | ".join(COLUMNS) + " |\n|" + "---|" * len(COLUMNS))
    else:
        print("  ".join(f"{column:>12}" for column in COLUMNS))
    for workload in options.workloads.split(","):
        for scratchpad in options.scratchpads.split(","):
            cells = row(workload, scratchpad, options.time_limit)
            line = "| " + " | ".join(cells) + " |" if options.markdown else "  ".join(f"{cell:>12}" for cell in cells)
            print(line, flush=True)


if __name__ == "__main__":
    main()
