"""Are protected groups accepted alike?"""

from __future__ import annotations

from itertools import combinations
from typing import NamedTuple

from titleholder.validation import metrics
from titleholder.validation.checks.base import NOT_MEASURABLE, Check, Finding, found, not_applicable
from titleholder.validation.checks.groups import MOST, adjusted, groups, listed
from titleholder.validation.evidence import Evidence
from titleholder.validation.metrics import Interval


class Accepted(NamedTuple):
    """How many rows of a protected group are accepted."""

    column: str
    name: str
    rows: int
    accepted: int

    @property
    def rate(self) -> float:
        """Accepted rows over all."""
        return self.accepted / self.rows


class Pair(NamedTuple):
    """Two groups of one column, the less accepted one first."""

    lower: Accepted
    higher: Accepted

    @property
    def ratio(self) -> float:
        """The lower rate over the higher one."""
        return self.lower.rate / self.higher.rate

    def interval(self, confidence: float) -> Interval:
        """The ratio as sure as it can be."""
        low, high = self
        return metrics.ratio_of_rates(low.accepted, low.rows, high.accepted, high.rows, confidence=confidence)


def _accepted_alike(evidence: Evidence) -> Finding:
    """Fails when a group's acceptance rate over that of another group of the column is shown to be below `ratio`.

    Rates at the cut-off and no more: whether a difference is right is for people to say. The confidence is adjusted for
    all pairs of groups with `minimum_rows` rows, as the most unlike are picked from them.
    """
    columns, rule = evidence.spec.columns.protected, evidence.spec.judgement.checks.fairness
    if evidence.spec.judgement.cut_off is None or not columns:
        return not_applicable("The spec does not name both a cut_off and a protected column.")
    if not len(evidence.y):
        return NOT_MEASURABLE
    every = _accepted(evidence)
    judged = [group for group in every if group.rows >= rule.minimum_rows]
    counts = {"judged": len(judged), "too_few": len(every) - len(judged), "minimum": rule.ratio}
    numbers = {**counts, **{f"{group.name}:rate": group.rate for group in judged[:MOST]}}
    if not (pairs := _pairs(judged)):
        return not_applicable(f"No two groups of a column have {rule.minimum_rows} rows and any accepted.", numbers)
    confidence = adjusted(evidence.spec.judgement.confidence, len(pairs))
    ratios = [(p, p.interval(confidence)) for p in pairs if p is pairs[0] or p.ratio < rule.ratio]
    apart = [(p, ratio) for p, ratio in ratios if ratio.upper < rule.ratio]
    told = listed([f"{p.lower.name} over {p.higher.name} {ratio.text()}" for p, ratio in apart or ratios[:1]])
    head = f"shown to be below {rule.ratio:g}" if apart else f"none shown to be below {rule.ratio:g}, the lowest"
    numbers |= ratios[0][1].numbers("lowest")
    return found(bool(apart), f"One group's acceptance rate over another's, {head}: {told}.", numbers)


def _accepted(evidence: Evidence) -> list[Accepted]:
    """Every protected group, the least accepted first."""
    cut_off = evidence.spec.judgement.cut_off
    if cut_off is None:
        return []
    accepted = metrics.accepted(cut_off, evidence.challenger)
    every = groups(evidence.frame, evidence.spec.columns.protected)
    found = [Accepted(g.column, g.name, len(g.rows), int(accepted[g.rows].sum())) for g in every]
    return sorted(found, key=lambda group: group.rate)


def _pairs(judged: list[Accepted]) -> list[Pair]:
    """All pairs of groups of one column of which at least one is accepted at all, the most unlike first."""
    pairs = [Pair(a, b) for a, b in combinations(judged, 2) if a.column == b.column and b.accepted]
    return sorted(pairs, key=lambda pair: pair.ratio)


accepted_alike = Check("TH601", "Acceptance across protected groups", _accepted_alike, "fairness")
