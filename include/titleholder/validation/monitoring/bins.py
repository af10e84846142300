"""The bins of one feature, or of the scores, and in which one each row lies.

Rows are divided at random: one part of the reference says where the bins lie, the other is what is counted. So bins do
not depend on the rows that are counted, which `drift` needs.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from titleholder.validation.monitoring.report import BinNames

Places = NDArray[np.intp]


class Bins(BinNames):
    """Numbers by edges, or texts by name; the last bin has missing values, of texts the one before it unknown ones.

    A number lies in the first bin whose edge it does not exceed. A value that several quantiles share has a bin of its
    own.

    >>> Bins.of(np.array([1.0, 2.0, 3.0, 4.0]), 2).places(np.array([0.0, 2.0, 2.5, np.nan]))
    array([0, 0, 1, 2])
    >>> Bins.of(np.array(["rent", "own", "rent"], dtype=object), 10).labels
    ('rent', 'own', 'unknown', 'missing')
    """

    @classmethod
    def of(cls, values: NDArray[Any], bins: int) -> Bins:
        """Quantiles of numbers; of texts the `bins` most frequent ones.

        Args:
            values: of rows that are not counted themselves, shape (n,); numbers, or objects that are texts or missing.
            bins: how many quantiles, or names at most.
        """
        if values.dtype.kind in "OUST":
            counts = pd.Series(values, dtype=object).dropna().astype(str).value_counts()
            ordered = sorted(counts.index, key=lambda name: (-counts[name], name))
            return cls(names=tuple(ordered[:bins]), numeric=False)
        known = values.astype(float)
        known = known[~np.isnan(known)]
        if not len(known):
            return cls(numeric=True)
        cuts, times = np.unique(
            np.quantile(known, np.arange(1, bins) / bins, method="inverted_cdf"), return_counts=True
        )
        lone = cuts[(times > 1) | (cuts == known.min())]
        below = np.nextafter(lone, np.finfo(float).min)
        return cls(edges=tuple(np.unique(np.concatenate([cuts, below])).tolist()), numeric=True)

    def places(self, values: NDArray[Any]) -> Places:
        """In which bin each value lies, shape (n,)."""
        if self.numeric:
            numbers = values.astype(float)
            found = np.searchsorted(np.array(self.edges), numbers, side="left")
            return np.asarray(np.where(np.isnan(numbers), len(self.edges) + 1, found))
        texts = pd.Series(values, dtype=object)
        named = pd.Index(self.names).get_indexer(pd.Index(texts.astype(str)))
        found = np.where(named < 0, len(self.names), named)
        return np.asarray(np.where(texts.isna(), len(self.names) + 1, found))

    def counts(self, values: NDArray[Any]) -> NDArray[np.int64]:
        """How many values lie in each bin, shape (bins,)."""
        return np.bincount(self.places(values), minlength=len(self.labels)).astype(np.int64)
