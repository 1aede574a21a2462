"""The quality model held against every published result it is made of, each left out with its near duplicates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from archgym.compression.inference import accuracy_factor, accuracy_pairs, effort_of
from archgym.compression.leave_one_out import Evidence, Residual, family_of
from archgym.compression.models import LLM
from archgym.compression.rows import ROUNDING, Row, published_rows
from archgym.validation import Check

_SOURCE = "the published results in archgym/compression/quality.csv"
_LARGEST_ERROR = 0.03
_OUTSIDE = 0.2
_FEWEST = 10  # rows that a share outside the interval is judged on
_QUANTISED = ("weight-only", "weight+activation", "weight+activation+KV", "KV cache")
_ERROR, _SHARE, _RULES = "Median error", "Outside interval", "Setting left out"
_NEAR = "left out: the row, and rows of its network and setting by its paper or method"
_ALONE = "left out: all rows of its network and setting; shows the rules that carry over"


def validate(reference: Path | None = None) -> list[Check]:
    """Median absolute errors of the loss and shares outside the interval, by family; `reference` is not needed."""
    known = Evidence(published_rows())
    found = known.residuals
    near = [residual for residual in found if not residual.alone]
    alone = [residual for residual in found if residual.alone]
    return [
        *errors(near),
        *outside(known, near),
        *_carried_over(known, alone),
        _conversion(known.rows),
        *_not_claimed(near),
    ]


def _family(residual: Residual) -> str:
    return family_of(residual.row.network.kind, residual.row.setting)


def _kind(family: str) -> str:
    return LLM if family.startswith(LLM) else "others"


def _families(found: Sequence[Residual]) -> dict[str, list[Residual]]:
    """By family, all of them, with the residuals that the model claims."""
    families: dict[str, list[Residual]] = {name: [] for name in sorted({_family(residual) for residual in found})}
    for residual in found:
        if residual.claimed:
            families[_family(residual)].append(residual)
    return families


def _quantised(found: Sequence[Residual], kind: str = "") -> list[Residual]:
    names = [residual for residual in found if _family(residual).partition(" ")[2] in _QUANTISED and residual.claimed]
    return [residual for residual in names if kind in ("", residual.row.network.kind)]


def _median_error(group: str, item: str, found: Sequence[Residual], target: float | None, note: str) -> Check:
    ours = median(abs(residual.error) for residual in found) if found else None
    return Check(group, f"{item}: {len(found)} rows", 0.0, ours, "loss", _SOURCE, target, True, note)


def errors(near: Sequence[Residual]) -> list[Check]:
    """Median absolute error, of quantisation with its target and by family."""
    rules = {family: Counter(r.guess.rule for r in rows if r.guess) for family, rows in _families(near).items()}
    checks = [
        _median_error(_ERROR, "quantised LLMs", _quantised(near, LLM), _LARGEST_ERROR, _NEAR),
        _median_error(_ERROR, "all quantised networks", _quantised(near), _LARGEST_ERROR, _NEAR),
    ]
    for family, rows in _families(near).items():
        unknown = sum(_family(r) == family and r.guess is None for r in near)
        note = ", ".join(f"{count} {rule}" for rule, count in rules[family].items())
        note = "; ".join(filter(None, [note, f"{unknown} rows that nothing else speaks of" if unknown else ""]))
        checks.append(_median_error(f"{_ERROR}, {_kind(family)}", family, rows, None, note))
    return checks


def _share(known: Evidence, group: str, item: str, found: Sequence[Residual], note: str) -> Check:
    missed = 0
    for residual in found:
        if residual.guess:
            low, high = known.interval(residual.guess, _family(residual), residual.row.paper)
            missed += not low <= residual.actual <= high
    ours = missed / len(found) if found else None
    target = _OUTSIDE if len(found) >= _FEWEST else None
    return Check(group, f"{item}: {len(found)} rows", 0.0, ours, "1", _SOURCE, target, True, note)


def outside(known: Evidence, near: Sequence[Residual]) -> list[Check]:
    """Shares of results outside the interval, whose width never saw results of the same paper."""
    note = "width from residuals of other papers; at most 20 % where there are ten rows"
    checks = [_share(known, _SHARE, "all", [r for r in near if r.claimed], note)]
    for family, found in _families(near).items():
        if found:
            checks.append(_share(known, f"{_SHARE}, {_kind(family)}", family, found, note))
    return checks


def _carried_over(known: Evidence, alone: Sequence[Residual]) -> list[Check]:
    claimed = [residual for residual in alone if residual.claimed]
    checks = [_median_error(_RULES, "quantised LLMs, error", _quantised(alone, LLM), None, _ALONE)]
    for rule in sorted({residual.guess.rule for residual in claimed if residual.guess}):
        found = [residual for residual in claimed if residual.guess and residual.guess.rule == rule]
        checks.append(_median_error(_RULES, f"{rule}, error", found, None, _ALONE))
        checks.append(_share(known, _RULES, f"{rule}, outside", found, _ALONE))
    return checks


def _conversion(rows: tuple[Row, ...]) -> Check:
    """Perplexity from accuracy, the ratio taken from the other papers."""
    pairs = accuracy_pairs(rows)
    missed = []
    for perplexity, accuracy in pairs:
        factor = accuracy_factor([row for row in rows if row.paper != accuracy.paper])
        missed.append(abs(accuracy.loss * factor - perplexity.loss))
    item = f"perplexity from accuracy: {len(pairs)} runs with both"
    note = f"{accuracy_factor(rows):.2f} times ln(baseline / accuracy); the ratio of the other papers for this row"
    return Check("Conversion", item, 0.0, median(missed), "loss", _SOURCE, None, True, note)


def _not_claimed(near: Sequence[Residual]) -> list[Check]:
    """What the errors above do not count."""
    rounding = [r for r in near if r.guess and effort_of(r.row) == ROUNDING]
    useless = [r for r in near if r.guess and not r.claimed and effort_of(r.row) != ROUNDING]
    all_llm = [r for r in near if r.guess and r.row.network.kind == LLM and r.guess.loss <= 1]
    with_rounding = [r for r in all_llm if _family(r).partition(" ")[2] in _QUANTISED]
    group = "Not claimed"
    return [
        _median_error(group, "rounding below 8 bits", rounding, None, "papers differ too much to say"),
        _median_error(group, "predicted loss above 1", useless, None, "the network is of no use"),
        _median_error(group, "quantised LLMs with rounding", with_rounding, None, "for comparison"),
        _count(group, "rows that nothing else speaks of", [r for r in near if r.guess is None]),
    ]


def _count(group: str, item: str, found: Sequence[Residual]) -> Check:
    return Check(group, item, 0.0, float(len(found)), "rows", _SOURCE, None, True)
