"""The earlier versions of a lane that the rule `record` compares with a challenger, and what all did on each cohort.

A version is scored on the cohorts of the holdout only, once for each snapshot; what it did on older ones stands in the
decisions of that time. So a run reads a few models, however long the lane is: the champion, the `NEWEST` challengers
before this one, and the `BEST` of the others by the record so far.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from itertools import pairwise
from typing import NamedTuple, TypeVar

import numpy as np
import pandas as pd

from titleholder.ledger import reigns, store
from titleholder.ledger.decision import Decision
from titleholder.ledger.store import LaneEntry
from titleholder.spec import windows
from titleholder.spec.model import ModelSpec
from titleholder.validation import metrics
from titleholder.validation.evidence import Array, Evidence, Rival, events
from titleholder.validation.metrics import Estimation
from titleholder.validation.record import CohortRecord, Member
from titleholder.validation.verdict import Reign
from titleholder.workflow.scoring import ScoredComparison, Scorer, TrainedVersion, missing_columns

Entry = TypeVar("Entry", LaneEntry, Decision)
NEWEST, BEST = 3, 5
MINIMUM_EVENTS = 5
"""A cohort with fewer is not compared: its errors could not be known."""
CALENDARS = {"Y": 3 * 365, "Q": 270, "M": 84, "W": 21}
"""A cohort is a year, quarter, month or week, the longest for which the holdout has at least so many days; or a day."""


class KnownVersion(NamedTuple):
    """An earlier version of a lane; one that is not `eligible` is not brought back."""

    trained: TrainedVersion
    member: Member
    as_of: date
    eligible: bool


class Line(NamedTuple):
    """The versions that a challenger is compared with, and what earlier decisions found about all versions.

    >>> Line().rivals
    ()
    """

    rivals: tuple[KnownVersion, ...] = ()
    earlier: tuple[CohortRecord, ...] = ()


def line_before(rows: Sequence[Entry], lane: str, as_of: date, reign: Reign | None, url: str) -> Line:
    """The line before the challenger of `as_of`: the decisions in force that were made under the rule `record`.

    `url` is the ledger's: specs that a row does not have are read from there.
    """
    if reign is None:
        return Line()
    before = reigns.line_before(rows, lane, as_of)
    found = {version: reigns.decision_on(rows, version) for version in _chosen(before, reign)}
    rivals = [
        _known(row, eligible=row.fit and not reigns.recall_bar(rows, version), url=url)
        for version, row in found.items()
        if row
    ]
    return Line(tuple(rivals), tuple(cohort for row in before for cohort in row.cohorts))


def _chosen(before: Sequence[reigns.Row], reign: Reign) -> list[int]:
    """The versions to compare, in the order in which they were trained."""
    versions = list(dict.fromkeys(row.challenger_version for row in before if row.challenger_version is not None))
    ranking = next((row.ranking for row in reversed(before) if row.ranking), ())
    chosen = {reign.version, *versions[-NEWEST:]}
    best = [version for version in ranking if version in versions and version not in chosen]
    chosen |= set(best[:BEST])
    return [reign.version, *(version for version in versions if version in chosen and version != reign.version)]


def _known(row: LaneEntry | Decision, *, eligible: bool, url: str) -> KnownVersion:
    spec = row.spec or store.decision(url, row.id).spec
    trained = TrainedVersion(row.challenger_version or 0, row.training_run_id, ModelSpec.restore(spec))
    through = row.trained_through or date.max
    member = Member(version=trained.version, trained_through=through, judged_through=row.matured or date.max)
    return KnownVersion(trained, member, row.as_of, eligible=eligible)


def on_record(scored: ScoredComparison, line: Line, scorer: Scorer) -> ScoredComparison:
    """The same comparison with the versions of the line on the same rows, under the rule `record`; else as it is.

    A version that was trained on some of the rows, or needs columns that they lack, is left out.
    """
    evidence = scored.evidence
    if evidence.spec.judgement.rule != "record" or scored.reign is None or evidence.champion is None:
        return scored
    rows = evidence.frame.set_index(scored.positions)
    rivals = []
    for known in line.rivals:
        unseen = known.member.trained_through <= scored.holdout[0] and not missing_columns(known.trained.spec, rows)
        if known.trained.version != evidence.version and unseen:
            own = known.trained.version == scored.reign.version
            rivals.append(
                _scored(known, evidence.champion if own else scorer.scores(known.trained, scored.sha256, rows))
            )
    found = {"rivals": tuple(rivals), "earlier": line.earlier}
    complete = evidence.model_copy(update=found | {"cohorts": tuple(_cohorts(evidence, rivals, scored.holdout))})
    return scored.model_copy(update={"evidence": complete})


def _scored(known: KnownVersion, scores: Array) -> Rival:
    return Rival(
        member=known.member,
        as_of=known.as_of,
        scores=scores,
        inputs=known.trained.spec.columns.inputs,
        eligible=known.eligible,
    )


def _cohorts(evidence: Evidence, rivals: Sequence[Rival], holdout: tuple[date, date]) -> Iterator[CohortRecord]:
    """What the challenger and its rivals did on each cohort that lies wholly in the judged rows."""
    members = [
        *((r.member, r.scores) for r in rivals),
        (Member(version=evidence.version, trained_through=holdout[0], judged_through=holdout[1]), evidence.challenger),
    ]
    time, spec = evidence.frame[evidence.spec.columns.event_time], evidence.spec
    for start, end in pairwise(cohort_bounds(*holdout)):
        rows = ((time >= windows.midnight(start)) & (time < windows.midnight(end))).to_numpy()
        found = events(spec, evidence.y[rows])
        if len(members) < 2 or found < MINIMUM_EVENTS:
            continue
        scores = [of_version[rows] for _, of_version in members]
        values, covariance = metrics.joint(spec.judgement.metric, evidence.sample.at(rows), scores, Estimation.of(spec))
        if np.isfinite(covariance).all():
            yield CohortRecord(
                start=start,
                end=end,
                events=found,
                metric=spec.judgement.metric,
                members=tuple(member for member, _ in members),
                values=_rounded(values),
                covariance=_rounded(covariance[np.tril_indices(len(covariance))]),
            )


def cohort_bounds(start: date, end: date) -> list[date]:
    """Where the cohorts of a holdout [start, end) begin and end: the same for all holdouts that share some.

    >>> [str(day) for day in cohort_bounds(date(2024, 1, 1), date(2024, 4, 1))]
    ['2024-01-01', '2024-02-01', '2024-03-01', '2024-04-01']
    """
    period = next((name for name, days in CALENDARS.items() if (end - start).days >= days), "D")
    first = [p.start_time.date() for p in pd.period_range(start, end, freq=period)]
    return [day for day in first if start <= day <= end]


def _rounded(values: Array) -> tuple[float, ...]:
    """To nine digits: the ledger keeps these texts."""
    return tuple(float(f"{value:.9g}") for value in values)
