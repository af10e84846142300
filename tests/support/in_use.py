"""What a champion in use leaves, written as it is: scoring runs, a monitor's looks, and a backtest's advice about age."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa
from sqlalchemy import text

from support.page_cases import a_former, a_report, an_advice
from titleholder.data import run_scores
from titleholder.ledger import monitor_reports, score_runs
from titleholder.ledger.database import engine
from titleholder.ledger.decision import Decision
from titleholder.registry import names
from titleholder.registry.client import Registry
from titleholder.settings import Settings
from titleholder.validation.monitoring.report import MonitorReport
from titleholder.workflow.publication import attach

DAYS = 3


def write_in_use(row: Decision, settings: Settings, days: int = DAYS, every: int = 1) -> None:
    """Days of use of the version that a decision made champion, with a look every few days, of which the last has an
    alarm; nothing where it is there."""
    if any(run.decision == row.id for run in score_runs.of_model(settings.ledger_url, row.model)):
        return
    for day in range(1, days + 1):
        _score(row, settings, day)
        if day % every == 0:
            _look(row, settings, day, day // every, alarm=day + every > days)
    registry = Registry(settings.tracking_uri)
    run = registry.runs.open(row.model, f"advice-{row.id}", "advice", {})
    advice = json.dumps(an_advice(model=row.model, lane=row.lane))
    attach({names.AGE_ADVICE: advice}, row.model, row.lane, run, registry, settings.ledger_url)


def _score(row: Decision, settings: Settings, day: int) -> None:
    assert row.champion_after
    moment = datetime.combine(row.as_of, datetime.min.time(), tzinfo=UTC)
    rows = 10 * min(day, DAYS)
    columns = {
        "position": list(range(rows)), "entity": [str(n) for n in range(rows)], "event_time": [moment] * rows,
        "score": [0.5] * rows, "reasons": [None] * rows,
    }  # fmt: skip
    batch = pa.RecordBatch.from_pydict(columns, schema=run_scores.SCHEMA)
    entry = score_runs.Entry(
        model=row.model, lane=row.lane, as_of=row.as_of + timedelta(days=day), role="champion",
        version=row.champion_after, decision=row.id, query_sha256="0" * 64, window_start=row.as_of, input_uri="u",
        input_sha256="0" * 64, output_uri="", output_sha256="", rows=rows, scores_sha256="0" * 64, code_version="0",
        actor="tester", airflow_run="", reason="<b>why</b>",
    )  # fmt: skip
    score_runs.write(settings.ledger_url, entry, iter([batch]), timedelta(minutes=1))


def _look(row: Decision, settings: Settings, day: int, looks: int, *, alarm: bool) -> None:
    report = a_report("alarm" if alarm else "quiet")
    report["drift"]["looks"] = looks
    report["promise"]["decision"] = row.id
    report["former"] = [a_former(decision=row.id)]
    entry = monitor_reports.Entry(
        model=row.model, lane=row.lane, as_of=row.as_of + timedelta(days=day), version=row.champion_after or 0,
        decision=row.id, previous=monitor_reports.last(settings.ledger_url, row.model, row.lane), score_runs=(),
        report=MonitorReport.model_validate(report), spec={"minimum_psi": 0.1}, actor="tester", reason="",
        airflow_run="", code_version="0",
    )  # fmt: skip
    assert monitor_reports.record(settings.ledger_url, entry)


def write_report(settings: Settings, reign: Decision, day: int, report: dict[str, Any]) -> None:
    """A report as it is, whatever it has: only its state is the database's to check."""
    with engine(settings.ledger_url).begin() as connection:
        last = text("SELECT max(id) FROM titleholder.monitor_reports WHERE model = :model AND lane = :lane")
        row = {
            "model": reign.model, "lane": reign.lane, "as_of": str(date(2024, 3, day)), "version": reign.champion_after, "decision": reign.id,
            "previous": connection.scalar(last, {"model": reign.model, "lane": reign.lane}), "score_runs": [],
            "state": report["state"], "alarms": [a["name"] for a in report.get("alarms", [])], "new_alarms": [],
            "asks_retrain": False, "ask_reason": "", "report": report, "spec": {"minimum_psi": 0.1}, "actor": "tester",
            "reason": "", "airflow_run": "", "code_version": "test",
        }  # fmt: skip
        record = text("SELECT * FROM titleholder.record_monitor_report(CAST(:entry AS json))")
        assert connection.execute(record, {"entry": json.dumps(row)}).one_or_none()
