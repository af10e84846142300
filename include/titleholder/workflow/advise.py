"""`titleholder advise`: what a month of age costs a model, and so how often it is worth retraining.

Nothing is trained, decided or reported; scores are stored.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime

from titleholder.data.scores import ScoreStore
from titleholder.registry.client import Registry
from titleholder.settings import Settings
from titleholder.spec.cadence import Cadence, cadence
from titleholder.spec.model import ModelSpec
from titleholder.spec.windows import next_tick
from titleholder.workflow.backtest.advice import advice, often_enough
from titleholder.workflow.backtest.ageing import Ageing
from titleholder.workflow.backtest.periods import BacktestPart
from titleholder.workflow.backtest.policies import IMMATURE, PeriodResult
from titleholder.workflow.backtest.walk import Progress, Request, Walk, decisions_of, followed, measured
from titleholder.workflow.scorer import Scorer


class Advice(BacktestPart):
    """How often to retrain a model, and what that rests on.

    `retrain` is the least frequent retraining that loses no more than is tolerated, such as `quarterly`; None where too
    little is known, or newer versions did worse. `earliest` is the day on which enough outcomes are final, None where
    that is today or cannot be known.
    """

    model: str
    lane: str
    schedule: str | None
    metric: str
    confidence: float
    labels_as_of: date
    sentence: str
    retrain: str | None
    earliest: date | None
    ageing: Ageing

    @property
    def cadence(self) -> Cadence:
        """What the lane's periods are called."""
        return cadence(self.schedule)


def advise(
    request: Request,
    *,
    url: Callable[[str], str],
    settings: Settings,
    on_step: Progress = lambda *_: None,
) -> Advice:
    """What the versions of a lane say about age, by final outcomes; `url` gives the address of a connection.

    Raises:
        UsageError: for a lane without decisions, naming those that have some, for one that was deleted or has periods
            that must be run again.
        DataError: when a snapshot is gone.
    """
    decided, spec = decisions_of(request, settings)
    lane = followed(request, decided, spec, url(spec.source.connection), settings, on_step)
    walk = measured(lane, Scorer(Registry(settings.tracking_uri), ScoreStore(settings.snapshots)), on_step)
    return advice_of(walk, request)


def advice_of(walk: Walk, request: Request) -> Advice:
    """What a lane that was walked through says about age."""
    aged, spec = walk.ageing, walk.lane.spec
    judgement = spec.judgement
    known = (
        None if aged.metric else earliest(walk.found, aged.more, spec, request.labels_as_of or datetime.now(UTC).date())
    )
    sentence = advice(aged, judgement.metric, judgement.confidence, cadence(spec.schedule))
    if known:
        sentence += f" Their outcomes are final on {known}."
    return Advice(
        model=spec.name,
        lane=request.lane,
        schedule=spec.schedule,
        metric=judgement.metric,
        confidence=judgement.confidence,
        labels_as_of=walk.lane.outcomes.as_of,
        sentence=sentence,
        retrain=often_enough(aged).name if aged.worth and aged.metric and aged.metric.month.upper >= 0 else None,
        earliest=known,
        ageing=aged,
    )


def earliest(found: Sequence[PeriodResult], more: int, spec: ModelSpec, today: date) -> date | None:
    """When the outcomes of so many more periods are final, by the schedule; None where that is past or unknown."""
    ends = [m.period.end for m in found if m.why == IMMATURE]
    while len(ends) < more and spec.schedule is not None:
        ends.append(next_tick(spec.schedule, ends[-1] if ends else found[-1].period.end))
    if not more or len(ends) < more:
        return None
    final = ends[more - 1] + spec.windows.label_maturity
    return final if final > today else None
