"""What each ATen operator is: a product, a layer of the vector unit, free, or not costed.

Operators are those that reach PyTorch's dispatcher (aten/src/ATen/native/native_functions.yaml): `linear`, `einsum`
and the like have become products by then. Names come without overload and without the underscore of in-place forms.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch

from archgym.workloads.builder import GELU, LAYER_NORM, RMS_NORM, SILU, SOFTMAX
from archgym.workloads.recorder import FOLDED, UNARY, Value, joined

if TYPE_CHECKING:
    from archgym.workloads.torch_module import Call

Handler = Callable[["Call"], Sequence[Value]]


def _words(*lines: str) -> frozenset[str]:
    return frozenset(" ".join(lines).split())


# Data stay where they are, or an address changes. Views are recognised by their schema.
FREE = _words(
    "_to_copy alias arange channel_shuffle clone constant_pad_nd contiguous copy detach empty empty_like",
    "empty_permuted empty_strided eye fill flip full full_like lift lift_fresh lift_fresh_copy linspace",
    "native_dropout native_channel_shuffle new_empty new_empty_strided new_full new_ones new_zeros ones ones_like",
    "pixel_shuffle pixel_unshuffle rand rand_like randint randn randn_like reflection_pad1d reflection_pad2d repeat",
    "repeat_interleave replication_pad2d resize roll scalar_tensor zero zeros zeros_like bernoulli uniform normal",
    "_reshape_copy _unsafe_view im2col unsafe_split unsafe_split_with_sizes unsafe_chunk unfold_copy",
    "_assert_async _assert_tensor_metadata",
)
JOINS = _words(
    "cat copy hstack index_copy index_put masked_scatter scatter select_scatter slice_scatter stack vstack",
    "_unsafe_index_put as_strided_scatter index_fill diagonal_scatter",
)
GATHERS = _words("embedding gather index index_select take _unsafe_index")

# Lane operations per output; 1 for every other pointwise operator.
POINTWISE: dict[str, float] = {"gelu": GELU, "silu": SILU, "leaky_relu": 2, "softplus": 2, "addcmul": 2, "addcdiv": 2}
POINTWISE |= {"lerp": 2, "prelu": 2, "_prelu_kernel": 2, "hardsigmoid": 3, "elu": 3, "hardswish": 4, "mish": 4}
ELEMENTWISE = _words("floor_divide masked_fill tril triu where bitwise_and bitwise_or bitwise_not glu")
NORMS: dict[str, float] = {"native_layer_norm": LAYER_NORM, "native_group_norm": LAYER_NORM}
NORMS |= {"_fused_rms_norm": RMS_NORM, "_native_batch_norm_legit": LAYER_NORM}
BATCH_NORMS = _words(
    "native_batch_norm _native_batch_norm_legit_no_training cudnn_batch_norm miopen_batch_norm",
    "_batch_norm_no_update batch_norm_elemt",
)
REDUCTIONS = _words(
    "sum mean amax amin max min any all argmax argmin prod var var_mean std norm linalg_vector_norm logsumexp cumsum",
    "cumprod nansum _adaptive_avg_pool2d _adaptive_avg_pool3d adaptive_max_pool2d adaptive_max_pool3d",
)
POOLS = _words(
    "max_pool2d_with_indices max_pool3d_with_indices avg_pool1d avg_pool2d avg_pool3d max_pool2d mkldnn_max_pool2d"
)
RESIZES: dict[str, float] = {}
for _mode, _ops in (("nearest", 1), ("nearest_exact", 1), ("bilinear", 7), ("linear", 3), ("bicubic", 31)):
    for _kind in ("upsample_{}{}", "_upsample_{}{}", "_upsample_{}{}_aa"):
        for _rank in ("", "1d", "2d", "3d"):
            RESIZES[_kind.format(_mode, _rank)] = _ops  # a copy; products and sums of 2, 4 and of 16 neighbours
RESIZES |= {"upsample_trilinear3d": 15, "grid_sampler_2d": 7, "grid_sampler_3d": 15}


def handler_of(name: str, tags: Sequence[Any]) -> Handler | None:
    """What to do with an operator; None where it cannot be costed."""
    if name in HANDLERS:
        return HANDLERS[name]
    return _elementwise if torch.Tag.pointwise in tags else None


def _mm(call: Call) -> Sequence[Value]:
    """A [m, k] x B [k, n]; `addmm` has a bias before them, which is left out."""
    a, b = call.tensors[-2:]
    m, k, n = a.shape[0], a.shape[1], (b.shape[1] if b.dim() == 2 else 1)
    return [call.recorder.product(call.label, call.value(a), call.value(b), out=m * n, m=m, k=k, n=n)]


def _bmm(call: Call) -> Sequence[Value]:
    """Stacks A [batch, m, k] x B [batch, k, n]; a stack of one weight matrix is one product of all rows."""
    a, b = call.tensors[-2:]
    batch, m, k = a.shape
    n, out = b.shape[2], a.shape[0] * a.shape[1] * b.shape[2]
    left, right = call.value(a), call.value(b)
    if right.is_constant and right.elements == k * n:
        m, batch = m * batch, 1
    elif left.is_constant and left.elements == m * k:
        n, batch = n * batch, 1
    return [call.recorder.product(call.label, left, right, out=out, batch=batch, m=m, k=k, n=n)]


def _grouped_mm(call: Call) -> Sequence[Value]:
    """Rows of A [rows, k], sorted by expert, x B [experts, k, n]; spread evenly over the experts."""
    a, b = call.tensors[:2]
    if a.dim() != 2 or b.dim() != 3:
        return call.uncosted()
    rows, (experts, k, n) = a.shape[0], b.shape
    used = min(rows, experts)
    left, right = call.value(a), call.value(b)
    return [call.recorder.product(call.label, left, right, out=rows * n, batch=used, m=rows / used, k=k, n=n)]


def _dot(call: Call) -> Sequence[Value]:
    a, b = call.tensors
    return [call.recorder.product(call.label, call.value(a), call.value(b), out=1, m=1, k=a.numel(), n=1)]


def _convolution(call: Call) -> Sequence[Value]:
    """(input, weight, bias, stride, padding, dilation, transposed, output_padding, groups); any number of dimensions.

    A transposed one is the ordinary convolutions that it stands for: an output sees the mean share of the taps.
    """
    x, weight = call.tensors[:2]
    transposed, groups = call.args[6], call.args[8]
    out, taps = call.out.shape, math.prod(weight.shape[2:])
    depth, filters = weight.shape[1], weight.shape[0] // groups
    if transposed:
        taps = taps * math.prod(x.shape[2:]) / math.prod(out[2:])
        depth, filters = filters, weight.shape[1]
    value = call.recorder.product(
        call.label,
        call.value(x),
        call.value(weight),
        out=call.out.numel(),
        m=out[0] * math.prod(out[2:]),
        k=depth * taps,
        n=filters,
        groups=groups,
        conv=(taps, out[-1]),
    )
    return [value]


def _attention(call: Call) -> Sequence[Value]:
    """Fused attention: query [B, heads, T, D], key and value [B, kv_heads, S, D]."""
    query, key, value = call.tensors[:3]
    if query.dim() != 4:
        return call.uncosted()
    size = (query.shape[0] * query.shape[1], query.shape[2], key.shape[2], query.shape[3], value.shape[3])
    call.name = "attention"
    result = call.recorder.attention(call.label, call.value(query), call.value(key), call.value(value), size)
    return [result, *(Value(0, result.producers) for _ in call.outs[1:])]


def _free(call: Call) -> Sequence[Value]:
    values = [call.value(tensor) for tensor in call.tensors]
    if call.name in JOINS:
        if call.name == "copy" and call.tensors[0].numel() == call.whole(call.tensors[0]):
            values = values[1:]  # nothing is left of what was there
        return [joined(values, tensor.numel()) for tensor in call.outs]
    return [values[0].view(tensor.numel()) if values else call.constant(tensor) for tensor in call.outs]


def _gather(call: Call) -> Sequence[Value]:
    """Rows of a weight come from outside the chip; a part of an activation that is known before is a slice."""
    data, *indices = (call.value(tensor) for tensor in call.tensors)
    elements = call.out.numel()
    if all(index.is_constant for index in indices):
        return [data.view(elements)]
    rows = data.view(elements)
    if data.is_constant:
        rows = Value(elements, sources=frozenset({f"rows {call.label} {call.number}"}))
    chosen = Value(0, joined(indices, 0).producers)
    return [call.recorder.vector("embedding", call.label, [rows, chosen], out=elements, ops=0)]


def _embedding_bag(call: Call) -> Sequence[Value]:
    """Rows of a table, summed by bag."""
    table, indices = call.tensors[:2]
    gathered, out = indices.numel() * table.shape[1], call.out.numel()
    rows = Value(gathered, call.value(indices).producers, frozenset({f"rows {call.label} {call.number}"}))
    result = call.recorder.vector("embedding", call.label, [rows], out=out, ops=max(gathered - out, 0))
    return [result, *(Value(tensor.numel(), result.producers) for tensor in call.outs[1:])]


def _elementwise(call: Call) -> Sequence[Value]:
    """Any number of operands; a constant per channel may be folded away."""
    values = [call.value(tensor) for tensor in call.tensors]
    moving = [value for value in values if not value.is_constant]
    joins = ""
    if len(moving) == 1:
        constants = [tensor for tensor, value in zip(call.tensors, values, strict=True) if value.is_constant]
        wide = max((sum(size > 1 for size in tensor.shape) for tensor in constants), default=0)
        joins = UNARY if wide == 0 else FOLDED if wide == 1 else ""
        values = moving if wide == 0 else values
    elements = call.out.numel()
    ops = POINTWISE.get(call.name, 1) * elements
    return [call.recorder.vector("elementwise", call.label, values, out=elements, ops=ops, joins=joins)]


def _vector(kind: str, ops: float, joins: str = "") -> Handler:
    """A layer of the first operand; parameters (scales, shifts) are left out."""

    def handle(call: Call) -> Sequence[Value]:
        value, elements = call.value(call.tensors[0]), call.out.numel()
        result = call.recorder.vector(kind, call.label, [value], out=elements, ops=ops * elements, joins=joins)
        return [result, *(Value(tensor.numel(), result.producers) for tensor in call.outs[1:])]

    return handle


def _pool(call: Call) -> Sequence[Value]:
    kernel = call.args[1]
    rank = call.name[call.name.index("pool") + 4]
    ops = math.prod(kernel) if len(kernel) > 1 else kernel[0] ** int(rank)
    return _vector("pool", ops)(call)


def _reduction(call: Call) -> Sequence[Value]:
    value, size = call.value(call.tensors[0]), call.tensors[0].numel()
    result = call.recorder.vector("pool", call.label, [value], out=call.out.numel(), ops=size)
    return [result, *(Value(tensor.numel(), result.producers) for tensor in call.outs[1:])]


HANDLERS: dict[str, Handler] = dict.fromkeys(FREE | JOINS, _free)
HANDLERS |= dict.fromkeys(GATHERS, _gather)
HANDLERS |= dict.fromkeys(["_embedding_bag", "_embedding_bag_forward_only"], _embedding_bag)
HANDLERS |= dict.fromkeys({*POINTWISE, *ELEMENTWISE}, _elementwise)
HANDLERS |= dict.fromkeys(REDUCTIONS, _reduction)
HANDLERS |= dict.fromkeys(POOLS, _pool)
HANDLERS |= {name: _vector("norm", ops) for name, ops in NORMS.items()}
HANDLERS |= dict.fromkeys(BATCH_NORMS, _vector("norm", 2, FOLDED))  # a scale and a shift per channel
HANDLERS |= dict.fromkeys(["_softmax", "_log_softmax", "_safe_softmax"], _vector("softmax", SOFTMAX))
HANDLERS |= {name: _vector("elementwise", ops) for name, ops in RESIZES.items()}
HANDLERS |= dict.fromkeys(["mm", "addmm", "mv", "addmv", "_int_mm"], _mm)
HANDLERS |= dict.fromkeys(["bmm", "baddbmm"], _bmm)
HANDLERS |= {"dot": _dot, "vdot": _dot, "_grouped_mm": _grouped_mm}
HANDLERS |= dict.fromkeys(["convolution", "_convolution", "convolution_overrideable"], _convolution)
HANDLERS |= dict.fromkeys(
    [
        f"_scaled_dot_product_{kind}attention{where}"
        for kind in ("flash_", "efficient_", "cudnn_", "fused_", "")
        for where in ("", "_for_cpu", "_math", "_overrideable", "_for_mps")
    ],
    _attention,
)
HANDLERS["_scaled_dot_product_fused_attention_overrideable"] = _attention
HANDLERS["_scaled_dot_product_attention_math_for_mps"] = _attention
