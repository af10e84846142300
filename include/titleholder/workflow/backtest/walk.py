"""A lane's decisions with the rows that followed each of them, and what every version did on these.

Outcomes are read as finally known; nothing is trained and nothing is decided. Scores are stored.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from typing import NamedTuple

import numpy as np
import pandas as pd

from titleholder.data import contract, data_end, extraction, features
from titleholder.data.lazy_frame import LazyFrame
from titleholder.errors import UsageError
from titleholder.ledger import lane_records, reigns, store
from titleholder.ledger.decision import Decision, restored_spec
from titleholder.settings import Settings
from titleholder.spec.metrics import METRICS
from titleholder.spec.model import ModelSpec
from titleholder.spec.windows import Intervals, midnight
from titleholder.validation.ageing import Cell
from titleholder.validation.evidence import metric_basis
from titleholder.validation.metrics import Array
from titleholder.validation.metrics.inputs import Rows
from titleholder.workflow.backtest import policies
from titleholder.workflow.backtest.ageing import Ageing, ageing, recorded
from titleholder.workflow.backtest.periods import Period, decisions, periods_of
from titleholder.workflow.backtest.policies import PeriodResult, ScoredRows
from titleholder.workflow.lanes import refuse_deleted
from titleholder.workflow.scorer import Scorer
from titleholder.workflow.trained_versions import TrainedVersion, missing_columns

Progress = Callable[[str, int, int], None]
"""Gets what is being done, how much of it is done, and out of how much."""


class Request(NamedTuple):
    """What is to be looked at: which lane, its decisions until when, outcomes as of when, and other values to try.

    >>> request = Request("loans", "live")
    >>> request.until, request.confidences
    (None, ())
    """

    model: str
    lane: str
    until: date | None = None
    labels_as_of: date | None = None
    tolerated_losses: tuple[float, ...] = ()
    minimum_gains: tuple[float, ...] = ()
    confidences: tuple[float, ...] = ()
    command: str = "backtest"
    """Who asks."""


class Outcomes(NamedTuple):
    """The rows that followed the decisions, with outcomes as known at `as_of` for those before `matured`."""

    as_of: date
    matured: date
    rows: LazyFrame


class FollowedLane(NamedTuple):
    """The decisions of a lane, the spec of the newest, and the periods and rows that followed."""

    decided: list[Decision]
    spec: ModelSpec
    periods: list[Period]
    outcomes: Outcomes


class Walk(NamedTuple):
    """What came of each period, whether clusters reach over several of those compared, and what age costs."""

    lane: FollowedLane
    found: list[PeriodResult]
    together: bool
    ageing: Ageing


def decisions_of(request: Request, settings: Settings) -> tuple[list[Decision], ModelSpec]:
    """The lane's decisions in force, and the spec of the newest: its columns, metric, weights, clusters and profit.

    Raises:
        UsageError: for a lane without decisions, naming those that have some, for one that was deleted or has periods
            that must be run again.
    """
    decided = _decided(request, settings)
    newest = next(row for row in reversed(decided) if row.challenger_version is not None)
    return decided, restored_spec(newest.id, newest.spec)


def followed(
    request: Request,
    decided: list[Decision],
    spec: ModelSpec,
    url: str,
    settings: Settings,
    on_step: Progress = lambda *_: None,
) -> FollowedLane:
    """The lane with the rows that followed its decisions; `url` is the warehouse's."""
    periods = periods_of(decided, spec.schedule)
    on_step("outcomes", 0, 1)
    return FollowedLane(decided, spec, periods, _outcomes(spec, periods, request.labels_as_of, url, settings))


def measured(lane: FollowedLane, scorer: Scorer, on_step: Progress = lambda *_: None) -> Walk:
    """Each period's figures, and what they say about age."""
    found, together = _measured(*lane, scorer, on_step)
    judgement = lane.spec.judgement
    record = recorded(
        [cohort for row in lane.decided for cohort in row.cohorts], judgement.metric, metric_basis(lane.spec)
    )
    aged = ageing(
        found,
        trained_through(lane.decided),
        metric=judgement.metric,
        confidence=judgement.confidence,
        record=record,
        tolerated=_tolerated(lane.spec, record),
    )
    return Walk(lane, found, together, aged)


def _tolerated(spec: ModelSpec, record: Sequence[Cell]) -> float:
    """The tolerated loss in the metric's unit; where it is a share, of the mean metric on the record."""
    judgement = spec.judgement
    share = METRICS[judgement.metric].share_of is not None
    return judgement.tolerance * (float(np.mean([abs(cell.value) for cell in record] or [0.0])) if share else 1.0)


def trained_through(decided: Sequence[Decision]) -> dict[int, date]:
    """The end of the rows that each version's model in use was fitted on: of a refit, the holdout's too."""
    ends = {row.challenger_version: row.matured if row.refitted else row.trained_through for row in decided}
    return {version: end for version, end in ends.items() if version is not None and end is not None}


