"""The systolic model held against SCALE-Sim, TPU v1, Gemmini and CACTI.

Nothing here is fitted: constants come from technology.py, machines from the presets, workloads from the library.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from archgym.envs.evaluator import Evaluator
from archgym.envs.systolic import SYSTOLIC, cost
from archgym.envs.systolic.budget import budget, sram_j_per_byte
from archgym.envs.systolic.codes import IS, OS, SERIAL, WS
from archgym.envs.technology import technology
from archgym.validation import Check, Row, mean_error, read_table, rows_of
from archgym.workloads import Workload
from archgym.workloads.operators import WEIGHT_B, Operator, operator_table

_HERE = Path(__file__).parent
_SCALESIM = "SCALE-Sim 3.0.0"
_DATAFLOWS = {"os": OS, "ws": WS, "is": IS}


def validate(reference: Path | None = None) -> list[Check]:
    """All checks of the family; `reference` is not needed, its data ship with the package."""
    published = read_table(_HERE / "published.csv")
    return [
        *scalesim_cycles(),
        *scalesim_sram(),
        *scalesim_off_chip(),
        *scalesim_stalls(),
        *tpu_shift(published),
        *tpu_throughput(published),
        *tpu_energy(published),
        *area_shares(published),
        *cacti(),
    ]


def _gemm(row: Row) -> tuple[float, float, float, float, float, int]:
    m, k, n, rows, columns = (float(row[name]) for name in ("M", "K", "N", "rows", "cols"))
    return m, k, n, rows, columns, _DATAFLOWS[row["dataflow"]]


def _item(row: Row) -> str:
    return f"{row['M']}x{row['K']}x{row['N']} on {row['rows']}x{row['cols']} {row['dataflow']}"


def _compute_cycles(row: Row) -> float:
    """Compute cycles by the whole cost function, for a machine as SCALE-Sim assumes it."""
    m, k, n, rows, columns, _ = _gemm(row)
    design = SYSTOLIC.space.design(
        {
            "array_rows": rows,
            "array_columns": columns,
            "arrays": 1,
            "dataflow": row["dataflow"],
            "fold_overlap": "serial",
            "ifmap_sram_kib": 256,
            "filter_sram_kib": 256,
            "ofmap_sram_kib": 2**20,  # SCALE-Sim never tiles the streamed dimension to keep partial sums on chip
            "clock_ghz": 0.5,
            "memory": "hbm2-x1",
            "vector_lanes": 32,
            "operand_bits": 8,
            "accumulator_bits": 48,
        }
    )[0]
    gemm = Operator("matmul", m, k, n, m * k, k * n, m * n, weight=WEIGHT_B, a_external=1, out_external=1)
    constants = technology(28)
    fixed = budget(design, constants)
    layer = cost.cost(design, operator_table([gemm])[0], constants, fixed)
    return round(layer.compute_s / fixed.cycle_s, 6)


def scalesim_cycles() -> list[Check]:
    """Compute cycles, to the cycle."""
    return [
        Check(
            "compute cycles", _item(row), float(row["compute_cycles"]), _compute_cycles(row), "cycles", _SCALESIM, 0.0
        )
        for row in read_table(_HERE / "scalesim_gemm.csv")
    ]


def scalesim_sram() -> list[Check]:
    """SRAM reads and writes, to the word, and the one known over-count."""
    checks = []
    for row in read_table(_HERE / "scalesim_gemm.csv"):
        m, k, n, rows, columns, dataflow = _gemm(row)
        fr, fc, _, _ = cost.folds_of(dataflow, m, k, n, rows, columns)
        words = cost.sram_words(dataflow, m, k, n, fr, fc, 1.0)
        for name, ours in zip(("ifmap_reads", "filter_reads", "ofmap_writes"), words, strict=True):
            told, note = float(row[f"sram_{name}"]), ""
            if name == "ofmap_writes" and dataflow == OS:
                told -= fr * fc * (rows + columns)
                note = "published less Fr*Fc*(R+C): SCALE-Sim counts the idle cycles of its os drain trace as writes"
            checks.append(
                Check(f"SRAM {name}", _item(row), told, float(ours), "words", _SCALESIM, 0.0, absolute=True, note=note)
            )
    return checks


def scalesim_off_chip() -> list[Check]:
    """Off-chip words with ample bandwidth; all operands external, partial sums written through."""
    checks = []
    for row in read_table(_HERE / "scalesim_gemm.csv"):
        m, k, n, rows, columns, dataflow = _gemm(row)
        fr, fc, _, _ = cost.folds_of(dataflow, m, k, n, rows, columns)
        part = k * min(m if dataflow == IS else n, columns)
        loads = cost.loads_of(
            dataflow, m * k, k * n, part, fr, fc, 1.0, float(row["ifmap_kb"]) * 512, float(row["filter_kb"]) * 512
        )
        words = (m * k * loads[0], k * n * loads[1], cost.sram_words(dataflow, m, k, n, fr, fc, 1.0)[2])
        for name, ours in zip(("ifmap_reads", "filter_reads", "ofmap_writes"), words, strict=True):
            note = "SCALE-Sim rounds up to whole lines" if ours != float(row[f"dram_{name}"]) else ""
            told = float(row[f"dram_{name}"])
            checks.append(Check(f"DRAM {name}", _item(row), told, float(ours), "words", _SCALESIM, note=note))
    return checks


def scalesim_stalls() -> list[Check]:
    """Cycles under limited bandwidth from SCALE-Sim's own off-chip words, each operand on an interface of its own.

    Its in-order prefetcher fetches up to 37 times the words that reuse needs at these tiny buffers; that traffic is
    taken as given and only the overlap of transfers with computing is compared.
    """
    checks = []
    for row in read_table(_HERE / "scalesim_gemm_bandwidth.csv"):
        m, k, n, rows, columns, dataflow = _gemm(row)
        fr, fc, _, streamed = cost.folds_of(dataflow, m, k, n, rows, columns)
        fold, once = cost.fold_cycles(dataflow, SERIAL, rows, columns, streamed)
        compute = fr * fc * fold + once - 1
        words = float(row["kb"]) * 1024
        ours = max(
            cost.overlapped(compute, float(row["dram_i"]), words / 2, 1 / float(row["read_bw"])),
            cost.overlapped(compute, float(row["dram_f"]), words / 2, 1 / float(row["read_bw"])),
            cost.overlapped(compute, float(row["dram_o"]), words, 1 / float(row["ofmap_bw"])),
        )
        item = f"{_item(row)} {row['kb']} KB, {row['read_bw']} words/cycle"
        checks.append(Check("cycles with stalls", item, float(row["total_cycles"]), float(ours), "cycles", _SCALESIM))
    return [*checks, mean_error("cycles with stalls", checks, 0.05, "given SCALE-Sim's own off-chip words")]


def _tpu(app: str) -> tuple[np.record, list[dict[str, float]], Workload]:
    preset = SYSTOLIC.preset("tpu-v1")
    evaluator = Evaluator(SYSTOLIC, Workload.load(app), preset.scenario)
    design = SYSTOLIC.space.design(preset.values)
    return evaluator.evaluate_designs(design)[0], evaluator.breakdown(design), evaluator.workload


def tpu_shift(published: list[Row]) -> list[Check]:
    """Share of the matrix unit's time that waits for weight tiles to shift in, for the memory-bound applications."""
    checks = []
    for row in rows_of(published, "shift_share"):
        layers = [layer for layer in _tpu(row["item"])[1] if layer["macs"]]
        ours = sum(layer["shift_s"] for layer in layers) / sum(layer["latency_s"] for layer in layers)
        value = float(row["value"])
        checks.append(Check("TPU v1 shift share", row["item"], value, ours, "1", row["source"], 0.01, absolute=True))
    return checks


