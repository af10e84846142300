"""`titleholder backtest`: a lane's decisions held against what became of the rows that followed each of them.

Outcomes are read as finally known; nothing is trained and no decision is written. Scores are stored, and the report is
kept in one MLflow run for each state of the lane and its outcomes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import NamedTuple

import numpy as np
import pandas as pd

from titleholder.data import contract, data_end, extraction, features
from titleholder.data.scores import ScoreStore
from titleholder.errors import UsageError
from titleholder.ledger import lane_records, reigns, store
from titleholder.ledger.decision import Decision
from titleholder.registry import names
from titleholder.registry.client import Registry
from titleholder.registry.runs import key_of
from titleholder.settings import Settings, code_version
from titleholder.spec.model import ModelSpec
from titleholder.spec.windows import Intervals, midnight
from titleholder.validation.metrics import Array
from titleholder.workflow.backtest import policies, report, summary
from titleholder.workflow.backtest.answer import answer, cautions
from titleholder.workflow.backtest.periods import Period, decisions, periods_of
from titleholder.workflow.backtest.policies import PeriodResult, ScoredRows
from titleholder.workflow.backtest.summary import Backtest, Setting
from titleholder.workflow.backtest.what_if import grid, replay
from titleholder.workflow.lanes import refuse_deleted
from titleholder.workflow.publication import attach
from titleholder.workflow.scoring import Scorer, TrainedVersion, missing_columns

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


class Outcomes(NamedTuple):
    """The rows that followed the decisions, with outcomes as known at `as_of` for those before `matured`."""

    as_of: date
    matured: date
    uri: str
    sha256: str
    frame: pd.DataFrame


class Finished(NamedTuple):
    """The result, its report, where a person sees that, and how many scores had to be computed."""

    result: Backtest
    page: str
    url: str
    computed: int


def backtest(
    request: Request,
    *,
    url: Callable[[str], str],
    actor: str,
    settings: Settings,
    on_step: Progress = lambda *_: None,
) -> Finished:
    """Walk through a lane; `url` gives the address of a connection.

    The spec is that of the lane's newest decision: its columns, metric, weights, clusters and profit.

    Raises:
        UsageError: for a lane without decisions, naming those that have some, for one that was deleted or has periods
            that must be run again, or for invalid values.
        DataError: when a snapshot is gone.
    """
    decided = _decided(request, settings)
    spec = ModelSpec.restore(next(row for row in reversed(decided) if row.challenger_version is not None).spec)
    trials = grid(spec, request.tolerated_losses, request.minimum_gains, request.confidences)
    periods = periods_of(decided, spec.schedule)
    on_step("outcomes", 0, 1)
    outcomes = _outcomes(spec, periods, request.labels_as_of, url(spec.source.connection), settings)
    scorer = Scorer(Registry(settings.tracking_uri), ScoreStore(settings.snapshots))
    runs = scorer.registry.runs
    run_id = _opened(request, decided, outcomes, actor, scorer.registry)
    with runs.running(run_id):
        found, together = _measured(periods, decided, outcomes, spec, scorer, on_step)
        lines = replay(decided, trials, scorer, lambda n, of: on_step("what if", n, of))
        result = _result(request, decided, spec, outcomes, found, lines, together=together, actor=actor, run_id=run_id)
        page = _keep(result, scorer.registry, settings.ledger_url)
    runs.finish(run_id)
    return Finished(result, page, runs.artifact_url(run_id, names.BACKTEST_REPORT), scorer.store.computed)


def _decided(request: Request, settings: Settings) -> list[Decision]:
    rows = store.read(settings.ledger_url, request.model, request.lane)
    if not rows:
        lanes = store.lanes(settings.ledger_url, request.model)
        raise UsageError(lane_records.other_lanes("backtest", request.model, request.lane, lanes))
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
    frame = taken.read()
    contract.enforce(frame, spec, spans, as_of, to_train=False)
    if late := data_end.unwatched(frame, spec, ends):
        raise UsageError(f"outcomes as of {as_of} are not known: {late}; the latest valid date is {ended}")
    known = frame[features.accepted(frame, spec)].reset_index(drop=True)
    return Outcomes(as_of, matured, taken.uri, taken.sha256, known)


def _opened(request: Request, decided: Sequence[Decision], outcomes: Outcomes, actor: str, registry: Registry) -> str:
    key = key_of("backtest", request.model, request.lane, outcomes.sha256, *(row.hash for row in decided))
    tags = names.tags(
        model=request.model,
        lane=request.lane,
        kind="backtest",
        actor=actor,
        code_version=code_version(),
        labels_as_of=outcomes.as_of,
        until=decided[-1].as_of,
        outcomes_sha256=outcomes.sha256,
    )
    return registry.runs.open(request.model, key, f"{request.model} backtest of {request.lane}", tags)


def _measured(
    periods: Sequence[Period],
    decided: Sequence[Decision],
    outcomes: Outcomes,
    spec: ModelSpec,
    scorer: Scorer,
    on_step: Progress,
) -> tuple[list[PeriodResult], bool]:
    """Each period's figures, and whether clusters reach over several of those compared."""
    parts = [_rows_of(period, outcomes.frame, spec) for period in periods]
    scores = _scored(periods, parts, decided, outcomes, scorer, on_step)
    every = pd.factorize(outcomes.frame[spec.columns.cluster])[0] if spec.columns.cluster else None
    found, clusters = [], []
    for n, (period, part) in enumerate(zip(periods, parts, strict=True)):
        own = None if every is None else every[part.index]
        rows = ScoredRows(features.target(part, spec), scores[n], features.weights(part, spec), own)
        found.append(policies.measure(period, rows, spec, max(period.as_of, min(period.end, outcomes.matured))))
        if own is not None and found[-1].compared:
            clusters.append(own)
        on_step("measure", n + 1, len(periods))
    return found, policies.shared(clusters)


