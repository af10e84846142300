"""The DAG `<model>.score`: when it runs, what its form takes, and what its tasks hand on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from support import apart
from support.dagbag import ROOT, read_dags

MODELS = ROOT / "tests" / "support" / "models"
PROBE = """
import json, sys
from airflow.dag_processing.dagbag import DagBag
from airflow.serialization.serialized_objects import DagSerialization

def asset_names(condition):
    parts = getattr(condition, "objects", None)
    return {type(condition).__name__: [asset_names(p) for p in parts]} if parts is not None else getattr(condition, "name", None)

bag = DagBag(dag_folder=sys.argv[1])
answer = {"errors": bag.import_errors}
for name, dag in bag.dags.items():
    if name.endswith(".score"):
        kept = DagSerialization.deserialize_dag(json.loads(json.dumps(DagSerialization.serialize_dag(dag))))
        answer[name.removesuffix(".score")] = {
            "timetable": type(kept.timetable).__name__,
            "assets": asset_names(kept.timetable.asset_condition) if hasattr(kept.timetable, "asset_condition") else None,
            "tasks": {t.task_id: sorted(t.downstream_task_ids) for t in dag.tasks},
            "outlets": sorted(o.uri for o in dag.get_task("score").outlets),
            "doc": dag.doc_md, "params": list(dag.params), "runs": kept.max_active_runs, "catchup": kept.catchup,
        }
"""
SECTIONS = {
    "by_hand": "",
    "beside": ", shadow: 3",
    "by_clock": ", schedule: '@daily'",
    "by_asset": ", assets: [loaded, checked]",
    "by_champion": ", after_champion: true",
    "by_both": ", assets: [loaded], after_champion: true",
    "by_all": ", schedule: '@daily', assets: [loaded], after_champion: true",
}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict]:
    models = tmp_path_factory.mktemp("models")
    text = (MODELS / "tiny.yaml").read_text()
    for file in ("tiny.sql", "tiny_scoring.sql"):
        (models / file).write_text((MODELS / file).read_text())
    for name, more in SECTIONS.items():
        section = f"scoring: {{query: tiny_scoring.sql, window: 1 day{more}}}\n"
        (models / f"{name}.yaml").write_text(text.replace("name: tiny", f"name: {name}") + section)
    (models / "tiny.yaml").write_text(text)
    return read_dags(models, tmp_path_factory.mktemp("airflow"), PROBE)


def test_only_a_spec_with_the_section_has_one(found: dict) -> None:
    assert found["errors"] == {}
    assert set(found) == {"errors", *SECTIONS}


@pytest.mark.parametrize(
    ("name", "timetable"),
    [
        ("by_hand", "NullTimetable"),
        ("beside", "NullTimetable"),
        ("by_clock", "BoundedCronTimetable"),
        ("by_asset", "AssetTriggeredTimetable"),
        ("by_champion", "AssetTriggeredTimetable"),
        ("by_both", "AssetTriggeredTimetable"),
        ("by_all", "AssetOrTimeSchedule"),
    ],
)
def test_it_starts_by_the_clock_by_assets_or_with_a_new_champion(found: dict, name: str, timetable: str) -> None:
    assert found[name]["timetable"] == timetable


def names(condition: object) -> set[str]:
    """Of the assets in a condition, however deep."""
    if isinstance(condition, dict):
        return {name for parts in condition.values() for part in parts for name in names(part)}
    return {str(condition)}


def test_the_assets_are_all_waited_for_and_a_champion_alone_is_enough(found: dict) -> None:
    assert names(found["by_asset"]["assets"]) == {"loaded", "checked"}
    assert names(found["by_champion"]["assets"]) == {"by_champion.champion"}
    for name in ("by_both", "by_all"):
        ((kind, parts),) = found[name]["assets"].items()
        assert "Any" in kind
        assert names(found[name]["assets"]) == {"loaded", f"{name}.champion"}
        assert len(parts) == 2
    ((kind, _),) = found["by_asset"]["assets"].items()
    assert "All" in kind


def test_its_tasks_form_and_assets(found: dict) -> None:
    dag = found["by_clock"]
    assert dag["tasks"] == {"pin": ["score"], "score": []}
    assert dag["outlets"] == ["titleholder://by_clock/scores", "titleholder://by_clock/scores/days"]
    assert dag["params"] == ["as_of", "lane", "reason"]
    assert (dag["runs"], dag["catchup"]) == (4, False)


def test_challengers_score_after_the_champion_in_a_task_of_their_own(found: dict) -> None:
    assert found["beside"]["tasks"] == {"pin": ["score", "shadow"], "score": ["shadow"], "shadow": []}
    assert found["beside"]["outlets"] == ["titleholder://beside/scores", "titleholder://beside/scores/days"]
    assert "the 3 newest challengers score the same" in found["beside"]["doc"]
    assert "in shadow" not in found["by_clock"]["doc"]


def test_it_keeps_the_house_rules(tmp_path: Path) -> None:
    dag = read_dags(MODELS, tmp_path)["dags"]["tiny_fed.score"]
    assert "scores the events of the 2 days before the as-of date" in dag["doc"]
    for part in (dag["doc"], *(task["doc"] for task in dag["tasks"].values())):
        assert "**Promises.**" in part
        assert "**When it is red.**" in part
    assert {task["retries"] for task in dag["tasks"].values()} == {2}
    assert all(task["policy"] for task in dag["tasks"].values())


TASKS = """
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace as Of
from airflow.sdk.exceptions import AirflowSkipException
from airflow.sdk.execution_time.context import OutletEventAccessors
from titleholder.ledger.score_runs import ScoreRun
from titleholder.errors import UsageError
from titleholder.workflow import batch_scoring, shadow_scoring
from titleholder.workflow.payloads import PinnedVersion
from titleholder.workflow.shadow_scoring import FailedShadow, ShadowRuns
from titleholder_airflow import score, tasks

