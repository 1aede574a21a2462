"""Synthesis by Yosys: JSON in, JSON out. Argument: the program.

Request: verilog with a module `design`, family (xcup, xc7). Answer: `cells`, the number of cells by type.
"""

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = """\
read_verilog design.v
synth_xilinx -family {family} -top design -noiopad -noclkbuf
flatten
tee -q -o cells.json stat -json
"""


def cells(program: str, verilog: str, family: str) -> dict[str, int]:
    """The cells of the design, by type."""
    Path("design.v").write_text(verilog)
    Path("script.ys").write_text(SCRIPT.format(family=family))
    done = subprocess.run([program, "-q", "script.ys"], capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr or done.stdout)
    found: dict[str, int] = json.loads(Path("cells.json").read_text())["design"]["num_cells_by_type"]
    return found


if __name__ == "__main__":
    json.dump({"cells": cells(sys.argv[1], **json.load(sys.stdin))}, sys.stdout)
