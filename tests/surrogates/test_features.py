"""What surrogates see: numbers of all families, consistent with each other, and no cost function among them."""

import ast
import dataclasses
import importlib
import types
from pathlib import Path

import numpy as np
import pytest

import archgym.surrogates
from archgym.envs import ENVIRONMENTS
from archgym.surrogates.features import Network, Observer, Seen
from archgym.surrogates.surrogate import network_of
from archgym.workloads import Workload

WORKLOADS = dict.fromkeys(ENVIRONMENTS, ("resnet18", "llama3-8b:decode?batch=4", "bert-base", "tpu-v1-mlp0"))
WORKLOADS["xr"] = ("xr-vr-gaming", "xr-ar-assistant", "resnet18")
PACKAGE = Path(archgym.surrogates.__file__).parent


def _see(name: str, workload: str | Network, n: int = 50, joint: bool = False, **changed) -> Seen:
    family = dataclasses.replace(ENVIRONMENTS.load(name), **changed)
    space = family.joint_space if joint else family.space
    designs = space.decode(space.sample(n, np.random.default_rng(0)))
    network = workload if isinstance(workload, Network) else network_of(Workload.load(workload))
    return Observer(family, family.technology(), space).see(designs, network)


def _arrays(seen: Seen) -> dict[str, np.ndarray]:
    return vars(seen) | {"table": seen.table, "network_bases": seen.network_bases}


@pytest.mark.parametrize("joint", [False, True], ids=["hardware", "joint"])
@pytest.mark.parametrize("name", list(ENVIRONMENTS))
def test_features_are_finite_and_as_wide_for_all_workloads(name: str, joint: bool) -> None:
    widths = set()
    for workload in WORKLOADS[name]:
        seen = _see(name, workload, joint=joint)
        for key, array in _arrays(seen).items():
            assert np.isfinite(array).all(), f"{key} of {workload}"
            assert array.dtype == (np.int64 if key == "edges" else np.float32)
            assert np.abs(array).max(initial=0) < 1e3
        assert seen.nodes.shape[:2] == seen.bases.shape[:2] == (50, len(Workload.load(workload).operators))
        widths.add((seen.hardware.shape[1], seen.nodes.shape[2], seen.table.shape[1]))
    assert len(widths) == 1


@pytest.mark.parametrize("name", list(ENVIRONMENTS))
def test_presets_are_seen_too(name: str) -> None:
    family = ENVIRONMENTS.load(name)
    network = network_of(Workload.load(family.workload))
    for preset in family.presets.values():
        designs = family.space.design(preset.values)
        seen = Observer(family, family.technology(**preset.scenario), family.space).see(designs, network)
        assert all(np.isfinite(array).all() for array in _arrays(seen).values())


def test_data_sets_of_hardware_leave_out_what_only_compressed_networks_use() -> None:
    family = ENVIRONMENTS.load("systolic")
    hardware = type(family.space)(family.space.parameters)
    assert family.space.fixed
    indices = family.space.sample(5, np.random.default_rng(0))
    network = network_of(Workload.load("resnet18"))
    seen = [Observer(family, family.technology(), s).see(s.decode(indices), network) for s in (hardware, family.space)]
    assert all(map(np.array_equal, _arrays(seen[0]).values(), _arrays(seen[1]).values()))


def test_a_family_without_rooflines_is_seen_by_its_parameters_and_operators() -> None:
    seen = _see("systolic", "resnet18", engines=None)
    assert all(np.isfinite(array).all() for array in _arrays(seen).values())


def test_features_of_a_design_do_not_depend_on_those_beside_it() -> None:
    seen = _see("pim", "resnet18")
    family = ENVIRONMENTS.load("pim")
    designs = family.space.decode(family.space.sample(50, np.random.default_rng(0)))
    observer = Observer(family, family.technology(), family.space)
    for row in range(0, 50, 10):
        alone = observer.see(designs[row : row + 1], network_of(Workload.load("resnet18")))
        for key in ("hardware", "nodes", "bases", "table"):
            np.testing.assert_allclose(getattr(alone, key)[0], getattr(seen, key)[row], rtol=1e-6, atol=1e-5)


def test_tables_know_no_order_and_a_count_is_as_many_operators() -> None:
    network = network_of(Workload.load("resnet18"))
    none, operators = np.zeros((0, 2), np.int64), network.operators
    seen = _see("systolic", network)
    spread = np.repeat(operators, operators["count"].astype(int))[::-1].copy().view(np.recarray)
    spread["count"] = 1
    assert len(spread) > len(operators)
    np.testing.assert_allclose(_see("systolic", Network("", spread, none)).table, seen.table, rtol=1e-4, atol=1e-4)


def test_choices_differ_in_what_is_seen() -> None:
    for name in ENVIRONMENTS:
        family = ENVIRONMENTS.load(name)
        network = network_of(Workload.load(WORKLOADS[name][0]))
        observer = Observer(family, family.technology(), family.joint_space)
        for column, parameter in enumerate(family.joint_space.parameters):
            indices = np.repeat(family.joint_space.centre[None], len(parameter.choices), axis=0)
            indices[:, column] = np.arange(len(indices))
            seen = observer.see(family.joint_space.decode(indices), network)
            assert len(np.unique(seen.hardware, axis=0)) == len(parameter.choices), f"{parameter.name} of {name}"


# -- no cost function


@pytest.mark.parametrize("name", list(ENVIRONMENTS))
def test_features_are_the_same_without_a_cost_model(name: str) -> None:
    workload = WORKLOADS[name][0]
    kept, bare = _see(name, workload), _see(name, workload, cost=types.ModuleType("none"))
    assert all(map(np.array_equal, _arrays(kept).values(), _arrays(bare).values()))


def _imports(path: Path) -> list[tuple[str, str]]:
    """Modules and names that a file imports, wherever in it; whole modules with an empty name."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0
            found += [(node.module, alias.name) for alias in node.names]
        elif isinstance(node, ast.Import):
            found += [(alias.name, "") for alias in node.names]
    return found


FILES = [*sorted(PACKAGE.glob("*.py")), *sorted((PACKAGE.parent / "envs").glob("*/roofline.py"))]


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_no_cost_function_is_imported(path: Path) -> None:
    """Of an environment only constants: codes and tables of devices."""
    for module, name in _imports(path):
        if module.startswith("archgym.envs.") and module.count(".") > 2:
            assert name, f"{module} is imported whole"
            thing = getattr(importlib.import_module(module), name)
            assert not callable(thing), f"{name} of {module} is a function"
            assert not isinstance(thing, types.ModuleType), f"{name} of {module} is a module"
    reached = {node.attr for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)}
    assert not reached & {"cost", "budget", "LayerCost", "py_func"}
