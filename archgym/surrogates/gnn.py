"""A graph network over the operators of a workload, joined by the hardware: predicts networks it was not trained on.

A node per operator sees its shape, the design, and its times at the design's rooflines; messages pass along the data
dependences both ways; the hardware is a node joined to all. Every node gives, for every target, a factor over its
roofline, and the network is the sum of its operators, as costs are: so the network learns what operators lose, not what
networks cost. Sums are joined by exponents (power is energy over latency), and the design adds what no operator causes.

Source of the messages: W. Hamilton, R. Ying, J. Leskovec, "Inductive representation learning on large graphs", NeurIPS
2017 (PyTorch Geometric's DenseSAGEConv: all designs of a batch share one small graph); of the read-out: ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import nn
from torch_geometric.nn import DenseSAGEConv

from archgym.surrogates.base import Part
from archgym.surrogates.features import BASES, Seen
from archgym.surrogates.network import Inputs, Network, Networks, Scale

OWN_SUMS = 4  # power laws of the design beside the operators of each sum


class GNN(Networks):
    """Ensemble of graph networks.

    Args:
        members, width, epochs, rate, batch, patience: see Networks.
        layers: of messages.
    """

    def __init__(
        self,
        seed: int,
        bases: Sequence[int],
        members: int = 3,
        width: int = 64,
        layers: int = 1,
        epochs: int = 80,
        rate: float = 0.02,
        batch: int = 256,
        patience: int = 5,
    ) -> None:
        super().__init__(seed, bases, members, width, epochs, rate, batch, patience)
        self.layers = layers

    def build(self, seen: Seen) -> Network:
        """A network for features as wide as these."""
        return self.rebuild({"hardware": seen.hardware.shape[1], "nodes": seen.nodes.shape[2]})

    def rebuild(self, sizes: Mapping[str, int]) -> Network:
        """A network of these sizes."""
        return _Graph(sizes["hardware"], sizes["nodes"], self.width, self.layers, self.bases)

    def inputs(self, seen: Seen) -> Inputs:
        """Hardware, nodes and bases of the designs; totals and adjacency, both ways, of the workload."""
        source, target = torch.from_numpy(seen.edges).T
        adjacency = torch.zeros(seen.nodes.shape[1], seen.nodes.shape[1])
        adjacency[source, target] = adjacency[target, source] = 1.0
        designs = tuple(map(torch.from_numpy, (seen.hardware, seen.nodes, seen.bases)))
        return Inputs(designs, (torch.from_numpy(seen.totals), adjacency))


class _Graph(Network):
    def __init__(self, hardware: int, nodes: int, width: int, layers: int, bases: Sequence[int]) -> None:
        super().__init__()
        targets = len(bases)
        self.sizes = {"hardware": hardware, "nodes": nodes}
        self.register_buffer("bases", torch.tensor(bases), persistent=False)
        self.scale_hardware, self.scale_nodes = Scale(hardware), Scale(nodes)
        self.scale_bases, self.scale_totals, self.scale_targets = Scale(len(BASES)), Scale(4), Scale(targets)
        self.hardware = nn.Sequential(nn.Linear(hardware, width), nn.SiLU(), nn.Linear(width, width))
        self.nodes = nn.Linear(nodes, width)
        self.messages = nn.ModuleList(DenseSAGEConv(width, width) for _ in range(layers))
        self.factors = nn.Sequential(nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, targets))
        self.laws = nn.Linear(hardware, OWN_SUMS * targets)
        self.design = nn.Sequential(
            nn.Linear(hardware, 2 * width), nn.SiLU(), nn.Linear(2 * width, width), nn.SiLU(), nn.Linear(width, targets)
        )
        self.exponents = nn.Parameter(torch.eye(targets))
        self.totals = nn.Linear(4, targets, bias=False)
        nn.init.normal_(self.laws.weight, std=0.1)

    def calibrate(self, train: Sequence[Part]) -> None:
        """Fit the scales of features, bases and targets."""
        self.scale_hardware.fit([part.seen.hardware for part in train])
        self.scale_nodes.fit([part.seen.nodes for part in train])
        self.scale_bases.fit([part.seen.network_bases for part in train])
        self.scale_totals.fit([part.seen.totals for part in train])
        self.scale_targets.fit([part.targets for part in train])

    def forward(
        self,
        hardware: torch.Tensor,
        nodes: torch.Tensor,
        bases: torch.Tensor,
        totals: torch.Tensor,
        adjacency: torch.Tensor,
    ) -> torch.Tensor:
        """Log targets [B, T]."""
        scaled = self.scale_hardware(hardware)
        state = self.nodes(self.scale_nodes(nodes)) + self.hardware(scaled)[:, None]
        for message in self.messages:
            state = state + message(nn.functional.silu(state), adjacency)
        over = (bases - self.scale_bases.mean)[:, :, self.bases]
        terms = self.factors(state) + over
        # What the design adds grows with the network as its roofline does (leakage with time); areas do not.
        network = torch.logsumexp(over, dim=1, keepdim=True) * (self.bases > 0)
        laws = self.laws(scaled).view(len(hardware), OWN_SUMS, -1) + network
        sums = torch.logsumexp(torch.cat([terms, laws], dim=1), dim=1)
        # Rates (operations a second) need the network's totals; what adds up over operators has them already.
        of_workload = self.totals(self.scale_totals(totals)) * (self.bases == 0)
        return sums @ self.exponents + self.design(scaled) + of_workload + self.scale_targets.mean
