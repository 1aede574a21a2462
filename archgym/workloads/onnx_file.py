"""ONNX models as workloads. Only shapes are read: no weights, no PyTorch.

Symbolic dimensions are options of the spec, by their names: `model.onnx?batch=1&seq=128`. `batch` also resizes a model
of fixed batch, and is the name of a leading dimension without one. `bits` is the width of every element, whatever
type the file stores.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import onnx
from onnx import inliner

from archgym.errors import ArchGymError, InputError
from archgym.spec import OptionValue, parse_options, spell_options
from archgym.workloads.onnx_operators import HANDLERS, UnknownShapeError, attribute
from archgym.workloads.onnx_shapes import Shapes, dimension, label, names_in
from archgym.workloads.recorder import Recorder, Value, joined
from archgym.workloads.workload import Workload

BITS = 8  # of every element when the spec says nothing, as for the built-in networks


def load_onnx(path: Path, query: str | None) -> Workload:
    """The workload of a model file and the options of a spec; its name is the canonical spec.

    Raises:
        InputError: the file cannot be read, leaves dimensions open, does not fit together or holds no operators.
    """
    model = _read(path)
    _name_leading_dimensions(model)
    defaults = _options(model)
    given = parse_options(str(path), query, defaults) if query is not None else {}
    sizes = {name: int(value) for name, value in given.items()}
    bits = sizes.pop("bits", BITS)
    _bind(model, path, sizes)
    try:
        return _Import(model, path, sizes, bits).workload(str(path) + spell_options(given, defaults))
    except ArchGymError:
        raise
    except (
        ArithmeticError,
        AttributeError,
        LookupError,
        TypeError,
        ValueError,
    ) as error:  # bytes that no exporter writes
        raise InputError(f"{path} is not a valid ONNX file: {(str(error) or repr(error)).splitlines()[0]}") from error


def _read(path: Path) -> onnx.ModelProto:
    try:
        model = onnx.load(str(path), load_external_data=False)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    except Exception as error:  # of the protobuf library: it has no base class of its own
        raise InputError(f"{path} is not a valid ONNX file: {(str(error) or repr(error)).splitlines()[0]}") from None
    if not model.HasField("graph") or not model.opset_import:
        raise InputError(f"{path} is not a valid ONNX file: it holds no graph")
    if any(isinstance(dim.dim_param, bytes) for dim in _dimensions(model)):  # what is no UTF-8
        raise InputError(f"{path} is not a valid ONNX file: the name of a dimension is no text")
    return inliner.inline_local_functions(model) if model.functions else model


def _inputs(model: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    """The inputs of the graph; before IR version 4 weights were listed among them."""
    weights = {tensor.name for tensor in model.graph.initializer}
    return [info for info in model.graph.input if info.name not in weights]


def _dimensions(model: onnx.ModelProto) -> Iterator[onnx.TensorShapeProto.Dimension]:
    for info in _inputs(model):
        yield from info.type.tensor_type.shape.dim


def _name_leading_dimensions(model: onnx.ModelProto) -> None:
    """Dimensions without name or size get one: `batch` for the first of an input, else `input.axis`."""
    for info in _inputs(model):
        for axis, dim in enumerate(info.type.tensor_type.shape.dim):
            if not dim.dim_param and (not dim.HasField("dim_value") or dim.dim_value <= 0):
                dim.dim_param = f"{info.name}.{axis}" if axis else "batch"


def _options(model: onnx.ModelProto) -> dict[str, OptionValue]:
    """The options of a model: 0 stands for a dimension that has no default."""
    names = [name for dim in _dimensions(model) if dim.dim_param for name in names_in(dim.dim_param)]
    defaults: dict[str, OptionValue] = dict.fromkeys(["batch", *names], 0)
    return defaults | {"bits": BITS}


def _bind(model: onnx.ModelProto, path: Path, sizes: Mapping[str, int]) -> None:
    """Write the sizes into the inputs.

    Raises:
        InputError: a dimension stays open, or an input has no shape at all.
    """
    for info in _inputs(model):
        if info.type.HasField("tensor_type") and not info.type.tensor_type.HasField("shape"):
            raise InputError(f"{path}: the input {info.name!r} declares no shape; export the model with one")
    names = {name: None for dim in _dimensions(model) if dim.dim_param for name in names_in(dim.dim_param)}
    open_names = [name for name in names if name not in sizes]
    if open_names:
        query = "&".join(f"{name}={sizes.get(name, 1 if name == 'batch' else 128)}" for name in names)
        raise InputError(
            f"{path} leaves dimensions open: {', '.join(open_names)}; give every one a size, e.g. '{path}?{query}'"
        )
    fixed = [info.type.tensor_type.shape.dim for info in _inputs(model) if info.type.tensor_type.shape.dim]
    before = fixed[0][0].dim_value if fixed else 0
    if "batch" in sizes and "batch" not in names:
        for dims in fixed:
            if dims[0].dim_value == before and not dims[0].dim_param:
                dims[0].dim_value = sizes["batch"]
        if sizes["batch"] != before:
            del model.graph.value_info[:]  # of the other batch
            for info in model.graph.output:
                info.type.tensor_type.ClearField("shape")
    for dim in _dimensions(model):
        if dim.dim_param:
            size = dimension(dim.dim_param, sizes)
            if size is None or size < 0:
                raise InputError(f"{path}: the dimension {dim.dim_param!r} has no size with these options")
            dim.dim_value = size


class _Import:
    """One model on its way to a workload."""

    def __init__(self, model: onnx.ModelProto, path: Path, sizes: Mapping[str, int], bits: int) -> None:
        self.model, self.path = model, path
        self.shapes, self.recorder = Shapes(model, path, sizes), Recorder(bits)

    def workload(self, name: str) -> Workload:
        graph, inputs = self.model.graph, _inputs(self.model)
        values: dict[str, Value] = {}
        for info in inputs:
            self.shapes.types[info.name] = self.shapes.bound(info.type)
            values[info.name] = Value(math.prod(self.shapes.shape(info.name) or ()), sources=frozenset({info.name}))
        leading = [shape[0] for info in inputs if (shape := self.shapes.shape(info.name))]
        self.recorder.requests = max(leading[0], 1) if leading else 1
        walk = Walk(self.shapes, self.recorder, values, self.path)
        walk.graph(graph)
        workload = self.recorder.build(name, [walk.value(info.name) for info in graph.output])
        if not workload.layers:
            raise InputError(f"{self.path} holds no operators: there is nothing to evaluate")
        return workload


class Walk:
    """The way through a graph, node after node.

    Attributes:
        shapes: what is known of every tensor.
        recorder: where the layers go.
    """

    def __init__(self, shapes: Shapes, recorder: Recorder, values: dict[str, Value], path: Path) -> None:
        self.shapes, self.recorder, self._values, self._path = shapes, recorder, values, path

    def graph(self, graph: onnx.GraphProto) -> None:
        """Take all nodes of a graph, which ONNX keeps in order of execution.

        Raises:
            InputError: the graph does not fit together.
        """
        self.shapes.enter(graph)
        for tensor in [*graph.initializer, *(sparse.values for sparse in graph.sparse_initializer)]:
            self._values[tensor.name] = Value(self.elements(tensor.name), constant=frozenset({tensor.name}))
        for number, node in enumerate(graph.node):
            if not node.name:
                node.name = f"{node.op_type}_{number}"
            for name in node.input:
                self.value(name)
            self._node(node)

    def value(self, name: str) -> Value:
        """The value of a tensor.

        Raises:
            InputError: nothing makes it.
        """
        if not name:
            return Value(0)
        if name not in self._values:
            raise InputError(f"{self._path} is not a valid ONNX file: nothing makes the tensor {name!r}")
        return self._values[name]

    def elements(self, name: str) -> float:
        """Number of elements of a tensor; 0 where its shape is not known."""
        shape = self.shapes.shape(name)
        return 0 if shape is None else math.prod(shape)

    def uncosted(self, node: onnx.NodeProto, kind: str = "", macs: float = 0) -> Sequence[Value]:
        """A node that cannot be costed: all its bytes are moved."""
        kind = kind or (f"{node.domain}.{node.op_type}" if node.domain else node.op_type)
        values = [self.value(name) for name in node.input if name]
        values += [self._values[name] for name in _outer_names(node) if name in self._values]
        sizes = [self.elements(name) for name in node.output]
        result = self.recorder.uncosted(kind, label(node), values, out=sum(sizes), macs=macs)
        return [result.view(size) for size in sizes]

    def _node(self, node: onnx.NodeProto) -> None:
        if node.op_type == "If" and node.input[0] in self.shapes.data:
            self._branch(node)
            return
        self.shapes.step(node)
        if node.output and all(name in self.shapes.data for name in node.output if name):
            for name in node.output:  # shape arithmetic and constants: known before the run
                self._values[name] = Value(self.elements(name), constant=frozenset({name}))
            return
        for name, value in zip(node.output, self._results(node), strict=False):
            if name:
                self._values[name] = value

    def _results(self, node: onnx.NodeProto) -> Sequence[Value]:
        values = [self.value(name) for name in node.input if name]
        handler = HANDLERS.get(node.op_type) if node.domain in ("", "ai.onnx") else None
        if any(item.HasField("g") for item in node.attribute):
            return self.uncosted(node, macs=self._contents(node))
        if values and all(value.is_constant for value in values):  # computed once, before the run
            return [joined(values, self.elements(name)) for name in node.output]
        if handler is None:
            return self.uncosted(node)
        try:
            return handler(self, node)
        except UnknownShapeError:
            return self.uncosted(node, f"{node.op_type} of unknown shape")

    def _branch(self, node: onnx.NodeProto) -> None:
        """The branch of an If whose condition is known."""
        chosen = "then_branch" if self.shapes.data[node.input[0]].all() else "else_branch"
        branch = attribute(node, chosen)
        self.graph(branch)
        for name, inner in zip(node.output, branch.output, strict=False):
            self._values[name] = self.value(inner.name)
            self.shapes.types[name] = self.shapes.types.get(inner.name, inner.type)
            if inner.name in self.shapes.data:
                self.shapes.data[name] = self.shapes.data[inner.name]

    def _contents(self, node: onnx.NodeProto) -> float:
        """MACs inside the subgraphs of a node, each run once; the larger branch of an If."""
        totals = []
        for item in node.attribute:
            if not item.HasField("g"):
                continue
            walk = Walk(self.shapes.copy(), Recorder(), dict(self._values), self._path)
            walk.bind(item.g, node)
            walk.graph(item.g)
            totals.append(walk.recorder.macs)
        return max(totals, default=0)

    def bind(self, graph: onnx.GraphProto, node: onnx.NodeProto) -> None:
        """Give the inputs of a loop's body the shapes of what enters the loop."""
        for position, info in enumerate(graph.input):
            self.shapes.types[info.name] = self.shapes.bound(info.type)
            entering = node.input[position] if node.op_type == "Loop" and position < len(node.input) else ""
            if self.shapes.shape(info.name) is None and entering in self.shapes.types:
                self.shapes.types[info.name] = self.shapes.types[entering]
            self._values[info.name] = Value(self.elements(info.name), sources=frozenset({info.name}))


def _outer_names(node: onnx.NodeProto) -> set[str]:
    """Tensors that the subgraphs of a node read from outside."""
    names: set[str] = set()
    for item in node.attribute:
        if item.HasField("g"):
            for inner in item.g.node:
                names |= set(inner.input) | _outer_names(inner)
    return names - {""}
