"""What the test by event compares, and when."""

from __future__ import annotations

from datetime import timedelta

from support.factories import a_spec
from titleholder.data.leakage.event_test import delays


def test_everything_that_is_known_at_the_event_is_compared_together() -> None:
    columns = a_spec(columns__weight="exposure", columns__cluster="customer").columns
    assert delays(columns) == {
        timedelta(0): ["issued_at", "exposure", "income", "debt", "purpose", "region", "age_band"]
    }


def test_features_that_are_known_later_are_compared_with_the_facts_of_then() -> None:
    columns = a_spec(columns__known_after={"debt": "3 days", "purpose": "3 days", "income": "1 hour"}).columns
    found = delays(columns)
    assert found[timedelta(days=3)] == ["debt", "purpose"]
    assert found[timedelta(hours=1)] == ["income"]
    assert found[timedelta(0)] == ["issued_at", "region", "age_band"]