_WHY_MISSED = {
    "tpu-v1-lstm1": "the paper's counters (6.3 % useful MACs = 5.8 TOPS) do not agree with its 2.8 TOPS",
    "tpu-v1-cnn1": "layer shapes are inferred; the paper's counters (22.5 % useful = 20.7 TOPS) do not agree with 14.1",
}


def tpu_throughput(published: list[Row]) -> list[Check]:
    """Achieved TOPS of the six applications."""
    checks = [
        Check(
            "TPU v1 throughput",
            row["item"],
            float(row["value"]),
            float(_tpu(row["item"])[0].throughput_tops),
            row["unit"],
            row["source"],
            note=_WHY_MISSED.get(row["item"], ""),
        )
        for row in rows_of(published, "throughput")
    ]
    reasons = "; ".join(f"{app}: {why}" for app, why in _WHY_MISSED.items())
    return [*checks, mean_error("TPU v1 throughput", checks, 0.20, reasons)]


def tpu_energy(published: list[Row]) -> list[Check]:
    """Energy per MAC of CNN0: total with off-chip memory and leakage, dynamic without either."""
    metrics, _, workload = _tpu("tpu-v1-cnn0")
    ours = {
        "cnn0 total": metrics.energy_j,
        "cnn0 dynamic": metrics.energy_mac_j + metrics.energy_sram_j + metrics.energy_vector_j,
    }
    notes = {
        "cnn0 total": "ours includes 0.13 pJ of DDR3; the paper does not say whether its 40 W do",
        "cnn0 dynamic": "on the die: MACs, SRAM, vector unit",
    }
    return [
        Check(
            "TPU v1 energy per MAC",
            row["item"],
            float(row["value"]),
            float(ours[row["item"]]) / workload.macs * 1e12,
            row["unit"],
            row["source"],
            0.30,
            note=notes[row["item"]],
        )
        for row in rows_of(published, "energy_per_mac")
    ]


