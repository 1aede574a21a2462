"""ONNX models: small ones for every operator family and every error, real ones for the totals."""

import importlib.util
import logging
import subprocess
import sys
from pathlib import Path

import pytest

from archgym.envs import ENVIRONMENTS
from archgym.envs.evaluator import Evaluator
from archgym.errors import InputError
from archgym.workloads import Workload
from archgym.workloads.recorder import uncosted_operators

onnx = pytest.importorskip("onnx", reason="needs onnx: pip install 'archgym[onnx]'")
from onnx import TensorProto, helper  # noqa: E402

_SPEC = importlib.util.find_spec("zigzag")
ZIGZAG = Path(_SPEC.origin).parent / "inputs" / "workload" if _SPEC and _SPEC.origin else None
needs_models = pytest.mark.skipif(ZIGZAG is None, reason="needs the models in the wheel zigzag-dse")


def tensor(name, shape, values=None, kind=TensorProto.FLOAT):
    """A weight; without values its data lie in a file that is not there, as those of a model of many gigabytes."""
    if values is not None:
        return helper.make_tensor(name, kind, shape, values)
    weight = TensorProto(name=name, data_type=kind, dims=shape, data_location=TensorProto.EXTERNAL)
    for key, value in (("location", "absent.data"), ("offset", "0"), ("length", "4")):
        weight.external_data.add(key=key, value=value)
    return weight


def write(path, nodes, inputs, weights=(), outputs=("y",), opset=24, functions=(), domains=()):
    """A model file; inputs are (name, shape) or (name, shape, element type)."""
    infos = [helper.make_tensor_value_info(i[0], i[2] if len(i) > 2 else TensorProto.FLOAT, i[1]) for i in inputs]
    outs = [helper.make_empty_tensor_value_info(name) for name in outputs]
    graph = helper.make_graph(
        nodes, "g", infos, outs, [w if isinstance(w, TensorProto) else tensor(*w) for w in weights]
    )
    versions = [helper.make_opsetid("", opset), *(helper.make_opsetid(domain, 1) for domain in domains)]
    onnx.save(helper.make_model(graph, opset_imports=versions, ir_version=10, functions=functions), path)
    return str(path)


def op(kind, inputs, outputs=("y",), **attributes):
    return helper.make_node(kind, inputs.split(), list(outputs), name=f"{kind}_0", **attributes)


