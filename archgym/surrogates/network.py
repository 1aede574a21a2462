"""How neural surrogates are trained: deep ensembles in PyTorch, one network after the other.

Sources: B. Lakshminarayanan, A. Pritzel, C. Blundell, "Simple and scalable predictive uncertainty estimation using deep
ensembles", NeurIPS 2017 (members differ in their start and the order of designs); L. Smith, N. Topin,
"Super-convergence", arXiv 1708.07120 (one cycle of the learning rate).
"""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from archgym.agents.torch_seeding import isolated
from archgym.surrogates.base import Arrays, Estimate, Model, OnStep, Part, arrays_under, estimate_of
from archgym.surrogates.features import Seen

CHUNK = 2048  # designs predicted at a time
REFINING = 0.2  # of the learning rate, where a trained ensemble learns more
DELTA = 0.1  # logarithmic error beyond which the loss is linear: designs far off do not rule
LATEST = 0.5  # share of the cycle after which training may stop early: before, the learning rate is still high


class Inputs(NamedTuple):
    """What a network reads: one row per design, and of the workload."""

    designs: tuple[torch.Tensor, ...]
    workload: tuple[torch.Tensor, ...] = ()

    def take(self, rows: torch.Tensor) -> Inputs:
        """Some of the designs."""
        return Inputs(tuple(tensor[rows] for tensor in self.designs), self.workload)


class Network(nn.Module):  # type: ignore[misc]
    """A member of the ensemble: takes the tensors of Inputs, gives log targets [B, T].

    Attributes:
        sizes: widths of its inputs.
    """

    sizes: dict[str, int]

    def calibrate(self, train: Sequence[Part]) -> None:
        """Fit the scales of inputs and targets, before training."""
        raise NotImplementedError


