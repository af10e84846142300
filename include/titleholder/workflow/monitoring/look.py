"""What one look reads, computes and says; nothing is written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

from titleholder.data.scores import ScoreStore
from titleholder.errors import SpecError
from titleholder.ledger import monitor_reports
from titleholder.ledger.monitor_reports import Entry
from titleholder.registry.client import registry_at
from titleholder.settings import Settings
from titleholder.spec.model import ModelSpec
from titleholder.spec.monitor import Monitor
from titleholder.validation.monitoring import outcomes as came_true
from titleholder.validation.monitoring import summary
from titleholder.validation.monitoring.look import Limits, level, look
from titleholder.validation.monitoring.report import (
    Drift,
    Estimate,
    FormerReign,
    MonitorReport,
    RealisedCohort,
    Unavailable,
    Volume,
)
from titleholder.validation.monitoring.retrain_request import Answer, Asked, ask
from titleholder.validation.monitoring.volume import expected
from titleholder.workflow.monitoring import promises
from titleholder.workflow.monitoring.former import former_reigns
from titleholder.workflow.monitoring.new_rows import CountedRows, count, parts_of, rows_of
from titleholder.workflow.monitoring.outcomes import Matured, Reader
from titleholder.workflow.monitoring.reference import Reference, reference_of
from titleholder.workflow.monitoring.watched import Watched
from titleholder.workflow.payloads import Origin
from titleholder.workflow.scorer import Scorer


def monitor_of(spec: ModelSpec) -> Monitor:
    """The section `monitor` of a spec.

    Raises:
        SpecError: it has none.
    """
    if spec.monitor is None:
        raise SpecError(f"{spec.name}: the spec has no section monitor; docs/monitoring.md shows one")
    return spec.monitor


class Look:
    """What is read and computed for one look."""

    def __init__(self, spec: ModelSpec, as_of: date, watched: Watched, url: str, settings: Settings) -> None:
        self.spec, self.as_of, self.watched = spec, as_of, watched
        self.monitor, self.url, self.settings = monitor_of(spec), url, settings
        self.scorer = Scorer(registry_at(settings.tracking_uri), ScoreStore(settings.snapshots))
        self.reader = Reader(spec, as_of, url, self.scorer, settings)
        self.reference = reference_of(watched.judged, watched.trained, self.scorer)
        self.parts = parts_of(watched.new_runs, watched.covered)
        self.rows = rows_of(self.parts, settings.ledger_url)
        self.enough = bool(self.parts) and self.rows >= self.monitor.minimum_rows

    def entry(self, lane: str, origin: Origin, *, backfill: bool) -> Entry:
        """What is to be written."""
        report, watched = self.report(), self.watched
        late = any(one.as_of > self.as_of for one in watched.looks)
        answer = self._ask(report, lane, backfill=backfill or late, in_airflow=bool(origin.airflow_run))
        return Entry(
            model=self.spec.name,
            lane=lane,
            as_of=self.as_of,
            version=watched.runs[-1].version,
            decision=watched.crowning.id,
            previous=watched.last,
            score_runs=tuple(part.run.id for part in self.parts) if self.enough else (),
            report=report,
            asks_retrain=answer.asks,
            ask_reason=answer.reason,
            spec=self.monitor.model_dump(mode="json"),
            actor=origin.actor,
            reason=origin.reason,
            airflow_run=origin.airflow_run,
            code_version=origin.code_version,
        )

    def report(self) -> MonitorReport:
        """What the look finds."""
        before = self.watched.before.report if self.watched.before else None
        new = self._count() if self.enough else None
        drift = self._drift(new) if new else before.drift if before else None
        grown = self._matured(before.cohorts if before else ())
        former = former_reigns(self.watched, self.monitor, self.reader)
        cohorts = (*(before.cohorts if before else ()), *grown.cohorts)
        promise = promises.promise(self.watched.reign, self.monitor, cohorts)
        standing = summary.alarms(
            drift,
            promise,
            before.alarms if before else (),
            as_of=self.as_of,
            in_a_row=self.monitor.persistence,
        )
        size = self._volume(new) if new else None
        made = MonitorReport(
            state="waiting",
            reason="",
            alarms=standing,
            remarks=(*summary.remarks(size, drift, standing, new.again if new else 0), *_not_known(grown, former)),
            volume=size,
            waiting_rows=0 if self.enough else self.rows,
            drift=drift,
            estimate=self._estimate(new) if new else before.estimate if before else None,
            cohorts=cohorts,
            promise=promise,
            review=promises.review(self.watched.reign, cohorts),
            former=former,
            unavailable=_unavailable(self.as_of, grown, former, before.unavailable if before else None),
        )
        return summary.concluded(made, minimum_rows=self.monitor.minimum_rows)

    def _count(self) -> CountedRows:
        spec, before = self.watched.trained.spec, self.watched.counted_last
        return count(self.parts, self._features.features, spec, self.settings.ledger_url, before)

    @property
    def _features(self) -> Reference:
        """The reference, with the bins of the reign's first look where there is one."""
        if self.watched.first is None:
            return self.reference
        first = {one.name: one for one in self.watched.first.features}
        own = [f._replace(bins=first[f.name].bins, counts=first[f.name].reference) for f in self.reference.features]
        return self.reference._replace(features=tuple(own))

    def _drift(self, new: CountedRows) -> Drift:
        budget = self.monitor.false_alarms / 2
        limits = Limits(budget, self.monitor.persistence, self.monitor.minimum_psi)
        seed = [self.watched.crowning.id, *(part.run.id for part in self.parts)]
        earlier = self.watched.history
        made = look(self._features.features, new.by_feature, earlier, limits, seed)
        return Drift(
            budget=budget,
            level=level(made),
            looks=len(earlier.cells) + 1,
            reference_rows=self.reference.rows,
            reference_start=self.reference.start,
            reference_end=self.reference.end,
            features=made,
        )

    def _volume(self, new: CountedRows) -> Volume:
        earlier = monitor_reports.volumes(self.settings.ledger_url, self.spec.name, self.watched.crowning.lane)
        return expected(new.rows, len(self.parts), new.start, new.end, earlier)

    def _estimate(self, new: CountedRows) -> Estimate | None:
        trained = self.watched.trained.spec
        found = came_true.estimate(
            trained.judgement.metric,
            new.scores,
            trained.judgement.confidence,
            self.reference.calibration,
            weighted=trained.columns.weight is not None,
        )
        return Estimate(metric=trained.judgement.metric, value=found, rows=new.rows) if found else None

    def _matured(self, before: Sequence[RealisedCohort]) -> Matured:
        months = self.reader.months(self.watched.runs, before[-1].end if before else None)
        return self.reader.read(self.watched.reign, months, self.reference.calibration)

    def _ask(self, report: MonitorReport, lane: str, *, backfill: bool, in_airflow: bool) -> Answer:
        asked = monitor_reports.asks(self.settings.ledger_url, self.spec.name)
        return ask(
            report.alarms,
            self.monitor.ask_for_retrain,
            lane=lane,
            as_of=self.as_of,
            decision=self.watched.crowning.id,
            earlier=[Asked(one.as_of, one.decision) for one in asked],
            last_decision=max((r.as_of for r in self.watched.rows if r.challenger_version is not None), default=None),
            backfill=backfill,
            in_airflow=in_airflow,
        )


def _unavailable(
    as_of: date, own: Matured, former: Sequence[FormerReign], before: Unavailable | None
) -> Unavailable | None:
    """What is said of final outcomes that could not be read, of the reign and of former ones; None where all were."""
    reasons = [own.unread, *(one.unread for one in former)]
    if not any(reasons):
        return None
    months = own.months + sum(one.unread_months for one in former)
    return Unavailable(
        since=before.since if before else as_of,
        months=months,
        new=before is None or before.months < months,
        reason=next(filter(None, reasons)),
    )


def _not_known(own: Matured, former: Sequence[FormerReign]) -> Iterator[str]:
    if own.remark:
        yield own.remark
    yield from (f"Version {one.version}, a former champion: {one.remark}" for one in former if one.remark)
