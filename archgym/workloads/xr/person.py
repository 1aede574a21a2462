"""Networks that look at the user: hand tracking (HT), eye segmentation (ES), gaze estimation (GE)."""

from __future__ import annotations

from archgym.workloads.builder import RELU, Builder, Tensor
from archgym.workloads.workload import Workload
from archgym.workloads.xr.blocks import inverted_residual

JOINTS, FEATURES = 21, 256  # hand graph CNN: joints of a hand, channels of the hourglass


def hand_graph_cnn(batch: int = 1, size: int = 128, bits: int = 8) -> Workload:
    """Hand graph CNN (Ge et al., CVPR 2019, arXiv 1903.00812) at half size, 128x128: heat maps, mesh, joint depths.

    Two stacked hourglasses, a residual encoder, and Chebyshev graph convolutions (K = 3) on meshes of 80, 320 and 1280
    vertices, as in the authors' repository (github.com/3d-hand-shape/hand-graph-cnn). The products with the sparse
    Laplacian are counted as two lane operations per element and term.
    """
    net = Builder(bits)
    x = net.conv("conv1", net.input(batch, size, size, 3), 64, 7, stride=2, activation=RELU)
    x = net.pool("maxpool", _residual(net, "r1", x, 128), 2, stride=2)
    x = _residual(net, "r5", _residual(net, "r4", x, 128), FEATURES)
    first = x
    for stack in range(2):
        y = _hourglass(net, f"stack{stack}", x, depth=4)
        y = _residuals(net, f"stack{stack}.out", y)
        encoding = net.conv(f"stack{stack}.lin", y, FEATURES, 1, activation=RELU)
        heat = net.conv(f"stack{stack}.heat", encoding, JOINTS, 1)
        if stack == 0:
            y = net.conv("stack0.merge", encoding, FEATURES, 1)
            z = net.conv("stack0.merge_heat", heat, FEATURES, 1)
            x = first = net.add("stack0.join2", net.add("stack0.join1", x, y), z)
    y = net.add(
        "encode.add1", net.conv("encode.heat", heat, FEATURES, 1), net.conv("encode.map", encoding, FEATURES, 1)
    )
    y = net.add("encode.add2", y, first)
    for level in range(4):
        y = net.pool(f"encode.pool{level}", _residuals(net, f"encode{level}", y), 2, stride=2)
    mesh = _mesh(net, y)
    return net.build("xr-hand-graph-cnn", heat, mesh, _joint_depths(net, mesh))


