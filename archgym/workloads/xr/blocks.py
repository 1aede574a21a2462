"""Blocks that several of the mobile networks share."""

from __future__ import annotations

from archgym.workloads.builder import RELU, SIGMOID, Builder, Tensor

HARD_SWISH = 4  # x * clamp(x + 3, 0, 6) / 6


def inverted_residual(
    net: Builder,
    name: str,
    x: Tensor,
    channels: int,
    kernel: int,
    *,
    expansion: float = 6,
    stride: int = 1,
    squeeze: bool = False,
    activation: float = RELU,
) -> Tensor:
    """Expand (1x1), depthwise convolution, project (1x1): MobileNetV2, arXiv 1801.04381, figure 3.

    With `squeeze` the depthwise result is scaled by squeeze-and-excitation (arXiv 1905.02244, section 5.3).
    """
    hidden = int(x.shape[-1] * expansion)
    y = net.conv(f"{name}.expand", x, hidden, 1, activation=activation) if expansion != 1 else x
    y = net.conv(f"{name}.depthwise", y, hidden, kernel, stride=stride, groups=hidden, activation=activation)
    y = squeeze_excite(net, name, y) if squeeze else y
    y = net.conv(f"{name}.project", y, channels, 1)
    return net.add(f"{name}.add", x, y) if x.shape == y.shape else y


def squeeze_excite(net: Builder, name: str, x: Tensor) -> Tensor:
    """Scale every channel by a gate: mean, a quarter of the channels (a multiple of 8), all channels, product."""
    width = x.shape[-1]
    reduced = max(8, (width // 4 + 4) // 8 * 8)
    gate = net.linear(f"{name}.squeeze", net.global_pool(f"{name}.mean", x), reduced, activation=RELU)
    return net.multiply(f"{name}.scale", x, net.linear(f"{name}.excite", gate, width, activation=SIGMOID))
