"""The loans of the benchmark of daily scoring, in which only what is meant to changes; and how it sums up what was said."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from daily_lender import BEFORE, BUREAU, CONCEPT, END, MIX, MODEL, MONTHS, SECOND, START, UNIT, history, write_model
from monitoring_backfill import Said

from demo.lender import Lender
from titleholder.spec.loader import load_specs
from titleholder.validation.monitoring.report import Alarm

ROWS = 100


@pytest.fixture(scope="module")
def books() -> Lender:
    return history(ROWS, seed=1)


def test_every_month_has_its_loans_and_nothing_is_known_too_late(books: Lender) -> None:
    loans, facts = books.applications, books.outcomes
    assert loans["application_id"].is_unique
    assert (loans["recorded_at"] == loans["applied_at"]).all()
    months = loans["applied_at"].dt.tz_localize(None).dt.to_period("M").value_counts()
    assert (len(months), set(months)) == (BEFORE + MONTHS, {ROWS})
    assert facts["recorded_at"].max() < pd.Timestamp(END, tz="UTC")
    applied = facts["application_id"].map(loans.set_index("application_id")["applied_at"])
    assert (facts["recorded_at"] > applied).all()


def test_one_channel_comes_more_often_in_its_months_alone(books: Lender) -> None:
    partner = books.applications["channel"] == "partner"
    shares = partner.groupby(np.array([day.date() in MIX for day in books.applications["applied_at"]])).mean()
    assert shares[True] > 1.6 * shares[False]


def test_outcomes_are_another_loan_s_from_a_day_on(books: Lender) -> None:
    """No loan loses more than its amount; some of those with another loan's outcome seem to."""
    loans = books.applications.set_index("application_id")
    facts = books.outcomes[books.outcomes["loss"] > 0]
    amount, day = (facts["application_id"].map(loans[name]) for name in ("amount", "applied_at"))
    beyond = (facts["loss"] > amount).groupby(np.array([one.date() in CONCEPT for one in day])).mean()
    assert beyond[False] == 0
    assert beyond[True] > 0.05


def test_the_second_version_has_the_columns_of_the_credit_bureau(tmp_path: Path) -> None:
    found = []
    for bureau in (False, True):
        write_model(tmp_path, bureau=bureau)
        spec = load_specs(tmp_path, only=MODEL)[MODEL]
        assert spec.scoring
        found.append([set(BUREAU) & set(spec.columns.features), *(name in spec.scoring.sql for name in BUREAU)])
        assert f"applied_at >= '{UNIT.start}' and applied_at < '{UNIT.end}' then income / 1000" in spec.scoring.sql
    assert found == [[set(), False, False], [set(BUREAU), True, True]]


def look(day: date, *alarms: tuple[str, date]) -> Any:
    standing = [Alarm(name=n, kind="feature", since=since, new=since == day, sentence=n) for n, since in alarms]
    report = SimpleNamespace(alarms=standing, cohorts=(), review=None)
    return SimpleNamespace(as_of=day, decision=1, version=1, report=report)


def test_an_alarm_that_comes_back_is_there_twice_and_asks_again_after_the_cooldown() -> None:
    days = [MIX.start + timedelta(days=7 * n) for n in range(30)]
    first, again = days[2], days[20]
    looks = [
        look(day, *([("channel", first)] if first <= day < days[5] else [("channel", again)] if day >= again else []))
        for day in days
    ]
    said = Said(looks, [START, SECOND], END)
    assert [(one.since, one.until) for one in said.alarms] == [(first, days[4]), (again, days[-1])]
    assert said.asked == [first, again]
    lines = list(said.lines)
    assert lines[1][2:4] == [f"`channel` {first} to {days[4]}", str(first)]
