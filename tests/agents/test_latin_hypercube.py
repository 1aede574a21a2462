from __future__ import annotations

import numpy as np

from archgym.agents.latin_hypercube import LatinHypercube
from archgym.testing.agents import check_agent, mixed_space


def test_conformance() -> None:
    check_agent(LatinHypercube, improves=False)


def test_each_choice_comes_equally_often() -> None:
    indices = LatinHypercube(mixed_space(), 1, 0).ask(96)
    for column, count in enumerate(mixed_space().shape):
        assert (np.bincount(indices[:, column], minlength=count) == 96 // count).all()