PRODUCTS = {  # nodes, inputs, weights; then kind, batch, groups, m, k, n
    "conv": (
        [op("Conv", "x w b", strides=[2, 2], pads=[1, 1, 1, 1])],
        [("x", [2, 8, 16, 16])],
        [("w", [32, 8, 3, 3]), ("b", [32])],
        ("conv", 1, 1, 2 * 8 * 8, 72, 32),
    ),
    "grouped": ([op("Conv", "x w", group=4)], [("x", [1, 8, 9, 9])], [("w", [16, 2, 3, 3])], ("conv", 1, 4, 49, 18, 4)),
    "dilated": (
        [op("Conv", "x w", dilations=[2, 2])],
        [("x", [1, 8, 9, 9])],
        [("w", [4, 8, 3, 3])],
        ("conv", 1, 1, 25, 72, 4),
    ),
    "conv1d": ([op("Conv", "x w", strides=[2])], [("x", [3, 8, 21])], [("w", [4, 8, 5])], ("conv", 1, 1, 27, 40, 4)),
    "conv3d": ([op("Conv", "x w")], [("x", [1, 2, 5, 6, 7])], [("w", [4, 2, 3, 3, 3])], ("conv", 1, 1, 60, 54, 4)),
    "transposed": (
        [op("ConvTranspose", "x w", strides=[2, 2], pads=[1, 1, 1, 1], group=2)],
        [("x", [1, 8, 5, 6])],
        [("w", [8, 3, 4, 4])],
        ("conv", 1, 2, 120, 16, 3),
    ),
    "quantised conv": (
        [op("QLinearConv", "x s z w s z s z", ["q"]), op("DequantizeLinear", "q s z")],
        [("x", [1, 8, 9, 9], TensorProto.UINT8)],
        [("w", [4, 8, 3, 3], None, TensorProto.UINT8), ("s", [], [0.1]), ("z", [], [0], TensorProto.UINT8)],
        ("conv", 1, 1, 49, 72, 4),
    ),
    "integer conv": (
        [op("ConvInteger", "x w")],
        [("x", [1, 8, 9, 9], TensorProto.UINT8)],
        [("w", [4, 8, 3, 3], None, TensorProto.UINT8)],
        ("conv", 1, 1, 49, 72, 4),
    ),
    "gemm": (
        [op("Gemm", "x w b", transB=1)],
        [("x", [4, 16])],
        [("w", [8, 16]), ("b", [8])],
        ("matmul", 1, 1, 4, 16, 8),
    ),
    "gemm of transposed": (
        [op("Gemm", "x w", transA=1)],
        [("x", [16, 4])],
        [("w", [16, 8])],
        ("matmul", 1, 1, 4, 16, 8),
    ),
    "matmul": ([op("MatMul", "x w")], [("x", [2, 5, 16])], [("w", [16, 8])], ("matmul", 1, 1, 10, 16, 8)),
    "weights first": ([op("MatMul", "w x")], [("x", [3, 16, 5])], [("w", [8, 16])], ("matmul", 1, 1, 8, 16, 15)),
    "experts": ([op("MatMul", "x w")], [("x", [3, 5, 16])], [("w", [3, 16, 8])], ("matmul", 1, 3, 5, 16, 8)),
    "vector": ([op("MatMul", "x w")], [("x", [16])], [("w", [16, 8])], ("matmul", 1, 1, 1, 16, 8)),
    "attention": (
        [op("MatMul", "x z")],
        [("x", [2, 3, 5, 16]), ("z", [2, 3, 16, 7])],
        [],
        ("attention", 6, 1, 5, 16, 7),
    ),
    "shared keys": (
        [op("Expand", "z s", ["e"]), op("MatMul", "x e")],
        [("x", [8, 5, 16]), ("z", [1, 16, 7])],
        [("s", [3], [8, 16, 7], TensorProto.INT64)],
        ("attention", 1, 1, 40, 16, 7),
    ),
    "integer matmul": (
        [op("MatMulInteger", "x w")],
        [("x", [5, 16], TensorProto.UINT8)],
        [("w", [16, 8], None, TensorProto.INT8)],
        ("matmul", 1, 1, 5, 16, 8),
    ),
    "dequantised weights": (
        [op("DequantizeLinear", "w s", ["d"]), op("MatMul", "x d")],
        [("x", [5, 16])],
        [("w", [16, 8], None, TensorProto.INT8), ("s", [], [0.1])],
        ("matmul", 1, 1, 5, 16, 8),
    ),
    "einsum": (
        [op("Einsum", "x z", equation="b...ij,b...kj->b...ik")],
        [("x", [2, 3, 5, 16]), ("z", [2, 3, 7, 16])],
        [],
        ("attention", 6, 1, 5, 16, 7),
    ),
    "implicit einsum": (
        [op("Einsum", "x w", equation="ij,jk")],
        [("x", [5, 16])],
        [("w", [16, 8])],
        ("matmul", 1, 1, 5, 16, 8),
    ),
}


@pytest.mark.parametrize("name", PRODUCTS)
def test_a_product_has_its_sizes_and_its_operands(tmp_path, name):
    nodes, inputs, weights, expected = PRODUCTS[name]
    work = Workload.load(write(tmp_path / "m.onnx", nodes, inputs, weights))
    (layer,) = work.layers
    o = layer.operator
    assert (o.kind, o.batch, o.groups, o.m, o.k, o.n) == expected
    elements = {row[0]: helper.np.prod(row[1]) for row in (*inputs, *weights)}
    heavy = sorted(elements[row[0]] for row in (*inputs, *weights) if row[0] in "xzw" and row[1])
    assert sorted((o.a_bytes, o.b_bytes)) == heavy[-2:]
    assert work.weight_bytes == sum(elements[row[0]] for row in weights if row[0] == "w")
    assert o.out_external == 1
    assert o.a_external + o.b_external == len(inputs)
    assert not uncosted_operators(work)


