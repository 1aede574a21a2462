"""The XR model: its runtime by hand, its loops, its physics, its timeline."""

import json

import numpy as np
import pytest

from archgym.compression.knobs import DEFAULTS
from archgym.compression.network import Network
from archgym.compression.setting import Setting
from archgym.envs.cosearch import JointEvaluator
from archgym.envs.evaluator import Evaluator
from archgym.envs.scales import group_sums
from archgym.envs.xr import XR
from archgym.envs.xr.budget import EDF, GREEDY, PRIORITY, budget
from archgym.envs.xr.cost import LATENCY, frames, loops
from archgym.envs.xr.runtime import END, LOG_FIELDS, START, TASK, draw, energy_score, realtime_score, simulate
from archgym.envs.xr.timeline import record, save, timeline
from archgym.envs.xr.validation import validate
from archgym.errors import InputError
from archgym.testing import check_numbers
from archgym.workloads import Workload
from archgym.workloads.builder import Builder
from archgym.workloads.workload import Task

SPACE = XR.space
A4K = XR.preset("a-4k").values


def run(tasks: list[Task], milliseconds: list[list[float]], scheduler: int = GREEDY, duration: float = 50.0):
    """Run a scenario of frames of 150 mJ; returns scores and the log."""
    table = Workload("hand", (), (), tuple(tasks)).task_table
    times = np.array(milliseconds)
    log = np.zeros((100, LOG_FIELDS))
    result, _ = simulate(times, np.full(times.shape, 150.0), table, scheduler, duration, 1, log)
    return result, log[: result.logged]


def evaluate(workload: str, options: dict | None = None, **changes) -> np.record:
    evaluator = Evaluator(XR, Workload.load(workload), options, threads=1)
    return evaluator.evaluate_designs(SPACE.design(dict(A4K) | changes))[0]


def test_scores_by_hand() -> None:
    assert realtime_score(0.0) == 0.5
    assert realtime_score(0.1) == pytest.approx(1 / (1 + np.exp(1.5)))
    assert (realtime_score(-100.0), realtime_score(1e6)) == (1.0, pytest.approx(0))
    assert (energy_score(0.0), energy_score(150.0), energy_score(2000.0)) == (1.0, 0.9, 0.0)


def test_frames_in_time() -> None:
    """100 frames a second, 50 ms: five arrive, the one that arrives last is under way when the run ends."""
    result, log = run([Task("a", 100.0)], [[4.0]])
    assert (result.frames, result.drops, result.misses) == (4, 0, 0)
    assert list(log[:, END]) == [4, 14, 24, 34]
    assert result.score == pytest.approx(0.9)
    assert result.response_ms == pytest.approx(4)


def test_late_frames_are_finished_and_waiting_ones_dropped() -> None:
    """25 ms a frame, due after 10: frame 0 ends at 25; frame 1, due at 20, is dropped then; frame 2 starts."""
    result, log = run([Task("a", 100.0)], [[25.0]])
    assert (result.frames, result.drops, result.misses) == (2, 1, 1)
    assert [tuple(row[[1, 2, START, END]]) for row in log] == [(0, 0, 0, 25), (1, -1, 25, 25)]
    assert result.qoe == 0.5
    assert result.score == pytest.approx(0.9 * realtime_score(15.0) / 2 * 0.5)


def test_dependent_frames_wait_for_their_source() -> None:
    tasks = [Task("gaze", 100.0, after=1), Task("eyes", 100.0)]
    _, log = run(tasks, [[2.0], [3.0]])
    assert [(row[TASK], row[START]) for row in log[:4]] == [(1, 0), (0, 3), (1, 10), (0, 13)]
    _, log = run(tasks, [[2.0], [25.0]])  # frame 0 of the source is late and frame 1 dropped: gaze has nothing in time
    assert [(row[TASK], row[1]) for row in log if row[2] < 0] == [(0, 0), (0, 1), (1, 1), (0, 2)]


def test_triggered_share_and_networks_without_frames() -> None:
    assert np.mean([draw(7, 1, i) for i in range(4000)]) == pytest.approx(0.5, abs=0.02)
    assert len({draw(seed, 0, 0) for seed in range(100)}) == 100
    tasks = [Task("speech", 100.0, after=1, probability=1e-9), Task("keyword", 100.0)]
    result, log = run(tasks, [[2.0], [4.0]])
    assert set(log[:, TASK]) == {1}
    assert result.score == pytest.approx(0.9), "a network that never ran is not in the mean"


