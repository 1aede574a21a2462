"""A workload from PyTorch: a module is traced on shapes alone, costed, saved, and searched for."""

import torch

import archgym

with torch.device("meta"):  # no weights are needed
    layers = [torch.nn.Conv2d(3, 32, 3, stride=2), torch.nn.ReLU(), torch.nn.Conv2d(32, 64, 3), torch.nn.ReLU()]
    module = torch.nn.Sequential(*layers, torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(64, 10))

workload = archgym.Workload.from_torch(module, torch.zeros(8, 3, 96, 96, device="meta"), name="small-cnn")
workload.save("small-cnn.csv")  # a table of operators: --workload small-cnn.csv on the command line
print(f"{workload.name}: {workload.macs / 1e6:.1f} MMACs, {workload.compulsory_bytes / 1e6:.2f} MB at least")

result = archgym.search("fpga", workload, agent="genetic", objective=["latency_s"], budget=2000)
print(f"{1e6 * result.metrics['latency_s']:.1f} us on {result.best['board']}")
for row in archgym.evaluate(["ubimoe-u280"], "fpga", workload).operators:
    print(f"{row['operator']:24} {1e6 * row['latency_s']:8.2f} us  {row['bottleneck']}")
