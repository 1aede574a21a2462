"""The quality model: each rule by hand on a tiny table, what is unsupported, the data, leave-one-out."""

import math
import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest

import archgym
from archgym.compression import QUALITY, Setting, estimate
from archgym.compression.inference import BEST, Table, accuracy_factor, infer
from archgym.compression.leave_one_out import Evidence, scale
from archgym.compression.models import MODELS
from archgym.compression.rows import Row, published_rows, read_rows
from archgym.compression.validation import validate
from archgym.errors import InputError, UnknownNameError
from archgym.registry import Entry

W4, W8A8, W4A8KV4 = Setting(weight_bits=4), Setting(8, 8), Setting(4, 8, 4)


def row(loss: float, setting: Setting, method: str = "GPTQ", model: str = "llama2-7b", **more: str) -> Row:
    """A perplexity with a loss."""
    fixed = {"dataset": "WikiText-2", "metric": "perplexity", "effort": "calibrated", "source": "arXiv:1.1"} | more
    return Row(model=model, method=method, setting=setting, value=5 * math.exp(loss), baseline=5.0, **fixed)


def loss_of(
    rows: list[Row], setting: Setting, model: str = "llama2-7b", method: str = BEST
) -> tuple[float, str] | None:
    guess = infer(Table(tuple(rows), 4.0), MODELS[model], model, setting, method)
    return guess and (pytest.approx(guess.loss), guess.rule)


def test_a_published_setting_is_the_median_over_methods_of_one_effort() -> None:
    rows = [row(0.02, W4), row(0.04, W4, source="arXiv:2.2"), row(0.05, W4, "AWQ"), row(0.07, W4, "OmniQuant")]
    rows += [row(0.9, W4, "RTN", effort="rounding"), row(0.01, W4, "EfficientQAT", effort="trained")]
    assert loss_of(rows, W4) == (0.05, "published")  # of 0.03, 0.05 and 0.07
    assert loss_of(rows, W4, method="trained") == (0.01, "published")
    assert loss_of(rows, W4, method="awq") == (0.05, "published")
    assert loss_of(rows[-1:], W4) == (0.01, "published")  # best: trained where nothing calibrated is published
    assert loss_of(rows[-2:-1], W4) is None  # never rounding below 8 bits


def test_quantisation_adds_up() -> None:
    kv = [row(0.13, Setting(4, 4, 4), "SpinQuant"), row(0.10, Setting(4, 4), "SpinQuant")]
    parts = [row(0.02, W4), row(0.01, W8A8, "SmoothQuant"), *kv]
    assert loss_of(parts, W4A8KV4) == (0.02 + 0.01 + 0.03, "additive")
    assert loss_of(parts, Setting(kv_bits=4)) == (0.03, "additive")
    assert loss_of(parts, Setting(kv_bits=8)) == (0.03, "additive")  # 8 bits cost no more than 4
    assert loss_of(parts[:2], W4A8KV4) is None
    assert loss_of([*parts, row(0.2, Setting(pattern="2:4"))], replace(W4, pattern="2:4")) is None


def test_losses_carry_over_within_a_family_by_the_logarithm_of_size() -> None:
    sizes = [MODELS[name].size_m for name in ("llama2-7b", "llama2-13b", "llama2-70b")]
    rows = [row(0.05, W4), row(0.01, W4, model="llama2-70b")]
    share = math.log(sizes[1] / sizes[0]) / math.log(sizes[2] / sizes[0])
    assert loss_of(rows, W4, "llama2-13b") == (0.05 - 0.04 * share, "transferred")
    assert loss_of(rows[:1], W4, "llama2-70b") == (0.05, "transferred")
    assert loss_of(rows, W4, "llama3-8b") is None


def test_activation_sparsity_lies_between_published_shares_and_accuracy_is_converted() -> None:
    half = Setting(activation_sparsity=0.5, sparsity_method="teal")
    rows = [replace(row(0.0, half, "TEAL"), metric="avg accuracy %", value=60.0, baseline=66.0)]
    assert loss_of(rows, half) == (4 * math.log(66 / 60), "published")
    assert loss_of(rows, replace(half, activation_sparsity=0.25)) == (2 * math.log(66 / 60), "interpolated")
    assert loss_of(rows, replace(half, activation_sparsity=0.6)) is None
    pair = [row(0.3, W4), replace(row(0.0, W4), metric="avg accuracy %", value=60.0, baseline=66.0)]
    assert accuracy_factor(pair) == pytest.approx(0.3 / math.log(1.1))


@pytest.mark.parametrize(
    ("model", "text", "low", "high"),
    [
        ("llama2-7b", "weight_bits=4", 0.015, 0.03),  # AWQ 0.023
        ("llama2-7b", "weight_bits=8,activation_bits=8", 0.004, 0.014),  # SmoothQuant 0.013
        ("llama2-7b", "weight_bits=4,activation_bits=8,kv_bits=4", 0.041, 0.051),  # QoQ 0.041 to 0.050
        ("llama2-13b", "pattern=slice-20", 0.17, 0.18),  # SliceGPT 0.17
        ("llama2-7b", "pattern=4:8", 0.44, 0.47),  # Wanda 0.443
        ("resnet50", "weight_bits=8,activation_bits=8", 0.0, 0.01),
    ],
)
def test_estimates_are_what_is_published(model: str, text: str, low: float, high: float) -> None:
    found = archgym.quality(model, text)
    assert found.supported
    assert low <= found.quality_loss <= high
    assert found.low < found.quality_loss < found.high
    assert found.rows


