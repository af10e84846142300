"""The DAG `<model>.monitor`: when it runs, what it looks at, what it tells others, and what a retrain hears of it."""

from __future__ import annotations

from typing import Any

import pytest

from support import apart
from support.dagbag import ROOT, read_dags

MODELS = ROOT / "tests" / "support" / "models"
SECTIONS = {
    "unwatched": "scoring: {query: tiny_scoring.sql, window: 1 day}",
    "watched": "scoring: {query: tiny_scoring.sql, window: 1 day, schedule: '@daily'}\nmonitor: {}",
    "asking": "scoring: {query: tiny_scoring.sql, window: 1 day}\nmonitor: {ask_for_retrain: {per_year: 2}}",
    "fed": "assets: [loaded, checked]\nscoring: {query: tiny_scoring.sql, window: 1 day}\nmonitor: {ask_for_retrain: {}}",
    "by_hand": "scoring: {query: tiny_scoring.sql, window: 1 day}\nmonitor: {ask_for_retrain: {}}",
}
PROBE = """
import json, sys
import pendulum
from airflow.dag_processing.dagbag import DagBag
from airflow.serialization.serialized_objects import DagSerialization

day = lambda text: pendulum.parse(text, tz="UTC")

def asset_names(condition):
    parts = getattr(condition, "objects", None)
    return {type(condition).__name__: [asset_names(p) for p in parts]} if parts is not None else getattr(condition, 'name', None)

bag = DagBag(dag_folder=sys.argv[1])
answer = {"errors": bag.import_errors}
for name, dag in bag.dags.items():
    model, _, kind = name.rpartition(".")
    if kind not in ("monitor", "retrain"):
        continue
    kept = DagSerialization.deserialize_dag(json.loads(json.dumps(DagSerialization.serialize_dag(dag))))
    info = kept.next_dagrun_info(last_automated_run_info=None)
    found = {
        "timetable": type(kept.timetable).__name__,
        "assets": asset_names(kept.timetable.asset_condition) if hasattr(kept.timetable, "asset_condition") else None,
        "next": str(info.run_after.date()) if info else None,
        "catchup": kept.catchup,
        "params": list(dag.params),
    }
    if kind == "monitor":
        found |= {
            "tasks": {t.task_id: sorted(t.downstream_task_ids) for t in dag.tasks},
            "outlets": sorted(o.name for o in dag.get_task("look").outlets),
            "at once": dag.get_task("look").max_active_tis_per_dag,
            "doc": dag.doc_md, "task doc": dag.get_task("look").doc_md,
            "backfill": [str(i.run_after.date()) for i in kept.iter_dagrun_infos_between(day("2023-05-01"), day("2023-05-03"))]
            if kept.timetable.periodic else None,
        }
    answer.setdefault(kind, {})[model] = found
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    models = tmp_path_factory.mktemp("models")
    text = (MODELS / "tiny.yaml").read_text()
    for file in ("tiny.sql", "tiny_scoring.sql"):
        (models / file).write_text((MODELS / file).read_text())
    for name, sections in SECTIONS.items():
        own = text.replace("name: tiny", f"name: {name}")
        if name in ("by_hand", "fed"):
            own = own.replace('schedule: "@monthly"', "schedule: null")
        (models / f"{name}.yaml").write_text(f"{own}{sections}\n")
    answer = read_dags(models, tmp_path_factory.mktemp("airflow"), PROBE)
    assert answer.pop("errors") == {}
    return answer


def test_only_a_spec_with_the_section_has_one(found: dict[str, Any]) -> None:
    assert set(found["monitor"]) == set(SECTIONS) - {"unwatched"}


def test_it_follows_the_scores_and_starts_by_itself_only_with_them(found: dict[str, Any]) -> None:
    watched = found["monitor"]["watched"]
    assert watched["timetable"] == "AssetOrTimeSchedule"
    assert list(watched["assets"].values()) == [["watched.scores"]]
    assert watched["next"] is None, "the cron is for backfills alone"
    assert watched["catchup"] is False
    assert found["monitor"]["by_hand"]["timetable"] == "AssetTriggeredTimetable"


def test_a_backfill_goes_by_the_cron_of_the_scoring_else_by_the_models(found: dict[str, Any]) -> None:
    assert found["monitor"]["watched"]["backfill"] == ["2023-05-01", "2023-05-02", "2023-05-03"]
    assert found["monitor"]["asking"]["backfill"] == ["2023-05-01"]
    assert found["monitor"]["by_hand"]["backfill"] is None


def test_its_task_form_assets_and_documentation(found: dict[str, Any]) -> None:
    watched = found["monitor"]["watched"]
    assert watched["tasks"] == {"look": ["outcomes"], "outcomes": []}
    assert watched["outlets"] == ["watched.alarms", "watched.retrain_wanted"]
    assert watched["params"] == ["as_of", "lane", "reason"]
    assert watched["at once"] == 1, "looks of a lane follow each other"
    for part in (watched["doc"], watched["task doc"]):
        assert "**Promises.**" in part
        assert "**When it is red.**" in part
    assert "no alarm starts a retrain" in watched["doc"]
    assert "may start asking.retrain, at most 2 times a year" in found["monitor"]["asking"]["doc"]


def test_a_retrain_listens_only_where_the_spec_says_so(found: dict[str, Any]) -> None:
    retrain = found["retrain"]
    for name in ("watched", "unwatched"):
        assert retrain[name]["timetable"] == "BoundedCronTimetable"
        assert retrain[name]["assets"] is None
    assert list(retrain["asking"]["assets"].values()) == [["asking.retrain_wanted"]]
    assert retrain["asking"]["timetable"] == "AssetOrTimeSchedule"
    assert retrain["by_hand"]["timetable"] == "AssetTriggeredTimetable"
    ((kind, parts),) = retrain["fed"]["assets"].items()
    assert "Any" in kind
    assert sorted(map(str, parts)) == sorted(
        map(str, [{"SerializedAssetAll": ["loaded", "checked"]}, "fed.retrain_wanted"])
    )


TASKS = """
import sys
from datetime import UTC, date, datetime
from types import SimpleNamespace as Of
from airflow.sdk.execution_time.context import OutletEventAccessors
from titleholder.errors import DataError, UsageError
from titleholder.ledger import monitor_reports
from titleholder.ledger.monitor_reports import MonitorRecord
from titleholder.validation.monitoring.report import Alarm, MonitorReport, Unavailable
from titleholder.workflow.monitoring import run as monitoring
from titleholder.workflow.payloads import Origin
from titleholder_airflow import monitor, tasks, wanted

