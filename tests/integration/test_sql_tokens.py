"""Odd queries, read by the lexer of this package and by PostgreSQL: both find the same."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg2
import pytest

from titleholder.spec.sql import from_settings, parameters, setting, unfinished
from titleholder.spec.sql_tokens import significant

pytestmark = pytest.mark.slow
MOMENT = "2024-07-01 00:00:00+00"


@pytest.fixture
def cursor(env: dict[str, str]) -> Iterator[Any]:
    connection = psycopg2.connect(env["AIRFLOW_CONN_WAREHOUSE"].replace("postgres://", "postgresql://"))
    try:
        with connection.cursor() as found:
            found.execute("set time zone 'UTC'")
            for name in ("as_of", "window_start", "window_end"):
                found.execute("select set_config(%s, %s, true)", (setting(name), MOMENT))
            yield found
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("sql", "first"),
    [
        (r"select E'\'' || ':x', :as_of", "':x"),
        (r"select E'\\' || ':x', :as_of, '\', ':y'", "\\:x"),
        ("select E'a'\n  -- more\n '\\':x', :as_of", "a':x"),
        (r"select e'\\\'' || $$':x$$, :as_of", r"\'':x"),
        ("select a[lo:hi], :as_of from (select array[1, 2, 3] a, 2 lo, 3 hi) t", [2, 3]),
        ("select a[lo :hi], a[lo: hi], :as_of from (select array[1, 2, 3] a, 2 lo, 3 hi) t", [2, 3]),
        ("select a[:hi], :as_of from (select array[1, 2, 3] a, 2 hi) t", [1, 2]),
        ("select a[lo::int:hi], :as_of from (select array[1, 2, 3] a, 2 lo, 3 hi) t", [2, 3]),
        ("select a[(lo):hi], a[b[1]:hi], :as_of from (select array[1, 2, 3] a, array[2] b, 2 lo, 3 hi) t", [2, 3]),
        ("select a[extract(day from :as_of)::int:hi] from (select array[1, 2, 3] a, 2 hi) t", [1, 2]),
        ("select a$b$, :as_of, c$b$ from (select 1 a$b$, 2 c$b$) t", 1),
        ("select ä$b$, :as_of, ö$b$ from (select 1 ä$b$, 2 ö$b$) t", 1),
        ("select 1 /* a /* b */ :x */, :as_of /**/ /***/ /*/*/**/*/*/", 1),
        ("select 2 */* :x */ 3, :as_of", 6),
        ("select 5 - -- :x\n 3, :as_of", 2),
        ("select 1 -- :x\r, :as_of", 1),
        ("select $a$ $$ ':x $a$, :as_of", " $$ ':x "),
        (r"select U&'\0041:x', :as_of", "A:x"),
        (r'select U&"d\0061ta :x", :as_of from (select 1 as "data :x") t', 1),
        ("select 'it''s :x', :as_of::date", "it's :x"),
        ('select "a"":x", :as_of from (select 1 as "a"":x") t', 1),
        ("select n'a:x', b'01', x'1f', :as_of", "a:x"),
        ("select cardinality(array[:as_of, :window_end] || array [:window_start]), :as_of", 3),
        ("select cardinality(array[[:as_of], [:window_end]])", 2),
        ("select cardinality(array[case when true then :as_of else :window_end end])", 1),
        ("select json_object('a':n, k:n)::text, :as_of from (select 1 n, 'b' k) t", '{"a" : 1, "b" : 1}'),
        ("select json_object('a' value extract(year from :as_of), 'b' value :as_of)->>'a'", "2024"),
        ("select json_object('a': :as_of, ('b'):(:as_of))->>'b', :as_of", "2024-07-01T00:00:00+00:00"),
        ("select json_object('a':(select n), 'b':case when true then :as_of end)->>'a' from (select 1 n) t", "1"),
        ("select json_objectagg(k:n)::text, 1 from (select 'b' k, 1 n where :as_of is not null) t", '{ "b" : 1 }'),
        ("select extract(day from make_interval(days := 2))::int, :as_of", 2),
        ("select 1, '] ) [' || ':x', :as_of;; -- the end\n /* ; */ ;", 1),
    ],
)  # fmt: skip
def test_postgresql_runs_what_is_sent_and_finds_no_parameter_left(cursor: Any, sql: str, first: Any) -> None:
    cursor.execute(
        f"select * from (\n{from_settings(sql)}\n) as q({', '.join(f'c{n}' for n in range(width(cursor, sql)))})"
    )
    row = cursor.fetchone()
    assert row[0] == first
    assert set(parameters(sql)) <= {"as_of", "window_start", "window_end"}


def width(cursor: Any, sql: str) -> int:
    """The number of columns, which have no names or equal ones."""
    cursor.execute(from_settings(sql))
    return len(cursor.description)


@pytest.mark.parametrize(
    "sql", ["select 'a", "select E'\\'", "select $a$ $b$", "select /* /* */ 1", 'select "a', "select U&'a", "select $$a$", "select '''"]
)  # fmt: skip
def test_what_never_ends_is_refused_by_both(cursor: Any, sql: str) -> None:
    assert unfinished(sql)
    with pytest.raises(psycopg2.errors.SyntaxError, match="unterminated"):
        cursor.execute(sql)


def test_names_are_those_that_postgresql_gives(cursor: Any) -> None:
    names = ["Amount", "ÄB", "a$1", '"Odd ""one"', r'U&"d\0061\+00006c\\ta"', "_x", "é€", '"ß\tü"']
    cursor.execute(f"select {', '.join(f'1 as {name}' for name in names)}")
    assert [column.name for column in cursor.description] == [
        token.identifier for name in names for token in significant(name)
    ]
