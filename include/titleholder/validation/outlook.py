"""What the record of all versions says about use, and what a change of champion must meet."""

from __future__ import annotations

import math
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict

LEAST_UNIT = 10
"""The unit of the priors is no smaller than the standard error of the gain over this: few rows know no better."""
MARGIN = 0.1
"""So much more than `minimum_gain` must be expected of a change, in units of the tolerated loss: changes cost too."""
THIN = 50
"""With fewer events in a cohort the record is surer than it should be: in the simulations of docs/validation.md one in
twenty held at 60 events a cohort, and not at 18."""


class Expectation(NamedTuple):
    """What is expected of a version in use, compared with the champion: its gain, in the metric's unit, more being
    better, and the probability that it loses more than is tolerated.

    >>> Expectation(0.004, 0.01).shown(minimum=0.001, confidence=0.95)
    True
    """

    gain: float
    risk: float

    def shown(self, *, minimum: float, confidence: float) -> bool:
        """Whether the version may take over."""
        return self.gain > minimum and self.risk <= 1 - confidence


class Outlook(BaseModel):
    """What the record says about use: of the challenger, and of the former version that it expects most of.

    `events` is the median of a cohort's events (rows, of a regression). `unit` is that of the priors, `year` what a
    year of fresher training is worth; all are in the metric's unit. A former version is there only where there is any.
    `ranking` has all versions, the best first.

    >>> outlook = Outlook(
    ...     cohorts=9, versions=7, events=60, unit=0.01, year=0.012, challenger=Expectation(0.004, 0.01),
    ...     ranking=(7, 5, 6), tolerated_loss=0.01, minimum_gain=0.0, confidence=0.95,
    ... )  # fmt: skip
    >>> outlook.passed, outlook.minimum
    (True, 0.001)
    """

    model_config = ConfigDict(frozen=True)

    cohorts: int
    versions: int
    events: int
    unit: float
    year: float
    challenger: Expectation
    former: int | None = None
    former_expectation: Expectation | None = None
    ranking: tuple[int, ...]
    tolerated_loss: float
    minimum_gain: float
    confidence: float

    @property
    def minimum(self) -> float:
        """The gain that must be expected of a change."""
        return self.minimum_gain + MARGIN * self.unit

    def why_minimum(self, error: float) -> str:
        """Where that gain comes from, in a few words; `error` is the standard error of the gain on the holdout.

        >>> known = {"cohorts": 9, "versions": 7, "events": 60, "year": 0.0, "ranking": (1,)}
        >>> known["challenger"] = Expectation(0, 0)
        >>> terms = {"tolerated_loss": 0.01, "minimum_gain": 0.002, "confidence": 0.95}
        >>> Outlook(unit=0.01, **known, **terms).why_minimum(0.02)
        'minimum_gain 0.002 and a tenth of the default tolerated loss'
        """
        few = math.isclose(self.unit, error / LEAST_UNIT)
        margin = "a hundredth of the gain's error" if few else "a tenth of the default tolerated loss"
        return f"minimum_gain {self.minimum_gain:g} and {margin}" if self.minimum_gain else margin

    def thin(self, counted: str) -> str:
        """That the record is thin, so that its probabilities are too sure, in words; empty where it is not.

        `counted` says what `events` are: events or rows.
        """
        if self.events >= THIN:
            return ""
        return f"thin record, {self.cohorts} cohorts with a median of {self.events} {counted}: surer than it should be"

    @property
    def passed(self) -> bool:
        """Whether the challenger wins against the champion."""
        return self._shown(self.challenger)

    @property
    def recalled(self) -> bool:
        """Whether the former version wins against the champion, and more is expected of it than of the challenger."""
        former = self.former_expectation
        return former is not None and former.gain > self.challenger.gain and self._shown(former)

    def _shown(self, of: Expectation) -> bool:
        return of.shown(minimum=self.minimum, confidence=self.confidence)


class Rule(NamedTuple):
    """What a change of champion must meet, and the unit of the priors; all in the metric's unit.

    >>> Rule(unit=0.01, tolerated_loss=0.01, minimum_gain=0.0, confidence=0.95).confidence
    0.95
    """

    unit: float
    tolerated_loss: float
    minimum_gain: float
    confidence: float
