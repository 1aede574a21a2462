"""Every file that the package reads, damaged: an ArchGymError in one line or a result, never another exception.

FUZZ=10 makes ten times as many examples.
"""

import contextlib
import copy
import csv
import io
import json
import math
import os
import shutil
import signal
import threading
import traceback
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

import archgym
from archgym import api, datasets, surrogates
from archgym.cli import show
from archgym.errors import ArchGymError, described
from archgym.search import known_optimum, load_run, resume_search
from archgym.surrogates.predicting import predict_file
from archgym.workloads import Workload

TIMES = float(os.environ.get("FUZZ", "1"))


# -- damage

JUNK = (
    *(None, True, False, 0, -1, 1, 2**31, 2**63, 10**400, 0.5, 1e308, -1e-320, math.nan, math.inf),
    *("", " ", "x", "\0", "é\u202e\ud800", "x" * 5000, "1", "nan", "resnet50", "../../x", "a=b", "=1+1"),
    *([], {}, [[]], [None], [{}], {"": {}}, [1, "x"], {"a": [1]}),
)
junk = st.sampled_from(JUNK) | st.integers() | st.floats() | st.text(max_size=8)


def damaged_bytes(data: st.DataObject, content: bytes) -> bytes:
    """Some bytes changed, lost or put in."""
    draw = data.draw
    how = draw(st.sampled_from(("cut", "flip", "remove", "insert", "empty", "replace", "twice", "utf-16")))
    at = draw(st.integers(0, max(len(content) - 1, 0)))
    if how == "cut":
        return content[:at]
    if how == "flip":
        flipped = bytearray(content)
        for _ in range(draw(st.integers(1, 8))):
            flipped[draw(st.integers(0, len(content) - 1))] ^= draw(st.integers(1, 255))
        return bytes(flipped)
    if how == "remove":
        return content[:at] + content[at + draw(st.integers(1, 64)) :]
    if how == "insert":
        return content[:at] + draw(st.binary(min_size=1, max_size=16)) + content[at:]
    if how == "replace":
        return draw(st.binary(max_size=64))
    if how == "twice":
        return content * 2
    return b"" if how == "empty" else content.decode(errors="replace").encode("utf-16")


def damaged_json(data: st.DataObject, content: bytes) -> bytes:
    """A value somewhere inside replaced, removed or added."""
    value = json.loads(content)
    for _ in range(data.draw(st.integers(1, 3))):
        value = _changed(data, value)
    return json.dumps(value).encode()


def _changed(data: st.DataObject, value: object) -> object:
    draw = data.draw
    children = list(value) if isinstance(value, dict) else list(range(len(value))) if isinstance(value, list) else []
    if not children or draw(st.integers(0, 9)) == 0:
        return copy.deepcopy(draw(junk))
    key = draw(st.sampled_from(children))
    how = draw(st.sampled_from(("inside", "inside", "replace", "remove", "add")))
    if how == "remove":
        del value[key]
    elif how == "add" and isinstance(value, dict):
        value[draw(st.text(max_size=8))] = copy.deepcopy(draw(junk))
    elif how == "add":
        value.append(copy.deepcopy(draw(junk)))
    else:
        value[key] = _changed(data, value[key]) if how == "inside" else copy.deepcopy(draw(junk))
    return value


