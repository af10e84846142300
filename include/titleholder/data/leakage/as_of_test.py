"""The test by `:as_of`: events that had matured are there, with the same features and label, in a later extract.

The tables stay as they are; only `:as_of` moves, to a year after the last fact.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from scipy import stats

from titleholder.data.leakage.comparison import CHANGED, ORIGINAL, Leak, differing, extract, same_entities, shown
from titleholder.data.leakage.table_copies import TableCopies
from titleholder.data.leakage.table_facts import TableFacts
from titleholder.spec.model import ModelSpec
from titleholder.spec.sql import quoted
from titleholder.spec.windows import Intervals, midnight

LATER = timedelta(days=366)
SOURCE = "a later :as_of"

_ONLY_IN = """
SELECT count(*), count(*) FILTER (WHERE happened >= {held}), min(happened), (array_agg(id ORDER BY happened, id))[1],
    (SELECT count(*) FROM {one} WHERE {time}::timestamptz >= {held})
FROM (
    SELECT {time}::timestamptz AS happened, {key}::text AS id FROM {one} a
    WHERE NOT EXISTS (SELECT FROM {other} b WHERE b.{key}::text = a.{key}::text)
) AS rows
"""
"""`held` is written into it: beside bound values psycopg2 would read a `%` in a column's name as a place for one."""


class AsOfTest(NamedTuple):
    """How many labels were corrected after their maturity, the leaks, and rows that come or go, but few of them."""

    corrected: int
    leaks: list[Leak]
    few: list[Leak]


def as_of_test(
    copies: TableCopies, spec: ModelSpec, spans: Intervals, as_of: datetime, tables: Mapping[str, TableFacts]
) -> AsOfTest:
    """Compare `ORIGINAL` with a later extract; a corrected label is a leak unless the spec declares corrections.

    Rows that come or go are a leak where it is shown, at the spec's confidence, that their share of the holdout's rows
    is larger than `windows.late_rows`.

    Source: Clopper & Pearson (1934), The use of confidence or fiducial limits illustrated in the case of the binomial,
    Biometrika 26(4), for the exact binomial test.
    """
    names = spec.columns
    columns = [*names.features, names.weight, *names.segments, *names.protected, names.event_time, names.target]
    with copies.rolled_back():
        copies.bind("as_of", _last_fact(copies, as_of, tables) + LATER)
        extract(copies, CHANGED)
        _, frame = same_entities(copies, names.entity, list(dict.fromkeys(filter(None, columns))))
        moved = [*_moved(copies, spec, spans, as_of)]
    corrected, leaks, few = 0, [leak for leak, many in moved if many], [leak for leak, many in moved if not many]
    for column in frame["before"].columns if len(frame) else ():
        differ = differing(frame["before", column], frame["after", column]).to_numpy()
        if not differ.any():
            continue
        if column == names.target and names.target_corrected:
            corrected = int(differ.sum())
            continue
        first = frame.iloc[int(differ.argmax())]
        leaks.append(
            Leak(
                test="as_of", column=str(column), source=SOURCE, rows=int(differ.sum()), entity_column=names.entity,
                entity=str(first.name), before=shown(first["before", column]), after=shown(first["after", column]),
            )
        )  # fmt: skip
    return AsOfTest(corrected, leaks, few)


def _moved(copies: TableCopies, spec: ModelSpec, spans: Intervals, as_of: datetime) -> Iterator[tuple[Leak, bool]]:
    """Matured events that only one of the two extracts has, and whether they are many; the example is the oldest."""
    names, usual, risk = spec.columns, spec.windows.late_rows, 1 - spec.judgement.confidence
    of_query = {"time": quoted(names.event_time), "key": quoted(names.entity)}
    held_from = f"'{midnight(spans.holdout_start).isoformat()}'"
    for one, other, before, after in (
        (CHANGED, ORIGINAL, "absent", "present"),
        (ORIGINAL, CHANGED, "present", "absent"),
    ):
        statement = _ONLY_IN.format(one=one, other=other, held=held_from, **of_query)
        ((rows, held, first, example, of),) = copies.rows(statement)
        if rows:
            many = bool(held) and stats.binomtest(held, of, usual, alternative="greater").pvalue < risk
            leak = Leak(
                test="as_of", column="rows", source=SOURCE, rows=rows, entity_column=names.entity, entity=example,
                before=before, after=after, lag=(as_of - first).total_seconds(), share=held / of if of else 0.0,
            )  # fmt: skip
            yield leak, many


def _last_fact(copies: TableCopies, as_of: datetime, tables: Mapping[str, TableFacts]) -> datetime:
    """The time when the last fact became known, or `as_of` where that is later."""
    last = as_of
    for facts in tables.values():
        ((known,),) = copies.rows(
            f"SELECT max(k) FROM (SELECT {facts.known}::timestamptz AS k FROM {facts.table.copy}) t "
            "WHERE isfinite(k) AND k < '9000-01-01'"
        )
        last = max(last, known.astimezone(UTC) if known else last)
    return last
