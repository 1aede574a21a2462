"""XR accelerators: parameters, metrics and the 26 accelerators of XRBench."""

from __future__ import annotations

from archgym.envs.family import Preset
from archgym.metrics import Metric
from archgym.space import DesignSpace, Parameter, Value

_DATAFLOWS = ("none", "ws", "os", "rs")
_OTHER = "of another sub-accelerator; none: there is no such one"

SPACE = DesignSpace(
    [
        Parameter(
            "dataflow_1",
            _DATAFLOWS[1:],
            "categorical",
            doc="dataflow of the first sub-accelerator",
            vocabulary=_DATAFLOWS,
        ),
        Parameter("dataflow_2", _DATAFLOWS, "categorical", doc=_OTHER),
        Parameter("dataflow_3", _DATAFLOWS, "categorical", doc=_OTHER),
        Parameter("dataflow_4", _DATAFLOWS, "categorical", doc=_OTHER),
        Parameter(
            "split",
            ("equal", "3:1", "1:3"),
            "categorical",
            doc="processing elements of the first to each of the others",
        ),
        Parameter(
            "pes", (256, 512, 1024, 2048, 4096, 8192), unit="PEs", doc="processing elements of all sub-accelerators"
        ),
        Parameter(
            "memory_kib", (512, 1024, 2048, 4096, 8192, 16384), unit="KiB", doc="on-chip memory, an equal share each"
        ),
        Parameter("noc_bytes_per_cycle", (64, 128, 256, 512), unit="B", doc="from each one's memory to its PEs"),
        Parameter("memory_gb_s", (16, 32, 64, 128), unit="GB/s", doc="off-chip bandwidth, an equal share each"),
        Parameter("clock_ghz", (0.25, 0.5, 0.75, 1.0), unit="GHz", doc="clock; sets the supply voltage it needs"),
        Parameter("scheduler", ("greedy", "edf", "priority"), "categorical", doc="which waiting frame is run first"),
    ]
)

METRICS = (
    Metric("latency_s", "s", "duration of the scenario; of a single network its latency"),
    Metric("energy_j", "J", "energy of the finished frames, with leakage over the duration"),
    Metric("area_mm2", "mm2", "PEs, on-chip memory, vector lanes, memory PHY"),
    Metric("power_w", "W", "energy over duration"),
    Metric("score", "1", "XRBench's overall score, 0 to 1: larger is better"),
    Metric("score_realtime", "1", "its real-time score"),
    Metric("score_energy", "1", "its energy score"),
    Metric("score_qoe", "1", "its quality of experience: share of frames that were not dropped"),
    Metric("frame_latency_s", "s", "from arrival to end, mean of the finished frames"),
    Metric("frames", "frames", "frames that were finished or dropped"),
    Metric("drops", "frames", "frames dropped: their deadline passed while they waited"),
    Metric("deadline_misses", "frames", "frames finished after their deadline"),
    Metric("utilisation", "1", "MACs of the finished frames over what all PEs could do"),
    Metric("off_chip_bytes", "B", "off-chip traffic of the finished frames"),
    Metric("noc_bytes", "B", "traffic between on-chip memories and PEs"),
    Metric("energy_mac_j", "J", "multiply-accumulates, scratchpads of the PEs"),
    Metric("energy_sram_j", "J", "on-chip memories"),
    Metric("energy_vector_j", "J", "vector units"),
    Metric("energy_dram_j", "J", "off-chip memory"),
    Metric("energy_leakage_j", "J", "leakage over the duration"),
    Metric("area_array_mm2", "mm2", "processing elements"),
    Metric("area_sram_mm2", "mm2", "on-chip memories and scratchpads"),
    Metric("area_vector_mm2", "mm2", "vector lanes"),
    Metric("area_memory_phy_mm2", "mm2", "off-chip memory PHY and controller"),
)

REASONS = (
    "feasible",
    "dataflow_gap: a dataflow that is none must come after all others, or the design is the same as another",
    "split_of_one: a single sub-accelerator cannot be split, the split must be equal",
    "too_few_pes: a sub-accelerator has less than a cluster (256 PEs for ws, 64 for os and rs)",
    "clock_too_fast: the process node cannot reach the clock at its highest supply",
    "sram_too_small: it cannot be split into the 64-bit banks that feed the network (512 bytes each at least)",
)

# Dataflows and split of accelerators A to M of XRBench.
_ACCELERATORS = {
    "a": (("ws",), "equal"),
    "b": (("os",), "equal"),
    "c": (("rs",), "equal"),
    "d": (("ws", "ws"), "equal"),
    "e": (("os", "os"), "equal"),
    "f": (("rs", "rs"), "equal"),
    "g": (("ws",) * 4, "equal"),
    "h": (("os",) * 4, "equal"),
    "i": (("rs",) * 4, "equal"),
    "j": (("ws", "os"), "equal"),
    "k": (("ws", "os"), "3:1"),
    "l": (("ws", "os"), "1:3"),
    "m": (("ws", "os", "ws", "os"), "equal"),
}


def _accelerator(dataflows: tuple[str, ...], split: str, thousands: int) -> dict[str, Value]:
    """Sizes of the artifact's hardware files: at 4K, several sub-accelerators have networks half as wide.

    Its 128 B/cycle off chip, at 1 GHz, are taken for all sub-accelerators together.
    """
    several = len(dataflows) > 1
    named: dict[str, Value] = {
        f"dataflow_{i + 1}": dataflow for i, dataflow in enumerate((*dataflows, "none", "none", "none")[:4])
    }
    return named | {
        "split": split,
        "pes": 1024 * thousands,
        "memory_kib": 512 * thousands * max(len(dataflows), 2),
        "noc_bytes_per_cycle": 128 if several and thousands == 4 else 256,
        "memory_gb_s": 128,
        "clock_ghz": 1.0,
        "scheduler": "greedy",
    }


PRESETS = {
    f"{name}-{thousands}k": Preset(
        _accelerator(dataflows, split, thousands),
        f"XRBench (arXiv 2211.08675), {name.upper()}, {thousands}K PEs; sizes of its v0.1 artifact, see docs/xr.md",
    )
    for thousands in (4, 8)
    for name, (dataflows, split) in _ACCELERATORS.items()
}
