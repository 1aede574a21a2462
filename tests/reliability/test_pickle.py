"""Files that someone else may have made run no code: crafted ones are refused, and no module can load a pickle."""

import ast
import io
import json
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

import archgym
from archgym import api, datasets, surrogates
from archgym.errors import ArchGymError
from archgym.search import known_optimum, load_run, resume_search
from archgym.surrogates.predicting import predict_file

PACKAGE = Path(archgym.__file__).parent
UNSAFE_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
UNSAFE_CALLS = {
    *("torch.load", "pandas.read_pickle", "pd.read_pickle", "yaml.load", "yaml.unsafe_load", "yaml.full_load"),
    *("eval", "exec", "np.loads", "np.fromregex"),
}


class Crafted:
    """Its pickle creates a file when it is loaded."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return Path.touch, (self.marker,)


@pytest.fixture
def marker(tmp_path):
    """The file that crafted ones create; a plain pickle does, so that the test would see it."""
    path = tmp_path / "executed"
    pickle.loads(pickle.dumps(Crafted(path)))
    assert path.exists()
    path.unlink()
    return path


@pytest.fixture
def place(valid, tmp_path):
    """A copy of every example."""
    import shutil

    shutil.copytree(valid, tmp_path / "place")
    return tmp_path / "place"


def crafted_array(marker):
    array = np.empty(1, object)
    array[0] = Crafted(marker)
    return array


def crafted_npz(marker, like):
    """An npz like another, one of whose arrays is objects."""
    with np.load(like) as file:
        arrays = dict(file)
    stream = io.BytesIO()
    np.savez(stream, allow_pickle=True, **(arrays | {sorted(arrays)[0]: crafted_array(marker)}))
    return stream.getvalue()


def crafted_torch(marker):
    stream = io.BytesIO()
    torch.save({"policy": Crafted(marker)}, stream)
    return stream.getvalue()


def crafted_parquet(marker, like):
    """A table like another, one of whose columns claims to be an extension type that is a pickle."""
    table = pq.read_table(like)
    name = table.column_names[0]
    claims = {
        b"ARROW:extension:name": b"arrow.py_extension_type",
        b"ARROW:extension:metadata": pickle.dumps(Crafted(marker)),
    }
    field = pa.field(name, table.schema.field(0).type, metadata=claims)
    pandas = json.dumps({"columns": [], "index_columns": [], "attributes": {"x": pickle.dumps(Crafted(marker)).hex()}})
    table = table.set_column(0, field, table.column(0)).replace_schema_metadata({"pandas": pandas})
    stream = io.BytesIO()
    pq.write_table(table, stream)
    return stream.getvalue()


FORMS = {
    "pickle": lambda marker, path: pickle.dumps(Crafted(marker)),
    "torch": lambda marker, path: crafted_torch(marker),
    "npy": lambda marker, path: npy(crafted_array(marker)),
    "npz": crafted_npz,
    "parquet": crafted_parquet,
}


def npy(array):
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=True)
    return stream.getvalue()


READERS = {
    "run": (lambda place: (load_run(place / "run").trials, resume_search(place / "run")), "run"),
    "half": (lambda place: resume_search(place / "half"), "half"),
    "set": (lambda place: datasets.load(place / "set").frame(), "set"),
    "surrogate": (lambda place: surrogates.load(place / "surrogate"), "surrogate"),
    "table": (lambda place: api.evaluate("tpu-v1", "systolic", str(place / "net.parquet")), "net.parquet"),
    "model": (lambda place: api.evaluate("tpu-v1", "systolic", f"{place / 'net.onnx'}?batch=1"), "net.onnx"),
    "design": (lambda place: api.evaluate(str(place / "design.json"), "systolic"), "design.json"),
    "llm": (lambda place: api.evaluate("tpu-v1", "systolic", f"{place / 'config.json'}:decode"), "config.json"),
    "quality": (lambda place: archgym.quality("resnet50", "weight_bits=4", rows=place / "rows.csv"), "rows.csv"),
}  # fmt: skip


def files_of(place, name):
    path = place / name
    listed = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file() and p.name[0] != ".")
    return [p for p in listed if p.suffix not in (".md", ".journal")]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", READERS)
def test_crafted_files_do_not_execute(kind, form, valid, place, marker):
    read, name = READERS[kind]
    for file in files_of(valid, name):
        if form in ("npz", "parquet") and file.suffix != f".{form}":
            continue
        there = place / file.relative_to(valid)
        there.write_bytes(FORMS[form](marker, file))
        refused = True
        try:
            read(place)
            refused = False
        except ArchGymError:
            pass
        assert refused or form == "parquet", f"{file} was taken"  # an unknown extension type is read as what it holds
        assert not marker.exists(), f"{file} was executed"
        there.write_bytes(file.read_bytes())


def test_crafted_designs_and_optima_do_not_execute(valid, place, marker, evaluator, objective, monkeypatch):
    made = surrogates.load(place / "surrogate")
    for form, make in FORMS.items():
        path = place / "designs.parquet"
        path.write_bytes(
            make(marker, valid / "set/operators.parquet" if form == "parquet" else valid / "half/state.npz")
        )
        with pytest.raises(ArchGymError):
            predict_file(made, path, place / "out.csv", "alexnet")
    monkeypatch.setenv("ARCHGYM_CACHE_DIR", str(place / "cache"))
    (cached,) = (place / "cache/optimum").iterdir()
    cached.write_bytes(pickle.dumps(Crafted(marker)))
    held = {p.name: p.choices[0] for p in evaluator.space.parameters if p.name not in ("array_rows", "memory")}
    assert known_optimum(evaluator, objective, evaluator.space.restrict(**held)) is None
    assert not marker.exists()


def test_a_state_hidden_in_an_array_is_data(place, marker):
    """Bytes that are a pickle, in an array of plain bytes where older versions kept a torch file."""
    path = place / "half/state.npz"
    with np.load(path) as file:
        arrays = dict(file) | {"agent/model": np.frombuffer(crafted_torch(marker), np.uint8)}
    np.savez(path, **arrays)
    resume_search(place / "half")
    assert not marker.exists()
    assert zipfile.is_zipfile(path)


def modules():
    return sorted(path for path in PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_module_can_load_a_pickle(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            assert not {alias.name.partition(".")[0] for alias in node.names} & UNSAFE_MODULES
        if isinstance(node, ast.ImportFrom):
            assert (node.module or "").partition(".")[0] not in UNSAFE_MODULES
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            checked = path.name == "objective.py" and called == "eval"  # of expressions whose every node was looked at
            assert called not in UNSAFE_CALLS or checked, f"{called} in line {node.lineno}"
            given = {word.arg: ast.unparse(word.value) for word in node.keywords}
            if called in ("np.load", "numpy.load"):
                assert given.get("allow_pickle") == "False", f"line {node.lineno}: say allow_pickle=False"
            assert given.get("allow_pickle") != "True"
