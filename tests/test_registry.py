"""Registries: lazy, clear about what is missing, open to plugins."""

import pytest

from archgym.errors import InputError, MissingExtraError, UnknownNameError
from archgym.registry import Entry, Registry


def test_names_load_lazily_and_unknown_ones_name_the_nearest() -> None:
    registry = Registry("thing", {"sine": Entry("math:sin"), "broken": Entry("nonsense.module:x", extra="rl")})
    assert list(registry) == ["sine", "broken"]  # listing imports nothing
    assert registry.load("sine")(0) == 0
    with pytest.raises(UnknownNameError, match=r"unknown thing 'sin'; did you mean 'sine'\? \(one of: sine, broken\)"):
        registry.load("sin")
    with pytest.raises(MissingExtraError, match=r"thing 'broken' needs 'nonsense'.*pip install 'archgym\[rl\]'"):
        registry.load("broken")


def test_a_process_and_a_plugin_can_add_names_but_not_replace_them(monkeypatch) -> None:
    class Point:
        name, value = "cosine", "math:cos"

    class Clash:
        name, value = "sine", "math:cos"

    monkeypatch.setattr(
        "archgym.registry.entry_points", lambda group: [Point, Clash] if group == "archgym.things" else []
    )
    registry = Registry("thing", {"sine": Entry("math:sin")})
    assert registry.load("cosine")(0) == 1
    assert registry.load("sine")(0) == 0
    registry.register("square", "math:sqrt")
    assert registry.load("square")(4) == 2
    with pytest.raises(InputError, match="registered already"):
        registry.register("sine", "math:cos")
