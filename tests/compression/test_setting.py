"""Compression settings: text and back, and what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archgym.compression import Setting
from archgym.compression.setting import ACTIVATION_BITS, KV_BITS, PATTERNS, SPARSITY_METHODS, WEIGHT_BITS
from archgym.errors import InputError

SPARSE = st.tuples(st.floats(0.01, 0.65), st.sampled_from(SPARSITY_METHODS[1:])) | st.just((0.0, "none"))


@given(*(st.sampled_from(choices) for choices in (WEIGHT_BITS, ACTIVATION_BITS, KV_BITS, PATTERNS)), SPARSE)
def test_text_reads_back(weight: int, activation: int, kv: int, pattern: str, sparse: tuple[float, str]) -> None:
    setting = Setting(weight, activation, kv, pattern, *sparse)
    assert Setting.parse(str(setting)) == setting


def test_default_changes_nothing_and_density_is_what_is_kept() -> None:
    assert Setting.parse("") == Setting.parse("dense") == Setting()
    assert str(Setting()) == "dense"
    assert [
        Setting(pattern=name).weight_density for name in ("dense", "2:8", "2:4", "unstructured-70", "slice-25")
    ] == [
        1.0,
        0.25,
        0.5,
        pytest.approx(0.3),
        0.75,
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("weight_bits=7", "one of 2, 3, 4, 5, 6, 8, 16, not 7; the nearest is 6"),
        ("weight_bits=4.5", "not 4.5"),
        ("weight_bits=four", "must be a number"),
        ("kv_bits=nan", "must be a number"),
        ("wieght_bits=4", "did you mean 'weight_bits'?"),
        ("weight_bits", "not of the form name=value"),
        ("weight_bits=4,weight_bits=8", "given twice"),
        ("pattern=2:5", "did you mean '2:"),
        ("pattern=unstructured-55", "did you mean 'unstructured-5"),
        ("activation_sparsity=0.9,sparsity_method=teal", "from 0 to 0.65"),
        ("activation_sparsity=0.5", "needs a method"),
        ("sparsity_method=teal", "needs a share"),
        ("activation_sparsity=0.5,sparsity_method=tael", "did you mean 'teal'?"),
    ],
)
def test_bad_settings_are_refused(text: str, says: str) -> None:
    with pytest.raises(InputError) as error:
        Setting.parse(text)
    assert says in str(error.value)
