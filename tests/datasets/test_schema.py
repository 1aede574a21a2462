"""Rows become tables and come back the same."""

import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archgym.api import evaluator, problem
from archgym.datasets.schema import Layout, Rows, Source
from archgym.errors import ArchGymError

SPACES = {
    "systolic": lambda: evaluator("systolic", "alexnet"),
    "fpga": lambda: evaluator("fpga"),
    "joint": lambda: problem("systolic", "bert-base", constraints=["quality_loss<=0.1"]).evaluator,
}


@pytest.fixture(scope="module", params=SPACES)
def model(request):
    return SPACES[request.param]()


@settings(max_examples=10)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 50))
def test_values_indices_and_labels_survive_a_table(model, seed, n) -> None:
    layout, space = Layout.of(model), model.space
    indices = space.sample(n, np.random.default_rng(seed))
    metrics = model.evaluate(indices)
    table = layout.table(Rows(indices, metrics, np.zeros(n), 0), "w", "train", Source(0, "random", "", 1))
    np.testing.assert_array_equal(layout.indices(table), indices)
    for row, design in zip(table.to_pylist(), space.values(space.decode(indices)), strict=True):
        assert {name: row[name] for name in space.names} == {name: design[name] for name in space.names}
    for name in layout.metric_names:
        np.testing.assert_array_equal(table[name].to_numpy(), metrics[layout.metric_of(name)])
    assert [layout.codes[why] for why in metrics.why] == table["why"].to_pylist()


def test_a_layout_survives_json(model) -> None:
    layout = Layout.of(model)
    again = Layout.read(json.loads(json.dumps(layout.as_dict())))
    assert again.arrow.equals(layout.arrow, check_metadata=True)
    assert again.space.parameters == layout.space.parameters


def test_every_parameter_and_metric_carries_its_unit(model) -> None:
    layout = Layout.of(model)
    for name, unit in layout.units.items():
        assert (layout.arrow.field(name).metadata.get(b"unit") or b"").decode() == unit


def test_a_metric_with_the_name_of_a_parameter_has_a_column_of_its_own() -> None:
    names = Layout.of(evaluator("fpga")).arrow.names
    assert {"clock_mhz", "i_clock_mhz", "m_clock_mhz"} <= set(names)


def test_a_feasible_design_without_a_number_is_refused() -> None:
    model = evaluator("systolic", "alexnet")
    metrics = model.evaluate(model.space.sample(200, np.random.default_rng(0)))
    indices = model.space.sample(1, np.random.default_rng(0))
    row = metrics[metrics.feasible][:1].copy()
    row["energy_j"] = np.nan
    with pytest.raises(ArchGymError, match="gives energy_j=nan for array_rows="):
        Layout.of(model).table(Rows(indices, row, np.zeros(1), 0), "w", "train", Source(0, "random", "", 0))


def test_text_is_plain_text_which_other_readers_take() -> None:
    types = Layout.of(evaluator("systolic", "alexnet")).arrow.types
    assert not any(pa.types.is_dictionary(kind) for kind in types)
