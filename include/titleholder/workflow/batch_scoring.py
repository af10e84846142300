"""Batch scoring: the champion of a lane, pinned once, scores the rows of a window.

    pinned = pin(spec, as_of, lane)
    run    = score(pinned)

Both are safe to repeat: a second try finds what the first one made. `shadow_scoring.shadow(pinned)` lets the newest
challengers score the same rows afterwards.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import date

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from titleholder.data import as_of_range, extraction, features, run_scores, snapshots
from titleholder.data.scores import Array
from titleholder.data.scoring_contract import ScoringContract, scoring_of, scoring_window, spec_of_rows
from titleholder.data.unseen import UnseenCategories
from titleholder.errors import DataError, UsageError
from titleholder.ledger import reigns, score_runs, store
from titleholder.ledger.lane_entry import LaneEntry
from titleholder.ledger.score_runs import Entry, RunKey, ScoreRun
from titleholder.settings import Settings
from titleholder.spec.model import ModelSpec
from titleholder.spec.types import LANE_PATTERN, LIVE
from titleholder.training.reasons import Reasons
from titleholder.workflow.champion_model import ChampionModel
from titleholder.workflow.lanes import refuse_deleted
from titleholder.workflow.payloads import Origin, PinnedChallenger, PinnedVersion
from titleholder.workflow.trained_versions import trained_versions

log = logging.getLogger(__name__)


def pin(spec: ModelSpec, as_of: date, lane: str, *, url: str, origin: Origin, settings: Settings) -> PinnedVersion:
    """The champion of a lane at `as_of`, from the ledger: later decisions do not change what this run scores with.

    The live lane goes by the clock: the champion at the end of that day (of today: now). Any other lane goes by as-of
    dates. Without a champion the version is None, and nothing is to be scored.

    Raises:
        SpecError: the spec has no section `scoring`.
        UsageError: for an invalid or deleted lane, or an as-of date in the future or before all records.
    """
    if not re.fullmatch(LANE_PATTERN, lane):
        raise UsageError(f"lane: {lane!r} is not a name such as 'live', 'backtest' or 'what-if-2'")
    refuse_deleted(spec.name, lane, settings.ledger_url)
    as_of_range.refuse_future(url, spec, as_of)
    scoring_window(spec, as_of)
    rows = store.read_lane(settings.ledger_url, spec.name, lane)
    past = reigns.until(rows, lane, as_of, by_clock=lane == LIVE)
    version = past[-1].champion_after if past else None
    trained = reigns.decision_on(rows, version)
    pinned = PinnedVersion(spec=spec, as_of=as_of, lane=lane, origin=origin)
    if version is None or trained is None:
        return pinned
    made = reigns.crowning(past) or past[-1]
    found = {"version": version, "decision": made.id, "trained_by": trained.id}
    return pinned.model_copy(
        update=found | {"challengers": _newest(rows, past, champion=version, most=scoring_of(spec).shadow)}
    )


def _newest(
    rows: Sequence[LaneEntry], past: Sequence[LaneEntry], *, champion: int, most: int
) -> tuple[PinnedChallenger, ...]:
    """The newest challengers of these decisions in force that are not the champion; `rows` are all of the lane."""
    first = {row.challenger_version: row.id for row in reversed(rows) if row.challenger_version is not None}
    newest = dict.fromkeys(row.challenger_version for row in reversed(past) if row.challenger_version is not None)
    others = [version for version in newest if version != champion]
    return tuple(PinnedChallenger(version=version, decision=first[version]) for version in others[:most])


def score(pinned: PinnedVersion, *, url: str, settings: Settings) -> ScoreRun:
    """Score the rows of the spec's scoring query with the pinned version, and write them to the ledger's database.

    The query streams into a snapshot; the snapshot is scored in batches, whose scores go into a file; when all rows
    keep their contract, the run and its scores are written in one transaction. A run of the same key that is there
    already is returned, and nothing is read.

    Raises:
        UsageError: nothing was pinned, or the spec asks for reasons that the version's scores do not have.
        ContractError: listing every violation of the rows; nothing was scored then.
        DataError: the query fails, the model is not the one that was logged, or it gives what is no number.
    """
    key, spec = key_of(pinned), pinned.spec
    if found := score_runs.find(settings.ledger_url, key):
        log.info("%s as of %s: run %d has scored it already.", spec.name, pinned.as_of, found.id)
        return found
    champion = model_of(pinned.trained_by or 0, settings)
    rows_spec, spans = spec_of_rows(spec, champion.spec), scoring_window(spec, pinned.as_of)
    extract = extraction.extract(url, rows_spec, spans, pinned.as_of, settings.snapshots)
    return write(key, extract, champion, pinned, settings)


def model_of(decision: int, settings: Settings) -> ChampionModel:
    """The registered model of the version that this decision was about.

    Raises:
        DataError: the model in MLflow is not the one that was logged, or is gone.
    """
    (trained,) = trained_versions([store.decision(settings.ledger_url, decision)], settings.ledger_url)
    return ChampionModel.of(trained, settings)


def write(
    key: RunKey, extract: snapshots.Extract, model: ChampionModel, pinned: PinnedVersion, settings: Settings
) -> ScoreRun:
    """Score all rows of an extract with a model, and write them as the run of this key.

    The champion's scores have the reasons that the spec asks for; a challenger's have none.

    Raises:
        UsageError: the spec asks for reasons, and the champion's scores have none.
        ContractError: listing every violation of the rows; nothing was written then.
        DataError: the model gives what is no number.
    """
    spec, scoring, spans = pinned.spec, scoring_of(pinned.spec), scoring_window(pinned.spec, pinned.as_of)
    asked = scoring.reasons_asked if key.role == "champion" else None
    reasons = model.reasons(asked) if asked else None
    rows_spec, needed = spec_of_rows(spec, model.spec), model.spec.columns.features
    columns = _known(extract.columns, rows_spec) if key.role == "challenger" else extract.columns
    held, digest = ScoringContract(rows_spec, needed, columns, spans, pinned.as_of), run_scores.Digest()
    odd = UnseenCategories(model.known_categories())
    with ExitStack() as stack:
        kept = scoring.parquet
        root = settings.snapshots if kept else stack.enter_context(tempfile.TemporaryDirectory())
        batches = _scored(extract, model, reasons, held, digest, odd)
        output = snapshots.write(root, f"{spec.name}/{pinned.as_of}", run_scores.SCHEMA, batches)
        entry = Entry(
            **key.model_dump(),
            window_start=spans.train_start,
            input_uri=extract.uri,
            input_sha256=extract.sha256,
            output_uri=output.uri if kept else "",
            output_sha256=output.sha256 if kept else "",
            rows=digest.rows,
            scores_sha256=digest.hexdigest(),
            reasons_for=scoring.reasons_for if reasons else "",
            reason_texts=scoring.reason_texts if reasons else {},
            code_version=pinned.origin.code_version,
            actor=pinned.origin.actor,
            airflow_run=pinned.origin.airflow_run,
            reason=pinned.origin.reason,
        )
        for sentence in odd.sentences():
            log.warning("%s, version %d: %s.", spec.name, model.version, sentence)
        return score_runs.write(settings.ledger_url, entry, output.record_batches(), spec.timeouts.query)


def _known(columns: Sequence[str], spec: ModelSpec) -> list[str]:
    """Of the columns of the champion's rows, those that are known here: it may need others, which are no fault."""
    known = set(spec.columns.all)
    return [name for name in columns if name in known]


