"""Search, compare with the true optimum of a small space, and look at the trials."""

import archgym

choices = {"array_rows": [32, 64, 128], "array_columns": [32, 64, 128], "arrays": [1, 2, 4], "dataflow": ["ws"]}
choices |= {"fold_overlap": ["overlapped"], "operand_bits": [8], "accumulator_bits": [32], "memory": ["hbm2-x1"]}
truth = archgym.optimum("systolic", "resnet18", choices=choices)
result = archgym.search("systolic", "resnet18", agent="genetic", budget=2000, choices=choices)

print(f"{truth.designs:,} designs, true optimum {truth.value:.4g} J s")
print(f"found {result.objectives[0]:.4g} J s in {result.evaluated:,}: regret {100 * result.regret:.2f} %")
trials = result.trials
print(trials[trials["feasible"]].groupby("array_rows")["latency_s"].min())
