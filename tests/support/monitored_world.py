"""A model `watched` that scores and is monitored, in a lane of its own and in the live one."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from support.audit_world import EASY
from support.retraining import TESTER
from support.succession_world import write_model
from titleholder.errors import DataError
from titleholder.ledger import monitor_reports
from titleholder.ledger.monitor_reports import MonitorRecord
from titleholder.ledger.score_runs import ScoreRun
from titleholder.settings import Settings, connection_url
from titleholder.spec.loader import load_specs
from titleholder.spec.model import ModelSpec
from titleholder.workflow import batch_scoring

MODEL, LANE = "watched", "scored"
SECTIONS = """
scoring:
  query: {name}_scoring.sql
  window: {window}
  lane: scored
monitor: {monitor}
"""
SQL = """
select id, happened_at, happened_at as known_at, signal, noise, price, kind
from {table} where happened_at >= :window_start and happened_at < :window_end and happened_at <= :as_of
"""


def write_monitored(
    folder: Path,
    name: str = MODEL,
    *,
    window: str = "1 day",
    monitor: str = "{minimum_rows: 100}",
    table: str = "tiny",
) -> None:
    """The model's files; `table` is what the scoring query reads."""
    write_model(folder, name, judgement=EASY, promotion=SECTIONS.format(name=name, window=window, monitor=monitor))
    (folder / f"{name}_scoring.sql").write_text(SQL.format(table=table))
    text = (folder / f"{name}.yaml").read_text()  # what the query returns is known when the event happens
    (folder / f"{name}.yaml").write_text(
        text.replace("{known_at: known_at, available_at: happened_at}", "{known_at: happened_at}")
    )


def watched(name: str = MODEL) -> ModelSpec:
    return load_specs(only=name)[name]


def scored(settings: Settings, day: date, lane: str = LANE, name: str = MODEL) -> ScoreRun:
    """The scoring run of a day."""
    url = connection_url("warehouse")
    pinned = batch_scoring.pin(watched(name), day, lane, url=url, origin=TESTER, settings=settings)
    return batch_scoring.score(pinned, url=url, settings=settings)


def reports_of(url: str, model: str) -> list[MonitorRecord]:
    """Every look at a model, in the order of writing."""
    found = list(monitor_reports.each(url, model))
    return [one for one in found if not isinstance(one, DataError)]
