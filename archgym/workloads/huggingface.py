"""Language models from the `config.json` of a Hugging Face model: prefill, decode and generate as the built-in ones.

The fields are those of the configuration classes in github.com/huggingface/transformers (src/transformers/models). A
model of another type is refused rather than guessed. The options are those of archgym.workloads.llm, `bits` included:
the file's own `torch_dtype` is not read.

GPT-J and GPT-NeoX run attention and MLP beside each other; they are taken one after the other, which is the same work.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from archgym.errors import InputError, unknown
from archgym.workloads.builder import GELU, RELU, SILU
from archgym.workloads.llm import Decoder, phases
from archgym.workloads.workload import Workload

log = logging.getLogger(__name__)

ACTIVATIONS: dict[str, float] = dict.fromkeys(
    ["gelu", "gelu_new", "gelu_fast", "gelu_python", "gelu_pytorch_tanh", "quick_gelu"], GELU
)
ACTIVATIONS |= {"relu": RELU, "silu": SILU, "swish": SILU}


@dataclass(frozen=True)
class _Names:
    """What the fields of a model type are called; an empty name is a field that it lacks.

    Attributes:
        kv_heads, head: may be absent or null: then as many as heads, and width / heads.
        optional_mlp: a null or absent `mlp` is 4 * width.
        llama, rotary, qk_norm: see Decoder.
    """

    width: str = "hidden_size"
    layers: str = "num_hidden_layers"
    heads: str = "num_attention_heads"
    kv_heads: str = "num_key_value_heads"
    head: str = "head_dim"
    mlp: str = "intermediate_size"
    vocabulary: str = "vocab_size"
    activation: str = "hidden_act"
    experts: str = ""
    chosen: str = ""
    optional_mlp: bool = False
    llama: bool = True
    rotary: bool = False
    qk_norm: bool = False


_GPT2: dict[str, Any] = {
    "width": "n_embd",
    "layers": "n_layer",
    "heads": "n_head",
    "mlp": "n_inner",
    "kv_heads": "",
    "head": "",
}
_LLAMA = _Names()

MODEL_TYPES: dict[str, _Names] = {
    "llama": _LLAMA,
    "mistral": _LLAMA,
    "qwen2": _LLAMA,
    "qwen3": _Names(qk_norm=True),
    "gemma": _LLAMA,
    "phi3": _LLAMA,
    "mixtral": _Names(experts="num_local_experts", chosen="num_experts_per_tok"),
    "opt": _Names(kv_heads="", head="", mlp="ffn_dim", activation="activation_function", llama=False),
    "gpt2": _Names(**_GPT2, activation="activation_function", optional_mlp=True, llama=False),
    "gptj": _Names(**_GPT2, activation="activation_function", optional_mlp=True, llama=False, rotary=True),
    "gpt_neox": _Names(kv_heads="", head="", llama=False, rotary=True),
    "starcoder2": _Names(head="", llama=False, rotary=True),
}


def phases_of(path: Path) -> Mapping[str, partial[Workload]]:
    """The phases of the model that a configuration describes.

    Raises:
        InputError: no JSON, a model type that is not known, or a field that is missing or cannot be used.
    """
    try:
        config = json.loads(path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from error
    except ValueError as error:
        raise InputError(f"{path} is not valid JSON: {error}") from None
    if not isinstance(config, dict) or "model_type" not in config:
        raise InputError(f"{path} is no Hugging Face configuration: it has no field 'model_type'")
    if not isinstance(config["model_type"], str) or config["model_type"] not in MODEL_TYPES:
        raise unknown(f"model_type in {path}", config["model_type"], MODEL_TYPES)
    return phases(_decoder(path, config, MODEL_TYPES[config["model_type"]]))


def _decoder(path: Path, config: Mapping[str, Any], names: _Names) -> Decoder:
    def number(field: str, default: int | None = None) -> int:
        value = config.get(field)
        if value is None and default is not None:
            return default
        if field not in config:
            raise InputError(f"{path} lacks the field {field!r}, which a {config['model_type']} model needs")
        if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
            raise InputError(f"{path}: {field} must be a positive whole number, not {value!r}")
        return value

    width, heads = number(names.width), number(names.heads)
    kv_heads = number(names.kv_heads, heads) if names.kv_heads else heads
    head = number(names.head, 0) if names.head else 0
    if not head and width % heads:
        raise InputError(f"{path}: {names.width} {width} is no multiple of {names.heads} {heads}")
    if heads % kv_heads:
        raise InputError(f"{path}: {names.heads} {heads} is no multiple of {names.kv_heads} {kv_heads}")
    if number("word_embed_proj_dim", width) != width:
        raise InputError(f"{path}: word_embed_proj_dim other than {names.width} is not supported")
    _warn_of_window(path, config)
    return Decoder(
        layers=number(names.layers),
        width=width,
        heads=heads,
        kv_heads=kv_heads,
        mlp=number(names.mlp, 4 * width if names.optional_mlp else None),
        vocabulary=number(names.vocabulary),
        llama=names.llama,
        activation=_activation(path, config, names.activation),
        rotary=names.rotary,
        head=head,
        qk_norm=names.qk_norm,
        experts=number(names.experts) if names.experts else 0,
        chosen=number(names.chosen) if names.chosen else 0,
    )


def _activation(path: Path, config: Mapping[str, Any], field: str) -> float:
    name = config.get("hidden_activation") or config.get(field)  # Gemma corrected its field
    if name is None:
        raise InputError(f"{path} lacks the field {field!r}, which a {config['model_type']} model needs")
    if name not in ACTIVATIONS:
        raise unknown(f"{field} in {path}", name, ACTIVATIONS)
    return ACTIVATIONS[name]


def _warn_of_window(path: Path, config: Mapping[str, Any]) -> None:
    window = config.get("sliding_window")
    if window and config.get("use_sliding_window", True):
        log.warning("%s: sliding_window %s is not exploited, attention is counted over the whole context", path, window)
