"""What each ONNX operator is: a product, a layer of the vector unit, free, or not costed.

Operator names and their operands are those of https://onnx.ai/onnx/operators/ up to opset 26.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import onnx

from archgym.workloads.builder import SOFTMAX
from archgym.workloads.onnx_shapes import Shape, label
from archgym.workloads.onnx_tables import ELEMENTWISE, FREE, JOINS, LRN_OTHER, NORMS, REDUCTIONS, RESIZES, VARIADIC
from archgym.workloads.recorder import FOLDED, UNARY, Value, joined

if TYPE_CHECKING:
    from archgym.workloads.onnx_file import Walk

Handler = Callable[["Walk", onnx.NodeProto], Sequence[Value]]


class UnknownShapeError(Exception):
    """An operator whose operands have no known shape: it cannot be costed."""


def attribute(node: onnx.NodeProto, name: str, default: Any = None) -> Any:
    """An attribute of a node."""
    for item in node.attribute:
        if item.name == name:
            value = onnx.helper.get_attribute_value(item)
            return value.decode() if isinstance(value, bytes) else value
    return default


def operand(name: str, values: Sequence[str], position: int) -> str:
    """Name of an operand.

    Raises:
        UnknownShapeError: the node lacks it.
    """
    if position >= len(values) or not values[position]:
        raise UnknownShapeError(name)
    return values[position]


def _shapes(walk: Walk, node: onnx.NodeProto, *positions: int) -> list[Shape]:
    """Shapes of inputs and, last, of the first output."""
    names = [*(operand(node.op_type, node.input, position) for position in positions), node.output[0]]
    shapes = [walk.shapes.shape(name) for name in names]
    if any(shape is None for shape in shapes):
        raise UnknownShapeError(node.op_type)
    return [shape for shape in shapes if shape is not None]


def _conv(walk: Walk, node: onnx.NodeProto, weights: int = 1) -> Sequence[Value]:
    """Convolution of any number of dimensions: X [B, C, ...], W [N, C/g, kernel ...]; grouped, strided or dilated."""
    (filters, depth, *kernel), out = _shapes(walk, node, weights)
    groups = attribute(node, "group", 1)
    value = walk.recorder.product(
        label(node),
        walk.value(node.input[0]),
        walk.value(node.input[weights]),
        out=math.prod(out),
        m=out[0] * math.prod(out[2:]),
        k=depth * math.prod(kernel),
        n=filters // groups,
        groups=groups,
        conv=(math.prod(kernel), out[-1]),
    )
    return [value]


def _qlinear_conv(walk: Walk, node: onnx.NodeProto) -> Sequence[Value]:
    return _conv(walk, node, 3)


def _conv_transpose(walk: Walk, node: onnx.NodeProto) -> Sequence[Value]:
    """The ordinary convolutions that a transposed one is, W [C, N/g, kernel ...].

    Every input meets every tap; an output sees the mean share of the taps, kernel / stride of them where nothing is
    cropped.
    """
    x, (channels, filters, *kernel), out = _shapes(walk, node, 0, 1)
    groups = attribute(node, "group", 1)
    taps = math.prod(kernel) * math.prod(x[2:]) / math.prod(out[2:])
    value = walk.recorder.product(
        label(node),
        walk.value(node.input[0]),
        walk.value(node.input[1]),
        out=math.prod(out),
        m=out[0] * math.prod(out[2:]),
        k=channels // groups * taps,
        n=filters,
        groups=groups,
        conv=(taps, out[-1]),
    )
    return [value]


def _matmul(walk: Walk, node: onnx.NodeProto, right: int = 1) -> Sequence[Value]:
    """Stacks of matrices; a stack times one matrix is one product of all rows."""
    a, b, out = _shapes(walk, node, 0, right)
    a, b = (1, *a) if len(a) == 1 else a, (*b, 1) if len(b) == 1 else b
    m, k, n = a[-2], a[-1], b[-1]
    left_stack, right_stack = math.prod(a[:-2]), math.prod(b[:-2])
    batch = math.prod(out) // (m * n) if m * n else 0
    if right_stack == 1:
        m, batch = m * batch, 1
    elif left_stack == 1:
        n, batch = n * batch, 1
    values = walk.value(node.input[0]), walk.value(node.input[right])
    return [walk.recorder.product(label(node), *values, out=math.prod(out), batch=batch, m=m, k=k, n=n)]


def _qlinear_matmul(walk: Walk, node: onnx.NodeProto) -> Sequence[Value]:
    return _matmul(walk, node, 3)


def _gemm(walk: Walk, node: onnx.NodeProto) -> Sequence[Value]:
    a, _, (m, n) = _shapes(walk, node, 0, 1)
    k = a[0] if attribute(node, "transA", 0) else a[1]
    values = walk.value(node.input[0]), walk.value(node.input[1])
    return [walk.recorder.product(label(node), *values, out=m * n, m=m, k=k, n=n)]


def _einsum(walk: Walk, node: onnx.NodeProto) -> Sequence[Value]:
    """A product of two operands; one operand is a transpose or sum; more, or a sum before the product: not costed."""
    *shapes, out = _shapes(walk, node, *range(len(node.input)))
    sizes = einsum_sizes(attribute(node, "equation", ""), shapes)
    values = [walk.value(name) for name in node.input]
    elements = math.prod(out)
    if len(shapes) == 1:
        if math.prod(shapes[0]) == elements:
            return [values[0].view(elements)]
        ops = math.prod(shapes[0])
        return [walk.recorder.vector("pool", label(node), values, out=elements, ops=ops)]
    if sizes is None:
        return walk.uncosted(node)
    batch, m, k, n = sizes
    if k == 1:
        return [walk.recorder.vector("elementwise", label(node), values, out=elements, ops=elements)]
    return [walk.recorder.product(label(node), *values, out=elements, batch=batch, m=m, k=k, n=n)]


def einsum_sizes(equation: str, shapes: Sequence[Shape]) -> tuple[int, int, int, int] | None:
    """(batch, m, k, n) of an einsum of two operands; None when it is no product of two matrices."""
    left, arrow, right = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != 2 or len(shapes) != 2:
        return None
    letters: list[list[str]] = []
    for term, shape in zip(terms, shapes, strict=True):
        dots = len(shape) - len(term.replace("...", ""))
        wide = [f".{index}" for index in range(dots, 0, -1)]  # counted from the right, as they broadcast
        before, _, after = term.partition("...")
        letters.append([*before, *wide, *after] if "..." in term else [*term])
    if any(len(set(term)) != len(term) or len(term) != len(shape) for term, shape in zip(letters, shapes, strict=True)):
        return None
    size: dict[str, int] = {}
    for spelled, shape in zip(letters, shapes, strict=True):
        for letter, length in zip(spelled, shape, strict=True):
            size[letter] = max(size.get(letter, 1), length)
    a, b = map(set, letters)
    kept = {letter for letter in a | b if letter.startswith(".")} | {*right.replace("...", "")}
    if not arrow:
        kept = {letter for letter in a | b if letter.startswith(".") or left.count(letter) == 1}
    if (a ^ b) - kept:
        return None

    def total(chosen: set[str]) -> int:
        return math.prod(size[letter] for letter in chosen)

    return total(a & b & kept), total((a - b) & kept), total((a & b) - kept), total((b - a) & kept)


def _recurrent(gates: int, ops: float) -> Handler:
    """LSTM, GRU and RNN: all inputs times W at once, then step by step the state times R and the cell's functions.

    W is [directions, gates * hidden, input], R [directions, gates * hidden, hidden].
    """

    def handle(walk: Walk, node: onnx.NodeProto) -> Sequence[Value]:
        x, (directions, _, hidden), _ = _shapes(walk, node, 0, 2)
        steps, requests, depth = x if not attribute(node, "layout", 0) else (x[1], x[0], x[2])
        name, wide = label(node), directions * gates * hidden
        entering = walk.recorder.product(
            f"{name}.input",
            walk.value(node.input[0]),
            walk.value(node.input[1]),
            out=steps * requests * wide,
            m=steps * requests,
            k=depth,
            n=wide,
        )
        before = [walk.value(part) for part in node.input[5:7] if part]  # the first state, where it is given
        state = joined([entering, *before], requests * directions * hidden)
        sums = walk.recorder.product(
            f"{name}.step",
            state,
            walk.value(node.input[2]),
            out=requests * wide,
            m=requests,
            k=hidden,
            n=gates * hidden,
            batch=directions,
            count=steps,
        )
        cells = requests * directions * hidden
        gate = [sums.view(requests * wide), entering.view(requests * wide)]
        out = walk.recorder.vector("elementwise", f"{name}.cell", gate, out=cells, ops=ops * cells, count=steps)
        return [out, out.view(cells), out.view(cells)][: len(node.output)]

    return handle


def _attention(walk: Walk, node: onnx.NodeProto) -> Sequence[Value]:
    """Attention of opset 23: Q, K, V as [B, heads, T, D] or [B, T, heads * D], and perhaps a cache."""
    q, k, v, _ = _shapes(walk, node, 0, 1, 2)
    query, key, value = (walk.value(node.input[position]) for position in range(3))
    heads = attribute(node, "q_num_heads") if len(q) == 3 else q[1]
    kv_heads = attribute(node, "kv_num_heads") if len(q) == 3 else k[1]
    batch, queries, keys = q[0], q[-2], k[-2]
    depth, out_depth = (q[2] // heads, v[2] // kv_heads) if len(q) == 3 else (q[3], v[3])
    if len(node.input) > 5 and node.input[4]:
        past = walk.shapes.shape(node.input[4])
        if past is None:
            raise UnknownShapeError(node.op_type)
        keys += past[2]
        key = joined([walk.value(node.input[4]), key], batch * kv_heads * keys * depth)
        value = joined([walk.value(node.input[5]), value], batch * kv_heads * keys * out_depth)
    out = walk.recorder.attention(label(node), query, key, value, (batch * heads, queries, keys, depth, out_depth))
    return [out, key, value][: len(node.output)]


def _gather(walk: Walk, node: onnx.NodeProto) -> Sequence[Value]:
    """Rows of a constant table come from outside the chip; a part of an activation that is known before is a slice."""
    data, indices = (walk.value(name) for name in node.input[:2])
    (out,) = _shapes(walk, node)
    elements = math.prod(out)
    if indices.is_constant:
        return [data.view(elements)]
    rows = data.view(elements)
    if data.is_constant:
        rows = Value(elements, sources=frozenset({f"rows of {node.output[0]}"}))
    return [walk.recorder.vector("embedding", label(node), [rows, Value(0, indices.producers)], out=elements, ops=0)]


def _free(walk: Walk, node: onnx.NodeProto) -> Sequence[Value]:
    values = [walk.value(name) for name in node.input if name]
    results = []
    for name in node.output:
        size = walk.elements(name)
        if node.op_type in JOINS and values:
            results.append(joined(values, size))
        else:
            results.append(values[0].view(size) if values else Value(size))
    return results


def _elementwise(walk: Walk, node: onnx.NodeProto) -> Sequence[Value]:
    """Clip and the like with constant bounds have one operand; a constant per channel may be folded away."""
    (out,) = _shapes(walk, node)
    elements = math.prod(out)
    names = [name for name in node.input if name]
    values = [walk.value(name) for name in names]
    ops = ELEMENTWISE[node.op_type] * (max(len(names) - 1, 1) if node.op_type in VARIADIC else 1)
    constants = [name for name, value in zip(names, values, strict=True) if value.is_constant]
    moving = [value for value in values if not value.is_constant]
    joins = ""
    if len(moving) == 1:
        shapes = [walk.shapes.shape(name) for name in constants]
        wide = [2 if shape is None else sum(size > 1 for size in shape) for shape in shapes]
        joins = UNARY if max(wide, default=0) == 0 else FOLDED if max(wide) == 1 else ""
    if joins == UNARY:
        values = moving
    kind, name = "elementwise", label(node)
    value = walk.recorder.vector(kind, name, values, out=elements, ops=ops * elements, joins=joins)
    return [value] * len(node.output)


def _norm(walk: Walk, node: onnx.NodeProto) -> Sequence[Value]:
    ops = LRN_OTHER + attribute(node, "size", 5) if node.op_type == "LRN" else NORMS[node.op_type]
    return _of_first(walk, node, "norm", ops)


def _batch_norm(walk: Walk, node: onnx.NodeProto) -> Sequence[Value]:
    return _of_first(walk, node, "norm", 2, FOLDED)  # a scale and a shift per channel


def _softmax(walk: Walk, node: onnx.NodeProto) -> Sequence[Value]:
    return _of_first(walk, node, "softmax", SOFTMAX)


def _of_first(walk: Walk, node: onnx.NodeProto, kind: str, ops: float, joins: str = "") -> Sequence[Value]:
    """A vector layer of the first input; parameters (scales, shifts) are left out."""
    (out,) = _shapes(walk, node)
    elements = math.prod(out)
    value = walk.value(node.input[0])
    result = walk.recorder.vector(kind, label(node), [value], out=elements, ops=ops * elements, joins=joins)
    return [result, *(Value(walk.elements(name)) for name in node.output[1:])]


def _pool(walk: Walk, node: onnx.NodeProto) -> Sequence[Value]:
    ops = math.prod(attribute(node, "kernel_shape", (1,))) * (2 if node.op_type == "LpPool" else 1)
    return _of_first(walk, node, "pool", ops)


def _reduction(walk: Walk, node: onnx.NodeProto) -> Sequence[Value]:
    x, out = _shapes(walk, node, 0)
    ops = REDUCTIONS[node.op_type] * math.prod(x)
    value = walk.value(node.input[0])
    return [walk.recorder.vector("pool", label(node), [value], out=math.prod(out), ops=ops)]


def _resize(walk: Walk, node: onnx.NodeProto) -> Sequence[Value]:
    return _of_first(walk, node, "elementwise", RESIZES.get(attribute(node, "mode", "nearest"), 7))


HANDLERS: dict[str, Handler] = {
    "Conv": _conv,
    "ConvInteger": _conv,
    "QLinearConv": _qlinear_conv,
    "ConvTranspose": _conv_transpose,
    "MatMul": _matmul,
    "MatMulInteger": _matmul,
    "QLinearMatMul": _qlinear_matmul,
    "Gemm": _gemm,
    "Einsum": _einsum,
    "LSTM": _recurrent(4, 13),  # 4 sums of input, state and bias, 5 functions, 3 products, a sum
    "GRU": _recurrent(3, 11),  # 3 sums, 3 functions, 3 products, a difference, a sum
    "RNN": _recurrent(1, 2),
    "Attention": _attention,
    "Gather": _gather,
    "GatherElements": _gather,
    "GatherND": _gather,
    "BatchNormalization": _batch_norm,
    "LRN": _norm,
    "Softmax": _softmax,
    "LogSoftmax": _softmax,
    "Resize": _resize,
    "Upsample": _resize,
    "GridSample": _resize,
}
HANDLERS |= dict.fromkeys(FREE, _free)
HANDLERS |= dict.fromkeys(ELEMENTWISE, _elementwise)
HANDLERS |= dict.fromkeys(NORMS, _norm)
HANDLERS |= dict.fromkeys(REDUCTIONS, _reduction)
HANDLERS |= dict.fromkeys(["MaxPool", "AveragePool", "LpPool"], _pool)
