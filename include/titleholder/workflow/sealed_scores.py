"""Scores that scoring runs committed before the outcomes of judged rows could be known, against scores of today.

A score is sealed for a row by the database's clock when its run was written, never by the run's as-of date. Whether it
is must not depend on how the row ended: rows whose outcome came early would be left out, and those that stay would not
be a fair sample. So one limit holds for all rows of a comparison: the label maturity, and where the spec names
`outcome_at`, the shortest time from an event to its outcome that any judged row has.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd

from titleholder.data import run_scores
from titleholder.data.lazy_frame import LazyFrame
from titleholder.data.row_keys import MOMENT, RowIndex, RowKeys
from titleholder.data.scores import Array, Positions
from titleholder.ledger import reigns, score_runs, store
from titleholder.ledger.score_runs import ScoreRun
from titleholder.spec.model import ModelSpec
from titleholder.spec.windows import midnight
from titleholder.validation.sealed import SealedEvidence, SealedScores
from titleholder.workflow.rivals import Line
from titleholder.workflow.scorer import Scorer
from titleholder.workflow.scoring import ScoredComparison
from titleholder.workflow.skew import affordable, before, of_comparison
from titleholder.workflow.trained_versions import TrainedVersion, missing_columns, trained_versions

log = logging.getLogger(__name__)
MICROSECONDS = 1_000_000
OF_THE_TIME = 3
"""At most so many versions are asked that are compared with nobody now, because they scored the judged rows."""


def from_scoring_runs(scored: ScoredComparison, line: Line, scorer: Scorer) -> ScoredComparison:
    """The same comparison, whose checks may ask what scoring runs have of its rows; nothing is read before they do."""
    update = {
        "sealed": partial(sealed_evidence, scored, line, scorer),
        "skew": partial(of_comparison, scored, scorer),
    }
    return scored.model_copy(update={"evidence": scored.evidence.model_copy(update=update)})


def sealed_evidence(scored: ScoredComparison, line: Line, scorer: Scorer) -> SealedEvidence | None:
    """The sealed scores of the judged rows: of the champion, the versions compared with it, and versions of the time.

    Where outcomes take longer than reigns, only versions of the time when the rows were scored have any: the champion
    of that time, and the challengers beside it. It is the registered models that scored. Scores of a run that are not
    those that it wrote, by their SHA-256, are left out, and the run is among `changed`. Of more than `skew.READ` scores
    the later runs are left out. None without a champion, or without a ledger.
    """
    if scorer.ledger_url is None or scored.reign is None or not len(scored.evidence.y):
        return None
    versions = _versions(scored, line)
    key = ("sealed", scored.lane, scored.rows.extract.sha256, scored.holdout, *(version.name for version in versions))
    return scorer.once(key, partial(_evidence, scored, versions, scorer, scorer.ledger_url))


def _versions(scored: ScoredComparison, line: Line) -> list[TrainedVersion]:
    """The champion and the rivals, if their models can answer for these rows."""
    compared = {rival.member.version for rival in scored.evidence.rivals}
    compared |= {scored.reign.version} if scored.reign else set()
    known = [one.trained for one in line.rivals if one.trained.version in compared]
    return [one for one in known if not missing_columns(one.spec, scored.rows)]


def _evidence(scored: ScoredComparison, versions: Sequence[TrainedVersion], scorer: Scorer, url: str) -> SealedEvidence:
    spec, rows = scored.evidence.spec, scored.rows
    limit, found, changed = _Limit.of(spec, rows), [], []
    covering = _covering(scored, before(score_runs.of_model(url, spec.name), scored.lane, scored.as_of))
    versions = [*versions, *_of_the_time(scored, versions, covering, url)]
    wanted = [run for trained in versions for run in covering if run.version == trained.version]
    runs = affordable(wanted)  # those that were written first, the champion's before others'
    if len(runs) < len(wanted):
        log.info(
            "%s: the scores of %d of %d scoring runs are not read", spec.name, len(wanted) - len(runs), len(wanted)
        )
    if not runs:
        return SealedEvidence(soonest=limit.days)
    keys = RowKeys.of(rows, spec.columns.entity, spec.columns.event_time)
    index = RowIndex([keys])
    for trained in versions:
        first = _First(len(rows))
        for run in (run for run in runs if run.version == trained.version):
            written = _written(run, url, spec, index, keys, limit)
            if written is None:
                changed.append(run.id)
            else:
                first.add(run, written)
        if first.runs:
            found.append(first.compared(trained, scored, scorer))
    champion = scored.reign.version if scored.reign else None
    found.sort(key=lambda one: (one.version != champion, not one.reigned))
    return SealedEvidence(versions=tuple(found), soonest=limit.days, changed=tuple(changed))


def _of_the_time(
    scored: ScoredComparison, known: Sequence[TrainedVersion], covering: Sequence[ScoreRun], url: str
) -> list[TrainedVersion]:
    """The others that scored most of the judged rows, champions before challengers, if they can answer for these."""
    rows: Counter[int] = Counter()
    reigned = {run.version for run in covering if run.role == "champion"}
    for run in covering:
        rows[run.version] += run.rows
    for trained in known:
        rows.pop(trained.version, None)
    most = sorted(rows, key=lambda version: (version not in reigned, -rows[version], version))[:OF_THE_TIME]
    if not most:
        return []
    lane = store.read_lane(url, scored.evidence.spec.name, scored.lane)
    decided = [row for version in most if (row := reigns.decision_on(lane, version)) is not None]
    return [one for one in trained_versions(decided, url) if not missing_columns(one.spec, scored.rows)]


class _First:
    """The scores of a version that were written first, and how many days after the event; NaN where there is none."""

    def __init__(self, rows: int) -> None:
        self.runs: list[int] = []
        self._reigned = False
        self._scores, self._days = np.full(rows, np.nan), np.full(rows, np.nan)

    def add(self, run: ScoreRun, written: _Written) -> None:
        """Those of a run, for rows that no run before has scored."""
        new = np.isnan(self._scores[written.rows])
        rows = written.rows[new]
        if rows.size:
            self.runs.append(run.id)
            self._reigned |= run.role == "champion"
            self._scores[rows], self._days[rows] = written.scores[new], written.days[new]

    def compared(self, trained: TrainedVersion, scored: ScoredComparison, scorer: Scorer) -> SealedScores:
        """With what the registered model answers for the same rows now."""
        rows = np.flatnonzero(~np.isnan(self._scores))
        again = scorer.scores(trained.registered, scored.rows.at(rows))
        return SealedScores(
            version=trained.version,
            runs=tuple(self.runs),
            rows=rows,
            sealed=self._scores[rows],
            again=again,
            latest=float(self._days[rows].max()),
            reigned=self._reigned,
        )


def _covering(scored: ScoredComparison, runs: Sequence[ScoreRun]) -> list[ScoreRun]:
    """The runs that may have scored judged rows, in the order in which they were written."""
    start, end = scored.holdout
    return sorted((r for r in runs if r.window_start < end and r.as_of > start), key=lambda r: (r.created_at, r.id))


class _Limit(NamedTuple):
    """How late after an event a score may be written and still be sealed."""

    spec: ModelSpec
    soonest: timedelta | None

    @classmethod
    def of(cls, spec: ModelSpec, rows: LazyFrame) -> _Limit:
        """That of these judged rows."""
        columns = spec.columns
        if columns.outcome_at is None:
            return cls(spec, None)
        after = (rows[columns.outcome_at] - rows[columns.event_time]).min()
        return cls(spec, None if pd.isna(after) else after.to_pytimedelta())

    @property
    def days(self) -> float | None:
        """The shortest time from an event to its outcome."""
        return None if self.soonest is None else self.soonest / timedelta(days=1)

    def earliest(self, created_at: datetime) -> datetime:
        """Events from then on are sealed by a run that was written at this time; to the day where months count."""
        written = created_at.astimezone(UTC)
        matures = midnight(written.date() + timedelta(days=1) - self.spec.windows.label_maturity)
        return matures if self.soonest is None else max(matures, written - self.soonest + timedelta(microseconds=1))


class _Written(NamedTuple):
    rows: Positions
    scores: Array
    days: Array


def _written(
    run: ScoreRun, url: str, spec: ModelSpec, index: RowIndex, judged: RowKeys, limit: _Limit
) -> _Written | None:
    """The sealed scores that a run wrote for the rows with these keys; None where they are not those that it wrote."""
    digest, since = run_scores.Digest(), np.datetime64(limit.earliest(run.created_at).replace(tzinfo=None), "us")
    rows, scores, moments = [np.empty(0, dtype=np.int64)], [np.empty(0)], [np.empty(0, dtype=np.int64)]
    for batch in score_runs.batches(url, run.id, spec.timeouts.query):
        digest.update(batch)
        keys = RowKeys(batch.column("entity"), batch.column("event_time").cast(MOMENT))
        places = index.find(keys)
        wanted = np.flatnonzero((places >= 0) & (keys.moments >= since.astype(np.int64)))
        wanted = wanted[keys.at(wanted).equal(judged.at(places[wanted]))]
        rows.append(places[wanted])
        scores.append(np.asarray(batch.column("score"))[wanted])
        moments.append(keys.moments[wanted])
    if (digest.rows, digest.hexdigest()) != (run.rows, run.scores_sha256):
        log.warning(
            "%s: the ledger has other scores than scoring run %d wrote: they are no evidence", spec.name, run.id
        )
        return None
    days = (run.created_at.timestamp() * MICROSECONDS - np.concatenate(moments)) / (86_400 * MICROSECONDS)
    return _Written(np.concatenate(rows), np.concatenate(scores), days)
