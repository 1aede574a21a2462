"""What is in a data set, counted."""

from __future__ import annotations

from archgym.datasets.load import Dataset
from archgym.datasets.summary import Summary


def describe(dataset: Dataset) -> Summary:
    """Counts, reasons, ranges of metrics and coverage of the choices: one pass over all rows, in constant memory.

    Raises:
        DataError: a file is damaged.
    """
    summary = Summary(dataset.layout)
    for table in dataset.tables():
        summary.add(table)
    return summary
