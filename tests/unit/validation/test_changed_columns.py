"""Rows in which one column after the other is changed, predicted together."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from titleholder.validation import changed_columns
from titleholder.validation.changed_columns import predict_each
from titleholder.validation.metrics import Array

ROWS = pd.DataFrame({"debt": [1.0, 2.0, np.nan], "terms": [36, 60, 36], "purpose": ["car", None, "home"]})
CHANGED = {
    "terms": ROWS["terms"].mask(np.ones(3, dtype=bool)),
    "purpose": ROWS["purpose"][::-1],
    "debt": ROWS["debt"] + 1,
}


def score(frame: pd.DataFrame) -> Array:
    purpose = frame["purpose"].map({"car": 1.0, "home": 2.0}).fillna(7.0)
    return (frame["debt"].fillna(50.0) + 1000 * frame["terms"].fillna(5.0) + 0.1 * purpose).to_numpy(dtype=np.float64)


@pytest.mark.parametrize(("values", "predictions"), [(2_000_000, 1), (18, 2), (1, 3)])
def test_the_scores_are_those_of_each_change_alone(
    values: int, predictions: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changed_columns, "VALUES", values)
    lengths: list[int] = []
    found = dict(predict_each(lambda frame: (lengths.append(len(frame)), score(frame))[1], ROWS, CHANGED))
    assert list(found) == ["terms", "purpose", "debt"]
    for name, scores in found.items():
        alone = score(ROWS.assign(**{name: CHANGED[name].to_numpy()}))
        np.testing.assert_array_equal(scores, alone)
    assert (len(lengths), sum(lengths)) == (predictions, 9)