def test_schedulers_choose_by_order_deadline_and_rate() -> None:
    """Three networks that arrive together: slow first in order, the short deadline last."""
    tasks = [Task("slow", 10.0), Task("middle", 50.0), Task("fast", 100.0)]
    first = {}
    for scheduler in (GREEDY, EDF, PRIORITY):
        _, log = run(tasks, [[1.0], [1.0], [1.0]], scheduler, duration=200.0)
        first[scheduler] = list(log[:3, TASK])
    assert first == {GREEDY: [0, 1, 2], EDF: [2, 1, 0], PRIORITY: [2, 1, 0]}
    tasks = [Task("often", 50.0), Task("seldom", 40.0)]  # at 21 ms: often is due at 40, seldom, since 0, at 25
    for scheduler, (task, accelerator) in ((EDF, (1, 0)), (PRIORITY, (1, -1))):
        _, log = run(tasks, [[21.0], [3.0]], scheduler, duration=100.0)
        assert (log[0, END], log[1, TASK], log[1, 2]) == (21, task, accelerator)


def test_the_fastest_idle_sub_accelerator_runs_a_frame() -> None:
    _, log = run([Task("a", 100.0), Task("b", 100.0)], [[4.0, 2.0], [3.0, 1.0]])
    assert [(row[TASK], row[2]) for row in log[:2]] == [(0, 1), (1, 0)]


def test_loops_by_hand() -> None:
    """32 to 32 channels, 3x3, an output of 158 x 98: lanes of 16 x 16, 16 x 4 and 16 x 4."""
    size = (158.0 * 98, 32.0 * 9, 32.0, 9.0, 98.0)
    assert loops(1, 16, *size, False)[0] == 2 * 2 * 158 * 7 * 9
    assert loops(2, 64, *size, False)[0] == 32 * 3 * 25 * 2 * 9
    assert loops(3, 64, *size, False)[0] == 1 * 158 * 7 * 32 * 3
    product = (100.0, 64.0, 40.0, 1.0, 1.0)  # the rows of a matrix product fill all lanes
    assert loops(1, 16, *product, False) == (4 * 3 * 7, 3, 1)
    assert loops(2, 64, *product, False) == (40 * 1 * 4, 40, 1)


def test_presets_are_the_published_accelerators() -> None:
    assert len(XR.presets) == 26
    for name, preset in XR.presets.items():
        fixed = budget(SPACE.design(preset.values)[0], XR.technology())
        assert fixed.why == 0
        assert fixed.pes == 1024 * int(name[2])
    lanes = record(Evaluator(XR, Workload.load("xr-vr-gaming")), SPACE.design(XR.preset("k-8k").values)).lanes
    assert lanes == ("1: ws, 6144 PEs", "2: os, 2048 PEs")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"dataflow_3": "ws"}, "dataflow_gap"),
        ({"split": "3:1"}, "split_of_one"),
        ({"pes": 256, "dataflow_2": "ws"}, "too_few_pes"),
        ({"clock_ghz": 3.0}, "clock_too_fast"),
    ],
)
def test_reasons(changes: dict, reason: str) -> None:
    assert XR.reasons[int(evaluate("xr-vr-gaming", **changes).why)].startswith(reason)


@pytest.mark.parametrize("workload", ["xr-vr-gaming", "xr-ar-assistant", "xr-hand-graph-cnn"])
def test_numbers_are_consistent(workload: str) -> None:
    check_numbers(Evaluator(XR, Workload.load(workload)), n=200)


@pytest.mark.parametrize("name", ["pes", "noc_bytes_per_cycle", "memory_gb_s", "clock_ghz", "memory_kib"])
def test_more_of_anything_never_slows_a_network(name: str) -> None:
    workload = Workload.load("xr-ar-gaming")
    technology, tasks = XR.technology(), workload.task_table
    rng = np.random.default_rng(0)
    indices = SPACE.sample(40, rng)
    indices = indices[Evaluator(XR, workload, threads=1).evaluate(indices).feasible][:4]
    column = SPACE.names.index(name)
    for row in indices:
        last = None
        for choice in range(len(SPACE[name].choices)):
            row[column] = choice
            design = SPACE.decode(row[None])[0]
            fixed = budget(design, technology)
            if fixed.why:
                continue
            now = frames(design, workload.operators, tasks, technology, fixed)[:, :, LATENCY]
            assert last is None or (now <= last * (1 + 1e-9)).all()
            last = now


