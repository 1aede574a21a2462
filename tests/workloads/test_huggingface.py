"""Hugging Face configurations: the built-in models come out the same, and two ways of counting agree."""

import json
import logging

import pytest

from archgym.errors import InputError
from archgym.workloads import Workload
from archgym.workloads.huggingface import MODEL_TYPES

# The fields of the released config.json that matter here.
LLAMA = {"model_type": "llama", "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32}
LLAMA2_7B = LLAMA | {"intermediate_size": 11008, "vocab_size": 32000, "hidden_act": "silu"}
LLAMA3_8B = LLAMA2_7B | {"intermediate_size": 14336, "vocab_size": 128256, "num_key_value_heads": 8}
GPT2_XL = {"model_type": "gpt2", "n_embd": 1600, "n_layer": 48, "n_head": 25, "vocab_size": 50257}
GPT2_XL |= {"n_inner": None, "activation_function": "gelu_new"}
OPT = {"model_type": "opt", "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32}
OPT |= {"ffn_dim": 16384, "vocab_size": 50272, "activation_function": "relu", "word_embed_proj_dim": 4096}
MIXTRAL = LLAMA3_8B | {"model_type": "mixtral", "vocab_size": 32000, "num_local_experts": 8, "num_experts_per_tok": 2}
BUILT_IN = {"llama2-7b": LLAMA2_7B, "llama3-8b": LLAMA3_8B, "gpt2-xl": GPT2_XL, "opt-6.7b": OPT}


@pytest.fixture
def config(tmp_path, monkeypatch):
    """Write a configuration; returns its path."""
    monkeypatch.chdir(tmp_path)

    def write(fields):
        (tmp_path / "config.json").write_text(fields if isinstance(fields, str) else json.dumps(fields))
        return "config.json"

    return write


@pytest.mark.parametrize("name", BUILT_IN)
@pytest.mark.parametrize("rest", ["", ":decode?batch=4&context=300", ":generate?seq=100&out=7&bits=16", "?logits=last"])
def test_a_built_in_model_comes_out_the_same(config, name, rest):
    work, own = Workload.load(config(BUILT_IN[name]) + rest), Workload.load(name + rest)
    assert (work.layers, work.edges) == (own.layers, own.edges)
    assert work.name == own.name.replace(name, "config.json")


CLASSES = {  # model type: configuration class, changes that make it small
    "llama": ("LlamaConfig", {"num_key_value_heads": 2}),
    "mistral": ("MistralConfig", {"num_key_value_heads": 2, "sliding_window": None}),
    "qwen2": ("Qwen2Config", {"num_key_value_heads": 2}),
    "qwen3": ("Qwen3Config", {"num_key_value_heads": 2, "head_dim": 48}),
    "gemma": ("GemmaConfig", {"num_key_value_heads": 1, "head_dim": 48}),
    "phi3": ("Phi3Config", {"num_key_value_heads": 2, "pad_token_id": 0}),
    "mixtral": ("MixtralConfig", {"num_key_value_heads": 2}),
    "opt": ("OPTConfig", {"ffn_dim": 512, "word_embed_proj_dim": 256}),
    "gpt2": ("GPT2Config", {}),
    "gptj": ("GPTJConfig", {"rotary_dim": 16}),
    "gpt_neox": ("GPTNeoXConfig", {}),
    "starcoder2": ("Starcoder2Config", {"num_key_value_heads": 2}),
}
SMALL = {
    "hidden_size": 256,
    "num_hidden_layers": 2,
    "num_attention_heads": 8,
    "intermediate_size": 512,
    "vocab_size": 500,
}
OLD_NAMES = {"n_embd": 256, "n_layer": 2, "n_head": 8, "vocab_size": 500}
TOKENS = {"bos_token_id": 1, "eos_token_id": 2}


@pytest.mark.parametrize("name", MODEL_TYPES)
def test_the_configuration_agrees_with_the_model_that_pytorch_runs(config, name, caplog):
    transformers = pytest.importorskip("transformers", reason="needs transformers, of the dev extra")
    torch = pytest.importorskip("torch", reason="needs PyTorch: pip install 'archgym[rl]'")
    class_name, changes = CLASSES[name]
    sizes = (OLD_NAMES if name in ("gpt2", "gptj") else SMALL) | TOKENS
    settings = getattr(transformers, class_name)(**sizes | changes)
    with torch.device("meta"):
        module = transformers.AutoModelForCausalLM.from_config(settings)
    tokens = {"input_ids": torch.zeros(2, 40, dtype=torch.long), "use_cache": False}
    run, read = (
        Workload.from_torch(module, tokens),
        Workload.load(config(settings.to_json_string()) + "?batch=2&seq=40"),
    )
    assert read.macs == run.macs
    assert read.weight_bytes == run.weight_bytes


def test_experts_are_read_as_chosen_and_stored_all(config):
    """Mixtral-8x7B: 46.7 B weights, embedding table included, of which a token uses 12.9 B (arXiv 2401.04088)."""
    path = config(MIXTRAL)
    one, many = Workload.load(f"{path}:decode"), Workload.load(f"{path}:decode?batch=8")
    table = 32000 * 4096
    assert one.weight_bytes + table == pytest.approx(46.7e9, rel=0.001)
    assert many.weight_bytes == pytest.approx(one.weight_bytes)
    read = sum(layer.operator.b_bytes for layer in one.layers if layer.operator.weight)
    assert read + table == pytest.approx(12.9e9, rel=0.003)
    assert sum(layer.operator.b_bytes for layer in many.layers if layer.operator.weight) == pytest.approx(
        one.weight_bytes
    )
    assert Workload.load(f"{path}:generate?seq=50&out=9").weight_bytes == pytest.approx(one.weight_bytes)


def test_a_sliding_window_is_said_to_be_ignored(config, caplog):
    with caplog.at_level(logging.WARNING, "archgym"):
        Workload.load(config(LLAMA3_8B | {"model_type": "mistral", "sliding_window": 4096}))
    assert "sliding_window 4096 is not exploited" in caplog.text


@pytest.mark.parametrize(
    ("fields", "rest", "says"),
    [
        ("{", "", "config.json is not valid JSON"),
        ("[]", "", "no field 'model_type'"),
        ({"layers": 3}, "", "no field 'model_type'"),
        (LLAMA | {"model_type": "lama"}, "", "unknown model_type in config.json 'lama'; did you mean 'llama'?"),
        (LLAMA, "", "lacks the field 'intermediate_size', which a llama model needs"),
        ({k: v for k, v in LLAMA2_7B.items() if k != "hidden_act"}, "", "lacks the field 'hidden_act'"),
        (LLAMA2_7B | {"hidden_act": "gleu"}, "", "unknown hidden_act in config.json 'gleu'; did you mean 'gelu'?"),
        (LLAMA2_7B | {"vocab_size": -1}, "", "vocab_size must be a positive whole number, not -1"),
        (LLAMA2_7B | {"num_hidden_layers": "32"}, "", "num_hidden_layers must be a positive whole number, not '32'"),
        (LLAMA2_7B | {"num_attention_heads": 33}, "", "hidden_size 4096 is no multiple of num_attention_heads 33"),
        (LLAMA2_7B | {"num_key_value_heads": 5}, "", "num_attention_heads 32 is no multiple of num_key_value_heads 5"),
        (OPT | {"word_embed_proj_dim": 512}, "", "word_embed_proj_dim other than hidden_size is not supported"),
        (LLAMA2_7B, ":decod", "unknown config.json phase 'decod'; did you mean 'decode'?"),
        (LLAMA2_7B, ":decode?contxt=3", "unknown config.json:decode option 'contxt'; did you mean 'context'?"),
    ],
)  # fmt: skip
def test_errors_name_the_field(config, fields, rest, says):
    with pytest.raises(InputError) as caught:
        Workload.load(config(fields) + rest)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
