"""Accelerator families and their Gymnasium environments."""

from archgym.registry import Entry, Registry

ENVIRONMENTS = Registry(
    "environment",
    {
        "systolic": Entry("archgym.envs.systolic:SYSTOLIC", "systolic arrays with shared SRAM and off-chip memory"),
        "pim": Entry("archgym.envs.pim:PIM", "processing in DRAM, with or without a neural processing unit"),
        "wafer": Entry("archgym.envs.wafer:WAFER", "wafer-scale mesh of cores with distributed SRAM"),
        "fpga": Entry("archgym.envs.fpga:FPGA", "tiled GEMM engines or one circuit per layer on an FPGA"),
        "xr": Entry("archgym.envs.xr:XR", "several networks with deadlines on one to four sub-accelerators"),
    },
)
