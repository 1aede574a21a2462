"""Trees as arrays: saved without pickle, walked by compiled code, whatever library grew them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from archgym.surrogates.base import Arrays
from archgym.surrogates.walk import LEAF, walk


class Tree(NamedTuple):
    """Nodes of one tree; a row goes left where its feature is at most the threshold.

    Attributes:
        feature, left, right: [nodes]; LEAF in leaves.
        threshold: [nodes].
        values: [nodes, K]; of leaves.
    """

    feature: NDArray[np.int32]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    threshold: NDArray[np.float64]
    values: NDArray[np.float32]


@dataclass(frozen=True)
class Trees:
    """Trees behind each other, in groups that are added up.

    Attributes:
        nodes: all nodes; children count from the start of all.
        roots: first node of each tree.
        groups: group of each tree.
    """

    nodes: Tree
    roots: NDArray[np.int64]
    groups: NDArray[np.int64]

    @classmethod
    def of(cls, grown: Iterable[tuple[int, Tree]]) -> Trees:
        """Pairs of a group and a tree."""
        groups, trees = zip(*grown, strict=True)
        sizes = np.array([len(tree.feature) for tree in trees])
        roots = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64)
        moved = [
            tree._replace(left=tree.left + int(root), right=tree.right + int(root))
            for root, tree in zip(roots, trees, strict=True)
        ]
        nodes = Tree(*(np.concatenate(columns) for columns in zip(*moved, strict=True)))
        return cls(nodes, roots, np.array(groups, np.int64))

    def sums(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """Sum of the trees' values by group: [groups, N, K] of rows [N, F].

        Raises:
            ValueError: rows of fewer features than the trees look at.
        """
        if rows.shape[1] <= self.nodes.feature.max():
            raise ValueError(f"rows of {rows.shape[1]} features for trees that look at more")
        out = np.zeros((int(self.groups.max()) + 1, len(rows), self.nodes.values.shape[1]))
        walk(np.ascontiguousarray(rows, np.float32), *self.nodes, self.roots, self.groups, out)
        return out

    def arrays(self, prefix: str) -> Arrays:
        """For a file of weights."""
        named = self.nodes._asdict() | {"roots": self.roots, "groups": self.groups}
        return {f"{prefix}.{name}": np.ascontiguousarray(array) for name, array in named.items()}

    @classmethod
    def load(cls, arrays: Arrays, prefix: str) -> Trees:
        """From a file of weights.

        Raises:
            KeyError, ValueError: they are no trees.
        """
        nodes = Tree(*(np.asarray(arrays[f"{prefix}.{name}"]) for name in Tree._fields))
        trees = cls(nodes, arrays[f"{prefix}.roots"], arrays[f"{prefix}.groups"])
        trees.check()
        return trees

    def check(self) -> None:
        """Refuse trees that would read outside of arrays or never end.

        Raises:
            ValueError: which rule is broken.
        """
        nodes, whole = self.nodes, (self.nodes.feature, self.nodes.left, self.nodes.right, self.roots, self.groups)
        if any(array.dtype.kind != "i" or array.ndim != 1 for array in whole) or nodes.values.ndim != 2:
            raise ValueError("trees of other types than trees have")
        inner = np.flatnonzero(self.nodes.feature != LEAF)
        children = np.stack([self.nodes.left[inner], self.nodes.right[inner]])
        size = len(self.nodes.feature)
        if any(len(array) != size for array in self.nodes) or len(self.roots) != len(self.groups):
            raise ValueError("trees of uneven arrays")
        if not ((children > inner).all() and (children < size).all()):  # so every step goes on, and ends
            raise ValueError("trees whose nodes are no trees")
        if not (self.nodes.feature >= LEAF).all():
            raise ValueError("trees of features that there are not")
        if not ((self.roots >= 0).all() and (self.roots < size).all()):
            raise ValueError("trees whose roots are no nodes")
        if not ((self.groups >= 0).all() and (self.groups < len(self.groups)).all()):
            raise ValueError("more groups than trees")


def of_scikit_learn(estimator: Any) -> Tree:
    """A fitted tree of scikit-learn, classifier or regressor; its children follow their parents."""
    tree = estimator.tree_
    leaf = tree.children_left < 0
    values = tree.value[:, :, 0] if tree.value.shape[2] == 1 else tree.value[:, 0, :]
    return Tree(
        np.where(leaf, LEAF, tree.feature).astype(np.int32),
        tree.children_left.astype(np.int32),
        tree.children_right.astype(np.int32),
        tree.threshold.astype(np.float64),
        np.asarray(values, np.float32),
    )


def of_lightgbm(booster: Any) -> list[Tree]:
    """The trees of a fitted LightGBM booster without categorical features, one value a leaf, in its order."""
    return [_of_dump(tree["tree_structure"]) for tree in booster.dump_model()["tree_info"]]


def _of_dump(root: dict[str, Any]) -> Tree:
    """One tree from LightGBM's own description, parents before children."""
    nodes, waiting = [root], [root]
    while waiting:
        node = waiting.pop()
        for side in ("left_child", "right_child"):
            if side in node:
                node[side]["at"] = len(nodes)
                nodes.append(node[side])
                waiting.append(node[side])
    return Tree(
        np.array([node.get("split_feature", LEAF) for node in nodes], np.int32),
        np.array([node.get("left_child", {}).get("at", LEAF) for node in nodes], np.int32),
        np.array([node.get("right_child", {}).get("at", LEAF) for node in nodes], np.int32),
        np.array([node.get("threshold", 0.0) for node in nodes], np.float64),
        np.array([node.get("leaf_value", 0.0) for node in nodes], np.float32)[:, None],
    )
