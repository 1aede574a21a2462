"""The quality that a network loses to a compression setting, from published results; rules in docs/quality.md."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from pathlib import Path
from statistics import median

from archgym.compression.inference import (
    BEST,
    PUBLISHED,
    Guess,
    Part,
    Table,
    infer,
    ways,
)
from archgym.compression.leave_one_out import LARGEST_CLAIM, Evidence, family_of
from archgym.compression.models import LLM, Model
from archgym.compression.rows import EFFORTS, ROUNDING, Row, published_rows, read_rows
from archgym.compression.setting import Setting
from archgym.errors import unknown

EXTRAPOLATED = "extrapolated"
_WIDENED = 2.0  # an extrapolation's interval, as a multiple of its rule's; a choice, no data says how wide is wide
_UNITS = {LLM: "ln(perplexity / baseline)"}


@dataclass(frozen=True)
class Estimate:
    """What a setting costs a network.

    Attributes:
        model, setting, method: as asked for.
        quality_loss: ln(perplexity / that of 16 bits, dense) of language models, else the relative drop of top-1, F1
            or accuracy; 0 loses nothing; NaN where unsupported.
        low, high: interval that holds about 90 % of published results; NaN where unsupported.
        rows: the published results it came from.
        supported: whether published results say anything of this setting.
        rule: published, interpolated, additive, transferred, additive and transferred, extrapolated, or none.
        why: the rule in words, or why it is unsupported.
        unit: of the three numbers.
    """

    model: str
    setting: Setting
    method: str
    quality_loss: float
    low: float
    high: float
    rows: tuple[Row, ...]
    supported: bool
    rule: str
    why: str
    unit: str


def evidence(own: str | Path | Sequence[Row] | None = None) -> Evidence:
    """The published results and one's own, given as rows or as a CSV file.

    Raises:
        InputError: a file that cannot be used.
    """
    if isinstance(own, str | Path):
        path = Path(own)
        return _with_file(path, path.stat().st_mtime_ns if path.exists() else 0)
    return Evidence(published_rows() + tuple(own)) if own else _published()


@cache
def _published() -> Evidence:
    return Evidence(published_rows())


@lru_cache(maxsize=4)
def _with_file(path: Path, _changed: int) -> Evidence:
    return Evidence(published_rows() + read_rows(path))


def known_models(rows: Sequence[Row]) -> dict[str, Model]:
    """The networks that rows are about."""
    return {row.model: row.network for row in sorted(rows, key=lambda row: (row.network.kind, row.network.family))}


def estimate(
    model: str,
    setting: Setting,
    *,
    method: str = BEST,
    allow_extrapolation: bool = False,
    rows: str | Path | Sequence[Row] | None = None,
) -> Estimate:
    """What a setting costs a network, by the first rule that has data.

    Args:
        model: a name, as `archgym quality` lists them.
        setting: what is done to it.
        method: `best` (post-training with calibration; where nothing else is published, with training), an effort
            (rounding, calibrated, trained), or a method by its name or first word.
        allow_extrapolation: give a number, with a wider interval, where the setting is unsupported.
        rows: own results besides the published ones: a CSV file or rows.

    Raises:
        InputError: an unknown model or method, or a file that cannot be used.
    """
    known = evidence(rows)
    models = known_models(known.rows)
    if model not in models:
        raise unknown("model", model, models)
    names = _method_names(known.rows)
    if method.lower() not in names:
        raise unknown("method", method, names)
    table = known.table
    method, network = method.lower(), models[model]
    unit = _UNITS.get(network.kind, "relative drop")
    if setting == Setting():
        return Estimate(model, setting, method, 0.0, 0.0, 0.0, (), True, "none", "nothing is compressed", unit)
    guess = None if _pruned(setting) else infer(table, network, model, setting, method)
    why = _unsupported(table, model, network, setting, method, guess)
    parts = {setting: guess} if guess else {}
    if why and allow_extrapolation and not _pruned(setting):
        parts = parts or _extrapolated(table, network, model, setting, method)
        guess = guess or _sum(list(parts.values()))
        why += "; extrapolated" if guess else ""
    elif why:
        guess = None
    if guess is None:
        nan = math.nan
        return Estimate(model, setting, method, nan, nan, nan, (), False, "none", why, unit)
    low, high = _interval(known, network, parts, _WIDENED if why else 1.0)
    text = why or _in_words(guess, model)
    return Estimate(model, setting, method, guess.loss, low, high, guess.rows, not why, guess.rule, text, unit)


def _interval(known: Evidence, network: Model, parts: Mapping[Setting, Guess], wider: float) -> tuple[float, float]:
    """The intervals of the parts added up, as errors that may well be of one cause."""
    found = [known.interval(guess, family_of(network.kind, part), widened=wider) for part, guess in parts.items()]
    return sum(low for low, _ in found), sum(high for _, high in found)


def _method_names(rows: Sequence[Row]) -> list[str]:
    return [BEST, *EFFORTS, *dict.fromkeys(name for row in rows for name in (row.stem, row.method.lower()))]


def _pruned(setting: Setting) -> bool:
    return setting.token_pruning > 0 or setting.head_pruning > 0


def _unsupported(table: Table, model: str, network: Model, setting: Setting, method: str, guess: Guess | None) -> str:
    """Why published results say nothing of a setting; empty where they do."""
    if _pruned(setting):
        return "token and head pruning: no published result is in the table"
    if guess is not None:
        if guess.loss > LARGEST_CLAIM:
            return f"the network is of no use: published results point to a loss of {guess.loss:.2g}"
        gentle = min(setting.weight_bits, setting.activation_bits) >= 8
        if method == ROUNDING and not gentle:
            return "rounding below 8 bits: published results of one network differ too much to say"
        return ""
    joint = setting.pattern != "dense" or setting.activation_sparsity > 0
    if joint and setting.quantised:
        return "sparsity with low bits: not shown to add up, and no result of both is published for this family"
    if setting.activation_sparsity:
        return _no_share(table, model, setting)
    with_method = "" if method == BEST else f" by method {method!r}"
    published = sorted({row.setting.short for row in table.by_model[model]})
    of = f"no result of {setting.short}{with_method} is published for the family {network.family}"
    near = difflib.get_close_matches(setting.short, published, n=6, cutoff=0.0)
    return f"{of}; nearest of {model}: {', '.join(near)}"


def _no_share(table: Table, model: str, setting: Setting) -> str:
    method = setting.sparsity_method
    of = [row.setting for row in table.by_model[model] if row.setting.sparsity_method == method]
    shares = sorted({other.activation_sparsity for other in of})
    if not shares:
        return f"no result of {method} is published for {model}"
    return f"{method} on {model} is published up to {max(shares):.0%} of zeros, and for dense 16-bit weights"


def _in_words(guess: Guess, model: str) -> str:
    count = f"{len(guess.rows)} published result{'s' if len(guess.rows) > 1 else ''}"
    if guess.rule == PUBLISHED:
        text = f"median over methods of {count} of this setting"
    elif guess.rule == "interpolated":
        text = f"between shares of zeros with {count}"
    else:
        others = sorted({row.model for row in guess.rows if row.model != model})
        text = f"{guess.rule} from {count}" + (f" of {', '.join(others)}" if others else "")
    return text + ("; accuracy converted to perplexity" if guess.converted else "")


def _extrapolated(table: Table, network: Model, model: str, setting: Setting, method: str) -> dict[Setting, Guess]:
    """What is known of quantisation, pattern and activation sparsity, if need be from other families; else nothing."""
    dense = replace(setting, pattern="dense", activation_sparsity=0.0, sparsity_method="none")
    zeros = Setting(activation_sparsity=setting.activation_sparsity, sparsity_method=setting.sparsity_method)
    parts = [part for part in (dense, Setting(pattern=setting.pattern), zeros) if part != Setting()]
    found = {}
    for part in parts:
        guess = infer(table, network, model, part, method) or _anyone(table, network, part, method)
        if guess is None:
            return {}
        found[part] = guess
    return found


def _sum(parts: Sequence[Guess]) -> Guess | None:
    """Losses of parts added up."""
    rows = dict.fromkeys(row for guess in parts for row in guess.rows)
    return Guess(sum(guess.loss for guess in parts), EXTRAPOLATED, tuple(rows)) if parts else None


def _anyone(table: Table, network: Model, setting: Setting, method: str) -> Guess | None:
    """The median over all networks of the kind that have the setting, or the parts of a quantisation."""
    for parts in ([Part(setting)], *ways(setting)):
        losses, used = [], list[Row]()
        for other, rows in table.by_model.items():
            if rows[0].network.kind == network.kind:
                guesses = [infer(table, rows[0].network, other, part.setting, method) for part in parts]
                known = [guess for guess in guesses if guess]
                if len(known) == len(parts):
                    losses.append(sum(guess.loss for guess in known))
                    used += [row for guess in known for row in guess.rows]
        if losses:
            return Guess(median(losses), EXTRAPOLATED, tuple(dict.fromkeys(used)))
    return None