def test_recurrent_layers_count_every_step_and_their_weights_once(tmp_path):
    for kind, gates in (("LSTM", 4), ("GRU", 3), ("RNN", 1)):
        weights = [("w", [2, gates * 32, 16]), ("r", [2, gates * 32, 32])]
        node = op(kind, "x w r", ["y"], direction="bidirectional", hidden_size=32)
        work = Workload.load(write(tmp_path / f"{kind}.onnx", [node], [("x", [10, 3, 16])], weights))
        assert work.macs == 10 * 3 * 2 * gates * 32 * (16 + 32)
        assert work.weight_bytes == 2 * gates * 32 * (16 + 32)
        assert [layer.operator.count for layer in work.layers] == [1, 10, 10]


def test_attention_of_opset_23_with_grouped_heads_and_a_cache(tmp_path):
    inputs = [
        ("q", [2, 8, 5, 16]),
        ("k", [2, 2, 5, 16]),
        ("v", [2, 2, 5, 16]),
        ("pk", [2, 2, 7, 16]),
        ("pv", [2, 2, 7, 16]),
    ]
    node = helper.make_node("Attention", ["q", "k", "v", "", "pk", "pv"], ["y", "nk", "nv"])
    work = Workload.load(write(tmp_path / "m.onnx", [node], inputs))
    scores, softmax, context = (layer.operator for layer in work.layers)
    assert (scores.batch, scores.m, scores.k, scores.n) == (4, 20, 16, 12)
    assert (context.batch, context.m, context.k, context.n) == (4, 20, 12, 16)
    assert softmax.m == 2 * 8 * 5 * 12
    assert work.edges == ((0, 1), (1, 2))


def test_elementwise_joins_and_batch_norm_folds(tmp_path):
    """conv + batch norm + ReLU are one layer; the ReLU that two layers read is its own; shapes are free."""
    weights = [("w", [8, 8, 1, 1]), *((name, [8]) for name in "abcd"), ("s", [2], [1, -1], TensorProto.INT64)]
    nodes = [
        op("Conv", "x w", ["1"]),
        op("BatchNormalization", "1 a b c d", ["2"]),
        op("Relu", "2", ["3"]),
        op("MaxPool", "3", ["4"], kernel_shape=[2, 2], strides=[2, 2]),
        op("Resize", "4 e e2", ["5"], mode="linear"),
        op("Add", "3 5", ["6"]),
        op("LayerNormalization", "6 l", ["7"]),
        op("Softmax", "7", ["8"]),
        op("GlobalAveragePool", "8", ["9"]),
        op("Reshape", "9 s", ["10"]),
        op("Relu", "10"),
    ]
    weights += [("e", [0], []), ("e2", [4], [1, 1, 2, 2]), ("l", [4])]
    work = Workload.load(write(tmp_path / "m.onnx", nodes, [("x", [1, 8, 4, 4])], weights))
    rows = [(layer.operator.kind, layer.operator.vector_ops) for layer in work.layers]
    assert rows == [
        ("conv", 128),
        ("pool", 128),
        ("elementwise", 7 * 128),
        ("elementwise", 128),
        ("norm", 7 * 128),
        ("softmax", 5 * 128),
        ("pool", 128 + 8),
    ]
    assert work.edges == ((0, 1), (0, 3), (1, 2), (2, 3), (3, 4), (4, 5), (5, 6))


def test_a_batch_norm_behind_an_activation_stays(tmp_path):
    weights = [("w", [8, 8, 1, 1]), *((name, [8]) for name in "abcd")]
    nodes = [op("Conv", "x w", ["1"]), op("Relu", "1", ["2"]), op("BatchNormalization", "2 a b c d")]
    (layer,) = Workload.load(write(tmp_path / "m.onnx", nodes, [("x", [1, 8, 4, 4])], weights)).layers
    assert layer.operator.vector_ops == 128 + 2 * 128  # joined, not folded into the weights


def test_a_shared_weight_is_stored_once_and_an_embedding_is_read_row_by_row(tmp_path):
    nodes = [op("Gather", "t ids", ["1"]), op("MatMul", "1 w", ["2"]), op("MatMul", "2 w")]
    weights = [("t", [1000, 16]), ("w", [16, 16])]
    work = Workload.load(write(tmp_path / "m.onnx", nodes, [("ids", [2, 5], TensorProto.INT64)], weights))
    assert work.weight_bytes == 256
    rows, first, second = (layer.operator for layer in work.layers)
    assert (rows.kind, rows.a_bytes, rows.a_external) == ("embedding", 160, 1)
    assert (first.resident_bytes, second.resident_bytes, second.b_bytes) == (256, 0, 256)
    assert work.macs == 2 * 10 * 16 * 16


