"""The periods of a lane, and which version each of four policies used in them (pure).

A period's rows are the events from its as-of date to the next decision's: those for which the model chosen then was in
use. A rollback begins a stretch of its own on the day it was made.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Literal

from pydantic import BaseModel, ConfigDict

from titleholder.ledger import reigns
from titleholder.ledger.decision import Decision
from titleholder.spec import windows
from titleholder.spec.types import DECLINE, UNJUDGED

Policy = Literal["gate", "newest", "never", "hindsight"]
POLICIES: tuple[Policy, ...] = ("gate", "newest", "never", "hindsight")
COMPARED: tuple[Policy, ...] = ("gate", "newest", "never")
"""Policies that one can follow without knowing the future; means are over the periods in which all have a model."""
CONTRASTS: tuple[tuple[Policy, Policy], ...] = (("gate", "never"), ("newest", "never"), ("gate", "newest"))


class BacktestPart(BaseModel):
    """What all parts of a backtest are: frozen."""

    model_config = ConfigDict(frozen=True)


class Period(BacktestPart):
    """A stretch [as_of, end) of event time, the versions there were when it began, and which each policy used.

    `as_of` is that of its decision; of a rollback, the day on which it was made.

    >>> dates = {"as_of": date(2024, 1, 1), "end": date(2024, 2, 1)}
    >>> period = Period(**dates, kind="keep", versions=(1, 2), gate=1, newest=2, never=1)
    >>> period.used("newest")
    2
    """

    as_of: date
    end: date
    kind: str
    versions: tuple[int, ...]
    gate: int | None
    newest: int | None
    never: int | None

    def used(self, policy: Policy) -> int | None:
        """The version that a policy without hindsight used; None where it had none."""
        return dict[str, int | None](gate=self.gate, newest=self.newest, never=self.never)[policy]


def decisions(rows: Sequence[Decision], lane: str, until: date | None = None) -> list[Decision]:
    """The decisions in force up to a date, in as-of order.

    In the live lane a run about the past changes nothing: a decision older than one before it is left out. So is a
    rollback that people declined.
    """
    decided: list[Decision] = []
    for row in reigns.in_force(rows, lane):
        if row.kind == DECLINE:
            continue
        if (until is None or row.as_of <= until) and (not decided or row.as_of >= decided[-1].as_of):
            decided.append(row)
    return decided


def periods_of(decided: Sequence[Decision], schedule: str | None) -> list[Period]:
    """One period for each as-of date of these decisions, and for each rollback; the last ends one tick later.

    `gate` is whoever was champion after the date's last decision, `newest` the newest challenger, `never` the first
    champion.
    """
    began = _beginnings(decided)
    days = sorted(set(began))
    ends = [*days[1:], *(windows.next_tick(schedule, day) for day in days[-1:])]
    found, versions, first = [], list[int](), None
    for day, end in zip(days, ends, strict=True):
        of_day = [row for row, since in zip(decided, began, strict=True) if since == day]
        versions += [row.challenger_version for row in of_day if row.challenger_version is not None]
        champion = of_day[-1].champion_after
        first = champion if first is None else first
        newest = versions[-1] if versions else None
        found.append(
            Period(
                as_of=day, end=end, kind=of_day[-1].kind, versions=tuple(versions), gate=champion, newest=newest,
                never=first,
            )
        )  # fmt: skip
    return found


def _beginnings(decided: Sequence[Decision]) -> list[date]:
    """Since when each decision counts: its as-of date; a rollback, which people made, the day they did.

    One that was made after the next decision's as-of date never came into use by this calendar.
    """
    days: list[date] = []
    for row in reversed(decided):
        day = max(row.as_of, row.created_at.date()) if row.kind in UNJUDGED else row.as_of
        days.append(min(day, days[-1]) if days else day)
    return days[::-1]
