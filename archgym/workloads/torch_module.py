"""PyTorch modules as workloads: one forward pass, recorded where PyTorch dispatches its operators.

The pass runs on tensors that have shapes and no data (FakeTensorMode), whatever device the module lies on: nothing is
computed, no weights are needed, the meta device is as good as any. A module whose way depends on data is run with its
own data instead, where it has some.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

from archgym.errors import InputError
from archgym.spec import LARGEST
from archgym.workloads.recorder import Recorder, Value, joined, warn_uncosted
from archgym.workloads.torch_operators import handler_of
from archgym.workloads.workload import Workload


def from_torch(module: torch.nn.Module, example_inputs: Any, *, name: str | None = None, bits: int = 8) -> Workload:
    """The workload of one forward pass; see Workload.from_torch.

    Raises:
        InputError: the module cannot be run, or runs no operators.
    """
    if not isinstance(module, torch.nn.Module):
        raise InputError(f"from_torch takes a torch.nn.Module, not {type(module).__name__}")
    if not 0 < bits <= LARGEST["bits"]:
        raise InputError(f"bits must be positive and at most {LARGEST['bits']}, not {bits}")
    name = name or type(module).__name__
    arguments = _arguments(example_inputs)
    with _evaluating(module):
        try:
            trace, outputs = _run(module, arguments, bits, fake=True)
        except Exception as error:
            tensors = [*module.parameters(), *module.buffers(), *tree_leaves(arguments)]
            if any(isinstance(tensor, torch.Tensor) and tensor.is_meta for tensor in tensors):  # no data to run with
                raise InputError(f"{name} cannot be run without data: {_reason(error)}") from error
            try:
                trace, outputs = _run(module, arguments, bits, fake=False)
            except Exception as failure:
                raise InputError(f"{name} cannot be run on the example inputs: {_reason(failure)}") from failure
    workload = trace.recorder.build(name, [trace.value(tensor) for tensor in _tensors(outputs)])
    if not workload.layers:
        raise InputError(f"{name} runs no operators: there is nothing to evaluate")
    warn_uncosted(workload, name)
    return workload


def _reason(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _arguments(example_inputs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Positional and keyword arguments."""
    if isinstance(example_inputs, Mapping):
        return (), dict(example_inputs)
    if isinstance(example_inputs, Sequence) and not isinstance(example_inputs, str):
        return tuple(example_inputs), {}
    return (example_inputs,), {}


def _tensors(outputs: Any, depth: int = 4) -> Iterator[torch.Tensor]:
    """The tensors in what a module returns: containers, and objects with tensors in their attributes."""
    for leaf in tree_leaves(outputs):
        if isinstance(leaf, torch.Tensor):
            yield leaf
        elif depth and isinstance(leaf, Mapping):
            yield from _tensors(list(leaf.values()), depth - 1)
        elif depth and hasattr(leaf, "__dict__"):
            yield from _tensors(list(vars(leaf).values()), depth - 1)


@contextlib.contextmanager
def _evaluating(module: torch.nn.Module) -> Iterator[None]:
    """Evaluation mode without gradients and without fused layers that hide their products; restored afterwards."""
    training = {part: part.training for part in module.modules()}
    attention, onednn = torch.backends.mha.get_fastpath_enabled(), torch.backends.mkldnn.enabled
    log = logging.getLogger("torch._subclasses.fake_tensor")  # it logs what is raised as an error below
    try:
        log.disabled = True
        torch.backends.mha.set_fastpath_enabled(False)
        torch._C._set_mkldnn_enabled(False)  # `torch.backends.mkldnn.flags` warns of hardware that is not there
        module.eval()
        with torch.no_grad():
            yield
    finally:
        log.disabled = False
        torch.backends.mha.set_fastpath_enabled(attention)
        torch._C._set_mkldnn_enabled(onednn)
        for part, mode in training.items():
            part.training = mode


def _run(
    module: torch.nn.Module, arguments: tuple[tuple[Any, ...], dict[str, Any]], bits: int, fake: bool
) -> tuple[_Trace, Any]:
    """Run the module under a trace; with fake tensors all lie on one device, the CPU."""
    state = {name: tensor.detach() for name, tensor in module.named_parameters()}
    state |= {name: tensor.detach() for name, tensor in module.named_buffers()}
    shapes: Any = FakeTensorMode(allow_non_fake_inputs=True) if fake else contextlib.nullcontext()
    if fake:
        with shapes:
            state = {name: _like(tensor) for name, tensor in state.items()}
            arguments = tree_map_only(torch.Tensor, _like, arguments)
    inputs = [tensor for tensor in tree_leaves(arguments) if isinstance(tensor, torch.Tensor)]
    requests = next((tensor.shape[0] for tensor in inputs if tensor.dim()), 1)
    trace = _Trace(Recorder(bits, max(requests, 1)))
    for name, tensor in state.items():
        trace.know(tensor, Value(tensor.numel(), constant=frozenset({name})))
    for index, tensor in enumerate(inputs):
        trace.know(tensor, Value(tensor.numel(), sources=frozenset({f"input {index}"})))
    args, kwargs = arguments
    with _scopes(module, trace.scope), shapes, trace:
        outputs = torch.func.functional_call(module, state, args, kwargs)
    return trace, outputs


