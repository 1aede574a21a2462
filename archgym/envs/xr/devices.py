"""Constants of the XR environment: value, unit, source. `scenario` packs them into the record that `cost` reads.

Sources:
    [XRBench]  Kwon et al., MLSys 2023, arXiv 2211.08675, and its v0.1 artifact (github.com/XRBench/XRBench-MLSys2023).
    [GANAX]    unit energies of MAESTRO, which [XRBench] uses: a MAC, and L1 and L2 accesses in units of a MAC.
    [systolic], [technology]  archgym/envs/systolic/budget.py, archgym/envs/technology.py.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from archgym.envs.technology import MEMORIES, VOLTAGE_STEPS, technology
from archgym.errors import InputError, unknown

# Lanes of a cluster of processing elements, from the three dataflow files of [XRBench]; the number of clusters is the
# number of processing elements over the product.
WS_CHANNELS, WS_FILTERS = 16, 16  # ws (NVDLA-like): input channels x filters; clusters take columns of the output
OS_CHANNELS, OS_COLUMNS = 16, 4  # os (ShiDianNao-like): input channels x output columns; clusters take output rows
RS_COLUMNS, RS_ROWS = 16, 4  # rs (Eyeriss-like): output columns x kernel rows; clusters take filters
TILE = 4  # inputs a side of the smallest tile in [XRBench]'s evaluation, whatever the kernel

RS_SCRATCHPAD_KIB = 0.5  # per processing element, of Eyeriss (JSSC 52(1), 2017); ws and os have registers only
ACCUMULATOR_BITS = 32  # of a processing element: an assumption
PES_PER_LANE = 16  # processing elements per lane of the vector unit: an assumption

MAC_PJ, L1_MACS, L2_MACS = 2.88, 0.55, 6.0  # [GANAX]
# Of a MAC: two operands read; partial sums are charged once per tile. Set after the first comparison, see docs/xr.md.
L1_ACCESSES = 2.0
SHARPNESS_PER_MS, ENERGY_BUDGET_MJ = 15.0, 1500.0  # of the scores [XRBench]

MEMORY = MEMORIES["lpddr5-6400-x64"]  # energy, and area in proportion to the bandwidth [technology]

PHYSICAL, XRBENCH = 0, 1
EVALUATIONS = ("physical", "xrbench")

_NODE = (
    *("node_nm", "fastest_clock_ghz", "multiply_pj_per_bit2", "multiply_pj_per_bit", "add_pj_per_bit", "vector_pj"),
    *("sram_8kib_pj_per_bit", "sram_32kib_pj_per_bit", "sram_1mib_pj_per_bit", "logic_area_scale"),
    *("sram_um2_per_bit", "leakage_w_per_mm2"),
)
TECHNOLOGY_DTYPE = np.dtype(
    [(name, np.float64) for name in (*_NODE, "duration_ms", "seed", "evaluation")]
    + [("voltage_ratio", np.float64, (VOLTAGE_STEPS + 1,))]
)


def scenario(node_nm: int = 7, duration_ms: int = 700, seed: int = 1, evaluation: str = "physical") -> np.record:
    """Technology of a scenario.

    Args:
        node_nm: process node.
        duration_ms: frames that arrive within this time are run; 700 in [XRBench].
        seed: of the draws whether a frame triggers the networks that depend on it.
        evaluation: `physical`, or `xrbench` for the conventions under which the published scores were computed.

    Raises:
        InputError: a duration over a minute.
        UnknownNameError: no such node or evaluation.
    """
    if not 0 < duration_ms <= 60_000:
        raise InputError(f"duration_ms must be from 1 to 60000, not {duration_ms}")
    if evaluation not in EVALUATIONS:
        raise unknown("evaluation", evaluation, EVALUATIONS)
    return _record(node_nm, duration_ms, seed, EVALUATIONS.index(evaluation))


@cache
def _record(node_nm: int, duration_ms: int, seed: int, evaluation: int) -> np.record:
    node = technology(node_nm)
    record = np.zeros(1, TECHNOLOGY_DTYPE).view(np.recarray)[0]
    for name in (*_NODE, "voltage_ratio"):
        record[name] = node[name]
    record.duration_ms, record.seed, record.evaluation = duration_ms, seed, evaluation
    return record
