"""`archgym quality` and `archgym validate quality`."""

import json
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs" / "quality.md"


def test_quality_prints_the_estimate_its_interval_and_the_rows(run) -> None:
    code, out, err = run("quality", "--model", "llama2-7b", "--weight-bits", "4", "--activation-bits", "8")
    assert (code, err) == (0, "")
    for part in ("Quality loss 0.0", "ln(perplexity / baseline)", "additive", "AWQ g128", "SmoothQuant"):
        assert part in out
    assert max(map(len, out.splitlines())) <= 80
    found = json.loads(run("quality", "-m", "llama2-7b", "--setting", "weight_bits=4,activation_bits=8", "--json")[1])
    assert found["low"] < found["quality_loss"] < found["high"]
    assert found["rule"] == "additive"
    assert {"method", "value", "baseline", "source", "loss", "setting"} <= set(found["rows"][0])


def test_unsupported_says_why_and_ends_with_1(run) -> None:
    arguments = ("quality", "--model", "llama2-7b", "--weight-bits", "4", "--pattern", "2:4")
    code, out, _ = run(*arguments)
    assert code == 1
    assert "Unsupported: sparsity with low bits" in out
    assert "Quality loss" not in out
    code, out, _ = run(*arguments, "--allow-extrapolation")
    assert code == 0
    assert "Quality loss 0." in out
    assert json.loads(run(*arguments, "--json")[1])["quality_loss"] is None


def test_networks_are_listed(run, tmp_path) -> None:
    code, out, _ = run("quality")
    assert code == 0
    assert "llama2-7b" in out
    assert max(map(len, out.splitlines())) <= 80
    assert json.loads(run("quality", "--json")[1])["resnet50"]["kind"] == "CNN"
    own = "model,metric,method,weight_bits,value,baseline,source\nmine-1b,perplexity,GPTQ,4,10.5,10,lab book\n"
    (tmp_path / "own.csv").write_text(own)
    assert "mine-1b" in run("quality", "--rows", "own.csv")[1]
    assert "0.0488" in run("quality", "--rows", "own.csv", "--model", "mine-1b", "--weight-bits", "4")[1]


def test_validate_quality_meets_its_targets(run) -> None:
    code, out, _ = run("validate", "quality")
    assert code == 0
    assert "MISSED" not in out
    assert max(map(len, out.splitlines())) <= 80
    groups = {row["group"] for row in json.loads(run("validate", "quality", "--json")[1])}
    assert {"Median error", "Median error, LLM", "Outside interval", "Not claimed"} <= groups
    printed = run("validate", "quality", "--markdown")[1].splitlines()
    page = [line for line in DOCS.read_text().splitlines() if line.startswith("| ")]
    assert all("|".join(line.split("|")[:9]) + "|" in page for line in printed if line.startswith("| "))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("--model llama2-7", "did you mean 'llama2-7b'?"),
        ("--model llama2-7b --weight-bits 7", "the nearest is 6"),
        ("--model llama2-7b --weight-bits x", "weight_bits must be a number, not 'x'"),
        ("--model llama2-7b --pattern 2:5", "unknown pattern '2:5'"),
        ("--model llama2-7b --weight-bits 4 --setting weight_bits=4", "given twice"),
        ("--model llama2-7b --method gptk", "did you mean 'gptq'?"),
        ("--model llama2-7b --function mine", "unknown quality function 'mine'"),
        ("--model llama2-7b --rows missing.csv", "cannot read missing.csv"),
        ("--weight-bits 4", "--model llama2-7b"),
    ],
)
def test_bad_input_gets_one_clear_line_and_exit_code_2(run, arguments: str, says: str) -> None:
    code, out, err = run("quality", *arguments.split(" "))
    assert code == 2, out + err
    assert says in err.splitlines()[-1]
    assert "Traceback" not in err + out
