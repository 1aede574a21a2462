"""How far the rules are off: every published result predicted without itself and its near duplicates.

Left out with a row are all rows of its network and setting that come from the same paper or use the same method (a
method's number is quoted from paper to paper). To know how good the weaker rules are, each row is predicted a second
time without any row of its network and setting.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from archgym.compression.inference import (
    ADDITIVE,
    BOTH,
    PUBLISHED,
    Guess,
    Table,
    accuracy_factor,
    accuracy_pairs,
    effort_of,
    infer,
)
from archgym.compression.rows import ROUNDING, Row
from archgym.compression.setting import UNQUANTISED, Setting

COVERAGE = 0.9  # aimed at, so that at least 80 % holds on results of other papers
FLOOR = 0.01  # loss: tables print perplexities to 1/500, and papers' baselines of one network differ by up to 1 %
LARGEST_CLAIM = 1.0  # loss: at e times the perplexity a network is of no use, and its exact number says nothing
_FEWEST = 10  # residuals that an interval needs


@dataclass(frozen=True)
class Residual:
    """One row and its prediction without itself.

    Attributes:
        row: the published result.
        guess: None where nothing else says anything.
        actual: its loss, on the scale of the prediction.
        left_out: rows left out, itself included.
        alone: whether all rows of its network and setting were left out.
    """

    row: Row
    guess: Guess | None
    actual: float
    left_out: int
    alone: bool

    @property
    def claimed(self) -> bool:
        """Whether the model claims to know: it has data, the network stays of use, and nobody merely rounds."""
        known = self.guess is not None and self.guess.loss <= LARGEST_CLAIM
        return known and effort_of(self.row) != ROUNDING

    @property
    def error(self) -> float:
        """Predicted less actual loss."""
        return self.guess.loss - self.actual if self.guess else math.nan

    @property
    def relative(self) -> float:
        """Absolute error by the scale of the prediction."""
        return abs(self.error) / scale(self.guess.loss) if self.guess else math.nan


def scale(loss: float) -> float:
    """What an interval is a multiple of: errors grow with the loss."""
    return max(loss, 0.0) + FLOOR


def family_of(kind: str, setting: Setting) -> str:
    """The family that errors are reported for, e.g. `LLM weight-only`."""
    return f"{kind} {_family(setting)}"


def _family(setting: Setting) -> str:
    sparse = setting.pattern != "dense"
    if (sparse or setting.activation_sparsity) and setting.quantised:
        return "sparse and quantised"
    if setting.activation_sparsity:
        return "activation sparsity"
    if sparse:
        return "N of M" if ":" in setting.pattern else "slicing" if "slice" in setting.pattern else "unstructured"
    if setting.activation_bits < UNQUANTISED:
        return "weight+activation" if setting.kv_bits == UNQUANTISED else "weight+activation+KV"
    return "weight-only" if setting.kv_bits == UNQUANTISED else "KV cache"


def targets(rows: Sequence[Row]) -> list[Row]:
    """The rows to predict: an accuracy of a language model only where no perplexity is published."""
    known = {(row.model, row.setting) for row in rows if row.is_perplexity}
    return [row for row in rows if not row.is_converted or (row.model, row.setting) not in known]


def leave_one_out(rows: tuple[Row, ...]) -> tuple[Residual, ...]:
    """Every row twice: without its near duplicates, then without its network and setting."""
    factor = accuracy_factor(rows)
    families: dict[str, list[Row]] = {}
    for row in rows:
        families.setdefault(row.network.family, []).append(row)
    found = []
    for row in targets(rows):
        family = families[row.network.family]
        for alone in (False, True):
            rest = tuple(other for other in family if not _near(other, row, alone))
            table = Table(rest, factor)
            guess = infer(table, row.network, row.model, row.setting, effort_of(row))
            found.append(Residual(row, guess, table.loss(row), len(family) - len(rest), alone))
    return tuple(found)


def _near(other: Row, row: Row, alone: bool) -> bool:
    if (other.model, other.setting) != (row.model, row.setting):
        return False
    return alone or other.paper == row.paper or other.stem == row.stem


def quantile(values: Sequence[float]) -> float:
    """The COVERAGE quantile with the correction of split conformal prediction for few values."""
    ordered = sorted(values)
    return ordered[min(math.ceil((len(ordered) + 1) * COVERAGE), len(ordered)) - 1]


@dataclass(frozen=True)
class Calibration:
    """Widths of intervals, from residuals of the same kind of inference."""

    relative: tuple[tuple[str, str, str, str, float], ...]  # rule, family, kind, paper, relative error

    @classmethod
    def of(cls, found: Sequence[Residual]) -> Calibration:
        """From the residuals that the model claims."""
        rows = []
        for residual in found:
            if residual.guess and residual.claimed:
                kind, row = residual.row.network.kind, residual.row
                family = family_of(kind, row.setting)
                rows.append((residual.guess.rule, family, kind, row.paper, residual.relative))
        return cls(tuple(rows))

    def width(self, rule: str, family: str, without: str = "") -> float:
        """The multiple of `scale` that holds COVERAGE of errors of a rule in a family; without one paper.

        Where fewer than ten errors are known: of the rule in the kind of network, of the rule, of all.
        """
        kind = family.partition(" ")[0]
        known = [row for row in self.relative if row[3] != without]
        for chosen in (
            [row for row in known if row[0] == rule and row[1] == family],
            [row for row in known if row[0] == rule and row[2] == kind],
            [row for row in known if row[0] == rule],
            known,
        ):
            if len(chosen) >= _FEWEST:
                return quantile([row[4] for row in chosen])
        return 1.0


@dataclass(frozen=True, eq=False)
class Evidence:
    """Published results and what follows from them; worked out once, when it is asked for.

    Attributes:
        rows: the results.
    """

    rows: tuple[Row, ...]

    @cached_property
    def table(self) -> Table:
        """The rows as the rules take them."""
        return Table(self.rows, accuracy_factor(self.rows))

    @cached_property
    def residuals(self) -> tuple[Residual, ...]:
        """Every row twice: without its near duplicates, then without its network and setting."""
        return leave_one_out(self.rows)

    @cached_property
    def calibration(self) -> Calibration:
        """Widths of intervals."""
        return Calibration.of(self.residuals)

    @cached_property
    def conversion_width(self) -> float:
        """The relative error of perplexity converted from accuracy that holds COVERAGE of the runs with both."""
        factor = self.table.factor
        errors = [abs(a.loss * factor - p.loss) / scale(a.loss * factor) for p, a in accuracy_pairs(self.rows)]
        return quantile(errors) if len(errors) >= _FEWEST else 1.0

    def interval(self, guess: Guess, family: str, without: str = "", widened: float = 1.0) -> tuple[float, float]:
        """Low and high of a loss: errors of the rule and of the conversion, where there is one, taken as independent.

        A sum of weights and activations is not known better than weights alone. The low end stays above minus FLOOR:
        compression does not improve a network.
        """
        rule = self.calibration.width(guess.rule, family, without)
        kind, _, products = family.partition(" ")
        if guess.rule in (ADDITIVE, BOTH) and products.startswith("weight+"):
            rule = max(rule, self.calibration.width(PUBLISHED, f"{kind} weight-only", without))
        conversion = self.conversion_width if guess.converted else 0.0
        half = widened * math.hypot(rule, conversion) * scale(guess.loss)
        return max(guess.loss - half, min(guess.loss, 0.0) - FLOOR), guess.loss + half
