"""Shapley values of trees: by enumeration of all subsets, and as XGBoost and LightGBM compute them."""

from __future__ import annotations

import lightgbm
import numpy as np
import pytest
import xgboost

from support.shapley import (
    by_enumeration,
    expectation,
    random_rows,
    random_tree,
    trees_of_lightgbm,
    trees_of_xgboost,
)
from titleholder.training import tree_shap
from titleholder.training.tree_shap import Split, Tree, TreeShap


def values(tree: Tree, rows: np.ndarray) -> np.ndarray:
    added = np.zeros(rows.T.shape)
    TreeShap(tree).add(np.ascontiguousarray(rows.T), added)
    return added.T


@pytest.mark.parametrize("bits", [1, 4, 10], ids=lambda bits: f"tables of 2^{bits}")
@pytest.mark.parametrize("seed", range(6))
def test_they_are_those_of_the_formula_over_all_subsets(seed: int, bits: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree_shap, "BITS", bits)
    rng = np.random.default_rng(seed)
    tree, rows = random_tree(rng, 5, 6), random_rows(rng, 8, 5)
    np.testing.assert_allclose(values(tree, rows), [by_enumeration(tree, row) for row in rows], rtol=0, atol=1e-12)
    assert TreeShap(tree).expected == pytest.approx(expectation(tree, rows[0], set()), abs=1e-12)


def test_they_are_shapley_values_worked_out_by_hand() -> None:
    """Of 10 rows 6 pass a, and of those 3 pass b; leaves 8, 2, -1. A row that passes both.

    v() = .3*8 + .3*2 - .4 = 2.6, v(a) = (8 + 2) / 2 = 5, v(b) = .6*8 - .4 = 4.4, v(a, b) = 8: a has ((5 - 2.6) +
    (8 - 4.4)) / 2 = 3.0, b has ((4.4 - 2.6) + (8 - 5)) / 2 = 2.4.
    """
    splits = [Split(0, 0.0, gaps_left=False), Split(1, 0.0, gaps_left=False), None, None, None]
    tree = Tree(splits, [(1, 4), (2, 3), (0, 0), (0, 0), (0, 0)], [10, 6, 3, 3, 4], [0, 0, 8.0, 2.0, -1.0])
    np.testing.assert_allclose(values(tree, np.array([[-1.0, -1.0]])), [[3.0, 2.4]], rtol=0, atol=1e-12)


def test_a_path_of_many_features_is_exact() -> None:
    """A chain of 20 splits, each of another feature: by the symmetry of equal players all have the same value."""
    n = 20
    splits: list[Split | None] = [Split(k, 0.0, gaps_left=False) for k in range(n)] + [None] * (n + 1)
    children = [(k + 1 if k < n - 1 else n, n + 1 + k) for k in range(n)] + [(0, 0)] * (n + 1)
    rows = [2.0 ** (n - k) for k in range(n)] + [1.0] + [2.0 ** (n - 1 - k) for k in range(n)]
    tree = Tree(splits, children, rows, [0.0] * n + [1.0] + [0.0] * n)
    found = values(tree, -np.ones((3, n)))
    np.testing.assert_allclose(found, (1 - 2.0**-n) / n, rtol=0, atol=1e-14)


@pytest.fixture(scope="module")
def rows() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    X = rng.normal(size=(600, 6)).astype(np.float32).astype(np.float64)
    y = (X[:, 0] * X[:, 1] + X[:, 2] + rng.normal(size=600) > 0).astype(int)
    X[rng.random(X.shape) < 0.1] = np.nan
    return X, y


def test_xgboost_computes_the_same(rows: tuple[np.ndarray, np.ndarray]) -> None:
    X, y = rows
    booster = xgboost.XGBClassifier(n_estimators=8, max_depth=6, n_jobs=1).fit(X, y).get_booster()
    theirs = booster.predict(xgboost.DMatrix(X), pred_contribs=True)[:, :-1]
    ours = sum(values(tree, X) for tree in trees_of_xgboost(booster))
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=2e-6)


def test_lightgbm_computes_the_same(rows: tuple[np.ndarray, np.ndarray]) -> None:
    X, y = rows
    booster = lightgbm.LGBMClassifier(n_estimators=8, n_jobs=1, verbose=-1).fit(X, y).booster_
    theirs = booster.predict(X, pred_contrib=True)[:, :-1]
    ours = sum(values(tree, X) for tree in trees_of_lightgbm(booster))
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)
