import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archgym.errors import ArchGymError, InputError, UnknownNameError
from archgym.workloads import WORKLOADS, Workload


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ("resnet50", "resnet50"),
        (" resnet50?batch=1&bits=8 ", "resnet50"),
        ("resnet50?bits=16&batch=08", "resnet50?batch=8&bits=16"),
        ("llama3-8b:prefill?seq=64", "llama3-8b?seq=64"),
        ("llama3-8b:decode?context=2048&batch=4", "llama3-8b:decode?batch=4"),
        ("tpu-v1-cnn0", "tpu-v1-cnn0"),
    ],
)
def test_name_is_the_normalised_spec(spec: str, name: str) -> None:
    work = Workload.load(spec)
    assert work.name == name
    assert Workload.load(name) == work


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("resnet5", "unknown workload 'resnet5'; did you mean 'resnet50'"),
        ("", "unknown workload ''"),
        ("resnet50?bach=8", "unknown resnet50 option 'bach'; did you mean 'batch'? (one of: batch, bits)"),
        ("llama3-8b:decode?seq=8", "unknown llama3-8b:decode option 'seq'"),
        ("llama3-8b:decod", "unknown llama3-8b phase 'decod'; did you mean 'decode'"),
        ("llama3-8b:", "unknown llama3-8b phase ''"),
        ("resnet50:decode", "'resnet50' has no phases"),
        ("tpu-v1-mlp0?batch=8", "tpu-v1-mlp0 has no options, but the spec gives 'batch=8'"),
        ("resnet50?", "not of the form option=value"),
        ("resnet50?batch", "not of the form option=value"),
        ("resnet50?batch=1&&bits=8", "not of the form option=value"),
        ("resnet50?batch=8?bits=8", "must be a whole number, not '8?bits=8'"),
        ("resnet50?batch=1&batch=2", "option 'batch' is given twice"),
        ("resnet50?batch=eight", "must be a whole number, not 'eight'"),
        ("resnet50?batch=1.5", "must be a whole number"),
        ("resnet50?batch=1_0", "must be a whole number"),
        ("resnet50?batch=0", "must be positive and at most 65536, not 0"),
        ("resnet50?bits=-8", "must be positive"),
        ("resnet50?bits=64", "at most 32"),
        ("llama3-8b?seq=" + "9" * 5000, "seq must be"),
    ],
)
def test_errors_are_one_clear_line(spec: str, says: str) -> None:
    with pytest.raises(InputError) as caught:
        Workload.load(spec)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, UnknownNameError) == says.startswith("unknown")


@given(st.text("resnt50:?&=batch18x ", max_size=30))
def test_any_text_loads_or_is_refused_cleanly(text: str) -> None:
    with contextlib.suppress(ArchGymError):  # anything else fails the test
        Workload.load("resnet18" + text)


def test_options_of_a_plugin_come_from_its_signature(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[float, str]] = []

    def mine(scale: float = 1.0, style: str = "plain") -> Workload:
        seen.append((scale, style))
        return Workload("mine", (), ())

    monkeypatch.setattr(WORKLOADS, "load", lambda name: mine)
    assert Workload.load("mine?style=odd&scale=0.5").name == "mine?scale=0.5&style=odd"
    assert seen == [(0.5, "odd")]
    with pytest.raises(InputError, match="must be a number"):
        Workload.load("mine?scale=1.2.3")
