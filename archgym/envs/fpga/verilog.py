"""Verilog of what a tiled engine's resource model counts: cascades of products with accumulators, and three buffers.

Plain and synthesisable, to be counted by a synthesis tool, not to compute a network: no control, vector unit, memory
controller or attention engine. Each product has registers for its operands, products of a cascade add up from slice to
slice, and every cascade ends in a 32-bit accumulator. Buffers are simple dual-port memories as wide as what the engines
read in a cycle. The module `design` holds all of it.
"""

from __future__ import annotations

from collections.abc import Mapping

from archgym.envs.fpga.devices import ACCUMULATOR_BITS, CASCADE, PRECISIONS
from archgym.space import Value

SUMS = int(ACCUMULATOR_BITS)

_CASCADE = """\
// products of a cascade of {length}: each adds to the sum of the one before, the last to the accumulator
module cascade(input clk, input clear, input [{a_all}:0] a, input [{b_all}:0] b, output reg signed [{sums}:0] sum);
  reg signed [{a_top}:0] a_held [0:{last}];
  reg signed [{b_top}:0] b_held [0:{last}];
  reg signed [{p_top}:0] partial [0:{last}];
  integer i;
  always @(posedge clk) begin
    for (i = 0; i < {length}; i = i + 1) begin
      a_held[i] <= a[i * {a_bits} +: {a_bits}];
      b_held[i] <= b[i * {b_bits} +: {b_bits}];
      partial[i] <= a_held[i] * b_held[i] + (i == 0 ? 0 : partial[i == 0 ? 0 : i - 1]);
    end
    sum <= (clear ? 0 : sum) + partial[{last}];
  end
endmodule
"""

_BUFFER = """\
module {name}(input clk, input write, input [{address}:0] to, input [{address}:0] from,
    input [{top}:0] in, output reg [{top}:0] out);
  (* ram_style = "block" *) reg [{top}:0] words [0:{last}];
  always @(posedge clk) begin
    if (write) words[to] <= in;
    out <= words[from];
  end
endmodule
"""

_DESIGN = """\
module design(input clk, input clear, input [{a_all}:0] a, input [{b_all}:0] b, output [{c_all}:0] sums{ports});
  engines products(clk, clear, a, b, sums);
{buffers}endmodule
"""
_PORTS = """,
    input {name}_write, input [{address}:0] {name}_to, input [{address}:0] {name}_from,
    input [{top}:0] {name}_in, output [{top}:0] {name}_out"""
_INSTANCE = "  {name} {name}_(clk, {name}_write, {name}_to, {name}_from, {name}_in, {name}_out);\n"

_ENGINES = """\
module engines(input clk, input clear, input [{a_all}:0] a, input [{b_all}:0] b, output [{c_all}:0] sums);
  genvar m, n, k;
  generate
    for (m = 0; m < {rows}; m = m + 1)
      for (n = 0; n < {columns}; n = n + 1)
        for (k = 0; k < {cascades}; k = k + 1)
          cascade one(clk, clear, a[(m * {cascades} + k) * {a_width} +: {a_width}],
              b[(n * {cascades} + k) * {b_width} +: {b_width}],
              sums[((m * {columns} + n) * {cascades} + k) * {sum_bits} +: {sum_bits}]);
  endgenerate
endmodule
"""


def verilog(design: Mapping[str, Value]) -> str:
    """The products and buffers of a design.

    Args:
        design: values of a tiled engine with a precision of integers; tile_k no more than 8 or a multiple of 8.
    """
    precision = PRECISIONS[str(design["precision"])]
    a_bits, b_bits = int(precision.activation_bits), int(precision.weight_bits)
    depth = int(design["tile_k"])
    length = min(depth, int(CASCADE))
    rows, columns, cascades = int(design["tile_m"]), int(design["tile_n"]) * int(design["engines"]), depth // length
    products = a_bits + b_bits + (length - 1).bit_length()  # bits of a sum of `length` products
    cascade = _CASCADE.format(
        length=length, last=length - 1, a_bits=a_bits, b_bits=b_bits, a_all=length * a_bits - 1,
        b_all=length * b_bits - 1, a_top=a_bits - 1, b_top=b_bits - 1, p_top=products - 1, sums=SUMS - 1,
    )  # fmt: skip
    ends = {
        "a_all": rows * depth * a_bits - 1,
        "b_all": columns * depth * b_bits - 1,
        "c_all": rows * columns * cascades * SUMS - 1,
    }
    engines = _ENGINES.format(
        rows=rows, columns=columns, cascades=cascades, a_width=length * a_bits, b_width=length * b_bits,
        sum_bits=SUMS, **ends,
    )  # fmt: skip
    memories = [
        {"name": name, "top": width - 1, "last": words - 1, "address": max((words - 1).bit_length(), 1) - 1}
        for name, (width, words) in buffer_shapes(design).items()
    ]
    modules, ports, instances = (
        "".join(text.format(**memory) for memory in memories) for text in (_BUFFER, _PORTS, _INSTANCE)
    )
    return cascade + engines + modules + _DESIGN.format(ports=ports, buffers=instances, **ends)


def buffer_shapes(design: Mapping[str, Value]) -> dict[str, tuple[int, int]]:
    """Width in bits and depth of the buffers of a design by name."""
    precision = PRECISIONS[str(design["precision"])]
    m, k, n, count = (int(design[name]) for name in ("tile_m", "tile_k", "tile_n", "engines"))
    widths = {
        "activation_buffer": m * k * int(precision.activation_bits),
        "weight_buffer": count * k * n * int(precision.weight_bits),
        "output_buffer": count * m * n * SUMS,
    }
    return {name: (width, -(-int(design[f"{name}_kib"]) * 8192 // width)) for name, width in widths.items()}
