"""One matrix product in ZigZag 3: JSON in, JSON out.

Request: rows, columns, dataflow, register_words of a PE; m, k, n; bits, sums_bits, out_bits; for ifmap, filter, ofmap
and dram their size in bytes (NAME_bytes; dram has room for all), their energy of a byte (NAME_pj), and dram_bits a
cycle; mac_pj; optimise (latency, energy or EDP).
Answer: cycles, mac_pj, and for each memory the pJ of all that is read and written; `mapping` false where it finds none.
"""

import contextlib
import json
import sys
from pathlib import Path
from typing import Any

import yaml
from zigzag.api import get_hardware_performance_zigzag
from zigzag.opt.loma.engine import NoValidLoopOrderingFoundException

# Memory operands of A (I1), B (I2) and sums (O); the loops over M, K and N are D, C and K.
STATIONARY = {"os": "O", "ws": "I2", "is": "I1"}
ROWS_AND_COLUMNS = {"os": ("D", "K"), "ws": ("C", "K"), "is": ("C", "D")}
BUFFERS = {"ifmap": "I1", "filter": "I2", "ofmap": "O"}
ROOM = 10**15  # bits of the DRAM: more than any product needs


def memory(operands: list[str], bits: int, pj: float, width: int, word: int, served: list[str]) -> dict[str, Any]:
    """A memory that reads and writes `width` bits a cycle for every operand; energy is that of a whole access."""
    port = {"bandwidth_min": min(word, width), "bandwidth_max": width}
    reads, writes = [f"{o}, tl" for o in operands], [f"{o}, fh" for o in operands]
    if "O" in operands:
        reads, writes = [*reads, "O, th"], [*writes, "O, fl"]
    return {
        "size": bits, "r_cost": float(pj), "w_cost": float(pj), "area": 0.0, "latency": 1,
        "operands": operands,
        "ports": [
            port | {"name": "r_port_1", "type": "read", "allocation": reads},
            port | {"name": "w_port_1", "type": "write", "allocation": writes},
        ],
        "served_dimensions": served,
    }  # fmt: skip


def accelerator(request: dict[str, Any]) -> dict[str, Any]:
    """Registers of the stationary operand, three SRAMs at the array's edges, one memory behind them."""
    rows, columns, flow = request["rows"], request["columns"], request["dataflow"]
    stationary = STATIONARY[flow]
    word = {"I1": request["bits"], "I2": request["bits"], "O": request["sums_bits"]}
    held = word[stationary]
    register = memory([stationary], held * request["register_words"], 0.0, held, held, [])
    register["force_double_buffering"] = request["register_words"] > 1
    memories = {"register": register}
    for name, operand in BUFFERS.items():
        streams_in = operand == {"os": "I1", "ws": "I1", "is": "I2"}[flow]  # into the rows; all else along the columns
        width = (rows if streams_in else columns) * word[operand]
        energy, size = request[f"{name}_pj"] * width / 8, 8 * request[f"{name}_bytes"]
        memories[name] = memory([operand], int(size), energy, width, word[operand], ["D1", "D2"])
        memories[name]["force_double_buffering"] = True
    width = request["dram_bits"]
    dram = memory(["I1", "I2", "O"], ROOM, request["dram_pj"] * width / 8, width, 8, ["D1", "D2"])
    both = {name: dram["ports"][0][name] for name in ("bandwidth_min", "bandwidth_max")}
    allocation = dram["ports"][0]["allocation"] + dram["ports"][1]["allocation"]
    dram["ports"] = [both | {"name": "rw_port_1", "type": "read_write", "allocation": allocation}]
    array = {
        "unit_energy": float(request["mac_pj"]), "unit_area": 1.0, "dimensions": ["D1", "D2"],
        "sizes": [rows, columns], "systolic_dimensions": ["D1", "D2"],
    }  # fmt: skip
    return {"name": "array", "memories": memories | {"dram": dram}, "operational_array": array}


def product(request: dict[str, Any]) -> list[dict[str, Any]]:
    """The product as a layer."""
    bits = request["bits"]
    return [
        {
            "id": 0,
            "name": "product",
            "operator_type": "Gemm",
            "equation": "O[d][k]+=I[d][c]*W[c][k]",
            "dimension_relations": [],
            "loop_dims": ["D", "C", "K"],
            "loop_sizes": [request["m"], request["k"], request["n"]],
            "operand_precision": {"I": bits, "W": bits, "O": request["sums_bits"], "O_final": request["out_bits"]},
            "operand_source": {},
        }
    ]


def simulate(request: dict[str, Any]) -> dict[str, Any]:
    """Cycles and energies of the best mapping that ZigZag finds."""
    over = zip(("D1", "D2"), ROWS_AND_COLUMNS[request["dataflow"]], (request["rows"], request["columns"]), strict=True)
    links = {"I": "I1", "W": "I2", "O": "O"}
    spatial = {dimension: [f"{loop}, {size}"] for dimension, loop, size in over}
    mapping = [{"name": "default", "spatial_mapping": spatial, "memory_operand_links": links}]
    Path("accelerator.yaml").write_text(
        yaml.safe_dump(accelerator(request), sort_keys=False)
    )  # from the inner memories out
    Path("mapping.yaml").write_text(yaml.safe_dump(mapping))
    try:
        found: Any = get_hardware_performance_zigzag(
            product(request), "accelerator.yaml", "mapping.yaml", opt=request["optimise"], dump_folder="outputs",
            loma_show_progress_bar=False,
        )  # fmt: skip
    except NoValidLoopOrderingFoundException:
        return {"mapping": False}
    _, cycles, ((layer, _),) = found
    levels = {links[str(operand)]: energies for operand, energies in layer.mem_energy_breakdown.items()}
    counted = {f"{name}_pj": float(sum(levels[operand][:-1])) for name, operand in BUFFERS.items()}
    dram = sum(energies[-1] for energies in levels.values())
    totals = {"cycles": float(cycles), "mac_pj": float(layer.mac_energy), "dram_pj": float(dram)}
    return {"mapping": True} | totals | counted


if __name__ == "__main__":
    with contextlib.redirect_stdout(sys.stderr):  # it logs as it goes
        answer = simulate(json.load(sys.stdin))
    json.dump(answer, sys.stdout)
