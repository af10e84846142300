"""Promotion rules: what each reads of a history, and which version it puts in use.

Every rule is a function of one `Situation` and returns a version: the champion's number where nothing changes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from promotion.worlds import CONFIDENCE, HOLDOUT, WINDOW, History
from titleholder.validation.cohort_record import CohortRecord
from titleholder.validation.fresh import challenge
from titleholder.validation.metrics import Gain
from titleholder.validation.sequential import log_evidence

TOLERATED_LOSS, MINIMUM_NEW_EVENTS = 0.01, 20


@dataclass
class Memory:
    """What a rule keeps from month to month: what versions did on cohorts, and the versions from the best on."""

    cohorts: dict[int, CohortRecord] = field(default_factory=dict)
    ranking: tuple[int, ...] = ()


@dataclass(frozen=True)
class Situation:
    """What a rule may read in a month: cohorts that have matured, and versions up to the month's challenger.

    `since` is the month in which the champion was crowned, `memory` what the rule kept of earlier months.
    """

    history: History
    month: int
    champion: int
    since: int
    memory: Memory

    @property
    def challenger(self) -> int:
        return self.month

    @property
    def matured(self) -> int:
        """The first cohort that has not matured."""
        return self.month + WINDOW + HOLDOUT

    def on_holdout(self) -> Gain:
        """The challenger's gain over the champion on the holdout."""
        return self.history.gain(self.challenger, self.champion, self.matured - HOLDOUT, self.matured)


Rule = Callable[[Situation], int]


def never(now: Situation) -> int:
    """The first version for ever."""
    return now.champion


def newest(now: Situation) -> int:
    """Every challenger, unjudged."""
    return now.challenger


def bare(now: Situation) -> int:
    """The challenger whose gain on the holdout is positive."""
    return now.challenger if now.on_holdout().estimate > 0 else now.champion


def single(now: Situation) -> int:
    """The challenger whose gain on the holdout is shown: the two-sided interval lies above zero."""
    return now.challenger if now.on_holdout().lower > 0 else now.champion


def fresh(now: Situation) -> int:
    """The challenger that is better on the holdout and shown not to be worse than tolerated."""
    terms = {"tolerated_loss": TOLERATED_LOSS, "minimum_gain": 0.0, "confidence": CONFIDENCE}
    return now.challenger if challenge(now.on_holdout(), **terms).passed else now.champion


def sequential(now: Situation) -> int:
    """The challenger that is better on the holdout, where all looks of the reign show that the line is."""
    if now.on_holdout().estimate <= 0:
        return now.champion
    looks = _looks(now)
    if not looks:
        return now.champion
    gains, errors = np.array(looks).T
    shown = log_evidence(gains, errors, minimum_gain=0.0, confidence=CONFIDENCE) >= -np.log(1 - CONFIDENCE)
    return now.challenger if shown else now.champion


def _looks(now: Situation) -> list[tuple[float, float]]:
    """Gains and errors on cohorts that matured since the champion was crowned, as the product pools them: a cohort with
    few events waits for the next month, for as long as it is on the holdout."""
    found, start = [], now.since + WINDOW + HOLDOUT
    for month in range(now.since + 1, now.month + 1):
        matured = month + WINDOW + HOLDOUT
        start = max(start, matured - HOLDOUT)
        if now.history.y[start:matured].sum() >= MINIMUM_NEW_EVENTS:
            gain = now.history.gain(month, now.champion, start, matured)
            if gain.error > 0:
                found.append((gain.estimate, gain.error))
            start = matured
    return found


BASIC: dict[str, Rule] = {
    "never": never,
    "newest": newest,
    "bare >": bare,
    "sequential": sequential,
    "single": single,
    "fresh": fresh,
}
