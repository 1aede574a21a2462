"""Text specs with options, `name?option=value&option=value`, checked at the edge.

The options of a thing are the keyword parameters of the function that builds it, typed as their defaults.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any

from archgym.errors import InputError, unknown

OptionValue = int | float | str

LARGEST = {"batch": 2**16, "bits": 32}  # beyond these a number is a typing error, not a workload
LARGEST_OTHER = 2**24  # tokens of a context, say


def option_defaults(build: Callable[..., Any]) -> dict[str, Any]:
    """The options of a function and their defaults, in order."""
    parameters = inspect.signature(build).parameters.values()
    return {parameter.name: parameter.default for parameter in parameters if parameter.default is not parameter.empty}


def parse_options(owner: str, query: str, defaults: Mapping[str, OptionValue]) -> dict[str, OptionValue]:
    """The options in a query `option=value&option=value`, typed as their defaults.

    Raises:
        InputError: malformed, given twice, of the wrong type or out of range; UnknownNameError: no such option.
    """
    if not defaults:
        raise InputError(f"{owner} has no options, but the spec gives {query!r}")
    options: dict[str, OptionValue] = {}
    for part in query.split("&"):
        key, equals, text = part.partition("=")
        if not (key and equals and text):
            raise InputError(f"{owner}: {part!r} is not of the form option=value (options: {', '.join(defaults)})")
        if key not in defaults:
            raise unknown(f"{owner} option", key, defaults)
        if key in options:
            raise InputError(f"{owner}: option {key!r} is given twice")
        options[key] = _value(owner, key, text, defaults[key])
    return options


def spell_options(options: Mapping[str, OptionValue], defaults: Mapping[str, OptionValue]) -> str:
    """The query of the options that differ from their defaults, in the order of the defaults: inverse of parsing."""
    changed = [f"{key}={options[key]}" for key in defaults if options.get(key, defaults[key]) != defaults[key]]
    return "?" + "&".join(changed) if changed else ""


def _value(owner: str, key: str, text: str, default: OptionValue) -> OptionValue:
    """One value; numbers are positive and at most LARGEST."""
    if isinstance(default, str):
        return text
    pattern, kind = (r"-?[0-9]+", "whole number") if isinstance(default, int) else (r"-?[0-9.]+(e-?[0-9]+)?", "number")
    largest = LARGEST.get(key, LARGEST_OTHER)
    try:
        if not re.fullmatch(pattern, text):
            raise ValueError
        number = type(default)(text)
    except ValueError:
        raise InputError(f"{owner}: {key} must be a {kind}, not {text[:40]!r}") from None
    if not 0 < number <= largest:
        raise InputError(f"{owner}: {key} must be positive and at most {largest}, not {text[:40]}")
    return number
