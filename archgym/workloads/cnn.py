"""Image classifiers on 224x224 RGB images, 1000 classes (ImageNet)."""

from __future__ import annotations

from archgym.workloads.builder import RELU, Builder, Tensor
from archgym.workloads.workload import Workload

LRN = 8  # AlexNet section 3.3, n = 5: square, 4 sums, scale and offset, power, divide


def alexnet(batch: int = 1, bits: int = 8) -> Workload:
    """AlexNet (Krizhevsky et al., NeurIPS 2012, section 3.5).

    The 224x224 input without padding of the ONNX model zoo (54x54 after conv1), of which the paper's own 55x55 maps
    would need 227x227.
    """
    net = Builder(bits)
    x = net.conv("conv1", net.input(batch, 224, 224, 3), 96, 11, stride=4, padding=0, activation=RELU)
    x = net.pool("pool1", net.norm("lrn1", x, ops=LRN), 3, stride=2)
    x = net.conv("conv2", x, 256, 5, groups=2, activation=RELU)
    x = net.pool("pool2", net.norm("lrn2", x, ops=LRN), 3, stride=2)
    x = net.conv("conv3", x, 384, 3, activation=RELU)
    x = net.conv("conv4", x, 384, 3, groups=2, activation=RELU)
    x = net.conv("conv5", x, 256, 3, groups=2, activation=RELU)
    x = net.pool("pool5", x, 3, stride=2, padding=1).view(batch, 6 * 6 * 256)
    x = net.linear("fc6", x, 4096, activation=RELU)
    x = net.linear("fc7", x, 4096, activation=RELU)
    return net.build("alexnet", net.linear("fc8", x, 1000))


def resnet18(batch: int = 1, bits: int = 8) -> Workload:
    """ResNet-18 (arXiv 1512.03385, table 1), projection shortcuts where the shape changes (option B)."""
    net = Builder(bits)
    x = _resnet_stem(net, batch)
    for stage, width in enumerate((64, 128, 256, 512), 1):  # table 1: two blocks per stage
        for block in range(2):
            x = _basic_block(net, f"layer{stage}.{block}", x, width, stride=2 if stage > 1 and block == 0 else 1)
    return net.build("resnet18", net.linear("fc", net.global_pool("avgpool", x), 1000))


def resnet50(batch: int = 1, bits: int = 8) -> Workload:
    """ResNet-50 (arXiv 1512.03385, table 1), with the stride on the 3x3 convolution ("v1.5", as in torchvision)."""
    net = Builder(bits)
    x = _resnet_stem(net, batch)
    for stage, (width, blocks) in enumerate(((64, 3), (128, 4), (256, 6), (512, 3)), 1):  # table 1, 50-layer
        for block in range(blocks):
            x = _bottleneck(net, f"layer{stage}.{block}", x, width, stride=2 if stage > 1 and block == 0 else 1)
    return net.build("resnet50", net.linear("fc", net.global_pool("avgpool", x), 1000))


def mobilenetv2(batch: int = 1, bits: int = 8) -> Workload:
    """MobileNetV2 1.0 (arXiv 1801.04381, table 2)."""
    net = Builder(bits)
    x = net.conv("conv0", net.input(batch, 224, 224, 3), 32, 3, stride=2, activation=RELU)
    rows = (  # table 2: expansion t, channels c, repeats n, first stride s
        (1, 16, 1, 1),
        (6, 24, 2, 2),
        (6, 32, 3, 2),
        (6, 64, 4, 2),
        (6, 96, 3, 1),
        (6, 160, 3, 2),
        (6, 320, 1, 1),
    )
    for stage, (expansion, channels, repeats, stride) in enumerate(rows, 1):
        for block in range(repeats):
            step = stride if block == 0 else 1
            x = _inverted_residual(net, f"stage{stage}.{block}", x, channels, expansion, step)
    x = net.conv("conv_last", x, 1280, 1, activation=RELU)
    return net.build("mobilenetv2", net.linear("fc", net.global_pool("avgpool", x), 1000))


def _resnet_stem(net: Builder, batch: int) -> Tensor:
    x = net.conv("conv1", net.input(batch, 224, 224, 3), 64, 7, stride=2, activation=RELU)
    return net.pool("maxpool", x, 3, stride=2, padding=1)


def _shortcut(net: Builder, name: str, x: Tensor, channels: int, stride: int) -> Tensor:
    """The identity, or a 1x1 projection where the shape changes."""
    if stride == 1 and x.shape[-1] == channels:
        return x
    return net.conv(f"{name}.downsample", x, channels, 1, stride=stride)


def _basic_block(net: Builder, name: str, x: Tensor, width: int, stride: int) -> Tensor:
    y = net.conv(f"{name}.conv1", x, width, 3, stride=stride, activation=RELU)
    y = net.conv(f"{name}.conv2", y, width, 3)
    return net.add(f"{name}.add", y, _shortcut(net, name, x, width, stride), activation=RELU)


def _bottleneck(net: Builder, name: str, x: Tensor, width: int, stride: int) -> Tensor:
    y = net.conv(f"{name}.conv1", x, width, 1, activation=RELU)
    y = net.conv(f"{name}.conv2", y, width, 3, stride=stride, activation=RELU)
    y = net.conv(f"{name}.conv3", y, 4 * width, 1)
    return net.add(f"{name}.add", y, _shortcut(net, name, x, 4 * width, stride), activation=RELU)


def _inverted_residual(net: Builder, name: str, x: Tensor, channels: int, expansion: int, stride: int) -> Tensor:
    hidden = x.shape[-1] * expansion
    y = net.conv(f"{name}.expand", x, hidden, 1, activation=RELU) if expansion > 1 else x
    y = net.conv(f"{name}.depthwise", y, hidden, 3, stride=stride, groups=hidden, activation=RELU)
    y = net.conv(f"{name}.project", y, channels, 1)
    return net.add(f"{name}.add", x, y) if x.shape == y.shape else y
