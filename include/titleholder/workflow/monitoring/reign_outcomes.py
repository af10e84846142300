"""What came true of a reign, and whether it keeps what the promotion promised: of the champion, and of former ones."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from titleholder.ledger.score_runs import ScoreRun
from titleholder.settings import Settings
from titleholder.spec.model import ModelSpec
from titleholder.spec.monitor import Monitor
from titleholder.validation.monitoring import outcomes as came_true
from titleholder.validation.monitoring.estimated import Recalibration
from titleholder.validation.monitoring.report import Promise, RealisedCohort, Review
from titleholder.workflow.monitoring.outcomes import Matured, matured
from titleholder.workflow.monitoring.watched import Reign, promised_gain, promised_metric
from titleholder.workflow.scorer import Scorer


class Reader(NamedTuple):
    """What outcomes are read with: today's spec, whose query returns them, and the services."""

    spec: ModelSpec
    as_of: date
    url: str
    scorer: Scorer
    settings: Settings

    def months(self, runs: Sequence[ScoreRun], start: date | None, *, ended: bool = False) -> list[tuple[date, date]]:
        """The months from `start`, else from the first scored row, on whose outcomes are final, and were scored."""
        first = start or min(run.window_start for run in runs)
        scored = max(run.as_of for run in runs)
        watched = self.as_of - self.spec.windows.label_maturity
        return came_true.whole_cohorts(first, min(watched, scored), ended=ended and scored <= watched)

    def read(self, reign: Reign, months: Sequence[tuple[date, date]], calibration: Recalibration | None) -> Matured:
        """What came true in these months of the rows that the reign scored."""
        return matured(
            self.spec,
            reign.trained,
            reign.predecessor,
            reign.runs,
            months,
            self.as_of,
            calibration,
            url=self.url,
            scorer=self.scorer,
            settings=self.settings,
        )


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