def test_one_network_is_one_run_without_a_deadline() -> None:
    alone = evaluate("resnet18")
    assert (alone.frames, alone.drops, alone.deadline_misses) == (1, 0, 0)
    assert alone.latency_s == pytest.approx(alone.frame_latency_s)
    assert alone.score == pytest.approx(alone.score_energy)
    assert alone.off_chip_bytes >= Workload.load("resnet18").compulsory_bytes
    pair = evaluate("resnet18", dataflow_2="os")
    assert pair.frames == 1


def test_the_seed_matters_only_where_something_is_drawn() -> None:
    scores = {name: [evaluate(name, {"seed": seed}).score for seed in (1, 1, 2, 3, 4)] for name in
              ("xr-vr-gaming", "xr-ar-assistant")}  # fmt: skip
    assert len(set(scores["xr-vr-gaming"])) == 1
    assert scores["xr-ar-assistant"][0] == scores["xr-ar-assistant"][1]
    assert len(set(scores["xr-ar-assistant"])) > 1


def test_validation() -> None:
    checks = validate()
    assert not [check for check in checks if check.status in ("missed", "not available")]
    assert sum(check.group == "Mean overall score" for check in checks) == 26
    assert sum(check.status == "met" for check in checks) == 28


def test_compressed_networks() -> None:
    """Narrower weights are fewer bytes; zeros gain nothing; several networks are compressed as one table."""
    evaluator = JointEvaluator(XR, Workload.load("xr-vr-gaming"), threads=1)
    settings = (
        {"weight_bits": 8},
        {"weight_bits": 4},
        {"weight_bits": 8, "pattern": "2:4", "activation_sparsity": 0.5},
    )
    designs = [evaluator.space.design(A4K | DEFAULTS | {"activation_bits": 8} | changes) for changes in settings]
    wide, narrow, zeros = (evaluator.evaluate_designs(design)[0] for design in designs)
    assert wide == zeros
    frame_bytes = narrow.off_chip_bytes / narrow.frames, wide.off_chip_bytes / wide.frames
    assert frame_bytes[0] < 0.7 * frame_bytes[1]
    assert narrow.score >= wide.score
    assert narrow.energy_j < wide.energy_j
    for name, value in evaluator.plain(designs[1]).items():
        assert narrow[name] == pytest.approx(value, rel=1e-9), name


def test_sums_of_groups_are_scaled_in_the_vector_unit() -> None:
    """A product of K = 512 has four groups per output, the last of which is scaled with the output."""
    net = Builder(8)
    network = Network(net.build("one", net.linear("product", net.input(2, 512), 64)))
    row = network.compressed(Setting(weight_bits=4, activation_bits=8))[0]
    assert group_sums(row) == 2 * 64 * 3
    assert group_sums(network.compressed(Setting(weight_bits=8, activation_bits=8))[0]) == 0


def test_the_timeline_is_the_run(tmp_path) -> None:
    evaluator = Evaluator(XR, Workload.load("xr-ar-assistant"), threads=1)
    design = SPACE.design(dict(XR.preset("j-4k").values) | {"pes": 1024, "noc_bytes_per_cycle": 64})
    line, metrics = record(evaluator, design), evaluator.evaluate_designs(design)[0]
    rows = line.rows()
    assert len(rows) == metrics.frames
    assert sum(row["dropped"] for row in rows) == metrics.drops > 0
    assert sum(row["late"] for row in rows) == metrics.deadline_misses > 0
    for lane in range(len(line.lanes)):
        own = line.frames[line.frames.accelerator == lane]
        order = np.argsort(own.start_ms)
        assert (own.end_ms[order][:-1] <= own.start_ms[order][1:] + 1e-9).all(), "one frame at a time"
    save(line, tmp_path / "line.html")
    page = (tmp_path / "line.html").read_text()
    assert "HRViT" in page
    assert json.dumps(line.lanes[0]) in page
    with pytest.raises(InputError, match=r"\.html"):
        save(line, tmp_path / "line.png")


def test_the_timeline_refuses_what_has_no_deadlines() -> None:
    with pytest.raises(InputError, match="frame rates"):
        timeline("a-4k", workload="resnet18")
    with pytest.raises(InputError, match="xr environment"):
        timeline("tpu-v1", environment="systolic", workload="resnet18")
