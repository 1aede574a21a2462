"""From published results to one number: the rules of docs/quality.md, one function each.

A part is something whose loss is looked up by itself: a whole setting, or what one step of quantisation adds. Losses of
language models are ln(perplexity / baseline), of other networks the relative drop of their score.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from statistics import median
from typing import Any

import numpy as np

from archgym.compression.models import VIT, Model
from archgym.compression.rows import CALIBRATED, EFFORTS, ROUNDING, TRAINED, Row
from archgym.compression.setting import UNQUANTISED, Setting

BEST = "best"
PUBLISHED, INTERPOLATED, ADDITIVE, TRANSFERRED = "published", "interpolated", "additive", "transferred"
BOTH = "additive and transferred"
_SMALLEST_DROP = 0.02  # of accuracy; smaller drops are noise of the tasks and say nothing of the ratio


@dataclass(frozen=True)
class Part:
    """What is looked up: a whole setting, or (`step`) what narrowing activations or the cache adds to any setting."""

    setting: Setting
    step: str = ""  # "", "activation_bits" or "kv_bits"


@dataclass(frozen=True)
class Guess:
    """A loss, the rule that gave it, and the rows it came from."""

    loss: float
    rule: str
    rows: tuple[Row, ...]

    @property
    def converted(self) -> bool:
        """Whether any row is an accuracy of a language model."""
        return any(row.is_converted for row in self.rows)


@dataclass(frozen=True)
class Table:
    """Rows, found by network and setting.

    Attributes:
        rows: all of them.
        factor: ln(perplexity / baseline) per ln(baseline / accuracy) of language models.
    """

    rows: tuple[Row, ...]
    factor: float

    @cached_property
    def by_setting(self) -> dict[tuple[str, Setting], list[Row]]:
        """Rows of a network with a setting."""
        found = defaultdict(list)
        for row in self.rows:
            found[row.model, row.setting].append(row)
        return dict(found)

    @cached_property
    def by_model(self) -> dict[str, list[Row]]:
        """Rows of a network."""
        found = defaultdict(list)
        for row in self.rows:
            found[row.model].append(row)
        return dict(found)

    def loss(self, row: Row) -> float:
        """The loss of a row on the scale of its kind."""
        return row.loss * self.factor if row.is_converted else row.loss


def accuracy_pairs(rows: Sequence[Row]) -> list[tuple[Row, Row]]:
    """Perplexity and accuracy of one run, where the accuracy fell by at least 2 % and perplexity by less than e."""
    perplexities = {(r.model, r.setting, r.paper, r.method): r for r in rows if r.is_perplexity}
    pairs = []
    for row in rows:
        other = perplexities.get((row.model, row.setting, row.paper, row.method))
        if other and row.is_converted and row.loss >= _SMALLEST_DROP and 0 < other.loss <= 1:
            pairs.append((other, row))
    return pairs


def accuracy_factor(rows: Sequence[Row]) -> float:
    """Median ratio of ln(perplexity / baseline) to ln(baseline / accuracy); NaN where no run has both."""
    ratios = [perplexity.loss / accuracy.loss for perplexity, accuracy in accuracy_pairs(rows)]
    return median(ratios) if ratios else float("nan")


def effort_of(row: Row) -> str:
    """Its effort; rounding of products to 8 bits counts as calibrated, which it equals except for ViTs (FQ-ViT)."""
    setting = row.setting
    gentle = min(setting.weight_bits, setting.activation_bits) >= 8 and setting.kv_bits == UNQUANTISED
    equal = gentle and setting.pattern == "dense" and row.network.kind != VIT
    return CALIBRATED if row.effort == ROUNDING and equal else row.effort


def comparable(rows: Sequence[Row], method: str) -> list[Row]:
    """The rows that a method name stands for: `best`, an effort, or a method by its name or first word."""
    if method in EFFORTS:
        return [row for row in rows if effort_of(row) == method]
    if method != BEST:
        return [row for row in rows if method.lower() in (row.method.lower(), row.stem)]
    return comparable(rows, CALIBRATED) or comparable(rows, TRAINED)


def over_methods(table: Table, rows: Sequence[Row]) -> float:
    """Median over methods of each method's median: a method that many papers quote counts once."""
    methods = defaultdict(list)
    for row in rows:
        methods[row.stem].append(table.loss(row))
    return median(median(losses) for losses in methods.values())


def infer(table: Table, network: Model, model: str, setting: Setting, method: str = BEST) -> Guess | None:
    """The loss by the first rule that has data; None where none has."""
    whole = Part(setting)
    found = _own(table, model, whole, method)
    if found:
        return Guess(found[0], PUBLISHED, found[1])
    guess = _interpolated(table, model, setting, method)
    if guess:
        return guess
    for parts in ways(setting):
        guess = _sum([_own(table, model, part, method) for part in parts], ADDITIVE)
        if guess:
            return guess
    guess = _sum([_of_family(table, network, model, whole, method)], TRANSFERRED)
    if guess:
        return guess
    for parts in ways(setting):
        values = [_own(table, model, part, method) or _of_family(table, network, model, part, method) for part in parts]
        guess = _sum(values, BOTH)
        if guess:
            return guess
    return None