@pytest.mark.parametrize(
    ("model", "setting", "why"),
    [
        ("llama2-7b", Setting(4, pattern="2:4"), "not shown to add up"),
        ("llama2-7b", Setting(4, activation_sparsity=0.5, sparsity_method="teal"), "not shown to add up"),
        ("llama2-7b", Setting(activation_sparsity=0.65, sparsity_method="larosa"), "published up to 50%"),
        ("llama1-7b", Setting(activation_sparsity=0.5, sparsity_method="teal"), "no result of teal"),
        ("llama2-7b", Setting(token_pruning=0.5), "no published result"),
        ("resnet50", Setting(pattern="2:8"), "published for the family resnet"),
    ],
)
def test_what_data_do_not_support_is_unsupported(model: str, setting: Setting, why: str) -> None:
    found = estimate(model, setting)
    assert not found.supported
    assert math.isnan(found.quality_loss)
    assert why in found.why


def test_extrapolation_adds_and_widens() -> None:
    both = estimate("llama2-7b", Setting(4, pattern="2:4"), allow_extrapolation=True)
    alone = [estimate("llama2-7b", part) for part in (W4, Setting(pattern="2:4"))]
    assert both.quality_loss == pytest.approx(sum(part.quality_loss for part in alone))
    assert not both.supported
    spread = [part.high - part.quality_loss for part in alone]
    assert both.high - both.quality_loss == pytest.approx(2 * sum(spread))
    assert estimate("llama2-7b", W4, allow_extrapolation=True) == estimate("llama2-7b", W4)
    assert math.isnan(estimate("llama2-7b", Setting(token_pruning=0.5), allow_extrapolation=True).quality_loss)


def test_nothing_done_costs_nothing_and_unknown_names_are_refused() -> None:
    assert estimate("bert-base", Setting()).quality_loss == 0
    with pytest.raises(UnknownNameError, match="did you mean 'llama2-7b'"):
        estimate("llama2-7", W4)
    with pytest.raises(UnknownNameError, match="did you mean 'smoothquant'"):
        estimate("llama2-7b", W4, method="smothquant")


def test_every_row_that_ships_is_of_a_known_network_with_its_own_baseline() -> None:
    rows = published_rows()
    assert len(rows) == 780
    assert {item.model for item in rows} == set(MODELS)
    assert all(math.isfinite(item.loss) and item.setting != Setting() for item in rows)


def test_leave_one_out_leaves_near_duplicates_out_and_the_interval_knows_it() -> None:
    copied = [row(0.03, W4, "GPTQ g128", source="arXiv:2.2"), row(0.05, W4, "RTN+", effort="calibrated")]
    rows = (row(0.02, W4), *copied, row(0.04, W4, "AWQ", source="arXiv:3.3"), row(0.1, W4, model="llama2-13b"))
    first, alone = Evidence(rows).residuals[:2]
    assert first.left_out == 3  # itself, the same method elsewhere, another method in its paper
    assert first.guess
    assert first.guess.loss == pytest.approx(0.04)
    assert first.error == pytest.approx(0.02)
    assert alone.left_out == 4
    assert alone.guess
    assert alone.guess.rule == "transferred"
    assert scale(-1.0) == scale(0.0) > 0


def test_validation_meets_its_targets() -> None:
    checks = validate()
    judged = [check for check in checks if check.target is not None]
    assert len(judged) > 10
    assert {check.status for check in judged} == {"met"}
    assert all("left out" in check.note for check in checks[:2])


def test_own_rows_join_and_bad_ones_are_named(tmp_path) -> None:
    path = tmp_path / "own.csv"
    head = "model,metric,method,weight_bits,value,baseline,source\n"
    path.write_text(head + "mine-1b,perplexity,GPTQ,4,10.5,10,lab book\n")
    assert archgym.quality("mine-1b", "weight_bits=4", rows=path).quality_loss == pytest.approx(math.log(1.05))
    for text, says in {
        head + "mine,perplexity,GPTQ,4,10.5,-1,x\n": "row 1, column baseline: must be a positive number",
        head + "a,perplexity,GPTQ,4,1,1,x\nmine,perplexity,GPTQ,7,1,1,x\n": "row 2: weight_bits must be one of",
        head + "mine,perplexty,GPTQ,4,1,1,x\n": "column metric: unknown metric 'perplexty'; did you mean 'perplexity'",
        head + "mine,perplexity,GPTQ,4,1\n": "row 1 has not as many cells",
        head + ",perplexity,GPTQ,4,1,1,x\n": "row 1, column model: is empty",
        head.replace("method", "methd") + "a,b,c,4,1,1,x\n": "unknown column 'methd'; did you mean 'method'",
        "model,metric\na,perplexity\n": "lacks the columns method, value, baseline, source",
        head: "has no rows",
    }.items():
        path.write_text(text)
        with pytest.raises(InputError) as error:
            read_rows(path)
        assert says in str(error.value)


def own_function(model, setting, *, method, allow_extrapolation, rows):
    """A user's quality function."""
    return replace(estimate("llama2-7b", setting), model=model, quality_loss=0.5)


def test_an_own_quality_function_is_called_by_name(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "own_quality", SimpleNamespace(own_function=own_function))
    monkeypatch.setitem(QUALITY.entries, "own", Entry("own_quality:own_function"))
    assert archgym.quality("anything", "weight_bits=4", function="own").quality_loss == 0.5
    assert QUALITY.group == "archgym.quality"
    with pytest.raises(UnknownNameError, match="unknown quality function"):
        archgym.quality("llama2-7b", function="publishd")
