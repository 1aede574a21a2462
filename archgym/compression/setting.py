"""Compression settings: what is done to a network, whatever the hardware makes of it.

Setting.parse("weight_bits=4,activation_bits=8,kv_bits=4,pattern=2:4")
Setting(weight_bits=4, activation_sparsity=0.5, sparsity_method="teal")
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from archgym.errors import InputError, unknown

UNQUANTISED = 16  # bits; a network of 16- or 32-bit floating point loses nothing and is what others are held against
NARROW, GROUP = 8, 128  # below 8 bits, 128 neighbours share a scale, as results at low bits have it (`g128`)
WEIGHT_BITS = (2, 3, 4, 5, 6, 8, 16)
ACTIVATION_BITS = (2, 3, 4, 6, 8, 16)
KV_BITS = (4, 8, 16)
PATTERNS = (
    "dense",
    *("unstructured-50", "unstructured-60", "unstructured-70"),
    *("4:8", "2:4", "1:4", "2:8"),
    *("slice-10", "slice-20", "slice-25", "slice-30"),
)
SPARSITY_METHODS = ("none", "cats", "teal", "larosa", "r-sparse")
LARGEST_ACTIVATION_SPARSITY = 0.65  # beyond, no training-free method has published results
_CHOICES: dict[str, tuple[int | str, ...]] = {
    "weight_bits": WEIGHT_BITS,
    "activation_bits": ACTIVATION_BITS,
    "kv_bits": KV_BITS,
    "pattern": PATTERNS,
    "sparsity_method": SPARSITY_METHODS,
}
_LARGEST = {
    "activation_sparsity": LARGEST_ACTIVATION_SPARSITY,
    "token_pruning": 0.95,
    "head_pruning": 0.95,
}


@dataclass(frozen=True)
class Setting:
    """One compression setting; the default leaves the network as it is.

    Attributes:
        weight_bits, activation_bits, kv_bits: widths; 16 is not quantised. kv is the key-value cache.
        pattern: of the zeros in the weights: dense, unstructured-P (P % zeros), N:M (N of M weights kept), slice-P (P %
            of rows and columns removed).
        activation_sparsity: share of zeros in the inputs of linear layers, 0 to 0.65.
        sparsity_method: what zeroes activations; `none` exactly if the share is 0.
        token_pruning, head_pruning: shares of tokens and attention heads that SpAtten's cascade removes.

    Raises:
        InputError: a value that is not allowed, with the allowed set and the nearest match.
    """

    weight_bits: int = UNQUANTISED
    activation_bits: int = UNQUANTISED
    kv_bits: int = UNQUANTISED
    pattern: str = "dense"
    activation_sparsity: float = 0.0
    sparsity_method: str = "none"
    token_pruning: float = 0.0
    head_pruning: float = 0.0

    def __post_init__(self) -> None:
        for name, choices in _CHOICES.items():
            value = getattr(self, name)
            if value not in choices or isinstance(value, bool):
                raise _not_allowed(name, value, choices)
        for name, largest in _LARGEST.items():
            value = getattr(self, name)
            if not (isinstance(value, int | float) and 0 <= value <= largest):
                raise InputError(f"{name} must be a share from 0 to {largest}, not {value!r}")
        if (self.activation_sparsity > 0) != (self.sparsity_method != "none"):
            methods = ", ".join(SPARSITY_METHODS[1:])
            raise InputError(
                f"activation_sparsity={self.activation_sparsity:g} with sparsity_method={self.sparsity_method}: "
                f"a share above 0 needs a method (one of: {methods}), and a method needs a share"
            )

    @classmethod
    def parse(cls, text: str) -> Setting:
        """The setting in a text `name=value,name=value`; `dense` or an empty text is the default.

        Raises:
            InputError: malformed, given twice, unknown or not allowed.
        """
        given: dict[str, str] = {}
        for part in filter(None, (part.strip() for part in text.split(","))):
            name, equals, value = part.partition("=")
            if part == "dense":
                continue
            if not (equals and value):
                raise InputError(f"{part!r} is not of the form name=value (names: {', '.join(NAMES)})")
            if name in given:
                raise InputError(f"{name} is given twice")
            given[name] = value
        return cls.of(given)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Setting:
        """The setting of values by name, numbers or their text.

        Raises:
            InputError: unknown or not allowed.
        """
        typed: dict[str, Any] = {}
        for name, value in values.items():
            if name not in NAMES:
                raise unknown("part of a setting", name, NAMES)
            typed[name] = _number(name, value) if name in _LARGEST or name.endswith("_bits") else str(value)
        return cls(**typed)

    def __str__(self) -> str:
        """The text that `parse` reads back: what differs from the default."""
        changed = [f"{name}={value}" for name, value in asdict(self).items() if value != _DEFAULTS[name]]
        return ",".join(changed) or "dense"

    @property
    def short(self) -> str:
        """For tables: `W4A8KV4 2:4`; of pruned tokens and heads it says nothing."""
        zeros = f" {self.sparsity_method} {self.activation_sparsity:.0%}" if self.activation_sparsity else ""
        bits = f"W{self.weight_bits}A{self.activation_bits}KV{self.kv_bits}"
        return bits + (f" {self.pattern}" if self.pattern != "dense" else "") + zeros

    @property
    def weight_density(self) -> float:
        """Share of the weights that are kept, 0 to 1."""
        name, _, number = self.pattern.partition("-")
        if ":" in name:
            kept, _, group = name.partition(":")
            return int(kept) / int(group)
        return 1.0 - int(number) / 100 if number else 1.0

    @property
    def quantised(self) -> bool:
        """Whether anything is narrower than 16 bits."""
        return min(self.weight_bits, self.activation_bits, self.kv_bits) < UNQUANTISED


NAMES = tuple(field.name for field in fields(Setting))
_DEFAULTS = {field.name: field.default for field in fields(Setting)}


def _number(name: str, value: Any) -> int | float:
    try:
        number = float(value)
        if math.isfinite(number):
            return int(number) if name.endswith("_bits") and number == int(number) else number
    except (TypeError, ValueError):
        pass
    raise InputError(f"{name} must be a number, not {str(value)[:40]!r}")


def _not_allowed(name: str, value: Any, choices: tuple[int | str, ...]) -> InputError:
    if isinstance(choices[0], str):
        return unknown(name, value, choices)
    listed = ", ".join(map(str, choices))
    if not isinstance(value, int | float) or isinstance(value, bool):
        return InputError(f"{name} must be one of {listed}, not {value!r}")
    nearest = min(choices, key=lambda choice: abs(float(choice) - value))
    return InputError(f"{name} must be one of {listed}, not {value:g}; the nearest is {nearest}")