def test_shape_arithmetic_is_followed_and_free(tmp_path):
    """x [b, s, 12] is reshaped to [b, s, 3, 4] through Shape, Slice and Concat, as PyTorch exports it."""
    integers = [("zero", [1], [0]), ("two", [1], [2]), ("heads", [2], [3, 4])]
    nodes = [
        op("Shape", "x", ["1"]),
        op("Slice", "1 zero two", ["2"]),
        op("Concat", "2 heads", ["3"], axis=0),
        op("Reshape", "x 3", ["4"]),
        op("Transpose", "4", ["5"], perm=[0, 2, 1, 3]),
        op("Transpose", "4", ["6"], perm=[0, 2, 3, 1]),
        op("MatMul", "5 6"),
    ]
    weights = [(name, shape, values, TensorProto.INT64) for name, shape, values in integers]
    path = write(tmp_path / "m.onnx", nodes, [("x", ["batch", "seq", 12])], weights)
    work = Workload.load(f"{path}?seq=7&batch=2&bits=16")
    assert work.name == f"{path}?batch=2&seq=7&bits=16"
    (layer,) = work.layers
    o = layer.operator
    assert (o.batch, o.m, o.k, o.n, o.a_bytes, o.requests) == (6, 7, 4, 7, 2 * 7 * 12 * 2, 2)


def test_symbolic_dimensions_may_be_sums(tmp_path):
    inputs = [("x", ["batch", "past + 1", 4]), ("z", ["batch", 4, "past"])]
    path = write(tmp_path / "m.onnx", [op("MatMul", "x z")], inputs)
    operator = Workload.load(f"{path}?batch=2&past=6").layers[0].operator
    assert (operator.batch, operator.m, operator.n) == (2, 7, 6)
    with pytest.raises(InputError, match=r"leaves dimensions open: past; .* e\.g\. '.*m\.onnx\?batch=2&past=128'"):
        Workload.load(f"{path}?batch=2")


def test_a_fixed_batch_is_resized_where_the_model_allows_it(tmp_path):
    weights = [("w", [8, 3, 3, 3]), ("s", [2], [1, -1], TensorProto.INT64)]
    path = write(tmp_path / "m.onnx", [op("Conv", "x w")], [("x", [1, 3, 8, 8])], weights[:1])
    assert Workload.load(f"{path}?batch=4").macs == 4 * Workload.load(path).macs
    nodes = [op("Conv", "x w", ["1"]), op("Reshape", "1 s")]
    path = write(
        tmp_path / "fixed.onnx", [*nodes], [("x", [1, 3, 8, 8])], [weights[0], ("s", [2], [1, 288], TensorProto.INT64)]
    )
    with pytest.raises(InputError, match=r"\[4, 8, 6, 6\] into \[1, 288\], which fits one batch only"):
        Workload.load(f"{path}?batch=4")


def test_local_functions_are_opened(tmp_path):
    body = [helper.make_node("MatMul", ["a", "b"], ["c"]), helper.make_node("Relu", ["c"], ["d"])]
    function = helper.make_function("mine", "Layer", ["a", "b"], ["d"], body, [helper.make_opsetid("", 24)])
    node = helper.make_node("Layer", ["x", "w"], ["y"], domain="mine")
    path = write(
        tmp_path / "m.onnx", [node], [("x", [5, 16])], [("w", [16, 8])], functions=[function], domains=["mine"]
    )
    assert Workload.load(path).macs == 5 * 16 * 8


