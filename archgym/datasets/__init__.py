"""Data sets: labelled designs in Parquet, with units, splits, operators and provenance; see docs/datasets.md.

archgym.datasets.generate("systolic", ["resnet50", "bert-base"], n=100_000, out="systolic-100k")
archgym.datasets.export(["runs/..."], "from-runs")
data = archgym.datasets.load("systolic-100k")           # checked; data.frame(split="train"), data.operators
"""

from archgym.datasets.describe import describe
from archgym.datasets.export import export
from archgym.datasets.generate import generate
from archgym.datasets.load import Arrays, Dataset, load
from archgym.datasets.plot import write_plot
from archgym.datasets.schema import DataError, Layout
from archgym.datasets.summary import Summary

__all__ = [
    "Arrays",
    "DataError",
    "Dataset",
    "Layout",
    "Summary",
    "describe",
    "export",
    "generate",
    "load",
    "write_plot",
]
