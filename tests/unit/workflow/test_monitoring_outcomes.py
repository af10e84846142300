"""Rows with outcomes and the scores that they got: by entity and event time."""

from __future__ import annotations

import numpy as np
import pandas as pd

from titleholder.spec.source import Columns
from titleholder.workflow.monitoring.outcomes import strangers, with_scores

COLUMNS = Columns(entity="id", event_time="at", target="bad", numeric=("income",))
FIRST, SECOND = pd.Timestamp("2024-01-01 10:00", tz="UTC"), pd.Timestamp("2024-02-01 10:00", tz="UTC")


def scored(*rows: tuple[str, pd.Timestamp, float, float]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["entity", "event_time", "score", "before"])
    frame = frame.astype({"entity": object, "event_time": "datetime64[us, UTC]"})
    return frame.assign(event_time=frame["event_time"].dt.tz_localize(None).astype("datetime64[us]"))


def test_a_customer_who_is_scored_each_month_has_the_score_of_the_event_that_the_outcome_is_of() -> None:
    known = pd.DataFrame({"id": [8, 7], "at": [SECOND, SECOND]}, index=[3, 5])
    given = with_scores(known, scored(("7", FIRST, 0.1, 0.2), ("7", SECOND, 0.3, np.nan)), COLUMNS)
    assert given.index.tolist() == [3, 5]
    np.testing.assert_array_equal(given["score"], [np.nan, 0.3])
    np.testing.assert_array_equal(given["before"], [np.nan, np.nan])


def test_a_row_without_any_score_has_none() -> None:
    known = pd.DataFrame({"id": ["a"], "at": [FIRST]})
    given = with_scores(known, scored(("a", FIRST, 0.5, 0.25)), COLUMNS)
    assert (given["score"].item(), given["before"].item()) == (0.5, 0.25)
    assert with_scores(known, scored(("b", FIRST, 0.5, 0.25)), COLUMNS)["score"].isna().all()


def test_scores_whose_entities_no_outcome_has_are_said_with_one_of_each() -> None:
    known = pd.DataFrame({"id": ["007", "008"], "at": [FIRST, SECOND]})
    said = strangers(known, scored(("7", FIRST, 0.5, 0.25), ("8", SECOND, 0.5, 0.25)), COLUMNS)
    assert said.startswith("None of 2 scored rows is found by entity and event time: entity '7' at 2024-01-01 10:00")
    assert "entity '007' at 2024-01-01 10:00" in said


def test_scores_of_another_time_are_no_strangers() -> None:
    known = pd.DataFrame({"id": ["007"], "at": [FIRST]})
    assert strangers(known, scored(("7", SECOND, 0.5, 0.25)), COLUMNS) == ""
    assert strangers(known, scored(), COLUMNS) == ""
    assert strangers(known.head(0), scored(("7", SECOND, 0.5, 0.25)), COLUMNS) == ""
