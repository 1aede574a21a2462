"""Cost models that misbehave on command, and small or read-only disks."""

import contextlib
import os
import subprocess
import sys
import time
from types import ModuleType

import numpy as np
import pytest

from archgym.costmodels import COST_MODELS
from archgym.envs.evaluator import Evaluator
from archgym.envs.systolic import SYSTOLIC
from archgym.objective import Objective
from archgym.registry import Entry
from archgym.workloads import Workload


@pytest.fixture(scope="session")
def evaluator():
    model = Evaluator(SYSTOLIC, Workload.load("alexnet"), threads=1)
    model.compile()
    return model


@pytest.fixture
def objective():
    return Objective("latency_s*energy_j", ["area_mm2<=60"])


@pytest.fixture
def refused(run):
    """Run a command that must end with exit code 2 and one line after what it logs: that line."""

    def call(*arguments):
        code, _, err = run(*arguments)
        assert code == 2, err
        lines = err.strip().splitlines()
        assert all(line.startswith("archgym: ") for line in lines), err
        return lines[-1]

    return call


class Misbehaving(Evaluator):
    """The analytical model, until its fifth batch.

    The fault is what stands after the colon of its spec; it is gone where MENDED is set.
    """

    cost_model = "faulty"

    def __init__(self, fault, *arguments):
        super().__init__(*arguments)
        self.fault, self.calls = fault, 0
        self.cost_model = f"faulty:{fault}"

    def identity(self):
        return "0"

    def evaluate_designs(self, designs):
        metrics = super().evaluate_designs(designs)
        self.calls += 1
        if self.calls != 5 or os.environ.get("MENDED"):
            return metrics
        return getattr(self, f"do_{self.fault}")(metrics)

    def do_raise(self, metrics):
        raise ZeroDivisionError("no\ncapacitance")

    def do_exit(self, metrics):
        sys.exit(7)

    def do_hang(self, metrics):
        while True:
            try:
                time.sleep(60)
            except Exception:  # a careless model, which a time limit must end all the same
                continue

    def do_nan(self, metrics):
        metrics.energy_j[metrics.feasible] = np.nan
        return metrics

    def do_short(self, metrics):
        return metrics[:-1]

    def do_none(self, metrics):
        return None

    def do_fields(self, metrics):
        return metrics.view(np.ndarray)[["latency_s", "feasible", "why"]]

    def do_reason(self, metrics):
        metrics.why = 99
        return metrics

    def do_die(self, metrics):
        os._exit(9)


@pytest.fixture
def faulty(monkeypatch):
    """Register the cost model `faulty:FAULT`."""
    module = ModuleType("cost_models_of_a_test")
    module.build = Misbehaving
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(COST_MODELS.entries, "faulty", Entry(f"{module.__name__}:build"))


def mount(folder, options):
    """Mount a disk in memory; where that is not allowed, skip the test."""
    folder.mkdir(exist_ok=True)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("mounting a disk in memory is not allowed here")


@pytest.fixture
def disk(tmp_path):
    """Mount disks in memory by size or other options; a second call changes them."""
    folder = tmp_path / "disk"

    def mounted(options):
        mount(folder, f"remount,{options}" if folder.is_mount() else options)
        return folder

    yield mounted
    if folder.is_mount():
        subprocess.run(["umount", "-l", folder], check=True)


CSV = "name,kind,inputs,m,k,n,count\none,matmul,,64,64,64,2\ntwo,norm,0,4096,0,4,1\n"
ROWS = """model,dataset,metric,method,effort,weight_bits,activation_bits,kv_bits,pattern,activation_sparsity,\
sparsity_method,value,baseline,source
resnet50,ImageNet,top-1 %,HAWQ-V3 QAT,trained,8,8,16,dense,0,none,77.58,77.72,github:Zhen-Dong/HAWQ README.md
"""
LLAMA = {
    "model_type": "llama",
    "hidden_act": "silu",
    "hidden_size": 256,
    "intermediate_size": 512,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "num_hidden_layers": 2,
    "vocab_size": 1000,
    "max_position_embeddings": 512,
}
SWEEP = "workloads: [alexnet]\nagents: [random, 'genetic?population=8']\nseeds: 2\nbudget: 50\n"


@pytest.fixture(scope="session")
def valid(tmp_path_factory, evaluator):
    """A directory with a valid example of everything that commands read."""
    import json

    import pandas

    import archgym
    from archgym import datasets, surrogates
    from archgym.search import optimum, search

    folder = tmp_path_factory.mktemp("valid")
    archgym.search("systolic", "alexnet", "random", budget=40, out=folder / "run")
    objective = Objective("latency_s*energy_j", ["area_mm2<=60"])

    def stop(now):
        if now.evaluated >= 24:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch, contextlib.suppress(archgym.search.Interrupted):
        patch.setattr("archgym.search.loop.PROGRESS_S", 0)
        search(evaluator, objective, "genetic?offspring=8&population=8", 40, out=folder / "half",
               on_progress=stop, checkpoint_s=0)  # fmt: skip
    datasets.generate("systolic", ["alexnet", "tpu-v1-mlp0"], n=700, out=folder / "set")
    surrogates.train(folder / "set", "forest?members=2&leaf=20", folder / "surrogate")
    (folder / "net.csv").write_text(CSV)
    Workload.load(str(folder / "net.csv")).save(folder / "net.parquet")
    (folder / "config.json").write_text(json.dumps(LLAMA))
    (folder / "design.json").write_text(json.dumps(archgym.evaluate("tpu-v1").design))
    (folder / "sweep.yaml").write_text(SWEEP)
    (folder / "rows.csv").write_text(ROWS)
    _onnx(folder / "net.onnx")
    pandas.DataFrame(archgym.search("systolic", "alexnet", "random", budget=20).trials).to_csv(folder / "designs.csv")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ARCHGYM_CACHE_DIR", str(folder / "cache"))
        optimum(evaluator, objective, tiny(evaluator))
    return folder


def _onnx(path):
    """A network of one matrix product."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    weight = numpy_helper.from_array(np.ones((8, 4), np.float32), "w")
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    ends = (helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in
            (("x", ["batch", 8]), ("y", ["batch", 4])))  # fmt: skip
    inside, outside = ([end] for end in ends)
    onnx.save(helper.make_model(helper.make_graph([node], "g", inside, outside, [weight])), str(path))


def tiny(evaluator):
    """A space of some designs: all but the sizes of the array held."""
    held = {p.name: p.choices[0] for p in evaluator.space.parameters if p.name not in ("array_rows", "memory")}
    return evaluator.space.restrict(**held)
