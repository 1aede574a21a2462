"""Vision transformers with mixtures of experts."""

from __future__ import annotations

from archgym.workloads.builder import GELU, Builder, Tensor
from archgym.workloads.workload import Workload

# M3ViT, arXiv 2210.14793, on a ViT-Tiny backbone (arXiv 2012.12877, table 1: 12 layers, width 192, 3 heads), every
# second MLP a mixture of 16 experts of which a token takes 2. Hidden widths 768 (MLP) and 384 (expert) as UbiMoE runs
# it (github.com/DJ000011/UbiMoE, src/model.hpp).
LAYERS, WIDTH, HEADS, MLP, EXPERT, EXPERTS, CHOSEN, PATCH = 12, 192, 3, 768, 384, 16, 2, 16


def m3vit(batch: int = 1, height: int = 128, width: int = 256, bits: int = 16) -> Workload:
    """M3ViT on images of height x width, 128x256 as UbiMoE runs it; tokens spread evenly over the experts."""
    net = Builder(bits)
    tokens = (height // PATCH) * (width // PATCH) + 1
    patches = net.conv("patch_embedding", net.input(batch, height, width, 3), WIDTH, PATCH, stride=PATCH, padding=0)
    token = patches.view(batch, 1, WIDTH)  # the class token: a constant row before the patches
    x = net.concat(token, patches.view(batch, tokens - 1, WIDTH), axis=1)
    for index in range(LAYERS):
        name = f"layer{index}"
        x = net.add(f"{name}.add1", x, _self_attention(net, name, net.norm(f"{name}.norm1", x)))
        y = net.norm(f"{name}.norm2", x)
        y = _experts(net, name, y) if index % 2 else _mlp(net, name, y, MLP)
        x = net.add(f"{name}.add2", x, y)
    return net.build("m3vit", net.norm("norm", x))


def _self_attention(net: Builder, name: str, x: Tensor) -> Tensor:
    batch, tokens, width = x.shape
    query, key, value = (
        net.linear(f"{name}.{part}_proj", x, width).view(batch, tokens, HEADS, width // HEADS) for part in "qkv"
    )
    return net.linear(f"{name}.o_proj", net.attention(name, query, key, value), width)


def _mlp(net: Builder, name: str, x: Tensor, hidden: int) -> Tensor:
    return net.linear(f"{name}.fc2", net.linear(f"{name}.fc1", x, hidden, activation=GELU), x.shape[-1])


def _experts(net: Builder, name: str, x: Tensor) -> Tensor:
    """A gate, then two experts per token; all weights of an expert that any token chose are read."""
    batch, tokens, width = x.shape
    gate = net.softmax(f"{name}.gate_softmax", net.linear(f"{name}.gate", x, EXPERTS))
    pairs, parts = batch * tokens * CHOSEN, []
    for expert in range(EXPERTS):
        rows = pairs // EXPERTS + (expert < pairs % EXPERTS)
        if rows:
            parts.append(_mlp(net, f"{name}.expert{expert}", x.view(1, rows, width), EXPERT))
    chosen = net.concat(*parts, axis=1).view(batch, tokens, CHOSEN * width)
    ops = 2 * CHOSEN - 1  # their sum, weighted by the gate
    return net.vector("elementwise", f"{name}.mix", chosen, gate, shape=x.shape, ops=ops)
