"""Validation: published values beside ours.

A family's `validation.py` returns Checks. A check with a target can be missed; one without is reported for judgement.
Reference data of other projects is read from a folder the user gives; without it those checks are not available.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from archgym.errors import InputError

Row = dict[str, str]  # of a published.csv: quantity, item, value, unit, source


@dataclass(frozen=True)
class Check:
    """One published value and ours.

    Attributes:
        group: what is compared; rows of a group share source and method.
        item: the row.
        published, ours: values in `unit`; `ours` is None where it is not available.
        error: what `target` bounds, signed: relative, unless `absolute` (then in `unit`).
        target: largest error allowed; None when the row is only reported.
        source: paper, table or tool and version.
        note: what differs and why.
    """

    group: str
    item: str
    published: float
    ours: float | None
    unit: str
    source: str
    target: float | None = None
    absolute: bool = False
    note: str = ""

    @property
    def error(self) -> float | None:
        """Signed error of ours, or None where it is not available."""
        if self.ours is None:
            return None
        difference = self.ours - self.published
        return difference if self.absolute else difference / self.published

    @property
    def status(self) -> str:
        """`met`, `missed`, `reported` (no target) or `not available`."""
        if self.error is None:
            return "not available"
        if self.target is None:
            return "reported"
        return "met" if abs(self.error) <= self.target else "missed"


def check_row(
    group: str, row: Row, ours: float | None, target: float | None = None, note: str = "", item: str = ""
) -> Check:
    """A row of a published.csv beside ours."""
    value = None if ours is None else float(ours)
    return Check(group, item or row["item"], float(row["value"]), value, row["unit"], row["source"], target, note=note)


def rows_of(published: Sequence[Row], quantity: str) -> list[Row]:
    """The published rows of a quantity."""
    return [row for row in published if row["quantity"] == quantity]


def items_of(published: Sequence[Row], quantity: str) -> dict[str, Row]:
    """The published rows of a quantity by item."""
    return {row["item"]: row for row in rows_of(published, quantity)}


def mean_error(group: str, checks: Sequence[Check], target: float, note: str = "") -> Check:
    """The mean absolute error of checks as a check of its own, bounded by `target`."""
    errors = [abs(check.error) for check in checks if check.error is not None]
    mean = sum(errors) / len(errors) if errors else None
    return Check(group, f"mean absolute error of {len(checks)}", 0.0, mean, "1", checks[0].source, target, True, note)


def worst_rows(checks: Iterable[Check], at_most: int = 12) -> list[Check]:
    """For reading: groups of more than `at_most` rows shortened to those that missed, else to the worst row."""
    groups: dict[str, list[Check]] = {}
    for check in checks:
        groups.setdefault(check.group, []).append(check)
    shown = []
    for rows in groups.values():
        if len(rows) > at_most:
            means = [row for row in rows if row.item.startswith("mean ")]
            single = [row for row in rows if row not in means]
            worst = max(single, key=lambda row: abs(row.error or 0.0))
            shortened = replace(worst, item=f"{len(single)} rows, worst: {worst.item}")
            rows = [row for row in single if row.status == "missed"][:at_most]
            rows = [*(rows or [shortened]), *means]
        shown += rows
    return shown


def read_table(path: Path) -> list[Row]:
    """Rows of a CSV file whose leading `#` lines hold its provenance.

    Raises:
        InputError: it cannot be read.
    """
    try:
        lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {path}: {error}") from error
    return list(csv.DictReader(lines))
