"""Types of values in a spec: what they parse, print and refuse."""

from __future__ import annotations

import copy
import pickle
from datetime import date, timedelta

import pytest
from dateutil.relativedelta import relativedelta
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from titleholder.spec.types import Duration, ElapsedTime, Lane


@pytest.mark.parametrize(
    ("text", "delta", "canonical"),
    [
        ("1 day", relativedelta(days=1), "1 day"),
        ("90 days", relativedelta(days=90), "90 days"),
        ("12 weeks", relativedelta(days=84), "84 days"),
        ("18 months", relativedelta(months=18), "1 year 6 months"),
        ("1 year 6 months", relativedelta(months=18), "1 year 6 months"),
        ("1 month 15 days", relativedelta(months=1, days=15), "1 month 15 days"),
        ("1 month 1 month", relativedelta(months=2), "2 months"),
        (" 2 years ", relativedelta(years=2), "2 years"),
    ],
)
def test_a_duration_is_parsed_and_printed(text: str, delta: relativedelta, canonical: str) -> None:
    assert Duration.parse(text) == delta
    assert str(Duration.parse(text)) == canonical


@pytest.mark.parametrize(
    "text", ["", "six months", "6", "6 m", "6months", "-6 months", "1.5 years", "6 months ago", "6 months, 2 days", 6]
)
def test_an_invalid_duration_is_refused_with_an_example(text: object) -> None:
    with pytest.raises(ValueError, match="written as '90 days', '12 weeks', '18 months' or '1 year 6 months'"):
        Duration.parse(text)


@pytest.mark.parametrize("text", ["0 days", "0 months 0 days"])
def test_a_duration_of_zero_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="longer than zero"):
        Duration.parse(text)


@given(years=st.integers(0, 50), months=st.integers(0, 50), days=st.integers(0, 800))
def test_a_duration_reads_back_what_it_prints(years: int, months: int, days: int) -> None:
    if years or months or days:
        duration = Duration.parse(f"{years} years {months} months {days} days")
        assert Duration.parse(str(duration)) == duration
        assert date(2000, 1, 1) + duration == date(2000, 1, 1) + relativedelta(years=years, months=months, days=days)


@pytest.mark.parametrize(
    ("text", "delta", "canonical"),
    [
        ("1 minute", timedelta(minutes=1), "1 minute"),
        ("90 minutes", timedelta(minutes=90), "1 hour 30 minutes"),
        ("12 hours", timedelta(hours=12), "12 hours"),
        ("36 hours", timedelta(hours=36), "1 day 12 hours"),
        ("2 weeks", timedelta(days=14), "14 days"),
        ("3 days", timedelta(days=3), "3 days"),
        (" 1 hour  1 hour ", timedelta(hours=2), "2 hours"),
        ("366 days", timedelta(days=366), "366 days"),
    ],
)
def test_a_span_of_time_is_parsed_and_printed(text: str, delta: timedelta, canonical: str) -> None:
    assert ElapsedTime.parse(text) == delta
    assert str(ElapsedTime.parse(text)) == canonical


@pytest.mark.parametrize(
    "text", ["", "noon", "12", "12h", "12hours", "-1 hours", "1.5 hours", "1 hour ago", "1 year", 6, None]
)
def test_an_invalid_span_of_time_is_refused_with_an_example(text: object) -> None:
    with pytest.raises(ValueError, match="written as '30 minutes', '12 hours', '3 days' or '2 weeks'"):
        ElapsedTime.parse(text)


@pytest.mark.parametrize("text", ["366 days 1 minute", "8785 hours", "99999999999999999999 weeks"])
def test_a_span_is_at_most_a_year(text: str) -> None:
    with pytest.raises(ValueError, match="at most 366 days"):
        ElapsedTime.parse(text)


@given(days=st.integers(0, 300), hours=st.integers(0, 500), minutes=st.integers(0, 5000))
def test_a_span_reads_back_what_it_prints(days: int, hours: int, minutes: int) -> None:
    if days or hours or minutes:
        span = ElapsedTime.parse(f"{days} days {hours} hours {minutes} minutes")
        assert ElapsedTime.parse(str(span)) == span == timedelta(days=days, hours=hours, minutes=minutes)


def test_a_span_survives_copies() -> None:
    span = ElapsedTime.parse("1 day 12 hours")
    for again in (copy.deepcopy(span), pickle.loads(pickle.dumps(span))):
        assert (again, str(again)) == (span, "1 day 12 hours")


@pytest.mark.parametrize("text", ["3 days", "12 weeks"])
def test_whole_days_print_alike_as_duration_and_as_span_of_time(text: str) -> None:
    assert str(ElapsedTime.parse(text)) == str(Duration.parse(text))


LANES = TypeAdapter(Lane)


@pytest.mark.parametrize("name", ["live", "backtest", "what-if-2", "a_b", "a" * 40])
def test_a_lane_has_a_plain_name(name: str) -> None:
    assert LANES.validate_python(name) == name


@pytest.mark.parametrize("name", ["", "Live", "2nd", "a" * 41, "a b", "a/b", "-a", "live\n"])
def test_any_other_name_is_no_lane(name: str) -> None:
    with pytest.raises(ValidationError, match="String should match pattern"):
        LANES.validate_python(name)
