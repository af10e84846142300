"""Whether a reign keeps what its promotion promised: that of the champion, and former ones."""

from __future__ import annotations

from collections.abc import Sequence

from titleholder.spec.monitor import Monitor
from titleholder.validation.monitoring import outcomes as came_true
from titleholder.validation.monitoring.report import Promise, RealisedCohort, Review
from titleholder.workflow.monitoring.watched import Reign, promised_gain, promised_metric


def promise(reign: Reign, monitor: Monitor, cohorts: Sequence[RealisedCohort]) -> Promise | None:
    """What is missing of the metric that was promised; None where none was measured."""
    judgement = reign.trained.spec.judgement
    decision, found = promised_metric(reign.crowning, reign.judged)
    if found is None:
        return None
    tolerated = monitor.tolerated_shortfall
    return came_true.promise(
        judgement.metric,
        decision,
        found,
        cohorts,
        confidence=judgement.confidence,
        tolerated=judgement.tolerance if tolerated is None else tolerated,
        budget=monitor.false_alarms / 2,
    )


def review(reign: Reign, cohorts: Sequence[RealisedCohort], who: str = "the champion") -> Review | None:
    """Whether the promised gain came true; None where none was measured."""
    crowning, judgement = reign.crowning, reign.trained.spec.judgement
    found = promised_gain(crowning)
    if found is None or crowning.champion_before is None:
        return None
    return came_true.review(
        judgement.metric, crowning.id, crowning.champion_before, found, cohorts, judgement.confidence, who
    )
