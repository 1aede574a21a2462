"""A workload of your own: one function, with its options as typed keyword parameters."""

import archgym
from archgym.workloads.builder import RELU, Builder


def tiny_cnn(batch: int = 1, bits: int = 8) -> archgym.Workload:
    net = Builder(bits)
    x = net.input(batch, 32, 32, 3)
    x = net.conv("conv1", x, 16, 3, activation=RELU)
    x = net.conv("conv2", x, 32, 3, stride=2, activation=RELU)
    x = net.global_pool("pool", x)
    return net.build("tiny-cnn", net.linear("classes", x, 10))


if __name__ == "__main__":
    workload = tiny_cnn(batch=4)
    print(f"{workload.name}: {workload.macs / 1e6:.1f} MMACs")
    for row in archgym.evaluate("gemmini-16", workload=workload).operators:
        print(f"{row['operator']:8} {1e6 * row['latency_s']:8.2f} us  {row['bottleneck']}")
