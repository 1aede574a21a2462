from __future__ import annotations

from archgym.agents.surrogate_genetic import SurrogateGenetic
from archgym.testing.agents import check_agent


def test_conformance() -> None:
    check_agent(SurrogateGenetic)
