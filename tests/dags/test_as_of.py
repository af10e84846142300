"""The one as-of date of a run, under each of Airflow's timetables and in each way a run can start."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.dagbag import ROOT, read_dags

TIMETABLES = """
import json, pendulum
from datetime import datetime, timezone
from airflow.timetables.assets import AssetOrTimeSchedule
from airflow.timetables.base import TimeRestriction
from airflow.timetables.interval import CronDataIntervalTimetable
from airflow.timetables.trigger import CronTriggerTimetable
from airflow.dag_processing.dagbag import DagBag
import os, sys
from titleholder.spec.windows import resolve_as_of

def ticks(timetable):
    interval, found = None, []
    for _ in range(3):
        info = timetable.next_dagrun_info(
            last_automated_data_interval=interval,
            restriction=TimeRestriction(earliest=pendulum.datetime(2024, 1, 1), latest=None, catchup=True))
        interval = info.data_interval
        found.append(str(resolve_as_of(None, interval.end, info.run_after)))
    return found

def by_hand(timetable, logical):
    return str(resolve_as_of(None, timetable.infer_manual_data_interval(run_after=logical).end, logical))

cron = CronTriggerTimetable("@monthly", timezone="UTC")
both = AssetOrTimeSchedule(timetable=cron, assets=[])
periods = CronDataIntervalTimetable("@monthly", timezone="UTC")
moment = pendulum.datetime(2024, 3, 17, 9, 30)
bag = DagBag(dag_folder=sys.argv[1])
fed = bag.dags["tiny_fed.retrain"]
answer = {
    "ticks": {"trigger": ticks(cron), "interval": ticks(periods), "asset or time": ticks(both)},
    "by hand on 17 March": {"trigger": by_hand(cron, moment), "interval": by_hand(periods, moment)},
    "without an interval": str(resolve_as_of(None, None, moment)),
    "form": str(resolve_as_of("2023-05-06", moment, moment)),
    "fed": [type(fed.timetable).__name__, sorted(a.name for a in fed.timetable.asset_condition.objects)],
    "plain": type(bag.dags["tiny.retrain"].timetable).__name__,
}
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    return read_dags(Path(ROOT / "tests" / "support" / "models"), tmp_path_factory.mktemp("airflow"), TIMETABLES)


def test_a_tick_means_the_day_it_was_due_under_every_timetable(found: dict) -> None:
    """A data interval's first run comes when the interval ends, a month after that of a trigger timetable."""
    assert found["ticks"]["trigger"] == found["ticks"]["asset or time"] == ["2024-01-01", "2024-02-01", "2024-03-01"]
    assert found["ticks"]["interval"] == ["2024-02-01", "2024-03-01", "2024-04-01"]


def test_a_run_by_hand_never_looks_past_its_moment(found: dict) -> None:
    assert found["by hand on 17 March"] == {"trigger": "2024-03-17", "interval": "2024-03-01"}
    assert found["without an interval"] == "2024-03-17"
    assert found["form"] == "2023-05-06"


def test_a_model_may_be_started_by_assets_beside_the_clock(found: dict) -> None:
    assert found["fed"] == ["AssetOrTimeSchedule", ["tiny_loaded"]]
    assert found["plain"] == "BoundedCronTimetable"
