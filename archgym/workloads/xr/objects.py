"""Networks that name what is seen: semantic segmentation (SS), object detection (OD)."""

from __future__ import annotations

from archgym.workloads.builder import GELU, RELU, Builder, Tensor
from archgym.workloads.workload import Workload
from archgym.workloads.xr.blocks import HARD_SWISH, inverted_residual

# HRViT-b1 (arXiv 2111.01236): channels and window of each branch, blocks per branch of the six modules.
HRVIT_CHANNELS, HRVIT_WINDOWS, HRVIT_HEAD = (32, 64, 128, 256), (1, 2, 7, 7), 32
HRVIT_BLOCKS = ((1,), (1, 1), (1, 1, 6), (1, 1, 6), (1, 1, 6, 2), (1, 1, 2, 2))


def hrvit_b1(batch: int = 1, size: int = 224, bits: int = 8) -> Workload:
    """HRViT-b1 (arXiv 2111.01236) on 224x224 images with its classification head, which XRBench runs.

    Details as in the authors' repository (github.com/facebookresearch/HRViT, models/hrvit.py).
    """
    net = Builder(bits)
    x = net.conv("stem.conv1", net.input(batch, size, size, 3), 32, 3, stride=2, activation=RELU)
    maps = [net.conv("stem.conv2", x, 64, 3, stride=2, activation=RELU)]
    for stage, blocks in enumerate(HRVIT_BLOCKS):
        name = f"stage{stage}"
        maps = _fuse(net, name, maps, len(blocks))
        for branch, count in enumerate(blocks):
            width, part = HRVIT_CHANNELS[branch], f"{name}.{branch}"
            y = net.conv(f"{part}.embed", maps[branch], width, 1)
            y = net.norm(f"{part}.embed_norm", net.conv(f"{part}.embed_dw", y, width, 3, groups=width))
            for block in range(count):
                y = _hrvit_block(net, f"{part}.{block}", y, HRVIT_WINDOWS[branch])
            maps[branch] = net.norm(f"{part}.norm", y)
    return net.build("xr-hrvit-b1", _hrvit_head(net, maps))


def _fuse(net: Builder, name: str, maps: list[Tensor], outputs: int) -> list[Tensor]:
    """Cross-resolution fusion: every map from all maps; a new map is made of all that exist."""
    widths = [x.shape[-1] for x in maps] + list(HRVIT_CHANNELS[len(maps) : outputs])
    fused = []
    for i, width in enumerate(widths):
        total: Tensor | None = None
        for j, x in enumerate(maps):
            part = f"{name}.fuse{i}{j}"
            if j < i:
                step = 2 ** (i - j)
                pad = step // 2
                x = net.conv(f"{part}.dw", x, x.shape[-1], step + 1, stride=step, padding=pad, groups=x.shape[-1])
                x = net.conv(f"{part}.pw", x, width, 1)
            elif j > i:
                x = net.upsample(f"{part}.up", net.conv(f"{part}.pw", x, width, 1), 2 ** (j - i))
            total = x if total is None else net.add(f"{part}.add", total, x)
        assert total is not None
        fused.append(net.vector("elementwise", f"{name}.fuse{i}.gelu", total, ops=GELU))
    return fused


