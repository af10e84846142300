"""`titleholder backtest`: a lane's decisions held against what became of the rows that followed each of them.

Outcomes are read anew as finally known; versions are asked, nothing is trained; no decision is written. What versions
said is kept with the report in one MLflow run for each state of the lane and its outcomes, and asked only once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd

from titleholder.data import contract, extraction, features
from titleholder.errors import UsageError
from titleholder.ledger import reigns, store
from titleholder.ledger.decision import Decision
from titleholder.registry.models import Registry, key_of
from titleholder.settings import Settings, code_version
from titleholder.spec.model import ModelSpec
from titleholder.spec.windows import Intervals, midnight
from titleholder.validation.metrics import Array
from titleholder.workflow.backtest import policies, report, summary
from titleholder.workflow.backtest.answer import answer
from titleholder.workflow.backtest.policies import Measured, Month, Rows
from titleholder.workflow.backtest.summary import Backtest, Setting
from titleholder.workflow.backtest.what_if import grid, replay
from titleholder.workflow.predictions import Predictions, Recalled
from titleholder.workflow.scoring import lacking

PAGE, DATA, PREDICTIONS = "backtest.html", "backtest.json", "predictions.parquet"
SHA256_TAG = "titleholder.predictions_sha256"
Progress = Callable[[str, int, int], None]
"""Told what is being done, how much of it is, and out of how much."""


class Wish(NamedTuple):
    """What is to be looked at: which lane, its decisions until when, outcomes as of when, and other values to try."""

    model: str
    lane: str
    until: date | None = None
    labels_as_of: date | None = None
    minimum_gains: tuple[float, ...] = ()
    confidences: tuple[float, ...] = ()


class Outcomes(NamedTuple):
    """The rows that followed the decisions, with outcomes as known at `as_of` for those before `matured`."""

    as_of: date
    matured: date
    uri: str
    sha256: str
    frame: pd.DataFrame


class Told(NamedTuple):
    """What came of it, its page, where a person sees that, and how many scores had to be computed."""

    result: Backtest
    page: str
    url: str
    asked: int


def backtest(
    wish: Wish,
    *,
    url: Callable[[str], str],
    actor: str,
    settings: Settings,
    on_step: Progress = lambda *_: None,
) -> Told:
    """Walk through a lane; `url` gives the address of a connection.

    The spec is that of the lane's newest decision: its columns, metric, weights, clusters and profit.

    Raises:
        UsageError: for a lane without decisions, naming those that have some, for one with months that must be run
            again, or for values that make no sense.
        DataError: when a snapshot is gone.
    """
    taken = _taken(wish, settings)
    spec = ModelSpec.restore(next(row for row in reversed(taken) if row.challenger_version is not None).spec)
    trials = grid(spec, wish.minimum_gains, wish.confidences)
    months = policies.months(taken, spec.schedule)
    on_step("outcomes", 0, 1)
    outcomes = _outcomes(spec, months, wish.labels_as_of, url(spec.source.connection), settings)
    registry = Registry(settings.tracking_uri)
    run_id = _opened(wish, taken, outcomes, actor, registry)
    with registry.work_on(run_id):
        kept = registry.attached(run_id, PREDICTIONS, registry.tags(run_id).get(SHA256_TAG, ""))
        predictions = Predictions(kept)
        found, together = _measured(months, taken, outcomes, spec, registry, predictions, on_step)
        lines = replay(
            taken, trials, registry, Recalled(registry, predictions), lambda n, of: on_step("what if", n, of)
        )
        result = _result(wish, taken, spec, outcomes, found, lines, together=together, actor=actor, run_id=run_id)
        page = _keep(result, predictions, registry)
    registry.finish(run_id)
    return Told(result, page, registry.artifact_url(run_id, PAGE), predictions.asked)


def _taken(wish: Wish, settings: Settings) -> list[Decision]:
    rows = store.read(settings.ledger_url, wish.model, wish.lane)
    if not rows:
        lanes = ", ".join(store.lanes(settings.ledger_url, wish.model)) or "none"
        raise UsageError(f"{wish.model} has no decision in lane {wish.lane!r}; lanes with decisions: {lanes}")
    if taken := policies.decisions(rows, wish.lane, wish.until):
        again = reigns.overtaken(rows, wish.lane)
        if waiting := [str(row.as_of) for row in taken if row.id in again]:
            raise UsageError(
                f"{wish.model}, lane {wish.lane}: {', '.join(waiting)} must be run again first: another version reigns "
                f"before than they were judged against. `{reigns.remedy(rows, wish.lane)}`"
            )
        return taken
    raise UsageError(
        f"{wish.model}: no decision in lane {wish.lane} until {wish.until}; the first is of {rows[0].as_of}"
    )


def _outcomes(
    spec: ModelSpec, months: Sequence[Month], labels_as_of: date | None, url: str, settings: Settings
) -> Outcomes:
    """Every row that followed a decision and whose outcome is known by now, whichever model it fell to."""
    today = datetime.now(UTC).date()
    as_of = labels_as_of or today
    if as_of > today:
        raise UsageError(f"outcomes as of {as_of} are not known yet; the latest that makes sense is today, {today}")
    matured = as_of - spec.windows.label_maturity
    start = months[0].as_of
    end = max(start, min(matured, months[-1].end))
    spans = Intervals(train_start=start, holdout_start=start, matured=end)
    taken = extraction.extract(url, spec, spans, as_of, settings.snapshots)
    frame = taken.read()
    contract.enforce(frame, spec, spans, as_of, to_train=False)
    return Outcomes(as_of, matured, taken.uri, taken.sha256, frame)


def _opened(wish: Wish, taken: Sequence[Decision], outcomes: Outcomes, actor: str, registry: Registry) -> str:
    key = key_of("backtest", wish.model, wish.lane, outcomes.sha256, *(row.hash for row in taken))
    facts = {"model": wish.model, "lane": wish.lane, "kind": "backtest", "actor": actor, "code_version": code_version()}
    facts |= {"labels_as_of": str(outcomes.as_of), "until": str(taken[-1].as_of), "outcomes_sha256": outcomes.sha256}
    tags = {f"titleholder.{name}": value for name, value in facts.items()}
    return registry.open_run(wish.model, key, f"{wish.model} backtest of {wish.lane}", tags)


def _measured(
    months: Sequence[Month],
    taken: Sequence[Decision],
    outcomes: Outcomes,
    spec: ModelSpec,
    registry: Registry,
    predictions: Predictions,
    on_step: Progress,
) -> tuple[list[Measured], bool]:
    """Each month's figures, and whether clusters reach over several of those compared."""
    parts = [_rows_of(month, outcomes.frame, spec) for month in months]
    scores = _scored(months, parts, taken, spec, Recalled(registry, predictions), predictions, on_step)
    every = pd.factorize(outcomes.frame[spec.columns.cluster])[0] if spec.columns.cluster else None
    found, clusters = [], []
    for n, (month, part) in enumerate(zip(months, parts, strict=True)):
        own = None if every is None else every[part.index]
        y = part[spec.columns.target].to_numpy(dtype=np.float64)
        rows = Rows(y, scores[n], features.weights(part, spec), own)
        found.append(policies.measure(month, rows, spec, max(month.as_of, min(month.end, outcomes.matured))))
        if own is not None and found[-1].compared:
            clusters.append(own)
        on_step("measure", n + 1, len(months))
    return found, policies.shared(clusters)


