"""`archgym workload show`, `import`, `export`, and files wherever a workload is named."""

import json
from pathlib import Path

import pytest

from archgym.workloads import Workload

onnx = pytest.importorskip("onnx", reason="needs onnx: pip install 'archgym[onnx]'")
from onnx import TensorProto, helper  # noqa: E402

CONFIG = {
    "model_type": "llama",
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "hidden_act": "silu",
}
CONFIG |= {"intermediate_size": 128, "vocab_size": 500}


@pytest.fixture
def model(tmp_path):
    """model.onnx: a product, a sort, a product; open batch."""
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["1"], name="a_rather_long_name/of_a_layer_in/a_block.0"),
        helper.make_node("TopK", ["1", "k"], ["2", "3"], name="sort"),
        helper.make_node("MatMul", ["2", "v"], ["y"], name="last"),
    ]
    weights = [helper.make_tensor("k", TensorProto.INT64, [1], [4])]
    for name, rows, columns in (("w", 64, 32), ("v", 4, 8)):
        weights.append(helper.make_tensor(name, TensorProto.FLOAT, [rows, columns], [0.0] * (rows * columns)))
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 64])
    graph = helper.make_graph(nodes, "g", [x], [helper.make_empty_tensor_value_info("y")], weights)
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), tmp_path / "model.onnx"
    )
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))


def test_show_lists_operators_totals_and_what_is_not_costed(run, model):
    code, out, err = run("workload", "show", "model.onnx?batch=2")
    assert code == 0
    assert "archgym: model.onnx: not costed, counted as moving their bytes only: TopK x1 (" in err
    for part in ("matmul", "Not costed", "TopK", "unknown", "3 layers, 2 edges"):
        assert part in out
    assert max(map(len, out.splitlines())) <= 80
    shown = json.loads(run("workload", "show", "model.onnx?batch=2", "--json")[1])
    assert shown["name"] == "model.onnx?batch=2"
    assert shown["macs"] == 2 * 64 * 32 + 2 * 4 * 8
    assert [row["kind"] for row in shown["uncosted"]] == ["TopK"]
    assert shown["uncosted"][0]["macs_share"] is None
    assert sum(row["count"] * row["m"] * row["k"] * row["n"] for row in shown["operators"]) == shown["macs"]
    code, out, err = run("workload", "show", "llama3-8b:decode?batch=4")
    assert (code, err) == (0, "")
    assert "536.9 MB of key-value cache" in " ".join(out.split())
    assert "Not costed" not in out


def test_import_writes_a_table_in_this_folder(run, model, tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "config.json").rename(tmp_path / "sub" / "config.json")
    code, out, _ = run("workload", "import", "sub/config.json:decode?batch=2")
    assert code == 0
    assert "Saved in config.csv" in out
    table, config = Workload.load("config.csv"), Workload.load("sub/config.json:decode?batch=2")
    assert (table.layers, table.edges) == (config.layers, config.edges)
    code, out, err = run("workload", "import", "model.onnx?batch=2", "there.parquet")
    assert code == 0
    assert "not costed" in err
    assert Workload.load("there.parquet").layers == Workload.load("model.onnx?batch=2").layers
    code, _, err = run("workload", "import", "model.onnx?batch=3", "there.parquet")
    assert code == 2
    assert "there.parquet is there already" in err
    assert run("workload", "import", "model.onnx?batch=3", "there.parquet", "--force")[0] == 0
    assert Workload.load("there.parquet").layers[0].operator.m == 3


def test_export_saves_any_workload(run, tmp_path):
    for name in ("net.csv", "net.parquet"):
        assert run("workload", "export", "resnet18?batch=2", name)[0] == 0
        assert Workload.load(name).layers == Workload.load("resnet18?batch=2").layers


def test_files_are_workloads_wherever_one_is_named(run, model):
    run("workload", "export", "resnet18", "net.csv")
    code, out, err = run("evaluate", "tpu-v1", "--workload", "model.onnx?batch=2", "--json")
    assert code == 0
    assert json.loads(out)["workload"] == "model.onnx?batch=2"
    assert err.count("not costed") <= 1
    tables, own = (json.loads(run("evaluate", "tpu-v1", "-w", spec, "--json")[1]) for spec in ("net.csv", "resnet18"))
    assert tables["metrics"] == own["metrics"]
    arguments = ("--agent", "random", "--budget", "300", "--quiet", "--out", "run")
    assert run("search", "--workload", "config.json:decode?batch=2", *arguments)[0] == 0
    assert json.loads(Path("run/result.json").read_text())["workload"] == "config.json:decode?batch=2"


def test_listing_mentions_the_file_forms(run):
    code, out, _ = run("workloads")
    assert code == 0
    for part in ("resnet50", "model.onnx", "config.json:decode", "net.csv", "archgym workload show"):
        assert part in out
    assert max(map(len, out.splitlines())) <= 80


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("show resnet51", "did you mean 'resnet50'?"),
        ("show model.onx", "unknown workload 'model.onx'"),
        ("show modle.onnx", "cannot read modle.onnx: no such file; did you mean 'model.onnx'?"),
        ("show model.onnx", "leaves dimensions open: batch; give every one a size, e.g. 'model.onnx?batch=1'"),
        ("show folder/net", "is neither a built-in workload nor a file ending in .onnx, .json, .csv, .parquet"),
        ("show config.json:decod", "did you mean 'decode'?"),
        ("import resnet50", "import takes a model (.onnx) or a configuration (.json), not 'resnet50'; see export"),
        ("import net.csv", "import takes a model"),
        ("export resnet50", "Missing argument 'out'"),
        ("export resnet50 out.txt", "a .csv or .parquet file, not 'out.txt'"),
        ("export resnet50 no/out.csv", "cannot write no/out.csv"),
        ("export resnet5 out.csv", "did you mean 'resnet50'?"),
    ],
)
def test_bad_input_gets_one_clear_line_and_exit_code_2(run, model, tmp_path, arguments, says):
    before = sorted(tmp_path.iterdir())
    code, out, err = run("workload", *arguments.split(" "))
    assert code == 2, out + err
    assert says in err.splitlines()[-1]
    assert "Traceback" not in err + out
    assert sorted(tmp_path.iterdir()) == before
