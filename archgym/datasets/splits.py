"""Splits without leakage.

By design: each design of the environment's whole space belongs to train (80 %), validation (10 %) or test (10 %) once
and for all, by a hash of its rank. So a design that appears twice, under several workloads, or in several data sets of
one environment is in one split everywhere.

By workload: networks are held out whole. All forms of a network (phases, batches, contexts, widths) and networks with
equal operators are on one side.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from archgym.agents.exhaustive import mix
from archgym.errors import unknown
from archgym.workloads import Workload

DESIGN_SPLITS = ("train", "validation", "test")
WORKLOAD_SPLITS = ("train", "test")
TENTHS = (8, 1, 1)  # of the designs
HELD_OUT = 4  # one network of so many is held out
_SALT = np.uint64(0x9E3779B97F4A7C15)  # keeps rank 0 from hashing to 0
_OF_TENTH = np.repeat(np.arange(len(DESIGN_SPLITS)), TENTHS)


def design_split(ranks: NDArray[np.int64]) -> NDArray[np.int64]:
    """Position in DESIGN_SPLITS [N] of the designs with these ranks [N] in the environment's whole space."""
    with np.errstate(over="ignore"):
        hashed = mix(ranks.astype(np.uint64) + _SALT)
    return _OF_TENTH[(hashed % np.uint64(10)).astype(np.int64)]


def workload_splits(workloads: Sequence[Workload], hold_out: Sequence[str] | None = None) -> list[str]:
    """`train` or `test` for each workload.

    Args:
        workloads: of the data set.
        hold_out: workloads (or networks, in all their forms) that are test; None: every fourth network, chosen by a
            hash of its name, and at least one of several.

    Raises:
        UnknownNameError: a workload to hold out is not among them.
    """
    groups = _groups(workloads)
    if hold_out is None:
        names = sorted(set(groups), key=lambda name: hashlib.sha256(name.encode()).digest())
        tested = set(names[: max(round(len(names) / HELD_OUT), 1)]) if len(names) > 1 else set()
    else:
        known = {workload.name: group for workload, group in zip(workloads, groups, strict=True)}
        known |= {base_name(workload.name): known[workload.name] for workload in workloads}
        for name in hold_out:
            if name not in known:
                raise unknown("workload to hold out", name, known)
        tested = {known[name] for name in hold_out}
    return ["test" if group in tested else "train" for group in groups]


def base_name(spec: str) -> str:
    """The network of a canonical spec, without phase and options."""
    return re.split("[:?]", spec)[0]


def _groups(workloads: Sequence[Workload]) -> list[str]:
    """A name for what must stay together, per workload: networks that share a name or a table of operators."""
    parent = {base_name(workload.name): base_name(workload.name) for workload in workloads}

    def root(name: str) -> str:
        return name if parent[name] == name else root(parent[name])

    first: dict[bytes, str] = {}
    for workload in workloads:
        name = root(base_name(workload.name))
        parent[name] = root(first.setdefault(workload.identity, name))
    return [root(base_name(workload.name)) for workload in workloads]
