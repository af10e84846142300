"""TH405, every feature varies: fires, stays quiet, does not apply."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from support.factories import a_spec, evidence, rows
from titleholder.validation.checks.base import Result
from titleholder.validation.checks.constant_features import every_feature_varies
from titleholder.validation.evidence import Evidence, TrainingSample


def case(before: dict[str, Any], after: dict[str, Any], n: int = 400) -> Evidence:
    """Training rows and judged rows with other columns in place of their own."""
    training, judged = rows(n=1000, seed=1).assign(**before), rows(n=n, seed=2).assign(**after)
    seen = TrainingSample(frame=training, y=np.zeros(1000), scores=np.zeros(1000))
    return evidence(a_spec(), y=np.zeros(n), frame=judged, training=seen)


def check(before: dict[str, Any] | None = None, after: dict[str, Any] | None = None, n: int = 400) -> Result:
    return every_feature_varies(case(before or {}, after or {}, n))


@pytest.mark.parametrize(
    ("column", "named"),
    [
        ({"income": 3.0}, "income (3 in every training row)"),
        ({"debt": np.nan}, "debt (missing in every training row)"),
        ({"purpose": "car"}, "purpose (car in every training row)"),
        ({"purpose": None}, "purpose (missing in every training row)"),
    ],
)
def test_fires_as_a_warning_where_a_feature_says_nothing_in_training(column: dict[str, Any], named: str) -> None:
    found = check(column, column)
    assert (found.code, found.status, found.severity) == ("TH405", "fail", "warn")
    assert found.explanation == (f"Of 3 features in 1000 training rows and 400 of the holdout, constant: {named}.")
    assert found.numbers == {"judged": 3, "in_training": 1, "in_holdout": 0}


@pytest.mark.parametrize(
    ("column", "named"),
    [
        ({"income": 3.0}, "income (3 in every row of the holdout)"),
        ({"purpose": None}, "purpose (missing in every row of the holdout)"),
    ],
)
def test_fires_where_a_feature_stopped_varying(column: dict[str, Any], named: str) -> None:
    found = check(after=column)
    assert found.status == "fail"
    assert found.explanation.endswith(f"constant: {named}.")
    assert found.numbers == {"judged": 3, "in_training": 0, "in_holdout": 1}


def test_stays_quiet_where_all_vary_and_a_gap_counts_as_a_value() -> None:
    assert check().status == "pass"
    sometimes = pd.Series(np.where(np.arange(1000) % 2, 1.0, np.nan))
    assert check({"debt": sometimes}).status == "pass"


def test_stays_quiet_where_chance_explains_that_a_rare_value_is_not_in_the_holdout() -> None:
    """Of 100 rows with a flag that one row in a hundred has, a third have none (0.99 ** 100 = 0.37); of 2000, none."""
    rare = (np.arange(1000) % 100 == 0).astype(float)
    assert check({"debt": rare}, {"debt": 0.0}, n=100).status == "pass"
    assert check({"debt": rare}, {"debt": 0.0}, n=2000).status == "fail"
    assert check({"debt": rare}, {"debt": 1.0}, n=5).status == "fail", "a value that nearly no training row has"


@given(share=st.floats(0.01, 0.99), n=st.integers(1, 600))
def test_it_fires_exactly_where_the_binomial_probability_is_below_the_error(share: float, n: int) -> None:
    """Of two values: that all rows have the rarer one, or for the more frequent one that they have either."""
    values = (np.arange(1000) < 1000 * share).astype(float)
    q = float(values.mean())
    extreme = [0, n] if q >= 0.5 else [n]
    expected = sum(stats.binom.pmf(k, n, q) for k in extreme) < 0.05 / 3
    assert (check({"debt": values}, {"debt": 1.0}, n=n).status == "fail") == expected


def test_a_holdout_of_one_row_is_no_finding() -> None:
    assert check(n=1).status == "pass"
    assert check(after={"debt": 7.5}, n=2).status == "fail", "two equal numbers of a continuous feature"


def test_does_not_apply_without_training_rows() -> None:
    found = every_feature_varies(evidence())
    assert (found.status, found.explanation) == ("not_applicable", "There are no training rows.")


def test_nothing_is_said_of_an_empty_holdout() -> None:
    assert every_feature_varies(case({}, {}, n=1).model_copy(update={"frame": rows(n=1).head(0)})).status == (
        "not_applicable"
    )
