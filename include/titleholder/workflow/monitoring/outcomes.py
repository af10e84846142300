"""What came true of the rows that a reign scored, by the scores that were written then: no model is asked again.

Only its predecessor's model is, for the review of the promotion, and of the features as the scoring runs had them.
Asked of the later extract it would have features that the champion did not have: repaired since, or known too late.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from titleholder.data import contract, data_end, extraction, features, snapshots
from titleholder.data.lazy_frame import LazyFrame
from titleholder.data.row_keys import RowIndex, RowKeys
from titleholder.errors import DataError
from titleholder.formatting import date_range
from titleholder.ledger import event_scores
from titleholder.ledger.score_runs import ScoreRun
from titleholder.masking import mask
from titleholder.settings import Settings
from titleholder.spec.model import ModelSpec
from titleholder.spec.source import Columns
from titleholder.spec.windows import Intervals
from titleholder.validation.metrics import Array, Estimation, Sample
from titleholder.validation.monitoring.estimated import Recalibration
from titleholder.validation.monitoring.outcomes import ScoredOutcomes, cohorts, whole_cohorts
from titleholder.validation.monitoring.report import RealisedCohort
from titleholder.workflow.monitoring.watched import Reign
from titleholder.workflow.scorer import Scorer
from titleholder.workflow.skew import unmatched
from titleholder.workflow.trained_versions import TrainedVersion

log = logging.getLogger(__name__)
EPOCH = date(1970, 1, 1).toordinal()
LONGEST = 4000
"""Characters of a reason: the violations of a hundred columns."""


class Matured(NamedTuple):
    """Cohorts that have matured since the look before, and why some are missing, a sentence; empty where none is.

    `unread` is why none of `months` months could be read: a later look does it.
    """

    cohorts: tuple[RealisedCohort, ...]
    remark: str = ""
    unread: str = ""
    months: int = 0


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
        return whole_cohorts(first, min(watched, scored), ended=ended and scored <= watched)

    def read(self, reign: Reign, months: Sequence[tuple[date, date]], calibration: Recalibration | None) -> Matured:
        """What came true in these months, all of which are matured, of the rows that the reign scored.

        Metrics are those under which the version was trained. Rows are those of the same entity and event time; one
        that several runs scored counts with its first score.

        Data that cannot be used are said in `unread`, and end no look: what needs no outcomes does not depend on them.

        Raises:
            ServiceError: when the warehouse or MLflow does not answer; a later try may.
        """
        if not months:
            return Matured(())
        try:
            return self._read(reign, months, calibration)
        except DataError as error:
            said = mask(" ".join(str(error).split()))
            log.error("%s as of %s: outcomes are not available: %s", self.spec.name, self.as_of, said)  # noqa: TRY400
            whole = said if len(said) <= LONGEST else f"{said[: LONGEST - 1]}…"
            return Matured((), unread=whole, months=len(months))

    def _read(self, reign: Reign, months: Sequence[tuple[date, date]], calibration: Recalibration | None) -> Matured:
        spec, as_of = self.spec, self.as_of
        start, end = months[0][0], months[-1][1]
        ends = data_end.newest_facts(self.url, spec, as_of)
        spans = Intervals(train_start=start, holdout_start=start, matured=end)
        taken = extraction.extract(self.url, spec, spans, as_of, self.settings.snapshots)
        frame, rest = contract.parts(taken, spec)
        if faults := contract.violations(frame, spec, spans, as_of, to_train=False, rest=rest):
            what = f"what the query returns for {date_range(start, end)} as of {as_of} breaks the data contract"
            raise contract.broken(spec, what, faults, "no outcome was judged")
        if late := data_end.unwatched(frame, spec, ends):
            return Matured((), f"Outcomes are not known: {late}.")
        known = frame[features.accepted(frame, spec)].reset_index(drop=True)
        scored = _first_scores(reign.runs, start, end, self.settings.ledger_url, reign.predecessor, self.scorer)
        given = with_scores(known, scored, spec.columns)
        rows = known[given["score"].notna()]
        given = given.loc[rows.index]
        sample = Sample(features.target(rows, spec), features.weights(rows, spec), _clusters(rows, spec))
        found = ScoredOutcomes(
            days=_days(rows[spec.columns.event_time]),
            sample=sample,
            scores=given["score"].to_numpy(dtype=np.float64),
            predecessor=None if given["before"].isna().any() else given["before"].to_numpy(dtype=np.float64),
            scored_days=_days(scored["event_time"]),
        )
        judged_by = reign.trained.spec
        how, judgement = Estimation.of(judged_by), judged_by.judgement
        least = judgement.minimum_new_events
        made = tuple(cohorts(found, months, judgement.metric, how, calibration, least))
        return Matured(made, "" if len(rows) else strangers(known, scored, spec.columns))


def strangers(known: pd.DataFrame, scored: pd.DataFrame, columns: Columns) -> str:
    """A sentence about scored rows none of which has an outcome, though other rows of that time have; else empty."""
    index = RowIndex([RowKeys.of(known, columns.entity, columns.event_time)])
    given = RowKeys.of(scored, "entity", "event_time")
    around = np.flatnonzero(index.around(given))
    return unmatched(len(around), given.example(around[0]) if len(around) else "", index.example)


def with_scores(known: pd.DataFrame, scored: pd.DataFrame, columns: Columns) -> pd.DataFrame:
    """The score of each row, and its predecessor's as `before`, by entity and event time; NaN where there is none.

    `scored` has each entity, as text, and event time once.
    """
    keys = RowKeys.of(known, columns.entity, columns.event_time)
    own = pd.DataFrame({"entity": keys.entities.to_pylist(), "event_time": keys.moments.view("datetime64[us]")})
    found = own.merge(scored, on=["entity", "event_time"], how="left", validate="many_to_one")
    return found[["score", "before"]].astype(np.float64).set_axis(known.index)


def _first_scores(
    runs: Sequence[ScoreRun], start: date, end: date, url: str, predecessor: TrainedVersion | None, scorer: Scorer
) -> pd.DataFrame:
    """The first score of each entity and event time, and what the predecessor answers for the same input, if it can.

    Memory grows with the events, not with the runs: windows overlap, and a row may be in dozens of runs.
    """
    wanted = [
        run for run in sorted(runs, key=lambda r: (r.as_of, r.id)) if run.as_of > start and run.window_start < end
    ]
    nothing = {"entity": [], "event_time": np.empty(0, "datetime64[us]"), "score": [], "before": []}
    whole = pd.DataFrame(nothing).astype({"entity": object})
    for run in wanted:
        part = event_scores.read(url, run.id, start=start, end=end)
        times = part.event_times.astype("datetime64[us]")
        before = _predecessor(predecessor, run, start, end, scorer)
        values = {"entity": part.entities, "event_time": times, "score": part.scores}
        new = pd.DataFrame({**values, "before": np.full(len(times), np.nan) if before is None else before})
        whole = pd.concat([whole, new]).drop_duplicates(["entity", "event_time"]) if len(whole) else new
    return whole


def _predecessor(of: TrainedVersion | None, run: ScoreRun, start: date, end: date, scorer: Scorer) -> Array | None:
    """What the predecessor answers for the events of [start, end) as a run had them, in the run's order."""
    if of is None:
        return None
    needed, time = of.spec.columns.features, of.spec.columns.event_time
    with snapshots.opened(run.input_uri, run.input_sha256) as extract:
        if not {*needed, time} <= set(extract.columns):
            return None
        return scorer.scores(of, LazyFrame(extract, extract.positions(time, start, end)))


def _clusters(rows: pd.DataFrame, spec: ModelSpec) -> NDArray[np.intp] | None:
    return pd.factorize(rows[spec.columns.cluster])[0] if spec.columns.cluster else None


def _days(times: pd.Series) -> Array:
    """The proleptic ordinal of each moment's day, UTC."""
    moments = pd.to_datetime(times, utc=True).dt.tz_localize(None).to_numpy("datetime64[D]")
    return np.asarray(moments.astype(np.int64) + EPOCH, dtype=np.float64)