def ways(setting: Setting) -> list[list[Part]]:
    """How a quantisation is a sum of parts, largest parts first; none for anything sparse (not shown to add up)."""
    if setting.pattern != "dense" or setting.activation_sparsity or not setting.quantised:
        return []
    cache = [] if setting.kv_bits == UNQUANTISED else [Part(Setting(kv_bits=setting.kv_bits), "kv_bits")]
    products = replace(setting, kv_bits=UNQUANTISED)
    if not products.quantised:
        return [cache]
    found = [[Part(products), *cache]] if cache else []
    if products.activation_bits < UNQUANTISED and products.weight_bits != 8:  # W8A8 is itself the part of 8-bit
        weights = Part(Setting(weight_bits=products.weight_bits))
        activations = Part(Setting(activation_bits=products.activation_bits), "activation_bits")
        found.append([*([weights] if weights.setting.quantised else []), activations, *cache])
    return found


Value = tuple[float, tuple[Row, ...]]


def _sum(values: Sequence[Value | None], rule: str) -> Guess | None:
    if not values or any(value is None for value in values):
        return None
    known = [value for value in values if value is not None]
    rows = dict.fromkeys(row for _, rows in known for row in rows)
    return Guess(sum(loss for loss, _ in known), rule, tuple(rows))


def _own(table: Table, model: str, part: Part, method: str) -> Value | None:
    """The loss of a part from the network's own rows."""
    if part.step == "kv_bits":
        found = _step(table, model, part, method)
        narrower = Part(Setting(kv_bits=4), "kv_bits")  # 8 bits done as well as 4 cost no more
        return found if found or part.setting.kv_bits == 4 else _step(table, model, narrower, method)
    if part.step:
        if part.setting.activation_bits == 8:
            return _own(table, model, Part(Setting(weight_bits=8, activation_bits=8)), method)
        return _step(table, model, part, method)
    rows = table.by_setting.get((model, part.setting), [])
    rows = comparable([row for row in rows if row.is_perplexity], method) or comparable(rows, method)
    return (over_methods(table, rows), tuple(rows)) if rows else None


def _step(table: Table, model: str, part: Part, method: str) -> Value | None:
    """What a step adds: rows with it less rows of the same method and paper without it."""
    differences, used = [], list[Row]()
    bits = getattr(part.setting, part.step)
    for row in comparable([r for r in table.by_model.get(model, []) if not r.is_converted], method):
        if getattr(row.setting, part.step) != bits or row.setting.pattern != "dense":
            continue
        change: dict[str, Any] = {part.step: UNQUANTISED}
        before = replace(row.setting, **change)
        others = [r for r in table.by_setting.get((model, before), []) if (r.paper, r.stem) == (row.paper, row.stem)]
        others = comparable([r for r in others if not r.is_converted], method)
        if others or not before.quantised:
            differences.append(row.loss - median([r.loss for r in others] or [0.0]))
            used += [row, *others]
    return (max(median(differences), 0.0), tuple(used)) if differences else None


def _of_family(table: Table, network: Model, model: str, part: Part, method: str) -> Value | None:
    """The loss of a part at the network's size, between the other sizes of its family; beyond them, the nearest."""
    points = []
    for other, rows in table.by_model.items():
        if other != model and rows[0].network.family == network.family:
            value = _own(table, other, part, method)
            if value:
                points.append((np.log(rows[0].network.size_m), value))
    if not points:
        return None
    points.sort(key=lambda point: point[0])
    sizes, losses = [size for size, _ in points], [value[0] for _, value in points]
    place = np.log(network.size_m)
    nearest = sorted(points, key=lambda point: abs(point[0] - place))[:2]
    return float(np.interp(place, sizes, losses)), tuple(row for _, value in nearest for row in value[1])


def _interpolated(table: Table, model: str, setting: Setting, method: str) -> Guess | None:
    """Activation sparsity between two published shares of the same method; none at all costs nothing."""
    share = setting.activation_sparsity
    if not share or setting != Setting(activation_sparsity=share, sparsity_method=setting.sparsity_method):
        return None
    points: list[tuple[float, Value]] = [(0.0, (0.0, ()))]
    for row in table.by_model.get(model, []):
        if row.setting.sparsity_method == setting.sparsity_method:
            value = _own(table, model, Part(row.setting), method)
            if value and row.setting.activation_sparsity not in [point for point, _ in points]:
                points.append((row.setting.activation_sparsity, value))
    for (low, (first, before)), (high, (second, after)) in pairwise(sorted(points, key=lambda point: point[0])):
        if low < share < high:
            loss = first + (second - first) * (share - low) / (high - low)
            return Guess(loss, INTERPOLATED, before + after)
    return None
