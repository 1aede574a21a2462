"""Trees as arrays predict what the libraries that grew them predict."""

import lightgbm
import numpy as np
import pytest
from sklearn.ensemble import RandomForestRegressor
from sklearn.tree import DecisionTreeClassifier

from archgym.surrogates.trees import Tree, Trees, of_lightgbm, of_scikit_learn

RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(2000, 6)).astype(np.float32)
ROWS[:, 2] = RNG.integers(0, 3, 2000)  # many ties
TARGETS = np.stack([ROWS[:, 0] * ROWS[:, 1], np.exp(ROWS[:, 2])], axis=1)
NEW = np.concatenate([RNG.normal(size=(2000, 6)).astype(np.float32), ROWS, np.round(ROWS)])


def test_forests_of_scikit_learn() -> None:
    forest = RandomForestRegressor(5, min_samples_leaf=3, random_state=0).fit(ROWS, TARGETS)
    sums = Trees.of((0, of_scikit_learn(tree)) for tree in forest.estimators_).sums(NEW)
    np.testing.assert_allclose(sums[0] / 5, forest.predict(NEW), rtol=1e-6, atol=1e-6)


def test_thresholds_of_scikit_learn_are_not_rounded() -> None:
    forest = RandomForestRegressor(1, random_state=0).fit(ROWS[:50], TARGETS[:50])
    tree = of_scikit_learn(forest.estimators_[0])
    inner = tree.feature >= 0
    edges = np.tile(np.float32(0), (inner.sum(), 6))  # rows on the thresholds, as near as single precision comes
    edges[np.arange(len(edges)), tree.feature[inner]] = tree.threshold[inner]
    for rows in (edges, np.nextafter(edges, np.float32(9)), np.nextafter(edges, np.float32(-9))):
        np.testing.assert_allclose(Trees.of([(0, tree)]).sums(rows)[0], forest.predict(rows), rtol=1e-6, atol=1e-6)


def test_classifiers_of_scikit_learn() -> None:
    tree = DecisionTreeClassifier(max_depth=6, random_state=0).fit(ROWS, ROWS[:, 2].astype(int))
    np.testing.assert_allclose(Trees.of([(0, of_scikit_learn(tree))]).sums(NEW)[0], tree.predict_proba(NEW), atol=1e-6)


def _boosted(targets: np.ndarray, **settings) -> lightgbm.Booster:
    shared = {"num_threads": 1, "verbose": -1, "deterministic": True, "min_data_in_leaf": 5}
    return lightgbm.train(shared | settings, lightgbm.Dataset(ROWS, targets), 40)


def test_boosters_of_lightgbm() -> None:
    booster = _boosted(TARGETS[:, 0].copy())
    sums = Trees.of((0, tree) for tree in of_lightgbm(booster)).sums(NEW)
    np.testing.assert_allclose(sums[0, :, 0], booster.predict(NEW), rtol=1e-6, atol=1e-6)


def test_boosters_of_several_classes_keep_their_order() -> None:
    booster = _boosted(ROWS[:, 2].copy(), objective="multiclass", num_class=3)
    sums = Trees.of((n % 3, tree) for n, tree in enumerate(of_lightgbm(booster))).sums(NEW)
    np.testing.assert_allclose(sums[:, :, 0].T, booster.predict(NEW, raw_score=True), rtol=1e-6, atol=1e-6)


def test_a_booster_of_equal_targets_is_one_leaf() -> None:
    trees = of_lightgbm(_boosted(np.full(2000, 3.5)))
    assert len(trees) == 1
    assert Trees.of([(0, trees[0])]).sums(NEW[:3])[0, :, 0].tolist() == [3.5] * 3


# -- damaged ones


def _trees(**changed: np.ndarray) -> Trees:
    """A root with two leaves, twice; fields changed."""
    tree = Tree(
        np.array([0, -1, -1], np.int32),
        np.array([1, -1, -1], np.int32),
        np.array([2, -1, -1], np.int32),
        np.zeros(3),
        np.arange(3, dtype=np.float32)[:, None],
    )
    arrays = Trees.of([(0, tree), (0, tree)]).arrays("t")
    return Trees.load(arrays | {f"t.{name}": array for name, array in changed.items()}, "t")


def test_whole_trees_are_taken() -> None:
    assert _trees().sums(np.array([[-1.0], [1.0]], np.float32))[0, :, 0].tolist() == [2, 4]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"left": np.array([0, -1, -1, 4, -1, -1])}, "no trees"),  # its own child: would never end
        ({"right": np.array([2, -1, -1, 1, -1, -1])}, "no trees"),  # backwards: a cycle over two
        ({"right": np.array([2, -1, -1, 6, -1, -1])}, "no trees"),  # behind the last
        ({"left": np.array([1, -1, -1, -7, -1, -1])}, "no trees"),
        ({"feature": np.array([-2, -1, -1, 0, -1, -1])}, "no trees|there are not"),
        ({"feature": np.array([0.5, -1, -1, 0, -1, -1])}, "other types"),
        ({"left": np.array([1.5, -1, -1, 4, -1, -1])}, "other types"),
        ({"roots": np.array([0, 6])}, "no nodes"),
        ({"roots": np.array([-1, 3])}, "no nodes"),
        ({"roots": np.array([[0, 3]])}, "other types"),
        ({"roots": np.array([0])}, "uneven"),
        ({"groups": np.array([-1, 0])}, "more groups"),
        ({"groups": np.array([0, 2**40])}, "more groups"),  # would ask for a terabyte
        ({"threshold": np.zeros(5)}, "uneven"),
        ({"values": np.zeros(6, np.float32)}, "other types"),
    ],
)
def test_what_is_no_tree_is_refused(changed: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        _trees(**changed)


def test_features_that_rows_lack_are_refused() -> None:
    with pytest.raises(ValueError, match="rows of 1 features"):
        _trees(feature=np.array([3, -1, -1, 0, -1, -1], np.int32)).sums(np.zeros((1, 1), np.float32))
