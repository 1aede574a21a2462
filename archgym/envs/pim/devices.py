"""DRAM types, processing units and host processors: every constant of the PIM model, with unit and source.

Sources:
    [AttAcc] Park et al., ASPLOS 2024, and its simulator's configuration: HBM3 5.2 Gb/s, energies after [FGDRAM].
    [FGDRAM] O'Connor et al., MICRO 2017: energy of DRAM by part of the path, pJ/bit.
    [CENT] Gu et al., ASPLOS 2025, and its simulator's configuration: GDDR6-AiM timings profiled on SK hynix's kit.
    [NeuPIMs] Heo et al., arXiv 2403.00579, table of timings; device: DRAMsim3's HBM2_8Gb_x128.
    [HBM-PIM] Lee et al., ISCA 2021; Kwon et al., ISSCC 2021: 22.8 of 84.4 mm2 of a die are 32 blocks of 16 lanes.
    [Duplex] Yun et al., MICRO 2024: 21.3 TFLOPS of FP16 on the logic die of a stack take 17.8 mm2.
    [JEDEC] JESD209-5 (LPDDR5 6400), JESD235, JESD238, JESD250.
    [on-chip] archgym/envs/technology.py.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass, fields
from functools import cache

import numpy as np

from archgym.envs.technology import CONSTANTS as ON_CHIP
from archgym.envs.technology import NODES_NM
from archgym.errors import unknown

ACCESS_BYTES = 32.0  # one column command of one bank, all four types [JEDEC]


@dataclass(frozen=True)
class Memory:
    """A DRAM type with processing units: timings in ns, energies in pJ/bit, the rest as named.

    Attributes:
        rcd, rp, ras, rtp: activate to column command, precharge, shortest row cycle's active part, read to precharge.
        ccd_l, ccd_s: interval of column commands to all banks (or one bank group) and to different bank groups.
        activate: time to open the rows of every four banks one after the other; 0 where one command opens all.
        rfc, refi: refresh time and interval, all banks.
        io_gb_s: external bandwidth of a channel.
        pseudo_channels: independent data paths to the buffer die, each with a PU there when PUs stand there.
        group_adder: banks whose partial sums an adder of the bank group adds up; 1 where each PU stands alone.
        packed: 1 where cached vectors lie back to back over rows; 0 where each begins a row, so that it can grow.
        bank_mib: capacity of a bank.
        row_pj: activate and precharge, per bit of the row.
        bank_pj, group_pj, buffer_pj, link_pj: reading a bit up to the PU at the bank, at the bank group, at the
            channel's centre or buffer die, and out to the host.
        mac_pj: a 16-bit multiply-accumulate of a PU.
        standby_w: active standby of a channel.
        limit_w: largest power of a channel's banks and PUs: that of the published machine.
        phy_mm2: PHY and controller of a channel on the host die.
    """

    rcd: float
    rp: float
    ras: float
    rtp: float
    ccd_l: float
    ccd_s: float
    activate: float
    rfc: float
    refi: float
    io_gb_s: float
    pseudo_channels: float
    group_adder: float
    packed: float
    bank_mib: float
    row_pj: float
    bank_pj: float
    group_pj: float
    buffer_pj: float
    link_pj: float
    mac_pj: float
    standby_w: float
    limit_w: float
    phy_mm2: float


_HBM_TCK = 0.769  # ns, HBM3 at 5.2 Gb/s [AttAcc]
_AIM_TCK = 0.5  # ns [CENT]

MEMORIES = {
    # [NeuPIMs]; grouped activation under tFAW = 30 ns for four banks; standby IDD3N 55 mA at 1.2 V, 128 bits at 2 Gb/s.
    # The power limit is that of its 32 banks at full rate.
    "hbm2": Memory(
        rcd=14, rp=14, ras=34, rtp=6, ccd_l=2, ccd_s=1, activate=7.5, rfc=260, refi=3900,
        io_gb_s=32, pseudo_channels=1, group_adder=1, packed=0, bank_mib=32,
        row_pj=0.11, bank_pj=0.44, group_pj=1.45, buffer_pj=3.18, link_pj=3.48, mac_pj=0.32,
        standby_w=0.066, limit_w=1.02, phy_mm2=12 / 8,
    ),
    # [AttAcc]: 16 channels of 2 pseudo-channels x 2 ranks x 16 banks a stack, 670 GB/s, 16 GiB; [FGDRAM] energies.
    # Standby: that of hbm2 for twice the width and two ranks, an assumption. Limit: a PU per bank every 6 tCK.
    "hbm3": Memory(
        rcd=19 * _HBM_TCK, rp=19 * _HBM_TCK, ras=45 * _HBM_TCK, rtp=8 * _HBM_TCK,
        ccd_l=4 * _HBM_TCK, ccd_s=2 * _HBM_TCK, activate=0, rfc=350, refi=5070 * _HBM_TCK,
        io_gb_s=670.4 / 16, pseudo_channels=2, group_adder=4, packed=1, bank_mib=16,
        row_pj=0.11, bank_pj=0.44, group_pj=1.45, buffer_pj=3.18, link_pj=3.48, mac_pj=0.32,
        standby_w=0.13, limit_w=1.77, phy_mm2=14 / 16,
    ),
    # [CENT]: activation 2.95 nJ per 2 KiB row, 1314 pJ per MAC command to 16 banks (the MACs included), read 2.14
    # pJ/bit, pins 5.5; active standby 527.5 / 2 mW a channel. PUs at bank groups: the middle of bank and channel, an
    # assumption. Limit: a PU per bank at full rate.
    "gddr6": Memory(
        rcd=56 * _AIM_TCK, rp=32 * _AIM_TCK, ras=54 * _AIM_TCK, rtp=12 * _AIM_TCK,
        ccd_l=2 * _AIM_TCK, ccd_s=2 * _AIM_TCK, activate=0, rfc=210 * _AIM_TCK, refi=3333 * _AIM_TCK,
        io_gb_s=32, pseudo_channels=1, group_adder=1, packed=0, bank_mib=32,
        row_pj=2950 / 16384, bank_pj=1314 / 4096, group_pj=1.23, buffer_pj=2.14, link_pj=2.14 + 5.5, mac_pj=0,
        standby_w=0.26375, limit_w=1.42, phy_mm2=36 / 16,
    ),
    # The same device with the timings that IANUS (Seo et al., ASPLOS 2024) gives, and 8 GB behind 8 channels: for
    # validation, not among the choices.
    "gddr6-ianus": Memory(
        rcd=36, rp=30, ras=21, rtp=12 * _AIM_TCK, ccd_l=1, ccd_s=1, activate=0,
        rfc=210 * _AIM_TCK, refi=3333 * _AIM_TCK, io_gb_s=32, pseudo_channels=1, group_adder=1, packed=0, bank_mib=64,
        row_pj=2950 / 16384, bank_pj=1314 / 4096, group_pj=1.23, buffer_pj=2.14, link_pj=2.14 + 5.5, mac_pj=0,
        standby_w=0.26375, limit_w=1.42, phy_mm2=36 / 16,
    ),
    # [JEDEC]: x16 at 6.4 Gb/s, 16 Gb, 16 banks. 5 pJ/bit outside as in [on-chip]; its parts, the standby (20 mW a x16
    # channel) and the power limit (one command to 16 banks per tCCD) are assumptions.
    "lpddr5": Memory(
        rcd=18, rp=18, ras=42, rtp=7.5, ccd_l=2.5, ccd_s=2.5, activate=0, rfc=280, refi=3906,
        io_gb_s=12.8, pseudo_channels=1, group_adder=1, packed=0, bank_mib=128,
        row_pj=0.18, bank_pj=0.44, group_pj=1.0, buffer_pj=2.0, link_pj=5.0, mac_pj=0.32,
        standby_w=0.02, limit_w=0.85, phy_mm2=6 / 4,
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Host:
    """What a host processor reaches and needs beside its arrays.

    Attributes:
        compute, memory: shares of the peak rates it sustains.
        dispatch_s: to start a vector operator.
        array_share: an array streams at most its share of the bandwidth (1), or any (0).
        clock_ghz: of arrays and vector lanes.
    """

    compute: float
    memory: float
    dispatch_s: float
    array_share: float
    clock_ghz: float


HOSTS = {
    # NeuPIMs' NPU: 8 arrays of 128 x 128 at 1 GHz. Ideal but for refresh.
    "npu": Host(1.0, 1.0, 0.0, 0.0, 1.0),
    # A100 as [AttAcc] models it: 80 % of its FLOPS, 85 % of its bandwidth, 6.87 us for a normalisation (measured), each
    # of 108 multiprocessors streams 1/108 of the bandwidth. 108 arrays of 32 x 32 at 1.41 GHz are 312 TFLOPS.
    "a100": Host(0.8, 0.85, 6.87e-6, 1.0, 1.41),
}

PU_MM2_PER_LANE = 22.8 / (32 * 16)  # in the DRAM die [HBM-PIM]
LOGIC_PU_MM2_PER_LANE_GHZ = 17.8 / (21.3e3 / 2)  # on the logic die [Duplex]
BANK_MM2 = (84.4 - 22.8) / 64  # [HBM-PIM]: 64 banks a die
DUAL_ROW_BUFFERS = 0.0311  # area of the second row buffers over that of the banks [NeuPIMs]
DRAM_NODE_NM = 28.0  # logic in DRAM dies (buffers, registers) is charged as 28 nm logic: an assumption
CONTROLLER_GB_S = 64.0 / 32  # per channel: a 32-byte word every 0.5 ns serves 32 channels [CENT]
CONTROLLER_WORDS = 2.0  # words a lane operation moves there: one operand in, one result out
PIM_VECTOR_ROWS = 3.0  # row cycles of a vector operator without NPU: write operands, multiply in the banks, read [CENT]
LINK_PJ_PER_BIT = {"npu": 4.4, "a100": 1.3}  # PCIe [CENT], NVLink [AttAcc]

# Narrow weights and zeros (features `arithmetic` and `sparsity_engine`)
LARGEST_SKIP = 0.5  # N of M: at most every second position is skipped in time, as in sparse tensor cores (2104.08378)
CONVERSION_BITS = 16.0  # widening or placing a weight costs a 16-bit addition in energy and area: an assumption
INDEX_BITS = 3.0  # of a kept weight, M up to 8
# Of a result register that holds a sum per lane: 16 sums of 64 bits, 32 of 32 or 64 of 16, as a column has outputs.
LANE_SUM_BITS = 1024.0

_SHARED = (
    "multiply_pj_per_bit2",
    "multiply_pj_per_bit",
    "add_pj_per_bit",
    "vector_pj",
    "sram_8kib_pj_per_bit",
    "sram_32kib_pj_per_bit",
    "sram_1mib_pj_per_bit",
    "logic_area_scale",
    "sram_um2_per_bit",
    "leakage_w_per_mm2",
)
_OPTIONS = ("link_s", "link_gb_s", "link_j_per_byte", "sampling_s", "length_spread", "dram_sram_um2_per_bit")
TECHNOLOGY_DTYPE = np.dtype(
    [(name, np.float64) for name in (*_SHARED, *_OPTIONS, "dram_logic_area_scale", "dram_add_pj_per_bit")]
    + [("host_" + field.name, np.float64) for field in fields(Host)]
    + [(field.name, np.float64, (len(MEMORIES),)) for field in fields(Memory)]
)


def scenario(
    host: str = "npu",
    node_nm: int = 7,
    link_gb_s: float = 64.0,
    link_ns: float = 180.0,
    sampling_us: float = 0.0,
    length_spread: float = 0.0,
) -> np.record:
    """Technology of a scenario.

    Args:
        host: kind of processor beside the memory, of HOSTS.
        node_nm: its process node.
        link_gb_s: bandwidth of a device's link (default: PCIe 5.0 x16, one direction).
        link_ns: latency of a message over it (default: a hop through a CXL switch and back, CENT).
        sampling_us: choosing the next token on the CPU.
        length_spread: standard deviation over mean of the requests' context lengths (ShareGPT: 1.07).

    Raises:
        UnknownNameError: no such host or node.
    """
    return _record(host, node_nm, link_gb_s, link_ns, sampling_us, length_spread)


@cache
def _record(
    host: str, node_nm: int, link_gb_s: float, link_ns: float, sampling_us: float, length_spread: float
) -> np.record:
    if host not in HOSTS:
        raise unknown("host", host, HOSTS)
    if node_nm not in NODES_NM:
        raise unknown("node_nm", node_nm, NODES_NM)
    record = np.zeros(1, TECHNOLOGY_DTYPE).view(np.recarray)[0]
    for name in _SHARED:
        record[name] = ON_CHIP[name].at(node_nm)
    record.dram_sram_um2_per_bit = ON_CHIP["sram_um2_per_bit"].at(DRAM_NODE_NM)
    record.dram_add_pj_per_bit = ON_CHIP["add_pj_per_bit"].at(DRAM_NODE_NM)
    record.dram_logic_area_scale = ON_CHIP["logic_area_scale"].at(DRAM_NODE_NM)
    record.link_s, record.link_gb_s = link_ns * 1e-9, link_gb_s
    record.link_j_per_byte = LINK_PJ_PER_BIT[host] * 8e-12
    record.sampling_s, record.length_spread = sampling_us * 1e-6, length_spread
    for name, value in vars(HOSTS[host]).items():
        record["host_" + name] = value
    for index, memory in enumerate(MEMORIES.values()):
        for field, value in zip(fields(Memory), astuple(memory), strict=True):
            record[field.name][index] = value
    return record
