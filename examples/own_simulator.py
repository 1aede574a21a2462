"""A simulator of your own, as a Python function and as a program that reads and prints JSON."""

import json
import sys


def simulate(request):
    """One JSON object in, one out; what takes you minutes goes in here."""
    if request["ask"] == "description":
        return {
            "metrics": {"latency_s": "s", "energy_j": "J", "stalls": "cycles"},
            "space": {"arrays": [1, 2], "dataflow": ["os"]},  # what it can express of the environment
            "reasons": {"too_slow": "the clock is below 0.5 GHz"},
        }
    design = request["design"]
    if design["clock_ghz"] < 0.5:
        return {"feasible": False, "why": "too_slow"}
    macs = cycles = 0
    for operator in request["workload"]["operators"]:
        work = operator["count"] * operator["batch"] * operator["groups"]
        macs += work * operator["m"] * operator["k"] * operator["n"]
        folds = -(-operator["m"] // design["array_rows"]) * -(-operator["n"] // design["array_columns"])
        cycles += work * folds * (operator["k"] + design["array_rows"] + design["array_columns"])
    cycles /= design["arrays"]
    return {"latency_s": cycles / design["clock_ghz"] * 1e-9, "energy_j": macs * 5e-13, "stalls": 0.2 * cycles}


if __name__ == "__main__" and "--answer" in sys.argv:
    print(json.dumps(simulate(json.load(sys.stdin))))
elif __name__ == "__main__":
    import archgym

    for cost_model in (f"python:{__file__}:simulate", f"command:{sys.executable} {__file__} --answer"):
        found = archgym.search("systolic", "tpu-v1-mlp0", "random", ["latency_s"], [], 20, cost_model=cost_model)
        print(found.best, found.metrics)
