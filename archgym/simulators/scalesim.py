"""SCALE-Sim as a cost model of systolic arrays: `scalesim`, or `scalesim:calc`.

Every matrix product is one simulation. Cycles, stalls and words of SRAM and DRAM are SCALE-Sim's; energy is these
words times our unit energies; multiply-accumulates, area, leakage and the vector unit are ours. By default each of its
three interfaces has the bandwidth of the memory, and it simulates the stalls (InterfaceBandwidth USER); with `calc` it
takes the bandwidth that leaves no stall. Either way an operator takes no less time than its DRAM words need on the
memory that all three share.

What it does not know: several arrays, the shift of tiles behind running ones, words of different widths, activations
that stay on chip between operators, padding. A convolution is its im2col product, whose overlapping windows it fetches.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from archgym.envs.evaluator import Evaluator
from archgym.envs.family import Family
from archgym.envs.systolic.codes import SERIAL
from archgym.errors import InputError
from archgym.simulators.driver import Job, Json, Program, content_hash
from archgym.simulators.evaluator import SimulatedEvaluator
from archgym.simulators.installing import python_of, tool_version
from archgym.simulators.systolic import is_plain, network_metrics, one_of, product_jobs, require_systolic
from archgym.workloads import Workload

WORKER = Path(__file__).parent / "workers" / "run_scalesim.py"
MODES = ("user", "calc")
COUNTS = ("cycles", "sram_ifmap", "sram_filter", "sram_ofmap", "dram_ifmap", "dram_filter", "dram_ofmap")
REASON = (
    "not_expressible: SCALE-Sim has one array of bit-parallel multipliers, which loads folds one after the other, and "
    "words of one width, of which the memory delivers at least one a cycle"
)


class ScaleSim:
    """How SCALE-Sim is asked about designs; a Simulator.

    Attributes:
        mode: one of MODES.
    """

    def __init__(self, ours: Evaluator, mode: str) -> None:
        self.ours, self.mode = ours, mode
        self.cost_model = "scalesim" if mode == MODES[0] else f"scalesim:{mode}"
        self.program = Program(
            "scalesim",
            (str(python_of("scalesim")), str(WORKER)),
            content_hash([tool_version("scalesim").encode(), WORKER.read_bytes()]),
            (("OMP_NUM_THREADS", "1"),),
        )
        self.space = ours.family.space.restrict(arrays=1, fold_overlap="serial")
        self.metrics, self.reasons = ours.family.metrics, (*ours.family.reasons, REASON)

    def jobs(self, design: np.record) -> tuple[int, list[Job]]:
        """One product of every operator that has any."""

        def ask(operator: np.record, budget: Any) -> Json | None:
            words = budget.cycle_s / budget.memory_s_per_byte / (operator.a_bits / 8)
            serial = design.fold_overlap == SERIAL and operator.out_bits == operator.a_bits
            if not (is_plain(design, operator) and serial and words >= 1):
                return None
            return _request(design, operator, math.floor(words) if self.mode == "user" else None)

        return product_jobs(self.ours, design, len(self.reasons) - 1, ask)

    def check(self, answer: Json) -> None:
        """All counts are there."""
        if missing := [name for name in COUNTS if not isinstance(answer.get(name), int)]:
            raise InputError(f"it lacks {', '.join(missing)}")

    def result(self, design: np.record, answers: Sequence[Json]) -> tuple[int, Sequence[float]]:
        """Our metrics with its counts."""

        def counted(layer: Any, operator: np.record, budget: Any, answer: Json) -> Any:
            return _simulated(layer, design, operator, budget, answer)

        return network_metrics(self.ours, design, answers, counted)


def _request(design: np.record, operator: np.record, words_per_cycle: int | None) -> Json:
    """A product as SCALE-Sim takes it: its words are bytes, so memories are as large as the words that they hold."""
    words_per_byte = 8 / float(operator.a_bits)
    return {
        "rows": int(design.array_rows),
        "columns": int(design.array_columns),
        "dataflow": ("os", "ws", "is")[int(design.dataflow)],
        "ifmap_kib": float(design.ifmap_sram_kib) * words_per_byte,
        "filter_kib": float(design.filter_sram_kib) * words_per_byte,
        "ofmap_kib": float(design.ofmap_sram_kib) * words_per_byte,
        "m": int(operator.m),
        "k": int(operator.k),
        "n": int(operator.n),
        "words_per_cycle": words_per_cycle,
    }


def _simulated(layer: Any, design: np.record, operator: np.record, budget: Any, counted: Json) -> Any:
    """Our cost of an operator with the counts of SCALE-Sim, which ran one of its independent products."""
    products = float(operator.batch * operator.groups)
    bytes_of = {name: products * counted[name] * float(operator.a_bits) / 8 for name in COUNTS[1:]}
    sums = products * counted["sram_ofmap"] * float(design.accumulator_bits) / 8
    moved = bytes_of["dram_ifmap"] + bytes_of["dram_filter"] + bytes_of["dram_ofmap"]
    compute_s, memory_s = products * counted["cycles"] * budget.cycle_s, moved * budget.memory_s_per_byte
    return layer._replace(
        latency_s=max(compute_s, memory_s, layer.vector_s) + budget.dispatch_s,
        compute_s=compute_s,
        memory_s=memory_s,
        sram_bytes=bytes_of["sram_ifmap"] + bytes_of["sram_filter"] + sums,
        dram_bytes=moved,
        energy_sram_j=(bytes_of["sram_ifmap"] + bytes_of["dram_ifmap"]) * budget.ifmap_j_per_byte
        + (bytes_of["sram_filter"] + bytes_of["dram_filter"]) * budget.filter_j_per_byte
        + (sums + bytes_of["dram_ofmap"]) * budget.ofmap_j_per_byte,
        energy_dram_j=moved * budget.memory_j_per_byte,
    )


def build(
    argument: str, family: Family, workload: Workload, scenario: Mapping[str, Any] | None, threads: int | None = None
) -> SimulatedEvaluator:
    """SCALE-Sim on a workload; see archgym.costmodels.

    Raises:
        InputError: another environment than systolic arrays, or an unknown mode.
        MissingExtraError: it is not installed.
    """
    require_systolic("scalesim", family)
    chosen = one_of("mode of scalesim", argument, MODES)
    return SimulatedEvaluator(ScaleSim(Evaluator(family, workload, scenario, threads), chosen))
