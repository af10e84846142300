"""A model's scores of rows in which one column after the other is changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Protocol, runtime_checkable

import numpy as np
import pandas as pd

from titleholder.validation.evidence import Array

VALUES = 2_000_000
"""At most so many values in the rows of one prediction, but for those of a single changed column."""


@runtime_checkable
class PreparesByColumn(Protocol):
    """A model that prepares each column by itself, so that not all are prepared again where one has changed."""

    def each(self, rows: pd.DataFrame, changed: Mapping[str, pd.Series]) -> Iterator[tuple[str, Array]]:
        """What `predict_each` returns."""


def predict_each(
    predict: Callable[[pd.DataFrame], Array], rows: pd.DataFrame, changed: Mapping[str, pd.Series]
) -> Iterator[tuple[str, Array]]:
    """The name of each changed column with the scores of the rows in which only that one is changed, shape (rows,).

    Unless the model prepares by column, several columns go into one prediction: most of the time of a short one does
    not depend on its rows.

    >>> rows = pd.DataFrame({"debt": [1.0, 2.0], "income": [10.0, 20.0]})
    >>> scores = dict(predict_each(lambda frame: frame.sum(axis=1).to_numpy(), rows, {"debt": rows["debt"] + 5}))
    >>> scores["debt"].tolist()
    [16.0, 27.0]
    """
    if isinstance(predict, PreparesByColumn):
        yield from predict.each(rows, changed)
        return
    names, together = list(changed), max(1, VALUES // max(rows.size, 1))
    for first in range(0, len(names), together):
        some = names[first : first + together]
        variants = {
            column: pd.concat([changed[column] if column == name else rows[column] for name in some], ignore_index=True)
            for column in rows
        }
        yield from zip(some, np.split(predict(pd.DataFrame(variants)), len(some)), strict=True)