def area_shares(published: list[Row]) -> list[Check]:
    """Shares of area; of the 79 % of the die that the TPU floorplan labels, as ours has no rest."""
    rows = {row["item"]: row for row in rows_of(published, "area_share")}
    labelled = float(rows["labelled"]["value"])
    tpu, _, _ = _tpu("tpu-v1-cnn0")
    small = SYSTOLIC.preset("gemmini-16")
    gemmini = Evaluator(SYSTOLIC, Workload.load("resnet50"), small.scenario).evaluate_designs(
        SYSTOLIC.space.design(small.values)
    )[0]
    checks = [
        Check(
            "TPU v1 area share",
            item,
            float(rows[item]["value"]) / labelled,
            float(tpu[name] / tpu.area_mm2),
            "1",
            rows[item]["source"],
            0.25,
            note="share of the labelled 79 % of the die",
        )
        for item, name in (("matrix unit", "area_array_mm2"), ("data buffers", "area_sram_mm2"))
    ]
    ratio = float(rows["gemmini array"]["value"]) / float(rows["gemmini memories"]["value"])
    ours = float(gemmini.area_array_mm2 / gemmini.area_sram_mm2)
    source = rows["gemmini array"]["source"]
    return [*checks, Check("Gemmini area", "array / memories", ratio, ours, "1", source, note="ours at 28 nm")]


def cacti() -> list[Check]:
    """SRAM macros at 45 nm. Energies are reported: the model uses the TPUv4i table, which lies above CACTI."""
    constants, source = technology(45), "CACTI 7, itrs-hp, 45 nm"
    checks = []
    for row in read_table(_HERE / "cacti_sram.csv"):
        if row["tech_um"] != "0.045" or row["cell"] != "itrs-hp" or row["width_b"] != "64":
            continue
        kib = float(row["size_B"]) / 1024
        energy = sram_j_per_byte(kib, constants) * 1e12
        checks += [
            Check("SRAM energy", f"{kib:g} KiB", float(row["pJ_per_byte"]), float(energy), "pJ/B", source),
            Check(
                "SRAM area", f"{kib:g} KiB", float(row["um2_per_bit"]), constants.sram_um2_per_bit, "um2/bit", source
            ),
        ]
    return checks
