"""Scoring runs from the real scheduler: three days by native backfill and what they leave; and an alarm's retrain."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime
from typing import Any

import pytest
from sqlalchemy import create_engine

from localstack.airflow import Airflow
from localstack.settings import environment
from localstack.state import State
from support.monitored_world import reports_of
from support.retraining import retrain
from titleholder.ledger import monitor_reports, score_runs, store
from titleholder.ledger.database import engine
from titleholder.settings import Settings

pytestmark = pytest.mark.slow
MODEL, LANE = "tiny_fed", "scored"
DAG, MONITOR = f"{MODEL}.score", f"{MODEL}.monitor"
WANTED = "tiny_wanted"
DAYS = [date(2024, 3, 10), date(2024, 3, 11), date(2024, 3, 12)]


@pytest.fixture(scope="module")
def airflow(state: State) -> Airflow:
    found = Airflow.of(state)
    found.wait_for_dag(DAG)
    return found


@pytest.fixture
def moved(recent: None, state: State) -> None:
    """Rows of yesterday whose signal is higher than a champion was trained on; they go with the `recent` ones."""
    loader = create_engine(environment(state)["TITLEHOLDER_LOADER_URL"])
    with loader.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO tiny (id, happened_at, known_at, bad, signal, noise, price, kind, amount) SELECT id + 2000000, "
            "now() - interval '1 day', now(), bad, signal + 3, noise, price, kind, amount FROM tiny WHERE id < 300"
        )
    loader.dispose()


def events(airflow: Airflow, uri: str) -> list[dict[str, Any]]:
    (asset,) = [one for one in airflow.get("/assets?limit=100")["assets"] if one["uri"] == uri]
    return list(airflow.get(f"/assets/events?asset_id={asset['id']}&limit=50")["asset_events"])


def test_three_days_by_backfill_each_with_its_rows_and_its_event(airflow: Airflow, settings: Settings) -> None:
    """Two days have a champion, and the last a challenger; the first, before any decision, is green and scores nothing."""
    decisions = [retrain(MODEL, day, LANE, settings) for day in DAYS[1:]]
    assert decisions[0].champion_after
    made = {str(row.as_of): row for row in decisions}
    airflow.pause(MONITOR, False)
    airflow.pause(DAG, False)
    airflow.backfill(DAG, str(DAYS[0]), str(DAYS[-1]), at_once=3, conf={"lane": LANE})
    deadline = time.monotonic() + 120
    while not airflow.have_ended(DAG, "backfill", len(DAYS)):
        assert time.monotonic() < deadline
        time.sleep(0.5)
    airflow.pause(DAG, True)
    ended = {run["logical_date"][:10]: run for run in airflow.runs(DAG, "backfill")}
    assert {day: run["state"] for day, run in ended.items()} == {str(day): "success" for day in DAYS}
    states = {task["task_id"]: task["state"] for task in airflow.tasks(DAG, ended[str(DAYS[0])]["dag_run_id"])}
    assert states == {"pin": "success", "score": "skipped", "shadow": "skipped"}
    every = [run for run in score_runs.of_model(settings.ledger_url, MODEL) if run.lane == LANE]
    runs = [run for run in every if run.role == "champion"]
    assert sorted(run.as_of for run in runs) == DAYS[1:]
    (beside,) = (run for run in every if run.role == "challenger")
    (champion,) = (run for run in runs if run.as_of == DAYS[-1])
    assert {champion.version, beside.version} == {row.challenger for row in decisions}
    assert (beside.as_of, beside.rows, beside.input_sha256) == (DAYS[-1], champion.rows, champion.input_sha256)
    for run in every:
        if run.role == "champion":
            assert run.version == made[str(run.as_of)].champion_after
        assert run.airflow_run == f"{DAG}/{ended[str(run.as_of)]['dag_run_id']}"
        with engine(settings.ledger_url).connect() as connection:
            query = f"SELECT count(*), min(event_time), max(event_time) FROM titleholder.scores WHERE run = {run.id}"
            rows, first, last = connection.exec_driver_sql(query).one()
        assert rows == run.rows > 0
        assert run.window_start <= first.date() <= last.date() < run.as_of
    wanted = {(str(run.as_of), run.id) for run in runs}
    ids = {run.id for run in runs}  # another test's champion of this model may have been scored meanwhile
    plain, days = (events(airflow, f"titleholder://{MODEL}/scores{kind}") for kind in ("", "/days"))
    assert {(event["extra"]["as_of"], event["extra"]["id"]) for event in plain if event["extra"]["id"] in ids} == wanted
    assert {(event["partition_key"], event["extra"]["id"]) for event in days if event["extra"]["id"] in ids} == wanted
    looked_at_after_scoring(airflow, settings, ids)


def awaited_reports(settings: Settings, within: float) -> list[monitor_reports.MonitorRecord]:
    """The monitor's reports of the lane, as soon as there are any; none after so many seconds without one."""
    deadline = time.monotonic() + within
    while not (found := [r for r in reports_of(settings.ledger_url, MODEL) if r.lane == LANE]):
        if time.monotonic() > deadline:
            break
        time.sleep(0.5)
    return found


