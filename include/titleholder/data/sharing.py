"""The SQL by which PostgreSQL says which cohorts are as they were, and sends only what is not (pure text).

A cohort is a calendar month (UTC) of event time. PostgreSQL runs a spec's query once, over its whole window, and sums
each cohort up in four numbers: its rows, two sums of independent 64-bit hashes over them and, where texts may decide
the order of rows, one sum that goes by that order. A row is hashed as `record_send` gives it: byte for byte what COPY
would send, whatever the session's settings and the types' own ideas of equality are (0.0 and -0.0, 1.0 and 1.00).

Equal sums mean equal rows unless hashes collide: with rows that changed by accident both sums agree by a chance of
about 2^-128. Rows that stay while their order changes (the database's collation did) agree by one of about 2^-32.
Hashes keep accidents out, not somebody who may write to the warehouse and searches for a collision: they are not
cryptographic.
"""

from __future__ import annotations

from collections.abc import Sequence

from titleholder.spec.sql import from_settings, quoted, setting

COHORT, RANK, SUMS, HELD = "titleholder.cohort", "titleholder.rank", "titleholder.sums", "held"
HASHES = ("titleholder.hash_1", "titleholder.hash_2")
SEEDS = (1, 2)
NO_TIME = "290000-01-01 UTC"
"""The cohort of rows without an event time: the last, as they are in PostgreSQL's order."""


def statement(
    sql: str, names: Sequence[str], event_time: str, entity: str, known_at: str | None, *, collated: bool
) -> str:
    """The rows of `sql` that are not held, in the order of a snapshot; `names` are its columns.

    What is held stands in the setting `titleholder.held`, as JSON: `whole` lists sums of cohorts, `since` the moment
    since which a cohort may have changed. Of a cohort with sums in `whole` no rows come, of one in `since` those
    with a later `known_at`, of any other all. With `collated`, sums go by the order of rows too.

    Behind the query's own columns stand a row's cohort, its two hashes, its rank in the cohort from 1, and NULL. A row
    of rank 0 goes before each cohort, with its sums as text in the last column and nothing in the query's own.
    Filters stand outside the query: whatever it computes over its window, it computes over all of it.
    """
    first, second = map(quoted, HASHES)
    cohort, rank, each = quoted(COHORT), quoted(RANK), ", ".join(map(quoted, names))
    number = f"row_number() OVER (PARTITION BY {cohort} ORDER BY {quoted(event_time)}, {quoted(entity)}) AS {rank}"
    changed = f"({quoted(known_at)} <= since) IS NOT TRUE" if known_at else "true"
    nothing = ", ".join(f"NULL AS {quoted(name)}" for name in names)
    return f"""
WITH "titleholder.rows" AS MATERIALIZED (
  SELECT *{", " + number if collated else ""} FROM (
    SELECT {each}, coalesce(date_trunc('month', {quoted(event_time)}), timestamptz '{NO_TIME}') AS {cohort},
      hash_record_extended(ROW(sent), {SEEDS[0]}) AS {first}, hash_record_extended(ROW(sent), {SEEDS[1]}) AS {second}
    FROM (SELECT *, record_send(plain) AS sent FROM (SELECT * FROM (
{from_settings(sql)}
    ) AS asked OFFSET 0) AS plain OFFSET 0) AS hashed
  OFFSET 0) AS ordered
), "titleholder.cohorts" AS MATERIALIZED (
  SELECT of.*, base.since, EXISTS (
    SELECT FROM jsonb_to_recordset({_held("whole")})
      AS whole (cohort timestamptz, n bigint, sum_1 numeric, sum_2 numeric, sum_3 numeric)
    WHERE (whole.cohort, whole.n) = (of.cohort, of.n)
      AND (whole.sum_1, whole.sum_2, whole.sum_3) = (of.sum_1, of.sum_2, of.sum_3)
  ) AS held
  FROM (
    SELECT {cohort} AS cohort, count(*) AS n, sum({first}) AS sum_1, sum({second}) AS sum_2,
      {f"sum(({second} >> 32) * {rank})" if collated else "0::numeric"} AS sum_3
    FROM "titleholder.rows" GROUP BY {cohort}
  ) AS of
  LEFT JOIN jsonb_to_recordset({_held("since")}) AS base (cohort timestamptz, since timestamptz) USING (cohort)
)
SELECT {nothing}, cohort AS {cohort}, NULL AS {first}, NULL AS {second}, 0 AS {rank},
  concat_ws(' ', n, sum_1, sum_2, sum_3) AS {quoted(SUMS)}
FROM "titleholder.cohorts"
UNION ALL
SELECT {each}, {cohort}, {first}, {second}, {rank}, NULL FROM (
  SELECT "titleholder.rows".*, {"" if collated else number + ", "}since
  FROM "titleholder.rows" JOIN "titleholder.cohorts" ON cohort = {cohort} AND NOT held
) AS wanted
WHERE {changed}
ORDER BY {cohort}, {rank}"""  # noqa: S608  (values are bound, identifiers quoted)


def _held(part: str) -> str:
    return f"(SELECT current_setting('{setting(HELD)}')::jsonb -> '{part}')"