def damaged_npz(data: st.DataObject, content: bytes) -> bytes:
    """An array replaced by another, or removed, or one that is added."""
    draw = data.draw
    with np.load(io.BytesIO(content)) as file:
        arrays = dict(file)
    name = draw(st.sampled_from(sorted(arrays)))
    how = draw(st.sampled_from(("remove", "add", "shape", "type", "value", "empty", "junk")))
    array = arrays.pop(name)
    other = {
        "shape": lambda: np.stack([array, array]),
        "type": lambda: array.astype(draw(st.sampled_from(("U8", "f4", "c16", "i1", "?", "M8[s]")))),
        "value": lambda: np.full_like(array, draw(st.sampled_from((-1, 2**62, 10**9, 0, 7)))),
        "empty": lambda: array.ravel()[:0],
        "junk": lambda: np.asarray(draw(st.sampled_from((math.nan, math.inf, -1, 2**63, "x", b"x", 1j)))),
    }
    with contextlib.suppress(ValueError, TypeError, OverflowError):  # not every array can be cast
        if how in other:
            arrays[name] = other[how]()
    if how == "add":
        arrays |= {name: array, f"agent/{draw(st.sampled_from('abc'))}": array}
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def damaged_parquet(data: st.DataObject, content: bytes) -> bytes:
    """A column dropped, renamed, retyped, emptied of values or changed; rows dropped, repeated or none."""
    draw = data.draw
    table = pq.read_table(io.BytesIO(content))
    at = draw(st.integers(0, table.num_columns - 1))
    name, column = table.column_names[at], table.column(at)
    how = draw(st.sampled_from(("drop", "rename", "type", "null", "value", "rows", "none", "twice", "metadata")))
    with contextlib.suppress(pa.ArrowException, ValueError, TypeError, OverflowError):
        if how == "drop":
            table = table.remove_column(at)
        elif how == "rename":
            other = draw(st.text(max_size=5))
            table = table.rename_columns([other if k == at else old for k, old in enumerate(table.column_names)])
        elif how == "type":
            kind = draw(st.sampled_from((pa.string(), pa.float32(), pa.int8(), pa.bool_(), pa.binary(), pa.float64())))
            table = table.set_column(at, name, column.cast(kind, safe=False))
        elif how == "null":
            table = table.set_column(at, name, pa.nulls(len(table), column.type))
        elif how == "value":
            value = draw(st.sampled_from((-1, 0, 2**31, 1e300, math.nan, "", "x", True)))
            table = table.set_column(at, name, pa.array([value] * len(table)).cast(column.type, safe=False))
        elif how == "metadata":
            table = table.replace_schema_metadata({"pandas": draw(st.sampled_from(("{", "[]", '{"columns": 3}')))})
        else:
            table = {"rows": table[1:], "none": table[:0], "twice": pa.concat_tables([table, table])}[how]
    stream = io.BytesIO()
    pq.write_table(table, stream)
    return stream.getvalue()


def damaged_csv(data: st.DataObject, content: bytes) -> bytes:
    """A cell, a row or a column changed."""
    draw = data.draw
    rows = list(csv.reader(io.StringIO(content.decode())))
    row = draw(st.sampled_from(rows))
    column = draw(st.integers(0, max(len(row) - 1, 0)))
    how = draw(st.sampled_from(("cell", "cell", "cell", "shorter", "longer", "twice", "gone")))
    if how == "cell" and row:
        row[column] = draw(st.sampled_from([str(value) for value in JUNK]) | st.text(max_size=8))
    elif how == "shorter":
        row.pop()
    elif how == "longer":
        row.append(draw(st.text(max_size=4)))
    elif how == "twice":
        rows.append(row)
    else:
        rows.remove(row)
    stream = io.StringIO()
    csv.writer(stream).writerows(rows)
    return stream.getvalue().encode(errors="replace")


DAMAGE = {
    ".json": damaged_json, ".npz": damaged_npz, ".parquet": damaged_parquet, ".csv": damaged_csv,
    ".yaml": lambda data, content: content.replace(b"2", str(data.draw(junk)).encode(errors="replace"), 1),
}  # fmt: skip


def damage(data: st.DataObject, path: Path) -> None:
    """Change a file, half of the times by its form where that is known."""
    kinds = [damaged_bytes, DAMAGE.get(path.suffix, damaged_bytes)]
    path.write_bytes(data.draw(st.sampled_from(kinds))(data, path.read_bytes()))


# -- what reads them


def read_run(folder: Path, _evaluator: object) -> None:
    run = load_run(folder / "run")
    assert len(run.trials) >= 0
    json.dumps(run.result)
    resume_search(folder / "run")


def resume_half(folder: Path, _evaluator: object) -> None:
    resume_search(folder / "half")


def compare_run(folder: Path, _evaluator: object) -> None:
    show._finite(api.compare_runs([folder / "run"]).as_dict())


def read_dataset(folder: Path, _evaluator: object) -> None:
    made = datasets.load(folder / "set")
    made.arrays()
    len(made.operators), len(made.edges), made.splits, made.provenance


def train_on_dataset(folder: Path, _evaluator: object) -> None:
    surrogates.train(folder / "set", "forest?members=1&leaf=20", folder / "again")


def read_surrogate(folder: Path, _evaluator: object) -> None:
    made = surrogates.load(folder / "surrogate")
    made.predict(made.layout.space.records(made.layout.space.centre[None]), Workload.load("alexnet"))
    api.evaluate("tpu-v1", "systolic", "alexnet", cost_model=f"surrogate:{folder / 'surrogate'}")


def read_workload(name: str):
    def read(folder: Path, _evaluator: object) -> None:
        api.evaluate("tpu-v1", "systolic", f"{folder / name}")

    return read


