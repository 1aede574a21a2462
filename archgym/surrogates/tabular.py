"""What models of tables share: rows of all networks below each other, targets over their bases."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from archgym.surrogates.base import Part
from archgym.surrogates.features import Seen
from archgym.surrogates.trees import Trees


def over_bases(seen: Seen, bases: Sequence[int]) -> NDArray[np.float32]:
    """What each target of designs is measured against [N, T]."""
    return seen.network_bases[:, list(bases)]


def stacked(parts: Sequence[Part], bases: Sequence[int]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Tables [N, F] and log targets over their bases [N, T] of all parts."""
    table = np.concatenate([part.seen.table for part in parts])
    return table, np.concatenate([part.targets - over_bases(part.seen, bases) for part in parts])


def by_target(trees: Trees, table: NDArray[np.float32], members: int) -> NDArray[np.float32]:
    """What each member says [members, N, T], where trees are grouped by member and, within it, by target."""
    sums = trees.sums(table)[:, :, 0].astype(np.float32)
    return sums.reshape(members, -1, len(table)).transpose(0, 2, 1)
