"""The categories of a training set that no process holds: counted in blocks, and a preparation fitted to the counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer

from titleholder.data import features
from titleholder.engines.blocks import Facts
from titleholder.spec.model import ModelSpec
from titleholder.training.pipeline import MAX_CATEGORIES, preparation

Codes = NDArray[np.float64]


class Categories(NamedTuple):
    """A column's categories as text, in order, and how often each occurs in each stretch of rows.

    `counts` has the shape (stretches, categories + 1); its last column counts the rows without a value.
    """

    texts: NDArray[np.object_]
    counts: NDArray[np.int64]

    def occurring(self, stretches: slice) -> NDArray[np.bool_]:
        """Which categories occur in these stretches, shape (categories,)."""
        found: NDArray[np.bool_] = self.counts[stretches, :-1].sum(axis=0) > 0
        return found


def merged(
    column: int, blocks: Sequence[Facts], of_stretch: Sequence[int]
) -> tuple[Categories, list[NDArray[np.int64]]]:
    """A categorical column's categories in all blocks, and for each block the numbers of its values among them.

    `of_stretch` says which stretch each block is in.
    """
    own = [block.categories[column] for block in blocks]
    lengths = [len(values.values) for values in own]
    kinds = [values.values for values in own if len(values.values)]
    whole = pa.concat_arrays(kinds).to_pandas() if kinds else pd.Series([], dtype=object)
    texts, numbers = np.unique(np.asarray(features.as_text(whole), dtype=object).astype(str), return_inverse=True)
    ids = np.split(numbers.astype(np.int64), np.cumsum(lengths)[:-1])
    counts = np.zeros((max(of_stretch) + 1, len(texts) + 1), dtype=np.int64)
    for block, stretch, of_block, values in zip(blocks, of_stretch, ids, own, strict=True):
        np.add.at(counts[stretch], of_block, values.counts)
        counts[stretch, -1] += len(block.y) - values.counts.sum()
    return Categories(texts.astype(object), counts), ids


def fitted_preparation(spec: ModelSpec, columns: Sequence[Categories], stretches: slice) -> ColumnTransformer:
    """The preparation for trees as it would be after it was fitted to the rows of these stretches.

    It learns the categories of each column, and which are the most frequent. So it is fitted to a few rows that have
    the same categories, in the same order of frequency.
    """
    shown = [_shown(each.texts, each.counts[stretches].sum(axis=0)) for each in columns]
    n = max([1, *map(len, shown)])
    frame: dict[str, Any] = {name: np.zeros(n) for name in spec.columns.numeric}
    for name, values in zip(spec.columns.categorical, shown, strict=True):
        more = n - len(values)  # the last is the most frequent
        filled = np.concatenate([values, np.repeat(values[-1:], more)]) if len(values) else np.full(n, np.nan, object)
        frame[name] = pd.Series(filled, dtype=object)
    return preparation(spec, "tree").fit(pd.DataFrame(frame))


def _shown(texts: NDArray[np.object_], counts: NDArray[np.int64]) -> NDArray[np.object_]:
    """Values such that each occurs, more often than another one where its count is larger; the most frequent is last.

    How often matters only where there are too many categories for an encoder: it then keeps the most frequent.
    """
    values = np.append(texts, np.nan)[counts > 0]
    counts = counts[counts > 0]
    order = np.argsort(counts, kind="stable")
    if len(values) < MAX_CATEGORIES:
        return values[order]
    kept = counts >= np.sort(counts)[-2 * MAX_CATEGORIES :][0]
    ranks = np.ones(len(counts), dtype=np.int64)
    ranks[kept] = 2 + np.unique(counts[kept], return_inverse=True)[1]
    return np.repeat(values[order], ranks[order])


def codes(prepared: ColumnTransformer, spec: ModelSpec, columns: Sequence[Categories]) -> list[Codes]:
    """The code that a fitted preparation gives to each category of each column, NaN where it knows none."""
    found = []
    for place, each in enumerate(columns):
        frame: dict[str, Any] = {name: np.zeros(len(each.texts)) for name in spec.columns.numeric}
        for other, name in enumerate(spec.columns.categorical):
            values = each.texts if other == place else np.full(len(each.texts), np.nan)
            frame[name] = pd.Series(values, dtype=object)
        first = len(spec.columns.numeric)
        coded = prepared.transform(pd.DataFrame(frame)) if len(each.texts) else np.empty((0, first + place + 1))
        found.append(np.asarray(coded[:, first + place], dtype=np.float64))
    return found


def in_order(own: Codes, occurring: NDArray[np.bool_]) -> bool:
    """Whether the codes of the categories that occur are in the order of their numbers, and none is lacking.

    Trees ask only which of two codes is larger: then the numbers will do for codes.
    """
    seen = own[occurring]
    return not np.isnan(seen).any() and bool((np.diff(seen) > 0).all())
