"""When a model's runs start: a cron schedule that begins and ends, while a run by hand may come before or after."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset, AssetAll, AssetAny
from airflow.timetables.base import DagRunInfo, DataInterval, TimeRestriction
from airflow.timetables.trigger import CronTriggerTimetable
from pendulum import UTC, instance

from titleholder_airflow.versions import AssetOrTimeSchedule

if TYPE_CHECKING:
    from titleholder.spec.model import ModelSpec


class BoundedCronTimetable(CronTriggerTimetable):
    """Cron ticks from `start` to `end`, both included, at 00:00 UTC; a backfill gets no others either.

    The dates are the schedule's, not the DAG's. A DAG hands its own to its tasks, and Airflow creates no task for a run
    that was triggered before `start_date` or after `end_date`: such a run is green and has done nothing.
    """

    def __init__(self, cron: str, *, start: date, end: date | None) -> None:
        super().__init__(cron, timezone="UTC")
        self._start, self._end = start, end

    def next_dagrun_info(
        self, *, last_automated_data_interval: DataInterval | None, restriction: TimeRestriction
    ) -> DagRunInfo | None:
        """The next tick within the dates and within Airflow's `restriction`; None where there is none."""
        start, end = (instance(datetime.combine(d, time()), tz=UTC) if d else None for d in (self._start, self._end))
        bounded = TimeRestriction(
            earliest=max(filter(None, (start, restriction.earliest))),
            latest=min(filter(None, (end, restriction.latest)), default=None),
            catchup=restriction.catchup,
        )
        return super().next_dagrun_info(last_automated_data_interval=last_automated_data_interval, restriction=bounded)

    def serialize(self) -> dict[str, Any]:
        """The timetable as JSON, for Airflow's database."""
        return {"expression": self._expression, "start": str(self._start), "end": self._end and str(self._end)}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> BoundedCronTimetable:
        """The timetable of `serialize`'s JSON."""
        end = data["end"]
        return cls(
            data["expression"], start=date.fromisoformat(data["start"]), end=date.fromisoformat(end) if end else None
        )


class BackfillTimetable(BoundedCronTimetable):
    """The ticks of a backfill, and no others: no run starts by itself.

    Airflow asks for the ticks of a backfill with `catchup`, and for the next run of a DAG without catchup without it.
    """

    def next_dagrun_info(
        self, *, last_automated_data_interval: DataInterval | None, restriction: TimeRestriction
    ) -> DagRunInfo | None:
        """The next tick of a backfill; None for the scheduler."""
        if not restriction.catchup:
            return None
        return super().next_dagrun_info(
            last_automated_data_interval=last_automated_data_interval, restriction=restriction
        )

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> BackfillTimetable:
        """The timetable of `serialize`'s JSON."""
        kept = BoundedCronTimetable.deserialize(data)
        return cls(data["expression"], start=kept._start, end=kept._end)


def schedule_of(spec: ModelSpec, wanted: Asset | None = None) -> Any:
    """When a model's runs start: by the clock, once all its assets were updated, or both; and when one is `wanted`."""
    assets: Any = [Asset(name) for name in spec.assets]
    if wanted is not None:
        assets = AssetAny(AssetAll(*assets), wanted) if assets else [wanted]
    return _schedule(spec, spec.schedule, assets)


def monitor_schedule_of(spec: ModelSpec, scores: Asset) -> Any:
    """When a model's looks start: with each scoring run. A backfill goes by the cron of the scoring, or the model's."""
    cron = (spec.scoring.schedule if spec.scoring else None) or spec.schedule
    if cron is None:
        return [scores]
    timetable: Any = BackfillTimetable(cron, start=spec.start_date, end=spec.end_date)
    return AssetOrTimeSchedule(timetable=timetable, assets=[scores])


def scoring_schedule_of(spec: ModelSpec, champion: Asset) -> Any:
    """When a model's scoring runs start: by the clock, once all their assets were updated, or with a new champion."""
    scoring = spec.scoring
    if scoring is None:
        return None
    assets: Any = [Asset(name) for name in scoring.assets]
    if scoring.after_champion:
        assets = AssetAny(AssetAll(*assets), champion) if assets else [champion]
    return _schedule(spec, scoring.schedule, assets)


def _schedule(spec: ModelSpec, cron: str | None, assets: Any) -> Any:
    if cron is None:
        return assets or None
    timetable: Any = BoundedCronTimetable(cron, start=spec.start_date, end=spec.end_date)
    return AssetOrTimeSchedule(timetable=timetable, assets=assets) if assets else timetable