def test_what_cannot_be_costed_is_named_in_one_warning_and_kept(tmp_path, caplog):
    nodes = [
        op("MatMul", "x w", ["1"]),
        op("TopK", "1 k", ["2", "3"]),
        helper.make_node("Odd", ["2"], ["4"], name="odd", domain="mine"),
        op("MatMul", "4 w2"),
    ]
    weights = [("w", [16, 32]), ("k", [1], [4], TensorProto.INT64), ("w2", [4, 4])]
    path = write(tmp_path / "m.onnx", nodes, [("x", [8, 16])], weights, domains=["mine"])
    with caplog.at_level(logging.WARNING, "archgym"):
        work = Workload.load(path)
        Workload.load(path)
    (record,) = caplog.records
    names = [layer.name for layer in work.layers]
    assert names == [
        "MatMul_0",
        "uncosted:TopK:TopK_0",
        "uncosted:mine.Odd:odd",
        "uncosted:MatMul of unknown shape:MatMul_0",
    ]
    assert all(f"{name} x1 (" in record.getMessage() for name in ("TopK", "mine.Odd", "MatMul of unknown shape"))
    assert "% of bytes, unknown MACs" in record.getMessage()
    top = work.layers[1].operator
    assert (top.kind, top.a_bytes, top.out_bytes, top.vector_ops) == ("elementwise", 256, 64, 0)
    assert work.edges == ((0, 1), (1, 2), (2, 3))
    moved = [layer.operator.a_bytes + layer.operator.b_bytes + layer.operator.out_bytes for layer in work.layers]
    rows = {row.kind: row for row in uncosted_operators(work)}
    assert rows["TopK"].bytes_share == pytest.approx(moved[1] / sum(moved))
    work.save(tmp_path / "net.csv")
    assert uncosted_operators(Workload.load(str(tmp_path / "net.csv"))) == uncosted_operators(work)


def branch(name, size):
    """A subgraph that multiplies the outer x with weights [16, size]."""
    out = [helper.make_empty_tensor_value_info(f"{name}y")]
    return helper.make_graph(
        [op("MatMul", f"x {name}w", [f"{name}y"])], name, [], out, [tensor(f"{name}w", [16, size])]
    )


def test_subgraphs_are_uncosted_with_the_macs_of_their_contents(tmp_path, caplog):
    nodes = [op("MatMul", "x w", ["1"]), op("If", "c", then_branch=branch("a", 8), else_branch=branch("b", 24))]
    inputs = [("x", [4, 16]), ("c", [], TensorProto.BOOL)]
    path = write(tmp_path / "m.onnx", nodes, inputs, [("w", [16, 8])], outputs=("1", "y"))
    with caplog.at_level(logging.WARNING, "archgym"):
        work = Workload.load(path)
    (row,) = uncosted_operators(work)
    assert (row.kind, row.macs, row.macs_share) == ("If", 4 * 16 * 24, 0.75)
    assert "75 % of MACs" in caplog.text
    body = helper.make_graph(
        [op("Identity", "go", ["again"]), op("MatMul", "state lw", ["next"])],
        "body",
        [
            helper.make_tensor_value_info(n, t, s)
            for n, t, s in (("i", TensorProto.INT64, []), ("go", TensorProto.BOOL, []))
        ]
        + [helper.make_tensor_value_info("state", TensorProto.FLOAT, [4, 16])],
        [helper.make_empty_tensor_value_info(name) for name in ("again", "next")],
        [tensor("lw", [16, 16])],
    )
    loop = helper.make_node("Loop", ["n", "", "x"], ["y"], body=body)
    path = write(tmp_path / "loop.onnx", [loop], [("x", [4, 16]), ("n", [], TensorProto.INT64)])
    (row,) = uncosted_operators(Workload.load(path))
    assert (row.kind, row.macs) == ("Loop", 4 * 16 * 16)


def test_a_condition_that_is_known_chooses_its_branch(tmp_path):
    node = op("If", "c", then_branch=branch("a", 8), else_branch=branch("b", 24))
    path = write(tmp_path / "m.onnx", [node], [("x", [4, 16])], [("c", [], [0], TensorProto.BOOL)])
    work = Workload.load(path)
    assert (work.macs, uncosted_operators(work)) == (4 * 16 * 24, [])


def test_small_values_in_an_absent_file_are_named_where_a_shape_needs_them(tmp_path):
    shape = ("s", [2], None, TensorProto.INT64)
    path = write(tmp_path / "m.onnx", [op("Reshape", "x s")], [("x", [4, 16])], [shape])
    with pytest.raises(
        InputError, match=r"Reshape 'Reshape_0' depends on the values of 's', which lie in 'absent\.data'"
    ):
        Workload.load(path)


