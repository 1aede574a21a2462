"""`archgym evaluate --memory-plan`: what the report says is what plan and cost model do."""

import json
import sys

import pytest

import archgym

PIM = ("evaluate", "neupims", "--env", "pim", "--workload", "bert-base")


def test_without_a_plan_nothing_changes(run) -> None:
    _, out, _ = run("evaluate", "gemmini-16", "--workload", "mobilenetv2", "--json")
    plain = json.loads(out)
    assert "memory_plan" not in plain
    _, out, _ = run("evaluate", "gemmini-16", "--workload", "mobilenetv2", "--json", "--memory-plan", "greedy")
    planned = json.loads(out)
    assert planned["memory_plan"]["model"]["own"]["dram_bytes"] == plain["metrics"]["dram_bytes"]
    assert planned["memory_plan"]["model"]["planned"]["latency_s"] == planned["metrics"]["latency_s"]
    assert planned["design"] == plain["design"]
    assert planned["workload"] == plain["workload"]


@pytest.mark.parametrize("method", ["none", "greedy", "ilp"])
def test_the_cost_model_moves_what_is_planned(run, method) -> None:
    # the NPU of this design reads every operand of BERT once, so its traffic is the plan's to the byte
    _, out, _ = run(*PIM, "--memory-plan", method, "--scratchpad", "300KiB", "--json")
    result = json.loads(out)
    plan, model = result["memory_plan"], result["memory_plan"]["model"]
    assert plan["method"] == method
    assert result["metrics"]["pin_bytes"] == model["planned"]["pin_bytes"] == pytest.approx(plan["planned_bytes"])
    assert model["none"]["pin_bytes"] == pytest.approx(plan["none_bytes"])
    assert plan["compulsory_bytes"] <= plan["bound_bytes"] <= plan["planned_bytes"] <= plan["none_bytes"]
    assert plan["peak_bytes"] <= plan["scratchpad_bytes"] == 300 * 1024
    assert (plan["saved"] == 0) == (method == "none")
    assert plan["optimal"] == (method == "ilp")
    moved = sum(row["dram_bytes"] for row in result["operators"])
    assert moved == pytest.approx(plan["planned_bytes"])


def test_what_the_model_spills_is_not_claimed_as_kept(run) -> None:
    # the design keeps tensors of up to 64 KiB, whatever scratchpad is planned for
    arguments = ("evaluate", "gemmini-16", "--workload", "mobilenetv2", "--memory-plan", "ilp", "--json")
    _, out, _ = run(*arguments, "--scratchpad", "1GiB")
    plan = json.loads(out)["memory_plan"]
    assert plan["largest_bytes"] == 64 * 1024
    assert plan["saved"] < 0.5
    assert plan["model"]["planned"]["dram_bytes"] <= plan["model"]["none"]["dram_bytes"]


def test_the_report_is_readable(run) -> None:
    code, out, _ = run("evaluate", "gemmini-16", "--workload", "mobilenetv2", "--memory-plan", "ilp")
    assert code == 0
    for part in ("Memory plan (ilp)", "nothing kept", "planned", "compulsory", "saved", "optimal", "its own rule"):
        assert part in out
    assert max(map(len, out.splitlines())) <= 80
    _, out, _ = run("evaluate", "gemmini-16", "--memory-plan", "greedy", "--scratchpad", "2MiB")
    assert "more than the design has 128 KiB" in " ".join(out.split())


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--memory-plan", "gredy"), "unknown planning method 'gredy'; did you mean 'greedy'?"),
        (("--memory-plan", "ilp", "--scratchpad", "much"), "'much' is no size"),
        (("--memory-plan", "ilp", "--scratchpad", "-2MiB"), "'-2MiB' is no size"),
        (("--scratchpad", "2MiB"), "name the method too"),
        (("--env", "wafer", "wse-2", "--memory-plan", "ilp"), "takes no memory plan"),
        (("--env", "pim", "cent-8", "--memory-plan", "ilp"), "without NPU"),
        (("--env", "fpga", "charm-vck190", "--memory-plan", "ilp"), "execution=sequential"),
    ],
)
def test_errors_are_one_line(run, arguments, told) -> None:
    design = () if "--env" in arguments else ("tpu-v1",)
    code, out, err = run("evaluate", *design, *arguments)
    assert (code, out) == (2, "")
    assert told in err
    assert err.count("\n") == 1


def test_a_missing_solver_names_its_extra(run, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy.optimize", None)
    code, _, err = run("evaluate", "gemmini-16", "--memory-plan", "ilp", "--workload", "mobilenetv2")
    assert code == 2
    assert "pip install 'archgym[planning]'" in err


def test_the_public_function() -> None:
    plan = archgym.plan_memory("mobilenetv2", "512KiB")
    assert plan.optimal
    assert plan.saved > archgym.plan_memory("mobilenetv2", "512KiB", "greedy").saved > 0.5
    assert plan.scratchpad_bytes == 512 * 1024
    assert len(plan.steps()) == len(plan.layers)
