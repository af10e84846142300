"""Shapley values of the features for a sum of decision trees, exact, for many rows at once.

The game is that of path-dependent TreeSHAP (Lundberg et al. 2020, "From local explanations to global understanding with
explainable AI for trees", algorithm 1): a feature that is not known sends a row both ways at its splits, in the
proportion of the training rows that went either way. So a leaf of value v, whose path asks for the features j, is worth

    v * product over known j of o_j * product over unknown j of z_j

where o_j is 1 if the row passes all splits of j on the path, else 0, and z_j is the share of training rows that passed
them. The Shapley value of i is an integral over the multilinear extension of the game (Owen 1972, "Multilinear
extensions of games", theorem 5): v (o_i - z_i) times the integral over t from 0 to 1 of the product over the other j of
t o_j + (1 - t) z_j. That is a polynomial in t, for which Gauss-Legendre quadrature is exact.

What a part of a tree adds depends on a row only by the outcomes of a few splits; so it is computed once for all of
their combinations, and then looked up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from titleholder.validation.metrics import Array

BITS = 10
"""A table has at most 2 to the power of so many columns, one for each combination of outcomes."""
LONGEST = 30
"""A path can ask for at most so many different features: a bit of an integer each."""

Outcomes = NDArray[np.int32]
"""For each row, bits: of splits, which ones it passes; of a path, which features do not lead on."""


class Split(NamedTuple):
    """How a node sends rows to the left: a number of at most `threshold`, or a category (a code) of `categories`.

    `categories` says it for the codes from 0. A gap goes left where `gaps_left`, and so does a code beyond them.
    """

    feature: int
    threshold: float
    gaps_left: bool
    categories: NDArray[np.bool_] | None = None

    def passes(self, values: Array) -> NDArray[np.bool_]:
        """Which of these values of the feature go left; shape (rows,)."""
        if self.categories is None:
            return ~(values > self.threshold) if self.gaps_left else values <= self.threshold
        known = (values >= 0) & (values < len(self.categories))
        codes = np.where(known, values, len(self.categories)).astype(np.intp)
        left: NDArray[np.bool_] = np.append(self.categories, self.gaps_left)[codes]
        return left


class Tree(NamedTuple):
    """A binary tree by its nodes, the root first: a split or None, the two children, the training rows, the value."""

    splits: Sequence[Split | None]
    children: Sequence[tuple[int, int]]
    rows: Sequence[float]
    values: Sequence[float]


class _Path(NamedTuple):
    """The features that a node's path asks for, each once, and the share of training rows that passed its splits."""

    features: tuple[int, ...] = ()
    shares: tuple[float, ...] = ()

    def beyond(self, feature: int, share: float) -> _Path:
        if feature not in self.features:
            return _Path((*self.features, feature), (*self.shares, share))
        place = self.features.index(feature)
        shares = tuple(s * share if n == place else s for n, s in enumerate(self.shares))
        return _Path(self.features, shares)


class _Table(NamedTuple):
    """What a part of a tree adds to features, shape (features, combinations); the splits in it, and their first bit."""

    features: tuple[int, ...]
    values: Array
    splits: tuple[int, ...]
    first_bit: int


