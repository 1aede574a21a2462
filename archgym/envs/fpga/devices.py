"""FPGA boards and every constant of the FPGA cost model: value, unit, source.

Sources:
    [device] vendor data sheets and platform files as collected for this project; `approximate` marks boards whose
        figures come second-hand.
    [FINN] resource functions and fill limits of the FINN compiler (github.com/Xilinx/finn).
    [CHARM] Zhuang et al., FPGA 2023, arXiv 2301.02359, and its repository (github.com/arc-research-lab/CHARM).
    [FlightLLM] Zeng et al., FPGA 2024, arXiv 2401.03868.
    [hls4ml] see hls4ml.py.
    [TPUv4i] DDR and HBM energies per bit as in archgym/envs/technology.py.
    (assumption) is declared where no source gives the figure.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass, fields
from functools import cache
from typing import Any

import numpy as np

DDR4_PJ_PER_BIT, HBM2_PJ_PER_BIT = 1300 / 64, 350 / 64  # [TPUv4i], as in archgym/envs/technology.py


@dataclass(frozen=True)
class Device:
    """A board.

    Attributes:
        dsp, lut, ff, bram18, uram: resources of the programmable logic.
        aie: AI-engine tiles (Versal); they run the products instead of the DSPs.
        channels: memory channels, or ports where the memory has more ports than channels (Zynq).
        channel_gb_s: peak bandwidth of a channel.
        total_gb_s: peak bandwidth of the whole memory.
        port_bits: widest interface of a kernel to a channel, at the kernel's clock.
        hbm: 1 where channels are HBM pseudo-channels behind a crossbar.
        capacity_gb: size of that memory, 2^30 bytes.
        pj_per_bit: energy of its accesses.
        base_mhz: clock that a lightly filled device reaches.
        static_w: power of the configured, idle board. An assumption: the order of vendor power reports.
        versal: 1 where the DSP slices are DSP58.
        approximate: 1 where the resource counts are second-hand.
    """

    dsp: float
    lut: float
    ff: float
    bram18: float
    uram: float
    aie: float
    channels: float
    channel_gb_s: float
    total_gb_s: float
    port_bits: float
    hbm: float
    capacity_gb: float
    pj_per_bit: float
    base_mhz: float
    static_w: float
    versal: float = 0
    approximate: float = 0


# Ports: Zynq HP ports are 64 bit (7000, UG585) or 128 bit (UltraScale+, UG1085) and share one DDR; kernels on Alveo and
# Versal take up to 512 bit. Base clocks: 300 MHz is the Alveo shells' kernel clock and what UbiMoE runs ZCU102 at,
# 250 MHz what CHARM profiles VCK190 at; 150 MHz for the 28 nm parts is an assumption.
DEVICES = {
    "pynq-z2": Device(220, 53_200, 106_400, 280, 0, 0, 4, 2.1, 2.1, 64, 0, 0.5, DDR4_PJ_PER_BIT, 150, 1.5),
    "artix-100t": Device(240, 63_400, 126_800, 270, 0, 0, 1, 1.3, 1.3, 128, 0, 0.25, DDR4_PJ_PER_BIT, 150, 0.5, 0, 1),
    "zcu102": Device(2520, 274_080, 548_160, 1824, 0, 0, 4, 19.2, 19.2, 128, 0, 4, DDR4_PJ_PER_BIT, 300, 3),
    "vck190": Device(
        1968, 899_840, 1_800_000, 1934, 463, 400, 1, 25.6, 25.6, 512, 0, 8, DDR4_PJ_PER_BIT, 250, 15, 1, 1
    ),
    "u200": Device(6840, 1_182_240, 2_364_480, 4320, 960, 0, 4, 19.25, 77, 512, 0, 64, DDR4_PJ_PER_BIT, 300, 20),
    "u250": Device(12288, 1_728_000, 3_456_000, 5376, 1280, 0, 4, 19.25, 77, 512, 0, 64, DDR4_PJ_PER_BIT, 300, 20),
    "u280": Device(
        9024, 1_304_000, 2_607_000, 4032, 960, 0, 32, 14.375, 460, 512, 1, 8, HBM2_PJ_PER_BIT, 300, 20, 0, 1
    ),
    "vhk158": Device(
        7392, 1_750_000, 3_500_000, 5082, 1301, 0, 64, 12.8, 819.2, 512, 1, 32, HBM2_PJ_PER_BIT, 300, 30, 1, 1
    ),
}


@dataclass(frozen=True)
class Precision:
    """A precision that engines are built for.

    Attributes:
        weight_bits, activation_bits: widest operands.
        dsp, dsp58: DSP48 and DSP58 slices per product of a weight and an activation.
        attention_dsp: slices per product of two activations.
        narrow_bits, narrow_dsp, narrow_dsp58: width of a narrow weight port, and slices per product behind it.
        aie_macs: products per AI-engine tile and cycle.
        aie_efficiency: share of cycles in which a well-written kernel computes.
    """

    weight_bits: float
    activation_bits: float
    dsp: float
    dsp58: float
    attention_dsp: float
    narrow_bits: float
    narrow_dsp: float
    narrow_dsp58: float
    aie_macs: float
    aie_efficiency: float


# DSP48E2: int4 packs four products (WP521), int8 two with a shared operand [FlightLLM], int16 one; 16 x 32 bit takes
# two 27x18 slices, 32 x 32 bit four; an fp32 multiplier three and an adder two (PG060, full usage). DSP58 (Versal,
# AM004): an int8 dot product of three, an fp32 multiply-add in one. AI engine: kernel cycles of [CHARM] CDSE, fp32
# 4096 / 4392, int16 2304 / 2632, int8 2048 / 2600. Narrow ports: two 4-bit weights, 22 bits apart on the 27-bit input,
# share a 16-bit activation on the 18-bit one (26 bits taken): a product is below 2^18, so 8 of them add up in a cascade
# within 22 bits, but for weights that are all -8, which symmetric quantisation has not. That is the packing of arXiv
# 2203.11028 with other widths. With 8-bit activations a third weight would have to stand at bit 24 or beyond and take
# 28 of 27 bits, so two stay two (three int8 in DSP58); wider and floating-point products gain nothing.
PRECISIONS = {
    "int4": Precision(4, 4, 1 / 4, 1 / 4, 1 / 4, 4, 1 / 4, 1 / 4, 128, 2048 / 2600),
    "int8": Precision(8, 8, 1 / 2, 1 / 3, 1 / 2, 4, 1 / 2, 1 / 3, 128, 2048 / 2600),
    "int16": Precision(16, 16, 1, 1, 1, 4, 1 / 2, 1 / 2, 32, 2304 / 2632),
    "w16a32": Precision(16, 32, 2, 2, 4, 16, 2, 2, 8, 4096 / 4392),
    "fp32": Precision(32, 32, 5, 1, 5, 32, 5, 1, 8, 4096 / 4392),
}
AIE_MHZ = 1000.0  # [CHARM] section 2: 400 tiles, 8 fp32 products per cycle at 1 GHz = 6.4 TFLOPS
AIE_BLOCK = 32.0  # a tile multiplies 32 x 32 x 32 blocks out of its local memory [CHARM]

# Largest filled share of each resource that still routes [FINN].
LUT_LIMIT, FF_LIMIT, BRAM_LIMIT, URAM_LIMIT, DSP_LIMIT = 0.7, 0.5, 0.8, 0.8, 0.8
CLOCK_SLOPE, CLOCK_KNEE = 0.5, 0.5  # clock lost per filled share above the knee (assumption: no formula is published)

# Memory controllers [FINN]: LUT, FF, BRAM18, DSP of each DDR channel, and of an HBM.
DDR_LUT, DDR_FF, DDR_BRAM18, DDR_DSP = 33_300.0, 44_900.0, 199.0, 3.0
HBM_LUT, HBM_FF, HBM_BRAM18 = 10_700.0, 21_800.0, 8.0

# HBM pseudo-channel: share of the peak that a port reaches on its own channel, and across the crossbar.
HBM_LOCAL, HBM_ACROSS = 0.7, 0.35
# A DDR channel: share of the peak for each of 1, 2 or 3 concurrent streams: 12, 8, 7 of 25.6 GB/s, profiled on VCK190
# ([CHARM] CDSE, commit d39e69d; its later 14, 11, 8 GB/s came with a faster board).
DDR_ONE, DDR_TWO, DDR_THREE = 12 / 25.6, 8 / 25.6, 7 / 25.6

# Logic around the products, from synthesis of 4x4 int8 and int16 arrays with 32-bit accumulators (Yosys 0.23, xcup):
# 1209 and 1207 LUT, 992 and 1440 FF; checked on an 8x8 array. A cascade of up to 8 slices adds up inside the slices
# [FlightLLM, section 3], so one accumulator serves min(tile_k, 8) products.
ACCUMULATOR_BITS, ACCUMULATOR_LUT, ACCUMULATOR_FF, OPERAND_FF, CASCADE = 32.0, 75.5, 34.0, 1.75, 8.0
VECTOR_LUT, VECTOR_FF, VECTOR_DSP = 600.0, 600.0, 1.0  # a lane of the vector unit: exp, divide, add (assumption)
SCORE_ROW = 8192.0  # scores buffered per row by streaming attention (assumption: longer rows go through in parts)
CHAIN_SLOTS = 2.0  # products for each window of a chain that skips zeros: the N of 2:4 and 2:8
MUX_INPUTS_PER_LUT = 4.0  # a 6-input LUT is a 4:1 multiplexer (UG574)

# Dequantisers. A multiplier of W and A bits in LUTs takes 1.1 (2 ceil((W + A) / 6) - 1)(W + A) [FINN]: 26 for 4 x 4
# bit, as in the synthesis of an int4 processing element (58 LUT with its 32-bit adder, published.csv). Codes of up to 4
# bits are expanded so; a sum of 32 bits times a scale of 16 takes two DSP slices, as above.
FINN_MULTIPLIER_LUT, CODE_BITS, SCALE_DSP = 1.1, 4.0, 2.0

# Dynamic energy per resource and cycle (= uW/MHz): the order of vendor power estimates at 12.5 % toggle rate on
# 16 nm parts (assumption; reported against published power, not fitted to it).
DSP_PJ, BRAM18_PJ, URAM_PJ, LUT_PJ, FF_PJ, AIE_PJ = 9.0, 6.0, 12.0, 0.03, 0.005, 60.0

TECHNOLOGY_DTYPE = np.dtype(
    [(field.name, np.float64, (len(DEVICES),)) for field in fields(Device)]
    + [(f"mac_{field.name}", np.float64, (len(PRECISIONS),)) for field in fields(Precision)]
)


@cache
def scenario() -> np.record:
    """All constants that depend on the device or the precision; the environment has no options."""
    record = np.zeros(1, TECHNOLOGY_DTYPE).view(np.recarray)[0]
    tables: tuple[tuple[str, Any, Any], ...] = (("", Device, DEVICES), ("mac_", Precision, PRECISIONS))
    for prefix, kind, table in tables:
        columns = zip(*map(astuple, table.values()), strict=True)
        for field, column in zip(fields(kind), columns, strict=True):
            record[prefix + field.name][:] = column
    return record
