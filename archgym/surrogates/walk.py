"""The compiled walk through trees."""

from __future__ import annotations

import numba

LEAF = -1  # feature of a node without children


@numba.njit(cache=True, nogil=True)
def walk(rows, feature, left, right, threshold, values, roots, groups, out):
    """Add the values [K] of the leaf that each row [N, F] ends in, tree after tree, to `out` [groups, N, K]."""
    for tree in range(len(roots)):
        for row in range(len(rows)):
            node = roots[tree]
            while feature[node] != LEAF:
                node = left[node] if rows[row, feature[node]] <= threshold[node] else right[node]
            for k in range(values.shape[1]):
                out[groups[tree], row, k] += values[node, k]
