"""A surrogate from a data set: label designs, learn a cost model from them, and search with it where it knows."""

import archgym

archgym.datasets.generate("systolic", ["resnet18"], n=2000, out="designs")
made = archgym.surrogates.train("designs", "forest", out="learned")
for score in made.info["scores"]:
    if score["metric"] in ("latency_s", "energy_j", "area_mm2"):
        print(f"{score['metric']}: {score['mape_percent']:.1f} %, {score['coverage']:.0%} inside the 90 % intervals")

bounds = ["area_mm2<=50", "unknown<=0.5"]  # a search without the second finds what the surrogate is wrong about
found = archgym.search("systolic", "resnet18", "genetic", [], bounds, budget=500, cost_model="surrogate:learned")
truth = archgym.evaluate([f"{name}={value}" for name, value in found.best.items()], workload="resnet18")
print(f"{found.metrics['latency_s']:.3g} s by the surrogate, {truth.metrics['latency_s']:.3g} s by the equations")
