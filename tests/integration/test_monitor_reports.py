"""The table of what the monitors said, on real PostgreSQL: who may write what, and that nothing changes."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import NullPool, create_engine, text
from sqlalchemy.exc import DBAPIError

from localstack.settings import ledger_url
from localstack.state import State
from support.audit_world import World, models_in
from support.monitored_world import LANE, reports_of, scored, write_monitored
from support.retraining import retrain
from support.stacks import execute_as
from titleholder.errors import DataError, ServiceError
from titleholder.ledger import guards, monitor_history, monitor_reports
from titleholder.ledger.monitor_reports import Entry, MonitorRecord
from titleholder.ledger.score_runs import ScoreRun
from titleholder.validation.monitoring.report import Alarm, MonitorReport, Promise, Span

pytestmark = pytest.mark.slow
MODEL = "reported"
DAY = date(2024, 3, 1)
QUIET = MonitorReport(state="quiet", reason="Nothing stands.")


@pytest.fixture(scope="module")
def world(state: State, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One model with a champion in two lanes, one of which has scored two days."""
    folder = tmp_path_factory.mktemp("models")
    write_monitored(folder, MODEL)
    with models_in(folder, state) as settings:
        rows = [retrain(MODEL, date(2024, 1, 1), lane, settings) for lane in (LANE, "live")]
        yield World(MODEL, settings, state, rows)


@pytest.fixture(scope="module")
def runs(world: World) -> list[ScoreRun]:
    return [scored(world.settings, DAY + timedelta(days=n), name=MODEL) for n in range(3)]


def alarmed(as_of: date, *, new: bool = True) -> MonitorReport:
    alarm = Alarm(name="signal", kind="feature", since=as_of, new=new, sentence="signal has changed.")
    return MonitorReport(state="alarm", reason="One alarm stands.", alarms=(alarm,))


def entry(world: World, **changes: Any) -> Entry:
    made = world.rows[0]
    known: dict[str, Any] = {
        "model": MODEL, "lane": LANE, "as_of": DAY, "version": made.champion_after, "decision": made.id,
        "previous": monitor_reports.last(world.settings.ledger_url, MODEL, changes.get("lane", LANE)),
        "score_runs": (), "report": QUIET, "spec": {"persistence": 2}, "actor": "tester", "reason": "",
        "airflow_run": "", "code_version": "test",
    }  # fmt: skip
    return Entry.model_validate(known | changes)


def record(world: World, **changes: Any) -> MonitorRecord | None:
    return monitor_reports.record(world.settings.ledger_url, entry(world, **changes))


def test_a_look_is_read_as_it_was_written_by_all_that_read(world: World, runs: list[ScoreRun]) -> None:
    url = world.settings.ledger_url
    first = record(world, score_runs=(runs[0].id,))
    second = record(world, score_runs=(runs[1].id,), as_of=DAY + timedelta(days=1), report=alarmed(DAY))
    assert first
    assert second
    assert (first.state, first.alarms, first.written_by) == ("quiet", (), "ledger")
    assert (second.state, second.alarms, second.new_alarms) == ("alarm", ("signal",), ("signal",))
    assert second.report == alarmed(DAY)
    assert second.previous == first.id == second.id - 1
    assert reports_of(url, MODEL) == [first, second]
    reader = ledger_url(world.state, "ledger_reader")
    assert monitor_reports.newest(reader, MODEL, LANE, most=1) == [second]
    found = monitor_reports.standing(reader, [MODEL, "another"], LANE)
    assert set(found) == {MODEL}
    assert (found[MODEL].id, found[MODEL].alarms, found[MODEL].state) == (second.id, ["signal"], "alarm")


def test_a_report_that_could_not_be_read_again_is_not_written(world: World) -> None:
    count = len(reports_of(world.settings.ledger_url, MODEL))
    promise = Promise(metric="roc_auc", decision=1, promised=Span(estimate=math.inf), budget=0.025, tolerated=0.0)
    with pytest.raises(DataError, match=r"could not be read again.*promised\.estimate"):
        record(world, as_of=DAY + timedelta(days=9), report=QUIET.model_copy(update={"promise": promise}))
    assert len(reports_of(world.settings.ledger_url, MODEL)) == count


def test_a_look_that_was_overtaken_is_not_written(world: World) -> None:
    count = len(reports_of(world.settings.ledger_url, MODEL))
    assert record(world, previous=None, as_of=DAY + timedelta(days=9)) is None
    assert len(reports_of(world.settings.ledger_url, MODEL)) == count


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"version": 99}, "did not make version 99 of reported champion"),
        ({"lane": "live"}, "did not make version"),
        ({"score_runs": (-1,)}, "scoring run -1 is none of this reign"),
        ({"asks_retrain": True, "ask_reason": "signal"}, "monitor_reports_check"),
        ({"report": MonitorReport(state="alarm", reason="No alarm though.")}, "monitor_reports_check"),
        ({"spec": {}, "report": alarmed(DAY).model_copy(update={"state": "quiet"})}, "monitor_reports_check"),
    ],
)
def test_the_database_refuses_what_is_of_no_reign_or_contradicts_itself(
    world: World, changes: dict[str, Any], why: str
) -> None:
    count = len(reports_of(world.settings.ledger_url, MODEL))
    with pytest.raises(DataError, match=why):
        record(world, as_of=DAY + timedelta(days=5), **changes)
    assert len(reports_of(world.settings.ledger_url, MODEL)) == count


