"""Whether the alarms that stand ask for a retrain, and why or why not (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from dateutil.relativedelta import relativedelta

from titleholder.spec.monitor import AskForRetrain
from titleholder.spec.types import LIVE
from titleholder.validation.monitoring.report import Alarm


class Asked(NamedTuple):
    """An earlier request: its as-of date, and the decision that began the reign it was about."""

    as_of: date
    decision: int


class Answer(NamedTuple):
    """Whether a retrain is asked for, and why; without anything to ask for the reason is empty."""

    asks: bool
    reason: str


def ask(
    alarms: Sequence[Alarm],
    rule: AskForRetrain | None,
    *,
    lane: str,
    as_of: date,
    decision: int,
    earlier: Sequence[Asked],
    last_decision: date | None,
    backfill: bool = False,
    in_airflow: bool = True,
) -> Answer:
    """Whether these alarms ask for a retrain.

    An alarm asks once: one that a request of the same reign came after asks no more.

    Args:
        alarms: those that stand.
        rule: of the spec; None never asks.
        lane: only `live` asks.
        as_of: of the look.
        decision: which began the reign.
        earlier: every request of the model so far.
        last_decision: the as-of date of the newest decision of the lane.
        backfill: whether the look is part of a backfill, which never asks.
        in_airflow: whether a task of Airflow looks: it starts the retrain. The request of another look would be lost.
    """
    last_of_reign = max((one.as_of for one in earlier if one.decision == decision), default=None)
    waiting = [alarm for alarm in alarms if last_of_reign is None or alarm.since > last_of_reign]
    if rule is None or not waiting:
        return Answer(False, "")
    names = ", ".join(alarm.name for alarm in waiting)
    if lane != LIVE or backfill:
        return Answer(False, f"No retrain is asked for ({names}): {'a backfill' if lane == LIVE else f'lane {lane}'}.")
    if not in_airflow:
        return Answer(False, f"No retrain is asked for ({names}): the next look of the DAG does it.")
    if why := _too_soon(rule, as_of, earlier, last_decision):
        return Answer(False, f"No retrain is asked for ({names}): {why}.")
    said = " ".join(alarm.sentence for alarm in waiting)
    return Answer(True, f"The monitor of {as_of} asks for a retrain. {said}")


def _too_soon(rule: AskForRetrain, as_of: date, earlier: Sequence[Asked], last_decision: date | None) -> str:
    days = [one.as_of for one in earlier]
    if days and (last := max(days)) + rule.cooldown > as_of:
        return f"the last request was on {last}, and the cooldown is {rule.cooldown}"
    if last_decision and last_decision + rule.cooldown > as_of:
        return f"the last decision was as of {last_decision}, and the cooldown is {rule.cooldown}"
    year = [day for day in days if day > as_of - relativedelta(years=1)]
    if len(year) >= rule.per_year:
        return f"there were {len(year)} requests in the last 12 months, and at most {rule.per_year} are allowed"
    return ""
