"""Are protected groups accepted at similar rates?"""

from __future__ import annotations

from itertools import combinations
from typing import NamedTuple

from titleholder.spec.criteria import CutOff
from titleholder.validation import metrics
from titleholder.validation.checks.base import NOT_MEASURABLE, Check, Finding, found, not_applicable
from titleholder.validation.checks.groups import MOST, adjusted_confidence, groups, listed
from titleholder.validation.evidence import Evidence
from titleholder.validation.metrics import Interval


class Acceptance(NamedTuple):
    """How many rows of a protected group are accepted.

    >>> Acceptance("age", "age=old", rows=200, accepted=150).rate
    0.75
    """

    column: str
    name: str
    rows: int
    accepted: int

    @property
    def rate(self) -> float:
        """Accepted rows over all."""
        return self.accepted / self.rows


class Pair(NamedTuple):
    """Two groups of one column, the less accepted one first.

    >>> pair = Pair(Acceptance("age", "age=old", 200, 75), Acceptance("age", "age=young", 100, 75))
    >>> pair.name, pair.ratio
    ('age=old over age=young', 0.5)
    """

    lower: Acceptance
    higher: Acceptance

    @property
    def name(self) -> str:
        """`age=old over age=young`."""
        return f"{self.lower.name} over {self.higher.name}"

    @property
    def ratio(self) -> float:
        """The lower rate over the higher one."""
        return self.lower.rate / self.higher.rate

    def interval(self, confidence: float) -> Interval:
        """The ratio with its interval."""
        low, high = self
        return metrics.ratio_of_rates(low.accepted, low.rows, high.accepted, high.rows, confidence=confidence)


def _acceptance_rates(evidence: Evidence) -> Finding:
    """Fails when a group's acceptance rate over that of another group of the column is shown to be below `ratio`.

    Rates at the cut-off and no more: whether a difference is right is for people to decide. The confidence is adjusted
    for all pairs of groups with `minimum_rows` rows, as the most unequal are picked from them.
    """
    judgement, columns = evidence.spec.judgement, evidence.spec.columns.protected
    if judgement.cut_off is None or not columns:
        return not_applicable("The spec does not name both a cut_off and a protected column.")
    if not len(evidence.y):
        return NOT_MEASURABLE
    rule = judgement.checks.fairness
    every = _acceptances(evidence, judgement.cut_off)
    judged = [group for group in every if group.rows >= rule.minimum_rows]
    numbers: dict[str, float] = {"judged": len(judged), "too_few": len(every) - len(judged), "minimum": rule.ratio}
    numbers |= {f"{group.name}:rate": group.rate for group in judged[:MOST]}
    pairs = _pairs(judged)
    if not pairs:
        return not_applicable(f"No two groups of a column have {rule.minimum_rows} rows and any accepted.", numbers)
    confidence = adjusted_confidence(judgement.confidence, len(pairs))
    lowest = pairs[0].interval(confidence)
    below = {pair.name: pair.interval(confidence) for pair in pairs if pair.ratio < rule.ratio}
    shown = {name: interval for name, interval in below.items() if interval.upper < rule.ratio}
    head = f"shown to be below {rule.ratio:g}" if shown else f"none shown to be below {rule.ratio:g}, the lowest"
    named = listed([f"{name} {interval.text()}" for name, interval in (shown or {pairs[0].name: lowest}).items()])
    sentence = f"One group's acceptance rate over another's, {head}: {named}."
    return found(bool(shown), sentence, numbers | lowest.numbers("lowest"), beyond=bool(below))


def _acceptances(evidence: Evidence, cut_off: CutOff) -> list[Acceptance]:
    """Every protected group, the least accepted first."""
    accepted = metrics.accepted(cut_off, evidence.challenger)
    every = groups(evidence.frame, evidence.spec.columns.protected)
    counts = [Acceptance(g.column, g.name, len(g.rows), int(accepted[g.rows].sum())) for g in every]
    return sorted(counts, key=lambda group: group.rate)


def _pairs(judged: list[Acceptance]) -> list[Pair]:
    """All pairs of groups of one column of which at least one is accepted at all, the most unequal first."""
    pairs = [Pair(a, b) for a, b in combinations(judged, 2) if a.column == b.column and b.accepted]
    return sorted(pairs, key=lambda pair: pair.ratio)


acceptance_rates = Check(
    "TH601",
    "Acceptance across protected groups",
    _acceptance_rates,
    "fairness",
    of_candidate=True,
    remedy="Let people review the difference: no threshold says whether it is justified.",
)
