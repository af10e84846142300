"""The leak test: whether anything that became known after `as_of` changes what a query extracts.

The query runs over copies of its tables in three states: as they are, without the facts that became known later, and
with synthetic later facts in their place. A query that uses only what was known extracts the same rows each time.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import pandas as pd
from pydantic import BaseModel, ConfigDict

from titleholder.data import as_of_range
from titleholder.data.leakage.synthetic_future import SyntheticFuture
from titleholder.data.leakage.table_copies import TableCopies, copy_tables
from titleholder.errors import UsageError
from titleholder.spec.model import ModelSpec
from titleholder.spec.source import TableHistory

BASELINE, ORIGINAL, SYNTHETIC = "extract_baseline", "extract_original", "extract_synthetic"
"""Temporary tables with the extracts: without later facts, from the tables as they are, with synthetic later facts."""


class TableResult(BaseModel):
    """How many later facts a table had, which were removed, and how many synthetic ones were inserted."""

    model_config = ConfigDict(frozen=True)

    table: str
    later_facts: int
    synthetic_facts: int


class Leak(BaseModel):
    """One way in which later facts change the extract.

    `column` is the column that changes; `rows` where whole rows come or go. `source` is the table whose synthetic facts
    showed it, or "later facts in the tables". `baseline` and `changed` are the value for one entity, as an example.
    """

    model_config = ConfigDict(frozen=True)

    column: str
    source: str
    rows: int
    entity_column: str
    entity: str
    baseline: str
    changed: str


class LeakReport(BaseModel):
    """The result of a leak test.

    `hashes` has one entry for each state of the tables: a hash of what the query extracts then. `unverified` has, for
    each table that is overwritten in place, the columns that query or spec use and `changes` does not name: they cannot
    be tested, because their values on `as_of` are not known.

    >>> LeakReport.model_construct(leaks=(), warnings=("One table is empty.",)).passed
    True
    """

    model_config = ConfigDict(frozen=True)

    model: str
    as_of: date
    rows: int
    hashes: dict[str, str]
    tables: tuple[TableResult, ...]
    leaks: tuple[Leak, ...]
    warnings: tuple[str, ...]
    unverified: dict[str, tuple[str, ...]]

    @property
    def passed(self) -> bool:
        """Whether no leak was found."""
        return not self.leaks


def leaktest(spec: ModelSpec, as_of: date, *, url: str, on_step: Callable[[str], None] = lambda _: None) -> LeakReport:
    """Extract at `as_of` from tables that differ only in what became known later, and compare the extracts.

    The warehouse is not changed: the copies are temporary tables of one transaction, which is rolled back.

    Raises:
        UsageError: when the spec does not say when a table's rows become known, or there is nothing to compare.
        DataError: when a statement fails in the warehouse.
        ServiceError: when the warehouse cannot be reached.
    """
    spans = as_of_range.intervals(url, spec, as_of)
    on_step("copy")
    with copy_tables(url, spec, spans, as_of) as copies:
        futures = _futures(copies, spec)
        hashes = {"original": _extract(copies, ORIGINAL)}
        later = {name: future.remove_later_facts() for name, future in futures.items()}
        hashes["later facts removed"] = _extract(copies, BASELINE)
        ((rows,),) = copies.rows(f"SELECT count(*) FROM {BASELINE}")
        if not rows:
            raise UsageError(f"{spec.name}: the query extracts no rows as of {as_of}: there is nothing to compare")
        leaks = list(_leaks(copies, spec, ORIGINAL, "later facts in the tables"))
        inserted = {}
        for name, future in futures.items():
            on_step(name)
            with copies.rolled_back():
                inserted[name] = future.insert()
                hashes[f"synthetic facts in {name}"] = _extract(copies, SYNTHETIC)
                leaks += _leaks(copies, spec, SYNTHETIC, name)
        return LeakReport(
            model=spec.name,
            as_of=as_of,
            rows=rows,
            hashes=hashes,
            tables=tuple(TableResult(table=n, later_facts=later[n], synthetic_facts=inserted[n]) for n in futures),
            leaks=tuple(leaks),
            warnings=tuple(_warnings(copies, inserted)),
            unverified={n: columns for n, future in futures.items() if (columns := future.unverified(_words(spec)))},
        )


def _futures(copies: TableCopies, spec: ModelSpec) -> dict[str, SyntheticFuture]:
    """One for each table whose facts become known at some time, by name. The spec must declare every table."""
    declared = {_oid(copies, name): facts for name, facts in spec.source.tables.items()}
    unknown = [name for name in spec.source.tables if _oid(copies, name) not in {t.oid for t in copies.tables}]
    missing = [t.name for t in copies.tables if t.oid not in declared]
    if unknown or missing:
        parts = [f"source.tables does not declare {', '.join(missing)}, which the query reads"] if missing else []
        parts += [f"source.tables declares {', '.join(unknown)}, which the query does not read"] if unknown else []
        raise UsageError(
            f"{spec.name}: {'; '.join(parts)}. Declare when the rows of a table became known, such as "
            "`{known_at: recorded_at}`, or `static` where they never change; the query reads "
            f"{', '.join(t.name for t in copies.tables) or 'no table'}"
        )
    found = {
        t.name: SyntheticFuture(copies, t, f) for t in copies.tables if isinstance(f := declared[t.oid], TableHistory)
    }
    if not found:
        raise UsageError(f"{spec.name}: every table is static: no later facts can be inserted")
    return found


def _words(spec: ModelSpec) -> set[str]:
    """Every word of the query, and every column that the spec names."""
    return {*re.findall(r"\w+", spec.sql), *spec.columns.all}


def _oid(copies: TableCopies, name: str) -> Any:
    """A table by its name as the spec writes it, or None; a name without a schema is looked up in `public`."""
    ((oid,),) = copies.rows("SELECT to_regclass(%s)::oid", (name if "." in name else f"public.{name}",))
    return oid


def _extract(copies: TableCopies, into: str) -> str:
    """Extract into a temporary table; returns a hash of its rows that does not depend on their order."""
    copies.run(f"DROP TABLE IF EXISTS pg_temp.{into}")
    copies.run(f"CREATE TEMP TABLE {into} AS SELECT x.*, md5(x::text) AS row_md5 FROM ({copies.query}) x")
    facts = copies.rows(
        "SELECT count(*), sum(hashtextextended(row_md5, 0)::numeric), sum(hashtextextended(row_md5, 1)::numeric) "
        f"FROM {into}"
    )
    return hashlib.sha256(str(facts).encode()).hexdigest()


def _leaks(copies: TableCopies, spec: ModelSpec, extract: str, source: str) -> Iterator[Leak]:
    """The differences between an extract and the baseline."""
    removed, added = _only_in(copies, BASELINE, extract), _only_in(copies, extract, BASELINE)
    if removed.empty and added.empty:
        return
    entity = spec.columns.entity
    once = [set(rows[entity].drop_duplicates(keep=False)) for rows in (removed, added)]
    both = sorted(once[0] & once[1])
    before, after = (rows[rows[entity].isin(both)].set_index(entity).loc[both] for rows in (removed, added))
    for column in before.columns:
        old, new = before[column], after[column]
        differ = (old != new) & ~(old.isna() & new.isna())
        if differ.any():
            example = differ[differ].index[0]
            yield Leak(
                column=column, source=source, rows=int(differ.sum()), entity_column=entity, entity=str(example),
                baseline=str(old[example]), changed=str(new[example]),
            )  # fmt: skip
    for rows, baseline, changed in ((removed, "present", "absent"), (added, "absent", "present")):
        others = rows[~rows[entity].isin(both)]
        if len(others):
            yield Leak(
                column="rows", source=source, rows=len(others), entity_column=entity,
                entity=str(others[entity].iloc[0]), baseline=baseline, changed=changed,
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


def _warnings(copies: TableCopies, inserted: dict[str, int]) -> Iterator[str]:
    for name in (n for n, count in inserted.items() if not count):
        yield f"no synthetic facts could be inserted into {name}: it has no rows to copy, or its keys leave no room"
    for function in copies.functions:
        yield f"the query calls {function}: the tables that a function reads are not copied, so they were not tested"
