"""A design as an episode: one parameter after the other, as in the environments' action mode `construct`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from archgym.space import DesignSpace, Indices


class Construction:
    """What an agent sees before each choice, and which choices it then has.

    An observation says which parameter is next and which choices were made so far, both in one-hot codes: what an index
    means differs from parameter to parameter, so its size would mislead a network.

    Args:
        space: of the designs.
        table: give every parameter its own copy of the choices made, zero while another parameter is next. A linear
            policy is then a table: log odds of each choice, plus what each earlier choice adds to them.
        weight: what stands for 1 in the code of a choice made.

    Attributes:
        steps: P choices make a design.
        actions: most choices of any parameter.
        masks: which actions each step has: [P, actions].
        width: features of an observation; the first P say which parameter is next, unless it is a table.
    """

    def __init__(self, space: DesignSpace, table: bool = False, weight: float = 1.0) -> None:
        self.steps, self.actions = len(space), int(space.shape.max())
        self.masks = np.arange(self.actions) < space.shape[:, None]
        self.table, self.weight = table, np.float32(weight)
        self._offsets = np.concatenate([[0], np.cumsum(space.shape)[:-1]])
        self._choices = int(space.shape.sum())
        self.width = self.steps * (self._choices + 1) if table else self.steps + self._choices

    def observe(self, indices: Indices, steps: NDArray[np.int64]) -> NDArray[np.float32]:
        """Observations [N, width] of designs [N, P] whose first `steps` [N] parameters are chosen."""
        rows, at = np.arange(len(indices)), np.minimum(steps, self.steps - 1)
        made = np.arange(self.steps) < steps[:, None]
        chosen = np.zeros((len(indices), self._choices + 1), np.float32)
        chosen[rows[:, None], np.where(made, indices + self._offsets, self._choices)] = self.weight
        if self.table:
            chosen[:, -1] = 1
            copies = np.zeros((len(indices), self.steps, self._choices + 1), np.float32)
            copies[rows, at] = chosen
            return copies.reshape(len(indices), -1)
        following = np.zeros((len(indices), self.steps), np.float32)
        following[rows, at] = 1
        return np.concatenate([following, chosen[:, :-1]], axis=1)
