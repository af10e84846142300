"""What came true of the rows that a reign scored, by the scores that were written then: no model is asked again.

Only its predecessor's model is, for the review of the promotion.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from titleholder.data import contract, data_end, extraction, features, run_scores
from titleholder.errors import ColumnsError
from titleholder.ledger import event_scores
from titleholder.ledger.score_runs import ScoreRun
from titleholder.settings import Settings
from titleholder.spec.model import ModelSpec
from titleholder.spec.windows import Intervals
from titleholder.validation.metrics import Array, Estimation, Sample
from titleholder.validation.monitoring.estimated import Recalibration
from titleholder.validation.monitoring.outcomes import ScoredOutcomes, cohorts
from titleholder.validation.monitoring.report import RealisedCohort
from titleholder.workflow.scorer import Scorer
from titleholder.workflow.trained_versions import TrainedVersion, require_columns

EPOCH = date(1970, 1, 1).toordinal()


class Matured(NamedTuple):
    """Cohorts that have matured since the look before, and why some are missing, a sentence; empty where none is."""

    cohorts: tuple[RealisedCohort, ...]
    remark: str = ""


def matured(
    spec: ModelSpec,
    trained: TrainedVersion,
    predecessor: TrainedVersion | None,
    runs: Sequence[ScoreRun],
    months: Sequence[tuple[date, date]],
    as_of: date,
    calibration: Recalibration | None,
    *,
    url: str,
    scorer: Scorer,
    settings: Settings,
) -> Matured:
    """What came true in these months, all of which are matured at `as_of`, of the rows of these runs.

    `spec` is today's, whose query returns the outcomes; metrics are those under which the version was trained. An
    entity that several runs scored counts with its first score.
    """
    if not months:
        return Matured(())
    start, end = months[0][0], months[-1][1]
    ends = data_end.newest_facts(url, spec, as_of)
    spans = Intervals(train_start=start, holdout_start=start, matured=end)
    taken = extraction.extract(url, spec, spans, as_of, settings.snapshots)
    frame = taken.read()
    contract.enforce(frame, spec, spans, as_of, to_train=False)
    if late := data_end.unwatched(frame, spec, ends):
        return Matured((), f"Outcomes are not known: {late}.")
    known = frame[features.accepted(frame, spec)].reset_index(drop=True)
    scored = _first_scores(runs, start, end, settings.ledger_url)
    entity = pd.Series(
        run_scores.as_text(pa.Array.from_pandas(known[spec.columns.entity])).to_pylist(), index=known.index
    )
    given = entity.map(scored["score"])
    rows = known[given.notna()]
    sample = Sample(features.target(rows, spec), features.weights(rows, spec), _clusters(rows, spec))
    found = ScoredOutcomes(
        days=_days(rows[spec.columns.event_time]),
        sample=sample,
        scores=given[given.notna()].to_numpy(dtype=np.float64),
        predecessor=_predecessor(predecessor, taken.sha256, rows, scorer),
        scored_days=_days(scored["event_time"]),
    )
    how, judgement = Estimation.of(trained.spec), trained.spec.judgement
    least = judgement.minimum_new_events
    return Matured(tuple(cohorts(found, months, judgement.metric, how, calibration, least)))


def _first_scores(runs: Sequence[ScoreRun], start: date, end: date, url: str) -> pd.DataFrame:
    """The first score of each entity, with its event time, indexed by the entity as text."""
    wanted = [
        run for run in sorted(runs, key=lambda r: (r.as_of, r.id)) if run.as_of > start and run.window_start < end
    ]
    parts = [event_scores.read(url, run.id, start=start, end=end) for run in wanted]
    frames = [pd.DataFrame({"entity": p.entities, "event_time": p.event_times, "score": p.scores}) for p in parts]
    columns = ["entity", "event_time", "score"]
    whole = pd.concat(frames) if frames else pd.DataFrame(columns=columns)
    return whole.drop_duplicates("entity").set_index("entity")


def _predecessor(of: TrainedVersion | None, sha256: str, rows: pd.DataFrame, scorer: Scorer) -> Array | None:
    if of is None:
        return None
    try:
        require_columns(of.spec, of.version, rows)
    except ColumnsError:
        return None
    return scorer.scores(of, sha256, rows)


def _clusters(rows: pd.DataFrame, spec: ModelSpec) -> NDArray[np.intp] | None:
    return pd.factorize(rows[spec.columns.cluster])[0] if spec.columns.cluster else None


def _days(times: pd.Series) -> Array:
    """The proleptic ordinal of each moment's day, UTC."""
    moments = pd.to_datetime(times, utc=True).dt.tz_localize(None).to_numpy("datetime64[D]")
    return np.asarray(moments.astype(np.int64) + EPOCH, dtype=np.float64)
