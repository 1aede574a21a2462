"""The XR model held against XRBench: its runtime and scores to the digit, its 26 accelerators by rank.

No constant is fitted to the ranks; docs/xr.md says what was chosen when. The published scores were computed under
conventions of their own, which `evaluation=xrbench` and `depthwise=dense` reproduce; ranks under others are reported.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from archgym.envs.evaluator import Evaluator
from archgym.envs.xr import XR
from archgym.envs.xr.budget import GREEDY, OS, OS_CLUSTER, RS, RS_CLUSTER, WS, WS_CLUSTER
from archgym.envs.xr.cost import LATENCY, MAC_J, SRAM_J, frames, loops, overlap
from archgym.envs.xr.runtime import DEADLINE, END, LOG_FIELDS, TASK, realtime_score, simulate
from archgym.validation import Check, Row, items_of, read_table
from archgym.workloads import Workload
from archgym.workloads.xr.scenarios import SCENARIOS, workload_name

SEEDS = range(1, 6)  # of the probabilistic scenarios; the published means are of one run
AS_PUBLISHED = ("xrbench", "dense")  # conventions of the published scores: evaluation, depthwise
OTHERS = (("xrbench", "grouped"), ("physical", "grouped"))
_DATAFLOWS = {"ws": (WS, WS_CLUSTER), "os": (OS, OS_CLUSTER), "rs": (RS, RS_CLUSTER)}


def validate(reference: Path | None = None) -> list[Check]:
    """All checks of the family; `reference` is not needed."""
    published = read_table(Path(__file__).parent / "published.csv")
    return [*runtime(published), *cycles(published), *networks(published), *accelerators(published)]


def runtime(published: list[Row]) -> list[Check]:
    """The discrete-event run and the scores, given the artifact's own latencies and energies of a frame."""
    latency, energy = items_of(published, "artifact_latency"), items_of(published, "artifact_energy")
    workload = Workload.load(workload_name("VR_gaming"))
    names = [task.name for task in workload.tasks]
    milliseconds, millijoules = (
        np.array([[float(rows[name]["value"])] for name in names]) for rows in (latency, energy)
    )
    log = np.zeros((1000, LOG_FIELDS))
    run, _ = simulate(milliseconds, millijoules, workload.task_table, GREEDY, 700.0, 1, log)
    log = log[: run.logged]
    overall = items_of(published, "artifact_overall")["VR_gaming"]
    note, group = "given the artifact's own latency and energy of a frame", "XRBench runtime"
    value = float(overall["value"])
    checks = [Check(group, "overall score", value, run.score, "1", overall["source"], 1e-4, note=note)]
    for index, name in enumerate(names):
        rows = log[log[:, TASK] == index]
        ours = float(np.mean([realtime_score(row[END] - row[DEADLINE]) for row in rows]))
        told = items_of(published, "artifact_realtime")[name]
        item = f"real-time score of {name}"
        checks.append(Check(group, item, float(told["value"]), ours, "1", told["source"], 1e-4, note=note))
    return checks


def cycles(published: list[Row]) -> list[Check]:
    """Compute cycles of single layers in XRBench's evaluation, to the cycle."""
    checks = []
    for item, row in items_of(published, "maestro_cycles").items():
        name, *sizes, output = item.split()
        channels, filters, side = map(float, sizes)
        rows, columns = map(float, output.split("x"))
        dataflow, cluster = _DATAFLOWS[name]
        size = (rows * columns, channels * side**2, filters, side**2, columns)
        ideal, _, _ = loops(dataflow, 4096 // cluster, *size, True)
        ours = float(ideal * overlap(dataflow, side, rows, columns))
        checks.append(Check("MAESTRO cycles", item, float(row["value"]), ours, row["unit"], row["source"], 0.0))
    return checks


def networks(published: list[Row]) -> list[Check]:
    """Latency and energy of a frame on accelerator A with 4K PEs."""
    evaluation, depthwise = AS_PUBLISHED
    workload = Workload.load(f"{workload_name('VR_gaming')}?depthwise={depthwise}")
    evaluator = Evaluator(XR, workload, {"evaluation": evaluation})
    design = XR.space.design(XR.preset("a-4k").values)[0]
    fixed = XR.cost.budget(design, evaluator.technology)
    table = frames(design, workload.operators, workload.task_table, evaluator.technology, fixed)[:, 0]
    checks = []
    for quantity, columns, unit in (("latency", (LATENCY,), "ms"), ("energy", (MAC_J, SRAM_J), "mJ")):
        told = items_of(published, f"artifact_{quantity}")
        for index, task in enumerate(workload.tasks):
            row, ours = told[task.name], 1e3 * float(sum(table[index, column] for column in columns))
            item = f"{quantity} of {task.name} on a-4k"
            checks.append(Check("Networks", item, float(row["value"]), ours, unit, row["source"]))
    return checks


def mean_scores(evaluation: str, depthwise: str) -> NDArray[np.float64]:
    """Overall score of every preset: mean over the scenarios and seeds, [presets]."""
    designs = np.concatenate([XR.space.design(preset.values) for preset in XR.presets.values()])
    total = np.zeros(len(designs))
    for scenario in SCENARIOS:
        workload = Workload.load(f"{workload_name(scenario)}?depthwise={depthwise}")
        for seed in SEEDS:
            evaluator = Evaluator(XR, workload, {"evaluation": evaluation, "seed": seed})
            total += evaluator.evaluate_designs(designs).score
    return total / (len(SCENARIOS) * len(SEEDS))


def spearman(one: NDArray[np.float64], two: NDArray[np.float64]) -> float:
    """Rank correlation of values without ties."""
    first, second = (np.argsort(np.argsort(values)).astype(float) for values in (one, two))
    return float(np.corrcoef(first, second)[0, 1])


def accelerators(published: list[Row]) -> list[Check]:
    """Mean overall scores of the 26 accelerators, their rank correlation, and the place of the published winners."""
    rows = items_of(published, "mean_score")
    told = np.array([float(rows[name]["value"]) for name in XR.presets])
    source = next(iter(rows.values()))["source"]
    ours = mean_scores(*AS_PUBLISHED)
    checks = [
        Check("Mean overall score", name, told[i], float(ours[i]), "1", source) for i, name in enumerate(XR.presets)
    ]
    checks += _ranks("as published", told, ours, source, bounded=True)
    for evaluation, depthwise in OTHERS:
        label = f"{evaluation}, depthwise {depthwise}"
        checks += _ranks(label, told, mean_scores(evaluation, depthwise), source, bounded=False)
    return checks


def _ranks(label: str, told: NDArray[np.float64], ours: NDArray[np.float64], source: str, bounded: bool) -> list[Check]:
    """Spearman correlation over the 26, and our place of the published winner at each size."""
    bound, places = (0.2, 2.0) if bounded else (None, None)
    item = f"Spearman correlation of 26, {label}"
    checks = [Check("Ranks", item, 1.0, spearman(ours, told), "1", source, bound, absolute=True)]
    names = list(XR.presets)
    for size in ("4k", "8k"):
        rows = [i for i, name in enumerate(names) if name.endswith(size)]
        winner = max(rows, key=lambda i: float(told[i]))
        place = 1.0 + sum(ours[i] > ours[winner] for i in rows)
        item = f"place of the published winner {names[winner]}, {label}"
        checks.append(Check("Ranks", item, 1.0, float(place), "place", source, places, absolute=True))
    return checks
