"""A model's SQL: which names it binds, and what reaches PostgreSQL."""

from __future__ import annotations

import time

import pytest

from titleholder.spec.sql import by_day, from_settings, parameters, unfinished, without, without_comments


@pytest.mark.parametrize(
    ("sql", "names"),
    [
        ("select 1 where a <= :as_of", ["as_of"]),
        ("select :window_start, :as_of, :window_end", ["window_start", "as_of", "window_end"]),
        ("select :as_of, :as_of + interval '1 day'", ["as_of"]),
        ("select (:as_of)::date", ["as_of"]),
        ("select :as_of::date", ["as_of"]),
        ("select :whatever", ["whatever"]),
        ("select a::date, b::as_of", []),
        ("select ':as_of'", []),
        ("select 'it''s :as_of'", []),
        ('select ":as_of"', []),
        ('select "a"":as_of"', []),
        ("select 1 -- :as_of", []),
        ("select 1 -- it's\n, :as_of", ["as_of"]),
        ("select /* :as_of\n :as_of */ :window_end", ["window_end"]),
        ("select $$ :as_of $$, :window_end", ["window_end"]),
        ("select $tag$ $$ :as_of $tag$, :window_end", ["window_end"]),
        ("select a[1:2], '{}'::int[]", []),
        ("select a := 1", []),
        ("select f(a :=:as_of)", ["as_of"]),
        (r"select E'\'', :as_of, ':x'", ["as_of"]),
        (r"select e'\\', :as_of, '\', :window_end", ["as_of", "window_end"]),
        ("select E'a'\n  -- more\n '\\' :x', :as_of", ["as_of"]),
        ("select E'a' '\\', :as_of", ["as_of"]),
        (r"select U&'\0041 :x', n':x', x'1f', b'01', U&\":x\", :as_of", ["as_of"]),
        ("select somee':x', :as_of", ["as_of"]),
        ("select a$b$, :as_of, c$b$", ["as_of"]),
        ("select ä$b$, :as_of, ä$b$", ["as_of"]),
        ("select $1$ :as_of", ["as_of"]),
        ("select $$ $a$ :x $$, :as_of", ["as_of"]),
        ("select /* a /* b */ :x */ :as_of", ["as_of"]),
        ("select 1 -- :x\r, :as_of", ["as_of"]),
        ("select a[lo:hi], a[:hi], a[lo :hi], a[lo: hi], a[(lo):hi], a[b[1]:hi], a[lo::int:hi]", []),
        ("select a[1:hi] from t where k <= :as_of", ["as_of"]),
        ("select array[:as_of, :window_end], array [:window_start]", ["as_of", "window_end", "window_start"]),
        ("select array[[:as_of], [:window_end]]", ["as_of", "window_end"]),
        ("select array[case when a then :as_of else :window_end end]", ["as_of", "window_end"]),
        ("select a[extract(day from :as_of)::int:hi]", ["as_of"]),
        ("select json_object('a':n, k:n, (k):n, \"k\":n), json_objectagg(k:n)", []),
        ("select json_object('a': :as_of, k value :window_end, key:n)", ["as_of", "window_end"]),
        (
            "select json_object(k:(select :as_of where n between :window_start and :window_end))",
            ["as_of", "window_start", "window_end"],
        ),
        ("select $$ :as_of", []),
        ("select ')', ']', \"[\", :as_of", ["as_of"]),
    ],
)
def test_finds_the_bound_names_and_nothing_that_looks_like_one(sql: str, names: list[str]) -> None:
    assert parameters(sql) == names


