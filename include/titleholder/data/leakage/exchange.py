"""Later facts get values of each other: what became known after a cut-off changes, what was known by then stays.

No row is added or removed, keys stay unique, and each time stays after the cut-off, so that a query that uses only what
was known at the cut-off extracts the same.
"""

from __future__ import annotations

from titleholder.data.leakage.synthetic_future import AFTER
from titleholder.data.leakage.table_copies import setting_as_time
from titleholder.data.leakage.table_facts import TableFacts

CUT, LAST = (setting_as_time(name) for name in ("cut", "last_cut"))
"""Facts that became available in (CUT, LAST] are exchanged."""
KEY_TYPES = ("int2", "int4", "int8", "text", "varchar", "bpchar", "uuid")
"""The types of columns that are taken for a key where each value occurs once."""


def exchange(facts: TableFacts) -> int:
    """Change the facts in (CUT, LAST]; returns the number of rows that may have changed.

    Rows are paired in pseudo-random (hash) order. A row takes the value of its partner in each column with probability
    1/2: the keys of half of the rows stay, and the other values of half change. What may be a key is exchanged by both
    rows of a pair or by none. Where rows only become available, some do so sooner.
    """
    later = facts.select_later(f"{facts.available} > {CUT} AND {facts.available} <= {LAST}")
    if facts.changes:
        return facts.overwrite(CUT) if later else 0
    return (_exchange_rows(facts) if later else 0) + (_supersede(facts) if facts.until else 0)


def _exchange_rows(facts: TableFacts) -> int:
    keys, moved = _keys(facts), facts.column(facts.available)
    values = {}
    for n, name in enumerate(_exchanged_columns(facts)):
        draw = "hashtextextended('key', s.later_n / 2)" if name in keys else f"hashtextextended('{n}', s.later_n)"
        values[name] = f"CASE WHEN {draw} & 1 = 0 THEN o.{name} ELSE s.{name} END"
    if moved:
        values[moved.name] = sooner = _sooner(moved.name, moved.sql_type)
        if (recorded := facts.column(facts.known)) and recorded != moved:
            values[recorded.name] = f"least(s.{recorded.name}, ({sooner})::{recorded.sql_type})"
    if not values:
        return 0
    row = ", ".join(f"{values.get(c.name, f's.{c.name}')} AS {c.name}" for c in facts.columns)
    facts.copies.run("DROP TABLE IF EXISTS pg_temp.mixed")
    facts.copies.run(
        f"CREATE TEMP TABLE mixed AS SELECT * FROM (SELECT {row}, s.later_row FROM pg_temp.later s "
        f"JOIN pg_temp.later o ON o.later_n = (s.later_n # 1)) m WHERE {facts.available} > {CUT}"
    )
    return facts.copies.run(
        f"UPDATE {facts.table.copy} AS t SET {', '.join(f'{name} = mixed.{name}' for name in values)} "
        "FROM pg_temp.mixed WHERE t.ctid = mixed.later_row"
    )


def _exchanged_columns(facts: TableFacts) -> list[str]:
    """All but the times that say when a row became known."""
    history = facts.history
    kept = facts.read_by(facts.known, facts.available, *filter(None, [history.until]), facts.until)
    kept |= {c.name for c in facts.columns if c.in_key and facts.table.oid in facts.copies.keyed}
    return [c.name for c in facts.columns if c.name not in kept]


def _keys(facts: TableFacts) -> set[str]:
    """The columns that may be keys or parts of one; a key with the time when a row became known stays unique."""
    key = {c.name for c in facts.columns if c.in_key}
    found = {c.name for c in facts.columns if c.type_name in KEY_TYPES and c.name in facts.unique}
    return found | (set() if facts.known in key else key)


def _sooner(name: str, sql_type: str) -> str:
    """A time soon after the cut-off, for queries that look a little too far ahead; never later than it was."""
    delays = ", ".join(f"interval '{after}'" for after in AFTER)
    soon = f"{CUT} + (ARRAY[{delays}])[1 + s.later_n % {len(AFTER)}] + s.later_n * interval '1 microsecond'"
    moment = f"({soon})::{sql_type}"
    return f"CASE WHEN {moment} > {CUT} AND {moment} < s.{name} THEN {moment} ELSE s.{name} END"


def _supersede(facts: TableFacts) -> int:
    """Of the versions in force at the cut-off, half change when they are superseded: soon after it, or never."""
    copies, copy, until = facts.copies, facts.table.copy, facts.until
    ((never,),) = copies.rows(
        f"SELECT CASE WHEN bool_or({until} IS NULL) THEN NULL ELSE max({until}) END::text FROM {copy}"
    )
    (column,) = (c for c in facts.columns if c.name == until)
    forever = "NULL" if never is None else f"'{never}'::{column.sql_type}"
    soon = f"({CUT} + interval '1 day')::{column.sql_type}"
    return copies.run(
        f"UPDATE {copy} SET {until} = CASE WHEN {until} IS NOT DISTINCT FROM {forever} THEN {soon} ELSE {forever} END "
        f"WHERE {facts.available} <= {CUT} AND ({until} IS NULL OR {until} > {CUT}) "
        f"AND hashtextextended(ctid::text, extract(epoch FROM {CUT})::bigint) & 1 = 0"
    )
