"""Which ONNX operators are free, and how many lane operations the others take.

Counted as `archgym.workloads.builder` does: per element, a transcendental as one. Where an operator is a formula of
several steps in https://onnx.ai/onnx/operators/ its steps are counted.
"""

from __future__ import annotations

from archgym.workloads.builder import GELU, LAYER_NORM, RELU, RMS_NORM, SIGMOID, SILU


def _words(*lines: str) -> list[str]:
    return " ".join(lines).split()


# Data stay where they are, or an address changes: shapes, slices, joins, types. Quantisation belongs to its neighbour.
FREE = frozenset(
    _words(
        "Cast CastLike Concat Constant ConstantOfShape DepthToSpace DequantizeLinear Dropout Expand EyeLike Flatten",
        "Identity Pad QuantizeLinear Range Reshape ReverseSequence Scatter ScatterElements ScatterND Shape Size Slice",
        "SpaceToDepth Split Squeeze TensorScatter Tile Transpose Unsqueeze",
        "Bernoulli Multinomial RandomNormal RandomNormalLike RandomUniform RandomUniformLike",
    )
)
JOINS = ("Concat", "Scatter", "ScatterElements", "ScatterND", "TensorScatter")  # of them: hold data of several inputs

# Per output; times the operands less one for operators of any number of operands.
ELEMENTWISE: dict[str, float] = dict.fromkeys(
    _words(
        "Abs Acos Acosh Add And Asin Asinh Atan Atanh BitShift BitwiseAnd BitwiseNot BitwiseOr BitwiseXor Ceil Cos",
        "Cosh Div Equal Erf Exp Floor Greater GreaterOrEqual IsInf IsNaN Less LessOrEqual Log Mod Mul Neg Not Or Pow",
        "Reciprocal Round Sign Sin Sinh Sqrt Sub Tan Trilu Where Xor",
    ),
    1,
)
VARIADIC = ("Max", "Mean", "Min", "Sum")
ELEMENTWISE |= dict.fromkeys(VARIADIC, 1)
ELEMENTWISE |= {"Relu": RELU, "Clip": RELU, "ThresholdedRelu": RELU, "Sigmoid": SIGMOID, "Tanh": SIGMOID}
ELEMENTWISE |= {"Gelu": GELU, "Swish": SILU, "LeakyRelu": 2, "PRelu": 2, "Shrink": 2, "Softplus": 2}
ELEMENTWISE |= {"HardSigmoid": 3, "Softsign": 3, "Elu": 3, "Celu": 4, "HardSwish": 4, "Mish": 4, "Selu": 4}
ELEMENTWISE |= {"DynamicQuantizeLinear": 4}  # minimum and maximum, scale, round

NORMS = {"LayerNormalization": LAYER_NORM, "InstanceNormalization": LAYER_NORM, "GroupNormalization": LAYER_NORM}
NORMS |= {"RMSNormalization": RMS_NORM, "LpNormalization": RMS_NORM}
NORMS |= {"MeanVarianceNormalization": 5}  # sum, subtract, square, sum, times 1/sigma
LRN_OTHER = 3  # besides the sum of `size` squares: scale and offset, power, divide

# Per input.
REDUCTIONS: dict[str, float] = dict.fromkeys(
    _words(
        "ArgMax ArgMin CumProd CumSum GlobalAveragePool GlobalMaxPool",
        "ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum",
    ),
    1,
)
REDUCTIONS |= dict.fromkeys(
    _words("GlobalLpPool ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceSumSquare"), 2
)  # and a square, logarithm or the like

RESIZES = {"nearest": 1, "linear": 7, "cubic": 31}  # a copy; products and sums of 4 and of 16 neighbours
