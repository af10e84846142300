"""How numbers, dates and names are printed."""

from __future__ import annotations

import math
from datetime import datetime, timedelta, timezone

import pytest

from titleholder import formatting
from titleholder.formatting import MINUS, NOTHING


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0.71234, "0.7123"),
        (-0.00004, f"{MINUS}0.000040"),
        (0.0, "0.0000"),
        (-0.0, "0.0000"),
        (123.456, "123.46"),
        (12345.678, "12,346"),
        (None, NOTHING),
        (math.nan, NOTHING),
        (-math.inf, f"{MINUS}∞"),
    ],
)
def test_numbers_have_the_places_that_their_size_needs(value: float | None, written: str) -> None:
    assert formatting.number(value) == written


@pytest.mark.parametrize("name", formatting.NAMES)
def test_only_names_and_abbreviations_have_a_capital_inside_a_sentence(name: str) -> None:
    inside = formatting.metric(name, inside=True)
    assert inside.lower() == formatting.metric(name).lower()
    assert inside.split()[0] in ("ROC", "Gini", "KS", "PR", "Brier", "RMSE", "MAE", "R²") or inside.islower()


def test_numbers_of_one_column_share_their_places() -> None:
    assert formatting.number(0.00004, like=0.5) == "0.0000"
    assert formatting.signed(3.14159, like=250.0) == "+3.14"
    assert formatting.between(-0.1, 0.2, 0.2, "+") == f"{MINUS}0.1000 to +0.2000"
    assert formatting.between(-math.inf, math.inf) == NOTHING
    assert formatting.scale([None, -3.0, math.inf, 2.0]) == 3.0


@pytest.mark.parametrize(("logarithm", "written"), [(0.0, "1"), (3.0, "20.1"), (8.0, "2,981"), (2000.0, "10^868.6")])
def test_evidence_is_readable_whatever_its_size(logarithm: float, written: str) -> None:
    assert formatting.evidence(logarithm) == written


def test_a_moment_is_printed_in_utc_in_any_time_zone() -> None:
    summer = timezone(timedelta(hours=2))
    assert formatting.stamp(datetime(2026, 7, 1, 1, 30, tzinfo=summer)) == "2026-06-30 23:30 UTC"
    assert formatting.stamp(datetime(2026, 7, 1, 1, 30)) == "2026-07-01 01:30 UTC"
    assert formatting.stamp(None) == ""


def test_a_label_in_a_picture_is_one_short_line() -> None:
    assert formatting.short("a\n b\x07c") == "a b c"
    assert len(formatting.short("x" * 99)) == formatting.LONGEST
