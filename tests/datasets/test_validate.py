"""A data set that is not what it says is refused, with file, row and reason; nothing else comes of it."""

import json
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archgym import datasets
from archgym.datasets import DataError
from archgym.errors import ArchGymError

FILE = "data/resnet18/train-00000.parquet"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return datasets.generate("systolic", ["alexnet"], 40, out=tmp_path_factory.mktemp("tiny") / "tiny")


@settings(max_examples=50)
@given(data=st.data())
def test_any_changed_byte_is_an_error_or_changes_nothing(tiny, tmp_path_factory, data) -> None:
    copy = tmp_path_factory.getbasetemp() / "broken"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(tiny.path, copy)
    files = sorted(path for path in copy.rglob("*") if path.suffix in (".parquet", ".json"))
    path = data.draw(st.sampled_from(files))
    whole = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(whole) - 1))
    whole[place] ^= data.draw(st.integers(1, 255))
    path.write_bytes(whole)
    try:
        loaded = datasets.load(copy)
    except ArchGymError as error:
        assert "broken" in str(error)  # noqa: PT017 (either outcome is right)
    else:
        assert loaded.content_hash == tiny.content_hash
        assert loaded.frame().equals(tiny.frame())
        assert loaded.operators.equals(tiny.operators)
        assert loaded.units == tiny.units


@pytest.mark.parametrize("keep", [0, 0.5, 0.99])
def test_half_a_file_is_named(copy, keep) -> None:
    whole = (copy / FILE).read_bytes()
    (copy / FILE).write_bytes(whole[: int(keep * len(whole))])
    with pytest.raises(DataError, match=f"{FILE} is damaged or half-written"):
        datasets.load(copy)


def changed(path, column: str, value, row: int) -> pa.Table:
    table = pq.read_table(path)
    field = table.schema.field(column)
    values = table[column].to_pylist()
    values[row] = value(values[row]) if callable(value) else value
    return table.set_column(table.schema.get_field_index(column), field, pa.array(values, field.type))


def first(path, wanted) -> int:
    return pq.read_table(path).column("feasible").to_pylist().index(wanted)


@pytest.mark.parametrize(
    ("column", "value", "feasible", "why"),
    [
        ("array_rows", 7, True, "array_rows is 7, but i_array_rows"),
        ("dataflow", "xs", True, "dataflow is 'xs', but i_dataflow"),
        ("i_array_rows", 7, True, "i_array_rows is 7, outside 0..6"),
        ("i_array_rows", None, True, "i_array_rows is missing"),
        ("latency_s", None, True, "feasible, but latency_s is None"),
        ("latency_s", float("nan"), True, "feasible, but latency_s is nan"),
        ("latency_s", 1.0, False, "infeasible, but latency_s is 1.0"),
        ("power_w", lambda power: 1.001 * power, True, "power_w is .*, but energy_j / latency_s is"),
        ("why", "bad_luck", False, "'bad_luck', no reason of the environment"),
        ("why", "", False, "feasible is False, but why is ''"),
        ("feasible", True, False, "feasible, but latency_s is None"),
        ("workload", "alexnet", True, "workload is 'alexnet', but the file is of 'resnet18'"),
        ("design_split", "test", True, "design_split is 'test', but the file is of 'train'"),
        ("source", 9, True, "source is 9, but there are 3 sources"),
        ("source", 1, True, "its source has"),
        ("seed", 4, True, "seed is 4, but its source has 0"),
        ("reward", float("inf"), True, "reward is inf"),
        ("workload_split", "test", True, "workload_split is 'test'"),
    ],
)
def test_a_wrong_cell_is_named_with_its_row(copy, column, value, feasible, why) -> None:
    row = first(copy / FILE, feasible)
    pq.write_table(changed(copy / FILE, column, value, row), copy / FILE)
    with pytest.raises(DataError, match=rf"{FILE}, row {row}: .*{why}"):
        datasets.load(copy)


