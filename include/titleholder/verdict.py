"""All checks of one challenger against whoever reigns, on rows that neither has seen."""

from __future__ import annotations

from datetime import date

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from titleholder import checks, metrics
from titleholder.checks.base import Evidence, Result
from titleholder.spec import ModelSpec

Scores = NDArray[np.float64]


class Reign(BaseModel):
    """Whoever reigned when a challenger was judged: the champion's version, and the ledger row that crowned it."""

    model_config = ConfigDict(frozen=True)

    version: int
    as_of: date
    trained_through: date


class Verdict(BaseModel):
    """What was found about one challenger. Small and frozen: it travels through XCom into the ledger."""

    model_config = ConfigDict(frozen=True)

    champion: Reign | None
    holdout_start: date
    holdout_end: date
    rows: int
    events: int
    metric: str
    challenger_metrics: dict[str, float]
    champion_metrics: dict[str, float]
    gain: metrics.Gain | None
    confidence: float
    checks: tuple[Result, ...]
    note: str = ""

    def failed(self) -> tuple[Result, ...]:
        """The blocking checks that failed."""
        return tuple(c for c in self.checks if c.status == "fail" and c.severity == "block")


def judge(
    spec: ModelSpec,
    *,
    y: Scores,
    challenger: Scores,
    champion: Scores | None,
    reign: Reign | None,
    holdout: tuple[date, date],
    note: str = "",
) -> Verdict:
    """Compute every metric, the gain with its interval, and every check.

    Where the holdout is empty or has one class only there is nothing to measure: the metrics are left out and the
    check for enough outcomes fails. The gain also needs two rows of each class, or it has no variance.
    """
    measurable = len(y) > 1 and (spec.task == "regression" or 0 < y.sum() < len(y))
    own = metrics.compute_all(spec.task, y, challenger) if measurable else {}
    theirs = metrics.compute_all(spec.task, y, champion) if measurable and champion is not None else {}
    won = None
    enough_to_compare = spec.task == "regression" or 2 <= y.sum() <= len(y) - 2
    if measurable and champion is not None and enough_to_compare:
        judgement = spec.judgement
        won = metrics.gain(
            judgement.metric,
            y,
            challenger,
            champion,
            confidence=judgement.confidence,
            resamples=judgement.resamples,
            seed=spec.training.seed,
        )
    evidence = Evidence(spec=spec, y=y, challenger=challenger, champion=champion, metrics=own, gain=won)
    return Verdict(
        champion=reign,
        holdout_start=holdout[0],
        holdout_end=holdout[1],
        rows=len(y),
        events=evidence.events,
        metric=spec.judgement.metric,
        challenger_metrics=own,
        champion_metrics=theirs,
        gain=won,
        confidence=spec.judgement.confidence,
        checks=checks.run(evidence),
        note=note,
    )