def _rows_of(month: Month, frame: pd.DataFrame, spec: ModelSpec) -> pd.DataFrame:
    """A month's rows, under their places in the whole frame."""
    time = frame[spec.columns.event_time]
    return frame[(time >= midnight(month.as_of)) & (time < midnight(month.end))]


def _scored(
    months: Sequence[Month],
    parts: Sequence[pd.DataFrame],
    taken: Sequence[Decision],
    spec: ModelSpec,
    scorer: Recalled,
    predictions: Predictions,
    on_step: Progress,
) -> list[dict[int, Array]]:
    """For each month every version's scores that there was by then; version by version, so that each is read once.

    One that needs columns which the query no longer returns is left out.
    """
    scores: list[dict[int, Array]] = [{} for _ in months]
    versions = months[-1].versions
    for n, version in enumerate(versions, start=1):
        own = _spec_of(version, taken)
        if lacking(own, parts[0]):
            continue
        for month, part, said in zip(months, parts, scores, strict=True):
            if version in month.versions:
                said[version] = predictions.said(
                    "used", month.as_of, version, part, spec, partial(scorer.ask, version, own)
                )
        on_step("score", n, len(versions))
    return scores


def _spec_of(version: int, taken: Sequence[Decision]) -> ModelSpec:
    row = reigns.row_of(taken, version)
    if row is None:
        raise UsageError(f"version {version} has no decision of its own in this lane")
    return ModelSpec.restore(row.spec)


def _result(
    wish: Wish,
    taken: Sequence[Decision],
    spec: ModelSpec,
    outcomes: Outcomes,
    found: Sequence[Measured],
    lines: Mapping[Setting, Sequence[Decision]],
    *,
    together: bool,
    actor: str,
    run_id: str,
) -> Backtest:
    judgement = spec.judgement
    own = Setting(minimum_gain=judgement.minimum_gain, confidence=judgement.confidence)
    return Backtest(
        model=spec.name,
        description=spec.description,
        owner=spec.owner,
        lane=wish.lane,
        task=spec.task,
        metric=judgement.metric,
        greater_is_better=judgement.greater_is_better,
        rule=judgement.rule,
        confidence=judgement.confidence,
        with_profit=policies.with_profit(spec),
        labels_as_of=outcomes.as_of,
        matured=outcomes.matured,
        snapshot_uri=outcomes.uri,
        snapshot_sha256=outcomes.sha256,
        head_hash=taken[-1].hash,
        code_version=code_version(),
        actor=actor,
        run_id=run_id,
        months=tuple(found),
        overall=summary.overall(found, confidence=judgement.confidence, together=together),
        what_if=tuple(summary.what_if(s, line, found, own=s == own) for s, line in lines.items()),
        reproduced=summary.same_line(lines[own], taken),
    )


def _keep(result: Backtest, predictions: Predictions, registry: Registry) -> str:
    """Log figures, data, predictions and page; returns the page."""
    page, table = report.page(result, registry.run_url(result.run_id)), predictions.table()
    registry.annotate(result.run_id, metrics=dict(_figures(result)), note=answer(result))
    registry.attach(
        result.run_id,
        texts={PAGE: page, DATA: result.model_dump_json(indent=2)},
        files={PREDICTIONS: table},
    )
    registry.annotate(result.run_id, tags={SHA256_TAG: hashlib.sha256(table).hexdigest()})
    return page


def _figures(result: Backtest) -> Iterator[tuple[str, float]]:
    """The means and differences, as metrics of a run."""
    for policy, of_policy in result.overall.policies.items():
        yield f"{policy}_mean_{result.metric}", of_policy.mean
        yield f"{policy}_changes", float(of_policy.changes)
        if of_policy.profit is not None:
            yield f"{policy}_profit", of_policy.profit
    for name, contrast in result.overall.contrasts.items():
        for bound in ("estimate", "lower", "upper"):
            yield f"{name.replace('-', '_over_')}_{bound}", getattr(contrast.metric, bound)
    yield "months_compared", float(result.overall.months)
