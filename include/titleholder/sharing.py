"""The SQL by which PostgreSQL says which cohorts are as they were, and sends only what is not (pure text).

A cohort is a calendar month (UTC) of event time. PostgreSQL runs a spec's query once, over its whole window, and sums
each cohort up in four numbers: its rows, two sums of independent 64-bit hashes over them, and one sum that goes by
their order. A row is hashed as `record_send` gives it: byte for byte what COPY would send, whatever the session's
settings and the types' own ideas of equality are (0.0 and -0.0, 1.0 and 1.00).

Equal sums mean equal rows unless hashes collide: with rows that changed by accident both sums agree by a chance of
about 2^-128. Rows that stay while their order changes (the database's collation did) agree by one of about 2^-32.
Hashes keep accidents out, not somebody who may write to the warehouse and searches for a collision: they are not
cryptographic.
"""

from __future__ import annotations

from collections.abc import Sequence

from titleholder import query
from titleholder.query import quoted

COHORT, RANK, SUMS = "titleholder.cohort", "titleholder.rank", "titleholder.sums"
HASHES = ("titleholder.hash_1", "titleholder.hash_2")
SEEDS = (1, 2)
HELD, ROW_SUMS = "held", ("titleholder.n", "titleholder.sum_1", "titleholder.sum_2", "titleholder.sum_3")


def statement(sql: str, names: Sequence[str], event_time: str, entity: str, known_at: str | None) -> str:
    """The rows of `sql` that are not held, in the order of a snapshot; `names` are its columns.

    What is held stands in the setting `titleholder.held`, as JSON: `whole` lists sums of cohorts, `since` the moment
    since which a cohort may have changed. Of a cohort with sums in `whole` no rows come, of one in `since` those
    with a later `known_at`, of any other all. The first row of every cohort comes in any case, to carry its sums.

    Behind the query's own columns stand the row's cohort, its two hashes, its rank in the cohort and, in the first, the
    sums as text. Filters stand outside the query: whatever it computes over its window, it computes over all of it.
    """
    time, who, (first, second) = quoted(event_time), quoted(entity), map(quoted, HASHES)
    cohort, rank, (n, *sums) = quoted(COHORT), quoted(RANK), map(quoted, ROW_SUMS)
    changed = f"({quoted(known_at)} <= base.since) IS NOT TRUE" if known_at else "true"
    each = ", ".join(map(quoted, names))
    return f"""
SELECT {each}, {cohort}, {first}, {second}, {rank},
  CASE WHEN {rank} = 1 THEN concat_ws(' ', {n}, {", ".join(sums)}) END AS {quoted(SUMS)}
FROM (
  SELECT *, count(*) OVER cohort AS {n}, sum({first}) OVER cohort AS {sums[0]}, sum({second}) OVER cohort AS {sums[1]},
    sum(({second} >> 32) * {rank}) OVER cohort AS {sums[2]}
  FROM (
    SELECT *, row_number() OVER (PARTITION BY {cohort} ORDER BY {time}, {who}) AS {rank}
    FROM (
      SELECT {each}, date_trunc('month', {time}) AS {cohort},
        hash_record_extended(ROW(sent), {SEEDS[0]}) AS {first}, hash_record_extended(ROW(sent), {SEEDS[1]}) AS {second}
      FROM (SELECT *, record_send(extract) AS sent FROM (
        SELECT * FROM (
{query.from_settings(sql)}
        ) AS plain OFFSET 0) AS extract OFFSET 0) AS hashed
      OFFSET 0) AS ordered
  ) AS ranked
  WINDOW cohort AS (PARTITION BY {cohort})
) AS summed
LEFT JOIN jsonb_to_recordset({_held("since")}) AS base (cohort timestamptz, since timestamptz) ON base.cohort = {cohort}
WHERE {rank} = 1 OR (
  (({cohort}, {n}, {", ".join(sums)}) IN (
    SELECT cohort, n, sum_1, sum_2, sum_3 FROM jsonb_to_recordset({_held("whole")})
      AS whole (cohort timestamptz, n bigint, sum_1 numeric, sum_2 numeric, sum_3 numeric)
  )) IS NOT TRUE
  AND {changed}
)
ORDER BY {cohort}, {rank}"""  # noqa: S608  (values are bound, identifiers quoted)


def _held(part: str) -> str:
    return f"(SELECT current_setting('{query.setting(HELD)}')::jsonb -> '{part}')"
