"""`titleholder backtest`: a lane's decisions held against what became of the rows that followed each of them.

Outcomes are read as finally known; nothing is trained and no decision is written. Scores are stored, and the report is
kept in one MLflow run for each state of the lane and its outcomes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from titleholder.data.scores import ScoreStore
from titleholder.ledger.decision import Decision
from titleholder.registry import names
from titleholder.registry.client import Registry
from titleholder.registry.runs import key_of
from titleholder.settings import Settings, code_version
from titleholder.workflow.advise import Advice, advice_of
from titleholder.workflow.backtest import policies, report, summary
from titleholder.workflow.backtest.answer import age_advice, answer, cautions
from titleholder.workflow.backtest.summary import Backtest, Setting
from titleholder.workflow.backtest.walk import (
    FollowedLane,
    Progress,
    Request,
    Walk,
    decisions_of,
    followed,
    measured,
)
from titleholder.workflow.backtest.what_if import grid, replay
from titleholder.workflow.publication import attach
from titleholder.workflow.scorer import Scorer


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
    decided, spec = decisions_of(request, settings)
    trials = grid(spec, request.tolerated_losses, request.minimum_gains, request.confidences)
    lane = followed(request, decided, spec, url(spec.source.connection), settings, on_step)
    scorer = Scorer(Registry(settings.tracking_uri), ScoreStore(settings.snapshots), ledger_url=settings.ledger_url)
    runs = scorer.registry.runs
    run_id = _opened(request, lane, actor, scorer.registry)
    with runs.running(run_id):
        walk = measured(lane, scorer, on_step)
        lines = replay(decided, trials, scorer, lambda n, of: on_step("what if", n, of))
        result = _result(request, walk, lines, actor=actor, run_id=run_id)
        page = _keep(result, advice_of(walk, request), scorer.registry, settings.ledger_url)
    runs.finish(run_id)
    return Finished(result, page, runs.artifact_url(run_id, names.BACKTEST_REPORT), scorer.store.computed)


def _opened(request: Request, lane: FollowedLane, actor: str, registry: Registry) -> str:
    decided, outcomes = lane.decided, lane.outcomes
    sha256 = outcomes.rows.extract.sha256
    key = key_of("backtest", request.model, request.lane, sha256, *(row.hash for row in decided))
    tags = names.tags(
        model=request.model,
        lane=request.lane,
        kind="backtest",
        actor=actor,
        code_version=code_version(),
        labels_as_of=outcomes.as_of,
        until=decided[-1].as_of,
        outcomes_sha256=sha256,
    )
    return registry.runs.open(request.model, key, f"{request.model} backtest of {request.lane}", tags)


def _result(
    request: Request, walk: Walk, lines: Mapping[Setting, Sequence[Decision]], *, actor: str, run_id: str
) -> Backtest:
    spec, found, outcomes, decided = walk.lane.spec, walk.found, walk.lane.outcomes, walk.lane.decided
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
        snapshot_uri=outcomes.rows.extract.uri,
        snapshot_sha256=outcomes.rows.extract.sha256,
        head_hash=decided[-1].hash,
        code_version=code_version(),
        actor=actor,
        run_id=run_id,
        periods=tuple(found),
        overall=summary.overall(found, confidence=judgement.confidence, together=walk.together),
        what_if=tuple(summary.what_if(s, line, found, own=s == own) for s, line in lines.items()),
        reproduced=summary.same_line(lines[own], decided),
        ageing=walk.ageing,
    )


def _keep(result: Backtest, advised: Advice, registry: Registry, url: str) -> str:
    """Log figures, data, advice and report; returns the report."""
    page = report.page(result, registry.runs.url(result.run_id))
    registry.runs.annotate(
        result.run_id,
        metrics=dict(_figures(result)),
        note=" ".join([answer(result), age_advice(result), *cautions(result)]),
    )
    data = result.model_dump_json(indent=2)
    reports = {
        names.BACKTEST_REPORT: page,
        names.BACKTEST_DATA: data,
        names.AGE_ADVICE: advised.model_dump_json(indent=2),
    }
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
    if result.ageing.metric:
        for bound, value in result.ageing.metric.month:
            yield f"month_of_age_loss_{bound}", value
    yield "periods_compared", float(result.overall.periods)
