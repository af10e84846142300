"""Which version was champion, when and after which: queries of the rows of one model in one lane (pure).

The live lane is a list: its last row names the champion. Any other lane is a fold over its challengers in as-of order:
the latest row of each as-of date is in force, and a month that arrives late or again has its successors re-judged.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from typing import Any, Protocol, TypeVar

from titleholder.spec.types import LIVE
from titleholder.validation.sequential import Look
from titleholder.validation.verdict import Reign


class Row(Protocol):
    """What succession needs to know of a decision; `store.LaneEntry` and `decision.Decision` have it."""

    @property
    def id(self) -> int: ...
    @property
    def model(self) -> str: ...
    @property
    def as_of(self) -> date: ...
    @property
    def kind(self) -> Any: ...
    @property
    def challenger_version(self) -> int | None: ...
    @property
    def champion_before(self) -> int | None: ...
    @property
    def champion_after(self) -> int | None: ...
    @property
    def trained_through(self) -> date | None: ...
    @property
    def matured(self) -> date | None: ...
    @property
    def look(self) -> Look | None: ...
    @property
    def created_at(self) -> datetime: ...
    @property
    def changed(self) -> bool: ...


R = TypeVar("R", bound=Row)
LOOK_FIELDS = ("as_of", "start", "end", "rows", "events", "metric", "gain", "error")
"""What a fingerprint covers of a look: named, so that a field that comes later changes no fingerprint."""


def fingerprint(reign: Reign | None) -> str:
    """Twelve hex digits that change with the champion or the evidence of its reign; empty where there is none."""
    if reign is None:
        return ""
    looks = [[str(getattr(look, name)) for name in LOOK_FIELDS] for look in reign.looks]
    named = (reign.version, reign.as_of, reign.trained_through, reign.judged_through, looks, [*map(str, reign.tried)])
    return hashlib.sha256("\n".join(map(str, named)).encode()).hexdigest()[:12]


def in_force(rows: Sequence[R], lane: str) -> list[R]:
    """The decisions in force: all rows of the live lane; elsewhere the latest row of each as-of date, in that order."""
    if lane == LIVE:
        return list(rows)
    return [latest for _, latest in sorted({row.as_of: row for row in rows}.items())]


def reign_before(rows: Sequence[Row], lane: str, as_of: date) -> Reign | None:
    """The champion before the challenger of `as_of`, with its reign's looks and challengers; None where there is none.

    In the live lane that is the head, elsewhere it goes by as-of order.
    """
    earlier = [r for r in in_force(rows, lane) if lane == LIVE or r.as_of < as_of]
    reign = _reign(rows, earlier[-1].champion_after) if earlier else None
    if reign is None:
        return None
    since = tuple(_since_the_change(earlier))[::-1]
    looks = tuple(row.look for row in since if row.look)
    return reign.model_copy(update={"looks": looks, "tried": tuple(row.matured for row in since if row.matured)})


def _since_the_change(earlier: Sequence[Row]) -> Iterator[Row]:
    """The decisions since the last change of champion, the newest first."""
    for row in reversed(earlier):
        if row.changed:
            return
        yield row


def to_rerun(rows: Sequence[Row], lane: str) -> dict[int, str]:
    """The decisions in force, by id, whose months must be run again, and why.

    Another version is champion before the first of them than it was judged against, and it could not be re-judged; the
    others come after it. In the live lane there are none.
    """
    found: dict[int, str] = {}
    first = None
    for row in in_force(rows, lane) if lane != LIVE else ():
        reign = reign_before(rows, lane, row.as_of)
        if first:
            found[row.id] = f"it comes after {first}, which must be run again"
        elif row.champion_before != (now := reign.version if reign else None):
            first, champion = row.as_of, f"version {now}" if now else "no version"
            found[row.id] = f"{champion} is champion before it now, and it could not be re-judged"
    return found


def rerun_command(rows: Sequence[Row], lane: str) -> str:
    """The command that runs the months again that `to_rerun` names; empty where there are none."""
    again = to_rerun(rows, lane)
    waiting = [row for row in in_force(rows, lane) if row.id in again]
    if not waiting:
        return ""
    until = f" --until {waiting[-1].as_of}" if len(waiting) > 1 else ""
    return f"titleholder run {waiting[0].model} --as-of {waiting[0].as_of}{until} --lane {lane}"


def reign_on(rows: Sequence[Row], lane: str, day: date) -> Reign | None:
    """The champion at the end of `day`: in the live lane by the clock, elsewhere by as-of date."""
    past = _until(rows, lane, day)
    return _reign(rows, past[-1].champion_after) if past else None


def crowning_on(rows: Sequence[R], lane: str, day: date) -> R | None:
    """The decision that made the champion at the end of `day` champion."""
    past = _until(rows, lane, day)
    return next((r for r in reversed(past) if r.changed and r.champion_after == past[-1].champion_after), None)


def _until(rows: Sequence[R], lane: str, day: date) -> list[R]:
    return [r for r in in_force(rows, lane) if (r.created_at.date() if lane == LIVE else r.as_of) <= day]


def decision_on(rows: Sequence[R], version: int | None) -> R | None:
    """The newest row in which this version was the challenger: it says what the version was trained on."""
    return next((r for r in reversed(rows) if version is not None and r.challenger_version == version), None)


def _reign(rows: Sequence[Row], version: int | None) -> Reign | None:
    crowned = decision_on(rows, version)
    if crowned is None or crowned.trained_through is None or version is None:
        return None
    return Reign(
        version=version,
        as_of=crowned.as_of,
        trained_through=crowned.trained_through,
        judged_through=_judged_through(rows, crowned),
    )


def _judged_through(rows: Sequence[Row], crowned: Row) -> date:
    """The end of the rows that already count for or against a reign.

    Those it was crowned by; for one that began again with a rollback, all that any challenger was judged on before.
    """
    returns = [n for n, r in enumerate(rows) if r.kind == "rollback" and r.champion_after == crowned.challenger_version]
    past = rows[: returns[-1]] if returns else [crowned]
    return max(r.matured for r in past if r.matured)


def former_champions(rows: Sequence[Row]) -> list[int]:
    """Every version that was ever champion of a live lane, in the order of its first coronation."""
    return list(dict.fromkeys(r.champion_after for r in rows if r.changed and r.champion_after is not None))


def barred(rows: Sequence[R]) -> dict[int, R]:
    """The versions that were rolled back and have not been reinstated, each with the rollback that did it.

    A rollback goes back to a version that was crowned earlier; one that goes forward again bars none.
    """
    order = former_champions(rows)
    found: dict[int, R] = {}
    for row in rows:
        before, after = row.champion_before, row.champion_after
        if row.kind != "rollback" or before is None or after is None:
            continue
        found.pop(after, None)
        if order.index(after) < order.index(before):
            found[before] = row
    return found


def predecessor(rows: Sequence[Row], version: int) -> int | None:
    """The champion when `version` was crowned; where that one was rolled back itself, the champion before it."""
    crowning = next((r for r in rows if r.kind == "promote" and r.challenger_version == version), None)
    before = crowning.champion_before if crowning else None
    return predecessor(rows, before) if before in barred(rows) and before is not None else before


def bar(rows: Sequence[Row], trained_through: date) -> str:
    """Why a challenger trained on rows before this date may not win: nothing newer than in a version rolled back.

    Empty where it may.
    """
    for version, row in barred(rows).items():
        known = decision_on(rows, version)
        if known and known.trained_through and trained_through <= known.trained_through:
            return (
                f"it was trained on nothing newer (rows before {trained_through}) than version {version} (before "
                f"{known.trained_through}), which was rolled back on {row.created_at:%Y-%m-%d}"
            )
    return ""
