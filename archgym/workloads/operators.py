"""The operator table: what a cost model is told about a network.

Every operator is GEMM-shaped: `batch * groups` independent products of A [M, K] and B [K, N]. A convolution is its
im2col form (M = images * output pixels, K = input channels per group * kernel area, N = output channels per group)
but keeps the footprint of its real input, so that overlapping windows are not counted as off-chip traffic. Operators
without multiplications (pooling, normalisation, softmax, residual addition) have K = 0 and run on the vector unit.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass

import numpy as np

KINDS = ("conv", "matmul", "attention", "elementwise", "pool", "norm", "softmax", "embedding")
WEIGHT_NONE, WEIGHT_A, WEIGHT_B = 0, 1, 2
FORWARD, DECODE = 0, 1  # phases

OPERATOR_DTYPE = np.dtype(
    [
        ("kind", np.int64),
        ("batch", np.float64),
        ("groups", np.float64),
        ("m", np.float64),
        ("k", np.float64),
        ("n", np.float64),
        ("a_bytes", np.float64),
        ("b_bytes", np.float64),
        ("out_bytes", np.float64),
        ("a_bits", np.float64),
        ("b_bits", np.float64),
        ("out_bits", np.float64),
        ("weight", np.int64),
        ("a_external", np.int64),
        ("b_external", np.int64),
        ("out_external", np.int64),
        ("vector_ops", np.float64),
        ("phase", np.int64),
        ("requests", np.float64),
        ("resident_bytes", np.float64),
        ("task", np.int64),
        ("kernel", np.float64),
        ("width", np.float64),
        ("count", np.float64),
        ("accumulator_bits", np.float64),
        ("weight_density", np.float64),
        ("pattern_m", np.float64),
        ("activation_density", np.float64),
        ("weight_group", np.float64),
    ]
)


@dataclass(frozen=True)
class Operator:
    """One operator of a network; sizes are of a single occurrence.

    Attributes:
        kind: one of KINDS.
        batch: independent products with operands of their own (attention: requests * key-value heads).
        groups: independent products over slices of the channels (depthwise convolution: channels).
        m, k, n: the product A [m, k] x B [k, n]; k = 0 for vector operators, then m = elements and n = 1.
        a_bytes, b_bytes, out_bytes: bytes each tensor occupies in memory, over all batches and groups. For a vector
            operator A and B are its inputs (b_bytes = 0 where it has one).
        a_bits, b_bits, out_bits: width of an element.
        weight: which operand is a weight: WEIGHT_NONE, WEIGHT_A or WEIGHT_B. Weights come from off-chip memory.
        a_external, b_external, out_external: 1 when the tensor crosses the chip's boundary whatever its size: the
            network's input and output, and key-value caches. Other activations may stay on chip.
        vector_ops: lane operations of one occurrence (for k > 0: the fused epilogue, e.g. 1 per output for ReLU).
        phase: FORWARD (a whole forward pass, or the prefill of a language model) or DECODE (one token per request).
        requests: independent inputs it serves: images, or requests to a language model.
        resident_bytes: what it keeps in memory over the run, weights or key-value cache: summed over all occurrences,
            each stored byte counts once, however often it is read.
        task: which network of a workload of several it belongs to.
        kernel: taps of the kernel, so that k = kernel * input channels per group; 1 for matrix products.
        width: columns of the output map, so that m = images * height * width; 1 for matrix products.
        count: how often it occurs.
    """

    kind: str
    m: float
    k: float
    n: float
    a_bytes: float
    b_bytes: float
    out_bytes: float
    batch: float = 1
    groups: float = 1
    a_bits: float = 8
    b_bits: float = 8
    out_bits: float = 8
    weight: int = WEIGHT_NONE
    a_external: int = 0
    b_external: int = 0
    out_external: int = 0
    vector_ops: float = 0
    phase: int = FORWARD
    requests: float = 1
    resident_bytes: float = 0
    task: int = 0
    kernel: float = 1
    width: float = 1
    count: float = 1

    @property
    def macs(self) -> float:
        """Multiply-accumulates of all occurrences."""
        return self.count * self.batch * self.groups * self.m * self.k * self.n


def operator_table(operators: list[Operator]) -> np.recarray:
    """Pack operators into the record array [L] of OPERATOR_DTYPE that the compiled cost models read.

    Derived columns: `accumulator_bits` holds any dot product of two's-complement operands, a_bits + b_bits - 1 +
    ceil(log2 K). What compression sets (see archgym.compression.network), here dense: `weight_density`, the share of
    the weights that is kept; `pattern_m`, M where N of M neighbours along K are kept, 0 for zeros anywhere;
    `activation_density`, the share of the inputs of one request that is not zero; `weight_group`, how many neighbours
    along K share a scale of the weights, 0 for none. Bytes are those of dense tensors, with scales.
    """
    table = np.zeros(len(operators), OPERATOR_DTYPE)
    for row, operator in zip(table, operators, strict=True):
        for field, value in vars(operator).items():
            row[field] = KINDS.index(value) if field == "kind" else value
    table["weight_density"] = table["activation_density"] = 1
    return with_accumulators(table.view(np.recarray))


def with_accumulators(table: np.recarray) -> np.recarray:
    """The table, its column `accumulator_bits` derived from the others."""
    table["accumulator_bits"] = table.a_bits + table.b_bits - 1 + np.ceil(np.log2(np.maximum(table.k, 1)))
    return table


def merge(operators: list[Operator]) -> list[tuple[int, Operator]]:
    """Merge identical operators in order of first occurrence.

    Returns:
        Pairs of the index of the first occurrence and the operator with its counts added up.
    """
    first: dict[tuple[object, ...], int] = {}
    counts: dict[int, float] = {}
    for index, operator in enumerate(operators):
        key = astuple(operator)[:-1]  # everything but count, the last field
        row = first.setdefault(key, index)
        counts[row] = counts.get(row, 0) + operator.count
    return [(index, Operator(**vars(operators[index]) | {"count": counts[index]})) for index in counts]
