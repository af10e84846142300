"""Dates as text: which texts are read as one, and how."""

from __future__ import annotations

import re

import pytest

from titleholder.data.table_profile import DATE_FORMATS


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("2024-01", "to_timestamp(d, 'YYYY-MM')"),
        ("2024-13", None),
        ("2024-01-31 10:00", "cast(d as timestamp)"),
        ("2024-01-31T10:00:00+02:00", "cast(d as timestamptz)"),
        ("31.12.2025", "to_timestamp(d, 'DD.MM.YYYY')"),
        ("31.12.2025 23:59", "to_timestamp(d, 'DD.MM.YYYY HH24:MI:SS')"),
        ("12/31/2025", "to_timestamp(d, 'MM/DD/YYYY')"),
        ("12/31/2025 11:59 PM", "to_timestamp(d, 'MM/DD/YYYY HH12:MI AM')"),
        ("12/31/2025 11:59:30pm", "to_timestamp(d, 'MM/DD/YYYY HH12:MI:SS AM')"),
        ("12/31/2025 noon", None),
    ],
)
def test_a_text_is_a_date_by_the_first_pattern_that_fits(text: str, first: str | None) -> None:
    found = [how.format(c="d") for pattern, how in DATE_FORMATS.items() if re.search(pattern, text)]
    assert next(iter(found), None) == first
