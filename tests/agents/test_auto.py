from __future__ import annotations

import logging
import sys

import pytest

from archgym import api
from archgym.agents import AGENTS
from archgym.agents.auto import SUITED, resolved, suited


def test_suits_are_agents_and_the_last_needs_no_extra() -> None:
    for most, *suits in SUITED:
        for names in suits:
            assert set(names) <= set(AGENTS)
            assert AGENTS.entry(names[-1]).extra == ""
            assert resolved("auto", int(min(most, 10**6)), 1 + (names is suits[1])) == names[0]


def test_the_run_names_the_agent() -> None:
    assert api.search("systolic", "resnet18", budget=4000).agent == suited(4000, 1)[0]


def test_falls_back_with_a_note_where_an_extra_is_missing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = SUITED[0][1][:2]
    module = AGENTS.entry(first).target.partition(":")[0]
    monkeypatch.delitem(sys.modules, module, raising=False)
    for name in [name for name in sys.modules if name.partition(".")[0] == "botorch"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "botorch", None)
    with caplog.at_level(logging.WARNING):
        assert resolved("auto", 100, 1) == second
    assert "pip install 'archgym[models]'" in caplog.text
