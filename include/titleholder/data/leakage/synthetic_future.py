"""The future of a table, in its scratch copy: taken out, and planted anew in another form.

Each planted row is a real one whose moment was moved past `as_of` and some of whose values come from another real row:
one column at a time, all but one, and none (a mere repetition). So whatever a query lets in, something of it shows.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from titleholder.data.leakage.table_copies import Relation, Scratch
from titleholder.errors import UsageError
from titleholder.spec.model import TableHistory
from titleholder.spec.sql import quoted, setting

ROWS = 2_000
"""At most so many rows of a table are patterns; each gives about two plants a column."""
AFTER = ("1 microsecond", "1 second", "1 hour", "1 day", "8 days", "32 days", "100 days", "400 days")
"""How long after `as_of` planted facts become known: some at once, for cut-offs that are a little too late."""
NOW = f"current_setting('{setting('as_of')}')::timestamptz"
_COUNTED = "(SELECT max({c}) FROM {t}) + n"
FRESH = {
    **dict.fromkeys(("int2", "int4", "int8", "numeric"), _COUNTED),
    **dict.fromkeys(("text", "varchar"), "'planted ' || n"),
    "uuid": "gen_random_uuid()",
}
"""A new value for a key, by type."""

_COLUMNS = """
SELECT a.attname, format_type(a.atttypid, a.atttypmod), t.typname, EXISTS (
    SELECT FROM pg_index i JOIN pg_attribute o ON o.attrelid = i.indrelid AND o.attnum = ANY(i.indkey)
    WHERE i.indrelid = %(table)s AND i.indisprimary AND o.attname = a.attname
)
FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
WHERE a.attrelid = %(copy)s::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""


class Column(NamedTuple):
    """A column: its name as SQL writes it, its type in full and by its plain name, and whether it is a key's part."""

    name: str
    kind: str
    plain: str
    in_key: bool


