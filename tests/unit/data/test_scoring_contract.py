"""The contract of rows to score, checked in batches: the same report, however the rows are cut."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from support.factories import AS_OF, SQL, a_spec, rows, spans_of
from titleholder.data.scoring_contract import ScoringContract, spec_of_rows
from titleholder.errors import ContractError, SpecError
from titleholder.spec.model import ModelSpec
from titleholder.spec.windows import Intervals, midnight

SECTION = {"query": "small_scoring.sql", "window": "12 months", "sql": SQL}
START = spans_of(a_spec()).train_start
SPANS = Intervals(train_start=START, holdout_start=AS_OF, matured=AS_OF)
KEYS = ["loan_id", "issued_at", "known_at", "income", "debt", "purpose"]


def scored(n: int = 120) -> pd.DataFrame:
    return rows(n=n)[KEYS]


def report(frame: pd.DataFrame, spec: ModelSpec | None = None, trained: ModelSpec | None = None, size: int = 50) -> str:
    """What is wrong with rows that are checked in batches of this size; empty where nothing is."""
    of_rows = spec_of_rows(spec or a_spec(scoring=SECTION), trained or a_spec())
    features = (trained or a_spec()).columns.features
    held = ScoringContract(of_rows, features, list(frame.columns), SPANS, AS_OF)
    frame = frame.loc[:, ~frame.columns.duplicated()]
    for first in range(0, len(frame), size):
        held.check(frame[held.columns].iloc[first : first + size])
    try:
        held.enforce(lambda name, at: frame[name].iloc[at])
    except ContractError as error:
        return str(error)
    return ""


def test_valid_rows_keep_it() -> None:
    assert report(scored()) == ""
    assert report(rows().drop(columns="bad")) == "", "segments and protected columns may be there"
    assert report(scored().head(0)) == ""


def at(column: str, value: Any, *places: int) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def bend(frame: pd.DataFrame) -> pd.DataFrame:
        values = frame[column].astype(object)
        values.iloc[list(places)] = value
        return frame.assign(**{column: values.infer_objects()})

    return bend


@pytest.mark.parametrize("size", [1000, 50, 7])
@pytest.mark.parametrize(
    ("bend", "said"),
    [
        (at("income", np.inf, 3, 60), "income: is infinite (2 rows, e.g. inf, loan_id 3)"),
        (lambda f: f.assign(bad=1), "bad: is the target, which a query for scoring must not return"),
        (lambda f: f.drop(columns="debt"), "- debt"),
        (lambda f: f.assign(extra=1), "+ extra"),
        (lambda f: pd.concat([f, f[["debt"]]], axis=1), "+ debt   (occurs twice)"),
        (at("loan_id", 7, 3, 110), "loan_id: is not unique (3 rows, e.g. 7, loan_id 7)"),
        (at("loan_id", None, 3), "loan_id: is missing (null) (1 row"),
        (lambda f: f.assign(issued_at=midnight(AS_OF)), "issued_at: is outside the window"),
        (at("issued_at", pd.NaT, 3, 110), "issued_at: is missing (null) (2 rows"),
        (at("known_at", pd.Timestamp("2030-01-01", tz="UTC"), 3, 60, 110), "known_at: is after as_of 2024-07-01: the query returns rows that were not known yet (3 rows, e.g. 2030"),
        (lambda f: f.assign(income="much"), "income: has the wrong type; it must be a number"),
        (lambda f: f.assign(purpose=0.5), "purpose: has the wrong type; it must be text, a whole number or true/false"),
    ],
)  # fmt: skip
def test_each_violation_is_one_sentence_however_the_rows_are_cut(
    bend: Callable[[pd.DataFrame], pd.DataFrame], said: str, size: int
) -> None:
    found = report(bend(scored()), size=size)
    assert said in found
    assert "(1 violation); nothing was scored" in found
    assert found.endswith("Correct small_scoring.sql or the columns in small.yaml.")


def test_gaps_are_no_violation_as_in_training() -> None:
    frame = scored()
    frame.loc[::3, ["income", "purpose"]] = None
    assert report(frame) == ""


def test_a_version_needs_its_own_features_and_those_of_the_spec_of_today_may_be_there() -> None:
    today = a_spec(scoring=SECTION, columns__numeric=["income", "rate"])
    assert report(scored().assign(rate=1.0), today) == ""
    assert "- debt" in report(scored().drop(columns="debt").assign(rate=1.0), today)
    assert "rate: has the wrong type" in report(scored().assign(rate="x"), today)


def test_entities_of_the_same_hash_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pd.util, "hash_array", lambda values: np.zeros(len(values), dtype=np.uint64))
    assert report(scored()) == ""
    assert "loan_id: is not unique (2 rows" in report(at("loan_id", 3, 110)(scored()))


def test_a_spec_without_the_section_says_what_is_missing() -> None:
    with pytest.raises(SpecError, match="small: the spec has no section scoring"):
        spec_of_rows(a_spec(), a_spec())
