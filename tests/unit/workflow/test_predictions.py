"""Scores are asked once, kept with their outcomes, and never taken for those of other rows."""

from __future__ import annotations

import io
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest

from support.factories import a_spec, rows
from titleholder.errors import DataError
from titleholder.workflow.predictions import Predictions

DAY = date(2024, 1, 1)
SPEC = a_spec()


def said(kept: Predictions, frame: pd.DataFrame, version: int = 1, month: date = DAY, part: Any = "used") -> Any:
    return kept.said(part, month, version, frame, SPEC, lambda some: some["debt"].to_numpy() * version)


def test_only_what_was_not_said_before_is_asked() -> None:
    frame, kept = rows(n=20), Predictions()
    assert list(said(kept, frame[:12])) == list(frame["debt"][:12])
    assert list(said(kept, frame[5:][::-1])) == list(frame["debt"][5:][::-1]), "in the order of the rows"
    assert kept.asked == 20
    said(kept, frame, version=2)
    said(kept, frame, month=date(2024, 2, 1))
    said(kept, frame, part="judged")
    assert kept.asked == 80
    assert len(said(kept, frame[:0], version=9)) == 0


@pytest.mark.parametrize("names", ["numbers", "texts"])
def test_what_was_kept_is_read_back_to_the_last_digit_and_not_asked_again(names: str) -> None:
    frame, kept = rows(n=20), Predictions()
    if names == "texts":
        frame["loan_id"] = [f"loan-{n}" for n in frame["loan_id"]]
    first = [said(kept, frame, v) for v in (1, 2)]
    table = pd.read_parquet(io.BytesIO(kept.table()))
    assert list(table) == ["part", "as_of", "version", "entity", "outcome", "score"]
    assert len(table) == 40
    assert list(table["outcome"][:20]) == list(frame["bad"])
    again = Predictions(kept.table())
    for version, scores in zip((1, 2), first, strict=True):
        np.testing.assert_array_equal(again.said("used", DAY, version, frame, SPEC, no_question), scores)
    assert again.asked == 0


def no_question(_: pd.DataFrame) -> Any:
    raise AssertionError("asked again")


def test_an_outcome_that_changed_is_noticed() -> None:
    frame, kept = rows(n=20), Predictions()
    said(kept, frame)
    with pytest.raises(DataError, match="version 1 on the rows used as of 2024-01-01 have other outcomes"):
        said(kept, frame.assign(bad=1 - frame["bad"]))


def test_nothing_said_is_an_empty_table() -> None:
    assert len(pd.read_parquet(io.BytesIO(Predictions().table()))) == 0
    assert Predictions(Predictions().table()).asked == 0
