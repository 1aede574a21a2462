"""The six applications of the TPU v1 paper (arXiv 1704.04760, table 1), rebuilt from its published figures.

The paper gives, per application, the number of layers of each kind, the number of weights, the batch and the MACs per
weight byte, but no layer shapes. What is inferred beyond the paper:

All: layers of one kind are alike and form a chain, since nothing tells them apart. FC layers are square. Every FC
layer and convolution carries an activation of one lane operation per output (table 1: ReLU, or sigmoid and tanh for
the LSTMs), every vector layer one per element. Vector and pool layers are spread evenly. One inference uses every FC
weight once per example (an LSTM is one time step), which is what MACs per weight byte = batch says.

Figures marked [mem] were quoted from memory of the paper and should be looked up before they are quoted on.

LSTM1: section 7 says [mem] that it consists of 600x600 matrices (nine tiles of 256x256). 34 M weights are 94 of them;
the 37 layers hold two or three each, side by side.

CNN0: 2888 MACs per weight byte are 8 * 361: every weight is used at 19x19 positions of each of the 8 examples of a
batch. So the maps are 19x19 throughout; the kernels are taken as 3x3, and 8 M weights in 16 layers give the depth.

CNN1: the four FC layers run at intensity 32, the batch. Of the active cycles (46.2 %) 22.5 useful, 23.7 unused [mem],
as convolutions have a shallow feature depth. Three unknowns follow from three published figures:
  1. depth d: a 3x3 convolution of d to d channels fills 9 d^2 of ceil(9 d / 256) tiles of 256x256 (d < 256). d = 133
     fills 48.6 %, and 22.5 / 46.2 = 48.7 %. (FC passes are under 1 % of the active cycles.)
  2. FC weights: 100 M less 72 * 9 * 133^2 = 11.5 M leaves 88.5 M, four square layers of 4705.
  3. map size: 1750 MACs per weight byte then need each convolution at 469 positions on average, taken as 18x26.
Inferred, not published: 3x3 kernels and one size for all 72 convolutions (a real network starts with larger maps and
ends with smaller ones), pools of 3x3 that keep the map's size, and a last pool that feeds the first FC layer. Neither
the achieved throughput nor the stall shares were used, so they remain a test.
"""

from __future__ import annotations

from dataclasses import replace

from archgym.workloads.builder import RELU, SIGMOID, Builder, Tensor
from archgym.workloads.workload import Workload


def mlp0() -> Workload:
    """MLP0: 5 FC layers, 20 M weights, batch 200."""
    return _mlp("tpu-v1-mlp0", layers=5, width=2000, batch=200)  # 5 * 2000^2 = 20.00 M


def mlp1() -> Workload:
    """MLP1: 4 FC layers, 5 M weights, batch 168."""
    return _mlp("tpu-v1-mlp1", layers=4, width=1118, batch=168)  # 4 * 1118^2 = 5.00 M


def lstm0() -> Workload:
    """LSTM0: 24 FC and 34 vector layers, 52 M weights, batch 64."""
    return _lstm("tpu-v1-lstm0", width=1472, products=24, layers=24, vectors=34, batch=64)  # 24 * 1472^2 = 52.0 M


def lstm1() -> Workload:
    """LSTM1: 37 FC and 19 vector layers, 34 M weights in 600x600 matrices (section 7), batch 96."""
    return _lstm("tpu-v1-lstm1", width=600, products=94, layers=37, vectors=19, batch=96)  # 94 * 600^2 = 33.8 M


def cnn0() -> Workload:
    """CNN0: 16 convolutions, 8 M weights, batch 8."""
    net = Builder()
    depth = 236  # sqrt(8e6 / 16 / 9)
    x = net.input(8, 19, 19, depth)
    for index in range(16):
        x = net.conv(f"conv{index}", x, depth, 3, activation=RELU)
    return _over_pcie(net.build("tpu-v1-cnn0", x))


def cnn1() -> Workload:
    """CNN1: 72 convolutions, 13 pools and 4 FC layers, 100 M weights, batch 32; derived in the module's docstring."""
    net = Builder()
    batch, depth, width = 32, 133, 4705
    x = net.input(batch, 18, 26, depth)
    for index in range(72):
        x = net.conv(f"conv{index}", x, depth, 3, activation=RELU)
        if index < 71 and _due(index, 12, 71):
            x = net.pool(f"pool{index}", x, 3, padding=1)
    x = net.vector("pool", "last_pool", x, shape=(batch, width), ops=9)
    return _over_pcie(net.build("tpu-v1-cnn1", _fully_connected(net, x, 4)))


def _mlp(name: str, *, layers: int, width: int, batch: int) -> Workload:
    net = Builder()
    return _over_pcie(net.build(name, _fully_connected(net, net.input(batch, width), layers)))


def _fully_connected(net: Builder, x: Tensor, layers: int) -> Tensor:
    for index in range(layers):
        x = net.linear(f"fc{index}", x, x.shape[-1], activation=RELU)
    return x


def _lstm(name: str, *, width: int, products: int, layers: int, vectors: int, batch: int) -> Workload:
    """`products` square matrices spread over `layers` FC layers, with `vectors` vector layers between them."""
    net = Builder()
    x = net.input(batch, width)
    for index in range(layers):
        parts = [
            net.linear(f"fc{index}.{part}", x, width, activation=SIGMOID)
            for part in range(_due(index, products, layers))
        ]
        x = net.concat(*parts).view(batch, width)
        for step in range(_due(index, vectors, layers)):
            x = net.vector("elementwise", f"vector{index}.{step}", x)
    return _over_pcie(net.build(name, x))


def _due(index: int, items: int, slots: int) -> int:
    """How many of `items` fall to slot `index` when they are spread evenly over `slots`."""
    return (index + 1) * items // slots - index * items // slots


def _over_pcie(network: Workload) -> Workload:
    """Inputs and outputs cross the PCIe host link into the unified buffer, not the weight memory (section 2)."""
    layers = (
        replace(layer, operator=replace(layer.operator, a_external=0, b_external=0, out_external=0))
        for layer in network.layers
    )
    return replace(network, layers=tuple(layers))
