"""Decoder language models in three phases, from one parameterised decoder.

Prefill reads `seq` prompt tokens of every request at once and writes their keys and values to the cache. Decode makes
one token per request: it reads a cache of `context` tokens (the new one included), which lies off the chip because
every request has its own, and writes the new token's key and value. Generate is both: a prompt of `seq` tokens, whose
prefill gives the first new token, and `out` - 1 decode steps. Causal masking is not exploited: prefill computes the
full square of scores. The output head runs on every position of a prefill unless `logits=last`, as serving systems
have it and generate does, and on the new tokens in decode.

`context` and `seq` are not held to the trained length (GPT-2 XL: 1024), so that models compare at the same one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

from archgym.errors import unknown
from archgym.workloads.builder import GELU, LAYER_NORM, RELU, RMS_NORM, ROTARY, SILU, Builder, Tensor
from archgym.workloads.operators import DECODE, FORWARD, WEIGHT_NONE
from archgym.workloads.workload import Layer, Workload


@dataclass(frozen=True)
class Decoder:
    """Hyper-parameters of a decoder.

    Attributes:
        layers, width, heads, kv_heads, mlp, vocabulary: sizes; `mlp` is the hidden width of the feed-forward network.
        llama: RMSNorm, rotary positions and SwiGLU; otherwise LayerNorm, learned positions and a two-layer MLP.
        activation: lane operations of the MLP's activation.
        rotary: rotary positions instead of learned ones, as a Llama has them anyway.
        head: width of a head where it is not width / heads.
        qk_norm: queries and keys are normalised.
        experts, chosen: MLPs of a mixture and how many of them a token takes; 0 for a single MLP.
    """

    layers: int
    width: int
    heads: int
    kv_heads: int
    mlp: int
    vocabulary: int
    llama: bool = False
    activation: float = GELU
    rotary: bool = False
    head: int = 0
    qk_norm: bool = False
    experts: int = 0
    chosen: int = 0

    @property
    def depth(self) -> int:
        """Width of a head."""
        return self.head or self.width // self.heads

    @property
    def rotates(self) -> bool:
        """Positions are rotary."""
        return self.llama or self.rotary


def prefill(model: Decoder, batch: int = 1, seq: int = 128, bits: int = 8, logits: str = "all") -> Workload:
    """All prompt tokens of `batch` requests; the output head on `all` positions or on the `last`.

    Raises:
        UnknownNameError: `logits` is neither.
    """
    if logits not in ("all", "last"):
        raise unknown("logits", logits, ("all", "last"))
    return _forward(model, batch, seq, 0, seq if logits == "all" else 1, Builder(bits, FORWARD))


def decode(model: Decoder, batch: int = 1, context: int = 2048, bits: int = 8) -> Workload:
    """One token for each of `batch` requests with `context` tokens each, the new one included."""
    return _forward(model, batch, 1, context - 1, 1, Builder(bits, DECODE))


def generate(model: Decoder, batch: int = 1, seq: int = 2048, out: int = 128, bits: int = 8) -> Workload:
    """`out` tokens for each of `batch` requests after a prompt of `seq` tokens.

    Every decode step is taken at the mean context; the cache is that of the last step.
    """
    prompt = prefill(model, batch, seq, bits, "last")
    if out == 1:
        return prompt
    steps = out - 1
    mean, last = (decode(model, batch, context, bits).layers for context in (seq + out // 2, seq + steps))
    layers = [_with(layer, resident_bytes=layer.operator.resident_bytes * _is_weight(layer)) for layer in prompt.layers]
    layers += [  # the weights are those of the prefill; the cache grows until the last step
        _with(layer, count=steps, resident_bytes=full.operator.resident_bytes * (not _is_weight(layer)) / steps)
        for layer, full in zip(mean, last, strict=True)
    ]
    n = len(prompt.layers)
    edges = (*prompt.edges, (n - 1, n), *((n + source, n + target) for source, target in prompt.edges))
    return Workload("decoder", tuple(layers), edges)


def _with(layer: Layer, **fields: float) -> Layer:
    return replace(layer, operator=replace(layer.operator, **fields))  # type: ignore[arg-type]


def _is_weight(layer: Layer) -> bool:
    return layer.operator.weight != WEIGHT_NONE


def phases(model: Decoder) -> dict[str, partial[Workload]]:
    """What the registry holds for a language model; prefill is the default."""
    return {
        name: partial(build, model)
        for name, build in (("prefill", prefill), ("decode", decode), ("generate", generate))
    }


# GPT-2: Radford et al. 2019, table 2 (48 layers, 1600), 25 heads and 50257 tokens from the released model.
GPT2_XL = phases(Decoder(48, 1600, 25, 25, 6400, 50257))
# Megatron-LM, arXiv 1909.08053, the 2.5B model: 54 layers, width 1920, 20 heads; vocabulary padded to 51200.
GPT2_2_5B = phases(Decoder(54, 1920, 20, 20, 7680, 51200))
# GPT-3: arXiv 2005.14165, table 2.1; its alternating banded attention layers are taken as dense.
# 13B: 40 heads of 128 make 5120, which the paper prints as 5140. 30B is none of that paper's: NeuPIMs
# (arXiv 2403.00579) calls the sizes of OPT-30B so (arXiv 2205.01068, table 1).
GPT3_6_7B = phases(Decoder(32, 4096, 32, 32, 16384, 50257))
GPT3_13B = phases(Decoder(40, 5120, 40, 40, 20480, 50257))
GPT3_30B = phases(Decoder(48, 7168, 56, 56, 28672, 50257))
GPT3_175B = phases(Decoder(96, 12288, 96, 96, 49152, 50257))
# OPT: arXiv 2205.01068, table 1; ReLU; vocabulary padded to 50272 in the released model.
OPT_6_7B = phases(Decoder(32, 4096, 32, 32, 16384, 50272, activation=RELU))
# Llama 2: arXiv 2307.09288, section 2.2, and the released config.json.
LLAMA2_7B = phases(Decoder(32, 4096, 32, 32, 11008, 32000, llama=True, activation=SILU))
LLAMA2_13B = phases(Decoder(40, 5120, 40, 40, 13824, 32000, llama=True, activation=SILU))
LLAMA2_70B = phases(Decoder(80, 8192, 64, 8, 28672, 32000, llama=True, activation=SILU))
# Qwen2: arXiv 2407.10671, table 1 (80 layers, 8192, 64 heads, 8 key-value heads, 29568) and the released config.json.
QWEN2_72B = phases(Decoder(80, 8192, 64, 8, 29568, 152064, llama=True, activation=SILU))
# Llama 3: arXiv 2407.21783, table 3; 128256 tokens in the released model.
LLAMA3_8B = phases(Decoder(32, 4096, 32, 8, 14336, 128256, llama=True, activation=SILU))


def _forward(model: Decoder, batch: int, tokens: int, cached: int, logits: int, net: Builder) -> Workload:
    """One pass over `tokens` new tokens per request, with `cached` older ones in the cache and `logits` outputs."""
    x = net.embedding("embedding", batch, tokens, model.width, positions=not model.rotates)
    written: list[Tensor] = []
    for index in range(model.layers):
        name = f"layer{index}"
        attended, key, value = _attention(net, model, name, _norm(net, model, f"{name}.norm1", x), cached)
        x = net.add(f"{name}.add1", x, attended)
        feed_forward = _experts if model.experts else _mlp
        x = net.add(f"{name}.add2", x, feed_forward(net, model, name, _norm(net, model, f"{name}.norm2", x)))
        written += [key, value]
    x = net.linear("lm_head", _norm(net, model, "norm", x.view(batch, logits, model.width)), model.vocabulary)
    workload = net.build("decoder", x, *written)
    return _with_all_experts(workload, model, batch * tokens * model.chosen) if model.experts else workload


def _with_all_experts(workload: Workload, model: Decoder, pairs: int) -> Workload:
    """Memory holds all experts, also those that none of the `pairs` of token and expert chose."""
    stored = max(model.experts / pairs, 1)
    layers = (
        _with(layer, resident_bytes=layer.operator.resident_bytes * (stored if ".expert" in layer.name else 1))
        for layer in workload.layers
    )
    return replace(workload, layers=tuple(layers))


def _attention(net: Builder, model: Decoder, name: str, x: Tensor, cached: int) -> tuple[Tensor, Tensor, Tensor]:
    """Attention over the cache and the new tokens; returns its output and the new key and value."""
    batch, tokens, width = x.shape
    depth, rotary = model.depth, ROTARY if model.rotates else 0
    query = net.linear(f"{name}.q_proj", x, model.heads * depth, activation=rotary)
    key = net.linear(f"{name}.k_proj", x, model.kv_heads * depth, activation=rotary)
    if model.qk_norm:
        query, key = _norm(net, model, f"{name}.q_norm", query), _norm(net, model, f"{name}.k_norm", key)
    value = net.linear(f"{name}.v_proj", x, model.kv_heads * depth)
    # the cache is resident, and external where it holds older tokens; concatenating the new ones is free
    keys, values = (_with_cache(net, part.view(batch, tokens, model.kv_heads, depth), cached) for part in (key, value))
    mixed = net.attention(name, query.view(batch, tokens, model.heads, depth), keys, values)
    return net.linear(f"{name}.o_proj", mixed, width), key, value


def _with_cache(net: Builder, new: Tensor, cached: int) -> Tensor:
    batch, _, kv_heads, depth = new.shape
    cache = net.concat(net.input(batch, cached, kv_heads, depth), new, axis=1) if cached else new
    return replace(cache, resident=True)


def _mlp(net: Builder, model: Decoder, name: str, x: Tensor) -> Tensor:
    """SwiGLU (arXiv 2002.05202) for Llama, two layers otherwise."""
    if not model.llama:
        return net.linear(
            f"{name}.fc2", net.linear(f"{name}.fc1", x, model.mlp, activation=model.activation), model.width
        )
    gate = net.linear(f"{name}.gate_proj", x, model.mlp)
    up = net.linear(f"{name}.up_proj", x, model.mlp)
    return net.linear(
        f"{name}.down_proj", net.multiply(f"{name}.swiglu", gate, up, activation=model.activation), model.width
    )


def _experts(net: Builder, model: Decoder, name: str, x: Tensor) -> Tensor:
    """A gate, then the chosen experts of every token, spread evenly; of an expert that any token chose all is read."""
    batch, tokens, width = x.shape
    gate = net.softmax(f"{name}.gate_softmax", net.linear(f"{name}.gate", x, model.experts))
    pairs, parts = batch * tokens * model.chosen, []
    for expert in range(min(model.experts, pairs)):
        rows = pairs // model.experts + (expert < pairs % model.experts)
        parts.append(_mlp(net, model, f"{name}.expert{expert}", x.view(1, rows, width)))
    chosen = net.concat(*parts, axis=1).view(batch, tokens, model.chosen * width)
    ops = 2 * model.chosen - 1  # their sum, weighted by the gate
    return net.vector("elementwise", f"{name}.mix", chosen, gate, shape=x.shape, ops=ops)


def _norm(net: Builder, model: Decoder, name: str, x: Tensor) -> Tensor:
    return net.norm(name, x, ops=RMS_NORM if model.llama else LAYER_NORM)
