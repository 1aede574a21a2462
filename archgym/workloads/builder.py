"""A small graph builder: layers in, a `Workload` out.

Tensors are channels-last: images [batch, height, width, channels], sequences [batch, tokens, features].

What is left out, on purpose and everywhere: biases, the scales and shifts of normalisations and the class token of a
vision transformer (well below 1 % of the weights), token ids (4 bytes a token). Batch normalisation is folded into
the convolution before it, as every inference compiler does. Reshapes, slices and concatenations are free.

Lane operations are counted per element, and a transcendental (exp, sigmoid, tanh, erf) counts as one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from archgym.workloads.operators import FORWARD, WEIGHT_B, WEIGHT_NONE, Operator
from archgym.workloads.workload import Layer, Workload

RELU = 1  # one comparison; a clamp (ReLU6) as well
SIGMOID = 1
GELU = 2  # x * Phi(x): one table look-up, one product
SILU = 2  # x * sigmoid(x)
ROTARY = 3  # two products and a sum per element
SOFTMAX = 5  # maximum, subtract, exp, sum, divide
LAYER_NORM = 7  # sum, subtract, square, sum, times 1/sigma, times gamma, plus beta
BILINEAR = 7  # four products, three sums
RMS_NORM = 4  # square, sum, times 1/rms, times gamma


@dataclass(frozen=True)
class Tensor:
    """A tensor between layers.

    Attributes:
        shape: its dimensions, channels last.
        bits: width of an element.
        producers: indices of the layers whose output it holds.
        sources: numbers of the external tensors (input, caches, table rows) it holds.
        resident: kept in memory over the whole run: weights and key-value caches.
    """

    shape: tuple[int, ...]
    bits: int
    producers: frozenset[int] = frozenset()
    sources: frozenset[int] = frozenset()
    resident: bool = False

    @property
    def elements(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def bytes(self) -> float:
        """Bytes it occupies."""
        return self.elements * self.bits / 8

    def view(self, *shape: int) -> Tensor:
        """The same data, or a part of it, in another shape (flatten, slice, split into heads); free."""
        return replace(self, shape=shape)


class Builder:
    """Collects layers and their data dependences; every method that adds a layer returns its output tensor.

    The first dimension of a tensor numbers the independent inputs (images, requests).
    """

    def __init__(self, bits: int = 8, phase: int = FORWARD) -> None:
        self.bits, self.phase = bits, phase
        self._layers: list[Layer] = []
        self._edges: set[tuple[int, int]] = set()
        self._sources = 0
        self._fetched: frozenset[int] = frozenset()

    def input(self, *shape: int) -> Tensor:
        """A tensor from outside the chip: the network's input, a key-value cache, rows of a table."""
        self._sources += 1
        return Tensor(shape, self.bits, sources=frozenset({self._sources}))

    def concat(self, *tensors: Tensor, axis: int = -1) -> Tensor:
        """Tensors side by side along `axis`; free, data dependences pass through."""
        shape = list(tensors[0].shape)
        shape[axis] = sum(tensor.shape[axis] for tensor in tensors)
        producers = frozenset().union(*(tensor.producers for tensor in tensors))
        sources = frozenset().union(*(tensor.sources for tensor in tensors))
        return Tensor(tuple(shape), self.bits, producers, sources)

    def conv(
        self,
        name: str,
        x: Tensor,
        channels: int,
        kernel: int | tuple[int, int],
        *,
        stride: int = 1,
        padding: int | tuple[int, int] | None = None,
        groups: int = 1,
        activation: float = 0,
    ) -> Tensor:
        """Convolution [B, H, W, C] -> [B, H', W', channels] with a fused activation.

        Args:
            name: the layer's name.
            x: its input; the operator keeps these bytes, not those of the im2col matrix.
            channels: output channels.
            kernel: height and width of the kernel, or one number for both.
            stride: step in both directions.
            padding: zeros on each side; kernel // 2 ("same" at stride 1) when not given.
            groups: slices of the channels convolved independently.
            activation: lane operations per output.
        """
        batch, height, width, depth = x.shape
        size = _pair(kernel)
        pad = (size[0] // 2, size[1] // 2) if padding is None else _pair(padding)
        rows, columns = _steps(height, size[0], stride, pad[0]), _steps(width, size[1], stride, pad[1])
        taps = size[0] * size[1]
        k, n = depth // groups * taps, channels // groups
        out = (batch, rows, columns, channels)
        return self._product("conv", name, x, (groups, k, n), out, batch * rows * columns, activation, taps, columns)

    def conv_transposed(self, name: str, x: Tensor, channels: int, kernel: int, *, activation: float = 0) -> Tensor:
        """Transposed convolution of stride 2 with an even kernel: [B, H, W, C] -> [B, 2 H, 2 W, channels].

        The operator is the four ordinary convolutions that a transposed one is: kernel^2 / 4 taps, four times the
        channels at the size of the input.
        """
        batch, height, width, depth = x.shape
        taps, out = kernel**2 // 4, (batch, 2 * height, 2 * width, channels)
        size, m = (1, depth * taps, 4 * channels), batch * height * width
        return self._product("conv", name, x, size, out, m, activation, taps, width)

    def linear(self, name: str, x: Tensor, features: int, *, activation: float = 0) -> Tensor:
        """Fully connected layer [..., K] -> [..., features] with a fused activation (lane operations per output)."""
        *rows, k = x.shape
        return self._product("matmul", name, x, (1, k, features), (*rows, features), math.prod(rows), activation)

    def scores(self, name: str, query: Tensor, key: Tensor) -> Tensor:
        """Attention scores: query [B, T, heads, D] x key [B, S, kv_heads, D] -> [B, heads, T, S].

        The query heads that share a key-value head are rows of one product (grouped-query attention).
        """
        batch, tokens, heads, depth = query.shape
        context, kv_heads = key.shape[1:3]
        size = (batch * kv_heads, heads // kv_heads * tokens, depth, context)
        return self._attention(name, query, key, (batch, heads, tokens, context), size)

    def mix(self, name: str, weights: Tensor, value: Tensor) -> Tensor:
        """Attention output: weights [B, heads, T, S] x value [B, S, kv_heads, D] -> [B, T, heads * D]."""
        batch, heads, tokens, context = weights.shape
        kv_heads, depth = value.shape[2:]
        size = (batch * kv_heads, heads // kv_heads * tokens, context, depth)
        return self._attention(name, weights, value, (batch, tokens, heads * depth), size)

    def attention(self, name: str, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Scores, softmax and weighted sum; the full square, causal masking is not exploited."""
        scores = self.scores(f"{name}.scores", query, key)
        return self.mix(f"{name}.context", self.softmax(f"{name}.softmax", scores), value)

    def pool(self, name: str, x: Tensor, kernel: int, *, stride: int = 1, padding: int = 0) -> Tensor:
        """Maximum or average over kernel x kernel windows: one operation per element of a window."""
        batch, height, width, depth = x.shape
        rows, columns = (_steps(size, kernel, stride, padding) for size in (height, width))
        return self.vector("pool", name, x, shape=(batch, rows, columns, depth), ops=kernel**2)

    def upsample(self, name: str, x: Tensor, factor: int = 2, *, ops: float = 0) -> Tensor:
        """Image enlarged by a whole factor: copies of the nearest pixel, or `ops` lane operations per output."""
        batch, height, width, depth = x.shape
        return self.vector("elementwise", name, x, shape=(batch, factor * height, factor * width, depth), ops=ops)

    def global_pool(self, name: str, x: Tensor) -> Tensor:
        """Average over the whole map: [B, H, W, C] -> [B, C]."""
        batch, height, width, depth = x.shape
        return self.vector("pool", name, x, shape=(batch, depth), ops=height * width)

    def add(self, name: str, x: Tensor, y: Tensor, *, activation: float = 0) -> Tensor:
        """Residual addition with a fused activation."""
        return self.vector("elementwise", name, x, y, ops=1 + activation)

    def multiply(self, name: str, x: Tensor, y: Tensor, *, activation: float = 0) -> Tensor:
        """Elementwise product, e.g. the gate of SwiGLU, with an activation of one input."""
        return self.vector("elementwise", name, x, y, ops=1 + activation)

    def norm(self, name: str, x: Tensor, *, ops: float = LAYER_NORM) -> Tensor:
        """Normalisation of `ops` lane operations per element."""
        return self.vector("norm", name, x, ops=ops)

    def softmax(self, name: str, x: Tensor) -> Tensor:
        """Softmax over the last axis."""
        return self.vector("softmax", name, x, ops=SOFTMAX)

    def embedding(self, name: str, batch: int, tokens: int, features: int, *, positions: bool = False) -> Tensor:
        """Gather of table rows -> [batch, tokens, features], plus learned positions when asked for.

        The gathered rows cross the chip's boundary; the rest of the table does not, so the rows are external inputs
        and not weights.
        """
        rows = self.input(batch, tokens, features)
        return self.vector("embedding", name, rows, self.input(tokens, features) if positions else None, ops=positions)

    def vector(
        self,
        kind: str,
        name: str,
        x: Tensor,
        y: Tensor | None = None,
        *,
        shape: tuple[int, ...] | None = None,
        ops: float = 1,
    ) -> Tensor:
        """A layer of the vector unit with one or two inputs and `ops` lane operations per output."""
        out = Tensor(shape or x.shape, self.bits)
        return self._emit(kind, name, x, y, out, m=out.elements, k=0, n=1, vector_ops=ops * out.elements)

    def build(self, name: str, *outputs: Tensor) -> Workload:
        """The workload; the producers of `outputs` write off the chip."""
        final = frozenset().union(*(tensor.producers for tensor in outputs))
        layers = (
            replace(layer, operator=replace(layer.operator, out_external=int(index in final)))
            for index, layer in enumerate(self._layers)
        )
        return Workload(name, tuple(layers), tuple(sorted(self._edges)))

    def _product(
        self,
        kind: str,
        name: str,
        x: Tensor,
        size: tuple[int, int, int],
        out: tuple[int, ...],
        m: int,
        ops: float,
        kernel: int = 1,
        width: int = 1,
    ) -> Tensor:
        """A product with weights [groups, k, n]; `kernel` and `width` as in Operator."""
        weights, result = Tensor(size, self.bits, resident=True), Tensor(out, self.bits)
        groups, k, n = size
        return self._emit(
            kind,
            name,
            x,
            weights,
            result,
            m=m,
            k=k,
            n=n,
            groups=groups,
            weight=WEIGHT_B,
            vector_ops=ops * result.elements,
            kernel=kernel,
            width=width,
        )

    def _attention(
        self, name: str, a: Tensor, b: Tensor, out: tuple[int, ...], size: tuple[int, int, int, int]
    ) -> Tensor:
        """`batch` independent products of activations; size is (batch, m, k, n)."""
        batch, m, k, n = size
        return self._emit("attention", name, a, b, Tensor(out, self.bits), m=m, k=k, n=n, batch=batch)

    def _emit(
        self,
        kind: str,
        name: str,
        a: Tensor,
        b: Tensor | None,
        out: Tensor,
        *,
        m: float,
        k: float,
        n: float,
        batch: float = 1,
        groups: float = 1,
        weight: int = WEIGHT_NONE,
        vector_ops: float = 0,
        kernel: float = 1,
        width: float = 1,
    ) -> Tensor:
        """Append one layer and its dependences."""
        index = len(self._layers)
        operator = Operator(
            kind=kind,
            batch=batch,
            groups=groups,
            m=m,
            k=k,
            n=n,
            a_bytes=a.bytes,
            b_bytes=b.bytes if b else 0,
            out_bytes=out.bytes,
            a_bits=self.bits,
            b_bits=self.bits,
            out_bits=self.bits,
            weight=weight,
            a_external=self._fetch(a),
            b_external=self._fetch(b) if b else 0,
            vector_ops=vector_ops,
            phase=self.phase,
            requests=a.shape[0],
            resident_bytes=b.bytes if b and b.resident else 0,
            kernel=kernel,
            width=width,
        )
        self._layers.append(Layer(name, operator))
        producers = a.producers | (b.producers if b else frozenset())
        self._edges.update((producer, index) for producer in producers)
        return replace(out, producers=frozenset({index}))

    def _fetch(self, tensor: Tensor) -> int:
        """1 when the tensor comes from outside and nothing has fetched it yet: later readers may find it on chip."""
        new = tensor.sources - self._fetched
        self._fetched |= new
        return int(bool(new))


def _pair(size: int | tuple[int, int]) -> tuple[int, int]:
    """Height and width."""
    return (size, size) if isinstance(size, int) else size


def _steps(size: int, kernel: int, stride: int, padding: int) -> int:
    """Positions of a window along an axis."""
    return (size + 2 * padding - kernel) // stride + 1
