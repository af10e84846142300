"""Which version was champion, when and after which: queries of the rows of one model in one lane (pure).

The live lane is a list: its last row names the champion. Any other lane is a fold over its challengers in as-of order:
the latest row of each as-of date is in force, and a month that arrives late or again has its successors re-judged.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from itertools import accumulate
from typing import Any, Protocol, TypeVar

from pydantic import TypeAdapter

from titleholder.ledger import rollbacks
from titleholder.spec.types import DECLINE, LIVE
from titleholder.validation.cohort_record import CohortRecord
from titleholder.validation.sequential import Look
from titleholder.validation.verdict import Reign


class Row(rollbacks.Row, Protocol):
    """What succession needs to know of a decision; `lane_entry.LaneEntry` and `decision.Decision` have it."""

    @property
    def id(self) -> int: ...
    @property
    def model(self) -> str: ...
    @property
    def as_of(self) -> date: ...
    @property
    def challenger_version(self) -> int | None: ...
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
    @property
    def fit(self) -> bool: ...
    @property
    def rule(self) -> str: ...
    @property
    def cohorts(self) -> tuple[CohortRecord, ...]: ...
    @property
    def ranking(self) -> tuple[int, ...]: ...


R = TypeVar("R", bound=Row)
RETURNS = ("recall", "rollback")
"""Kinds of decision that make a version champion whose own month is an earlier one."""
_COHORTS: TypeAdapter[tuple[CohortRecord, ...]] = TypeAdapter(tuple[CohortRecord, ...])
LOOK_FIELDS = ("as_of", "start", "end", "rows", "events", "metric", "gain", "error")
"""What a fingerprint covers of a look: named, so that a field that comes later changes no fingerprint."""


def fingerprint(reign: Reign | None) -> str:
    """Twelve hex digits that change with the champion or the evidence of its reign; empty where there is none."""
    if reign is None:
        return ""
    looks = [[str(getattr(look, name)) for name in LOOK_FIELDS] for look in reign.looks]
    days = (reign.as_of, reign.trained_through, reign.judged_through, *reign.tried)
    named = (reign.version, *days, looks, reign.line)
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
    earlier = _before(rows, lane, as_of)
    reign = reign_after(rows, earlier)
    if reign is None:
        return None
    line = line_before(rows, lane, as_of)
    named = hashlib.sha256()
    for row in line:
        named.update(f"{(str(row.as_of), row.challenger_version, row.champion_after, row.fit)}".encode())
        named.update(_COHORTS.dump_json(row.cohorts))
    since = tuple(_since_the_change(earlier))[::-1]
    looks = tuple(row.look for row in since if row.look)
    tried = tuple(row.matured for row in since if row.matured)
    return reign.model_copy(update={"looks": looks, "tried": tried, "line": named.hexdigest()[:12] if line else ""})


def line_before(rows: Sequence[R], lane: str, as_of: date) -> list[R]:
    """The decisions under the rule `record` before the challenger of `as_of`, in the order of `in_force`."""
    return [row for row in _before(rows, lane, as_of) if row.rule == "record"]


def _before(rows: Sequence[R], lane: str, as_of: date) -> list[R]:
    return [r for r in in_force(rows, lane) if lane == LIVE or r.as_of < as_of]


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


def until(rows: Sequence[R], lane: str, day: date, *, by_clock: bool) -> list[R]:
    """The decisions in force at the end of a day: by the clock, or up to that as-of date.

    By as-of date the live lane leaves out a decision older than one before it: it was recorded and changed nothing.
    """
    past = in_force(rows, lane)
    if by_clock:
        return [row for row in past if row.created_at.date() <= day]
    newest = accumulate((row.as_of for row in past), max)
    return [row for row, latest in zip(past, newest, strict=True) if row.as_of == latest <= day]


def decision_on(rows: Sequence[R], version: int | None) -> R | None:
    """The newest row in which this version was the challenger: it says what the version was trained on."""
    return next((r for r in reversed(rows) if version is not None and r.challenger_version == version), None)


def reign_after(rows: Sequence[Row], past: Sequence[Row]) -> Reign | None:
    """The champion after the last of `past`, which are decisions in force; `rows` are all of the lane."""
    version = past[-1].champion_after if past else None
    trained, began = decision_on(rows, version), crowning(past)
    if version is None or trained is None or trained.trained_through is None:
        return None
    return Reign(
        version=version,
        as_of=trained.as_of,
        trained_through=trained.trained_through,
        judged_through=max(r.matured for r in _judged(past, began, trained) if r.matured),
        recalled=began.as_of if began and began.kind == "recall" else None,
    )


def crowning(past: Sequence[R]) -> R | None:
    """The decision in force that began the reign after the last of these."""
    return next((r for r in reversed(past) if r.changed and r.champion_after == past[-1].champion_after), None)


def _judged(past: Sequence[Row], began: Row | None, trained: Row) -> Sequence[Row]:
    """The decisions whose judged rows already count for or against a reign.

    That of its promotion; for one that began with a recall or a rollback, all up to then.
    """
    if began is None:
        return [trained]
    return past[: past.index(began) + 1] if began.kind in RETURNS else [began]


def retirement(rows: Sequence[Any]) -> str:
    """When and why a model was retired, if these rows of its live lane end with that; else empty.

    A rollback that people declined changes nothing about it.
    """
    last = next((row for row in reversed(rows) if row.kind != DECLINE), None)
    if last is None or last.kind != "withdraw":
        return ""
    return f"decision {last.id} of {last.created_at:%Y-%m-%d}: {last.asked_because}"


def former_champions(rows: Sequence[Row]) -> list[int]:
    """Every version that was ever champion of a live lane, in the order of its first coronation."""
    return list(dict.fromkeys(r.champion_after for r in rows if r.changed and r.champion_after is not None))


def bar(rows: Sequence[Row], trained_through: date) -> str:
    """Why a challenger trained on rows before this date may not win: nothing newer than in a version rolled back.

    Empty where it may.
    """
    for version, row in rollbacks.barred(rows).items():
        known = decision_on(rows, version)
        if known and known.trained_through and trained_through <= known.trained_through:
            return (
                f"it was trained on nothing newer (rows before {trained_through}) than version {version} (before "
                f"{known.trained_through}), which was rolled back on {row.created_at:%Y-%m-%d}"
            )
    return ""


def recall_bar(rows: Sequence[Row], version: int) -> str:
    """Why a former version may not be recalled: it was rolled back, or barred as a challenger by such a version.

    A version that was champion is barred only where it was rolled back itself. Empty where it may be recalled.
    """
    if (row := rollbacks.barred(rows).get(version)) is not None:
        return f"it was rolled back on {row.created_at:%Y-%m-%d}"
    known = decision_on(rows, version)
    if known is None or known.trained_through is None or version in former_champions(rows):
        return ""
    return bar(rows, known.trained_through)
