"""Numbers as people write them: which texts are one."""

from __future__ import annotations

import re

import pytest

from titleholder.data.table_profile import AMOUNT


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("$60,000.00", True),
        ("7.5 %", True),
        ("1,180", True),
        ("0.743", True),
        ("0,743", False),
        ("-0,743", False),
        ("052,290", False),
        ("52,29", False),
    ],
)
def test_a_comma_after_a_zero_is_no_sign_of_thousands(text: str, is_one: bool) -> None:
    """`0,743` became 743."""
    assert bool(re.search(AMOUNT, text)) == is_one
