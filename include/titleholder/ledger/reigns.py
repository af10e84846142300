"""Who reigned, when and after whom: questions to the rows of one model in one lane (pure).

The live lane is a list: its last row says who reigns. Any other lane is a fold over its challengers in as-of order: the
latest row of each as-of date stands, and a month that arrives late or again makes its successors be judged anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from titleholder.ledger.decision import Decision
from titleholder.spec.types import LIVE
from titleholder.validation.verdict import Reign

ANEW = "judged anew"
"""How the reason begins for which a month of a fold was judged once more."""


def standing(rows: Sequence[Decision], lane: str) -> list[Decision]:
    """The decisions in force: all rows of the live lane; elsewhere the latest row of each as-of date, in that order."""
    if lane == LIVE:
        return list(rows)
    return [latest for _, latest in sorted({row.as_of: row for row in rows}.items())]


def reign_before(rows: Sequence[Decision], lane: str, as_of: date) -> Reign | None:
    """Whoever reigned before the challenger of `as_of`, with the looks of its reign so far.

    In the live lane that is the head, elsewhere it goes by as-of order.
    """
    earlier = [r for r in standing(rows, lane) if lane == LIVE or r.as_of < as_of]
    if not earlier or not (reign := _reign(rows, earlier[-1].champion_after)):
        return None
    last = earlier[-1]
    if last.changed or last.verdict is None or last.verdict.champion is None:
        return reign
    gathered = (*last.verdict.champion.looks, *([last.verdict.look] if last.verdict.look else []))
    return reign.model_copy(update={"looks": gathered})


def followed(rows: Sequence[Decision], cause: Decision) -> list[Decision]:
    """The newest decision about each version that was judged anew because of this one, or of an earlier one like it."""
    causes = tuple(anew(row) for row in rows if row.challenger_version == cause.challenger_version)
    versions = dict.fromkeys(row.challenger_version for row in rows if row.asked_because.startswith(causes))
    return [row for version in versions if (row := row_of(rows, version))]


def anew(cause: Decision) -> str:
    """How the reason begins for which months were judged once more because of this decision."""
    return f"{ANEW} after {cause.as_of} (decision {cause.id})"


def overtaken(rows: Sequence[Decision], lane: str) -> dict[int, str]:
    """The decisions in force, by id, whose months must be run again, and why.

    Another version reigns before the first of them than it was judged against, and it could not be judged anew; the
    others came after it, in a line that ended there. In the live lane there are none.
    """
    found: dict[int, str] = {}
    first = None
    for row in standing(rows, lane) if lane != LIVE else ():
        reign = reign_before(rows, lane, row.as_of)
        if first:
            found[row.id] = f"it came after {first}, which must be run again"
        elif row.champion_before != (now := reign.version if reign else None):
            first, who = row.as_of, f"version {now}" if now else "nobody"
            found[row.id] = f"{who} reigns before it now, and it could not be judged anew"
    return found


def remedy(rows: Sequence[Decision], lane: str) -> str:
    """The command that runs the months again that `overtaken` names; empty where there are none."""
    again = overtaken(rows, lane)
    waiting = [row for row in standing(rows, lane) if row.id in again]
    if not waiting:
        return ""
    until = f" --until {waiting[-1].as_of}" if len(waiting) > 1 else ""
    return f"titleholder run {waiting[0].model} --as-of {waiting[0].as_of}{until} --lane {lane}"


def reign_on(rows: Sequence[Decision], lane: str, day: date) -> Reign | None:
    """Whoever reigned at the end of `day`: in the live lane by the clock, elsewhere by as-of date."""
    past = [r for r in standing(rows, lane) if (r.created_at.date() if lane == LIVE else r.as_of) <= day]
    return _reign(rows, past[-1].champion_after) if past else None


def taken_on(rows: Sequence[Decision], lane: str, day: date) -> Decision | None:
    """The decision by which whoever reigned at the end of `day` came to reign."""
    past = [r for r in standing(rows, lane) if (r.created_at.date() if lane == LIVE else r.as_of) <= day]
    return next((r for r in reversed(past) if r.changed and r.champion_after == past[-1].champion_after), None)


def row_of(rows: Sequence[Decision], version: int | None) -> Decision | None:
    """The newest row in which this version was the challenger: it tells what the version was trained on."""
    return next((r for r in reversed(rows) if version is not None and r.challenger_version == version), None)


def _reign(rows: Sequence[Decision], version: int | None) -> Reign | None:
    crowned = row_of(rows, version)
    if crowned is None or crowned.trained_through is None or version is None:
        return None
    return Reign(
        version=version,
        as_of=crowned.as_of,
        trained_through=crowned.trained_through,
        judged_through=_judged_through(rows, crowned),
    )


def _judged_through(rows: Sequence[Decision], crowned: Decision) -> date:
    """The end of the rows that speak for or against a reign already.

    Those it was crowned by; one that began again with a rollback, all that any challenger was judged on before.
    """
    returns = [n for n, r in enumerate(rows) if r.kind == "rollback" and r.champion_after == crowned.challenger_version]
    past = rows[: returns[-1]] if returns else [crowned]
    return max(r.spans.matured for r in past if r.spans)


def reigned(rows: Sequence[Decision]) -> list[int]:
    """Every version that was ever champion of a live lane, in the order of its first coronation."""
    return list(dict.fromkeys(r.champion_after for r in rows if r.changed and r.champion_after is not None))


def barred(rows: Sequence[Decision]) -> dict[int, Decision]:
    """The versions that were rolled back and have not been reinstated, each with the rollback that did it.

    A rollback goes back to a version that was crowned earlier; one that goes forward again bars nobody.
    """
    order = reigned(rows)
    found: dict[int, Decision] = {}
    for row in rows:
        before, after = row.champion_before, row.champion_after
        if row.kind != "rollback" or before is None or after is None:
            continue
        found.pop(after, None)
        if order.index(after) < order.index(before):
            found[before] = row
    return found


def predecessor(rows: Sequence[Decision], version: int) -> int | None:
    """Whoever reigned when `version` was crowned; where that one was rolled back itself, whoever reigned before it."""
    crowning = next((r for r in rows if r.kind == "promote" and r.challenger_version == version), None)
    before = crowning.champion_before if crowning else None
    return predecessor(rows, before) if before in barred(rows) and before is not None else before


def bar(rows: Sequence[Decision], trained_through: date) -> str:
    """Why a challenger trained on rows before this date may not win: nothing newer than in a version rolled back.

    Empty where it may.
    """
    for version, row in barred(rows).items():
        known = row_of(rows, version)
        if known and known.trained_through and trained_through <= known.trained_through:
            return (
                f"it was trained on nothing newer (rows before {trained_through}) than version {version} (before "
                f"{known.trained_through}), which was rolled back on {row.created_at:%Y-%m-%d}"
            )
    return ""
