from __future__ import annotations

from archgym.agents.forest import Forest
from archgym.testing.agents import check_agent


def test_conformance() -> None:
    check_agent(Forest)
