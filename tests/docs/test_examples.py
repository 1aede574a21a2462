"""What examples promise beyond that they run (tests/test_api.py): the notebook, and a family that keeps contracts."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent.parent / "examples"


def test_the_notebook_goes_from_workload_to_report(tmp_path: Path) -> None:
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(EXAMPLES / "workload_to_report.ipynb", as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells), "saved without outputs"
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert "<html" in (tmp_path / "report.html").read_text()[:200].lower()


@pytest.mark.slow
def test_the_own_environment_keeps_the_contract(tmp_path: Path) -> None:
    code = "import archgym, own_environment; archgym.testing.check_family(own_environment.MYCHIP)"
    environment = os.environ | {"PYTHONPATH": str(EXAMPLES)}
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path, env=environment)
