"""The simulated lender: reproducible, append-only, and eventful enough that retraining matters."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score

from demo.lender import Lender, drift, economy, fingerprint, simulate
from titleholder.errors import UsageError
from titleholder.validation.metrics import Estimation, Sample, gain

END = date(2026, 12, 1)
TABLES = ("applications", "instalments", "outcomes")
SHOCK = (["2024-02", "2024-03", "2024-04", "2024-05"], ["2024-12", "2025-01", "2025-02", "2025-03"])  # before, in it


@pytest.fixture(scope="module")
def lender() -> Lender:
    return simulate(END)


@pytest.fixture(scope="module")
def granted(lender: Lender) -> pd.DataFrame:
    """Applications with their month and whether they truly defaulted, as the last word has it."""
    last = lender.outcomes.drop_duplicates("application_id", keep="last").set_index("application_id")["status"]
    ended = lender.applications["application_id"].map(last)
    month = lender.applications["applied_at"].dt.strftime("%Y-%m")
    return lender.applications.assign(month=month, defaulted=ended.isin(["defaulted", "recovered"]))


def later(one: Lender, frame: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Each outcome's first and last row, where there is more than one."""
    rows = getattr(one, frame)
    keys = ["application_id", "number"] if frame == "instalments" else ["application_id"]
    revised = rows[rows.duplicated(keys, keep=False)]
    return revised.drop_duplicates(keys).set_index(keys), revised.drop_duplicates(keys, keep="last").set_index(keys)


def midnight(days: pd.Series) -> pd.Series:
    return days.dt.tz_localize("UTC")


def test_same_arguments_same_books():
    one, two = (simulate(END, months=3, per_month=300, seed=1) for _ in range(2))
    for table in TABLES:
        pd.testing.assert_frame_equal(getattr(one, table), getattr(two, table))
    assert one.fingerprint == two.fingerprint == fingerprint(END, 3, 300, 1)


def test_another_seed_gives_other_books():
    one, two = (simulate(END, months=3, per_month=300, seed=seed) for seed in (1, 2))
    assert one.fingerprint != two.fingerprint
    assert not one.applications["income"].head(300).equals(two.applications["income"].head(300))


def test_a_month_later_the_past_is_the_same():
    before, after = simulate(END, months=12, per_month=200), simulate(date(2027, 1, 1), months=10, per_month=200)
    first = after.applications["application_id"].min()
    for table in TABLES:
        old, new = getattr(before, table), getattr(after, table)
        old = old[old["application_id"] >= first].reset_index(drop=True)
        new = new[new["recorded_at"] < pd.Timestamp(END, tz="UTC")].reset_index(drop=True)
        pd.testing.assert_frame_equal(old, new)


def test_every_month_has_its_applications_up_to_the_end(lender: Lender, granted: pd.DataFrame):
    sizes = granted.groupby("month").size()
    assert len(sizes) == 48
    assert sizes.index[0] == "2022-12"
    assert sizes.index[-1] == "2026-11"
    assert sizes.min() >= 2000
    assert lender.applications["application_id"].is_unique
    assert len(lender.instalments) < 700_000


@pytest.mark.parametrize("table", TABLES)
def test_nothing_is_known_before_it_happened_or_after_the_end(lender: Lender, table: str):
    rows = getattr(lender, table)
    assert rows["recorded_at"].is_monotonic_increasing
    assert rows["recorded_at"].max() < pd.Timestamp(END, tz="UTC")
    events = {"applications": "applied_at", "instalments": "paid_on", "outcomes": "occurred_on"}[table]
    happened = rows[events] if table == "applications" else midnight(rows[events])
    assert (rows["recorded_at"] > happened)[happened.notna()].all()


def test_a_miss_is_noted_after_it_fell_due(lender: Lender):
    missing = lender.instalments[lender.instalments["paid_on"].isna()]
    assert (missing["recorded_at"] - midnight(missing["due_on"]) > pd.Timedelta(days=6)).all()


