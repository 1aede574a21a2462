import pytest

from archgym.envs.evaluator import Evaluator
from archgym.envs.systolic import SYSTOLIC
from archgym.objective import Objective
from archgym.testing.postgresql import postgresql as server
from archgym.workloads import Workload


@pytest.fixture(scope="session")
def evaluator():
    return Evaluator(SYSTOLIC, Workload.load("alexnet"), threads=2)


@pytest.fixture(scope="module")
def postgresql():
    """A throw-away server."""
    pytest.importorskip("psycopg")
    try:
        with server() as running:
            yield running
    except FileNotFoundError as error:
        pytest.skip(str(error))


@pytest.fixture
def objective():
    return Objective("latency_s*energy_j", ["area_mm2<=60"])


@pytest.fixture
def two_objectives():
    return Objective(["latency_s", "energy_j"], ["area_mm2<=60"])


@pytest.fixture(autouse=True)
def cache(evaluator, tmp_path, monkeypatch):
    """Optima found by a test stay in that test; the evaluator is compiled before, in the shared cache."""
    monkeypatch.setenv("ARCHGYM_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache" / "optimum"


@pytest.fixture
def small():
    """A space that plain Python can enumerate: 7 * 7 * 3 * 2 * 7 * 5 designs."""
    return SYSTOLIC.space.restrict(
        arrays=4,
        fold_overlap="serial",
        filter_sram_kib=512,
        ofmap_sram_kib=512,
        memory=["hbm2-x1", "ddr4-3200-x1"],
        vector_lanes=512,
        operand_bits=8,
        accumulator_bits=32,
    )
