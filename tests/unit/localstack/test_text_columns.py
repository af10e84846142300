"""Numbers and dates that came as text."""

from __future__ import annotations

import pyarrow as pa
import pytest

from localstack.text_columns import TextColumns


def warned(*batches: list[str | None], name: str = "amount") -> list[str]:
    columns = TextColumns()
    for values in batches:
        columns.add(pa.record_batch({name: pa.array(values, pa.string()), "n": list(range(len(values)))}))
    return list(columns.warnings())


@pytest.mark.parametrize(
    ("values", "found"),
    [
        (["1", "2", None, ""], "amount came as text: 2 of its 2 values are numbers."),
        ([" 1", "2.5e3", "-.5"], "amount came as text: 3 of its 3 values are numbers."),
        (["13.5%", "7%"], "amount came as text: 2 of its 2 values are numbers, such as '13.5%'."),
        (["1.234,50", "$ 12", "7"], "amount came as text: 3 of its 3 values are numbers, such as '1.234,50'."),
        (["0012", "7", "0003"],
         "amount came as text: 3 of its 3 values are numbers, such as '0012', whose digits a number would not keep."),
        (["01.02.2024", "5/6/24"], "amount came as text: 2 of its 2 values are dates, such as '01.02.2024'."),
        (["Dec-2015", "01-Jan-2016"], "amount came as text: 2 of its 2 values are dates, such as 'Dec-2015'."),
        (["2024-01-01 10:00", "2024-01-02", "never"],
         "amount came as text: 2 of its 3 values are dates, 1 is not, such as 'never' in row 3."),
    ],
)  # fmt: skip
def test_a_column_of_numbers_or_dates_is_named(values: list[str | None], found: str) -> None:
    (warning,) = warned(values)
    assert warning.startswith(found)


def test_the_row_of_the_example_counts_over_batches() -> None:
    (warning,) = warned(["1"] * 10_000, ["2", "oops", "bad"])
    assert "10,001 of its 10,003 values are numbers, 2 are not, such as 'oops' in row 10,002" in warning
    assert "nullif(\"amount\", 'oops')::float8" in warning


@pytest.mark.parametrize(
    "values", [["red", "green", "1"], [None, ""], ["A1", "B2"], ["192.168.0.1.7x"], ["Box 10", "Box 11"]]
)
def test_words_are_words(values: list[str | None]) -> None:
    assert warned(values) == []


def test_a_number_that_needs_a_cast_alone_gets_one() -> None:
    (warning,) = warned(["0012", "7"], name="Serial No")
    assert 'in the query, with "Serial No"::float8. Codes, such as postal codes, may stay text.' in warning


def test_what_a_cast_would_lose_is_kept_by_the_advice() -> None:
    (commas,) = warned(["28.947,78", "3,5 %"])
    assert "replace(regexp_replace(\"amount\", '[^-+0-9,]', '', 'g'), ',', '.')::float8" in commas
    (times,) = warned(["03.01.2022 01:51", "04.01.2022 13:00"])
    assert "to_timestamp(\"amount\", 'DD.MM.YYYY HH24:MI:SS')" in times, "to_date would cut the time of day off"


def test_a_name_is_quoted() -> None:
    """`user::float8` asked for the name of the database's user, and `order::float8` was no SQL."""
    (reserved,) = warned(["01", "02"], name="user")
    assert 'with "user"::float8' in reserved
    (warning,) = warned(["1", "2", "it's"], name="Amount")
    assert """nullif("Amount", 'it''s')::float8""" in warning