seen, answer = [], {}
ALARM = Alarm(name="income", kind="feature", since=date(2024, 3, 1), new=True, sentence="income has drifted.")

def event(dag="watched.score", **extra):
    return Of(extra=extra, asset=Of(uri="titleholder://watched/scores"), source_dag_id=dag, source_run_id=None, source_task_id=None)

LACKING = Unavailable(since=date(2024, 2, 1), months=1, new=True, reason="the query failed")

def run(kind="scheduled", consumed=(), conf=None, alarms=(ALARM,), asks=False, other=False, lacking=None, **form):
    events = OutletEventAccessors()
    record = Of(dag_id="watched.monitor", run_id="r1", run_type=kind, conf=conf or {}, triggering_user_name="ann",
                data_interval_end=datetime(2024, 3, 1, tzinfo=UTC), run_after=datetime(2024, 3, 9, tzinfo=UTC),
                consumed_asset_events=list(consumed))
    context = {"dag_run": record, "ti": Of(), "params": {"as_of": None, "lane": None, "reason": "why"} | form,
               "outlet_events": events}
    for module in (monitor, tasks):
        module.get_current_context = lambda: context

    def look(spec, as_of, lane, *, url, origin, settings, backfill):
        seen.append([str(as_of), lane, origin.actor, origin.reason, backfill])
        if lane == "empty":
            return None
        if lane.startswith("broken"):
            raise DataError("the input is gone")
        report = MonitorReport(state="alarm" if alarms else "quiet", reason="x", alarms=alarms, unavailable=lacking)
        return MonitorRecord(
            id=len(seen), model=spec.name, lane=lane, as_of=as_of, version=3, decision=9, previous=None, score_runs=(1,),
            report=report, state=report.state, alarms=tuple(a.name for a in alarms), asks_retrain=asks, ask_reason="y",
            new_alarms=tuple(a.name for a in alarms if a.new), spec={}, actor="a", reason="", code_version="",
            airflow_run="another/run" if other else origin.airflow_run, created_at=datetime.now(UTC), written_by="l")

    monitoring.run = look
    result = monitor.look.function("watched", sys.argv[1])
    told = {key.name: [[e.dest_asset_key.uri, e.extra] for e in one.asset_alias_events] for key, one in events._dict.items()}
    return [result, told]

