"""ZigZag as a cost model of systolic arrays: `zigzag`, `zigzag:latency` or `zigzag:energy`.

Every matrix product is one search for the best mapping on the array: which loops run in which order, and what each
memory holds meanwhile. By default the one of least energy-delay product; `latency` and `energy` minimise these. The
array's rows and columns take the dimensions that its dataflow says, the stationary operand has a register in each PE
(two, where folds overlap), each operand a double-buffered SRAM at the array's edge and all of them the memory, at our
energies per byte. Cycles include filling the SRAMs before an operator and emptying them after it. What is accessed is
ZigZag's; area, leakage and the vector unit are ours.

What it does not know: several arrays, words of different widths of both inputs, activations that stay on chip between
operators. A convolution is its im2col product, whose overlapping windows are fetched.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from archgym.envs.evaluator import Evaluator
from archgym.envs.family import Family
from archgym.envs.systolic.codes import OVERLAPPED
from archgym.errors import InputError
from archgym.simulators.driver import Job, Json, Program, content_hash
from archgym.simulators.evaluator import SimulatedEvaluator
from archgym.simulators.installing import zigzag_version
from archgym.simulators.systolic import is_plain, network_metrics, one_of, product_jobs, require_systolic
from archgym.workloads import Workload

WORKER = Path(__file__).parent / "workers" / "run_zigzag.py"
GOALS = ("EDP", "latency", "energy")
BUFFERS = ("ifmap", "filter", "ofmap")
COUNTS = ("cycles", "mac_pj", "dram_pj", *(f"{name}_pj" for name in BUFFERS))
REASONS = (
    "not_expressible: ZigZag's array here is one of bit-parallel multipliers with inputs of one width, and a memory "
    "of at least a byte a cycle",
    "no_mapping: ZigZag finds no mapping of an operator on the array and its memories",
)


class ZigZag:
    """How ZigZag is asked about designs; a Simulator.

    Attributes:
        goal: one of GOALS.
    """

    def __init__(self, ours: Evaluator, goal: str) -> None:
        self.ours, self.goal = ours, goal
        self.cost_model = "zigzag" if goal == GOALS[0] else f"zigzag:{goal}"
        self.program = Program(
            "zigzag",
            (sys.executable, str(WORKER)),
            content_hash([zigzag_version().encode(), sys.version.encode(), WORKER.read_bytes()]),
            (("OMP_NUM_THREADS", "1"),),
        )
        self.space = ours.family.space.restrict(arrays=1)
        self.metrics, self.reasons = ours.family.metrics, (*ours.family.reasons, *REASONS)

    def jobs(self, design: np.record) -> tuple[int, list[Job]]:
        """One product of every operator that has any."""

        def ask(operator: np.record, budget: Any) -> Json | None:
            dram_bits = math.floor(8 * budget.cycle_s / budget.memory_s_per_byte)
            if not (is_plain(design, operator) and dram_bits >= 8):
                return None
            return _request(design, operator, budget) | {"dram_bits": dram_bits, "optimise": self.goal}

        return product_jobs(self.ours, design, len(self.reasons) - 2, ask)

    def check(self, answer: Json) -> None:
        """All counts are there, or it found no mapping."""
        if answer.get("mapping") is False:
            return
        if missing := [name for name in COUNTS if not isinstance(answer.get(name), int | float)]:
            raise InputError(f"it lacks {', '.join(missing)}")

    def result(self, design: np.record, answers: Sequence[Json]) -> tuple[int, Sequence[float]]:
        """Our metrics with its counts."""
        if not all(answer["mapping"] for answer in answers):
            return len(self.reasons) - 1, ()
        return network_metrics(self.ours, design, answers, _simulated)


def _unit_energies(budget: Any) -> dict[str, float]:
    """PJ of a byte of every memory."""
    joules = {name: getattr(budget, f"{name}_j_per_byte") for name in BUFFERS}
    return {name: float(value) * 1e12 for name, value in (joules | {"dram": budget.memory_j_per_byte}).items()}


def _request(design: np.record, operator: np.record, budget: Any) -> Json:
    """A product on the array; see workers/run_zigzag.py."""
    sizes = {f"{name}_bytes": int(1024 * design[f"{name}_sram_kib"]) for name in BUFFERS}
    return {
        "rows": int(design.array_rows),
        "columns": int(design.array_columns),
        "dataflow": ("os", "ws", "is")[int(design.dataflow)],
        "register_words": 2 if design.fold_overlap == OVERLAPPED else 1,
        "m": int(operator.m),
        "k": int(operator.k),
        "n": int(operator.n),
        "bits": int(operator.a_bits),
        "sums_bits": int(design.accumulator_bits),
        "out_bits": int(operator.out_bits),
        **sizes,
        **{f"{name}_pj": energy for name, energy in _unit_energies(budget).items()},
        "mac_pj": float(budget.element_j) * 1e12,
    }


def _simulated(layer: Any, operator: np.record, budget: Any, told: Json) -> Any:
    """Our cost of an operator with what ZigZag counted in one of its independent products."""
    products, each = float(operator.batch * operator.groups), _unit_energies(budget)
    moved = {name: products * told[f"{name}_pj"] / energy for name, energy in each.items()}  # bytes
    on_chip = sum(moved[name] for name in BUFFERS)
    compute_s = products * told["cycles"] * budget.cycle_s
    return layer._replace(
        latency_s=max(compute_s, layer.vector_s) + budget.dispatch_s,
        compute_s=compute_s,
        memory_s=moved["dram"] * budget.memory_s_per_byte,
        sram_bytes=on_chip - moved["dram"],  # what fills and empties the SRAMs is not at the array's edge
        dram_bytes=moved["dram"],
        energy_mac_j=products * told["mac_pj"] * 1e-12,
        energy_sram_j=products * sum(told[f"{name}_pj"] for name in BUFFERS) * 1e-12,
        energy_dram_j=products * told["dram_pj"] * 1e-12,
    )


def build(
    argument: str, family: Family, workload: Workload, scenario: Mapping[str, Any] | None, threads: int | None = None
) -> SimulatedEvaluator:
    """ZigZag on a workload; see archgym.costmodels.

    Raises:
        InputError: another environment than systolic arrays, or an unknown goal.
        MissingExtraError: it is not installed.
    """
    require_systolic("zigzag", family)
    chosen = one_of("goal of zigzag", argument, GOALS)
    return SimulatedEvaluator(ZigZag(Evaluator(family, workload, scenario, threads), chosen))