class TreeShap:
    """The Shapley values of one tree.

    >>> stump = Tree([Split(0, 0.5, False), None, None], [(1, 2), (0, 0), (0, 0)], [4, 3, 1], [0, 1.0, 5.0])
    >>> shap, added = TreeShap(stump), np.zeros((1, 2))
    >>> shap.add(np.array([[0.0], [1.0]]).T, added)
    >>> shap.expected, added.tolist()
    (2.0, [[-1.0, 3.0]])
    """

    def __init__(self, tree: Tree) -> None:
        self._tree, self.expected = tree, 0.0
        self._tables: dict[int, _Table] = {}
        self._leaves: dict[int, _Path] = {}
        inner = self._inner(0, _Path())
        self._tabulate(0, _Path(), inner)

    def _inner(self, node: int, path: _Path) -> dict[int, tuple[int, ...]]:
        """The splits in the part of the tree below each node, itself first."""
        split = self._tree.splits[node]
        found: dict[int, tuple[int, ...]] = {node: ()}
        if split is None:
            self.expected += float(self._tree.values[node] * np.prod(path.shares))
            return found
        for child in self._tree.children[node]:
            found |= self._inner(child, self._child_path(split, node, child, path))
        left, right = self._tree.children[node]
        found[node] = (node, *found[left], *found[right])
        return found

    def _child_path(self, split: Split, node: int, child: int, path: _Path) -> _Path:
        return path.beyond(split.feature, self._tree.rows[child] / self._tree.rows[node])

    def _tabulate(self, node: int, path: _Path, inner: Mapping[int, tuple[int, ...]]) -> None:
        """Tables for the largest parts of the tree that have few enough combinations."""
        split, bits = self._tree.splits[node], len(path.features) + len(inner[node])
        if bits <= BITS:
            self._tables[node] = self._table(node, path, inner[node], 1 << bits)
        elif split is None:
            self._leaves[node] = path
        else:
            for child in self._tree.children[node]:
                self._tabulate(child, self._child_path(split, node, child, path), inner)

    def _table(self, node: int, path: _Path, splits: tuple[int, ...], combinations: int) -> _Table:
        outcomes = np.arange(combinations, dtype=np.int32)
        passed = {n: (outcomes >> (len(path.features) + bit)) & 1 for bit, n in enumerate(splits)}
        added: dict[int, Array] = {}
        blocked = outcomes & ((1 << len(path.features)) - 1)
        self._add_leaves(node, path, blocked, passed, added)
        values = np.array([added[feature] for feature in added]).reshape(len(added), combinations)
        return _Table(tuple(added), values, splits, len(path.features))

    def _add_leaves(
        self, node: int, path: _Path, blocked: Outcomes, passed: Mapping[int, Outcomes], added: dict[int, Array]
    ) -> None:
        split = self._tree.splits[node]
        if split is None:
            for feature, values in zip(path.features, _leaf(self._tree.values[node], path, blocked), strict=True):
                added[feature] = added.get(feature, 0.0) + values
            return
        left, right = self._tree.children[node]
        for child, out in ((left, 1 - passed[node]), (right, passed[node])):
            further = self._child_path(split, node, child, path)
            self._add_leaves(child, further, blocked | out << further.features.index(split.feature), passed, added)

    def add(self, columns: Array, added: Array) -> None:
        """Add each feature's value for each row to `added`; both of shape (features, rows)."""
        self._add(0, _Path(), np.zeros(columns.shape[1], dtype=np.int32), columns, added)

    def _add(self, node: int, path: _Path, blocked: Outcomes, columns: Array, added: Array) -> None:
        if node in self._tables:
            table = self._tables[node]
            place = blocked.copy()
            for bit, inner in enumerate(table.splits, start=table.first_bit):
                place |= self._passed(inner, columns) << bit
            place = place.astype(np.intp)
            for feature, values in zip(table.features, table.values, strict=True):
                added[feature] += values.take(place)
            return
        split = self._tree.splits[node]
        if split is None:
            different, rows = np.unique(blocked, return_inverse=True)
            for feature, values in zip(path.features, _leaf(self._tree.values[node], path, different), strict=True):
                added[feature] += values.take(rows)
            return
        passed = self._passed(node, columns)
        left, right = self._tree.children[node]
        for child, out in ((left, 1 - passed), (right, passed)):
            further = self._child_path(split, node, child, path)
            self._add(child, further, blocked | out << further.features.index(split.feature), columns, added)

    def _passed(self, node: int, columns: Array) -> Outcomes:
        split = self._tree.splits[node]
        if split is None:
            raise ValueError(f"node {node} is a leaf")
        return split.passes(columns[split.feature]).astype(np.int32)


def _leaf(value: float, path: _Path, blocked: Outcomes) -> Array:
    """What a leaf adds to each feature of its path, shape (features, rows)."""
    n = len(path.features)
    if n > LONGEST:
        raise ValueError(f"a path asks for {n} features; at most {LONGEST} are possible")
    known = 1.0 - ((blocked >> np.arange(n)[:, None]) & 1)
    shares = np.array(path.shares)[:, None]
    total: Array = np.zeros(known.shape)
    places, weights = np.polynomial.legendre.leggauss(max(1, (n + 1) // 2))
    for t, weight in zip((places + 1) / 2, weights / 2, strict=True):
        factors = t * known + (1 - t) * shares  # above 0, as t is inside of (0, 1)
        total += weight * factors.prod(axis=0) / factors
    total *= value * (known - shares)
    return total