def read_rows(folder: Path, _evaluator: object) -> None:
    archgym.quality("resnet50", "weight_bits=4,activation_bits=8", rows=folder / "rows.csv")


def read_design(folder: Path, _evaluator: object) -> None:
    api.evaluate(str(folder / "design.json"), "systolic", "alexnet")


def read_result_as_design(folder: Path, _evaluator: object) -> None:
    api.evaluate(str(folder / "run"))


def read_designs(folder: Path, _evaluator: object) -> None:
    predict_file(surrogates.load(folder / "surrogate"), folder / "designs.csv", folder / "out.csv", "alexnet")


def read_sweep_file(folder: Path, _evaluator: object) -> None:
    from archgym.sweeps.sweep import Sweep, read_sweep

    Sweep.of(read_sweep(folder / "sweep.yaml"), "sweep.yaml")


def read_optimum(folder: Path, evaluator: object) -> None:
    from archgym.objective import Objective

    held = {p.name: p.choices[0] for p in evaluator.space.parameters if p.name not in ("array_rows", "memory")}
    objective = Objective("latency_s*energy_j", ["area_mm2<=60"])
    known_optimum(evaluator, objective, evaluator.space.restrict(**held))


# reader, the files it reads, and how many examples
READERS = {
    "run": (read_run, "run", ("config.json", "state.npz", "result.json", "trials/part-*.parquet"), 150),
    "half a run": (resume_half, "half", ("config.json", "state.npz", "trials/part-*.parquet"), 100),
    "comparison": (compare_run, "run", ("config.json", "result.json", "trials/part-*.parquet"), 30),
    "design of a run": (read_result_as_design, "run", ("config.json", "result.json"), 50),
    "data set": (read_dataset, "set", ("dataset.json", "README.md", "**/*.parquet"), 60),
    "surrogate": (read_surrogate, "surrogate", ("surrogate.json", "*.safetensors"), 80),
    "table": (read_workload("net.csv"), "net.csv", ("",), 60),
    "table in Parquet": (read_workload("net.parquet"), "net.parquet", ("",), 40),
    "language model": (read_workload("config.json:decode"), "config.json", ("",), 60),
    "ONNX model": (read_workload("net.onnx?batch=2"), "net.onnx", ("",), 60),
    "quality": (read_rows, "rows.csv", ("",), 60),
    "design": (read_design, "design.json", ("",), 60),
    "designs": (read_designs, "designs.csv", ("",), 40),
    "sweep": (read_sweep_file, "sweep.yaml", ("",), 60),
    "optimum": (read_optimum, "cache", ("optimum/*.json",), 60),
}


def copied(valid: Path, folder: Path, name: str, patterns: tuple[str, ...]) -> list[Path]:
    """A fresh copy of an example, with all others beside it; the files that may be damaged."""
    for other in ("run", "half", "set", "surrogate", "cache"):
        if not (folder / other).exists() and other != name:
            (folder / other).symlink_to(valid / other)
    source, target = valid / name, folder / name
    if source.is_file():
        shutil.copy(source, target)
        return [target]
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target)
    return sorted(path for pattern in patterns for path in target.glob(pattern))


@pytest.mark.parametrize("kind", READERS)
def test_a_damaged_file_is_an_error_in_one_line(kind, valid, evaluator, tmp_path, monkeypatch):
    read, name, patterns, examples = READERS[kind]
    if name == "cache":
        monkeypatch.setenv("ARCHGYM_CACHE_DIR", str(tmp_path / "cache"))
    copied(valid, tmp_path, name, patterns)
    read(tmp_path, evaluator)  # as it is, it is read
    faults: dict[str, BaseException] = {}  # all there are, each once

    @seed(0)
    @settings(max_examples=max(1, int(examples * TIMES)), phases=[Phase.generate], database=None,
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(st.data())
    def check(data: st.DataObject) -> None:
        shutil.rmtree(tmp_path / "again", ignore_errors=True)
        files = copied(valid, tmp_path, name, patterns)
        damage(data, data.draw(st.sampled_from(files)))
        try:
            with patience():
                read(tmp_path, evaluator)
        except (ArchGymError, KeyboardInterrupt):
            pass
        except Exception as error:
            faults.setdefault(where(error), error)

    check()
    assert not faults, "\n".join(faults)


@contextlib.contextmanager
def patience():
    """Ctrl-C for a reader that takes its time: a budget may have become a large one."""
    timer = threading.Timer(5.0, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def where(error: BaseException) -> str:
    """An exception and the last places of the package on its way."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "/archgym/" in frame.filename]
    places = " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames[:-4:-1])
    return f"{places}: {described(error)}"
