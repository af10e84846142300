"""TH503, plausible progress: fires, stays quiet, does not apply."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given as property_of
from hypothesis import settings
from hypothesis import strategies as st
from pydantic import ValidationError

from support.factories import a_regression, a_spec, evidence, rows
from titleholder.spec.model import ModelSpec
from titleholder.validation.checks.base import Result
from titleholder.validation.checks.plausible import plausible
from titleholder.validation.evidence import Evidence, TrainingSample
from titleholder.validation.metrics import Array

RNG = np.random.default_rng(0)
Y = (RNG.random(3000) < 0.2).astype(float)
HONEST, NOISE = RNG.normal(size=(2, 3000))
PAST = (RNG.random(4000) < 0.2).astype(float)
OLDER = np.arange(4000) < 2000
KEY = "judgement.checks.plausible"


def score(signal: float, y: Array = Y, noise: Array = NOISE) -> Array:
    """A probability whose ROC AUC is about Phi(signal / sqrt(2))."""
    return np.asarray(1 / (1 + np.exp(-(signal * y + noise))))


def judged(
    spec: ModelSpec | None = None, y: Array = Y, columns: dict[str, Any] | None = None, **parts: Any
) -> Evidence:
    """Rows of which only these columns may know something; the champion has every feature unless it is said."""
    spec = spec or a_spec()
    if "champion" in parts:
        parts.setdefault("champion_inputs", dict.fromkeys(spec.columns.features, "double"))
    found = evidence(spec, y=y, **parts)
    return found.model_copy(update={"frame": found.frame.assign(**(columns or {}))})


def trained(y: Array = PAST, spec: ModelSpec | None = None, **columns: Any) -> TrainingSample:
    """Training rows, in order of time."""
    unknown = {"debt": np.random.default_rng(1).normal(size=len(y))}
    return TrainingSample(frame=rows(spec, n=len(y)).assign(**{**unknown, **columns}), y=y, scores=y)


def test_fires_when_the_gain_is_larger_than_progress() -> None:
    found = plausible(judged(challenger=score(1.2), champion=score(0.7)))
    assert (found.code, found.status, found.severity, found.role) == ("TH503", "fail", "block", "plausibility")
    assert found.numbers["gain"] > found.numbers["gain_lower"] > 0.05
    assert "gain in roc_auc over the champion +0.1" in found.explanation
    assert found.remedy == (
        "More likely a leak than progress: run `titleholder leaktest`; where a person found it honest, set "
        f"{KEY}.gain_roc_auc."
    )


def test_stays_quiet_about_a_gain_of_honest_models() -> None:
    found = plausible(judged(challenger=score(0.8), champion=score(0.7)))
    assert found.status == "pass"
    assert 0 < found.numbers["gain"] < found.numbers["gain_plausible"] == 0.05


def test_stays_quiet_about_a_large_gain_that_may_be_chance() -> None:
    few = slice(0, 120)
    found = plausible(judged(y=Y[few], challenger=score(1.0)[few], champion=score(0.5, noise=HONEST)[few]))
    assert found.numbers["gain"] > 0.05
    assert found.numbers["gain_lower"] < 0.05
    assert found.status == "pass"


@pytest.mark.parametrize("sign", [1, -1], ids=["more", "less"])
def test_fires_when_a_feature_predicts_what_it_did_not_in_training(sign: int) -> None:
    found = plausible(judged(training=trained(), columns={"debt": sign * (Y + HONEST)}, champion=score(1)))
    assert found.status == "fail"
    assert found.numbers["debt:rise"] == found.numbers["largest_rise"] > 0.1
    assert found.numbers["debt:rise_lower"] > 0.05
    assert "since training (plausible: 0.1): debt +0." in found.explanation
    assert found.remedy.endswith(f"set {KEY}.acknowledged: {{features: [debt]}}, or for every case {KEY}.rise_roc_auc.")


def test_a_leak_that_began_in_the_newer_half_of_training_is_seen() -> None:
    began = trained(debt=np.where(OLDER, 0.0, PAST) + np.random.default_rng(2).normal(size=4000))
    found = plausible(judged(training=began, columns={"debt": Y + HONEST}, champion=score(1)))
    assert (found.status, found.numbers["largest_rise"] > 0.2) == ("fail", True)


def test_a_category_is_held_to_the_same_training_means() -> None:
    leaks = {"purpose": np.where(score(1.5, noise=HONEST) > 0.7, "b", "a")}
    known = np.where(score(1.5, PAST, np.random.default_rng(3).normal(size=4000)) > 0.7, "b", "a")
    began = trained(purpose=np.where(OLDER, "a", known))
    assert plausible(judged(training=began, columns=leaks, champion=score(1))).status == "fail"
    assert plausible(judged(training=trained(purpose=known), columns=leaks, champion=score(1))).status == "pass"


def test_stays_quiet_when_features_are_as_strong_as_they_were() -> None:
    before = trained(debt=PAST + np.random.default_rng(4).normal(size=4000))
    found = plausible(judged(training=before, columns={"debt": Y + HONEST}, champion=score(1)))
    assert found.status == "pass"
    assert "since training (plausible: 0.1): none, nearest " in found.explanation


def test_stays_quiet_about_a_rise_that_may_be_chance() -> None:
    few = slice(0, 60)
    found = plausible(judged(y=Y[few], training=trained(), columns={"debt": (0.6 * Y + HONEST)[few]}, champion=Y[few]))
    assert found.numbers["largest_rise"] > 0.1
    assert found.status == "pass"


WITHOUT_DEBT = {"income": "double", "purpose": "string"}


@pytest.mark.parametrize(("signal", "status"), [(1.0, "fail"), (0.5, "pass")])
def test_a_new_feature_may_not_be_strong_by_itself(signal: float, status: str) -> None:
    alike = {"challenger": score(1), "champion": score(1), "columns": {"debt": signal * Y + HONEST}}
    found = plausible(judged(**alike, champion_inputs=WITHOUT_DEBT))
    assert (found.status, found.numbers["new"]) == (status, 1)
    assert (f"or for every case {KEY}.new_feature_roc_auc." in found.remedy) is (status == "fail")
    assert plausible(judged(**alike)).status == "pass", "the champion has it"
    assert plausible(judged(**{**alike, "champion_inputs": None})).status == "pass", "not known what the champion has"


def test_the_training_rows_count_too_for_a_new_feature() -> None:
    """Among the few events of a holdout an honest feature looks strong now and then, a leak weak."""
    few, noise = slice(0, 100), np.random.default_rng(8).normal(size=4000)
    alike = {
        "y": Y[few], "columns": {"debt": (Y + HONEST)[few]}, "challenger": score(1)[few], "champion": score(1)[few],
        "champion_inputs": WITHOUT_DEBT,
    }  # fmt: skip
    leaks = plausible(judged(**alike, training=trained(debt=PAST + noise)))
    honest = plausible(judged(**alike, training=trained(debt=0.3 * PAST + noise)))
    assert (leaks.status, honest.status) == ("fail", "pass")
    assert leaks.numbers["new_largest"] > 0.72 > honest.numbers["new_largest"]


def test_without_a_champion_a_strong_feature_is_what_a_first_model_is_built_on() -> None:
    found = plausible(judged(columns={"debt": Y + HONEST}, training=trained(debt=PAST + np.tile(HONEST, 2)[:4000])))
    assert found.status == "pass"
    assert not {"gain", "new"} & set(found.numbers)


@pytest.mark.parametrize("key", ["gain_roc_auc", "rise_roc_auc", "new_feature_roc_auc"])
def test_each_threshold_is_that_of_the_spec(key: str) -> None:
    allowed = {k: 0.9 for k in ("gain_roc_auc", "rise_roc_auc", "new_feature_roc_auc") if k != key}
    spec = a_spec(judgement__checks={"plausible": allowed})
    always = PAST + np.random.default_rng(7).normal(size=4000)
    all_of_it: dict[str, Any] = {
        "challenger": score(1.5), "champion": score(0.5), "champion_inputs": dict.fromkeys(("debt", "purpose"), "double"),
        "columns": {"debt": Y + HONEST, "income": Y + NOISE}, "training": trained(income=always),
    }  # fmt: skip
    found = plausible(judged(spec, **all_of_it))
    assert (found.status, found.remedy.endswith(f" {KEY}.{key}.")) == ("fail", True)
    both = a_spec(judgement__checks={"plausible": {**allowed, key: 0.9}})
    assert plausible(judged(both, **all_of_it)).status == "pass"


def acknowledging(**given: Any) -> ModelSpec:
    return a_spec(judgement__checks={"plausible": {"acknowledged": given}})


def test_a_large_gain_that_a_person_acknowledged_passes_until_another_version_is_champion() -> None:
    large = {"challenger": score(1.2), "champion": score(0.7)}
    doubted = plausible(judged(**large, champion_version=3))
    assert doubted.remedy.endswith(f"set {KEY}.acknowledged: {{gain_over: 3}}, or for every case {KEY}.gain_roc_auc.")
    found = plausible(judged(acknowledging(gain_over=3), **large, champion_version=3))
    assert (found.status, found.numbers["acknowledged"]) == ("pass", 1)
    assert found.explanation.endswith("; acknowledged in the spec: the gain over version 3.")
    assert plausible(judged(acknowledging(gain_over=3), **large, champion_version=4)).status == "fail"
    assert plausible(judged(acknowledging(features=["debt"]), **large, champion_version=3)).status == "fail"


def test_a_feature_that_a_person_acknowledged_passes_and_no_other_does() -> None:
    leaks = {"columns": {"debt": Y + HONEST, "income": Y + NOISE}, "training": trained(), "champion": score(1)}
    found = plausible(judged(acknowledging(features=["debt"]), **leaks, champion_version=3))
    assert found.status == "fail"
    assert found.explanation.endswith("; acknowledged in the spec: debt.")
    assert f"set {KEY}.acknowledged: {{features: [debt, income]}}, or" in found.remedy
    both = plausible(judged(acknowledging(features=["debt", "income"]), **leaks, champion_version=3))
    assert (both.status, both.numbers["acknowledged"]) == ("pass", 2)


def test_only_a_feature_can_be_acknowledged() -> None:
    with pytest.raises(
        ValidationError, match="acknowledged.features: depth is no feature; valid: income, debt, purpose"
    ):
        acknowledging(features=["depth"])


MONTH = pd.date_range("2023-01-01", periods=4000, freq="3h", tz="UTC")  # 17 months
"""Event times of training rows."""


def begun(month: int, signal: float, leaks_from: int = 0) -> TrainingSample:
    """`debt` is missing before a month; from another one on it knows this much of the outcome."""
    number = 12 * (MONTH.year - 2023) + MONTH.month
    knows = np.where(number >= leaks_from, signal, 0.0) * PAST
    debt = np.where(number >= month, knows + np.random.default_rng(4).normal(size=4000), np.nan)
    return trained(debt=debt, issued_at=MONTH)


@pytest.mark.parametrize("month", [2, 6, 12, 16])
def test_that_an_honest_column_began_to_be_delivered_is_no_rise(month: int) -> None:
    """Without looking at when it was delivered it rises by up to 0.18, for it was worth nothing while it was missing."""
    known = {"columns": {"debt": 0.65 * Y + HONEST}, "champion": score(1)}
    found = plausible(judged(**known, training=begun(month, 0.65)))
    assert found.status == "pass"
    assert found.numbers["largest_rise"] < 0.1
    assert f"was not delivered: debt ({month - 1}))" in found.explanation


def test_a_column_of_the_holdout_alone_has_no_past_to_be_compared_with() -> None:
    found = plausible(judged(columns={"debt": 0.65 * Y + HONEST}, champion=score(1), training=begun(99, 0.0)))
    assert (found.status, found.numbers["new"]) == ("pass", 1)


def test_a_column_that_began_to_be_delivered_and_leaks_is_a_strong_new_feature() -> None:
    for champion in ({"champion": score(1)}, {}):
        found = plausible(judged(columns={"debt": Y + HONEST}, **champion, training=begun(8, 1.0)))
        assert (found.status, found.numbers["new"]) == ("fail", 1)


@pytest.mark.parametrize(("schedule", "period", "missed"), [("@monthly", "month", 5), ("@daily", "week", 21)])
def test_delivery_is_looked_at_by_weeks_of_a_daily_model(schedule: str, period: str, missed: int) -> None:
    """Missing until the end of May 2023: five months, or the 21 weeks from Monday, 2 January, to Sunday, 28 May.

    In the next week four days of seven have values; the one before has a single day, too few rows to say.
    """
    known = {"now": {"debt": 0.65 * Y + NOISE}}
    found = plausible(judged(a_spec(schedule=schedule), **known, training=begun(6, 0.65)))
    assert f"without training {period}s in which it was not delivered: debt ({missed}))" in found.explanation
    assert found.numbers["new"] == 1


def test_a_column_that_leaks_some_months_after_it_began_has_risen() -> None:
    found = plausible(judged(columns={"debt": 0.7 * Y + HONEST}, champion=score(1), training=begun(4, 0.7, 14)))
    assert (found.status, found.numbers["new_largest"] < 0.72) == ("fail", True)
    assert found.numbers["debt:rise_lower"] > 0.05


def test_a_column_that_is_always_sparse_was_delivered() -> None:
    few = np.random.default_rng(9).random(4000) < 0.05
    sparse = trained(debt=np.where(few, 1.0, np.nan), issued_at=MONTH)
    found = plausible(judged(columns={"debt": np.where(np.arange(3000) % 20 == 0, 1.0, np.nan)}, training=sparse))
    assert "not delivered" not in found.explanation


def test_whatever_metric_decides_the_gain_is_that_in_roc_auc() -> None:
    models = {"challenger": score(1.2), "champion": score(0.7)}
    by_brier = plausible(judged(a_spec(judgement__metric="brier"), **models))
    assert by_brier.numbers == plausible(judged(**models)).numbers


@pytest.mark.parametrize(("noise", "status"), [(0.8, "fail"), (1.0, "pass")])
def test_a_regression_goes_by_r2(noise: float, status: str) -> None:
    spec, y = a_regression(), NOISE[:600]
    past = np.random.default_rng(5).normal(size=800)
    before = trained(past, spec, debt=past + np.random.default_rng(6).normal(size=800))
    off = HONEST[:600]
    found = plausible(
        judged(
            spec,
            y,
            columns={"debt": y + off},
            training=before,
            champion=y + 0.75 * off,
            challenger=y + 0.75 * noise * off,
        )
    )
    assert found.status == status
    assert {"gain", "largest_rise"} <= set(found.numbers)


@settings(max_examples=20, deadline=None)
@property_of(st.integers(0, 10_000), st.floats(0.1, 10.0))
def test_neither_the_scale_of_a_feature_nor_the_order_of_rows_matters(seed: int, scale: float) -> None:
    def found(order: Any, scale: float) -> Result:
        known = {"debt": scale * (0.7 * Y + HONEST)[order], "income": score(0.2)[order], "purpose": "car"}
        models = {"challenger": score(1.0)[order], "champion": score(0.6)[order]}
        return plausible(judged(y=Y[order], columns=known, training=trained(), **models))

    one, other = found(np.arange(300), 1.0), found(np.random.default_rng(seed).permutation(300), scale)
    assert other.status == one.status
    assert other.numbers == pytest.approx(one.numbers)


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (judged(y=np.zeros(50)), "Nothing can be measured on the holdout."),
        (judged(y=np.empty(0)), "Nothing can be measured on the holdout."),
        (judged(a_regression(), y=np.ones(50)), "Nothing can be measured on the holdout."),
        (
            judged(a_spec(columns__numeric=[])),
            "There is no champion, and there are no training rows or features to compare.",
        ),
    ],
)
def test_does_not_apply(found: Evidence, why: str) -> None:
    result = plausible(found)
    assert (result.status, result.explanation) == ("not_applicable", why)


@pytest.mark.parametrize("seen", [None, np.zeros(40)], ids=["no training rows", "one class"])
def test_without_what_features_were_only_the_gain_is_judged(seen: Array | None) -> None:
    training = None if seen is None else trained(seen)
    found = plausible(judged(training=training, challenger=score(1.2), champion=score(0.7)))
    assert found.status == "fail"
    assert "largest_rise" not in found.numbers


def test_missing_values_are_no_error() -> None:
    gaps = pd.Series(np.where(HONEST > 0, np.nan, HONEST))
    assert plausible(judged(training=trained(), columns={"debt": gaps}, champion=score(1))).status == "pass"
