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
from numpy.typing import NDArray

from titleholder.ledger import reigns
from titleholder.ledger.decision import Decision
from titleholder.ledger.lane_entry import LaneEntry
from titleholder.spec import windows
from titleholder.validation import metrics
from titleholder.validation.cohort_record import CohortRecord, Member, newest
from titleholder.validation.evidence import Array, Evidence, Rival, events, informative, metric_basis
from titleholder.validation.metrics import Estimation
from titleholder.validation.verdict import Reign
from titleholder.workflow.scorer import Scorer
from titleholder.workflow.scoring import ScoredComparison
from titleholder.workflow.trained_versions import TrainedVersion, missing_columns, trained_versions

Entry = TypeVar("Entry", LaneEntry, Decision)
NEWEST, BEST = 3, 5
MINIMUM_EVENTS = 5
"""A cohort with fewer rows of the rarer class is not compared: its errors could not be known."""
CALENDARS = ("Y", "Q", "M", "W", "D")
"""A cohort is a year, quarter, month, week or day: the longest of which a holdout has `COHORTS` whole ones."""
COHORTS = 3


class KnownVersion(NamedTuple):
    """An earlier version of a lane; one that is not `eligible` is not brought back."""

    trained: TrainedVersion
    member: Member
    as_of: date
    eligible: bool


class Line(NamedTuple):
    """The versions that a challenger is compared with, and what earlier decisions found about all versions.

    `chosen` are compared on every cohort; the others on those on which an earlier decision compared them, for a version
    must not lose its results because they were bad.

    >>> Line().rivals
    ()
    """

    rivals: tuple[KnownVersion, ...] = ()
    chosen: frozenset[int] = frozenset()
    earlier: tuple[CohortRecord, ...] = ()


def line_before(
    rows: Sequence[Entry], lane: str, as_of: date, reign: Reign | None, holdout_start: date, url: str
) -> Line:
    """The line before the challenger of `as_of`: the decisions in force that were made under the rule `record`.

    `holdout_start` begins the rows that the challenger is judged on. `url` is the ledger's: specs that a row does not
    have are read from there.
    """
    if reign is None:
        return Line()
    before: list[Entry] = sorted(reigns.line_before(rows, lane, as_of), key=lambda row: row.as_of)
    earlier = tuple(cohort for row in before for cohort in row.cohorts)
    chosen: list[int] = _chosen(before, reign)
    seen: set[int] = {m.version for cohort in newest(earlier) if cohort.start >= holdout_start for m in cohort.members}
    versions = [*chosen, *sorted(seen - set(chosen))]
    found = [row for version in versions if (row := reigns.decision_on(rows, version)) is not None]
    rivals = [
        _known(row, trained, eligible=row.fit and not reigns.recall_bar(rows, trained.version))
        for row, trained in zip(found, trained_versions(found, url), strict=True)
    ]
    return Line(tuple(rivals), frozenset(chosen), earlier)


def _chosen(before: Sequence[reigns.Row], reign: Reign) -> list[int]:
    """The versions to compare on every cohort, in the order in which they were trained."""
    versions = list(dict.fromkeys(row.challenger_version for row in before if row.challenger_version is not None))
    ranking = next((row.ranking for row in reversed(before) if row.ranking), ())
    chosen = {reign.version, *versions[-NEWEST:]}
    best = [version for version in ranking if version in versions and version not in chosen]
    chosen |= set(best[:BEST])
    return [reign.version, *(version for version in versions if version in chosen and version != reign.version)]


def _known(row: LaneEntry | Decision, trained: TrainedVersion, *, eligible: bool) -> KnownVersion:
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
    rivals = []
    for known in line.rivals:
        unseen = known.member.trained_through <= scored.holdout[0] and not missing_columns(
            known.trained.spec, scored.rows
        )
        if known.trained.version != evidence.version and unseen:
            own = known.trained.version == scored.reign.version
            rivals.append(_scored(known, evidence.champion if own else _scores(scored, known.trained, scorer)))
    found = {"rivals": tuple(rivals), "earlier": line.earlier}
    cohorts = _cohorts(evidence, rivals, line, scored.holdout, scored.trained_through)
    complete = evidence.model_copy(update=found | {"cohorts": cohorts})
    return scored.model_copy(update={"evidence": complete})


def _scores(scored: ScoredComparison, trained: TrainedVersion, scorer: Scorer) -> Array:
    return scored.evidence.once(("scores", trained.name), lambda: scorer.scores(trained, scored.rows))


def _scored(known: KnownVersion, scores: Array) -> Rival:
    return Rival(
        member=known.member,
        as_of=known.as_of,
        scores=scores,
        inputs=known.trained.spec.columns.inputs,
        eligible=known.eligible,
    )


