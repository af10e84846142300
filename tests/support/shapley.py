"""Slow and obvious Shapley values of a tree, and the trees of other libraries in the form of `tree_shap.Tree`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import combinations
from math import factorial
from typing import Any

import numpy as np

from titleholder.training.tree_shap import Split, Tree


def expectation(tree: Tree, row: np.ndarray, known: set[int], node: int = 0) -> float:
    """What the tree gives where only these features are known: otherwise both ways, by the training rows' shares."""
    split = tree.splits[node]
    if split is None:
        return float(tree.values[node])
    left, right = tree.children[node]
    if split.feature in known:
        goes_left = split.passes(row[[split.feature]])[0]
        return expectation(tree, row, known, left if goes_left else right)
    both = [tree.rows[child] * expectation(tree, row, known, child) for child in (left, right)]
    return sum(both) / tree.rows[node]


def by_enumeration(tree: Tree, row: np.ndarray) -> np.ndarray:
    """Shapley's formula over all subsets of the features."""
    n = len(row)
    found = np.zeros(n)
    for feature in range(n):
        others = [other for other in range(n) if other != feature]
        for size in range(n):
            weight = factorial(size) * factorial(n - size - 1) / factorial(n)
            for subset in combinations(others, size):
                with_it, without = expectation(tree, row, {*subset, feature}), expectation(tree, row, {*subset})
                found[feature] += weight * (with_it - without)
    return found


def random_tree(rng: np.random.Generator, features: int, depth: int) -> Tree:
    """A tree whose splits are numbers, of even features, or categories, of odd ones; features come again on a path."""
    splits: list[Split | None] = []
    children: list[tuple[int, int]] = []
    rows: list[float] = []

    def grow(n: int, level: int) -> int:
        node = len(splits)
        splits.append(None)
        children.append((0, 0))
        rows.append(n)
        if level < depth and n >= 2 and (level < 2 or rng.random() < 0.8):
            feature = int(rng.integers(features))
            categories = rng.random(4) < 0.5 if feature % 2 else None
            splits[node] = Split(feature, float(rng.normal()), bool(rng.random() < 0.5), categories)
            left = int(rng.integers(1, n))
            children[node] = (grow(left, level + 1), grow(n - left, level + 1))
        return node

    grow(1000, 0)
    return Tree(splits, children, rows, rng.normal(size=len(splits)).tolist())


def random_rows(rng: np.random.Generator, n: int, features: int) -> np.ndarray:
    """Numbers, codes of categories (one of which no split knows), and gaps; shape (n, features)."""
    rows = rng.normal(size=(n, features))
    rows[:, 1::2] = rng.integers(0, 5, size=rows[:, 1::2].shape)
    rows[rng.random(rows.shape) < 0.2] = np.nan
    return rows


def trees_of_xgboost(booster: Any) -> Iterator[Tree]:
    """Its trees ask whether a number, in 32 bits, is below the threshold."""
    for tree in json.loads(booster.save_raw("json"))["learner"]["gradient_booster"]["model"]["trees"]:
        left, right = tree["left_children"], tree["right_children"]
        splits = [
            Split(f, float(np.nextafter(np.float32(t), np.float32(-np.inf))), bool(d)) if child >= 0 else None
            for child, f, t, d in zip(
                left, tree["split_indices"], tree["split_conditions"], tree["default_left"], strict=True
            )
        ]
        yield Tree(splits, list(zip(left, right, strict=True)), tree["sum_hessian"], tree["split_conditions"])


def trees_of_lightgbm(booster: Any) -> Iterator[Tree]:
    """Its trees ask whether a number is at most the threshold; a gap goes the default way where there were gaps."""
    for tree in booster.dump_model()["tree_info"]:
        found = Tree([], [], [], [])
        _add(tree["tree_structure"], found)
        yield found


def _add(node: dict[str, Any], tree: Any) -> int:
    place, inner = len(tree.splits), "split_feature" in node
    threshold = float(node["threshold"]) if inner else 0.0
    gaps_left = inner and (node["default_left"] if node["missing_type"] == "NaN" else threshold >= 0)
    tree.splits.append(Split(node["split_feature"], threshold, bool(gaps_left)) if inner else None)
    tree.children.append((0, 0))
    tree.rows.append(node["internal_count" if inner else "leaf_count"])
    tree.values.append(0.0 if inner else node["leaf_value"])
    if inner:
        tree.children[place] = (_add(node["left_child"], tree), _add(node["right_child"], tree))
    return place
