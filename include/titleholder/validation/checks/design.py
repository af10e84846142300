"""The features of the judged rows and of the training rows in the form that models get.

Training rows are a sample, whose design matrix is made once for all checks. Of the judged rows, of which there may be
many, no more than one column is in memory.
"""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd

from titleholder.data import features
from titleholder.validation.evidence import Evidence, TrainingSample


class ColumnFacts(NamedTuple):
    """How many values of a feature are missing, whether all are the same, and the first, a column of one row.

    >>> found = ColumnFacts.of(pd.Series([None, 2.0]))
    >>> found.missing, found.constant, len(found.first)
    (1, False, 1)
    """

    missing: int
    constant: bool
    """Missing values count as a value. A column without rows is not constant."""
    first: pd.Series

    @classmethod
    def of(cls, column: pd.Series) -> ColumnFacts:
        """Those of a column of a design matrix."""
        missing, first = int(column.isna().sum()), column.head(1).copy()  # not a view, which would keep the column
        same = missing == len(column) if missing else bool((column == column.iloc[0]).all()) if len(column) else False
        return cls(missing, same, first)


def judged_feature(evidence: Evidence, name: str) -> pd.Series:
    """One feature of the judged rows, shape (n,). It is read each time, and its facts are kept."""
    column = features.feature(evidence.frame, name, evidence.spec)
    evidence.once(("facts", name), lambda: ColumnFacts.of(column))
    return column


def judged_facts(evidence: Evidence, name: str) -> ColumnFacts:
    """The facts of a feature of the judged rows, which is only read where no check has read it before."""
    return evidence.once(("facts", name), lambda: ColumnFacts.of(features.feature(evidence.frame, name, evidence.spec)))


def training_features(evidence: Evidence, training: TrainingSample) -> pd.DataFrame:
    """The design matrix of the evidence's training rows. Nobody may change it: other checks read it too."""
    return evidence.once("training features", lambda: features.design_matrix(training.frame, evidence.spec))
