"""A sweep: agents and settings on two workloads, a process for each core; then all of them compared.

The same as `archgym sweep -w resnet18,alexnet -a random,genetic --hyperparameters 2 -s 2 -n 300 --out agents`.
"""

import archgym

if __name__ == "__main__":  # Ray starts processes of its own
    what = {"workloads": ["resnet18", "alexnet"], "agents": ["random", "genetic"], "hyperparameters": 2}
    result = archgym.sweep(what | {"seeds": 2, "budget": 300}, "agents")
    print(result.summary.select(["path", "status", "evaluated", "elapsed_s"]).to_pandas())

    for standing in archgym.compare_runs([result.path]).standings:
        print(f"{standing.contestant:12} {standing.values[-1].value:8.2%} over the best known optimum")
    archgym.sweep(result.path)  # continues what an interruption left: here, nothing