@pytest.mark.parametrize(
    ("sql", "sent"),
    [
        ("select :as_of", "select (SELECT current_setting('titleholder.as_of')::timestamptz)"),
        (
            "select :window_start, :window_end",
            "select (SELECT current_setting('titleholder.window_start')::timestamptz), (SELECT current_setting('titleholder.window_end')::timestamptz)",
        ),
        (
            "select :as_of, :as_of",
            "select (SELECT current_setting('titleholder.as_of')::timestamptz), (SELECT current_setting('titleholder.as_of')::timestamptz)",
        ),
        ("select :as_of::date", "select (SELECT current_setting('titleholder.as_of')::timestamptz)::date"),
        ("select 'a:as_of', \":as_of\" -- :as_of", "select 'a:as_of', \":as_of\" -- :as_of"),
        ("select /* :as_of */ $x$:as_of$x$", "select /* :as_of */ $x$:as_of$x$"),
        ("  select 1 ;\n", "select 1"),
        ("select 1;;\n;", "select 1"),
        ("select ';'", "select ';'"),
        ("select ' ; -- x'", "select ' ; -- x'"),
        ("select a[lo:hi]", "select a[lo:hi]"),
        (" \xa0[:as_of", "\xa0[:as_of"),
        (r"select E'\';'", r"select E'\';'"),
        ("select 1 /* a /* ; */ b */ ;", "select 1 /* a /* ; */ b */"),
    ],
)
def test_replaces_the_names_by_places_and_leaves_the_rest_as_written(sql: str, sent: str) -> None:
    assert from_settings(sql) == sent


@pytest.mark.parametrize(
    ("sql", "sent"),
    [
        ("select 1 ;\n-- the end", "select 1 \n-- the end"),
        ("select 1;/* the end */", "select 1/* the end */"),
        ("select 1; -- a\n ; /* b */", "select 1 -- a\n  /* b */"),
    ],
)
def test_a_semicolon_goes_even_with_comments_behind_it(sql: str, sent: str) -> None:
    assert from_settings(sql) == sent


@pytest.mark.parametrize(
    "sql",
    [
        "; " * 60_000 + "x",
        "/*" * 120_000,
        "$a$b" * 60_000,
        "E'" * 120_000,
        "'" * 240_001,
        "-- a " * 50_000,
        "a[:b" * 60_000,
    ],
)
def test_a_query_is_read_in_the_time_that_its_length_takes(sql: str) -> None:
    """A search for what follows each semicolon took minutes for this."""
    begun = time.process_time()
    assert from_settings(sql).strip()
    assert time.process_time() - begun < 5


@pytest.mark.parametrize(
    ("sql", "clause"),
    [
        ("select 1,\n 'a", "in line 2 a quote or comment begins and never ends: 'a"),
        ("select /* a /* b */\n:as_of", "in line 1 a quote or comment begins and never ends: /* a /* b */"),
        ("select $a$ $b$", "in line 1 a quote or comment begins and never ends: $a$ $b$"),
        ('select "a', 'in line 1 a quote or comment begins and never ends: "a'),
        ("select E'\\'", "in line 1 a quote or comment begins and never ends: E'\\'"),
        ("select 'a', \"b\", $$c$$, E'\\'' /* /* */ */ -- '", ""),
    ],
)
def test_what_never_ends_is_named_with_its_line(sql: str, clause: str) -> None:
    assert unfinished(sql) == clause


def test_a_semicolon_between_statements_stays_for_postgres_to_refuse() -> None:
    assert from_settings("select 1; /* a */ select 2 /* b */") == "select 1; /* a */ select 2 /* b */"


def test_rows_are_counted_by_day_and_only_those_whose_column_is_true() -> None:
    whole = by_day("select 1", "at", "bad", "integer")
    assert whole.endswith("AS extract GROUP BY 1")
    assert 'min("bad"::integer) AS lowest, max("bad"::integer) AS highest' in whole
    assert 'count(*) FILTER (WHERE "bad"::integer = 1) AS events' in whole
    assert by_day("select 1", "at", "bad", "integer", 'is"ok') == whole.replace("GROUP BY", 'WHERE "is""ok" GROUP BY')


def test_comments_are_removed_and_strings_stay() -> None:
    sql = "select 'a -- b', x -- the clock: now()\nfrom t /* current_date */"
    assert without_comments(sql).split() == ["select", "'a", "--", "b',", "x", "from", "t"]


def test_a_query_is_read_without_the_date_of_its_outcome() -> None:
    """The leak test blamed it as a feature, although it tells about the label only."""
    names = ["id", "defaulted_on", 'odd "name"']
    found = without("defaulted_on", names, "select * from t")
    assert found == 'select q."id", q."odd ""name""" from (select * from t) q'
    assert without(None, names, "select 1") == without("other", names, "select 1") == "select 1"
