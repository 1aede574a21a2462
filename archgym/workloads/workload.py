"""A network as the cost models see it: layers in execution order, their dependences, and the merged operator table."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from archgym.workloads.operators import WEIGHT_A, WEIGHT_B, WEIGHT_NONE, Operator, merge, operator_table

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Layer:
    """One operator of a network under its name in the network."""

    name: str
    operator: Operator


TASK_DTYPE = np.dtype([("rate_hz", np.float64), ("after", np.int64), ("probability", np.float64)])


@dataclass(frozen=True)
class Task:
    """One network of a workload of several that share an accelerator.

    Attributes:
        name: of the network.
        rate_hz: frames a second.
        after: index of the task whose completed frames trigger it; -1: frames arrive by themselves.
        probability: share of frames that are run.
    """

    name: str
    rate_hz: float = 0.0
    after: int = -1
    probability: float = 1.0


@dataclass(frozen=True)
class Workload:
    """A network, or several, unmerged and in execution order.

    Attributes:
        name: canonical spec, e.g. `"llama3-8b:decode?batch=8"`.
        layers: every layer once.
        edges: data dependences (source, destination) between layer indices, source < destination.
        tasks: the networks of a workload of several, which `Operator.task` numbers; empty for a single network.
    """

    name: str
    layers: tuple[Layer, ...]
    edges: tuple[tuple[int, int], ...]
    tasks: tuple[Task, ...] = ()

    @classmethod
    def load(cls, spec: str) -> Workload:
        """The workload of a spec `name[:phase][?option=value&option=value]`.

        Examples are `resnet50?batch=8`, `llama3-8b:decode?batch=8&context=2048` and files: `model.onnx?batch=4`,
        `config.json:decode`, `net.csv`. The name of the result is the canonical spec: only what differs from the
        defaults, in a fixed order.

        Raises:
            InputError: the spec is malformed or a value cannot be used.
            UnknownNameError: no such workload, phase or option.
        """
        from archgym.workloads.spec import resolve  # the registry that it reads imports this module

        name, build, options = resolve(spec)
        return replace(build(**options), name=name)

    @classmethod
    def from_torch(
        cls, module: torch.nn.Module, example_inputs: Any, *, name: str | None = None, bits: int = 8
    ) -> Workload:
        """The workload of one forward pass of a PyTorch module; see archgym.workloads.torch_module.

        Args:
            module: in evaluation mode or not; it is traced as in evaluation, without gradients, and left unchanged.
            example_inputs: a tensor, a sequence of positional arguments or a mapping of keyword arguments.
            name: of the workload; the class of the module when None.
            bits: width of every element.

        Raises:
            InputError: the module cannot be run, or runs no operators.
            MissingExtraError: PyTorch is not installed.
        """
        from archgym.workloads.files import torch_importer

        return torch_importer()(module, example_inputs, name=name, bits=bits)

    def save(self, path: str | Path) -> None:
        """Write a table, `.csv` or `.parquet`, that `load` reads back exactly; see archgym.workloads.table.

        Raises:
            InputError: another suffix, or the file cannot be written.
        """
        from archgym.workloads.table import save_table

        save_table(self, path)

    @cached_property
    def _merged(self) -> list[tuple[int, Operator]]:
        return merge([layer.operator for layer in self.layers])

    @cached_property
    def operators(self) -> np.recarray:
        """Table [L] of OPERATOR_DTYPE: identical operators are one row with a count, in order of first occurrence."""
        return operator_table([operator for _, operator in self._merged])

    @property
    def first_layers(self) -> list[int]:
        """Index of the first layer behind each row of `operators`."""
        return [index for index, _ in self._merged]

    @cached_property
    def labels(self) -> list[str]:
        """One label per row of `operators`: the first layer's name, and how often it occurs."""
        return [
            self.layers[index].name + (f" x{operator.count:g}" if operator.count > 1 else "")
            for index, operator in self._merged
        ]

    @cached_property
    def task_table(self) -> np.recarray:
        """Table [T] of TASK_DTYPE; a single network is one task."""
        rows = [(task.rate_hz, task.after, task.probability) for task in self.tasks or (Task(self.name),)]
        return np.array(rows, TASK_DTYPE).view(np.recarray)

    @property
    def identity(self) -> bytes:
        """What a cost model is told: workloads with equal identity have equal metrics."""
        return self.operators.tobytes() + self.task_table.tobytes()

    @cached_property
    def macs(self) -> float:
        """Multiply-accumulates of the network."""
        table = self.operators
        return float(np.sum(table.count * table.batch * table.groups * table.m * table.k * table.n))

    @cached_property
    def weight_bytes(self) -> float:
        """Bytes of the weights, each once; rows gathered from an embedding table are not weights."""
        table = self.operators
        return float(np.sum(table.count * (table.weight != WEIGHT_NONE) * table.resident_bytes))

    @cached_property
    def cache_bytes(self) -> float:
        """Bytes of the key-value cache at the end of the run."""
        table = self.operators
        return float(np.sum(table.count * (table.weight == WEIGHT_NONE) * table.resident_bytes))

    @cached_property
    def compulsory_bytes(self) -> float:
        """Bytes that cross the boundary of a chip that keeps nothing between uses: weights and external tensors."""
        table = self.operators
        a_crosses = (table.a_external == 1) | (table.weight == WEIGHT_A)
        b_crosses = (table.b_external == 1) | (table.weight == WEIGHT_B)
        crossing = a_crosses * table.a_bytes + b_crosses * table.b_bytes + table.out_external * table.out_bytes
        return float(np.sum(table.count * crossing))

    @cached_property
    def vector_ops(self) -> float:
        """Lane operations of the vector unit, fused epilogues included."""
        return float(np.sum(self.operators.count * self.operators.vector_ops))
