"""The leak trap: does anything that became known after `as_of` reach what a query extracts?

Three worlds, in scratch copies of the tables that the query reads: as they are, without what became known later, and
with another future planted. A query that keeps its word extracts the same rows from each.
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
from titleholder.data.leakage.synthetic_future import Bed
from titleholder.data.leakage.table_copies import Scratch, copies
from titleholder.errors import UsageError
from titleholder.spec.model import ModelSpec, TableHistory

BEFORE = "world_without"
"""The extract from the world without the future: what the others are held to."""


class Planted(BaseModel):
    """What the future of one table was: facts that were there already, taken out, and facts that were planted."""

    model_config = ConfigDict(frozen=True)

    table: str
    known_later: int
    planted: int


class Leak(BaseModel):
    """A difference that the future makes: in which column (`rows`: rows that come or go), and an example."""

    model_config = ConfigDict(frozen=True)

    column: str
    rows: int
    entity: str
    without: str
    with_future: str
    through: str
    entity_column: str


class Trap(BaseModel):
    """What a leak test found. `hashes` are those of the extracts, by world.

    `on_trust` has, of each table that is overwritten in place, the columns that query and spec name and `changes` does
    not: what they said on `as_of` nobody can know.
    """

    model_config = ConfigDict(frozen=True)

    model: str
    as_of: date
    rows: int
    hashes: dict[str, str]
    tables: tuple[Planted, ...]
    leaks: tuple[Leak, ...]
    warnings: tuple[str, ...]
    on_trust: dict[str, tuple[str, ...]]

    @property
    def tight(self) -> bool:
        """Whether nothing leaked."""
        return not self.leaks


def leaktest(spec: ModelSpec, as_of: date, *, url: str, on_step: Callable[[str], None] = lambda _: None) -> Trap:
    """Extract at `as_of` from worlds that differ only in what became known later, and compare.

    Nothing is written to the warehouse: the copies are temporary tables of one transaction that is rolled back.

    Raises:
        UsageError: when the spec does not say when a table's rows become known, or there is nothing to compare.
        DataError: when a statement fails in the warehouse.
        ServiceError: when the warehouse cannot be reached.
    """
    spans = as_of_range.spans(url, spec, as_of)
    on_step("copy")
    with copies(url, spec, spans, as_of) as scratch:
        beds = _beds(scratch, spec)
        hashes = {"as it is": _extract(scratch, "world_as_is")}
        later = {name: bed.harvest() for name, bed in beds.items()}
        hashes["without the future"] = _extract(scratch, BEFORE)
        ((rows,),) = scratch.rows(f"SELECT count(*) FROM {BEFORE}")
        if not rows:
            raise UsageError(f"{spec.name}: the query extracts no rows as of {as_of}: there is nothing to compare")
        leaks = list(_leaks(scratch, spec, "world_as_is", "what is there already"))
        counts = {}
        for name, bed in beds.items():
            on_step(name)
            with scratch.undone():
                counts[name] = bed.plant()
                hashes[f"planted: {name}"] = _extract(scratch, "world_planted")
                leaks += _leaks(scratch, spec, "world_planted", name)
        return Trap(
            model=spec.name,
            as_of=as_of,
            rows=rows,
            hashes=hashes,
            tables=tuple(Planted(table=n, known_later=later[n], planted=counts[n]) for n in beds),
            leaks=tuple(leaks),
            warnings=tuple(_warnings(scratch, counts)),
            on_trust={name: trusted for name, bed in beds.items() if (trusted := bed.on_trust(_named(spec)))},
        )


def _beds(scratch: Scratch, spec: ModelSpec) -> dict[str, Bed]:
    """The tables whose facts become known some time, by name; every table must be declared."""
    declared = {_oid(scratch, name): facts for name, facts in spec.source.tables.items()}
    unknown = [name for name in spec.source.tables if _oid(scratch, name) not in {t.oid for t in scratch.tables}]
    missing = [t.name for t in scratch.tables if t.oid not in declared]
    if unknown or missing:
        parts = [f"the query reads {', '.join(missing)}, of which source.tables says nothing"] if missing else []
        parts += [f"source.tables names {', '.join(unknown)}, which the query does not read"] if unknown else []
        raise UsageError(
            f"{spec.name}: {'; '.join(parts)}. Say when the rows of a table became known, such as "
            "`{known_at: recorded_at}`, or `static` where they never change; it reads "
            f"{', '.join(t.name for t in scratch.tables) or 'no table'}"
        )
    found = {t.name: Bed(scratch, t, f) for t in scratch.tables if isinstance(f := declared[t.oid], TableHistory)}
    if not found:
        raise UsageError(f"{spec.name}: every table is static: there is no future to plant")
    return found


def _named(spec: ModelSpec) -> set[str]:
    """Every word of the query, and every column that the spec names."""
    return {*re.findall(r"\w+", spec.sql), *spec.columns.all}


def _oid(scratch: Scratch, name: str) -> Any:
    """A table by its name as the spec writes it, or None; one without a schema is looked for in `public`."""
    ((oid,),) = scratch.rows("SELECT to_regclass(%s)::oid", (name if "." in name else f"public.{name}",))
    return oid


def _extract(scratch: Scratch, world: str) -> str:
    """Extract into a temporary table; returns a hash of its rows that does not depend on their order."""
    scratch.run(f"DROP TABLE IF EXISTS pg_temp.{world}")
    scratch.run(f"CREATE TEMP TABLE {world} AS SELECT x.*, md5(x::text) AS row_md5 FROM ({scratch.query}) x")
    facts = scratch.rows(
        "SELECT count(*), sum(hashtextextended(row_md5, 0)::numeric), sum(hashtextextended(row_md5, 1)::numeric) "
        f"FROM {world}"
    )
    return hashlib.sha256(str(facts).encode()).hexdigest()


def _leaks(scratch: Scratch, spec: ModelSpec, world: str, through: str) -> Iterator[Leak]:
    """What differs between a world's extract and the one without the future."""
    gone, came = _only_in(scratch, BEFORE, world), _only_in(scratch, world, BEFORE)
    if gone.empty and came.empty:
        return
    entity = spec.columns.entity
    once = [set(rows[entity].drop_duplicates(keep=False)) for rows in (gone, came)]
    both = sorted(once[0] & once[1])
    before, after = (rows[rows[entity].isin(both)].set_index(entity).loc[both] for rows in (gone, came))
    for column in before.columns:
        old, new = before[column], after[column]
        differ = (old != new) & ~(old.isna() & new.isna())
        if differ.any():
            who = differ[differ].index[0]
            yield Leak(
                column=column, rows=int(differ.sum()), entity=str(who), entity_column=entity, through=through,
                without=str(old[who]), with_future=str(new[who]),
            )  # fmt: skip
    for rows, without, with_future in ((gone, "there", "gone"), (came, "not there", "there")):
        others = rows[~rows[entity].isin(both)]
        if len(others):
            yield Leak(
                column="rows", rows=len(others), entity=str(others[entity].iloc[0]), entity_column=entity,
                through=through, without=without, with_future=with_future,
            )  # fmt: skip


def _only_in(scratch: Scratch, one: str, other: str) -> pd.DataFrame:
    """Rows of one extract that the other lacks; a row given twice must be there twice."""
    numbered = "SELECT t.*, row_number() OVER (PARTITION BY row_md5) AS row_n FROM {} t"
    found = scratch.rows(
        f"SELECT a.* FROM ({numbered.format(one)}) a LEFT JOIN ({numbered.format(other)}) b USING (row_md5, row_n) "
        "WHERE b.row_md5 IS NULL ORDER BY a.row_md5, a.row_n"
    )
    names = [d.name for d in scratch.cursor.description or ()]
    return pd.DataFrame(found, columns=names, dtype=object).drop(columns=["row_md5", "row_n"])


def _warnings(scratch: Scratch, counts: dict[str, int]) -> Iterator[str]:
    for name in (n for n, planted in counts.items() if not planted):
        yield f"nothing could be planted in {name}: it has no rows that could be patterns, or its keys leave no room"
    for call in scratch.calls:
        yield f"the query calls {call}: what a function reads is not copied, so nothing was planted there"
