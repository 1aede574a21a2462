"""Hardware, quantisation and sparsity as one design, with model quality as a constraint and then as an objective."""

import archgym

EDP = ["latency_s*energy_j"]
bound = ["quality_loss<=0.05", "area_mm2<=100"]  # 5 % more perplexity, as published results have it

result = archgym.search("systolic", "llama2-7b:decode", "genetic", EDP, bound, budget=4000)
best, metrics = result.best, result.metrics
print(f"W{best['weight_bits']}A{best['activation_bits']}KV{best['kv_bits']} on {best['arithmetic']} elements")
print(f"{result.objectives[0]:.4g} J s, loss {metrics['quality_loss']:.3f} ({metrics['quality_high']:.3f} at worst)")

front = archgym.search("systolic", "llama2-7b:decode", "genetic", ["latency_s", "quality_loss"], budget=4000)
for latency, loss in front.front_objectives:
    print(f"{1e3 * latency:6.2f} ms  {loss:7.4f}")

# One setting on one machine: what W4A16 is worth on an A100, and what it costs the network.
for bits in (16, 4):
    step = archgym.evaluate(["a100-80gb", f"weight_bits={bits}"], workload="llama2-7b:decode?context=128")
    print(f"{bits:2} bits: {1e3 * step.metrics['latency_s']:.2f} ms a token, {step.quality['quality_loss']:.3f}")
