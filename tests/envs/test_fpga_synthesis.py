"""Verilog of tiled engines, and its synthesis by Yosys where that is installed."""

import json
import sys
from dataclasses import replace

import pytest

from archgym import api
from archgym.envs.fpga import synthesis, validation
from archgym.envs.fpga.verilog import buffer_shapes
from archgym.errors import InputError, MissingExtraError
from archgym.simulators.driver import Program
from archgym.validation import Check

TINY = synthesis._SMALL | {
    "board": "artix-100t", "precision": "int8", "tile_k": 2, "tile_n": 1,
    "activation_buffer_kib": 8, "weight_buffer_kib": 8, "output_buffer_kib": 8,
}  # fmt: skip


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ARCHGYM_CACHE_DIR", str(tmp_path / "cache"))
    forget = synthesis.yosys.cache_clear
    forget()
    yield tmp_path
    forget()


@pytest.fixture
def counting(tmp_path, monkeypatch):
    """A program in the place of Yosys that counts what the Verilog names: 3 slices and 100 LUTs of each design."""
    path = tmp_path / "counting.py"
    path.write_text(
        "import json, sys\n"
        "assert 'module design(' in json.load(sys.stdin)['verilog']\n"
        "cells = {'DSP48E1': 3, 'LUT2': 60, 'LUT6': 40, 'FDRE': 7, 'CARRY4': 9, 'RAMB36E1': 6, 'RAMB18E1': 3}\n"
        "print(json.dumps({'cells': cells}))\n"
    )
    program = Program("yosys", (sys.executable, str(path)), "1")
    monkeypatch.setattr(synthesis, "yosys", lambda: (program, "Yosys 0"))


def test_cells_are_resources(counting) -> None:
    told = {check.item: check.published for check in synthesis.validate([TINY])}
    assert told == {"DSP": 3, "LUT": 100, "FF": 7, "BRAM18": 15}


def test_what_the_model_counts_of_it(counting) -> None:
    """Two int8 products in one slice, an accumulator shared by two products, operand registers, memories by shape."""
    ours = {check.item: check.ours for check in synthesis.validate([TINY])}
    assert ours == {"DSP": 1, "LUT": 75.5, "FF": 34 + 2 * 1.75 * 16, "BRAM18": 4 + 4 + 4}


def test_the_shapes_of_buffers() -> None:
    shapes = buffer_shapes(synthesis._SMALL | {"precision": "int8", "engines": 2, "tile_m": 2})
    assert shapes == {
        "activation_buffer": (2 * 8 * 8, 64 * 8192 // 128),
        "weight_buffer": (2 * 8 * 4 * 8, 128 * 8192 // 512),
        "output_buffer": (2 * 2 * 4 * 32, 64 * 8192 // 512),
    }


@pytest.mark.parametrize("changes", [{"board": "u280"}, {"precision": "fp32"}])
def test_what_verilog_does_not_describe(counting, changes) -> None:
    with pytest.raises(InputError, match="synthesis describes engines of integers on zcu102, pynq-z2, artix-100t"):
        synthesis.validate([TINY | changes])


def test_missing_yosys_names_what_installs_it(monkeypatch) -> None:
    monkeypatch.setattr(synthesis.shutil, "which", lambda name: None)
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(MissingExtraError, match=r"synthesis needs Yosys, .*: apt install yosys, or pip install"):
        synthesis.validate([TINY])


def test_only_some_environments_are_synthesised() -> None:
    with pytest.raises(InputError, match=r"there is nothing to synthesise in 'systolic' \(only in: fpga\)"):
        api.validate("systolic", synthesis=True)


def test_validate_prints_it_beside_the_other_checks(counting, monkeypatch, run) -> None:
    monkeypatch.setattr(validation, "validate", lambda reference: [Check("SAT", "x", 1.0, 1.0, "1", "")])
    groups = {row["group"] for row in json.loads(run("validate", "fpga", "--synthesis", "--json")[1])}
    assert {"SAT", "Yosys zcu102 int8 1x8x4"} <= groups


@pytest.fixture
def installed():
    try:
        synthesis.yosys()
    except MissingExtraError as error:
        pytest.skip(str(error))


def test_a_tiny_design_in_yosys(installed) -> None:
    checks = {check.item: check for check in synthesis.validate([TINY])}
    assert checks["DSP"].published == 2  # it packs no two products into a slice
    assert checks["BRAM18"].error == 0
    assert checks["LUT"].published > 0
    assert all(replace(check, target=None).status == "reported" for check in checks.values())
