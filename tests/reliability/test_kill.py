"""Kill -9 at random moments: nothing acknowledged is lost, no file is torn, resumed runs end with the same trials.

A handful of moments for each agent here; benchmarks/kills.py does a hundred, recorded in kills.json.
"""

import json
from pathlib import Path

import pytest

from archgym.objective import Objective
from archgym.search import search
from archgym.search.trials import write_part
from archgym.testing.kills import check_kills

RECORD = Path(__file__).parents[2] / "benchmarks/kills.json"
AGENTS = {
    "random": (8 * 1024, 4),
    "genetic?population=32&offspring=32": (8 * 32, 4),
    "tpe?startup=8&candidates=4": (24, 2),
    "ppo": (5 * 32, 2),
    "gnn?startup=8&batch=8&members=1&width=8&steps=4": (20, 2),
}


@pytest.fixture
def run(evaluator):
    """One search of each agent, as often as it is asked for."""
    torch = pytest.importorskip("torch")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # threads do not survive a fork
    objective = Objective(["latency_s", "energy_j"], ["area_mm2<=60"])

    def of(agent, budget):
        return lambda path, resume: search(evaluator, objective, agent, budget, out=path, resume=resume, checkpoint_s=0)

    yield of
    torch.set_num_threads(threads)


@pytest.mark.parametrize("agent", AGENTS)
def test_a_killed_search_loses_nothing_acknowledged_and_resumes_to_the_same_trials(run, tmp_path, agent):
    budget, moments = AGENTS[agent]
    kills = check_kills(run(agent, budget), tmp_path, moments, seed=1)
    assert kills.moments == moments


def test_the_check_sees_a_lost_trial(run, tmp_path, monkeypatch):
    def lossy(path, table) -> None:
        write_part(path, table[:-1] if "killed-" in str(path) else table)

    monkeypatch.setattr("archgym.search.run.write_part", lossy)
    with pytest.raises(AssertionError):
        check_kills(run("random", 4 * 1024), tmp_path, 3)


def test_the_record_is_of_a_hundred_moments_each():
    record = json.loads(RECORD.read_text())
    assert {row["agent"].partition("?")[0] for row in record["agents"]} == {"random", "genetic", "tpe", "ppo", "gnn"}
    assert all(row["moments"] >= 100 for row in record["agents"])
    assert record["lost"] == record["resumed_to_other_trials"] == 0
