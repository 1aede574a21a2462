"""The four applications of CHARM (Zhuang et al., FPGA 2023, arXiv 2301.02359, table 5): their matrix products alone.

Shapes from its repository (github.com/arc-research-lab/CHARM, example/*/*/host/host.cpp) with the correction of its
errata sheet. Activations and normalisations run elsewhere and are left out; one run is one pass over the listed
products of one layer (BERT, ViT) or the whole network (NCF, MLP).
"""

from __future__ import annotations

from archgym.workloads.builder import Builder, Tensor
from archgym.workloads.workload import Workload

ROWS = 3072  # samples or tokens of all products


def bert(bits: int = 32) -> Workload:
    """A BERT-Large layer: 6 sequences of 512 tokens, width 1024, 16 heads of 64, feed-forward 4096."""
    net = Builder(bits)
    x = net.input(6, 512, 1024)
    heads = [net.linear(f"{part}_proj", x, 1024) for part in "qkv"]
    return net.build("charm-bert", _mlp(net, _attention(net, heads, 6, 512, 1024), 1024, 4096))


def vit(bits: int = 32) -> Workload:
    """A ViT layer and its embedding: 48 images of 64 tokens, width 1024, 16 heads of 64, feed-forward 4096."""
    net = Builder(bits)
    x = net.linear("embedding", net.input(1, ROWS, 3024), 1024)
    qkv = net.linear("qkv", x, 3072)
    y = _attention(net, [qkv] * 3, 48, 64, 1024)
    return net.build("charm-vit", _mlp(net, y, 1024, 4096))


def ncf(bits: int = 32) -> Workload:
    """Neural collaborative filtering: nine layers from 4096 inputs to one score."""
    net = Builder(bits)
    x = net.input(ROWS, 4096)
    for index, features in enumerate((2048, 1024, 512, 256, 128, 64, 32, 16)):
        x = net.linear(f"fc{index}", x, features)
    joined = net.concat(x, x)  # 16 features of the MLP and 16 of the factorisation
    return net.build("charm-ncf", net.linear("score", joined, 1))


def mlp(bits: int = 32) -> Workload:
    """A multilayer perceptron, 2048-4096-4096-4096-1024."""
    net = Builder(bits)
    x = net.input(ROWS, 2048)
    for index, features in enumerate((4096, 4096, 4096, 1024)):
        x = net.linear(f"fc{index}", x, features)
    return net.build("charm-mlp", x)


def _attention(net: Builder, parts: list[Tensor], batch: int, tokens: int, width: int) -> Tensor:
    """Scores and weighted sum over heads of 64, without the softmax, and the output projection."""
    query, key, value = (part.view(batch, tokens, width // 64, 64) for part in parts)
    mixed = net.mix("context", net.scores("scores", query, key), value)
    return net.linear("o_proj", mixed, width)


def _mlp(net: Builder, x: Tensor, width: int, hidden: int) -> Tensor:
    return net.linear("fc2", net.linear("fc1", x, hidden), width)
