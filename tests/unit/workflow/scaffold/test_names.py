"""Names of columns in a spec: lower case, in words, no two alike."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from titleholder.workflow.scaffold.names import aliases, snake_case, words


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("loan_id", "loan_id"),
        ("LoanID", "loan_id"),
        ("MIS_Status", "mis_status"),
        ("XMLFile2Id", "xml_file2_id"),
        ("Origin Airport (IATA)", "origin_airport_iata"),
        ("30d late?", "c_30d_late"),
        ("Kündigung", "kundigung"),
        ("日期", "column"),
    ],
)
def test_a_name_in_lower_case(name: str, expected: str) -> None:
    assert snake_case(name) == expected
    assert words(name) == set(expected.split("_"))


@given(st.lists(st.text(min_size=1, max_size=70), unique=True, max_size=30))
def test_every_column_has_a_name_of_its_own_that_needs_no_quotes(names: list[str]) -> None:
    given_names = aliases(names)
    assert list(given_names) == names
    assert len(set(given_names.values())) == len(names)
    assert all(re.fullmatch(r"[a-z][a-z0-9_]{0,62}", alias) for alias in given_names.values())
