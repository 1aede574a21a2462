"""Closed forms of a decoder: every weight once per token, and two products of width x context per layer and token."""

from dataclasses import replace

import pytest

from archgym.errors import InputError
from archgym.workloads import Workload
from archgym.workloads.operators import DECODE

SHAPES = {  # layers, width, width of keys and values, vocabulary
    "gpt2-xl": (48, 1600, 1600, 50257),
    "gpt2-2.5b": (54, 1920, 1920, 51200),
    "gpt3-6.7b": (32, 4096, 4096, 50257),
    "gpt3-13b": (40, 5120, 5120, 50257),
    "gpt3-30b": (48, 7168, 7168, 50257),
    "gpt3-175b": (96, 12288, 12288, 50257),
    "opt-6.7b": (32, 4096, 4096, 50272),
    "llama2-7b": (32, 4096, 4096, 32000),
    "llama2-13b": (40, 5120, 5120, 32000),
    "llama2-70b": (80, 8192, 1024, 32000),
    "qwen2-72b": (80, 8192, 1024, 152064),
    "llama3-8b": (32, 4096, 1024, 128256),
}


@pytest.mark.parametrize("name", SHAPES)
def test_macs_have_a_closed_form(name: str) -> None:
    layers, width, _, vocabulary = SHAPES[name]
    prefill = Workload.load(f"{name}?batch=2&seq=200")
    assert prefill.macs == 2 * 200 * prefill.weight_bytes + 2 * layers * width * 2 * 200**2
    last = Workload.load(f"{name}?batch=2&seq=200&logits=last")
    assert prefill.macs - last.macs == 2 * 199 * vocabulary * width
    decode = Workload.load(f"{name}:decode?batch=3&context=1000")
    assert decode.macs == 3 * decode.weight_bytes + 2 * layers * width * 3 * 1000
    assert decode.weight_bytes == prefill.weight_bytes
    if name.startswith("gp") or name.startswith("opt"):  # four projections and an MLP of 4 * width
        assert prefill.weight_bytes == 12 * layers * width**2 + vocabulary * width


@pytest.mark.parametrize("name", SHAPES)
def test_decode_reads_the_whole_cache_and_writes_one_token(name: str) -> None:
    layers, width, cached_width, vocabulary = SHAPES[name]
    work = Workload.load(f"{name}:decode?batch=4&context=512&bits=16")
    cache = 2 * layers * 4 * cached_width * 2
    rows = (4 if name.startswith(("llama", "qwen")) else 5) * width * 2  # embedding rows, one more for the position
    assert work.cache_bytes == 512 * cache
    assert work.compulsory_bytes == work.weight_bytes + 513 * cache + rows + 4 * vocabulary * 2


def test_decode_of_the_first_token_is_prefill_of_one() -> None:
    first, one = Workload.load("llama3-8b:decode?context=1"), Workload.load("llama3-8b?seq=1")
    for layer, same in zip(first.layers, one.layers, strict=True):
        assert layer == replace(same, operator=replace(same.operator, phase=DECODE))
    assert first.edges == one.edges


def test_generate_is_prefill_and_decode_steps_on_the_same_weights() -> None:
    whole = Workload.load("llama2-7b:generate?batch=2&seq=100&out=21")
    prompt, steps = (
        Workload.load("llama2-7b?batch=2&seq=100&logits=last"),
        Workload.load("llama2-7b:decode?batch=2&context=110"),
    )
    assert whole.macs == prompt.macs + 20 * steps.macs
    assert whole.weight_bytes == prompt.weight_bytes
    assert whole.cache_bytes == pytest.approx(Workload.load("llama2-7b:decode?batch=2&context=120").cache_bytes)
    assert whole.compulsory_bytes == prompt.compulsory_bytes + 20 * steps.compulsory_bytes
    assert Workload.load("llama2-7b:generate?out=1").layers == Workload.load("llama2-7b?seq=2048&logits=last").layers
    with pytest.raises(InputError, match="unknown logits 'first'; did you mean"):
        Workload.load("llama2-7b?logits=first")


def test_grouped_query_scores_of_one_token() -> None:
    work = Workload.load("llama3-8b:decode?batch=8&context=4096")
    scores = next(layer.operator for layer in work.layers if layer.name == "layer0.scores")
    assert (scores.batch, scores.m, scores.k, scores.n) == (8 * 8, 4, 128, 4096)
    assert (scores.a_external, scores.b_external, scores.out_external) == (0, 1, 0)
    written = {layer.name for layer in work.layers if layer.operator.out_external}
    assert {"layer31.k_proj", "layer31.v_proj", "lm_head"} <= written
    assert len(written) == 2 * 32 + 1
