"""What was found about one challenger: its metrics, the gain over the champion, and every check."""

from __future__ import annotations

from datetime import date

from pydantic import BaseModel, ConfigDict

from titleholder.validation import metrics
from titleholder.validation.checks.base import Result
from titleholder.validation.cohort_record import CohortRecord
from titleholder.validation.evidence import (
    UnfitCandidate,
)
from titleholder.validation.fresh import Freshness, challenge
from titleholder.validation.outlook import Outlook
from titleholder.validation.sequential import Accumulated, Look, accumulate


class Reign(BaseModel):
    """The champion that a challenger was judged against, and the evidence that earlier challengers gathered against it.

    `trained_through` and `judged_through` end the rows that it was trained on and those that made it champion.
    `recalled` is the as-of date of the recall that did; None where it was no recall. `tried` has the end of
    the rows that each earlier challenger of the reign was judged on.

    >>> Reign(version=3, as_of=date(2024, 1, 1), trained_through=date(2022, 1, 1)).looks
    ()
    """

    model_config = ConfigDict(frozen=True)

    version: int
    as_of: date
    trained_through: date
    judged_through: date = date.min
    recalled: date | None = None
    looks: tuple[Look, ...] = ()
    tried: tuple[date, ...] = ()
    line: str = ""
    """A fingerprint of the versions before it that the rule `record` goes by; empty under another rule."""


class Recall(BaseModel):
    """A former version that the record expects to do better in use than both the champion and the challenger.

    `trained_through` ends the rows that it was trained on, `gain` is what is expected in use over the champion, more
    being better, `risk` the probability that it is worse by more than the tolerated loss. `metrics_here`,
    `interval_here` and `gain_here` (over the champion) are measured on the judged rows. `checks` are the results of
    those of a challenger on these rows, all but that of the gain.

    >>> Recall(version=3, as_of=date(2024, 1, 1), trained_through=date(2023, 7, 1), gain=0.006, risk=0.01).fit
    True
    """

    model_config = ConfigDict(frozen=True)

    version: int
    as_of: date
    trained_through: date
    gain: float
    risk: float
    metrics_here: dict[str, float] = {}
    interval_here: metrics.Interval | None = None
    gain_here: metrics.Gain | None = None
    checks: tuple[Result, ...] = ()

    @property
    def failed(self) -> tuple[Result, ...]:
        """The blocking checks that it failed: with any it is not recalled."""
        return tuple(result for result in self.checks if result.blocks)

    @property
    def fit(self) -> bool:
        """Whether it may be champion again."""
        return not self.failed


class Measurements(BaseModel):
    """Both models' metrics on the judged rows, and the gain of one over the other.

    They depend on the rows, the two models, and the metric and confidence of the spec; not on the looks of the reign
    nor on the minimum gain.
    """

    model_config = ConfigDict(frozen=True)

    challenger_metrics: dict[str, float]
    champion_metrics: dict[str, float]
    challenger_interval: metrics.Interval | None = None
    champion_interval: metrics.Interval | None = None
    gain: metrics.Gain | None


class Verdict(Measurements):
    """What was found about one challenger. Small and frozen: it travels through XCom into the ledger.

    >>> verdict = Verdict(
    ...     challenger_metrics={"roc_auc": 0.71}, champion_metrics={}, gain=None, champion=None, rows=900, events=90,
    ...     holdout_start=date(2024, 1, 1), holdout_end=date(2024, 4, 1), metric="roc_auc", confidence=0.95, checks=(),
    ... )
    >>> verdict.freshness(), verdict.accumulated(), verdict.looks
    (None, None, ())
    """

    champion: Reign | None
    candidate: str = ""
    holdout_start: date
    holdout_end: date
    rows: int
    events: int
    """Rows with target 1; of a regression, all rows."""
    metric: str
    look: Look | None = None
    rule: str = "fresh"
    tolerated_loss: float | None = None
    """Under the rules `record` and `fresh`, in the metric's unit; None without a champion."""
    minimum_gain: float = 0.0
    horizon: int | None = None
    confidence: float
    checks: tuple[Result, ...]
    champion_failed: tuple[Result, ...] = ()
    """The blocking checks of a model by itself that the champion fails on these rows, but for its floors (TH205)."""
    note: str = ""
    cohorts: tuple[CohortRecord, ...] = ()
    """Under the rule `record`: what all versions that were compared did on the cohorts of these rows."""
    outlook: Outlook | None = None
    """Under the rule `record`: what follows from these and from those of earlier decisions."""
    recall: Recall | None = None
    """Under the rule `record`, where a former version is expected to do best."""
    unfit: tuple[UnfitCandidate, ...] = ()
    """Better candidates of the run that were judged on the same rows before this one, and are unfit for use."""
    also_unfit: tuple[UnfitCandidate, ...] = ()
    """The other candidates of the run where all are unfit without a champion, and this one is judged beside it."""

    def failed(self) -> tuple[Result, ...]:
        """The blocking checks that failed."""
        return tuple(result for result in self.checks if result.blocks)

    def unfitness(self) -> tuple[Result, ...]:
        """The blocking checks that the challenger failed by itself; those of plausibility are for people to judge."""
        return tuple(r for r in self.failed() if r.subject == "challenger" and r.role != "plausibility")

    def champion_unfitness(self) -> tuple[Result, ...]:
        """What the champion fails by itself on these rows: its floors, and checks that would block a challenger."""
        return (*(r for r in self.checks if r.subject == "champion" and r.failed), *self.champion_failed)

    def about_champion(self, said: str = "") -> str:
        """That the champion itself fails, by each check's sentence that is not `said` already; else empty."""
        version = self.champion.version if self.champion else None
        return " ".join(
            f"The champion of that time, version {version}, itself fails {r.code} ({r.title}): {r.explanation}"
            for r in self.champion_unfitness()
            if r.explanation not in said
        )

    @property
    def looks(self) -> tuple[Look, ...]:
        """The reign's looks by the metric of this verdict; this challenger's is the last, if it had one."""
        return looks_of(self.champion, self.metric, self.look)

    def freshness(self) -> Freshness | None:
        """What the gain on this holdout says under the rule `fresh`; None where there is no gain."""
        if self.gain is None or self.tolerated_loss is None:
            return None
        limits = {"tolerated_loss": self.tolerated_loss, "minimum_gain": self.minimum_gain}
        return challenge(self.gain, **limits, confidence=self.confidence)

    def accumulated(self) -> Accumulated | None:
        """What the looks show together."""
        return self.accumulated_until(len(self.looks))

    def accumulated_until(self, number: int) -> Accumulated | None:
        """What the first so many looks showed together."""
        terms = {"minimum_gain": self.minimum_gain, "confidence": self.confidence}
        return accumulate(self.looks[:number], **terms, horizon=self.horizon)


def looks_of(reign: Reign | None, metric: str, look: Look | None) -> tuple[Look, ...]:
    """Looks by another metric, from before the spec was changed, are no evidence about this one."""
    earlier = (e for e in (reign.looks if reign else ()) if e.metric == metric)
    return (*earlier, *([look] if look else []))