answer["by_event"] = run("asset_triggered", [event(lane="live", as_of="2024-03-05"), event(lane="live", as_of="2024-03-04"),
                                            event(lane="dev", as_of="2024-02-01"), event(lane="x y", as_of="2024-02-01"), event()])
answer["by_hand_made_event"] = run("asset_triggered", [event()])
answer["by_form"] = run("manual", lane="dev", as_of="2024-01-05")
answer["backfill"] = run("backfill")
answer["quiet"] = run(alarms=())
answer["asks"] = run(asks=True)
answer["others"] = run(asks=True, other=True)
answer["empty"] = run(lane="empty")
answer["by_hand_tomorrow"] = run("asset_triggered", [event(dag=None, lane="live", as_of="9999-12-31"), event(lane="live", as_of="2024-03-05")])
answer["one_broken"] = run("asset_triggered", [event(lane=lane, as_of="2024-03-05") for lane in ("zoo", "live", "broken", "broken-2")], asks=True)
try:
    run("asset_triggered", [event(lane="broken", as_of="2024-03-05")])
except DataError as error:
    answer["all_broken"] = str(error)
answer["standing"] = run(alarms=(ALARM.model_copy(update={"new": False}),))
answer["lacking"] = run(lacking=LACKING)
try:
    monitor.outcomes.function(answer["lacking"][0])
except DataError as error:
    answer["red"] = str(error)
answer["green"] = monitor.outcomes.function(answer["quiet"][0])
try:
    run(conf={"lanes": "x"})
except UsageError as error:
    answer["refused"] = str(error)
answer["seen"] = seen

def retrain(kind, uri, dag="watched.monitor", ran="r1", **extra):
    consumed = [Of(extra=extra, asset=Of(uri=uri), source_dag_id=dag, source_run_id=ran, source_task_id=dag and "look")]
    made = wanted.origin(Origin(actor="airflow:asset_triggered"), "watched", Of(run_type=kind, consumed_asset_events=consumed))
    return [made.actor, made.reason]

LONG = "The monitor asks. " + "z" * 600
monitor_reports.asking = lambda url, *asked: LONG if asked == ("watched", 7, "watched.monitor/r1") else ""
ASKED = "titleholder://watched/retrain-wanted"
answer["retrain"] = [retrain("asset_triggered", ASKED, report=7), retrain("asset_triggered", ASKED, report=8),
                     retrain("asset_triggered", ASKED, report="7"), retrain("asset_triggered", "titleholder://watched/other", report=7),
                     retrain("scheduled", ASKED, report=7), retrain("asset_triggered", ASKED, dag=None, ran=None, report=7),
                     retrain("asset_triggered", ASKED, dag="another", report=7), retrain("asset_triggered", ASKED, ran="r2", report=7)]
