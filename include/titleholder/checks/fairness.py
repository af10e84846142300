"""Are protected groups accepted alike?"""

from __future__ import annotations

from itertools import combinations
from typing import NamedTuple

from titleholder import metrics
from titleholder.checks.base import NOTHING, Check, Evidence, Finding, found, not_applicable
from titleholder.checks.groups import adjusted, groups, listed, worst
from titleholder.checks.measured import numbered, said
from titleholder.metrics import Interval


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
    """Two groups of one column; nobody of the lower one is accepted more often."""

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

    A comparison of rates at the cut-off and no more: whether a difference is right is for people to say. The confidence
    is adjusted for all pairs of groups with `minimum_rows` rows, as the lowest and the highest are picked from them.
    """
    columns, rule = evidence.spec.columns.protected, evidence.spec.judgement.checks.fairness
    if evidence.spec.judgement.cut_off is None or not columns:
        return not_applicable("The spec does not name both a cut_off and a protected column.")
    if not len(evidence.y):
        return NOTHING
    every = _accepted(evidence)
    judged = [group for group in every if group.rows >= rule.minimum_rows]
    numbers: dict[str, float] = {"judged": len(judged), "too_few": len(every) - len(judged), "minimum": rule.ratio}
    for group in worst(judged, key=lambda group: group.rate):
        numbers |= {f"{group.name}:rate": group.rate, f"{group.name}:rows": group.rows}
    if not (pairs := _pairs(judged)):
        return not_applicable(
            f"No two groups of a column have {rule.minimum_rows} rows and are accepted at all.", numbers
        )
    each = adjusted(evidence.spec.judgement.confidence, len(pairs))
    suspects = [(pair, pair.interval(each)) for pair in pairs if pair.ratio < rule.ratio]
    apart = [(pair, ratio) for pair, ratio in suspects if ratio.upper < rule.ratio]
    told = apart or suspects[:1] or [(pairs[0], pairs[0].interval(each))]
    head = "Shown to be" if apart else "None is shown to be"
    return found(
        bool(apart),
        f"One group's acceptance rate over another's: {head} below {rule.ratio:g}{'' if apart else ', the lowest'}: "
        f"{listed([f'{p.lower.name} over {p.higher.name} {said(ratio, ".3f")}' for p, ratio in told])}.",
        numbers | numbered("lowest", told[0][1]),
    )


def _accepted(evidence: Evidence) -> list[Accepted]:
    cut_off = evidence.spec.judgement.cut_off
    if cut_off is None:
        return []
    accepted = metrics.accepted(cut_off, evidence.challenger)
    every = groups(evidence.frame, evidence.spec.columns.protected)
    return [Accepted(g.column, g.name, len(g.rows), int(accepted[g.rows].sum())) for g in every]


def _pairs(judged: list[Accepted]) -> list[Pair]:
    """All pairs of groups of one column of which at least one is accepted at all, the most unlike first."""
    ordered = sorted(judged, key=lambda group: group.rate)
    pairs = [Pair(a, b) for a, b in combinations(ordered, 2) if a.column == b.column and b.accepted]
    return sorted(pairs, key=lambda pair: pair.ratio)


accepted_alike = Check("TH601", "Acceptance across protected groups", _accepted_alike, "fairness")