def _decided(request: Request, settings: Settings) -> list[Decision]:
    rows = store.read(settings.ledger_url, request.model, request.lane)
    if not rows:
        lanes = store.lanes(settings.ledger_url, request.model)
        raise UsageError(lane_records.other_lanes(request.command, request.model, request.lane, lanes))
    refuse_deleted(request.model, request.lane, settings.ledger_url)
    if decided := decisions(rows, request.lane, request.until):
        again = reigns.to_rerun(rows, request.lane)
        if waiting := [str(row.as_of) for row in decided if row.id in again]:
            raise UsageError(
                f"{request.model}, lane {request.lane}: {', '.join(waiting)} must be run again first: another version "
                f"is champion before them than they were judged against. `{reigns.rerun_command(rows, request.lane)}`"
            )
        return decided
    raise UsageError(
        f"{request.model}: no decision in lane {request.lane} until {request.until}; the first is of {rows[0].as_of}"
    )


def _outcomes(
    spec: ModelSpec, periods: Sequence[Period], labels_as_of: date | None, url: str, settings: Settings
) -> Outcomes:
    """Every row that followed a decision and whose outcome is known by now, whichever model it fell to.

    Where the data ended, outcomes are those known when they did: what came later, nobody saw.
    """
    today = datetime.now(UTC).date()
    if labels_as_of and labels_as_of > today:
        raise UsageError(f"outcomes as of {labels_as_of} are not known yet; the latest valid date is today, {today}")
    ends = data_end.newest_facts(url, spec, labels_as_of or today)
    ended = data_end.ended(ends, today)
    as_of = labels_as_of or ended or today
    matured = as_of - spec.windows.label_maturity
    start = periods[0].as_of
    end = max(start, min(matured, periods[-1].end))
    spans = Intervals(train_start=start, holdout_start=start, matured=end)
    taken = extraction.extract(url, spec, spans, as_of, settings.snapshots)
    frame, rest = contract.parts(taken, spec)
    contract.enforce(frame, spec, spans, as_of, to_train=False, rest=rest)
    if late := data_end.unwatched(frame, spec, ends):
        raise UsageError(f"outcomes as of {as_of} are not known: {late}; the latest valid date is {ended}")
    return Outcomes(as_of, matured, LazyFrame(taken, np.flatnonzero(features.accepted(frame, spec))))


def _measured(
    decided: Sequence[Decision],
    spec: ModelSpec,
    periods: Sequence[Period],
    outcomes: Outcomes,
    scorer: Scorer,
    on_step: Progress,
) -> tuple[list[PeriodResult], bool]:
    """Each period's figures, and whether clusters reach over several of those compared."""
    of = outcomes.rows
    time, y, weights = of[spec.columns.event_time], features.target(of, spec), features.weights(of, spec)
    places = [_rows_of(period, time) for period in periods]
    scores = _scored(periods, [of.at(part) for part in places], decided, of, scorer, on_step)
    every = pd.factorize(of[spec.columns.cluster])[0] if spec.columns.cluster else None
    found, clusters = [], []
    for n, (period, part) in enumerate(zip(periods, places, strict=True)):
        own = None if every is None else every[part]
        rows = ScoredRows(y[part], scores[n], None if weights is None else weights[part], own)
        found.append(policies.measure(period, rows, spec, max(period.as_of, min(period.end, outcomes.matured))))
        if own is not None and found[-1].compared:
            clusters.append(own)
        on_step("measure", n + 1, len(periods))
    return found, policies.shared(clusters)


def _rows_of(period: Period, time: pd.Series) -> Rows:
    """The places of a period's rows, by the event time of all rows."""
    return np.flatnonzero((time >= midnight(period.as_of)) & (time < midnight(period.end)))


def _scored(
    periods: Sequence[Period],
    parts: Sequence[LazyFrame],
    decided: Sequence[Decision],
    rows: LazyFrame,
    scorer: Scorer,
    on_step: Progress,
) -> list[dict[int, Array]]:
    """For each period the scores of every version that existed then; version by version, so that each is read once.

    One that needs columns which the query no longer returns is left out.
    """
    scores: list[dict[int, Array]] = [{} for _ in periods]
    versions = periods[-1].versions
    for n, version in enumerate(versions, start=1):
        trained = _trained(version, decided)
        if missing_columns(trained.spec, rows):
            continue
        used = [period for period, of in enumerate(periods) if version in of.versions]
        positions = np.unique(np.concatenate([parts[period].positions for period in used]))
        answers = scorer.scores(trained, LazyFrame(rows.extract, positions))
        for period in used:
            scores[period][version] = answers[np.searchsorted(positions, parts[period].positions)]
        on_step("score", n, len(versions))
    return scores


def _trained(version: int, decided: Sequence[Decision]) -> TrainedVersion:
    """The model that was in use, not a twin that was judged in its place."""
    row = reigns.decision_on(decided, version)
    if row is None:
        raise UsageError(f"version {version} has no decision of its own in this lane")
    return TrainedVersion(version, row.nominee, restored_spec(row.id, row.spec)).registered