def _residual(net: Builder, name: str, x: Tensor, channels: int) -> Tensor:
    """Pre-activated bottleneck of half the channels (stacked hourglass, arXiv 1603.06937, figure 4)."""
    y = net.vector("elementwise", f"{name}.norm", x, ops=2 + RELU)
    y = net.conv(f"{name}.conv1", y, channels // 2, 1, activation=RELU)
    y = net.conv(f"{name}.conv2", y, channels // 2, 3, activation=RELU)
    y = net.conv(f"{name}.conv3", y, channels, 1)
    if x.shape[-1] != channels:
        x = net.conv(f"{name}.conv4", x, channels, 1)
    return net.add(f"{name}.add", y, x)


def _residuals(net: Builder, name: str, x: Tensor) -> Tensor:
    """Two residual modules, of the width of `x`."""
    for module in range(2):
        x = _residual(net, f"{name}.{module}", x, x.shape[-1])
    return x


def _hourglass(net: Builder, name: str, x: Tensor, depth: int) -> Tensor:
    """Half size and back, recursively, beside a branch at full size."""
    up = _residuals(net, f"{name}.up{depth}", x)
    low = _residuals(net, f"{name}.low{depth}", net.pool(f"{name}.pool{depth}", x, 2, stride=2))
    low = _hourglass(net, name, low, depth - 1) if depth > 1 else _residuals(net, f"{name}.bottom", low)
    low = net.upsample(f"{name}.upsample{depth}", _residuals(net, f"{name}.back{depth}", low))
    return net.add(f"{name}.add{depth}", up, low)


def _graph_conv(net: Builder, name: str, x: Tensor, features: int, activation: float = RELU) -> Tensor:
    """Chebyshev graph convolution: two products with the sparse Laplacian, one with the weights."""
    batch, vertices, width = x.shape
    basis = net.vector("elementwise", f"{name}.chebyshev", x, shape=(batch, vertices, 3 * width), ops=2)
    return net.linear(name, basis, features, activation=activation)


def _mesh(net: Builder, x: Tensor) -> Tensor:
    """80 vertices of 64 features from the encoding, then two stages of four times the vertices: [batch, 1280, 3]."""
    batch = x.shape[0]
    x = net.linear("mesh.fc1", x.view(batch, x.elements // batch), 512, activation=RELU)
    x = net.linear("mesh.fc2", x, 80 * 64).view(batch, 80, 64)
    for stage, (vertices, widths) in enumerate(((320, (64, 32)), (1280, (32, 3)))):
        x = net.vector("elementwise", f"mesh.unpool{stage}", x, shape=(batch, vertices, x.shape[-1]), ops=0)
        for layer, width in enumerate(widths):
            x = _graph_conv(net, f"mesh.graph{stage}.{layer}", x, width, 0 if width == 3 else RELU)
    return x


def _joint_depths(net: Builder, x: Tensor) -> Tensor:
    """Graph convolutions on 1280 and 320 vertices, then 20 depths from 80 vertices of 64 features."""
    batch = x.shape[0]
    for stage, width in enumerate((32, 64)):
        for layer in range(2):
            x = _graph_conv(net, f"pose.graph{stage}.{layer}", x, width, 0)
        x = net.vector("pool", f"pose.pool{stage}", x, shape=(batch, x.shape[1] // 4, width), ops=4)
    x = net.linear("pose.fc1", x.view(batch, x.elements // batch), 512)
    return net.linear("pose.fc2", x, JOINTS - 1)


def ritnet(batch: int = 1, height: int = 160, width: int = 100, bits: int = 8) -> Workload:
    """RITNet (Chaudhary et al., ICCV workshops 2019, arXiv 1910.00694): 5 down and 4 up blocks, 4 classes.

    The dense blocks of the authors' repository (bitbucket.org/eye-ush/ritnet): 32 channels everywhere, grey input.
    """
    net, skips = Builder(bits), []
    x = net.input(batch, height, width, 1)
    for block in range(5):
        name = f"down{block}"
        if block:
            x = net.pool(f"{name}.pool", x, 2, stride=2)
        first = net.conv(f"{name}.conv1", x, 32, 3, activation=RELU)
        x1 = net.concat(x, first)
        y = net.conv(f"{name}.conv22", net.conv(f"{name}.conv21", x1, 32, 1), 32, 3, activation=RELU)
        x2 = net.concat(x1, y)
        x = net.conv(f"{name}.conv32", net.conv(f"{name}.conv31", x2, 32, 1), 32, 3, activation=RELU)
        skips.append(x)
    for block, skip in enumerate(reversed(skips[:-1])):
        name = f"up{block}"
        x = _cropped(net.concat(_cropped(net.upsample(f"{name}.upsample", x), skip), skip), skip)
        first = net.conv(f"{name}.conv12", net.conv(f"{name}.conv11", x, 32, 1), 32, 3, activation=RELU)
        x = net.concat(x, first)
        x = net.conv(f"{name}.conv22", net.conv(f"{name}.conv21", x, 32, 1), 32, 3, activation=RELU)
    return net.build("xr-ritnet", net.conv("out", x, 4, 1))


def _cropped(x: Tensor, like: Tensor) -> Tensor:
    """Cut to the height and width of another map: an odd size halved and doubled is one off."""
    return x.view(x.shape[0], *like.shape[1:3], x.shape[-1])


# FBNet-C, arXiv 1812.03443, as in github.com/facebookresearch/mobile-vision: kernel, expansion, channels, stride. The
# one skipped block of stage 2 is left out.
_FBNET_C = (
    *((3, 1, 16, 1), (3, 6, 24, 2), (3, 1, 24, 1), (3, 1, 24, 1)),
    *((5, 6, 32, 2), (5, 3, 32, 1), (5, 6, 32, 1), (3, 6, 32, 1)),
    *((5, 6, 64, 2), (5, 3, 64, 1), (5, 6, 64, 1), (5, 6, 64, 1)),
    *((5, 6, 112, 1), (5, 6, 112, 1), (5, 6, 112, 1), (5, 3, 112, 1)),
    *((5, 6, 184, 2), (5, 6, 184, 1), (5, 6, 184, 1), (5, 6, 184, 1), (3, 6, 352, 1)),
)


def fbnet_c(batch: int = 1, height: int = 160, width: int = 100, bits: int = 8) -> Workload:
    """FBNet-C (arXiv 1812.03443) with its classifier of 1000 outputs."""
    net = Builder(bits)
    x = net.conv("conv0", net.input(batch, height, width, 3), 16, 3, stride=2, activation=RELU)
    for index, (kernel, expansion, channels, stride) in enumerate(_FBNET_C):
        x = inverted_residual(net, f"block{index}", x, channels, kernel, expansion=expansion, stride=stride)
    x = net.conv("conv_last", x, 1984, 1, activation=RELU)
    return net.build("xr-fbnet-c", net.linear("fc", net.global_pool("avgpool", x), 1000))
