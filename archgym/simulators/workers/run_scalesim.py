"""One matrix product in SCALE-Sim 3.0: JSON in, JSON out. Runs by the Python that SCALE-Sim is installed for.

Request: rows, columns, dataflow, ifmap_kib, filter_kib, ofmap_kib (in words of one byte), m, k, n, words_per_cycle (of
each of the three interfaces; none where SCALE-Sim is to estimate what no stall needs).
Answer: counts of cycles and words, as in its reports COMPUTE and DETAILED_ACCESS.
"""

import contextlib
import json
import sys
from pathlib import Path
from typing import Any

from scalesim.layout_utils import layouts  # type: ignore[import-not-found]
from scalesim.scale_config import scale_config  # type: ignore[import-not-found]
from scalesim.single_layer_sim import single_layer_sim  # type: ignore[import-not-found]
from scalesim.topology_utils import topologies  # type: ignore[import-not-found]


def simulate(request: dict[str, Any]) -> dict[str, int]:
    """The counts of one product."""
    config = scale_config()
    config.array_rows, config.array_cols = request["rows"], request["columns"]
    config.df = request["dataflow"]
    for name in ("ifmap", "filter", "ofmap"):
        setattr(config, f"{name}_sz_kb", request[f"{name}_kib"])
    if words := request["words_per_cycle"]:
        config.use_user_bandwidth, config.bandwidths = True, [words]
        config.ifmap_sram_bank_bandwidth = config.filter_sram_bank_bandwidth = words  # it reads the DRAM's from here
        config.ifmap_sram_bank_num = config.filter_sram_bank_num = 1
    config.force_valid()
    Path("product.csv").write_text("Layer, M, N, K,\nproduct, {m}, {n}, {k},\n".format(**request))
    topology = topologies()
    topology.load_arrays("product.csv", mnk_inputs=True)
    layer = single_layer_sim()
    layer.set_params(config_obj=config, topology_obj=topology, layout_obj=layouts(), verbose=False)
    layer.run()
    _, cycles, stalls, *_ = layer.get_compute_report_items()
    words = layer.get_detail_report_items()[2::3]
    names = ("sram_ifmap", "sram_filter", "sram_ofmap", "dram_ifmap", "dram_filter", "dram_ofmap")
    return {"cycles": int(cycles), "stall_cycles": int(stalls)} | dict(zip(names, map(int, words), strict=True))


if __name__ == "__main__":
    with contextlib.redirect_stdout(sys.stderr):  # it prints as it goes
        counted = simulate(json.load(sys.stdin))
    json.dump(counted, sys.stdout)