def test_no_scoring_run_is_looked_at_twice_nor_before_its_day(world: World, runs: list[ScoreRun]) -> None:
    if not reports_of(world.settings.ledger_url, MODEL):
        record(world, score_runs=(runs[0].id,))
    with pytest.raises(DataError, match=f"scoring run {runs[2].id} is none of this reign until {DAY}"):
        record(world, score_runs=(runs[2].id,))
    with pytest.raises(DataError, match=r"report \d+ has looked at one of these scoring runs"):
        record(world, score_runs=(runs[0].id,), as_of=DAY + timedelta(days=5))


def test_the_live_lane_alone_asks_for_a_retrain_and_never_in_the_future(world: World) -> None:
    live, today = world.rows[1], datetime.now(UTC).date()
    asked: dict[str, Any] = {
        "lane": "live", "version": live.champion_after, "decision": live.id, "asks_retrain": True, "ask_reason": "x"
    }  # fmt: skip
    with pytest.raises(DataError, match="lies in the future"):
        record(world, as_of=today + timedelta(days=3), report=alarmed(today), **asked)
    with pytest.raises(DataError, match="monitor_reports_check"):
        record(world, as_of=today, **asked)
    made = record(world, as_of=today, report=alarmed(today), airflow_run="reported.monitor/r1", **asked)
    assert made
    assert [ask.id for ask in monitor_reports.asks(world.settings.ledger_url, MODEL)] == [made.id]
    url, by = world.settings.ledger_url, "reported.monitor/r1"
    assert monitor_reports.asking(url, MODEL, made.id, by) == "x"
    assert monitor_reports.asking(url, "another", made.id, by) == ""
    assert monitor_reports.asking(url, MODEL, made.id - 1, by) == ""
    assert monitor_reports.asking(url, MODEL, made.id, "reported.monitor/r2") == "", "another run wrote it"


@pytest.mark.parametrize(
    ("query", "named"),
    [(monitor_reports._STANDING, {"models": [MODEL]}), (monitor_history._NEWEST, {"model": MODEL})],
)
def test_a_page_looks_into_no_report_but_the_newest(world: World, query: Any, named: dict[str, Any]) -> None:
    connected = create_engine(ledger_url(world.state, "ledger_reader"), poolclass=NullPool)
    with connected.connect() as connection:
        plan = connection.scalar(text(f"EXPLAIN (VERBOSE, FORMAT JSON) {query}"), {"lane": LANE, **named})[0]["Plan"]
    nodes = [plan]
    for node in nodes:
        nodes += node.get("Plans", ())
    assert any("Sort" in node["Node Type"] for node in nodes)
    read = [node["Node Type"] for node in nodes if "report" in re.sub("monitor_reports", "", str(node.get("Output")))]
    assert not any("Sort" in kind or kind == "Unique" for kind in read)


@pytest.mark.parametrize("who", ["ledger", "ledger_owner", "ledger_reader"])
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE titleholder.monitor_reports SET state = 'quiet'",
        "DELETE FROM titleholder.monitor_reports",
        "TRUNCATE titleholder.monitor_reports",
    ],
)
def test_no_role_changes_a_report(world: World, who: str, statement: str) -> None:
    if not reports_of(world.settings.ledger_url, MODEL):
        record(world)
    with pytest.raises(DBAPIError, match=r"append-only|permission denied"):
        execute_as(world.state, who, statement)


def test_the_reading_role_writes_none_and_the_guards_hold(world: World) -> None:
    reader = ledger_url(world.state, "ledger_reader")
    with pytest.raises(ServiceError, match="permission denied"):
        monitor_reports.record(reader, entry(world))
    assert guards.faults(world.settings.ledger_url) == []
    with world.harmed("ALTER TABLE titleholder.monitor_reports DISABLE TRIGGER no_change") as connection:
        assert any("no_change on monitor_reports" in fault for fault in guards.faults_seen_by(connection))


def test_a_report_that_cannot_be_read_is_named(world: World) -> None:
    made = world.rows[0]
    statement = (
        "INSERT INTO titleholder.monitor_reports (model, lane, as_of, version, decision, score_runs, state, alarms, "
        "new_alarms, asks_retrain, ask_reason, report, spec, actor, reason, airflow_run, code_version, created_at, "
        f"written_by) VALUES ('forged', 'x', '2024-01-01', 1, {made.id}, '{{}}', 'quiet', '{{}}', '{{}}', false, '', "
        "'{\"state\": \"quiet\"}', '{}', '', '', '', '', now(), 'x')"
    )
    with world.superuser() as cursor:
        cursor.execute(statement)
        try:
            (found,) = monitor_reports.each(world.settings.ledger_url, "forged")
            assert isinstance(found, DataError)
            assert re.match(r"monitor report \d+ cannot be read by this version", str(found))
            with pytest.raises(DataError, match=r"monitor report \d+ cannot be read by this version"):
                monitor_reports.newest(world.settings.ledger_url, "forged", "x")
        finally:
            cursor.execute("ALTER TABLE titleholder.monitor_reports DISABLE TRIGGER no_change")
            cursor.execute("DELETE FROM titleholder.monitor_reports WHERE model = 'forged'")
            cursor.execute("ALTER TABLE titleholder.monitor_reports ENABLE ALWAYS TRIGGER no_change")
