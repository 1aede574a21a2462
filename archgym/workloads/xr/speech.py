"""Networks over time: keyword detection (KD), speech recognition (ASR), action segmentation (AS)."""

from __future__ import annotations

from archgym.workloads.builder import RELU, Builder
from archgym.workloads.workload import Workload

EMFORMER_LAYERS, EMFORMER_WIDTH, EMFORMER_HEADS, EMFORMER_MLP = 24, 512, 8, 2048  # arXiv 2010.10759


def res8_narrow(batch: int = 1, frames: int = 98, bits: int = 8) -> Workload:
    """res8-narrow (Tang and Lin, arXiv 1710.10361): 40 coefficients of 98 frames, 12 keywords.

    A 3x3 convolution to 19 channels, a 4x3 average, three residual blocks of two 3x3 convolutions.
    """
    net = Builder(bits)
    x = net.conv("conv0", net.input(batch, frames, 40, 1), 19, 3, activation=RELU)
    x = net.vector("pool", "pool", x, shape=(batch, frames // 4, 40 // 3, 19), ops=12)
    for block in range(3):
        y = net.conv(f"block{block}.conv1", x, 19, 3, activation=RELU)
        y = net.conv(f"block{block}.conv2", y, 19, 3, activation=RELU)
        x = net.add(f"block{block}.add", x, y)
    return net.build("xr-res8-narrow", net.linear("output", net.global_pool("mean", x), 12))


def emformer(batch: int = 1, frames: int = 128, bits: int = 8) -> Workload:
    """Emformer EM-24L (arXiv 2010.10759): 24 layers of width 512 and 8 heads over 128 frames of 512 features.

    All frames attend to all frames: how the 128 divide into left context, block, look-ahead and memory is not in the
    benchmark. The front end that makes 512 features and the decoder are no part of it.
    """
    net = Builder(bits)
    width, heads = EMFORMER_WIDTH, EMFORMER_HEADS
    x = net.input(batch, frames, width)
    for index in range(EMFORMER_LAYERS):
        name = f"layer{index}"
        y = net.norm(f"{name}.norm1", x)
        query = net.linear(f"{name}.q_proj", y, width).view(batch, frames, heads, width // heads)
        pair = net.linear(f"{name}.kv_proj", y, 2 * width).view(batch, frames, heads, width // heads)
        y = net.linear(f"{name}.o_proj", net.attention(name, query, pair, pair), width)
        x = net.add(f"{name}.add1", x, y)
        y = net.linear(f"{name}.fc1", net.norm(f"{name}.norm2", x), EMFORMER_MLP, activation=RELU)
        x = net.norm(f"{name}.norm3", net.add(f"{name}.add2", x, net.linear(f"{name}.fc2", y, width)))
    return net.build("xr-emformer", x)


def ed_tcn(batch: int = 1, frames: int = 668, bits: int = 8) -> Workload:
    """ED-TCN (Lea et al., CVPR 2017, arXiv 1611.05267): 668 frames of 128 features, 18 actions.

    Two layers down (64 and 96 filters of 25 frames, maximum of two frames), two up. The classes are those of 50 Salads
    at the paper's mid level plus background (an assumption).
    """
    net = Builder(bits)
    x = net.input(batch, frames, 1, 128)
    for index, filters in enumerate((64, 96)):
        x = net.conv(f"down{index}", x, filters, (25, 1), activation=RELU)
        x = net.vector("pool", f"pool{index}", x, shape=(batch, x.shape[1] // 2, 1, filters), ops=2)
    for index, filters in enumerate((96, 64)):
        x = net.vector("elementwise", f"upsample{index}", x, shape=(batch, 2 * x.shape[1], 1, x.shape[-1]), ops=0)
        x = net.conv(f"up{index}", x, filters, (25, 1), activation=RELU)
    return net.build("xr-ed-tcn", net.softmax("softmax", net.linear("classes", x.view(batch, frames, 64), 18)))