"""


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    models = tmp_path_factory.mktemp("models")
    for file in ("tiny.sql", "tiny_scoring.sql"):
        (models / file).write_text((MODELS / file).read_text())
    text = (MODELS / "tiny.yaml").read_text().replace("name: tiny", "name: watched")
    (models / "watched.yaml").write_text(f"{text}{SECTIONS['watched']}\n")
    services = {"TITLEHOLDER_LEDGER_URL": "x", "MLFLOW_TRACKING_URI": "x", "TITLEHOLDER_SNAPSHOTS": "x"}
    warehouse = {"AIRFLOW_CONN_WAREHOUSE": "postgresql://reader:x@db/warehouse"}
    return dict(apart.run(tmp_path_factory.mktemp("airflow"), TASKS, str(models), **services, **warehouse)[0])


def test_a_run_looks_at_what_the_scoring_runs_scored_that_started_it(ran: dict[str, Any]) -> None:
    assert ran["seen"][:2] == [["2024-02-01", "dev", "ann", "why", False], ["2024-03-05", "live", "ann", "why", False]]
    assert ran["seen"][2] == ["2024-03-01", "live", "ann", "why", False], "an event by hand says nothing"
    assert ran["seen"][3] == ["2024-01-05", "dev", "ann", "why", False]
    assert ran["seen"][4] == ["2024-03-01", "live", "ann", "why", True]
    assert "conf: unknown key 'lanes' (did you mean 'lane'?)" in ran["refused"]
    assert ran["empty"] == [{"reports": []}, {}]


def test_an_event_that_no_scoring_run_made_names_no_day(ran: dict[str, Any]) -> None:
    assert ["9999-12-31", "live", "ann", "why", False] not in ran["seen"]
    assert ran["by_hand_tomorrow"][1]["watched.alarms"][0][1]["as_of"] == "2024-03-05"


def test_a_lane_that_cannot_be_looked_at_costs_the_specs_lane_neither_its_look_nor_its_request(
    ran: dict[str, Any],
) -> None:
    result, told = ran["one_broken"]
    assert len(result["reports"]) == 2
    assert result["failed"] == [f"lane {n}, as of 2024-03-05: the input is gone" for n in ("broken", "broken-2")]
    assert "watched.alarms" in told
    assert "watched.retrain_wanted" in told
    looked = [lane for day, lane, *_ in ran["seen"] if lane in ("zoo", "broken", "broken-2")]
    assert looked[:3] == ["broken", "broken-2", "zoo"], "that of the spec is the last one, after zoo"
    assert ran["all_broken"] == "the input is gone"


def test_a_look_without_outcomes_announces_its_alarms_and_then_the_run_is_red(ran: dict[str, Any]) -> None:
    result, told = ran["lacking"]
    assert "watched.alarms" in told
    assert len(result["reports"]) == 1
    assert ran["red"] == (
        "lane live, as of 2024-03-01: Outcomes are not available since the look of 2024-02-01 (1 month to be judged; a "
        "later look does it): the query failed."
    )
    assert ran["green"] is None


def test_new_alarms_of_the_specs_lane_update_the_asset(ran: dict[str, Any]) -> None:
    result, told = ran["by_event"]
    assert result == {"reports": [1, 2]}
    about = {"report": 2, "lane": "live", "as_of": "2024-03-05", "alarms": ["income"]}
    assert told == {"watched.alarms": [["titleholder://watched/alarms", about]]}, "that of lane dev is no event"
    for quiet in ("by_form", "backfill", "quiet", "standing", "others"):
        assert ran[quiet][1] == {}, quiet
    assert ran["others"][0] == {"reports": []}


def test_a_look_that_asks_updates_the_asset_of_the_retrain(ran: dict[str, Any]) -> None:
    told = ran["asks"][1]["watched.retrain_wanted"]
    assert [uri for uri, _ in told] == ["titleholder://watched/retrain-wanted"]
    assert set(told[0][1]) == {"report", "lane", "as_of"}


def test_a_retrain_knows_from_the_ledger_that_the_monitor_asked(ran: dict[str, Any]) -> None:
    asked, *others = ran["retrain"]
    assert asked[0] == "the monitor (report 7)"
    assert asked[1].startswith("The monitor asks. z")
    assert len(asked[1]) == 500
    assert others == [["airflow:asset_triggered", ""]] * 7