def _like(tensor: torch.Tensor) -> torch.Tensor:
    return torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device="cpu")


@contextlib.contextmanager
def _scopes(module: torch.nn.Module, scope: list[str]) -> Iterator[None]:
    """Keep the path of the running submodule at the end of `scope`."""

    def leave(*_: Any) -> None:  # what a hook returns replaces the module's output
        scope.pop()

    handles = []
    for name, part in module.named_modules():
        handles.append(part.register_forward_pre_hook(lambda *_, name=name: scope.append(name)))
        handles.append(part.register_forward_hook(leave, always_call=True))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@dataclass
class Call:
    """One call of an operator.

    Attributes:
        name: without overload, and without the underscore of an in-place form.
        args: positional arguments.
        tensors: the tensors among all arguments.
        outs: the tensors among its results.
        number: of the call.
        trace: where values are looked up.
    """

    name: str
    args: Sequence[Any]
    tensors: list[torch.Tensor]
    outs: list[torch.Tensor]
    number: int
    trace: _Trace

    @property
    def recorder(self) -> Recorder:
        """Where the layers go."""
        return self.trace.recorder

    @property
    def out(self) -> torch.Tensor:
        """The first result."""
        return self.outs[0]

    @property
    def label(self) -> str:
        """Path of the module that calls and the operator: `layer1.0.conv1.convolution`."""
        return ".".join(filter(None, [self.trace.scope[-1] if self.trace.scope else "", self.name]))

    def value(self, tensor: torch.Tensor) -> Value:
        """What a tensor holds."""
        return self.trace.value(tensor)

    def constant(self, tensor: torch.Tensor) -> Value:
        """A tensor that depends on nothing."""
        return Value(tensor.numel(), constant=frozenset({f"constant {self.number}"}))

    def whole(self, tensor: torch.Tensor) -> int:
        """Elements of the storage a tensor is a view of."""
        return tensor.untyped_storage().nbytes() // tensor.element_size()

    def uncosted(self) -> Sequence[Value]:
        """A call that cannot be costed: all its bytes are moved."""
        values = [self.value(tensor) for tensor in self.tensors]
        size = sum(tensor.numel() for tensor in self.outs)
        result = self.recorder.uncosted(f"aten.{self.name}", self.label, values, out=size)
        return [result.view(tensor.numel()) for tensor in self.outs]


class _Trace(TorchDispatchMode):  # type: ignore[misc]  # PyTorch is not followed by mypy
    """Records every operator; tensors are known by their storage, so that views are their base."""

    def __init__(self, recorder: Recorder) -> None:
        super().__init__()
        self.recorder, self.scope = recorder, list[str]()
        self._values: dict[StorageWeakRef, Value] = {}
        self._calls = 0

    def know(self, tensor: torch.Tensor, value: Value) -> None:
        """Remember what a tensor, and every view of it, holds."""
        self._values[StorageWeakRef(tensor.untyped_storage())] = value

    def value(self, tensor: torch.Tensor) -> Value:
        """What a tensor holds, and how many distinct elements of it; a tensor from nowhere is a constant."""
        key = StorageWeakRef(tensor.untyped_storage())
        found = self._values.setdefault(key, Value(0, constant=frozenset({f"constant {key.cdata}"})))
        distinct = 1
        for size, stride in zip(tensor.shape, tensor.stride(), strict=True):
            distinct *= size if stride else min(size, 1)
        return found.view(distinct)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func._schema.name == "aten::_grouped_mm" and args[0].dtype != torch.bfloat16:
            result = args[0].new_empty((args[0].shape[0], args[1].shape[-1]))  # its shape function knows one type only
        else:
            result = func(*args, **kwargs)
        outs = [item for item in tree_leaves(result) if isinstance(item, torch.Tensor)]
        if (
            not outs
            or func.is_view
            or torch.Tag.inplace_view in func.tags
            or not isinstance(func, torch._ops.OpOverload)
        ):
            return result
        self._calls += 1
        tensors = [item for item in tree_leaves((args, kwargs)) if isinstance(item, torch.Tensor)]
        name = func._schema.name.partition("::")[2].rstrip("_")
        call = Call(name, args, tensors, outs, self._calls, self)
        for tensor, value in zip(outs, self._results(call, func), strict=False):
            self.know(tensor, self._kept(func, tensor, value))
        return result

    def _results(self, call: Call, func: Any) -> Sequence[Value]:
        values = [call.value(tensor) for tensor in call.tensors]
        if all(value.is_constant for value in values):  # also of no tensors: known before the run
            merged = joined(values, 0).constant
            return [Value(tensor.numel(), constant=merged or call.constant(tensor).constant) for tensor in call.outs]
        handler = handler_of(call.name, func.tags)
        return call.uncosted() if handler is None else handler(call)

    def _kept(self, func: Any, tensor: torch.Tensor, value: Value) -> Value:
        """After writing to a part of a tensor in place, it holds what it held and the new data."""
        whole = tensor.untyped_storage().nbytes() // tensor.element_size()
        if not func._schema.is_mutable or tensor.numel() >= whole:
            return value
        before = self._values.get(StorageWeakRef(tensor.untyped_storage()))
        return joined([before, value], whole) if before else replace_elements(value, whole)


def replace_elements(value: Value, elements: float) -> Value:
    """The same data as a part of a larger tensor."""
    return joined([value], elements)