def test_errors_name_the_file_and_what_to_do(tmp_path):
    good = write(tmp_path / "good.onnx", [op("MatMul", "x w")], [("x", ["batch", None, 16])], [("w", [16, 8])])
    (tmp_path / "corrupt.onnx").write_bytes(Path(good).read_bytes()[:90])
    (tmp_path / "text.onnx").write_text("not a model")
    (tmp_path / "empty.onnx").write_bytes(b"")
    write(tmp_path / "nothing.onnx", [op("Identity", "x")], [("x", [4])])
    write(tmp_path / "wrong.onnx", [op("MatMul", "x w")], [("x", [4, 15])], [("w", [16, 8])])
    write(tmp_path / "dangling.onnx", [op("Relu", "nowhere")], [("x", [4])])
    cases = {
        "godo.onnx": "no such file; did you mean 'good.onnx'?",
        "corrupt.onnx": "is not a valid ONNX file",
        "text.onnx": "is not a valid ONNX file",
        "empty.onnx": "is not a valid ONNX file: it holds no graph",
        "nothing.onnx": "holds no operators",
        "wrong.onnx": "the shapes at MatMul 'MatMul_0' do not fit",
        "dangling.onnx": "nothing makes the tensor 'nowhere'",
        "good.onnx": "leaves dimensions open: batch, x.1; give every one a size, e.g.",
        "good.onnx?batch=2&x.1=0": "x.1 must be positive",
        "good.onnx?batch=2&sqe=7": "unknown",
        "good.onnx?batch=2&x.1=3&bits=64": "bits must be positive and at most 32",
        "good.onnx:decode": "is neither a built-in workload nor a file",
        "folder.onnx": "it is a folder",
    }
    (tmp_path / "folder.onnx").mkdir()
    for name, says in cases.items():
        with pytest.raises(InputError) as caught:
            Workload.load(f"{tmp_path}/{name}")
        assert says in str(caught.value), name
        assert "\n" not in str(caught.value)
    assert Workload.load(f"{good}?batch=2&x.1=3").macs == 6 * 16 * 8


@needs_models
@pytest.mark.parametrize(("name", "macs"), [("alexnet", 0.655e9), ("mobilenetv2", 0.301e9), ("resnet18", 1.814e9)])
def test_real_models_agree_with_measured_totals_and_the_built_in_ones(name, macs):
    """The weights of these files lie elsewhere: only their shapes are there."""
    work, own = Workload.load(str(ZIGZAG / f"{name}.onnx")), Workload.load(name)
    assert work.macs == pytest.approx(macs, rel=0.01)
    assert work.macs == own.macs
    assert work.weight_bytes == own.weight_bytes
    assert not uncosted_operators(work)


@needs_models
def test_resnet18_is_the_built_in_one_operator_by_operator_and_costs_the_same():
    work, own = Workload.load(f"{ZIGZAG / 'resnet18.onnx'}?batch=2"), Workload.load("resnet18?batch=2")
    assert [layer.operator for layer in work.layers] == [layer.operator for layer in own.layers]
    assert work.edges == own.edges
    family = ENVIRONMENTS.load("systolic")
    design = family.space.design(family.preset("tpu-v1").values)
    first, second = (Evaluator(family, network).evaluate_designs(design)[0] for network in (work, own))
    assert first.feasible
    assert first == second


def test_no_pytorch_is_needed(tmp_path):
    path = write(tmp_path / "m.onnx", [op("MatMul", "x w")], [("x", [4, 16])], [("w", [16, 8])])
    code = (
        "import sys; sys.modules['torch'] = None\n"
        f"from archgym.workloads import Workload; print(Workload.load({path!r}).macs)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "512.0"


def test_without_onnx_the_pip_command_is_named(tmp_path):
    path = write(tmp_path / "m.onnx", [op("MatMul", "x w")], [("x", [4, 16])], [("w", [16, 8])])
    code = (
        "import sys; sys.modules['onnx'] = None\n"
        f"sys.argv = ['archgym', 'workload', 'show', {path!r}]\n"
        "from archgym.cli import main; main()"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 2
    assert result.stderr.splitlines()[-1].endswith("pip install 'archgym[onnx]'")
