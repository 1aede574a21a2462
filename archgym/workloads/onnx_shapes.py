"""Shapes of every tensor of an ONNX graph, node after node, with its symbolic dimensions bound to numbers.

Small tensors that are known before the run (constants, shape arithmetic) are computed on the way, since they set the
shapes of others. Weights are never read: their dimensions stand in the graph, so external data may be absent.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, TypeProto, external_data_helper, helper, numpy_helper, shape_inference
from onnx.reference import ReferenceEvaluator

from archgym.errors import InputError

SMALL = 4096  # elements of a tensor that is computed: shapes, indices, scales; a weight is no matter of shapes
RANDOM = ("RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial", "Bernoulli")
SUBGRAPHS = ("If", "Loop", "Scan")

Shape = tuple[int, ...]


class Shapes:
    """What is known of the tensors of a graph, by name.

    Attributes:
        types: type and shape.
        data: values of small tensors that are known before the run.
        absent: small tensors whose values lie in a file that is not there, and that file.
    """

    def __init__(self, model: onnx.ModelProto, path: Path, sizes: Mapping[str, int]) -> None:
        self.model, self.path, self.sizes = model, path, sizes
        self.types: dict[str, TypeProto] = {}
        self.data: dict[str, np.ndarray] = {}
        self.absent: dict[str, str] = {}
        self._declared: dict[str, TypeProto] = {}
        self._opsets = {item.domain: item.version for item in model.opset_import}

    def copy(self) -> Shapes:
        """Another one to walk a subgraph with."""
        other = Shapes(self.model, self.path, self.sizes)
        other.types, other.data, other.absent = dict(self.types), dict(self.data), dict(self.absent)
        other._declared = dict(self._declared)
        return other

    def shape(self, name: str) -> Shape | None:
        """Shape of a tensor; None where it is not known."""
        if name not in self.types or not self.types[name].tensor_type.HasField("shape"):
            return None
        dims = self.types[name].tensor_type.shape.dim
        return tuple(dim.dim_value for dim in dims) if all(dim.HasField("dim_value") for dim in dims) else None

    def enter(self, graph: onnx.GraphProto) -> None:
        """Take in the constants and declared types of a graph."""
        for info in [*graph.value_info, *graph.output]:
            self._declared[info.name] = self.bound(info.type)
        for tensor in graph.initializer:
            self.types[tensor.name] = helper.make_tensor_type_proto(tensor.data_type, tensor.dims)
            if math.prod(tensor.dims) <= SMALL:
                self._read(tensor)
        for sparse in graph.sparse_initializer:
            self.types[sparse.values.name] = helper.make_tensor_type_proto(sparse.values.data_type, sparse.dims)

    def bound(self, declared: TypeProto) -> TypeProto:
        """A declared type with its symbolic dimensions replaced by the sizes given, where they are."""
        result = TypeProto()
        result.CopyFrom(declared)
        for dim in result.tensor_type.shape.dim:
            size = dimension(dim.dim_param, self.sizes) if dim.dim_param else None
            if size is not None:
                dim.dim_value = size
            elif dim.HasField("dim_value") and dim.dim_value < 0:
                dim.ClearField("dim_value")
        return result

    def step(self, node: onnx.NodeProto) -> None:
        """Find the types of a node's outputs, and their values where they are small and known.

        Raises:
            InputError: shapes that do not fit, or values that a shape depends on and that are absent.
        """
        self._infer(node)
        if node.op_type in ("Shape", "Size") and (shape := self.shape(node.input[0])) is not None:
            attributes = {item.name: item.i for item in node.attribute}
            part = shape[attributes.get("start", 0) : attributes.get("end", len(shape))]
            value = np.array(part if node.op_type == "Shape" else math.prod(shape), np.int64)
            self._know(node.output[0], value)
        elif self._computable(node):
            self._compute(node)
        self._check_reshape(node)
        for name in node.output:
            if name and self.shape(name) is None and name in self._declared:
                self.types[name] = self._declared[name]
            if name and self.shape(name) is None:
                self._refuse_absent(node)

    def _read(self, tensor: TensorProto) -> None:
        """Take in a small tensor, from its external file if it lies in one that is there."""
        if tensor.data_location == TensorProto.EXTERNAL:
            where = next((item.value for item in tensor.external_data if item.key == "location"), "another file")
            if not (self.path.parent / where).is_file():
                self.absent[tensor.name] = where
                return
            copy = TensorProto()
            copy.CopyFrom(tensor)
            tensor = copy
            external_data_helper.load_external_data_for_tensor(tensor, str(self.path.parent))
        self.data[tensor.name] = numpy_helper.to_array(tensor)

    def _infer(self, node: onnx.NodeProto) -> None:
        for name in node.output:
            self.types.pop(name, None)
        try:
            schema = onnx.defs.get_schema(node.op_type, self._opsets.get(node.domain, 1), node.domain)
        except onnx.defs.SchemaError:  # another domain, or younger than this version of onnx
            return
        unknown = helper.make_tensor_type_proto(TensorProto.FLOAT, None)
        inputs = {name: self.types.get(name, unknown) for name in node.input if name}
        data = {name: numpy_helper.from_array(self.data[name], name) for name in node.input if name in self.data}
        versions = self.model.opset_import
        try:
            found = shape_inference.infer_node_outputs(
                schema, node, inputs, data, opset_imports=list(versions), ir_version=self.model.ir_version
            )
        except (shape_inference.InferenceError, onnx.checker.ValidationError, RuntimeError) as error:
            if node.op_type in SUBGRAPHS or unknown in inputs.values():
                return
            reason = str(error).strip().splitlines()[0]
            raise InputError(
                f"{self.path}: the shapes at {node.op_type} {label(node)!r} do not fit: {reason}"
            ) from None
        self.types |= found

    def _check_reshape(self, node: onnx.NodeProto) -> None:
        """Shape inference takes a fixed target shape as it stands."""
        if node.op_type != "Reshape" or node.domain not in ("", "ai.onnx"):
            return
        before, after = self.shape(node.input[0]), self.shape(node.output[0])
        if before is not None and after is not None and math.prod(before) != math.prod(after):
            what = f"{list(before)} into {list(after)}"
            hint = ", which fits one batch only: leave out batch=" if "batch" in self.sizes else ""
            raise InputError(f"{self.path}: the shapes at Reshape {label(node)!r} do not fit: {what}{hint}")

    def _computable(self, node: onnx.NodeProto) -> bool:
        known = all(name in self.data for name in node.input if name)
        if not known or node.op_type in (*RANDOM, *SUBGRAPHS) or node.domain not in ("", "ai.onnx"):
            return False
        shapes = [self.shape(name) for name in node.output if name]
        return all(shape is not None and math.prod(shape) <= SMALL for shape in shapes)

    def _compute(self, node: onnx.NodeProto) -> None:
        inputs = [name for name in node.input if name]
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            self._know(node.output[0], numpy_helper.to_array(node.attribute[0].t))
            return
        graph = helper.make_graph(
            [node],
            "node",
            [helper.make_value_info(name, self.types[name]) for name in dict.fromkeys(inputs)],
            [helper.make_value_info(name, self.types[name]) for name in node.output if name],
        )
        model = helper.make_model(graph, opset_imports=list(self.model.opset_import), ir_version=self.model.ir_version)
        try:
            values = ReferenceEvaluator(model).run(None, {name: self.data[name] for name in inputs})
        except Exception:  # the reference lacks some operators: then only the shape is known
            return
        for name, value in zip((name for name in node.output if name), values, strict=False):
            self._know(name, np.asarray(value))

    def _know(self, name: str, value: np.ndarray) -> None:
        self.data[name] = value
        self.types[name] = helper.make_tensor_type_proto(helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)

    def _refuse_absent(self, node: onnx.NodeProto) -> None:
        """A standard operator whose operands all have shapes, but not its result."""
        if node.domain not in ("", "ai.onnx") or any(name and self.shape(name) is None for name in node.input):
            return
        for name in node.input:
            if name in self.absent:
                raise InputError(
                    f"{self.path}: the shape after {node.op_type} {label(node)!r} depends on the values of {name!r}, "
                    f"which lie in {self.absent[name]!r} beside the model; that file is not there"
                )


def label(node: onnx.NodeProto) -> str:
    """What a node is called, by its name or its output."""
    return str(node.name or next(filter(None, node.output), node.op_type))


def dimension(text: str, sizes: Mapping[str, int]) -> int | None:
    """Size of a symbolic dimension, a name or a sum or product of names (`past + 1`); None where one is not bound."""
    if text in sizes:
        return sizes[text]
    try:
        return _evaluate(ast.parse(text, mode="eval").body, sizes)
    except (SyntaxError, KeyError, ZeroDivisionError):
        return None


_OPERATORS: dict[type, Any] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
}


def _evaluate(tree: ast.expr, sizes: Mapping[str, int]) -> int:
    if isinstance(tree, ast.Name):
        return sizes[tree.id]
    if isinstance(tree, ast.Constant) and isinstance(tree.value, int):
        return tree.value
    if isinstance(tree, ast.BinOp) and type(tree.op) in _OPERATORS:
        return int(_OPERATORS[type(tree.op)](_evaluate(tree.left, sizes), _evaluate(tree.right, sizes)))
    raise KeyError


def names_in(text: str) -> list[str]:
    """The names that bind a symbolic dimension: itself, or those of an arithmetic expression."""
    try:
        tree = ast.parse(text, mode="eval").body
    except SyntaxError:
        return [text]
    names = [item.id for item in ast.walk(tree) if isinstance(item, ast.Name)]
    return names if isinstance(tree, ast.BinOp) and names else [text]
