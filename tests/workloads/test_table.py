"""Tables of operators: exact round trips, defaults of a table written by hand, and errors with row and column."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archgym.errors import InputError
from archgym.workloads import Layer, Operator, Workload
from archgym.workloads.operators import KINDS
from archgym.workloads.workload import Task

HEADER = "name,kind,m,k,n"


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize("spec", ["resnet18?bits=4", "llama3-8b:generate?seq=70&out=9", "tpu-v1-lstm1", "m3vit"])
def test_every_layer_name_and_edge_comes_back(tmp_path, spec, suffix):
    work, path = Workload.load(spec), tmp_path / f"net.{suffix}"
    work.save(path)
    back = Workload.load(str(path))
    assert (back.name, back.layers, back.edges, back.tasks) == (str(path), work.layers, work.edges, ())
    assert back.identity[: work.operators.nbytes] == work.operators.tobytes()


sizes = st.floats(0, 1e30, allow_nan=False, exclude_min=True)
layers = st.lists(
    st.builds(
        Layer,
        st.text(st.characters(codec="utf-8"), min_size=1),
        st.builds(
            Operator,
            kind=st.sampled_from([kind for kind in KINDS if kind not in ("conv", "matmul", "attention")]),
            m=sizes,
            k=st.just(0),
            n=sizes,
            a_bytes=sizes,
            b_bytes=st.floats(0, 1e300),
            out_bytes=sizes,
            a_external=st.integers(0, 1),
            weight=st.integers(0, 2),
            phase=st.integers(0, 1),
            resident_bytes=st.floats(0, 1),
            task=st.integers(0, 1),
            count=sizes,
        ),
    ),
    min_size=2,
    max_size=6,
)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_any_numbers_names_and_tasks_come_back(tmp_path_factory, suffix):
    path = tmp_path_factory.mktemp("tables") / f"net.{suffix}"
    tasks = (Task("eyes", 60.0), Task("gaze, or so", 1 / 3, after=0, probability=0.2))

    @given(layers)
    def check(rows):
        rows = [replace(row, operator=replace(row.operator, task=index % 2)) for index, row in enumerate(rows)]
        edges = tuple((source, len(rows) - 1) for source in range(len(rows) - 1))
        work = Workload("net", tuple(rows), edges, tasks)
        work.save(path)
        back = Workload.load(str(path))
        assert (back.layers, back.edges, back.tasks) == (work.layers, work.edges, work.tasks)

    check()


def test_a_table_by_hand_needs_five_columns(tmp_path):
    path = tmp_path / "hand.csv"
    path.write_text(
        f"{HEADER}\nfirst,conv,196,27,64\nact,elementwise,12544,0,1\nqk,attention,8,16,8\nlast,matmul,196,64,10\n"
    )
    first, act, qk, last = (layer.operator for layer in Workload.load(str(path)).layers)
    assert (first.a_bytes, first.b_bytes, first.out_bytes) == (196 * 27, 27 * 64, 196 * 64)
    assert (first.weight, first.resident_bytes, first.a_external, first.out_external) == (2, 27 * 64, 1, 0)
    assert (act.a_bytes, act.b_bytes, act.out_bytes, act.vector_ops, act.weight) == (12544, 0, 12544, 12544, 0)
    assert (qk.weight, qk.b_bytes) == (0, 128)
    assert (last.a_external, last.out_external, last.batch, last.count) == (0, 1, 1, 1)
    assert Workload.load(str(path)).edges == ((0, 1), (1, 2), (2, 3))
    path.write_text(
        f"{HEADER},inputs,b_bits,count,batch\na,matmul,4,8,2,,4,3,\nb,matmul,4,8,2,,,,5\nc,pool,9,0,1,0 1,,,\n"
    )
    a, b, c = (layer.operator for layer in Workload.load(str(path)).layers)
    assert (a.b_bytes, a.count, a.resident_bytes, a.batch) == (8, 3, 8 / 3, 1)
    assert (b.b_bytes, b.out_bytes, b.a_external, c.a_external) == (80, 40, 1, 0)
    assert Workload.load(str(path)).edges == ((0, 2), (1, 2))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "lacks the column 'name'"),
        ("name,kind,m,k\na,conv,1,1", "lacks the column 'n' (needed: name, kind, m, k, n)"),
        (HEADER, "holds no operators"),
        (f"{HEADER},wieght\na,conv,1,1,1,b", "unknown column of net.csv 'wieght'; did you mean 'weight'?"),
        (f"{HEADER},m\na,conv,1,1,1,1", "has the column 'm' twice"),
        (f"{HEADER}\na,conv,1,1", "line 2: 4 cells where the header has 5"),
        (f"{HEADER}\na,conv,1,1,1\nb,covn,1,1,1", "row 1, column 'kind': unknown kind 'covn'; did you mean 'conv'?"),
        (f"{HEADER}\n,conv,1,1,1", "row 0, column 'name' is empty"),
        (f"{HEADER}\na,conv,,1,1", "row 0, column 'm' is empty"),
        (f"{HEADER}\na,conv,-4,1,1", "row 0, column 'm' must not be below 0, but is -4"),
        (f"{HEADER}\na,conv,0,1,1", "row 0, column 'm' must be positive, not 0"),
        (f"{HEADER}\na,conv,ten,1,1", "row 0, column 'm' must be a number, not 'ten'"),
        (f"{HEADER}\na,conv,nan,1,1", "row 0, column 'm' must be a number, not 'nan'"),
        (f"{HEADER}\na,conv,1,0,1", "row 0, column 'k' must be positive for kind 'conv', not 0"),
        (f"{HEADER},count\na,conv,1,1,1,0", "row 0, column 'count' must be positive, not 0"),
        (f"{HEADER}\na,conv,1e300,1,1", "row 0, column 'm' must be at most 1e+30, but is 1e+300"),
        (f"{HEADER}\na,pool,1,3,1", "row 0, column 'k' must be 0 for kind 'pool', not 3"),
        (f"{HEADER},a_bytes\na,conv,1,1,1,-1", "row 0, column 'a_bytes' must not be below 0, but is -1"),
        (f"{HEADER},weight\na,conv,1,1,1,c", "row 0, column 'weight': unknown weight 'c'"),
        (f"{HEADER},phase\na,conv,1,1,1,decod", "did you mean 'decode'?"),
        (f"{HEADER},out_external\na,conv,1,1,1,2", "row 0, column 'out_external' must be 0 or 1, not 2"),
        (
            f"{HEADER},inputs\na,conv,1,1,1,\nb,conv,1,1,1,1",
            "column 'inputs' names row 1, which does not come before row 1",
        ),
        (f"{HEADER},inputs\na,conv,1,1,1,1\nb,conv,1,1,1,", "row 0, column 'inputs' names row 1, which does not"),
        (f"{HEADER},inputs\na,conv,1,1,1,7", "names row 7, but the rows are 0 to 0"),
        (f"{HEADER},inputs\na,conv,1,1,1,first", "must hold row numbers with spaces between, not 'first'"),
        (f"{HEADER},task\na,conv,1,1,1,1", "row 0, column 'task' numbers a network, but there is no column"),
        (f"{HEADER},task,task_name\na,conv,1,1,1,1,x", "no row has task 0"),
        (f"{HEADER},task_name\na,conv,1,1,1,x\nb,conv,1,1,1,y", "row 1, column 'task_name' and the like differ"),
        (f"{HEADER},task_name,task_after\na,conv,1,1,1,x,0", "task 0 comes after task 0"),
        (f'{HEADER}\n"a,conv,1,1,1', "cannot read net.csv"),
    ],
)
def test_errors_name_row_and_column(tmp_path, monkeypatch, text, says):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.csv").write_text(text)
    with pytest.raises(InputError) as caught:
        Workload.load("net.csv")
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_that_are_no_tables(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.parquet").write_text("not Parquet")
    (tmp_path / "net.csv").write_bytes(b"\xff\xfe\x00")
    for path, says in (("net.parquet", "not a valid Parquet file"), ("net.csv", "cannot read net.csv")):
        with pytest.raises(InputError, match=says):
            Workload.load(path)
    (tmp_path / "net.csv").write_text(f"{HEADER}\na,conv,1,1,1")
    with pytest.raises(InputError, match=r"net.csv has no options, but the spec gives 'batch=4'"):
        Workload.load("net.csv?batch=4")
    work = Workload.load("net.csv")
    for path, says in (
        ("net.txt", "is a .csv or .parquet file, not 'net.txt'"),
        ("no/net.csv", "cannot write no/net.csv"),
    ):
        with pytest.raises(InputError, match=says):
            work.save(path)


def test_a_changed_file_is_read_again(tmp_path):
    path = tmp_path / "net.csv"
    path.write_text(f"{HEADER}\na,conv,1,1,1")
    assert Workload.load(str(path)).macs == 1
    path.write_text(f"{HEADER}\na,conv,10,1,1")
    assert Workload.load(str(path)).macs == 10