def key_of(pinned: PinnedVersion, challenger: PinnedChallenger | None = None) -> RunKey:
    """What the champion's run is known by, or that of a challenger beside it.

    The query counts with its connection, its window and the reasons that are asked for.

    Raises:
        UsageError: nothing was pinned.
    """
    if pinned.version is None or pinned.decision is None:
        raise UsageError(f"{pinned.no_champion}: nothing is scored")
    spec, scoring = pinned.spec, scoring_of(pinned.spec)
    asked = [json.dumps([*scoring.reasons_asked, scoring.reason_texts])] if scoring.reasons_asked else []
    query = "\n".join([spec.source.connection, str(scoring.window), *asked, scoring.sql])
    sha256 = hashlib.sha256(query.encode()).hexdigest()
    return RunKey(
        model=spec.name,
        lane=pinned.lane,
        as_of=pinned.as_of,
        role="challenger" if challenger else "champion",
        version=challenger.version if challenger else pinned.version,
        decision=challenger.decision if challenger else pinned.decision,
        query_sha256=sha256,
    )


def _scored(
    extract: snapshots.Extract,
    model: ChampionModel,
    reasons: Reasons | None,
    held: ScoringContract,
    digest: run_scores.Digest,
    odd: UnseenCategories,
) -> Iterator[pa.RecordBatch]:
    """The scores of the extract's rows, batch by batch. After the first violation rows are only checked."""

    def one(column: str, positions: NDArray[np.int64]) -> pd.Series:
        return extract.read([column], at=positions)[column]

    for frame in extract.batches(held.columns, snapshots.ROW_GROUP):
        held.check(frame)
        if not held.is_broken:
            matrix = features.design_matrix(frame, model.spec)
            odd.add(matrix)
            answered = _finite(model.scores(matrix), model, frame.index)
            given = reasons.of(matrix, answered) if reasons else pa.nulls(len(frame))
            batch = _batch(frame, answered, given, held)
            digest.update(batch)
            yield batch
    held.enforce(one)


def _finite(scores: Array, model: ChampionModel, positions: pd.Index) -> Array:
    if not (finite := np.isfinite(scores)).all():
        row = positions[~finite][0]
        raise DataError(f"{model.spec.name}: version {model.version} gives no number for row {row} of the input")
    return scores


def _batch(frame: pd.DataFrame, scores: Array, reasons: pa.Array, held: ScoringContract) -> pa.RecordBatch:
    entity, moment = (pa.Array.from_pandas(frame[name]) for name in held.keys)
    columns = (frame.index, run_scores.as_text(entity), moment, scores, reasons)
    arrays = [pa.array(values).cast(field.type) for values, field in zip(columns, run_scores.SCHEMA, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=run_scores.SCHEMA)