class Networks(Model):
    """Base of neural surrogates.

    Args:
        seed: of starts and orders.
        bases: see Model.
        members: networks of the ensemble.
        width: of the hidden layers.
        epochs: passes over the training designs at most.
        rate: highest learning rate.
        batch: designs of a step.
        patience: checks in a row (twenty per training) without improvement after which training stops.
    """

    def __init__(
        self,
        seed: int,
        bases: Sequence[int],
        members: int,
        width: int,
        epochs: int,
        rate: float,
        batch: int,
        patience: int,
    ) -> None:
        super().__init__(seed, bases)
        self.members, self.width, self.epochs, self.rate = members, width, epochs, rate
        self.batch, self.patience = batch, patience
        self._networks: list[Network] = []

    @abstractmethod
    def build(self, seen: Seen) -> Network:
        """An untrained network for designs like these."""

    @abstractmethod
    def rebuild(self, sizes: Mapping[str, int]) -> Network:
        """A network of these sizes."""

    @abstractmethod
    def inputs(self, seen: Seen) -> Inputs:
        """What the network reads of designs on a workload."""

    def fit(self, train: Sequence[Part], validation: Sequence[Part], on_step: OnStep | None = None) -> None:
        """Train the members; keeps of each the weights that were best on the validation designs."""
        self._networks = []
        for member in range(self.members):
            rng = np.random.default_rng([self.seed, member])
            with isolated(rng):
                network = self.build(train[0].seen)
                network.calibrate(train)
                self._networks.append(self._trained(network, train, validation, rng, member, on_step))

    def _trained(
        self,
        network: Network,
        train: Sequence[Part],
        validation: Sequence[Part],
        rng: np.random.Generator,
        member: int,
        on_step: OnStep | None,
    ) -> Network:
        loaded = [(self.inputs(part.seen), torch.from_numpy(part.targets)) for part in train]
        share = max(self.batch // len(train), 1)
        steps = self.epochs * max(-(-len(part.seen) // share) for part in train)
        optimiser = torch.optim.AdamW(
            network.parameters(), lr=self.rate, betas=(0.9, 0.95), weight_decay=1e-4, fused=True
        )
        cycle = torch.optim.lr_scheduler.OneCycleLR(optimiser, self.rate, total_steps=max(steps, 2))
        best, weights, waited = np.inf, copy.deepcopy(network.state_dict()), 0
        every = max(steps // 20, 1)
        for step, batch in enumerate(self._batches(loaded, share, rng), 1):
            found = torch.cat([network(*inputs.designs, *inputs.workload) for inputs, _ in batch])
            loss = nn.functional.huber_loss(found, torch.cat([targets for _, targets in batch]), delta=DELTA) / DELTA
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 10.0)
            optimiser.step()
            cycle.step()
            if step % every and step < steps:
                continue
            error = self._error(network, validation or train)
            if on_step is not None:
                on_step(member * steps + step, self.members * steps, error)
            if error < best:
                best, weights, waited = error, copy.deepcopy(network.state_dict()), 0
            else:
                waited += step > LATEST * steps
            if waited >= self.patience:
                break
        network.load_state_dict(weights)
        return network.eval()

    def _batches(
        self, loaded: Sequence[tuple[Inputs, torch.Tensor]], share: int, rng: np.random.Generator
    ) -> Iterator[list[tuple[Inputs, torch.Tensor]]]:
        """Batches with `share` designs of every network, epoch after epoch: one network at a time pulls too hard."""
        for _ in range(self.epochs):
            orders = [torch.from_numpy(rng.permutation(len(targets))) for _, targets in loaded]
            for start in range(0, max(map(len, orders)), share):
                picked = [(pair, order[start : start + share]) for pair, order in zip(loaded, orders, strict=True)]
                yield [(inputs.take(rows), targets[rows]) for (inputs, targets), rows in picked if len(rows)]

    def _error(self, network: Network, parts: Sequence[Part]) -> float:
        """Mean absolute error of log targets."""
        errors = [np.abs(self._outputs(network, part.seen) - part.targets) for part in parts]
        return float(np.mean(np.concatenate(errors)))

    def refined(self, train: Sequence[Part], seed: int, epochs: int, batch: int) -> Networks:
        """The ensemble trained further on a few designs, more gently; this one stays as it is."""
        model = copy.copy(self)
        model.seed, model.epochs, model.batch, model.rate = seed, epochs, batch, REFINING * self.rate
        model._networks = []
        for member, network in enumerate(self._networks):
            rng = np.random.default_rng([seed, member])
            with isolated(rng):
                model._networks.append(model._trained(copy.deepcopy(network), train, [], rng, member, None))
        return model

    def predict(self, seen: Seen) -> Estimate:
        """Mean and deviation of the members."""
        return estimate_of(np.stack([self.predictions(seen, member) for member in range(self.members)]))

    def predictions(self, seen: Seen, member: int) -> NDArray[np.float32]:
        """Log targets [N, T] by one member."""
        return self._outputs(self._networks[member], seen)

    def _outputs(self, network: Network, seen: Seen) -> NDArray[np.float32]:
        """Log targets [N, T]."""
        chunks = [seen.take(slice(start, start + CHUNK)) for start in range(0, len(seen), CHUNK)]
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            with torch.inference_mode():
                inputs = [self.inputs(chunk) for chunk in chunks]
                return np.concatenate([network(*of.designs, *of.workload).numpy() for of in inputs])
        finally:
            torch.set_num_threads(threads)

    def state(self) -> tuple[dict[str, Any], Arrays]:
        """Weights of the members."""
        weights = [network.state_dict() for network in self._networks]
        arrays = {f"{number}.{name}": of[name].numpy() for number, of in enumerate(weights) for name in of}
        return {"sizes": self._networks[0].sizes}, arrays

    def load(self, values: Mapping[str, Any], arrays: Arrays) -> None:
        """The members with their weights."""
        self._networks = []
        for number in range(self.members):
            network = self.rebuild(values["sizes"])
            own = arrays_under(arrays, f"{number}.")
            network.load_state_dict({name: torch.from_numpy(np.array(array)) for name, array in own.items()})
            self._networks.append(network.eval())


class Scale(nn.Module):  # type: ignore[misc]
    """Shifts and scales features to mean 0 and deviation 1 over the training designs; constant ones become 0."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("factor", torch.zeros(width))

    def fit(self, arrays: Sequence[NDArray[np.float32]]) -> None:
        """Learn mean and deviation of features [..., width]."""
        flat = np.concatenate([array.reshape(-1, len(self.mean)) for array in arrays]).astype(np.float64)
        std = np.std(flat, axis=0)
        self.mean.copy_(torch.from_numpy(np.mean(flat, axis=0).astype(np.float32)))
        self.factor.copy_(torch.from_numpy(np.where(std > 1e-4, 1 / np.maximum(std, 1e-4), 0).astype(np.float32)))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Features [..., width], beyond eight deviations cut off."""
        return ((features - self.mean) * self.factor).clamp(-8.0, 8.0)
