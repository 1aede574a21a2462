"""A multilayer perceptron over the features of the whole network: the neural baseline that sees no graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import nn

from archgym.surrogates.base import Part
from archgym.surrogates.features import BASES, Seen
from archgym.surrogates.network import Inputs, Network, Networks, Scale


class MLP(Networks):
    """Ensemble of multilayer perceptrons with residual blocks, for all targets at once.

    Args:
        members, width, epochs, rate, batch, patience: see Networks.
        blocks: residual blocks of two layers.
    """

    def __init__(
        self,
        seed: int,
        bases: Sequence[int],
        members: int = 3,
        width: int = 192,
        blocks: int = 2,
        epochs: int = 120,
        rate: float = 0.005,
        batch: int = 256,
        patience: int = 5,
    ) -> None:
        super().__init__(seed, bases, members, width, epochs, rate, batch, patience)
        self.blocks = blocks

    def build(self, seen: Seen) -> Network:
        """A network for tables as wide as these."""
        return self.rebuild({"table": seen.table.shape[1]})

    def rebuild(self, sizes: Mapping[str, int]) -> Network:
        """A network of these sizes."""
        return _Perceptron(sizes["table"], self.width, self.blocks, self.bases)

    def inputs(self, seen: Seen) -> Inputs:
        """Table and bases of the designs."""
        return Inputs((torch.from_numpy(seen.table), torch.from_numpy(seen.network_bases)))


class _Perceptron(Network):
    def __init__(self, table: int, width: int, blocks: int, bases: Sequence[int]) -> None:
        super().__init__()
        targets = len(bases)
        self.sizes = {"table": table}
        self.register_buffer("bases", torch.tensor(bases), persistent=False)
        self.scale_table, self.scale_bases, self.scale_targets = Scale(table), Scale(len(BASES)), Scale(targets)
        self.first = nn.Linear(table, width)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width)) for _ in range(blocks)
        )
        self.last = nn.Sequential(nn.SiLU(), nn.Linear(width, targets))

    def calibrate(self, train: Sequence[Part]) -> None:
        """Fit the scales of table, bases and targets."""
        self.scale_table.fit([part.seen.table for part in train])
        self.scale_bases.fit([part.seen.network_bases for part in train])
        self.scale_targets.fit([part.targets for part in train])

    def forward(self, table: torch.Tensor, bases: torch.Tensor) -> torch.Tensor:
        """Log targets [B, T]: logarithms over the bases, from their means."""
        state = self.first(self.scale_table(table))
        for block in self.blocks:
            state = state + block(state)
        over = (bases - self.scale_bases.mean)[:, self.bases]
        return self.last(state) + over + self.scale_targets.mean
