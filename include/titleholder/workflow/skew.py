"""The features of scoring runs' inputs against those of a later training extract: `titleholder skew`, and TH802."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from datetime import date
from itertools import accumulate

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from titleholder.data import snapshots
from titleholder.data.row_keys import RowIndex, RowKeys
from titleholder.data.skew import ColumnSkew, Skew, SkewTally, lacking
from titleholder.errors import DataError, UsageError
from titleholder.formatting import counted
from titleholder.ledger import score_runs, store
from titleholder.ledger.decision import restored_spec
from titleholder.ledger.score_runs import ScoreRun
from titleholder.settings import Settings
from titleholder.spec.model import ModelSpec
from titleholder.spec.types import UNJUDGED
from titleholder.spec.windows import midnight
from titleholder.workflow.lanes import refuse_deleted
from titleholder.workflow.scorer import Scorer
from titleholder.workflow.scoring import ScoredComparison

log = logging.getLogger(__name__)
READ = 10_000_000
"""At most so many scored rows are read for a comparison."""


def of_comparison(scored: ScoredComparison, scorer: Scorer) -> Skew | None:
    """What the scoring runs of the lane before the as-of date say of the snapshot's rows; None without a ledger."""
    if scorer.ledger_url is None:
        return None
    spec, url = scored.evidence.spec, scorer.ledger_url

    def compute() -> Skew:
        runs = before(score_runs.of_model(url, spec.name), scored.lane, scored.as_of)
        extract = scored.rows.extract
        return measured(extract.uri, extract.sha256, spec, runs)

    return scorer.once(("skew", scored.lane, scored.rows.extract.sha256), compute)


def before(runs: Sequence[ScoreRun], lane: str, as_of: date) -> list[ScoreRun]:
    """The runs of a lane that were written before an as-of date, by the clock: what a retrain of that date may know."""
    return [run for run in runs if run.lane == lane and run.created_at < midnight(as_of)]


class SkewOfModel(BaseModel):
    """What all scoring runs of a lane say of the extract of its newest decision.

    `beyond` are the columns that differ in more than the `share` of the rows that the spec allows.
    """

    model_config = ConfigDict(frozen=True)

    model: str
    lane: str
    as_of: date
    decision: int
    share: float
    skew: Skew
    beyond: tuple[ColumnSkew, ...]


def of_model(model: str, lane: str, settings: Settings) -> SkewOfModel:
    """What all scoring runs of a lane say of the extract of its newest decision.

    Raises:
        UsageError: the lane has no decision about a challenger, or was deleted.
        DataError: the snapshot is gone or was changed.
    """
    refuse_deleted(model, lane, settings.ledger_url)
    rows = [row for row in store.read_lane(settings.ledger_url, model, lane) if row.kind not in UNJUDGED]
    if not rows:
        raise UsageError(f"{model}: lane {lane} has no decision about a challenger, so there is no extract to compare")
    row = store.decision(settings.ledger_url, max(rows, key=lambda one: (one.as_of, one.id)).id)
    runs = [run for run in score_runs.of_model(settings.ledger_url, model) if run.lane == lane]
    spec = restored_spec(row.id, row.spec)
    found, share = measured(row.snapshot_uri, row.snapshot_sha256, spec, runs), spec.judgement.checks.skew.share
    return SkewOfModel(
        model=model,
        lane=lane,
        as_of=row.as_of,
        decision=row.id,
        share=share,
        skew=found,
        beyond=found.beyond(share),
    )


