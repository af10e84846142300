"""A view's definition over the copies of its tables."""

from __future__ import annotations

import pytest

from titleholder.data.leakage.table_copies import Relation, rewrite

RELATIONS = {
    name: Relation(n, name, name.rpartition(".")[2], is_view=False, copy=f"pg_temp.copy_{n}")
    for n, name in enumerate(["lender.outcomes", "lender.outcomes_late", 'lender."Odd Name"'])
}


@pytest.mark.parametrize(
    ("definition", "expected"),
    [
        ("FROM lender.outcomes o", "FROM pg_temp.copy_0 o"),
        ('FROM lender.outcomes "O"', 'FROM pg_temp.copy_0 "O"'),
        ("FROM lender.outcomes\n  WHERE outcomes.id = 1", "FROM pg_temp.copy_0 AS outcomes\n  WHERE outcomes.id = 1"),
        ("FROM (lender.outcomes JOIN", "FROM (pg_temp.copy_0 AS outcomes JOIN"),
        ("FROM lender.outcomes_late l", "FROM pg_temp.copy_1 l"),
        ('FROM lender."Odd Name"', 'FROM pg_temp.copy_2 AS "Odd Name"'),
        ("FROM xlender.outcomes o, lender.outcomes2 p", "FROM xlender.outcomes o, lender.outcomes2 p"),
        ("SELECT lender.outcomes.id", "SELECT lender.outcomes.id"),
        ("SELECT 'lender.outcomes'", "SELECT 'lender.outcomes'"),
    ],
)
def test_each_table_is_replaced_by_its_copy(definition: str, expected: str) -> None:
    assert rewrite(definition, RELATIONS) == expected


def test_a_query_of_no_table_stays_as_it_is() -> None:
    assert rewrite("SELECT 1", {}) == "SELECT 1"
