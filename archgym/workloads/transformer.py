"""Encoder transformers: BERT-base and ViT-B/16, both 12 layers of width 768 with 12 heads and an MLP of 3072."""

from __future__ import annotations

from dataclasses import replace

from archgym.workloads.builder import GELU, Builder, Tensor
from archgym.workloads.workload import Workload

# BERT section 3 (L = 12, H = 768, A = 12, feed-forward 4H) and ViT table 1, row Base: the same numbers.
LAYERS, WIDTH, HEADS, MLP = 12, 768, 12, 3072


def bert_base(batch: int = 1, seq: int = 128, bits: int = 8) -> Workload:
    """BERT-base (arXiv 1810.04805, section 3) from token ids to hidden states, normalisation after each block.

    The encoder alone. A pooler (0.6 M MACs) or a SQuAD head (0.2 M) would not show in the 11.17 G of 128 tokens; the
    masked-language-model head (3 G) is not part of it. The two segment rows are taken as added to the positions.
    """
    net = Builder(bits)
    x = net.norm("embedding_norm", net.embedding("embedding", batch, seq, WIDTH, positions=True))
    for index in range(LAYERS):
        name = f"layer{index}"
        x = net.norm(f"{name}.norm1", net.add(f"{name}.add1", x, _self_attention(net, name, x)))
        x = net.norm(f"{name}.norm2", net.add(f"{name}.add2", x, _mlp(net, name, x)))
    return net.build("bert-base", x)


def vit_b16(batch: int = 1, bits: int = 8) -> Workload:
    """ViT-B/16 (arXiv 2010.11929, table 1) on 224x224 images: 196 patches and a class token, 1000 classes."""
    net = Builder(bits)
    patches = net.conv("patch_embedding", net.input(batch, 224, 224, 3), WIDTH, 16, stride=16, padding=0)
    token = replace(patches, shape=(batch, 1, WIDTH))  # the class token: a constant row before the patches
    x = net.concat(token, patches.view(batch, 14 * 14, WIDTH), axis=1)
    x = net.add("positions", x, net.input(14 * 14 + 1, WIDTH))
    for index in range(LAYERS):
        name = f"layer{index}"
        x = net.add(f"{name}.add1", x, _self_attention(net, name, net.norm(f"{name}.norm1", x)))
        x = net.add(f"{name}.add2", x, _mlp(net, name, net.norm(f"{name}.norm2", x)))
    x = net.norm("norm", x.view(batch, WIDTH))  # only the class token is classified
    return net.build("vit-b16", net.linear("head", x, 1000))


def _self_attention(net: Builder, name: str, x: Tensor) -> Tensor:
    batch, tokens, width = x.shape
    query, key, value = (
        net.linear(f"{name}.{part}_proj", x, width).view(batch, tokens, HEADS, width // HEADS) for part in "qkv"
    )
    return net.linear(f"{name}.o_proj", net.attention(name, query, key, value), width)


def _mlp(net: Builder, name: str, x: Tensor) -> Tensor:
    return net.linear(f"{name}.fc2", net.linear(f"{name}.fc1", x, MLP, activation=GELU), x.shape[-1])