def measured(uri: str, sha256: str, spec: ModelSpec, runs: Sequence[ScoreRun]) -> Skew:
    """Compare the inputs of these runs with an extract, row by row; a row that was scored often counts once, the first.

    Memory: 17 bytes a row of the extract, and one batch.

    Raises:
        DataError: the extract is gone or was changed.
    """
    inputs = _inputs(runs)
    chosen = affordable(inputs[::-1])[::-1]  # the newest, in their order
    tally, counts, strangers = SkewTally(spec.columns), _Counts(), ""
    if chosen:
        with snapshots.opened(uri, sha256) as extract:
            names = [spec.columns.entity, spec.columns.event_time]
            index = RowIndex(RowKeys.of(frame, *names) for frame in extract.batches(names))
            seen = np.zeros(index.rows, dtype=bool)
            for run in chosen:
                try:
                    _add(run, extract, index, seen, spec, tally, counts)
                except DataError as error:
                    log.warning("%s: the input of scoring run %d cannot be compared: %s", spec.name, run.id, error)
                    counts.gone += 1
        strangers = unmatched(counts.around, counts.example, index.example) if not counts.matched else ""
    return Skew(
        runs=len(chosen) - counts.gone,
        unread=len(inputs) - len(chosen) + counts.gone,
        scored=counts.scored,
        matched=counts.matched,
        columns=tally.columns,
        lacking=lacking(spec.columns, tally.columns),
        strangers=strangers,
    )


class _Counts:
    scored = matched = gone = around = 0
    example = ""


def unmatched(rows: int, scored: str, known: str) -> str:
    """A sentence about scored rows of the right time none of which is found again; empty for none.

    >>> unmatched(3, "entity '7' at 2024-01-01", "entity '007' at 2024-01-01")
    "None of 3 scored rows is found by entity and event time: entity '7' at 2024-01-01 was scored, entity '007' at \
2024-01-01 is in the training query."
    """
    if not rows:
        return ""
    return (
        f"None of {counted(rows, 'scored row')} is found by entity and event time: {scored} was scored, {known} is in "
        "the training query."
    )


def _inputs(runs: Sequence[ScoreRun]) -> list[ScoreRun]:
    """One run of each input, in the order in which they were written."""
    ordered = sorted(runs, key=lambda run: (run.created_at, run.id))
    return list({run.input_sha256: run for run in reversed(ordered)}.values())[::-1]


def affordable(runs: Sequence[ScoreRun]) -> list[ScoreRun]:
    """The first of these runs, with at most `READ` rows together, and at least one: a retrain must not take hours."""
    totals = accumulate(run.rows for run in runs)
    return [run for n, (run, total) in enumerate(zip(runs, totals, strict=True)) if n == 0 or total <= READ]


def _add(
    run: ScoreRun,
    extract: snapshots.Extract,
    index: RowIndex,
    seen: NDArray[np.bool_],
    spec: ModelSpec,
    tally: SkewTally,
    counts: _Counts,
) -> None:
    """Compare the rows of one input that the extract has, and no earlier input had."""
    keys = [spec.columns.entity, spec.columns.event_time]
    with snapshots.opened(run.input_uri, run.input_sha256) as scored:
        names = [*keys, *(c for c in spec.columns.features if c in scored.columns and c in extract.columns)]
        for frame in scored.batches(names, snapshots.ROW_GROUP):
            counts.scored += len(frame)
            known = RowKeys.of(frame, *keys)
            around = np.flatnonzero(index.around(known))
            counts.around += len(around)
            counts.example = counts.example or (known.example(around[0]) if len(around) else "")
            for then, now in _pairs(frame, known, extract, index, names, keys):
                new = ~seen[now.index.to_numpy()]
                seen[now.index.to_numpy()] = True
                counts.matched += int(new.sum())
                tally.add(then[new], now[new])


def _pairs(
    frame: pd.DataFrame,
    known: RowKeys,
    extract: snapshots.Extract,
    index: RowIndex,
    names: Sequence[str],
    keys: Sequence[str],
) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
    """The rows of a frame that the extract has, as they were and as they are in it, in the extract's order."""
    places = index.find(known)
    hit = np.flatnonzero(places >= 0)
    hit = hit[np.argsort(places[hit], kind="stable")]
    if hit.size:
        then, now = frame.iloc[hit], extract.read(names, at=places[hit], positions=True)
        same = RowKeys.of(then, *keys).equal(RowKeys.of(now, *keys))
        yield then[same], now[same]
