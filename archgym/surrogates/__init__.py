"""Learned cost models behind the contract of the analytical ones; none are built in yet."""

from archgym.registry import Entry, Registry

_BUILTIN: dict[str, Entry] = {}
SURROGATES = Registry("surrogate", _BUILTIN)