class Bed:
    """A table's copy, and what the spec says of its facts."""

    def __init__(self, scratch: Scratch, table: Relation, facts: TableHistory) -> None:
        self.scratch, self.table, self.facts = scratch, table, facts
        found = scratch.rows(_COLUMNS, {"table": table.oid, "copy": table.copy})
        self.columns = [Column(quoted(name), *more) for name, *more in found]
        named = [*([] if facts.changes else [facts.known_at]), *filter(None, [facts.until]), *facts.changes]
        self._names = valid = [name for name, *_ in found]
        if unknown := [n for n in named if n not in valid]:
            raise UsageError(
                f"source.tables: {table.name} has no column {', '.join(unknown)}; it has {', '.join(valid)}"
            )
        self.known = f"({facts.known_at})" if facts.changes else quoted(facts.known_at)
        self.until = quoted(facts.until) if facts.until else ""

    def on_trust(self, named: set[str]) -> tuple[str, ...]:
        """Of a table overwritten in place, the columns among those named that are not said to be overwritten."""
        if not self.facts.changes:
            return ()
        told = {*self.facts.changes, *re.findall(r"\w+", self.facts.known_at)}
        return tuple(name for name in self._names if name in named - told)

    def harvest(self) -> int:
        """Take out what became known after `as_of`; returns the number of such facts.

        A version that was superseded later is in force again. Rows overwritten in place stay as they are: what they
        said before is not known.
        """
        t, k, u = self.table.copy, self.known, self.until
        if self.facts.changes:
            return int(self.scratch.rows(f"SELECT count(*) FROM {t} WHERE {k} > {NOW}")[0][0])
        gone = self.scratch.run(f"DELETE FROM {t} WHERE {k} > {NOW}")
        if u:
            in_force = f"(SELECT CASE WHEN bool_or({u} IS NULL) THEN NULL ELSE max({u}) END FROM {t})"
            gone += self.scratch.run(f"UPDATE {t} SET {u} = {in_force} WHERE {u} > {NOW}")
        return gone

    def plant(self) -> int:
        """Plant another future; returns the number of facts planted."""
        if self.facts.changes:
            return self._overwrite()
        self._patterns(f"{self.known} <= {NOW}", limit=ROWS)
        return self._insert() + (self._supersede() if self.until else 0)

    def _patterns(self, condition: str, limit: int | None = None) -> None:
        """Rows of the copy in an order that is as good as random, each with the one after it: s.*, o.*."""
        self.scratch.run("DROP TABLE IF EXISTS pg_temp.pattern")
        self.scratch.run(
            "CREATE TEMP TABLE pattern AS SELECT p.*, row_number() OVER () AS pattern_n FROM ("
            f"SELECT t.*, t.ctid AS pattern_row FROM {self.table.copy} t WHERE {condition} "
            f"ORDER BY hashtextextended(t::text, 1) LIMIT {'ALL' if limit is None else limit}) p"
        )

    def _insert(self) -> int:
        """Variant v of a pattern: 0 changes nothing, i > 0 column i only, i < 0 every column but i."""
        others = [c for c in self.columns if c.name != self.known]
        values = [self._mixed(n, c) for n, c in enumerate(others, start=1)]
        (known,) = (c for c in self.columns if c.name == self.known)
        last = len(others)
        delays = ", ".join(f"interval '{after}'" for after in AFTER)
        delay = f"(ARRAY[{delays}])[1 + (s.pattern_n + v + {last}) % {len(AFTER)}]"
        moment = f"({NOW} + {delay} + (v + {last}) * interval '1 microsecond')::{known.kind}"
        return self.scratch.run(
            f"INSERT INTO {self.table.copy} ({', '.join(c.name for c in others)}, {known.name}) "
            f"SELECT {', '.join(values)}, moment FROM ("
            f"SELECT s.pattern_n, v, {moment} AS moment, row_number() OVER () AS n "
            f"FROM pattern s CROSS JOIN generate_series(-{last}, {last}) v) d "
            "JOIN pattern s USING (pattern_n) "
            "JOIN pattern o ON o.pattern_n = s.pattern_n % (SELECT count(*) FROM pattern) + 1 "
            f"WHERE moment > {NOW} ON CONFLICT DO NOTHING"
        )

    def _mixed(self, n: int, column: Column) -> str:
        """A planted row's value. Of a primary key every other plant has a new one: it is a fact about something new.

        The others repeat keys, so that they also show where a query joins what only known keys have.
        """
        mixed = f"CASE WHEN v = {n} OR (v < 0 AND v <> -{n}) THEN o.{column.name} ELSE s.{column.name} END"
        key = [c for c in self.columns if c.in_key]
        fresh = next((c for c in reversed(key) if c.plain in FRESH), None)
        if column != fresh or any(c.name == self.known for c in key):
            return mixed
        value = FRESH[column.plain].format(c=column.name, t=self.table.copy)
        return f"CASE WHEN (d.pattern_n + v) % 2 = 0 THEN ({value})::{column.kind} ELSE {mixed} END"

    def _supersede(self) -> int:
        """Close half of the versions in force: a newer one took their place, later."""
        return self.scratch.run(
            f"UPDATE {self.table.copy} SET {self.until} = {NOW} + interval '1 day' WHERE ctid IN ("
            "SELECT pattern_row FROM pattern "
            f"WHERE pattern_n % 2 = 0 AND ({self.until} IS NULL OR {self.until} > {NOW}))"
        )

    def _overwrite(self) -> int:
        """Give rows whose fact was not known yet the facts of others that were not known yet either."""
        self._patterns(f"{self.known} > {NOW}")
        changed = [quoted(c) for c in self.facts.changes]
        names, values = ", ".join(changed), ", ".join(f"later.{c}" for c in changed)
        mixed = ", ".join(f"{'o' if c.name in changed else 's'}.{c.name}" for c in self.columns)
        self.scratch.run("DROP TABLE IF EXISTS pg_temp.later")
        self.scratch.run(
            f"CREATE TEMP TABLE later AS SELECT * FROM (SELECT s.pattern_row, {mixed} FROM pattern s "
            "JOIN pattern o ON o.pattern_n = s.pattern_n % (SELECT count(*) FROM pattern) + 1) mixed "
            f"WHERE {self.known} > {NOW}"
        )
        return self.scratch.run(
            f"UPDATE {self.table.copy} AS t SET ({names}) = ROW({values}) FROM pg_temp.later "
            "WHERE t.ctid = later.pattern_row"
        )
