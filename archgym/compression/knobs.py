"""Compression as parameters of a design: what every environment's joint space holds beside its hardware."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations, product
from typing import Any

from archgym.compression.setting import ACTIVATION_BITS, KV_BITS, PATTERNS, SPARSITY_METHODS, WEIGHT_BITS, Setting
from archgym.space import Parameter, Value

KNOBS = (
    Parameter("weight_bits", tuple(b for b in WEIGHT_BITS if b != 5), unit="bit", doc="of the weights"),
    Parameter("activation_bits", tuple(b for b in ACTIVATION_BITS if b > 3), unit="bit", doc="of products' inputs"),
    Parameter("kv_bits", KV_BITS, unit="bit", doc="of the key-value cache"),
    Parameter("pattern", PATTERNS, "categorical", doc="of the zeros among the weights; slice: a narrower network"),
    Parameter("activation_sparsity", (0, 0.25, 0.4, 0.5, 0.65), doc="zeros among the inputs of products"),
    Parameter("sparsity_method", SPARSITY_METHODS[1:], "categorical", doc="what makes them; no matter at 0"),
    Parameter("token_pruning", (0, 0.5, 0.75), doc="tokens that leave, mean over layers (SpAtten)"),
    Parameter("head_pruning", (0, 0.1, 0.25), doc="attention heads that leave (SpAtten)"),
)
KNOB_NAMES = tuple(knob.name for knob in KNOBS)
_DENSE = Setting()
DEFAULTS: dict[str, Value] = {name: getattr(_DENSE, name) for name in KNOB_NAMES}
DEFAULTS["sparsity_method"] = SPARSITY_METHODS[1]  # at a share of 0 no method matters


def knobs_of(setting: Setting) -> dict[str, Value]:
    """The value of each knob in a setting: inverse of `setting_of`."""
    values: dict[str, Value] = {name: getattr(setting, name) for name in KNOB_NAMES}
    return values if setting.activation_sparsity else values | {"sparsity_method": DEFAULTS["sparsity_method"]}


def setting_of(codes: Sequence[float]) -> Setting:
    """The setting that the codes of KNOBS, in their order, stand for.

    Raises:
        InputError: a width or share that no setting has.
    """
    values: dict[str, Any] = {knob.name: knob.value(code) for knob, code in zip(KNOBS, codes, strict=True)}
    if not values["activation_sparsity"]:
        values["sparsity_method"] = _DENSE.sparsity_method
    return Setting.of(values)


def offered(supported: Callable[[Setting], bool]) -> dict[str, list[Value]]:
    """The choices of each knob that are worth searching: those that some supported setting has.

    Looked for among all combinations of widths, and among settings that change one or two knobs of dense 16 bits; a
    share of zeros comes with its method.
    """
    found: dict[str, set[Value]] = {name: {value} for name, value in DEFAULTS.items()} | {"sparsity_method": set()}
    for move in _candidates():
        if all(value in found[name] for name, value in move.items()):
            continue  # nothing new to learn
        values = DEFAULTS | move
        if supported(setting_of([knob.code(values[knob.name]) for knob in KNOBS])):
            for name, value in move.items():
                found[name].add(value)
    found["sparsity_method"] = found["sparsity_method"] or {DEFAULTS["sparsity_method"]}
    return {knob.name: [choice for choice in knob.choices if choice in found[knob.name]] for knob in KNOBS}


def _candidates() -> Iterator[dict[str, Value]]:
    """Changes of dense 16 bits: one knob, two, or all widths."""
    moves = list(_moves())
    yield from moves
    yield from ({**one, **two} for one, two in combinations(moves, 2) if not one.keys() & two.keys())
    widths = KNOBS[:3]
    yield from (
        dict(zip((knob.name for knob in widths), bits, strict=True)) for bits in product(*(k.choices for k in widths))
    )


def _moves() -> Iterator[dict[str, Value]]:
    """Every choice of a knob that is not the dense one, alone; shares of zeros with each method."""
    for knob in KNOBS:
        for choice in knob.choices:
            if choice == DEFAULTS[knob.name] or knob.name == "sparsity_method":
                continue
            if knob.name != "activation_sparsity":
                yield {knob.name: choice}
                continue
            for method in SPARSITY_METHODS[1:]:
                yield {knob.name: choice, "sparsity_method": method}