def _cohorts(
    evidence: Evidence, rivals: Sequence[Rival], line: Line, holdout: tuple[date, date], trained_through: date
) -> tuple[CohortRecord, ...]:
    """What the challenger and its rivals did on each cohort of the judged rows.

    Where cohorts would have too few events, the judged rows are one cohort.
    """
    own = Member(version=evidence.version, trained_through=trained_through, judged_through=holdout[1])
    scores = [*((rival.member, rival.scores) for rival in rivals), (own, evidence.challenger)]
    before = {(c.start, c.end): {m.version for m in c.members} for c in newest(line.earlier)}
    always = line.chosen | {evidence.version}

    def compared(bounds: Sequence[date]) -> list[CohortRecord]:
        made = (
            _known_cohort(evidence, [(m, p) for m, p in scores if m.version in always | before.get(span, set())], span)
            for span in pairwise(bounds)
        )
        return [cohort for cohort in made if cohort]

    found = compared(cohort_bounds(*holdout))
    if 2 * sum(informative(evidence.spec, evidence.y[_within(evidence, c.start, c.end)]) for c in found) < (
        evidence.informative
    ):
        found = compared(holdout)
    return tuple(_for_clusters(found, evidence, own.version))


def _known_cohort(
    evidence: Evidence, scores: Sequence[tuple[Member, Array]], span: tuple[date, date]
) -> CohortRecord | None:
    """A cohort depends on the versions and the metric, not on the thresholds."""
    judgement, members = evidence.spec.judgement, tuple(member for member, _ in scores)
    key = ("cohort", span, members, judgement.metric, metric_basis(evidence.spec))
    return evidence.once(key, lambda: _cohort(evidence, scores, span))


def _cohort(evidence: Evidence, scores: Sequence[tuple[Member, Array]], span: tuple[date, date]) -> CohortRecord | None:
    """One cohort; None with fewer than two versions, too few events, or a covariance that cannot be known."""
    spec, rows = evidence.spec, _within(evidence, *span)
    if len(scores) < 2 or informative(spec, evidence.y[rows]) < MINIMUM_EVENTS:
        return None
    of_rows, how = [of_version[rows] for _, of_version in scores], Estimation.of(spec)
    values, covariance = metrics.joint(spec.judgement.metric, evidence.sample.at(rows), of_rows, how)
    if not np.isfinite(covariance).all():
        return None
    return CohortRecord(
        start=span[0],
        end=span[1],
        events=events(spec, evidence.y[rows]),
        metric=spec.judgement.metric,
        basis=metric_basis(spec),
        members=tuple(member for member, _ in scores),
        values=_rounded(values),
        covariance=_rounded(covariance[np.tril_indices(len(covariance))]),
    )


def _within(evidence: Evidence, start: date, end: date) -> NDArray[np.bool_]:
    """Which of the judged rows lie in [start, end), shape (n,)."""
    time = evidence.frame[evidence.spec.columns.event_time]
    return ((time >= windows.midnight(start)) & (time < windows.midnight(end))).to_numpy()


def _for_clusters(found: Sequence[CohortRecord], evidence: Evidence, version: int) -> Iterator[CohortRecord]:
    """Cohorts count as independent. Clusters that reach over several of them make each of their errors larger.

    By as much as the error of the gain on all judged rows, with its clusters, is larger than the one that independent
    cohorts would have together.
    """
    if evidence.clusters is None or evidence.champion is None or len(found) < 2:
        yield from found
        return
    how, scores = Estimation.of(evidence.spec), [evidence.challenger, evidence.champion]
    whole = _of_difference(metrics.joint(evidence.spec.judgement.metric, evidence.sample, scores, how)[1], 0, 1)
    each = []
    for cohort in found:
        versions = [member.version for member in cohort.members]
        each.append(_of_difference(cohort.matrix, 0, versions.index(version)))  # the champion is the first
    if not min(each, default=0.0) > 0:
        yield from found
        return
    factor = max(1.0, whole * sum(1 / variance for variance in each))
    for cohort in found:
        yield cohort.model_copy(update={"covariance": _rounded(factor * np.array(cohort.covariance))})


def _of_difference(covariance: Array, a: int, b: int) -> float:
    return float(covariance[a, a] + covariance[b, b] - 2 * covariance[a, b])


def cohort_bounds(start: date, end: date) -> list[date]:
    """Where the cohorts of a holdout [start, end) begin and end: calendar periods that lie wholly in it.

    >>> [str(day) for day in cohort_bounds(date(2024, 1, 1), date(2024, 4, 1))]
    ['2024-01-01', '2024-02-01', '2024-03-01', '2024-04-01']
    """
    bounds = [start, end]
    for period in CALENDARS:
        first = [p.start_time.date() for p in pd.period_range(start, end, freq=period)]
        bounds = [day for day in first if start <= day <= end]
        if len(bounds) > COHORTS:
            break
    return bounds


def _rounded(values: Array) -> tuple[float, ...]:
    """To nine digits: the ledger keeps these texts."""
    return tuple(float(f"{value:.9g}") for value in values)