events, seen = OutletEventAccessors(), []

def run(conf=None, **form):
    record = Of(dag_id="tiny_fed.score", run_id="r 1", run_type="backfill", conf=conf or {}, triggering_user_name="ann",
                data_interval_end=datetime(2024, 3, 1, tzinfo=UTC), run_after=datetime(2024, 3, 9, tzinfo=UTC))
    context = {"dag_run": record, "ti": Of(), "params": {"as_of": None, "lane": None, "reason": "why"} | form,
               "outlet_events": events}
    for module in (score, tasks):
        module.get_current_context = lambda: context
    return json.loads(json.dumps(score.pin.function("tiny_fed", sys.argv[1])))

def pin(spec, as_of, lane, *, url, origin, settings):
    seen.append([str(as_of), lane, url, origin.actor, origin.reason])
    return PinnedVersion(spec=spec, as_of=as_of, lane=lane, origin=origin, **champion)

def made(pinned):
    whole = dict.fromkeys(ScoreRun.model_fields, "x") | {"window_start": pinned.as_of, "created_at": datetime.now(UTC)}
    whole |= {"reasons_for": "", "reason_texts": {}}
    given = {"id": 7, "as_of": pinned.as_of, "role": "champion", "version": pinned.version, "decision": 9, "rows": 5}
    return ScoreRun(**(whole | given))

def scored(pinned, *, url, settings):
    return made(pinned)

def beside(pinned, *, settings):
    return ShadowRuns(runs=(made(pinned),), failed=(FailedShadow(version=2, reason="its model is gone"),))

batch_scoring.pin, batch_scoring.score, shadow_scoring.shadow = pin, scored, beside
champion = {"version": 3, "decision": 9, "trained_by": 8}
summary = score.score.function(run())
kept = {key.uri: [one.extra, sorted(one.partition_keys)] for key, one in events._dict.items()}
shadowed = json.loads(json.dumps(score.shadow.function(run())))
run(lane="dev", as_of="2024-01-05")
champion = {}
try:
    score.score.function(run())
except AirflowSkipException as error:
    skipped = str(error)
try:
    run({"lanes": "x"})
except UsageError as error:
    refused = str(error)
answer = {"summary": summary, "events": kept, "seen": seen, "skipped": skipped, "refused": refused, "shadowed": shadowed}
"""


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    services = {"TITLEHOLDER_LEDGER_URL": "x", "MLFLOW_TRACKING_URI": "x", "TITLEHOLDER_SNAPSHOTS": "x"}
    warehouse = {"AIRFLOW_CONN_WAREHOUSE": "postgresql://reader:x@db/warehouse"}
    folder = tmp_path_factory.mktemp("airflow")
    return dict(apart.run(folder, TASKS, str(MODELS), **services, **warehouse)[0])


def test_pin_gets_what_form_and_run_say(ran: dict[str, Any]) -> None:
    url = "postgres://reader:x@db/warehouse"
    assert ran["seen"][0] == ["2024-03-01", "live", url, "ann", "why"]
    assert ran["seen"][2] == ["2024-01-05", "dev", url, "ann", "why"]
    assert "conf: unknown key 'lanes' (did you mean 'lane'?)" in ran["refused"]


def test_a_run_tells_two_assets_of_which_one_has_the_date_as_its_partition(ran: dict[str, Any]) -> None:
    plain, days = (ran["events"][f"titleholder://tiny_fed/{asset}"] for asset in ("scores", "scores/days"))
    assert plain == [ran["summary"], []]
    assert days == [ran["summary"], ["2024-03-01"]]
    assert (ran["summary"]["id"], ran["summary"]["version"], ran["summary"]["rows"]) == (7, 3, 5)


def test_without_a_champion_the_task_is_skipped_and_says_why(ran: dict[str, Any]) -> None:
    assert ran["skipped"] == "tiny_fed had no champion in lane live at the end of 2024-03-01: nothing is scored"


def test_the_challengers_that_did_not_score_are_in_what_the_task_returns(ran: dict[str, Any]) -> None:
    assert ran["shadowed"]["runs"] == [ran["summary"]]
    assert ran["shadowed"]["failed"] == [{"version": 2, "reason": "its model is gone"}]
