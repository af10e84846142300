"""What the periods of a schedule are called, and which crons can be one."""

from __future__ import annotations

import time
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from titleholder.spec.cadence import Cadence, cadence, fault


@pytest.mark.parametrize(
    ("cron", "noun"),
    [
        *[("@daily", "day"), ("@midnight", "day"), ("15 6 * * *", "day")],
        *[("@weekly", "week"), ("0 6 * * 1", "week"), ("0 6 * * SUN", "week")],
        *[("@monthly", "month"), ("0 6 28 * *", "month"), ("0 6 L * *", "month"), ("0 6 * * 1#1", "month")],
        *[("0 6 1 */3 *", "quarter"), ("0 6 15 2,5,8,11 *", "quarter")],
        *[("@yearly", "year"), ("@annually", "year"), ("0 0 1 7 *", "year")],
        *[("0 6 * * MON-FRI", "run"), ("0 6 1,15 * *", "run"), ("0 6 31 * *", "run"), ("0 0 29 2 *", "run")],
    ],
)
def test_a_period_is_named_after_the_time_between_ticks(cron: str, noun: str) -> None:
    assert fault(cron) == ""
    assert cadence(cron).noun == noun


def test_without_a_schedule_a_period_is_a_run() -> None:
    assert cadence(None).many(3) == "3 runs"


@pytest.mark.parametrize(
    ("cron", "why"),
    [
        *[
            ("@hourly", "more than once a day"),
            ("* * * * *", "more than once a day"),
            ("0 */6 * * *", "more than once"),
        ],
        *[("0,30 6 * * *", "more than once a day"), ("0 6,18 1 * *", "more than once a day")],
        *[("0 0 30 2 *", "never fires"), ("0 0 31 4,6,9,11 *", "never fires")],
        *[("0 0 6 1 * *", "has 6 fields"), ("0 6 1 * * 0 2030", "has 7 fields")],
        *[("CRON_TZ=UTC 0 6 1 * *", "names a time zone"), ("TZ=Asia/Tokyo @daily", "names a time zone")],
        *[("", "no cron"), ("@once", "no cron"), ("@every 5m", "no cron"), ("60 6 * * *", "no cron")],
        *[("R R * * *", "no cron"), ("H(0-5) 6 * * *", "no cron")],
    ],
)
def test_a_cron_that_is_no_schedule_says_why_and_what_is_valid(cron: str, why: str) -> None:
    assert why in fault(cron)
    assert "valid are five fields" in fault(cron)
    assert cadence(cron).noun == "run"


def test_a_text_of_any_length_is_no_hang() -> None:
    begun = time.process_time()
    assert cadence("1," * 500_000 + "1 6 1 * *").noun == "run"
    assert time.process_time() - begun < 1


@given(
    st.sampled_from(["day", "week", "month", "quarter", "year", "run"]), st.dates(date(2000, 1, 1), date(2030, 1, 1))
)
def test_an_age_grows_with_time_and_begins_at_none(noun: str, since: date) -> None:
    one = Cadence(noun)  # type: ignore[arg-type]
    assert one.age(since, since).startswith("0 ")
    later = [int(one.age(since, since + timedelta(days=n)).split()[0].replace(",", "")) for n in range(59)]
    assert later == sorted(later)


@pytest.mark.parametrize(
    ("noun", "age"),
    [("day", "185 days"), ("week", "26 weeks"), ("month", "6 months"), ("quarter", "2 quarters"), ("year", "1 year"),
     ("run", "6 months")],
)  # fmt: skip
def test_an_age_is_in_periods(noun: str, age: str) -> None:
    assert Cadence(noun).age(date(2010, 12, 15), date(2011, 6, 18)) == age  # type: ignore[arg-type]


def test_labels_of_ticks_tell_them_apart() -> None:
    days = [date(2011, 6, 1) + timedelta(days=n) for n in range(10)]
    assert len({Cadence("day").label(day) for day in days}) == 10
    assert Cadence("month").label(date(2011, 6, 1)) == "2011-06"
    assert Cadence("week").label(date(2011, 6, 6)) == "2011-06-06"
