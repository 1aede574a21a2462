"""Networks that measure the world: depth from one image (DE), depth refinement (DR), plane detection (PD)."""

from __future__ import annotations

from archgym.workloads.builder import BILINEAR, RELU, SIGMOID, Builder, Tensor
from archgym.workloads.workload import Workload
from archgym.workloads.xr.blocks import inverted_residual

# EfficientNet-Lite3 (github.com/tensorflow/tpu, efficientnet/lite): kernel, expansion, channels, stride, repeats.
_LITE3 = (
    *((3, 1, 24, 1, 1), (3, 6, 32, 2, 3), (5, 6, 48, 2, 3), (3, 6, 96, 2, 5)),
    *((5, 6, 136, 1, 5), (5, 6, 232, 2, 6), (3, 6, 384, 1, 1)),
)


def midas_small(batch: int = 1, height: int = 192, width: int = 256, bits: int = 8) -> Workload:
    """MiDaS v2.1 small (github.com/isl-org/MiDaS, arXiv 1907.01341): EfficientNet-Lite3 and four fusion blocks.

    XRBench's table begins behind the stem with maps of 96x128, so the image is 192x256.
    """
    net, taps = Builder(bits), []
    x = net.conv("stem", net.input(batch, height, width, 3), 32, 3, stride=2, activation=RELU)
    for stage, (kernel, expansion, channels, stride, repeats) in enumerate(_LITE3):
        for block in range(repeats):
            step = stride if block == 0 else 1
            x = inverted_residual(net, f"stage{stage}.{block}", x, channels, kernel, expansion=expansion, stride=step)
        if stage in (1, 2, 4, 6):  # maps of 1/4, 1/8, 1/16 and 1/32
            taps.append(x)
    maps = [net.conv(f"reduce{i}", tap, 64 * 2**i, 3) for i, tap in enumerate(taps)]
    y: Tensor | None = None
    for index in reversed(range(4)):
        name, skip = f"fusion{index}", maps[index]
        features = skip.shape[-1]
        merged = skip if y is None else net.add(f"{name}.add", y, _refine(net, f"{name}.1", skip))
        merged = net.upsample(f"{name}.upsample", _refine(net, f"{name}.2", merged), ops=BILINEAR)
        y = net.conv(f"{name}.out", merged, max(features // 2, 64), 1)
    assert y is not None
    y = net.upsample("output.upsample", net.conv("output.conv1", y, 32, 3), ops=BILINEAR)
    y = net.conv("output.conv3", net.conv("output.conv2", y, 32, 3, activation=RELU), 1, 1, activation=RELU)
    return net.build("xr-midas-small", y)


def _refine(net: Builder, name: str, x: Tensor) -> Tensor:
    """Residual unit of two 3x3 convolutions."""
    y = net.conv(f"{name}.conv1", x, x.shape[-1], 3, activation=RELU)
    return net.add(f"{name}.add", x, net.conv(f"{name}.conv2", y, x.shape[-1], 3), activation=RELU)


def rgbd_200(batch: int = 1, height: int = 228, width: int = 912, bits: int = 8) -> Workload:
    """Sparse-to-dense depth (Ma and Karaman, arXiv 1709.07492): ResNet-18 and four UpProj blocks on KITTI images.

    The fourth input channel holds 200 depth samples. Unpooling inserts zeros, which dense hardware multiplies too.
    """
    net = Builder(bits)
    x = net.conv("conv1", net.input(batch, height, width, 4), 64, 7, stride=2, activation=RELU)
    x = net.pool("maxpool", x, 3, stride=2, padding=1)
    for stage, channels in enumerate((64, 128, 256, 512)):
        for block in range(2):
            name, stride = f"layer{stage}.{block}", 2 if stage and not block else 1
            y = net.conv(f"{name}.conv1", x, channels, 3, stride=stride, activation=RELU)
            y = net.conv(f"{name}.conv2", y, channels, 3)
            if x.shape != y.shape:
                x = net.conv(f"{name}.downsample", x, channels, 1, stride=stride)
            x = net.add(f"{name}.add", y, x, activation=RELU)
    x = net.conv("conv2", x, 256, 1)
    for block in range(4):
        name, channels = f"upproj{block}", x.shape[-1] // 2
        wide = net.upsample(f"{name}.unpool", x)
        y = net.conv(f"{name}.upper1", wide, channels, 5, activation=RELU)
        y = net.conv(f"{name}.upper2", y, channels, 3)
        x = net.add(f"{name}.add", y, net.conv(f"{name}.lower", wide, channels, 5), activation=RELU)
    x = net.conv("conv3", x, 1, 3)
    shape = (batch, height, width, 1)
    return net.build("xr-rgbd-200", net.vector("elementwise", "bilinear", x, shape=shape, ops=BILINEAR))


def planercnn(batch: int = 1, size: int = 160, regions: int = 1, bits: int = 8) -> Workload:
    """PlaneRCNN (Liu et al., CVPR 2019, arXiv 1812.04072) at a quarter of its 640x640 input.

    Mask R-CNN with ResNet-101 and a feature pyramid, a depth decoder over the middle 3/4 of the rows, and the mask
    refinement network, as in the authors' repository (github.com/NVlabs/planercnn). Region maps are a quarter too: 2x2
    for boxes, 4x4 for masks, 48x64 for refinement. XRBench's table runs the heads on one region; `regions` sets it.
    """
    net = Builder(bits)
    pyramid = _pyramid(net, _resnet101(net, net.input(batch, size, size, 3)))
    outputs = []
    for level, x in enumerate(pyramid, 2):
        y = net.conv(f"rpn{level}.conv", x, 512, 3, activation=RELU)
        outputs += [net.conv(f"rpn{level}.class", y, 6, 1), net.conv(f"rpn{level}.box", y, 12, 1)]
    outputs.append(_depth(net, pyramid))
    ranges = net.conv("coordinates", net.input(batch, size // 4, size // 4, 3), 64, 1, activation=RELU)
    x = net.concat(pyramid[0], ranges)
    roi = net.vector("pool", "roi_box", x, outputs[0], shape=(batch * regions, 2, 2, 256 + 64), ops=4)
    y = net.conv("box.conv1", roi, 1024, 2, padding=0, activation=RELU)
    y = net.conv("box.conv2", y, 1024, 1, activation=RELU)
    # Seven plane normals and the background: class, box and three plane parameters of each.
    outputs += [net.linear(f"box.{part}", y, 8 * n) for part, n in (("class", 1), ("delta", 4), ("plane", 3))]
    y = net.vector("pool", "roi_mask", pyramid[0], outputs[-1], shape=(batch * regions, 4, 4, 256), ops=4)
    for index in range(4):
        y = net.conv(f"mask.conv{index}", y, 256, 3, activation=RELU)
    y = net.conv("mask.conv5", net.conv_transposed("mask.deconv", y, 256, 2, activation=RELU), 8, 1, activation=SIGMOID)
    return net.build("xr-planercnn", *outputs, *_refinement(net, y, size * 3 // 10, size * 4 // 10))


def _resnet101(net: Builder, x: Tensor) -> list[Tensor]:
    """Maps of the four stages of ResNet-101 (arXiv 1512.03385, table 1); the stride is on the first 1x1."""
    x = net.pool("maxpool", net.conv("conv1", x, 64, 7, stride=2, activation=RELU), 3, stride=2, padding=1)
    maps = []
    for stage, (width, blocks) in enumerate(((64, 3), (128, 4), (256, 23), (512, 3))):
        for block in range(blocks):
            name, stride = f"layer{stage}.{block}", 2 if stage and not block else 1
            y = net.conv(f"{name}.conv1", x, width, 1, stride=stride, activation=RELU)
            y = net.conv(f"{name}.conv2", y, width, 3, activation=RELU)
            y = net.conv(f"{name}.conv3", y, 4 * width, 1)
            if not block:
                x = net.conv(f"{name}.downsample", x, 4 * width, 1, stride=stride)
            x = net.add(f"{name}.add", y, x, activation=RELU)
        maps.append(x)
    return maps


def _pyramid(net: Builder, maps: list[Tensor]) -> list[Tensor]:
    """Feature pyramid (arXiv 1612.03144): maps P2 to P6 of 256 channels."""
    merged: list[Tensor] = []
    for index in reversed(range(4)):
        x = net.conv(f"fpn{index}.lateral", maps[index], 256, 1)
        if merged:
            x = net.add(f"fpn{index}.add", x, net.upsample(f"fpn{index}.upsample", merged[0]))
        merged.insert(0, x)
    pyramid = [net.conv(f"fpn{index}.out", x, 256, 3) for index, x in enumerate(merged)]
    return [*pyramid, net.pool("fpn.p6", pyramid[-1], 1, stride=2)]


def _depth(net: Builder, pyramid: list[Tensor]) -> Tensor:
    """Depth decoder: P6 and P5 whole, then P4, P3 and P2 without the padding rows of a 4:3 image."""
    y: Tensor | None = None
    for step, x in enumerate(reversed(pyramid)):
        rows, columns = x.shape[1], x.shape[2]
        rows = -(-rows * 3 // 4) if step > 1 else rows
        z = net.conv(f"depth{step}.conv", x.view(x.shape[0], rows, columns, 256), 128, 3, activation=RELU)
        if y is not None:
            z = net.concat(y.view(x.shape[0], rows, columns, 128), z)
        wide = net.upsample(f"depth{step}.upsample", z)
        y = net.conv(f"depth{step}.up", wide, 64 if step == 4 else 128, 3, activation=RELU)
    assert y is not None
    return net.conv("depth.out", y, 1, 3)


def _refinement(net: Builder, masks: Tensor, height: int, width: int) -> list[Tensor]:
    """Refinement of each plane's mask beside all other planes, of the whole image's mask and its depth."""
    planes = masks.shape[0]
    x = net.vector("elementwise", "refine.input", masks, shape=(planes, height, width, 10), ops=BILINEAR)
    x0 = net.conv("refine.conv0", x, 32, 3, activation=RELU)
    x1 = net.conv("refine.conv1", _accumulate(net, "refine.sum0", x0), 64, 3, stride=2, activation=RELU)
    x1 = net.conv("refine.conv1_1", _accumulate(net, "refine.sum1", x1), 64, 3, activation=RELU)
    x2 = net.conv("refine.conv2", _accumulate(net, "refine.sum2", x1), 128, 3, stride=2, activation=RELU)
    x2 = net.conv("refine.conv2_1", _accumulate(net, "refine.sum3", x2), 128, 3, activation=RELU)
    outputs = []
    for part, heads in (("plane", ("mask",)), ("global", ("mask", "depth"))):
        maps = [x0, x1, x2]
        if part == "global":  # means over the planes
            sizes = [(1, *x.shape[1:]) for x in maps]
            maps = [net.vector("pool", f"global.mean{i}", x, shape=sizes[i], ops=planes) for i, x in enumerate(maps)]
        y = net.concat(net.conv_transposed(f"{part}.up2", maps[2], 64, 4, activation=RELU), maps[1])
        y = net.concat(net.conv_transposed(f"{part}.up1", y, 32, 4, activation=RELU), maps[0])
        for head in heads:
            z = net.conv(f"{part}.{head}1", y, 16, 3, activation=RELU)
            outputs.append(net.conv(f"{part}.{head}2", z, 1, 3))
    return outputs


def _accumulate(net: Builder, name: str, x: Tensor) -> Tensor:
    """The map of a plane beside the mean of the other planes' maps."""
    return net.concat(x, net.vector("elementwise", name, x, ops=3))