def test_a_plausible_change_of_a_value_shows_in_the_hash(copy) -> None:
    row = first(copy / FILE, True)
    pq.write_table(changed(copy / FILE, "area_mm2", lambda area: 2 * area, row), copy / FILE)
    with pytest.raises(DataError, match="has been changed since it was made"):
        datasets.load(copy)


def test_a_design_in_the_wrong_split_is_a_leak(copy) -> None:
    other = copy / "data/resnet18/test-00000.parquet"
    train, test = pq.read_table(copy / FILE), pq.read_table(other)
    column = train.schema.get_field_index("design_split")
    moved = train.slice(0, 1).set_column(column, train.schema.field(column), pa.array(["test"]))
    pq.write_table(pa.concat_tables([test, moved]), other)
    with pytest.raises(DataError, match=rf"row {len(test)}: the design belongs to train, but stands in test"):
        datasets.load(copy)


def test_a_repeated_design_with_other_labels_is_refused(copy) -> None:
    row = first(copy / FILE, True)
    table = pq.read_table(copy / FILE)
    other = changed(copy / FILE, "area_mm2", lambda area: 2 * area, row).slice(row, 1)
    last = len(table) - 1
    pq.write_table(pa.concat_tables([table.slice(0, last), other]), copy / FILE)
    with pytest.raises(DataError, match=rf"row {last}: the design of row {row} .* comes again, labels differ"):
        datasets.load(copy)


def test_a_column_of_another_type_unit_or_name_is_named(copy) -> None:
    table = pq.read_table(copy / FILE)
    place = table.schema.get_field_index("latency_s")
    in_ms = table.schema.field("latency_s").with_metadata({"unit": "ms"})
    for column, why in (
        (table.set_column(place, in_ms, table["latency_s"]), "in 'ms', not in 's'"),
        (table.set_column(place, "latency_s", table["latency_s"].cast(pa.float32())), "is float, not double"),
        (table.drop_columns("latency_s"), "no columns named 'latency_s'"),
        (table.append_column("mine", table["latency_s"]), "'mine' that dataset.json does not know"),
    ):
        pq.write_table(column, copy / FILE)
        with pytest.raises(DataError, match=why):
            datasets.load(copy)


def test_missing_and_foreign_files_are_named(copy) -> None:
    shutil.copy(copy / FILE, copy / "data/resnet18/mine.parquet")
    with pytest.raises(DataError, match=r"mine\.parquet does not belong"):
        datasets.load(copy)
    (copy / "data/resnet18/mine.parquet").unlink()
    (copy / FILE).unlink()
    with pytest.raises(DataError, match=f"{FILE} is missing"):
        datasets.load(copy)


def test_rows_that_are_gone_are_missed(copy) -> None:
    pq.write_table(pq.read_table(copy / FILE).slice(1), copy / FILE)
    with pytest.raises(DataError, match="rows, but dataset"):
        datasets.load(copy)


def test_changed_operators_are_named(copy) -> None:
    table = pq.read_table(copy / "operators.parquet")
    doubled = pa.array([2 * m for m in table["m"].to_pylist()])
    place = table.schema.get_field_index("m")
    pq.write_table(table.set_column(place, table.schema.field("m"), doubled), copy / "operators.parquet")
    with pytest.raises(DataError, match=r"operators\.parquet: the operators of resnet18 have been changed"):
        datasets.load(copy)


def test_a_dataset_json_of_another_schema_or_without_a_key_is_named(copy) -> None:
    info = json.loads((copy / "dataset.json").read_text())
    for wrong, why in (
        (info | {"schema": 99}, "schema 99; this version of archgym reads 1"),
        ({key: info[key] for key in info if key != "sources"}, "lacks sources"),
        (info | {"files": [{"path": "x"}]}, "row 0 of 'files' has no valid 'rows'"),
    ):
        (copy / "dataset.json").write_text(json.dumps(wrong))
        with pytest.raises(DataError, match=why):
            datasets.load(copy)
