"""Two extracts of one query, compared: what differs, with an example."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict

from titleholder.data.leakage.table_copies import TableCopies
from titleholder.spec.sql import quoted

BASELINE, ORIGINAL, CHANGED = "extract_baseline", "extract_original", "extract_changed"
"""Temporary tables with extracts: without later facts, from the tables as they are, and after some change to them."""
TOLERANCE = 1e-9
"""Numbers that differ by less, relative to their size, are the same: sums depend on the order of the rows."""


class Leak(BaseModel):
    """One way in which facts that were not known yet change the extract.

    `test` is what was varied: the facts after `as_of`, those after each event, or `:as_of` itself. `column` is the
    column that changes; `rows` where whole rows come or go. `source` is the table whose facts showed it. `before` and
    `after` are the value for one entity, as an example. `lag` is the longest time, in seconds, that is shown to lie
    between an event and the facts that changed its row: they became known later than that. `share` is that of the
    holdout's rows, where whole rows come or go with a later `:as_of`.
    """

    model_config = ConfigDict(frozen=True)

    test: Literal["future", "event", "as_of"]
    column: str
    source: str
    rows: int
    entity_column: str
    entity: str
    before: str
    after: str
    lag: float | None = None
    share: float | None = None


def shown(value: object) -> str:
    """A value of an extract, as SQL names it.

    >>> shown(None), shown(0.5)
    ('null', '0.5')
    """
    return "null" if pd.isna(value) else str(value)  # type: ignore[call-overload]


def extract(copies: TableCopies, into: str, *, more: str = "") -> None:
    """Extract into a temporary table; `more` are columns computed from a row `x`."""
    copies.run(f"DROP TABLE IF EXISTS pg_temp.{into}")
    copies.run(f"CREATE TEMP TABLE {into} AS SELECT x.*{more} FROM ({copies.query}) x")


def extract_hashed(copies: TableCopies, into: str) -> str:
    """Extract with a hash of each row, `row_md5`; returns one of all rows that does not depend on their order."""
    extract(copies, into, more=", md5(x::text) AS row_md5")
    facts = copies.rows(
        "SELECT count(*), sum(hashtextextended(row_md5, 0)::numeric), sum(hashtextextended(row_md5, 1)::numeric) "
        f"FROM {into}"
    )
    return hashlib.sha256(str(facts).encode()).hexdigest()


def whole_rows(copies: TableCopies, entity: str, extracted: str, source: str) -> Iterator[Leak]:
    """The differences between an extract and the baseline: in columns, and rows that come or go."""
    removed, added = _only_in(copies, BASELINE, extracted), _only_in(copies, extracted, BASELINE)
    if removed.empty and added.empty:
        return
    once = [set(rows[entity].drop_duplicates(keep=False)) for rows in (removed, added)]
    both = sorted(once[0] & once[1])
    before, after = (rows[rows[entity].isin(both)].set_index(entity).loc[both] for rows in (removed, added))
    for column in before.columns:
        differ = differing(before[column], after[column])
        if differ.any():
            example = differ[differ].index[0]
            yield Leak(
                test="future", column=column, source=source, rows=int(differ.sum()), entity_column=entity,
                entity=str(example), before=shown(before[column][example]), after=shown(after[column][example]),
            )  # fmt: skip
    for rows, was, becomes in ((removed, "present", "absent"), (added, "absent", "present")):
        others = rows[~rows[entity].isin(both)]
        if len(others):
            yield Leak(
                test="future", column="rows", source=source, rows=len(others), entity_column=entity,
                entity=str(others[entity].iloc[0]), before=was, after=becomes,
            )  # fmt: skip


def _only_in(copies: TableCopies, one: str, other: str) -> pd.DataFrame:
    """Rows of one extract that the other lacks; a row that occurs twice must occur twice in the other too."""
    numbered = "SELECT t.*, row_number() OVER (PARTITION BY row_md5) AS row_n FROM {} t"
    found = copies.rows(
        f"SELECT a.* FROM ({numbered.format(one)}) a LEFT JOIN ({numbered.format(other)}) b USING (row_md5, row_n) "
        "WHERE b.row_md5 IS NULL ORDER BY a.row_md5, a.row_n"
    )
    names = [d.name for d in copies.cursor.description or ()]
    return pd.DataFrame(found, columns=names, dtype=object).drop(columns=["row_md5", "row_n"])


def same_entities(
    copies: TableCopies, entity: str, columns: Sequence[str], where: str = "TRUE"
) -> tuple[int, pd.DataFrame]:
    """The rows of one entity in `ORIGINAL` and `CHANGED`: how many were compared, and those in which a column differs.

    The frame has one row for each that differs, indexed by the entity, with `before` and `after` as the outer level of
    its columns. `where` is a condition on the original row `o`.
    """
    key = quoted(entity)
    pairs = f"FROM {ORIGINAL} o JOIN {CHANGED} c ON o.{key}::text = c.{key}::text WHERE {where}"
    ((compared,),) = copies.rows(f"SELECT count(DISTINCT o.{key}) {pairs}")
    texts = [f"{side}.{quoted(c)}::text" for side in "oc" for c in columns]
    differ = " OR ".join(f"o.{quoted(c)}::text IS DISTINCT FROM c.{quoted(c)}::text" for c in columns)
    found = copies.rows(f"SELECT o.{key}::text, {', '.join(texts)} {pairs} AND ({differ}) ORDER BY 1")
    if not found:
        return int(compared), pd.DataFrame()
    names = pd.MultiIndex.from_product([["before", "after"], columns])
    frame = pd.DataFrame([row[1:] for row in found], columns=names, index=[row[0] for row in found], dtype=object)
    return int(compared), frame


def differing(before: pd.Series, after: pd.Series) -> pd.Series:
    """Which values differ, by more than rounding where both are numbers; two missing values are the same."""
    differ = (before != after) & ~(before.isna() & after.isna())
    old, new = (pd.to_numeric(v.where(differ), errors="coerce").to_numpy(dtype=float) for v in (before, after))
    return pd.Series(differ.to_numpy(dtype=bool) & ~np.isclose(old, new, rtol=TOLERANCE, atol=0), index=before.index)
