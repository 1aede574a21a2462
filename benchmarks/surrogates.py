"""Surrogates on held-out designs and on held-out networks: four models, four environments.

In distribution: 10,000 feasible designs drawn from the whole space to train on, test designs of the same network.
Unseen: eight networks to train on, four others to test on, one of them a language model.

python benchmarks/surrogates.py data --out DIR          # the data sets, some minutes
python benchmarks/surrogates.py run --out DIR           # trains what is not there yet, two hours on one core
python benchmarks/surrogates.py report --out DIR        # tables; benchmarks/surrogates.json
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np

from archgym import api, datasets, surrogates
from archgym.workloads import Workload

MODELS = ("forest", "boosting", "mlp", "gnn")
TRAINED = 10_000  # feasible designs
# Network and designs drawn, so that 10,000 feasible ones are left to train on.
INSIDE = {
    "systolic": ("resnet50", 45_000),
    "pim": ("llama3-8b:decode", 30_000),
    "wafer": ("llama3-8b:decode", 220_000),
    "fpga": ("resnet50", 200_000),
}
KNOWN = ["alexnet", "resnet18", "mobilenetv2", "bert-base", "gpt2-xl", "gpt2-xl:decode", "opt-6.7b:decode", "xr-d2go"]
UNSEEN = ["resnet50", "vit-b16", "llama3-8b:decode", "xr-midas-small"]
UNSEEN_DESIGNS, UNSEEN_TRAINED = 9000, 2000  # of each network: drawn, feasible ones to train on
RECORD = Path(__file__).with_name("surrogates.json")
HEADLINES = ("latency_s", "energy_j", "area_mm2", "power_w")


def cases() -> list[str]:
    return [*INSIDE, "unseen"]


def data(out: Path) -> None:
    for env, (workload, n) in INSIDE.items():
        if not (out / "data" / env).exists():
            datasets.generate(env, [workload], n, "random", out=out / "data" / env)
    if not (out / "data" / "unseen").exists():
        every = [*KNOWN, *UNSEEN]
        datasets.generate("systolic", every, UNSEEN_DESIGNS, "random", out=out / "data" / "unseen", hold_out=UNSEEN)


def run(out: Path, only: list[str], models: list[str]) -> None:
    for case in only or cases():
        loaded = datasets.load(out / "data" / case, check=False)
        for model in models or MODELS:
            where = out / f"{case}-{model}"
            if where.exists():
                continue
            start = time.perf_counter()
            most = UNSEEN_TRAINED if case == "unseen" else TRAINED
            made = surrogates.train(loaded, model, where, most=most)
            seconds = time.perf_counter() - start
            (where / "seconds.json").write_text(json.dumps({"seconds": seconds, "trained": made.info["feasible"]}))
            print(f"{case} {model}: {seconds:.0f} s", flush=True)


def rates(out: Path) -> list[dict[str, float | str]]:
    """Predictions per second of designs on the first case, one and 10,000 at a time, beside the analytical model."""
    evaluator = api.evaluator("systolic", INSIDE["systolic"][0])
    indices = evaluator.space.sample(10_000, np.random.default_rng(0))
    records = evaluator.space.decode(indices)
    network = Workload.load(INSIDE["systolic"][0])
    rows: list[dict[str, float | str]] = []
    for model in (model for model in MODELS if (out / f"systolic-{model}").exists()):
        made = surrogates.load(out / f"systolic-{model}")
        rows.append({"model": model} | timed(lambda designs, made=made: made.predict(designs, network), records))
    return [*rows, {"model": "analytical"} | timed(evaluator.run, records)]


def timed(call, records) -> dict[str, float]:
    """Designs per second: median of repeats."""
    found = {}
    for batch, repeats in ((1, 50), (10_000, 5)):
        call(records[:batch])
        seconds = []
        for number in range(repeats):
            start = time.perf_counter()
            call(records[number : number + batch] if batch == 1 else records)
            seconds.append(time.perf_counter() - start)
        found[f"batch_{batch}"] = batch / float(np.median(seconds))
    return found


def report(out: Path) -> None:
    record: dict[str, object] = {}
    for case in cases():
        for model in MODELS:
            where = out / f"{case}-{model}"
            if (where / "seconds.json").exists():
                made = surrogates.load(where)
                scores = made.info["scores"]
                record[f"{case}/{model}"] = json.loads((where / "seconds.json").read_text()) | {"scores": scores}
    for case in cases():
        table(case, {model: record[f"{case}/{model}"]["scores"] for model in MODELS if f"{case}/{model}" in record})
    record["rates"] = rates(out)
    for row in record["rates"]:
        print(f"{row['model']}: {row['batch_1']:,.0f} designs/s one at a time, {row['batch_10000']:,.0f} of 10,000")
    RECORD.write_text(json.dumps(record, indent=1) + "\n")


def table(case: str, scores: dict[str, list[dict]]) -> None:
    """MAPE / RMSE % / R2 / Kendall of each headline metric and network, models side by side; then all metrics."""
    print(f"\n## {case}\n\n| network, metric | " + " | ".join(scores) + " |\n|---|" + "---|" * len(scores))
    keys = dict.fromkeys((row["workload"], row["metric"]) for rows in scores.values() for row in rows)
    for workload, metric in keys:
        cells = [
            cell(row)
            for rows in scores.values()
            for row in rows
            if (row["workload"], row["metric"]) == (workload, metric)
        ]
        if case != "unseen" or metric in HEADLINES:
            print(f"| {workload} {metric} | " + " | ".join(cells) + " |")


def cell(row: dict) -> str:
    names = ("mape_percent", "rmse_percent", "r2", "kendall", "coverage")
    mape, rmse, r2, tau, covered = (float("nan") if row[name] is None else row[name] for name in names)
    return f"{mape:.2f} / {rmse:.2f} / {r2:.4f} / {tau:.3f} / {100 * covered:.0f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["data", "run", "report"])
    parser.add_argument("--out", type=Path, default=Path("runs/surrogates"))
    parser.add_argument("--case", action="append", default=[], choices=cases())
    parser.add_argument("--model", action="append", default=[])
    options = parser.parse_args()
    if options.what == "run":
        run(options.out, options.case, options.model)
    else:
        (data if options.what == "data" else report)(options.out)


if __name__ == "__main__":
    main()