def _rows_of(period: Period, frame: pd.DataFrame, spec: ModelSpec) -> pd.DataFrame:
    """A period's rows, under their places in the whole frame."""
    time = frame[spec.columns.event_time]
    return frame[(time >= midnight(period.as_of)) & (time < midnight(period.end))]


def _scored(
    periods: Sequence[Period],
    parts: Sequence[pd.DataFrame],
    decided: Sequence[Decision],
    outcomes: Outcomes,
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
        if missing_columns(trained.spec, outcomes.frame):
            continue
        used = [period for period, of in enumerate(periods) if version in of.versions]
        rows = pd.concat([parts[period] for period in used])
        answers = scorer.scores(trained, outcomes.sha256, rows)
        ends = np.cumsum([len(parts[period]) for period in used])
        for period, part in zip(used, np.split(answers, ends[:-1]), strict=True):
            scores[period][version] = part
        on_step("score", n, len(versions))
    return scores


def _trained(version: int, decided: Sequence[Decision]) -> TrainedVersion:
    """The model that was in use, not a twin that was judged in its place."""
    row = reigns.decision_on(decided, version)
    if row is None:
        raise UsageError(f"version {version} has no decision of its own in this lane")
    return TrainedVersion(version, row.nominee, ModelSpec.restore(row.spec)).registered


def _result(
    request: Request,
    decided: Sequence[Decision],
    spec: ModelSpec,
    outcomes: Outcomes,
    found: Sequence[PeriodResult],
    lines: Mapping[Setting, Sequence[Decision]],
    *,
    together: bool,
    actor: str,
    run_id: str,
) -> Backtest:
    judgement = spec.judgement
    own = Setting.of(judgement)
    return Backtest(
        model=spec.name,
        description=spec.description,
        owner=spec.owner,
        lane=request.lane,
        schedule=spec.schedule,
        task=spec.task,
        metric=judgement.metric,
        greater_is_better=judgement.greater_is_better,
        rule=judgement.rule,
        confidence=judgement.confidence,
        with_profit=policies.with_profit(spec),
        quantile=judgement.predicted_quantile,
        labels_as_of=outcomes.as_of,
        matured=outcomes.matured,
        snapshot_uri=outcomes.uri,
        snapshot_sha256=outcomes.sha256,
        head_hash=decided[-1].hash,
        code_version=code_version(),
        actor=actor,
        run_id=run_id,
        periods=tuple(found),
        overall=summary.overall(found, confidence=judgement.confidence, together=together),
        what_if=tuple(summary.what_if(s, line, found, own=s == own) for s, line in lines.items()),
        reproduced=summary.same_line(lines[own], decided),
    )


def _keep(result: Backtest, registry: Registry, url: str) -> str:
    """Log figures, data and report; returns the report."""
    page = report.page(result, registry.runs.url(result.run_id))
    registry.runs.annotate(
        result.run_id, metrics=dict(_figures(result)), note=" ".join([answer(result), *cautions(result)])
    )
    data = result.model_dump_json(indent=2)
    reports = {names.BACKTEST_REPORT: page, names.BACKTEST_DATA: data}
    attach(reports, result.model, result.lane, result.run_id, registry, url)
    return page


def _figures(result: Backtest) -> Iterator[tuple[str, float]]:
    """The means and differences, as metrics of a run."""
    for policy, of_policy in result.overall.policies.items():
        yield f"{policy}_mean_{result.metric}", of_policy.mean
        yield f"{policy}_changes", float(of_policy.changes)
        if of_policy.profit is not None:
            yield f"{policy}_profit", of_policy.profit
        if of_policy.coverage is not None:
            yield f"{policy}_coverage", of_policy.coverage
    for name, contrast in result.overall.contrasts.items():
        for bound in ("estimate", "lower", "upper"):
            yield f"{name.replace('-', '_over_')}_{bound}", getattr(contrast.metric, bound)
    yield "periods_compared", float(result.overall.periods)