def looked_at_after_scoring(airflow: Airflow, settings: Settings, scored: set[int]) -> None:
    """The scores' asset has started the monitor, which looks at what its events say, in their lane.

    Airflow 3.3.2 leaves an event that comes while the one before it is queued to the next one, of which there is none
    after a backfill: the last day is then scored again, which finds its run and tells the asset.
    """
    deadline = time.monotonic() + 90
    while not (reports := awaited_reports(settings, within=20)):
        assert time.monotonic() < deadline, airflow.runs(MONITOR, "asset_triggered")
        airflow.pause(DAG, False)
        airflow.wait_for_success(DAG, airflow.trigger(DAG, {"as_of": str(DAYS[-1]), "lane": LANE}))
        airflow.pause(DAG, True)
    airflow.pause(MONITOR, True)
    assert {one.as_of for one in reports} <= set(DAYS[1:])
    assert {run for one in reports for run in one.score_runs} & scored
    assert all(one.airflow_run.startswith(f"{MONITOR}/asset_triggered") for one in reports)
    assert not any(run["run_type"] == "scheduled" for run in airflow.runs(MONITOR))


@pytest.mark.usefixtures("moved")
def test_an_alarm_starts_the_retrain_whose_decision_names_the_report_and_the_reason(
    airflow: Airflow, settings: Settings
) -> None:
    """Nobody triggers more than one scoring run: its scores start the monitor, and the monitor's alarm the retrain."""
    champion = retrain(WANTED, date(2024, 1, 1), "live", settings)
    assert champion.champion_after
    score, monitor, again = (f"{WANTED}.{what}" for what in ("score", "monitor", "retrain"))
    for dag in (again, monitor, score):
        airflow.wait_for_dag(dag)
        airflow.pause(dag, False)
    before = datetime.now(UTC).date()
    airflow.wait_for_success(score, airflow.trigger(score))
    deadline = time.monotonic() + 180
    while not (runs := airflow.runs(again)):
        assert time.monotonic() < deadline, (airflow.runs(monitor), reports_of(settings.ledger_url, WANTED))
        time.sleep(0.5)
    (run,) = runs
    airflow.wait_for_success(again, run["dag_run_id"])
    assert run["run_type"] == "asset_triggered"
    (report,) = reports_of(settings.ledger_url, WANTED)
    assert report.decision == champion.id
    assert report.asks_retrain
    assert "signal" in report.new_alarms
    assert report.ask_reason.startswith(f"The monitor of {report.as_of} asks for a retrain. signal has drifted")
    rows = [row for row in store.read(settings.ledger_url, WANTED, "live") if row.id != champion.id]
    assert {row.airflow_run for row in rows} == {f"{again}/{run['dag_run_id']}"}
    assert {row.actor for row in rows} == {f"the monitor (report {report.id})"}
    assert {row.asked_because for row in rows} == {report.ask_reason}
    assert before <= rows[0].as_of <= datetime.now(UTC).date()
    assert {event["extra"]["report"] for event in events(airflow, f"titleholder://{WANTED}/retrain-wanted")} == {
        report.id
    }
