"""TH403 and TH404, features and their gaps as in training: fire, stay quiet, do not apply."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.factories import a_spec, evidence, rows
from titleholder.validation import metrics
from titleholder.validation.checks.feature_drift import (
    feature_missing_rates,
    feature_stability,
    missing_rates,
    stability,
)
from titleholder.validation.evidence import Evidence, TrainingSample

MORE = 1 - 0.05 / 3  # the confidence of each of three features


def case(before: pd.DataFrame, after: pd.DataFrame, **changes: Any) -> Evidence:
    n = len(before)
    seen = TrainingSample(frame=before, y=np.zeros(n), scores=np.zeros(n))
    return evidence(a_spec(**changes), y=np.zeros(len(after)), frame=after, training=seen)


def moved(n: int = 2000, shift: float = 1.0, share: float = 0.5) -> Evidence:
    """Debt has moved by so many standard deviations, so many of the purposes have become trips."""
    after = rows(n=n, seed=2)
    trips = np.random.default_rng(4).random(n) < share
    return case(
        rows(n=4000, seed=1), after.assign(debt=after["debt"] + shift, purpose=after["purpose"].mask(trips, "trip"))
    )


def gappy(share: float, n: int = 2000, before: float = 0.1, **changes: Any) -> Evidence:
    """Income is missing in a tenth of the training rows, and in so many of the judged ones."""
    old, new = rows(n=4000, seed=1), rows(n=n, seed=2)
    return case(
        old.assign(income=old["income"].mask(np.arange(4000) < before * 4000)),
        new.assign(income=new["income"].mask(np.arange(n) < share * n)),
        **changes,
    )


def test_stability_fires_as_a_warning_and_names_the_features_that_moved_worst_first() -> None:
    found = feature_stability(moved())
    assert (found.code, found.status, found.severity) == ("TH403", "fail", "warn")
    assert found.numbers["moved"] == 2
    start = "Population stability index of 3 features from training to holdout, shown to exceed 0.25: debt "
    assert found.explanation.startswith(start)
    assert f", purpose {found.numbers['purpose:psi']:.4f} [" in found.explanation
    assert " (trip: 3" in found.explanation
    assert "income" not in found.explanation


def test_stability_stays_quiet_when_nothing_moved_or_it_is_not_shown() -> None:
    quiet = feature_stability(moved(shift=0.0, share=0.0))
    assert quiet.status == "pass"
    assert ": none, nearest " in quiet.explanation
    few = feature_stability(moved(n=40, shift=0.6, share=0.0))
    assert few.numbers["debt:psi"] > 0.25
    assert few.status == "pass"


def test_stability_is_that_of_each_feature_at_a_confidence_adjusted_for_their_number() -> None:
    given_ = moved()
    values = stability(given_)
    assert list(values) == ["debt", "purpose", "income"]
    assert given_.training is not None
    for name, psi in values.items():
        old, new = given_.training.frame[name], given_.frame[name]
        if name == "purpose":
            old, new = old.astype(object), new.astype(object)
        assert psi == metrics.psi(old.to_numpy(), new.to_numpy(), bins=10, confidence=MORE)


def test_the_thresholds_are_those_of_the_spec() -> None:
    given_ = moved()
    checks = {"feature_drift": {"psi": 5.0, "bins": 4}}
    spec = a_spec(judgement__checks=checks)
    other = given_.model_copy(update={"spec": spec})
    assert feature_stability(other).status == "pass"
    assert len(stability(other)["debt"].table) < len(stability(given_)["debt"].table)
    lenient = gappy(0.3, judgement__checks={"missing_rates": {"change": 0.25}})
    assert feature_missing_rates(lenient).status == "pass"


@pytest.mark.parametrize("share", [0.3, 0.0])
def test_missing_rates_fire_in_either_direction(share: float) -> None:
    found = feature_missing_rates(gappy(share, before=0.15))
    assert (found.code, found.status, found.severity) == ("TH404", "fail", "warn")
    assert found.explanation.startswith(
        "Change of the share of missing values in 3 features from training to holdout, shown to exceed 5.0%: income 15.0% "
        f"to {share:.1%} ({share - 0.15:+.4f} ["
    )
    assert found.numbers["changed"] == 1


def test_missing_rates_stay_quiet_when_a_change_is_small_or_not_shown() -> None:
    assert feature_missing_rates(gappy(0.1)).status == "pass"
    assert feature_missing_rates(gappy(0.16)).status == "pass"
    few = feature_missing_rates(gappy(0.2, n=40))
    assert few.numbers["income:missing_change"] == pytest.approx(0.1)
    assert few.status == "pass"


def test_a_missing_rate_has_the_interval_of_a_difference_of_rates_at_the_adjusted_confidence() -> None:
    found = missing_rates(gappy(0.3))["income"]
    assert (found.before, found.after) == (0.1, 0.3)
    assert found.change == metrics.difference_of_rates(600, 2000, 400, 4000, confidence=MORE)
    assert found.least_change == found.change.lower


@given(st.integers(0, 60), st.integers(0, 60))
def test_the_least_change_is_within_the_interval_and_zero_where_that_holds_zero(before: int, after: int) -> None:
    old, new = rows(n=60), rows(n=60)
    given_ = case(
        old.assign(debt=old["debt"].mask(old.index < before)), new.assign(debt=new["debt"].mask(new.index < after))
    )
    found = missing_rates(given_)["debt"]
    assert 0 <= found.least_change <= max(abs(found.change.lower), abs(found.change.upper))
    assert (found.least_change == 0) == (found.change.lower <= 0 <= found.change.upper)
    assert found.change.estimate == pytest.approx((after - before) / 60)


def test_neither_applies_without_training_rows_or_judged_ones() -> None:
    for check in (feature_stability, feature_missing_rates):
        assert check(evidence()).explanation == "There are no training rows to compare with."
        none = check(case(rows(n=20), rows(n=1).head(0)))
        assert (none.status, none.explanation) == ("not_applicable", "Nothing can be measured on the holdout.")
