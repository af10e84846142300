"""The test by `:as_of`: events that had matured keep their features and their label in a later extract.

The tables stay as they are; only `:as_of` moves, to a year after the last fact. Rows may come (recorded late) or go.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from titleholder.data.leakage.comparison import CHANGED, Leak, differing, extract, same_entities, shown
from titleholder.data.leakage.table_copies import TableCopies
from titleholder.data.leakage.table_facts import TableFacts
from titleholder.spec.model import ModelSpec

LATER = timedelta(days=366)
SOURCE = "a later :as_of"


def as_of_test(
    copies: TableCopies, spec: ModelSpec, as_of: datetime, tables: Mapping[str, TableFacts]
) -> tuple[int, list[Leak]]:
    """How many labels were corrected after their maturity, and the leaks; a correction is one unless it is declared.

    The original extract is in `ORIGINAL`.
    """
    names = spec.columns
    columns = [*names.features, names.weight, *names.segments, *names.protected, names.event_time, names.target]
    with copies.rolled_back():
        copies.bind("as_of", _last_fact(copies, as_of, tables) + LATER)
        extract(copies, CHANGED)
        _, frame = same_entities(copies, names.entity, list(dict.fromkeys(filter(None, columns))))
    corrected, leaks = 0, []
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
    return corrected, leaks


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