def test_facts_follow_their_application_and_add_up(lender: Lender):
    applications = lender.applications.set_index("application_id")
    for table in ("instalments", "outcomes"):
        rows = getattr(lender, table)
        assert set(rows["application_id"]) <= set(applications.index)
        assert (rows["recorded_at"] > rows["application_id"].map(applications["recorded_at"])).all()
    once = lender.instalments.drop_duplicates(["application_id", "number"])
    term = once.groupby("application_id").agg(number=("number", "count"), amount=("amount", "sum"))
    whole = term[term["number"] == applications["term"].reindex(term.index)]
    assert len(whole) > 0.8 * len(applications)
    assert np.allclose(whole["amount"], applications["amount"].reindex(whole.index))


def test_keys_are_unique(lender: Lender):
    assert not lender.instalments.duplicated(["application_id", "number", "recorded_at"]).any()
    assert not lender.outcomes.duplicated(["application_id", "recorded_at"]).any()


def test_outcomes_are_reported_days_to_weeks_late(lender: Lender):
    first = lender.outcomes[lender.outcomes["status"] == "defaulted"]
    lag = (first["recorded_at"] - midnight(first["occurred_on"])).dt.total_seconds() / 86_400
    assert 7 < lag.median() < 21
    assert lag.quantile(0.9) > 15


def test_late_corrections_overturn_what_was_recorded(lender: Lender):
    first, last = later(lender, "outcomes")
    assert (last["recorded_at"] - first["recorded_at"] > pd.Timedelta(days=29)).all()
    changes = pd.crosstab(first["status"].astype(str), last["status"].astype(str))
    mistaken, overlooked = changes.loc["defaulted", "reversed"], changes.loc["repaid", "defaulted"]
    assert mistaken > 300
    assert overlooked > 200
    assert 0.004 < (mistaken + overlooked) / len(lender.applications) < 0.02
    reversed_ = lender.outcomes[lender.outcomes["status"] == "reversed"]
    assert (reversed_["loss"] == 0).all()


def test_payments_are_corrected_both_ways(lender: Lender):
    first, last = later(lender, "instalments")
    found, bounced = (
        first["paid_on"].isna() & last["paid_on"].notna(),
        first["paid_on"].notna() & last["paid_on"].isna(),
    )
    assert found.sum() > 1000
    assert bounced.sum() > 200


def test_default_rate_is_five_to_ten_percent(granted: pd.DataFrame):
    mature = granted[granted["applied_at"] < pd.Timestamp("2026-04-01", tz="UTC")]
    assert 0.05 < mature["defaulted"].mean() < 0.10
    assert mature.groupby("month")["defaulted"].mean().between(0.03, 0.16).all()


def test_the_shock_raises_the_level_beyond_chance(granted: pd.DataFrame):
    calm, shock = (granted[granted["month"].isin(months)]["defaulted"] for months in SHOCK)
    error = np.sqrt(calm.var() / len(calm) + shock.var() / len(shock))
    assert shock.mean() - calm.mean() > 5 * error
    assert shock.mean() > 1.25 * calm.mean()


def test_a_new_channel_grows_and_follows_other_rules(granted: pd.DataFrame):
    share = (granted["channel"] == "partner").groupby(granted["month"]).mean()
    assert share.iloc[-3:].mean() > 3 * share.iloc[:3].mean()
    mature = granted[(granted["applied_at"] < pd.Timestamp("2026-04-01", tz="UTC")) & granted["bureau_score"].notna()]
    by_channel = mature.assign(weak=mature["bureau_score"] < 620).groupby([mature["channel"] == "partner", "weak"])
    odds = by_channel["defaulted"].mean().unstack()
    ratio = odds[True] / odds[False]
    assert ratio[False] > 1.2 * ratio[True]


def test_what_was_risky_changes(granted: pd.DataFrame):
    by_region = granted.groupby([granted["applied_at"].dt.year, "region"], observed=True)["defaulted"].mean().unstack()
    relative = by_region.div(by_region.mean(axis=1), axis=0)
    change = relative.loc[2025] / relative.loc[2023]
    assert change.max() / change.min() > 1.3


