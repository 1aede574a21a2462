"""The model card: README.md in the form that the Hugging Face Hub reads."""

from __future__ import annotations

import shlex
from typing import Any

from archgym.surrogates.surrogate import Surrogate


def card(name: str, made: Surrogate) -> str:
    """The text of the card of the surrogate called `name`."""
    info = made.info
    options = ", ".join(f"{key}={value}" for key, value in info["options"].items())
    trained = sum(info["feasible"].values())
    lines = [
        "---",
        "library_name: archgym",
        "tags:",
        *(f"- {tag}" for tag in ("archgym", "surrogate", f"env-{made.environment}", info["kind"])),
        "---",
        "",
        f"# {name}",
        "",
        f"A {info['kind']} surrogate of the {made.environment} cost model, trained on {trained:,} feasible of "
        f"{sum(info['designs'].values()):,} designs on {len(info['workloads'])} workloads.",
        "",
        f"    archgym search --env {shlex.quote(made.spec)} --cost-model surrogate:{name}",
        "",
        f"- options: {options}; seed {info['seed']}",
        f"- data set: {info['dataset']['name']}, content hash {info['dataset']['content_hash']}",
        f"- cost model behind the labels: {info['model_hash']}; scenario {info['scenario']}",
        f"- archgym {info['archgym']}, Python {info['python']}, {info['created']}",
        "",
        "| workload | training designs | feasible |",
        "|---|---:|---:|",
        *(f"| {key} | {info['designs'][key]:,} | {info['feasible'][key]:,} |" for key in info["workloads"]),
        "",
        *_scores(info["scores"]),
        "## What it is not",
        "",
        "It repeats its training data: on designs or workloads unlike them it guesses, and says so in the metric "
        "`unknown` (1). Intervals hold for designs drawn as the training designs were, not for those that a search "
        "picks because they look good. Judge the best designs of a search with the analytical model again.",
    ]
    return "\n".join(lines) + "\n"


def _scores(rows: list[dict[str, Any]]) -> list[str]:
    """The tables of held-out designs, trained workloads first."""
    lines = ["## Test designs", ""]
    for workload in dict.fromkeys(row["workload"] for row in sorted(rows, key=lambda row: not row["trained"])):
        own = [row for row in rows if row["workload"] == workload]
        known = "trained on" if own[0]["trained"] else "not trained on"
        lines += [
            f"{workload} ({known}; feasibility right {own[0]['feasible_right']:.1%}; flagged unknown "
            f"{own[0]['unknown']:.1%}):",
            "",
            "| metric | RMSE, % of range | MAPE, % | R2 | Spearman | Kendall | in 90 % interval |",
            "|---|---:|---:|---:|---:|---:|---:|",
            *(_row(row) for row in own),
            "",
        ]
    return lines


def _row(row: dict[str, Any]) -> str:
    forms = ("rmse_percent", ".3g"), ("mape_percent", ".3g"), ("r2", ".4f"), ("spearman", ".4f"), ("kendall", ".4f")
    cells = ["" if row[name] is None else f"{row[name]:{form}}" for name, form in forms]
    return f"| {row['metric']} | {' | '.join(cells)} | {row['coverage']:.1%} |"
