"""What a setting does to a network's operators."""

import numpy as np
import pytest

from archgym.compression.knobs import DEFAULTS, KNOB_NAMES, KNOBS, offered, setting_of
from archgym.compression.network import Network
from archgym.compression.setting import Setting
from archgym.errors import InputError
from archgym.workloads import Workload
from archgym.workloads.operators import KINDS, WEIGHT_NONE

NETWORKS = ("resnet50", "vit-b16", "bert-base", "opt-6.7b", "gpt2-xl:decode", "llama3-8b:decode", "llama2-7b:generate")


def compressed(spec: str, setting: str) -> np.recarray:
    return Network(Workload.load(spec)).compressed(Setting.parse(setting))


def row(table: np.recarray, spec: str, label: str) -> np.record:
    labels = Workload.load(spec).labels
    return table[next(i for i, name in enumerate(labels) if label in name)]


def stored(table: np.recarray) -> float:
    return float(np.sum(table.count * (table.weight != WEIGHT_NONE) * table.resident_bytes))


@pytest.mark.parametrize("spec", NETWORKS)
def test_dense_16_bits_is_the_workload_at_16_bits(spec: str) -> None:
    assert compressed(spec, "dense").tobytes() == Workload.load(f"{spec}?bits=16").operators.tobytes()


def test_widths_go_where_published_results_have_them() -> None:
    """Llama-3-8B, W4A8KV4: the output head keeps 8 bits, attention 8-bit queries, groups of 128 carry a scale."""
    spec = "llama3-8b:decode?context=100"
    table = compressed(spec, "weight_bits=4,activation_bits=8,kv_bits=4")
    gate, head = row(table, spec, "gate_proj"), row(table, spec, "lm_head")
    assert (gate.a_bits, gate.b_bits, gate.b_bytes) == (8, 4, 4096 * 14336 * (4 + 16 / 128) / 8)
    assert (head.a_bits, head.b_bits, head.b_bytes) == (8, 8, 4096 * 128256)
    scores, key = row(table, spec, "scores"), row(table, spec, "k_proj")
    assert (scores.a_bits, scores.b_bits) == (8, 4)
    assert scores.b_bytes == 100 * 8 * 128 * (4 + 32 / 128) / 8
    assert (key.out_bits, key.out_bytes) == (4, 8 * 128 * (4 + 32 / 128) / 8)
    assert row(compressed(spec, "weight_bits=4"), spec, "lm_head").b_bits == 16


def test_narrow_activations_of_a_cnn_are_narrow_everywhere() -> None:
    table = compressed("resnet50", "weight_bits=2,activation_bits=4")
    assert set(table.a_bits) == set(table.out_bits) == {4}
    assert set(table.b_bits[table.weight != WEIGHT_NONE]) == {2}


def test_zeros_are_told_and_change_no_shape() -> None:
    dense = compressed("llama2-7b:decode", "dense")
    table = compressed("llama2-7b:decode", "pattern=2:4,activation_sparsity=0.4,sparsity_method=teal")
    head = row(table, "llama2-7b:decode", "lm_head")
    sparse = (table.weight != WEIGHT_NONE) & (table.n != head.n)
    assert (table.weight_density[sparse] == 0.5).all()
    assert (table.pattern_m[sparse] == 4).all()
    assert np.allclose(table.activation_density[sparse], 0.6)
    rest = table[~sparse]
    assert (rest.weight_density == 1).all()
    assert (rest.activation_density == 1).all()
    for name in ("m", "k", "n", "b_bytes", "resident_bytes"):
        assert np.array_equal(table[name], dense[name])


def test_slicing_narrows_the_residual_stream_and_adds_its_adapters() -> None:
    """SliceGPT: K of what reads the stream, N of what writes it; one square product per residual sum."""
    spec, keep = "llama2-7b:decode", 0.75
    dense, table = compressed(spec, "dense"), compressed(spec, "pattern=slice-25")
    query, down = row(table, spec, "q_proj"), row(table, spec, "down_proj")
    assert (query.k, query.n) == (keep * 4096, 4096)
    assert (down.k, down.n) == (11008, keep * 4096)
    adapter = table[len(dense)]
    assert (adapter.m, adapter.k, adapter.n, adapter.count) == (1, keep * 4096, keep * 4096, 64)
    labels = Network(Workload.load(spec)).labels(Setting.parse("pattern=slice-25"))
    assert len(labels) == len(table)
    assert stored(table) == pytest.approx(keep * stored(dense) + 64 * (keep * 4096) ** 2 * 2)
    whole = compressed("llama2-7b:generate", "pattern=slice-25")  # weights of both phases are the same, stored once
    assert stored(whole) == pytest.approx(stored(table))


def test_pruned_tokens_and_heads_leave_attention() -> None:
    """SpAtten: half the tokens and a quarter of the heads leave 3/8 of the cache; scores are ranked."""
    spec = "gpt2-xl:decode?context=1000"
    dense, table = compressed(spec, "dense"), compressed(spec, "token_pruning=0.5,head_pruning=0.25")
    attention = table.kind == KINDS.index("attention")
    for name in ("b_bytes", "resident_bytes"):
        assert np.allclose(table[name][attention], 0.375 * dense[name][attention])
    macs = table.batch * table.m * table.k * table.n
    assert np.allclose(macs[attention], 0.375 * (dense.batch * dense.m * dense.k * dense.n)[attention])
    softmax = table.kind == KINDS.index("softmax")
    assert np.allclose(table.m[softmax], 0.375 * dense.m[softmax])
    assert np.allclose(table.vector_ops[softmax], 0.375 * dense.vector_ops[softmax] + 2 * table.m[softmax])
    forward = compressed("bert-base", "token_pruning=0.5")
    assert row(forward, "bert-base", "fc1").m == 64
    assert row(forward, "bert-base", "scores").m == row(forward, "bert-base", "scores").n == 64


@pytest.mark.parametrize(("setting", "message"), [("token_pruning=0.5", "attention"), ("pattern=slice-25", "slicing")])
def test_what_a_network_has_not_cannot_be_pruned(setting: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        compressed("resnet50", setting)


def test_knobs_are_settings() -> None:
    dense = [knob.code(DEFAULTS[knob.name]) for knob in KNOBS]
    assert setting_of(dense) == Setting()
    teal = [
        knob.code((DEFAULTS | {"activation_sparsity": 0.4, "sparsity_method": "teal"})[knob.name]) for knob in KNOBS
    ]
    assert setting_of(teal) == Setting(activation_sparsity=0.4, sparsity_method="teal")
    for knob in KNOBS:
        for choice in knob.choices:
            codes = dense.copy()
            codes[KNOB_NAMES.index(knob.name)] = knob.code(choice)
            setting_of(codes)


def test_offered_choices_are_those_that_some_supported_setting_has() -> None:
    found = offered(lambda s: not s.token_pruning and (s.activation_bits == 16 or s.weight_bits == s.activation_bits))
    assert found["activation_bits"] == [4, 6, 8, 16]  # 4 with 4-bit weights alone
    assert found["token_pruning"] == [0]
    assert found["sparsity_method"] == ["cats", "teal", "larosa", "r-sparse"]
    nothing = offered(lambda s: s == Setting())
    assert nothing == {name: [DEFAULTS[name]] for name in KNOB_NAMES}
