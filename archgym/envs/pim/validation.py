"""The PIM model held against AttAcc, CENT, IANUS, NeuPIMs and device figures.

Nothing here is fitted: constants come from devices.py, machines from the presets, workloads from the library. Rows of
AttAcc's and CENT's simulators are read from the folder of reference data and never kept.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from archgym.envs.evaluator import Evaluator
from archgym.envs.pim import PIM
from archgym.envs.pim.budget import budget
from archgym.envs.pim.devices import ACCESS_BYTES, MEMORIES
from archgym.envs.pim.dram import gemv
from archgym.validation import Check, Row, check_row, mean_error, read_table, rows_of
from archgym.workloads import Workload
from archgym.workloads.operators import WEIGHT_NONE

_HERE = Path(__file__).parent
_TCK_S = 0.769e-9  # HBM3 of AttAcc
_LEVELS = {"BA": "attacc-bank", "BG": "attacc-bankgroup", "BUFFER": "attacc-buffer"}


def validate(reference: Path | None = None) -> list[Check]:
    """All checks of the family; `reference` is a folder with AttAcc's and CENT's simulation results."""
    published = read_table(_HERE / "published.csv")
    return [
        *attention_cycles(reference),
        *attacc_steps(published),
        *cent_rows(reference),
        *cent_published(published),
        *ianus(published),
        *neupims(published),
        *devices(published),
        *gpus(published),
    ]


def _run(preset: str, workload: str, changes: Mapping[str, Any], scenario: Mapping[str, Any] | None = None) -> Any:
    """Metrics of a published machine with changes, whether or not the workload fits its memory."""
    machine = PIM.preset(preset)
    evaluator = Evaluator(PIM, Workload.load(workload), machine.scenario if scenario is None else scenario, threads=1)
    return evaluator.evaluate_designs(PIM.space.design(dict(machine.values) | dict(changes)))[0]


# -- AttAcc


def attention_cycles(reference: Path | None) -> list[Check]:
    """Cycles of decode attention at bank, bank-group and buffer level, without fitted coefficients."""
    source = "AttAcc simulator, Ramulator 2 results"
    path = reference / "attacc_attention_cycles.csv" if reference else None
    checks: list[Check] = []
    for level, preset in _LEVELS.items():
        group = f"AttAcc attention cycles, {preset.removeprefix('attacc-')}"
        rows = [] if path is None or not path.exists() else [r for r in read_table(path) if r["pim_type"] == level]
        if not rows:
            checks.append(Check(group, "mean absolute error", 0.0, None, "1", source, 0.04, True))
            continue
        found = [
            Check(group, _attention_item(row), float(row["cycle"]), _attention(row, preset), "cycles", source)
            for row in rows
        ]
        checks += [*found, mean_error(group, found, 0.04)]
    return checks


def _attention_item(row: Row) -> str:
    limited = "" if row["power_constraint"] == "True" else ", no power limit"
    return f"L={row['L']} heads={row['nhead']} dh={row['dhead']} {row['dbyte']} B{limited}"


def _attention(row: Row, preset: str) -> float:
    """Cycles of one stack: scores and context of the heads that each of its 16 channels holds."""
    machine = PIM.preset(preset)
    limited = 1.5 if row["power_constraint"] == "True" else 1
    design = PIM.space.design(dict(machine.values) | {"ccd_multiplier": limited})[0]
    fixed = budget(design, PIM.technology(**machine.scenario))
    context, depth, bits = float(row["L"]), float(row["dhead"]), 8.0 * float(row["dbyte"])
    seconds = (
        gemv(1.0, depth, context, bits, bits, 16.0, bits / 16.0, 1.0, False, fixed).seconds
        + gemv(1.0, context, depth, bits, bits, 16.0, bits / 16.0, 1.0, True, fixed).seconds
    )
    return math.ceil(float(row["nhead"]) / design.channels) * seconds / _TCK_S


_DGX = {"pu_placement": "none", "fc_mapping": "npu", "row_buffers": "single"}


def _attacc_step(item: str) -> Any:
    level, batch, lengths = item.split()
    prompt, out = map(int, lengths.split("/"))
    workload = f"gpt3-175b:decode?batch={batch[2:]}&context={prompt + out // 2}&bits=16"
    return _run("attacc-bank", workload, _DGX) if level == "dgx" else _run(f"attacc-{level}", workload, {})


def attacc_steps(published: list[Row]) -> list[Check]:
    """Time and energy of a decode step at the mean context."""
    steps = [
        check_row("AttAcc step time", row, float(_attacc_step(row["item"]).latency_s) * 1e3)
        for row in rows_of(published, "attacc_step")
    ]
    note = "without standby, as theirs; with PIM theirs charges feed-forward layers to the GPU alone"
    energies = []
    for row in rows_of(published, "attacc_energy"):
        step = _attacc_step(row["item"])
        energies.append(check_row("AttAcc step energy", row, float(step.energy_j - step.energy_standby_j), note=note))
    return [*steps, mean_error("AttAcc step time", steps, 0.15), *energies]


# -- CENT


_LANES, _LANE_GB_S, _FLIT = 144, 4.0, 192 / 256  # PCIe lanes of all devices; multicast halves 8 GB/s; payload of a flit


def _cent(model: str, context: int, devices: int, channels: float, pp: int, tp: int) -> Any:
    link = _LANES // devices * _LANE_GB_S * _FLIT
    changes = {"stacks": channels / 2, "pipeline_parallel": pp, "tensor_parallel": tp}
    scenario = {"link_gb_s": link, "sampling_us": 150.0}
    return _run("cent-8", f"{model}:decode?bits=16&context={context}", changes, scenario)


def cent_rows(reference: Path | None) -> list[Check]:
    """Decode throughput of every mix of pipeline and tensor parallelism."""
    group, source = "CENT decode throughput", "CENT simulator"
    path = reference / "cent_decode.csv" if reference else None
    if path is None or not path.exists():
        return [Check(group, "mean absolute error", 0.0, None, "1", source, 0.20, True)]
    checks = []
    for row in read_table(path):
        model, context = row["Model"].lower(), int(row["Sequence length"])
        pp, tp = int(row["Pipeline parallelism"]), int(row["Tensor parallelism"])
        ours = _cent(model, context, int(row["Device number"]), float(row["Channels per block"]), pp, tp)
        told, item = float(row["Throughput (tokens/s)"]), f"{model} PP{pp} TP{tp} L={context}"
        checks.append(Check(group, item, told, 1.0 / float(ours.interval_s), "tokens/s", source))
    return [*checks, mean_error(group, checks, 0.20)]


_CENT_MACHINES = {"llama2-7b": (8, 8, 32), "llama2-13b": (20, 16, 40), "llama2-70b": (32, 10, 80)}


def cent_published(published: list[Row]) -> list[Check]:
    """Means over contexts: throughput, energy, power."""
    contexts = range(512, 4097, 512)
    means: dict[tuple[str, str], float] = {}
    for model, (devices, channels, pp) in _CENT_MACHINES.items():
        runs = [_cent(model, context, devices, channels, pp, 1) for context in contexts]
        means["cent_throughput", model] = float(np.mean([1.0 / run.interval_s for run in runs]))
        means["cent_energy", model] = float(np.mean([run.energy_j for run in runs])) * 1e3
        means["cent_power", model] = float(np.mean([run.power_w for run in runs]))
    checks = []
    for quantity, target in (("cent_throughput", 0.20), ("cent_energy", None), ("cent_power", None)):
        group = "CENT published " + quantity.removeprefix("cent_")
        checks += [check_row(group, row, means[quantity, row["item"]], target) for row in rows_of(published, quantity)]
    part = _cent("llama2-7b", 128, 8, 32, 8, 1)
    ours = float(part.energy_activate_j + part.energy_column_j) * 1e3
    return checks + [check_row("CENT published energy", row, ours) for row in rows_of(published, "cent_energy_part")]


# -- IANUS


_IANUS = {  # 4 AiM chips of 2 channels; 4 cores of 128 x 64 PEs with 4 MACs each (8 arrays of 128 x 128 here)
    "memory": "gddr6-ianus",
    "stacks": 4,
    "result_registers": 1,
    "npu_arrays": 8,
    "npu_side": 128,
    "sram_mib": 64,
}
_WHY_IANUS = (
    "IANUS' own rows are 4.0 times the time its PUs need at peak plus 19 (XL) to 49 us (6.7B) a layer; its published "
    "timings explain 2.5 to 3.0 of the 4 (135 ns a row of 64 columns, short rows, refresh); no cause is published for "
    "the rest, and none was tuned in"
)


def ianus(published: list[Row]) -> list[Check]:
    """Decode rate in the middle of (64, 256), fully-connected layers on PIM."""
    checks = []
    for row in rows_of(published, "ianus_rate"):
        model, devices = row["item"].split(" x")
        step = _run("aim-gddr6", f"{model}:decode?bits=16&context=192", _IANUS | {"tensor_parallel": int(devices)})
        checks.append(check_row("IANUS decode rate", row, 1.0 / float(step.latency_s)))
    return [*checks, mean_error("IANUS decode rate", checks, 0.25, _WHY_IANUS)]


# -- NeuPIMs


_NEUPIMS_MODELS = {"gpt3-6.7b": (4, 1), "gpt3-13b": (4, 1), "gpt3-30b": (4, 2), "gpt3-175b": (8, 4)}
_BATCHES = (64, 128, 256, 512)
_SHAREGPT = 80 + 296 // 2  # mean prompt and half the mean answer


def _neupims(preset: str, model: str, batch: int, changes: Mapping[str, Any] | None = None) -> Any:
    """A step; the batch is divided over pipeline stages."""
    tp, pp = _NEUPIMS_MODELS[model]
    workload = f"{model}:decode?bits=16&batch={batch // pp}&context={_SHAREGPT}"
    return _run(preset, workload, {"tensor_parallel": tp, "pipeline_parallel": pp} | dict(changes or {}))


def neupims(published: list[Row]) -> list[Check]:
    """Ratios of the three machines: their order in every case, and means over models and batches."""
    source = "NeuPIMs, arXiv 2403.00579"
    names = ("neupims-npu-only", "neupims-naive", "neupims")
    cases = [(model, batch) for model in _NEUPIMS_MODELS for batch in _BATCHES]
    times = np.array([[float(_neupims(name, *case).latency_s) for name in names] for case in cases])
    gains = {"over naive NPU+PIM": times[:, 1] / times[:, 2], "over NPU-only": times[:, 0] / times[:, 2]}
    checks = [
        Check(
            "NeuPIMs order",
            "cases with NPU-only slower than naive, naive slower than NeuPIMs",
            len(cases),
            float(np.sum((times[:, 0] > times[:, 1]) & (times[:, 1] > times[:, 2]))),
            "1",
            source,
            0.0,
        )
    ]
    small = [("gpt3-6.7b", batch) for batch in _BATCHES]
    alone = [
        _neupims("neupims-naive", *case).latency_s / _neupims("neupims", *case, _ALONE).latency_s for case in small
    ]
    gains["dual row buffers alone"] = np.array(alone)
    for row in rows_of(published, "neupims_gain"):
        if row["item"] in gains:
            target = 0.25 if row["item"] == "over naive NPU+PIM" else None
            gain = gains[row["item"]]
            note = f"ours from {gain.min():.2f} to {gain.max():.2f}"
            checks.append(check_row("NeuPIMs mean gain", row, float(gain.mean()), target, note))
    for row in rows_of(published, "neupims_utilisation"):
        name = "neupims" if row["item"].startswith("neupims") else "neupims-naive"
        checks.append(check_row("NeuPIMs utilisation", row, _npu_utilisation(name, "gpt3-30b", 256)))
    naive, dual = _neupims("neupims-naive", "gpt3-30b", 256), _neupims("neupims", "gpt3-30b", 256)
    ratios = {"power": dual.power_w / naive.power_w, "energy": dual.energy_j / naive.energy_j}
    note = "30B at batch 256"
    for row in rows_of(published, "neupims_dual"):
        if row["item"] in ratios:
            checks.append(check_row("NeuPIMs over naive", row, float(ratios[row["item"]]), note=note))
    return checks


_ALONE = {"sub_batches": 1}


def _npu_utilisation(preset: str, model: str, batch: int) -> float:
    """Multiply-accumulates with weights over what the arrays of one device and stage could do in that time."""
    tp, pp = _NEUPIMS_MODELS[model]
    table = Workload.load(f"{model}:decode?bits=16&batch={batch // pp}&context={_SHAREGPT}").operators
    macs = np.sum((table.count * table.m * table.k * table.n)[table.weight != WEIGHT_NONE])
    return float(macs / (tp * 8 * 128**2 * 1e9 * _neupims(preset, model, batch).latency_s))


# -- devices


def devices(published: list[Row]) -> list[Check]:
    """Peak rates and areas of the published devices, from the presets."""
    checks = []
    for row in rows_of(published, "device_peak") + rows_of(published, "device_bandwidth"):
        if row["item"] not in PIM.presets:
            continue
        machine = PIM.preset(row["item"])
        design = PIM.space.design(machine.values)[0]
        fixed = budget(design, PIM.technology(**machine.scenario))
        of_stack = design.channels * fixed.pus
        if row["quantity"] == "device_peak":
            ours = of_stack * 2e-12 * min(ACCESS_BYTES / 2 / fixed.ccd_s, fixed.lane_rate)
        else:
            ours = of_stack * ACCESS_BYTES / fixed.ccd_s * 1e-9
            if row["unit"] == "x external":  # AttAcc counts what is left after opening rows
                memory = MEMORIES[str(machine.values["memory"])]
                ours /= design.channels * memory.io_gb_s
        note = "columns at full rate; published ones count opening rows" if row["unit"] == "x external" else ""
        checks.append(check_row(row["quantity"].replace("_", " "), row, float(ours), note=note))
    return checks


def gpus(published: list[Row]) -> list[Check]:
    """GPUs without PIM, by AttAcc's model of the A100: reported, as the peers assume full bandwidth."""
    a100 = _DGX | {"memory": "hbm2", "stacks": 4, "channels": 16, "tensor_parallel": 1}
    note = "A100-80GB: 2048 GB/s of HBM2, 85 % sustained, 6.87 us to start each vector operator"
    checks = []
    for row in rows_of(published, "gpu_prefill") + rows_of(published, "gpu_decode"):
        gpu, model, _, batch = row["item"].split()
        if gpu == "a100":
            phase = f"prefill?seq=2048&batch={batch[2:]}"
            if row["quantity"] == "gpu_decode":
                phase = f"decode?context={2048 + 256 // 2}&batch={batch[2:]}"
            ours = _run("attacc-bank", f"{model}:{phase}&bits=16", a100)
            checks.append(check_row("GPU without PIM", row, float(ours.latency_s) * 1e3, note=note))
    for row in rows_of(published, "gpu_layer"):
        phase = "prefill?seq=2048" if "prefill" in row["item"] else "decode?context=3072"
        ours = _run("attacc-bank", f"gpt3-175b:{phase}&batch=8&bits=16", a100 | {"tensor_parallel": 4, "banks": 64})
        ours_ms = float(ours.latency_s) * 1e3 / 96
        checks.append(check_row("GPU without PIM", row, ours_ms, note="over 96 layers; banks added for capacity"))
    return checks
