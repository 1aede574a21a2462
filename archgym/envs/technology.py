"""Process technology and off-chip memory: every constant of the on-chip cost models, with unit, source and range.

Values at published nodes are interpolated in log(value) over log(node); outside the published nodes the nearest
segment is extended, which `Constant.note` declares. `technology(node_nm)` packs them into the flat record that
compiled cost functions read.

Sources:
    [TPUv4i] Jouppi et al., ISCA 2021, table 2 (its 45 nm column is Horowitz, ISSCC 2014).
    [QKeras] Coelho et al., Nature Machine Intelligence 2021: polynomial fits of the Horowitz integer energies.
    [Dally]  W. Dally's operator areas at 45 nm, as collected for this project (tutorial figures, not silicon).
    [Stillmaker] Stillmaker and Baas, Integration 58, 2017: area scaling factors.
    [CACTI]  CACTI 7 runs recorded in systolic/cacti_sram.csv.
    [ITRS]   ITRS 2009/2010 high-performance supply and threshold voltages.
    [Sakurai] Sakurai and Newton, IEEE JSSC 25(2), 1990: alpha-power law, alpha = 1.3 for short channels.
    [TPU] clocks of TPU v1 (28 nm), v3 (16 nm) and v4i (7 nm), [TPUv4i] table 1.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from functools import cache

import numpy as np

from archgym.errors import unknown

NODES_NM = (45, 28, 16, 12, 7, 5)


@dataclass(frozen=True)
class Constant:
    """A published quantity by process node: {node in nm: value}."""

    values: dict[float, float]
    unit: str
    source: str
    note: str = ""

    def at(self, node_nm: float) -> float:
        """Value at a node, log-log interpolated; the end segments are extended."""
        nodes = sorted(self.values)
        if len(nodes) == 1:
            return self.values[nodes[0]]
        upper = min(max(bisect_left(nodes, node_nm), 1), len(nodes) - 1)
        x0, x1 = np.log(nodes[upper - 1]), np.log(nodes[upper])
        y0, y1 = np.log(self.values[nodes[upper - 1]]), np.log(self.values[nodes[upper]])
        return float(np.exp(y0 + (y1 - y0) * (np.log(node_nm) - x0) / (x1 - x0)))


_LOGIC_NOTE = "5 nm extends the 7 nm to 45 nm line"

CONSTANTS = {
    # A b-bit multiply at 45 nm is 0.002995 b^2 + 0.00104 b pJ [QKeras] (8 bit: 0.20), scaled as int8 in [TPUv4i].
    "multiply_pj_per_bit2": Constant({45: 0.002995, 7: 0.002995 * 0.35}, "pJ/bit^2", "QKeras; TPUv4i", _LOGIC_NOTE),
    "multiply_pj_per_bit": Constant({45: 0.00104, 7: 0.00104 * 0.35}, "pJ/bit", "QKeras; TPUv4i", _LOGIC_NOTE),
    # int add is 0.003125 pJ/bit at 45 nm [QKeras] (32 bit: 0.1); scaled by int32 add [TPUv4i].
    "add_pj_per_bit": Constant({45: 0.003125, 7: 0.03 / 32}, "pJ/bit", "QKeras; TPUv4i", _LOGIC_NOTE),
    # A vector lane operation is charged as an fp16 multiply-add.
    "vector_pj": Constant({45: 1.1 + 0.4, 7: 0.34 + 0.16}, "pJ/op", "TPUv4i", _LOGIC_NOTE),
    # SRAM read or write per bit, by bank size; the table gives pJ per 64 bit.
    "sram_8kib_pj_per_bit": Constant({45: 10 / 64, 7: 7.5 / 64}, "pJ/bit", "TPUv4i", _LOGIC_NOTE),
    "sram_32kib_pj_per_bit": Constant({45: 20 / 64, 7: 8.5 / 64}, "pJ/bit", "TPUv4i", _LOGIC_NOTE),
    "sram_1mib_pj_per_bit": Constant({45: 100 / 64, 7: 14 / 64}, "pJ/bit", "TPUv4i", _LOGIC_NOTE),
    "logic_area_scale": Constant(
        {45: 1.0, 32: 0.46, 20: 0.21, 16: 0.19, 14: 0.17, 10: 0.10, 7: 0.059},
        "area / area at 45 nm",
        "Stillmaker",
        "5 nm extends the 10 nm to 7 nm line",
    ),
    # SRAM macro area: [CACTI] at 45 and 22 nm (mean of the 64 and 256 bit wide macros). Smaller nodes: published bit
    # cells .070 (16 nm), .042 (10), .027 (N7), .021 um2 (N5) times 1.41, CACTI's macro / cell ratio at 22 nm.
    "sram_um2_per_bit": Constant(
        {45: 0.404, 22: 0.099, 16: 0.070 * 1.41, 10: 0.042 * 1.41, 7: 0.027 * 1.41, 5: 0.021 * 1.41}, "um2/bit", "CACTI"
    ),
    # Leakage of 1 MiB / 256 bit high-performance macros over their area [CACTI]; logic is charged the same density.
    "leakage_w_per_mm2": Constant(
        {45: 0.907 / 3.675, 22: 0.134 / 0.880, 5: 0.134 / 0.880},
        "W/mm2",
        "CACTI",
        "below 22 nm the density is held constant: an assumption",
    ),
    "supply_v": Constant({45: 1.0, 32: 0.93, 22: 0.84, 16: 0.75, 11: 0.68, 8: 0.62}, "V", "ITRS", "7, 5 nm extended"),
    "threshold_v": Constant({45: 0.33, 32: 0.297, 22: 0.267, 16: 0.241, 11: 0.218, 8: 0.198}, "V", "ITRS"),
    "clock_ghz": Constant({28: 0.70, 16: 0.94, 7: 1.05}, "GHz", "TPU", "45 and 5 nm extended: 0.44 and 1.11 GHz"),
}

# Operator areas at 45 nm, um2 [Dally]: int8 / int32 multiply 282 / 3495, a power of 1.816 of the width; int32 add 137.
MULTIPLY_8BIT_UM2, MULTIPLY_AREA_EXPONENT, ADD_UM2_PER_BIT = 282.0, 1.816, 137 / 32
VECTOR_LANE_UM2 = 1640.0 + 1360.0  # fp16 multiply + add [Dally]
REGISTER_UM2_PER_BIT = 4.522  # DFF_X1 of the NanGate 45 nm open cell library
MUX_UM2_PER_BIT = 1.862  # MUX2_X1 of the same library: one of two inputs
SMALLEST_BANK_KIB = 0.5  # 64 rows of 64 bits, about the smallest macro of SRAM compilers: an assumption
CELL_DENSITY = 0.7  # placed cells / floor area: a usual place-and-route target, an assumption
ALPHA = 1.3  # [Sakurai]
LOWEST_SUPPLY, HIGHEST_SUPPLY = (
    0.75,
    1.2,
)  # range of supply / nominal supply: an assumption (SRAM stability, reliability)
VOLTAGE_STEPS = 64


@dataclass(frozen=True)
class Memory:
    """An off-chip memory: bandwidth of all its channels, access energy, area of PHY and controller on the die."""

    bandwidth_gb_s: float
    pj_per_bit: float
    phy_mm2: float
    source: str


# Energies [TPUv4i]: DDR3/4 1300 pJ per 64 bit; HBM2 250-450, the middle; GDDR6 350-480, the middle. LPDDR5: 5 pJ/bit is
# an assumption (no figure of that table). PHY areas: 10 mm2 per 64-bit DDR channel (TPU v1 floorplan: all I/O is 10 %
# of <= 331 mm2), others are die-photo class estimates good to about a factor 1.5; held constant over nodes (analogue).
MEMORIES = {
    "ddr3-2133-x2": Memory(34.0, 1300 / 64, 20.0, "TPU v1 weight memory, arXiv 1704.04760"),
    "ddr4-3200-x1": Memory(25.6, 1300 / 64, 10.0, "JEDEC JESD79-4: 64 bit at 3.2 Gb/s"),
    "ddr4-3200-x2": Memory(51.2, 1300 / 64, 20.0, "two channels"),
    "lpddr5-6400-x64": Memory(51.2, 5.0, 6.0, "JEDEC JESD209-5: 64 bit at 6.4 Gb/s"),
    "gddr6-16-x64": Memory(128.0, 415 / 64, 9.0, "JEDEC JESD250: 64 bit at 16 Gb/s"),
    "gddr6-16-x256": Memory(512.0, 415 / 64, 36.0, "256 bit at 16 Gb/s"),
    "hbm2-x1": Memory(256.0, 350 / 64, 12.0, "JEDEC JESD235: 1024 bit at 2 Gb/s"),
    "hbm2e-x1": Memory(460.8, 350 / 64, 14.0, "1024 bit at 3.6 Gb/s"),
}
# Memories of published machines, which no search offers; energies and PHY areas as above, in proportion to the width.
MACHINE_MEMORIES = {
    "gddr6-16-x384": Memory(768.0, 415 / 64, 54.0, "NVIDIA RTX A6000 data sheet: 384 bit at 16 Gb/s"),
    "hbm2-x2": Memory(512.0, 350 / 64, 24.0, "SpAtten, arXiv 2012.09852, section 5: 512 GB/s"),
    "hbm2-a100": Memory(1555.0, 350 / 64, 60.0, "NVIDIA A100 40 GB: 5 stacks, 5120 bit at 2.43 Gb/s"),
    "hbm2e-a100": Memory(2039.0, 350 / 64, 70.0, "NVIDIA A100 80 GB SXM: 5 stacks, 5120 bit at 3.19 Gb/s"),
}
ALL_MEMORIES = MEMORIES | MACHINE_MEMORIES

_ARRAYS = {
    "voltage_ratio": VOLTAGE_STEPS + 1,
    "memory_bytes_per_s": len(ALL_MEMORIES),
    "memory_j_per_byte": len(ALL_MEMORIES),
    "memory_phy_mm2": len(ALL_MEMORIES),
}
TECHNOLOGY_DTYPE = np.dtype(
    [("node_nm", np.float64), ("fastest_clock_ghz", np.float64), ("dispatch_s", np.float64)]
    + [(name, np.float64) for name in CONSTANTS]
    + [(name, np.float64, (n,)) for name, n in _ARRAYS.items()]
)


def relative_speed(voltage_ratio: float, supply_v: float, threshold_v: float) -> float:
    """Clock at `voltage_ratio * supply_v` over the clock at `supply_v`: f ~ (V - Vt)^alpha / V [Sakurai]."""
    overdrive = (voltage_ratio * supply_v - threshold_v) / (supply_v - threshold_v)
    return max(overdrive, 0.0) ** ALPHA / voltage_ratio


def scenario(node_nm: int = 28, dispatch_us: float = 0.0) -> np.record:
    """Technology of a scenario; the parameters are the options of environments with this technology.

    Args:
        node_nm: process node.
        dispatch_us: time to start an operator that nothing hides, as GPUs have it; none for a machine that runs by a
            schedule.

    Raises:
        UnknownNameError: a node that is not in NODES_NM.
    """
    record: np.record = technology(node_nm).copy()
    record.dispatch_s = 1e-6 * dispatch_us
    return record


@cache
def technology(node_nm: int) -> np.record:
    """All constants at a process node as one record of TECHNOLOGY_DTYPE.

    `voltage_ratio[i]` is the lowest supply / nominal supply that reaches `i / VOLTAGE_STEPS * fastest_clock_ghz`.

    Raises:
        UnknownNameError: a node that is not in NODES_NM.
    """
    if node_nm not in NODES_NM:
        raise unknown("node_nm", node_nm, NODES_NM)
    record = np.zeros(1, TECHNOLOGY_DTYPE).view(np.recarray)[0]
    record.node_nm = node_nm
    for name, constant in CONSTANTS.items():
        record[name] = constant.at(node_nm)
    ratios = np.linspace(LOWEST_SUPPLY, HIGHEST_SUPPLY, 1001)
    speeds = np.array([relative_speed(ratio, record.supply_v, record.threshold_v) for ratio in ratios])
    record.fastest_clock_ghz = record.clock_ghz * speeds[-1]
    record.voltage_ratio[:] = np.interp(np.linspace(0, speeds[-1], VOLTAGE_STEPS + 1), speeds, ratios)
    record.memory_bytes_per_s[:] = [memory.bandwidth_gb_s * 1e9 for memory in ALL_MEMORIES.values()]
    record.memory_j_per_byte[:] = [memory.pj_per_bit * 8e-12 for memory in ALL_MEMORIES.values()]
    record.memory_phy_mm2[:] = [memory.phy_mm2 for memory in ALL_MEMORIES.values()]
    return record