def test_drift_is_slow_and_does_not_come_back_on_time():
    """The correlations of paths with themselves, over 300 drivers: one half after the half-life, a quarter after two."""
    months = np.arange(2000 * 12, 2000 * 12 + 5 * drift.HALF_LIFE)
    paths = np.array([drift.path(1, f"driver {n}", months) for n in range(300)])
    assert paths.std() == pytest.approx(1, abs=0.03)
    for lives, kept in ((1, 0.5), (2, 0.25), (4, 0.0625)):
        apart = lives * drift.HALF_LIFE
        found = np.corrcoef(paths[:, 0], paths[:, apart])[0, 1]
        assert found == pytest.approx(kept, abs=3 / np.sqrt(300))


@given(month=st.integers(drift.FIRST, drift.LAST - 1), seed=st.integers(0, 2**31))
@examples(max_examples=30, deadline=None)
def test_strengths_keep_their_signs_and_their_size(month: int, seed: int):
    found = drift.strengths(seed, ("score", "utilisation", "burden"), month)
    assert (found > 0).all()
    assert np.mean(found**2) == pytest.approx(1)
    assert drift.effects(seed, "region", month, np.array([0.3, -0.2, 0.4])).sum() == pytest.approx(0, abs=1e-12)


def test_a_shock_passes():
    months = np.arange(24_300 - 10, 24_300 + 20)
    found = economy.stress(months)
    assert (found[(months < 24_300) | (months >= 24_308)] == 0).all()
    assert found.max() > 0.9


def test_an_old_model_loses_to_a_new_one(granted: pd.DataFrame):
    numeric = ["amount", "term", "income", "prior_loans", "bureau_score", "utilisation"]
    categories = pd.get_dummies(granted[["employment", "channel", "purpose", "region"]])
    X, y = pd.concat([granted[numeric], categories], axis=1), granted["defaulted"].to_numpy(dtype=float)

    def between(first: str, last: str) -> pd.Series:
        return granted["month"].between(first, last)

    def scores(rows: pd.Series) -> np.ndarray:
        model = HistGradientBoostingClassifier(max_iter=60, max_leaf_nodes=8, random_state=7)
        return model.fit(X[rows], y[rows]).predict_proba(X[judged])[:, 1]

    judged = between("2025-04", "2025-09")
    old, new = scores(between("2023-01", "2023-12")), scores(between("2024-01", "2024-12"))  # a year apart
    result = gain("roc_auc", Sample(y[judged]), new, old, Estimation(0.95, 100, 7))
    assert result.lower > 0, result
    assert result.estimate < 0.03, result
    assert 0.70 < roc_auc_score(y[judged], new) < 0.80


def test_seasons_move_volume(granted: pd.DataFrame):
    size = granted.groupby(granted["applied_at"].dt.month).size()
    assert size[11] > 1.08 * size[5]


def test_some_answers_are_missing(lender: Lender):
    gaps = lender.applications.isna().mean()
    assert set(gaps[gaps > 0].index) == {"income", "employment", "bureau_score"}
    assert gaps[["income", "employment", "bureau_score"]].between(0.03, 0.15).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"end": date(2026, 12, 2)}, "expected the first day of a month"),
        ({"months": 0}, "months=0"),
        ({"per_month": 0}, "per_month=0"),
        ({"end": date(1900, 2, 1)}, "expected a time within 1900 to 2199"),
    ],
)
def test_invalid_arguments_are_refused(change: dict, message: str):
    with pytest.raises(UsageError, match=message):
        simulate(**{"end": END, **change})


def test_a_lender_is_frozen(lender: Lender):
    with pytest.raises(AttributeError):
        lender.fingerprint = "other"  # type: ignore[misc]
    assert replace(lender, fingerprint="other").fingerprint == "other"
