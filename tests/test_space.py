"""Contracts of design spaces, on random spaces."""

import json
import sys

import numpy as np
import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archgym.errors import ArchGymError, InputError, MissingExtraError
from archgym.space import DesignSpace, Parameter


@st.composite
def spaces(draw: st.DrawFn) -> DesignSpace:
    parameters = []
    for index in range(draw(st.integers(1, 5))):
        size = draw(st.integers(1, 6))
        if draw(st.booleans()):
            step = draw(st.sampled_from([1, 0.25, 3]))
            parameters.append(Parameter(f"p{index}", tuple(step * (i + 1) for i in range(size))))
        else:
            parameters.append(Parameter(f"p{index}", tuple(f"v{i}" for i in range(size)), "categorical"))
    return DesignSpace(parameters)


@given(spaces(), st.integers(1, 7))
def test_codec_is_a_bijection_over_the_whole_space(space: DesignSpace, chunk: int) -> None:
    everything = np.concatenate(list(space.enumerate(chunk)))
    assert len(everything) == space.size == len(np.unique(everything, axis=0))
    designs = space.decode(everything)
    assert np.array_equal(space.encode(designs), everything)
    assert np.array_equal(space.unrank(space.rank(everything)), everything)
    assert np.array_equal(space.rank(everything), np.arange(space.size))
    for parameter in space.parameters:  # every value is reachable
        assert {value[parameter.name] for value in space.values(designs)} == set(parameter.choices)
    assert np.array_equal(space.design(space.values(designs[:1])[0]), designs[:1])


@given(spaces(), st.integers(0, 2**32))
def test_walks_stay_inside_and_features_tell_designs_apart(space: DesignSpace, seed: int) -> None:
    rng = np.random.default_rng(seed)
    sample = space.check(space.sample(40, rng))
    features = space.features(sample)
    assert features.shape == (40, len(space.feature_owner))
    assert features.dtype == np.float32
    assert features.min() >= 0
    assert features.max() <= 1
    assert np.array_equal(features[:3], space.features(sample[:3]))  # few and many take different paths
    assert len(np.unique(features, axis=0)) == len(np.unique(sample, axis=0))
    near = space.check(space.neighbours(sample[0]))
    assert ((near != sample[0]).sum(axis=1) == 1).all()
    assert len(np.unique(near, axis=0)) == len(near)
    for column, parameter in enumerate(space.parameters):
        if parameter.kind == "ordinal":
            assert (np.abs(near[:, column] - sample[0, column]) <= 1).all()


@given(spaces(), st.randoms(use_true_random=False))
def test_restricting_keeps_values_and_codes(space: DesignSpace, random) -> None:
    parameter = random.choice(space.parameters)
    keep = random.sample(parameter.choices, random.randint(1, len(parameter.choices)))
    small = space.restrict(**{parameter.name: keep})
    assert small.size == space.size // len(parameter.choices) * len(keep)
    inside = np.concatenate(list(small.enumerate()))
    designs = small.decode(inside)
    assert small.dtype == space.dtype
    assert {values[parameter.name] for values in small.values(designs)} == set(keep)
    assert np.array_equal(small.decode(small.encode(designs)), designs)
    assert np.array_equal(space.decode(space.encode(designs)), designs)  # same codes in the whole space
    assert small.features(inside).shape[1] == len(space.feature_owner)


SPACE = DesignSpace(
    [Parameter("rows", (8, 16, 32)), Parameter("memory", ("ddr4", "hbm2"), "categorical"), Parameter("ghz", (0.5, 1.0))]
)


def test_a_ray_space_needs_ray(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'archgym\[ray\]'"):
        SPACE.ray()


def test_derived_spaces() -> None:
    assert SPACE.gymnasium().nvec.tolist() == [3, 2, 2]
    distributions = SPACE.optuna()
    assert isinstance(distributions["rows"], optuna.distributions.IntDistribution)
    assert isinstance(distributions["memory"], optuna.distributions.CategoricalDistribution)
    json.dumps(SPACE.values(SPACE.decode([[0, 1, 0]])))


def test_a_parameter_may_offer_none_of_something() -> None:
    space = DesignSpace([Parameter("arrays", (0, 4))])
    assert space.values(space.design({"arrays": "0"})) == [{"arrays": 0}]
    with pytest.raises(InputError, match="positive number, not -1"):
        space.design({"arrays": -1})


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: SPACE.decode([[0, 2, 0]]), "index 2 of memory in row 0 is outside 0..1"),
        (lambda: SPACE.decode([[0, -1, 0]]), "index -1 of memory"),
        (lambda: SPACE.decode([[0, 1]]), "[N, 3]"),
        (lambda: SPACE.decode([[0.0, 1.0, 1.0]]), "integers"),
        (lambda: SPACE.decode([]), "[N, 3]"),
        (lambda: SPACE.restrict(row=[8]), "did you mean 'rows'"),
        (lambda: SPACE.restrict(rows=[9]), "rows=9 is no choice; nearest is 8"),
        (lambda: SPACE.restrict(memory=["hbm"]), "did you mean 'hbm2'"),
        (lambda: SPACE.design({"rows": 8, "memory": "ddr4"}), "lacks ghz"),
        (lambda: SPACE.design({"rows": "many", "memory": "ddr4", "ghz": 1}), "rows must be a positive number"),
        (lambda: SPACE.design({"rows": float("nan"), "memory": "ddr4", "ghz": 1}), "positive number, not nan"),
        (lambda: SPACE.design({"rows": True, "memory": "ddr4", "ghz": 1}), "not True"),
        (lambda: SPACE.design({"rows": 0, "memory": "ddr4", "ghz": 1}), "rows must be a positive number, not 0"),
        (lambda: SPACE.encode(SPACE.design({"rows": 12, "memory": "ddr4", "ghz": 1})), "nearest is 8"),
        (lambda: DesignSpace([]), "needs parameters"),
        (lambda: Parameter("x", (2, 1)), "must increase"),
        (lambda: Parameter("x", (1, 1)), "no repeated"),
        (lambda: DesignSpace(Parameter(f"p{i}", range(1, 101)) for i in range(10)), "64 bits"),
    ],
)
def test_bad_input_gets_one_clear_line(call, says: str) -> None:
    with pytest.raises(InputError) as caught:
        call()
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, ArchGymError)
