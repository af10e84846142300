"""Which columns a query's columns read."""

from __future__ import annotations

import pytest

from titleholder.spec.loader import DEFAULT_FOLDER, load_specs
from titleholder.spec.select_list import names_read


@pytest.mark.parametrize(
    ("item", "reads", "not_read"),
    [
        ("nullif(btrim(\"State\"), '') as x", {"State"}, set()),
        ("Amount as x", {"amount"}, {"Amount"}),
        ("greatest(a, b + c)::int as x", {"a", "b", "c"}, set()),
        ("a, b as x", {"b"}, {"a"}),
        ("extract(epoch from a - b.began) / 60 as x", {"a", "began"}, {"b"}),
        ("(select max(p.value) from other p where p.id = t.id and p.seen < at) as x", {"value"}, {"id", "seen", "at"}),
        ("'a as b' || c as x -- d as x\n", {"c"}, {"a", "b", "d"}),
        ("cast(a as date) as x", {"a"}, set()),
        ("E'it\\'s a as b' || c as x", {"c"}, {"a", "b", "e"}),
        ('U&"d\\0061ta" || $q$ a as x, $q$ as x', {"data"}, {"a", "q", "u"}),
        ("a /* b /* c as x, */ d as x, */ as x", {"a"}, {"b", "c", "d"}),
        ("a$b$ + c$b$ as x", {"a$b$", "c$b$"}, {"a", "b"}),
        ("p /* the loan's */ . amount::numeric + :as_of as x", {"amount"}, {"p", "as_of", "loan"}),
        ("sum(a) filter (where b) over (partition by c) as x", {"a", "b", "c"}, set()),
    ],
)
def test_names_of_the_expression_count_and_no_others(item: str, reads: set[str], not_read: set[str]) -> None:
    found = names_read(f"select id, {item} from t where z > :as_of", "x")
    assert reads <= found
    assert not found & (not_read | {"id", "z", "t"})


def test_what_is_read_through_other_names_counts_too() -> None:
    sql = "with p as (select *, a + b as total from t), q as (select total / c as rate from p) select rate * 2 as x from q"
    assert {"a", "b", "c", "total", "rate"} <= names_read(sql, "x")
    assert "x" not in names_read("select x + 1 as x from t", "x")


def test_a_shipped_query_is_read() -> None:
    sql = load_specs(DEFAULT_FOLDER)["lending_club_default"].sql
    assert {"issue_d", "earliest_cr_line"} <= names_read(sql, "credit_age_years")
    assert "loan_status" in names_read(sql, "charged_off"), "through two names"
    assert "loan_status" not in names_read(sql, "emp_years")
    assert names_read(sql, "no_such_column") == frozenset()
