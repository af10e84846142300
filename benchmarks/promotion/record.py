"""The package's rule `record` in a simulated portfolio, and the same without former versions.

As in the package, a month compares the champion, the newest challengers and the best of the others by the record so
far, each on the cohorts of the month's holdout.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np

from promotion.rules import TOLERATED_LOSS, Situation
from promotion.worlds import CONFIDENCE, HOLDOUT, WINDOW
from titleholder.validation.cohort_record import CohortRecord, Member
from titleholder.validation.outlook import Outlook, Rule
from titleholder.validation.record import outlook
from titleholder.workflow.rivals import BEST, NEWEST

RULE = Rule(unit=TOLERATED_LOSS, tolerated_loss=TOLERATED_LOSS, minimum_gain=0.0, confidence=CONFIDENCE)


def record(now: Situation) -> int:
    """The best of the challenger and all former versions, by the record."""
    found = _outlook(now, range(now.month))
    if found.recalled and found.former is not None and _better(now, found.former):
        return found.former
    return _forward(now, found)


def record_forward(now: Situation) -> int:
    """As `record`, the challenger only."""
    return _forward(now, _outlook(now, ()))


def _forward(now: Situation, found: Outlook) -> int:
    return now.challenger if found.passed and _better(now, now.challenger) else now.champion


def _better(now: Situation, version: int) -> bool:
    """Whether a version is better than the champion on the holdout."""
    return now.history.gain(version, now.champion, now.matured - HOLDOUT, now.matured).estimate > 0


def _outlook(now: Situation, former: Sequence[int]) -> Outlook:
    for cohort in range(now.matured - HOLDOUT, now.matured):
        now.memory.cohorts[cohort] = _cohort(now, cohort)
    found = outlook(
        list(now.memory.cohorts.values()),
        challenger=now.challenger,
        champion=now.champion,
        former=former,
        as_of=_month(now.matured + now.history.world.maturity),
        rule=RULE,
    )
    if found is None:
        raise ValueError(f"month {now.month}: no cohort compares version {now.challenger} with the champion")
    now.memory.ranking = found.ranking
    return found


def _compared(now: Situation) -> list[int]:
    """The versions that a month compares, the challenger included."""
    chosen = {now.champion, now.challenger, *range(max(0, now.month - NEWEST), now.month)}
    best = [version for version in now.memory.ranking if version not in chosen]
    return sorted(chosen | set(best[:BEST]))


def _cohort(now: Situation, cohort: int) -> CohortRecord:
    versions = [version for version in _compared(now) if version + WINDOW <= cohort]
    areas, covariance = now.history.compare(cohort, versions)
    return CohortRecord(
        start=_month(cohort),
        end=_month(cohort + 1),
        events=int(now.history.y[cohort].sum()),
        metric="roc_auc",
        members=tuple(_member(version) for version in versions),
        values=tuple(areas),
        covariance=tuple(covariance[np.tril_indices(len(versions))]),
    )


def _member(version: int) -> Member:
    through = version + WINDOW
    return Member(version=version, trained_through=_month(through), judged_through=_month(through + HOLDOUT))


def _month(number: int) -> date:
    return date(2000 + number // 12, number % 12 + 1, 1)
