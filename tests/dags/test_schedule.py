"""A schedule begins and ends; a run by hand has all its tasks on any day."""

from __future__ import annotations

import pytest
import yaml

from support.dagbag import ROOT, read_dags

MODELS = ROOT / "tests" / "support" / "models"

PROBE = """
import json, sys
import pendulum
from airflow.dag_processing.dagbag import DagBag
from airflow.serialization.encoders import encode_timetable
from airflow.serialization.serialized_objects import DagSerialization
from airflow.timetables.base import DagRunInfo

day = lambda text: pendulum.parse(text, tz="UTC")

def stored(dag):
    return DagSerialization.deserialize_dag(json.loads(json.dumps(DagSerialization.serialize_dag(dag))))

def following(dag, last):
    last = last and DagRunInfo.interval(day(last), day(last))
    info = dag.next_dagrun_info(last_automated_run_info=last)
    return str(info.run_after.date()) if info else None

def backfill(dag, begin, end):
    return [str(i.run_after.date()) for i in dag.iter_dagrun_infos_between(day(begin), day(end))]

bag = DagBag(dag_folder=sys.argv[1])
answer = {"errors": bag.import_errors}
for name, dag in bag.dags.items():
    if name.endswith("retrain"):
        kept = stored(dag)
        answer[name.removesuffix(".retrain")] = {
            "dates": [str(x) for x in (kept.start_date, kept.end_date)],
            "task dates": sorted({str(x) for t in kept.tasks for x in (t.start_date, t.end_date)}),
            "timetable": type(kept.timetable).__name__,
            "shown": kept.timetable.summary,
            "first": following(kept, None),
            "last": following(kept, "2021-03-01"),
            "backfill": backfill(kept, "2020-12-15", "2021-06-15"),
            "twice": encode_timetable(kept.timetable) == encode_timetable(dag.timetable),
        }
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict]:
    """One model for each kind of schedule; each begins on 2021-01-01."""
    models = tmp_path_factory.mktemp("models")
    spec = yaml.safe_load((MODELS / "tiny.yaml").read_text())
    del spec["end_date"]
    (models / "tiny.sql").write_text((MODELS / "tiny.sql").read_text())
    kinds = {
        "ended": {"schedule": "@monthly", "end_date": "2021-04-01"},
        "open": {"schedule": "@monthly"},
        "ahead": {"schedule": "@monthly", "start_date": "2099-01-15"},
        "either": {"schedule": "@monthly", "end_date": "2021-04-01", "assets": ["loaded"]},
        "by_hand": {"schedule": None, "end_date": "2021-04-01"},
    }
    for name, changed in kinds.items():
        text = yaml.safe_dump({**spec, "start_date": "2021-01-01", "name": name, **changed})
        (models / f"{name}.yaml").write_text(text)
    answer = read_dags(models, tmp_path_factory.mktemp("airflow"), PROBE)
    assert answer.pop("errors") == {}
    return answer


KINDS = ("ended", "open", "ahead", "either", "by_hand")


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_by_hand_has_all_its_tasks_before_the_start_and_after_the_end(found: dict, kind: str) -> None:
    """Airflow creates no task for a run outside a task's dates, and calls a run without tasks a success."""
    assert found[kind]["dates"] == ["None", "None"]
    assert found[kind]["task dates"] == ["None"]


@pytest.mark.parametrize("kind", ["ended", "either"])
def test_the_schedule_ends_with_its_last_tick(found: dict, kind: str) -> None:
    assert found[kind]["first"] is None, "the newest tick is over"
    assert found[kind]["last"] is None


def test_without_an_end_the_newest_tick_is_due_and_never_one_before_the_start(found: dict) -> None:
    assert found["open"]["first"] > "2026-01-01"
    assert found["ahead"]["first"] == "2099-02-01"


@pytest.mark.parametrize(
    ("kind", "ticks"),
    [
        ("ended", ["2021-01-01", "2021-02-01", "2021-03-01", "2021-04-01"]),
        ("either", ["2021-01-01", "2021-02-01", "2021-03-01", "2021-04-01"]),
        ("open", [f"2021-0{month}-01" for month in range(1, 7)]),
        ("ahead", []),
    ],
)
def test_a_backfill_gets_the_ticks_within_the_dates(found: dict, kind: str, ticks: list[str]) -> None:
    assert found[kind]["backfill"] == ticks


def test_the_timetable_is_stored_as_it_was(found: dict) -> None:
    for kind in KINDS:
        assert found[kind]["twice"], kind
    assert found["ended"]["timetable"] == "BoundedCronTimetable"
    assert found["either"]["timetable"] == "AssetOrTimeSchedule"
    assert found["ended"]["shown"] == "0 0 1 * *"
