"""Published gains of compressed networks: the rows, the machines, and cases worked out by hand."""

from pathlib import Path

import numpy as np
import pytest

from archgym.compression import Setting, speedups
from archgym.compression.network import Network
from archgym.envs.systolic import SYSTOLIC, cost
from archgym.errors import InputError
from archgym.validation import Check, read_table
from archgym.workloads import Workload
from archgym.workloads.operators import WEIGHT_A, WEIGHT_B

ROWS = read_table(Path(speedups.__file__).with_name("speedups.csv"))
DOCS = Path(__file__).parents[2] / "docs/compression.md"


@pytest.fixture(scope="module")
def checks() -> list[Check]:
    return speedups.validate()


def test_every_row_has_its_conditions_or_says_why_it_has_no_value_of_ours(checks: list[Check]) -> None:
    assert all(row["source"] and float(row["value"]) > 1 for row in ROWS)
    assert all(row["note"] for row in ROWS if row["measure"] == "none")
    for row, check in zip(ROWS, checks, strict=False):
        assert (check.group, check.item) == (row["claim"], row["item"])
        assert (check.ours is None) == (row["measure"] == "none")


def test_the_mean_error_is_over_all_rows_with_a_value(checks: list[Check]) -> None:
    known = [abs(check.error) for check in checks[: len(ROWS)] if check.error is not None]
    last = checks[-1]
    assert last.item == f"mean absolute error of {len(known)}"
    assert last.ours == pytest.approx(np.mean(known))
    assert last.target == 0.20


def test_gpus_gain_no_less_than_kernels_that_were_timed_alone(checks: list[Check]) -> None:
    """Multipliers and memory alone bound what a kernel gains; figures are read off to a few percent."""
    for row, check in zip(ROWS, checks, strict=False):
        if check.error is not None and row["measure"] == "products" and row["machine"].startswith(("a100", "rtx")):
            assert check.error > -0.02, check.item


def test_a_kernel_takes_time_beside_its_work() -> None:
    """6.87 us for each of the 15 operators of a layer and three more, whatever they move."""
    workload = Workload.load("llama2-7b:decode?bits=16")
    whole, alone = (speedups.seconds("a100-80gb", workload.operators, alone=alone).sum() for alone in (False, True))
    assert whole - alone == pytest.approx((32 * 15 + 3) * 6.87e-6)


def test_decoding_on_a_gpu_saves_the_published_time(checks: list[Check]) -> None:
    mean = next(check for check in checks if check.group == "Time saved, steps")
    assert mean.item == "mean absolute error of 6"
    assert mean.ours < 0.10


def test_activation_sparsity_by_hand() -> None:
    """Decoding is bound by memory: halves of all weights but the head are read, and the cache."""
    row = next(row for row in ROWS if row["item"] == "Llama-2-7B A6000 50 %")
    weights = 32 * (4 * 4096 * 4096 + 3 * 4096 * 11008)
    rest = 4096 * 32000 + 2 * 32 * 105 * 4096  # head, cache
    kernels = 768e9 * 6.87e-6 * (32 * 15 + 3) / 2  # as if they moved 16-bit words
    gain = (weights + rest + kernels) / (weights / 2 + rest + kernels)
    assert speedups.ours(row) == pytest.approx(gain, rel=0.01)


def test_four_bit_weights_by_hand() -> None:
    """16 bits over 4 and a 16-bit scale for 128 weights, while 16 rows of inputs are small beside them."""
    row = next(row for row in ROWS if row["item"] == "Marlin Llama-2-7B layers A6000")
    assert speedups.ours(row) == pytest.approx(16 / 4.125, rel=0.01)


def test_transposing_changes_neither_products_nor_bytes() -> None:
    network = Network(Workload.load("llama2-7b:decode?batch=4&bits=16"))
    table = network.compressed(Setting(weight_bits=4, pattern="2:4"))
    turned = speedups.transposed(table)
    assert (turned.weight != WEIGHT_B).all()
    assert ((turned.weight == WEIGHT_A) == (table.weight == WEIGHT_B)).all()
    for name in ("m", "n", "k"):
        assert np.prod([turned[part] for part in "mnk"], axis=0) == pytest.approx(table.m * table.n * table.k), name
    assert turned.a_bytes + turned.b_bytes == pytest.approx(table.a_bytes + table.b_bytes)
    assert (turned.count == table.count).all()


def test_other_tiles_have_the_elements_of_the_machine() -> None:
    for machine in ("a100-80gb", "rtx-a6000", "bitmod-ant?array_rows=32&array_columns=32", "mixpe-a8"):
        designs, _ = speedups.designs_of(machine)
        elements = designs.arrays * designs.array_rows * designs.array_columns
        assert len(designs) > 1
        assert (elements == elements[0]).all()


MACHINES = [name for name in SYSTOLIC.presets if name.startswith(("a100", "rtx", "bitmod", "mixpe", "spatten"))]


@pytest.mark.parametrize("name", MACHINES)
def test_machines_can_be_built_and_gpus_have_their_peak(name: str) -> None:
    designs, technology = speedups.designs_of(name)
    assert cost.budget(designs[0], technology).why == 0
    peaks = {"a100-80gb": 312e12, "a100-80gb-int8": 624e12, "rtx-a6000": 154.8e12}
    if name in peaks:
        values = SYSTOLIC.preset(name).values
        peak = 2e9 * values["arrays"] * values["array_rows"] * values["array_columns"] * values["clock_ghz"]
        assert peak == pytest.approx(peaks[name], rel=0.005)


def test_a_machine_that_cannot_run_a_network_says_so() -> None:
    table = Workload.load("llama2-7b:decode?bits=16").operators
    with pytest.raises(InputError, match="tpu-v1: accumulator_overflow"):
        speedups.seconds("tpu-v1", table)


def test_the_page_shows_what_validate_prints(checks: list[Check]) -> None:
    from archgym.api import VALIDATIONS

    assert VALIDATIONS.load("compression") is speedups.validate
    lines = [line.split("|")[1:5] for line in DOCS.read_text().splitlines() if line.startswith("| ")]
    told = {(cells[0].strip(), cells[1].strip()): cells[3].strip() for cells in lines}
    for check in checks:
        value = told[check.group, check.item]
        assert value == "-" if check.ours is None else float(value) == pytest.approx(check.ours, rel=1e-3), check.item