def _hrvit_block(net: Builder, name: str, x: Tensor, window: int) -> Tensor:
    """Attention in crossed windows with a diversity shortcut, then a feed-forward net with mixed 3x3 and 5x5."""
    batch, height, _, width = x.shape
    both = net.linear(f"{name}.qv", net.norm(f"{name}.norm1", x), 2 * width)
    value = both.view(batch, height, x.shape[2], width)
    shortcut = net.conv(f"{name}.parallel", value, width, 3, groups=width, activation=HARD_SWISH)
    half, head = width // 2, min(width // 2, HRVIT_HEAD)
    stripes, tokens = height // window, window * height  # the maps are square: rows and columns are alike
    parts = []
    for direction in ("rows", "columns"):
        # Each stripe is an independent product per head; key and value are the same tensor.
        q = both.view(batch, tokens, stripes * (half // head), head)
        parts.append(net.attention(f"{name}.{direction}", q, q, q).view(batch, height, x.shape[2], half))
    y = net.add(f"{name}.add_parallel", net.concat(*parts), shortcut, activation=HARD_SWISH)
    y = net.linear(f"{name}.out", y, width)
    y = net.add(f"{name}.add_des", y, _diversity(net, name, x))
    x = net.add(f"{name}.add1", x, y)
    y = net.linear(f"{name}.fc1", net.norm(f"{name}.norm2", x), 4 * width)
    mixed = [
        net.conv(f"{name}.mix{kernel}", y.view(*x.shape[:3], 2 * width), 2 * width, kernel, groups=2 * width)
        for kernel in (3, 5)
    ]
    y = net.vector("elementwise", f"{name}.gelu", net.concat(*mixed), ops=GELU)
    return net.add(f"{name}.add2", x, net.linear(f"{name}.fc2", y, width))


def _diversity(net: Builder, name: str, x: Tensor) -> Tensor:
    """Diversity-enhancing shortcut: a Kronecker-factored product, p x p then (width/p) x (width/p)."""
    width = x.shape[-1]
    p = 2 ** ((width.bit_length()) // 2)  # the larger of the two powers of two whose product is the width
    y = net.linear(f"{name}.des1", x.view(*x.shape[:3], width // p, p), p, activation=GELU)
    return net.linear(f"{name}.des2", y.view(*x.shape[:3], p, width // p), width // p).view(*x.shape)


def _hrvit_head(net: Builder, maps: list[Tensor]) -> Tensor:
    """A bottleneck on each map, summed down to the smallest; 2048 channels, mean, 1000 classes."""
    y: Tensor | None = None
    for index, x in enumerate(maps):
        width, name = x.shape[-1], f"head{index}"
        z = net.conv(f"{name}.conv1", x, width, 1, activation=RELU)
        z = net.conv(f"{name}.conv3", net.conv(f"{name}.conv2", z, width, 3, activation=RELU), 4 * width, 1)
        z = net.add(f"{name}.add", z, net.conv(f"{name}.downsample", x, 4 * width, 1), activation=RELU)
        if y is not None:
            y = net.conv(f"{name}.step", y, 4 * width, 3, stride=2, activation=RELU)
            z = net.add(f"{name}.merge", z, y)
        y = z
    assert y is not None
    y = net.conv("head.final", y, 2048, 1, activation=RELU)
    return net.linear("classifier", net.global_pool("avgpool", y), 1000)


# D2Go's FBNetV3-A (github.com/facebookresearch/d2go, d2go/modeling/modeldef), blocks as kernel, expansion, channels,
# stride, squeeze-and-excitation: the trunk, what the region proposal repeats of it, and the box head.
_TRUNK = (
    *((3, 1, 16, 1, 0), (3, 1, 16, 1, 0), (5, 4, 24, 2, 0), *3 * ((5, 3, 24, 1, 0),)),
    *((5, 4, 32, 2, 1), *3 * ((3, 3, 32, 1, 1),)),
    *((5, 4, 64, 2, 0), *3 * ((3, 3, 64, 1, 0),), (5, 4, 112, 1, 1), *5 * ((5, 3, 112, 1, 1),)),
)
_PROPOSAL = 5 * ((5, 3, 112, 1, 1),)
_BOX = ((5, 4, 184, 2, 1), *4 * ((3, 4, 184, 1, 1),), (5, 6, 200, 1, 1))
ANCHORS, CLASSES = 15, 80


def d2go(batch: int = 1, height: int = 224, width: int = 299, regions: int = 1, bits: int = 8) -> Workload:
    """D2Go's Faster R-CNN with FBNetV3-A on 224x299 images.

    XRBench's tables run the box head on one region; D2Go proposes up to 100, which `regions` sets. Pooling the 6x6
    maps of the regions is counted as bilinear samples of the vector unit.
    """
    net = Builder(bits)
    x = net.conv("conv0", net.input(batch, height, width, 3), 16, 3, stride=2, activation=HARD_SWISH)
    x = _fbnet(net, "trunk", x, _TRUNK)
    y = _fbnet(net, "rpn", x, _PROPOSAL)
    proposals = net.conv("rpn.objectness", y, ANCHORS, 1), net.conv("rpn.deltas", y, 4 * ANCHORS, 1)
    roi = net.vector("pool", "roi_align", x, proposals[0], shape=(batch * regions, 6, 6, x.shape[-1]), ops=16)
    box = net.global_pool("box.mean", _fbnet(net, "box", roi, _BOX))
    scores, deltas = net.linear("box.classes", box, CLASSES + 1), net.linear("box.deltas", box, 4 * CLASSES)
    return net.build("xr-d2go", proposals[1], scores, deltas)


def _fbnet(net: Builder, name: str, x: Tensor, blocks: tuple[tuple[int, int, int, int, int], ...]) -> Tensor:
    for index, (kernel, expansion, channels, stride, squeeze) in enumerate(blocks):
        x = inverted_residual(
            net,
            f"{name}{index}",
            x,
            channels,
            kernel,
            expansion=expansion,
            stride=stride,
            squeeze=bool(squeeze),
            activation=HARD_SWISH,
        )
    return x
