"""A look whose outcomes cannot be read: all else is judged, the report says why, and a later look catches up."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

from localstack.state import State
from support.audit_world import World, models_in
from support.monitored_world import LANE, reports_of, scored, watched, write_monitored
from support.retraining import TESTER, retrain
from titleholder.cli.main import app
from titleholder.data.snapshots import Extract
from titleholder.errors import ServiceError
from titleholder.ledger import monitor_history, monitor_reports
from titleholder.ledger.monitor_reports import MonitorRecord
from titleholder.settings import connection_url
from titleholder.validation.monitoring.report import MonitorReport
from titleholder.workflow.audit import audit
from titleholder.workflow.monitoring import run as monitoring

pytestmark = pytest.mark.slow
MODEL = "unread"
MONTHS = [date(2024, month, 1) for month in range(2, 7)]
TWO_FAULTS = """select id, happened_at, happened_at + interval '9 years' as known_at, 7 as bad, signal, noise, price, kind
from tiny where happened_at >= :window_start and happened_at < :window_end and known_at <= :as_of"""
GONE = TWO_FAULTS.replace("from tiny ", "from outcomes_that_moved ")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def world(state: State, folder: Path) -> Iterator[World]:
    """A champion in three lanes, each with its scores of five months."""
    write_monitored(folder, MODEL, window="1 month")
    with models_in(folder, state) as settings:
        rows = [retrain(MODEL, date(2024, 1, 1), lane, settings) for lane in (LANE, "sound", "waiting")]
        for month in MONTHS:
            scored(settings, month, name=MODEL)
            scored(settings, month, "sound", name=MODEL)
        yield World(MODEL, settings, state, rows)


@contextmanager
def query(folder: Path, text: str) -> Iterator[None]:
    """Another training query, until the end."""
    file = folder / "tiny.sql"
    whole = file.read_text()
    file.write_text(text)
    try:
        yield
    finally:
        file.write_text(whole)


def looked(world: World, as_of: date, lane: str = LANE, url: str = "") -> MonitorRecord:
    url = url or connection_url("warehouse")
    found = monitoring.run(watched(MODEL), as_of, lane, url=url, origin=TESTER, settings=world.settings)
    assert found
    return found


@pytest.fixture(scope="module")
def looks(world: World, folder: Path) -> list[MonitorRecord]:
    """Five months: the first without final outcomes, three with a query that breaks, the last one with a sound query."""
    found = [looked(world, MONTHS[0])]
    with query(folder, TWO_FAULTS):
        found += [looked(world, month) for month in MONTHS[1:3]]
    with query(folder, GONE):
        found.append(looked(world, MONTHS[3]))
    return [*found, looked(world, MONTHS[4])]


@pytest.fixture(scope="module")
def whole() -> list[Sequence[str] | None]:
    """Which columns of all rows of an extract the looks of `sound` have read at once; None where it was all of them."""
    return []


@pytest.fixture(scope="module")
def sound(world: World, whole: list[Sequence[str] | None]) -> list[MonitorRecord]:
    """The same months with a query that never breaks."""
    read = Extract.read

    def recorded(extract: Extract, columns: Sequence[str] | None = None, **rows: Any) -> pd.DataFrame:
        if not rows:
            whole.append(columns)
        return read(extract, columns, **rows)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Extract, "read", recorded)
        return [looked(world, month, "sound") for month in MONTHS]


def drift_of(report: MonitorReport) -> tuple[object, ...]:
    assert report.drift
    assert report.volume
    features = [(f.name, sum(f.counts), f.missing, f.unseen) for f in report.drift.features]
    return report.volume.rows, report.drift.looks, features


def test_what_needs_no_outcomes_is_as_in_a_look_that_has_them(
    looks: list[MonitorRecord], sound: list[MonitorRecord]
) -> None:
    for one, other in zip(looks, sound, strict=True):
        assert drift_of(one.report) == drift_of(other.report)
        assert one.report.estimate == other.report.estimate


def test_what_came_true_is_read_without_the_features_of_all_rows(
    sound: list[MonitorRecord], whole: list[Sequence[str] | None]
) -> None:
    """Of many rows they may not fit: the contract reads them in batches."""
    assert any(one.report.cohorts for one in sound)
    assert [sorted(columns or ["all"]) for columns in whole] == [["bad", "happened_at", "id", "known_at"]] * len(whole)
    assert whole


def test_the_report_says_in_a_sentence_with_every_violation_why_there_are_none(looks: list[MonitorRecord]) -> None:
    assert [one.report.unavailable is not None for one in looks] == [False, False, True, True, False]
    broken, gone = looks[2].report.unavailable, looks[3].report.unavailable
    assert broken
    assert gone
    assert "breaks the data contract" in broken.reason
    assert "known_at" in broken.reason
    assert "bad" in broken.reason
    assert "\n" not in broken.reason
    assert 'relation "outcomes_that_moved" does not exist' in gone.reason
    assert (broken.since, gone.since) == (MONTHS[2], MONTHS[2])
    assert (broken.months, gone.months) == (1, 2)
    assert (broken.new, gone.new) == (True, True), "one more month is to be judged"
    for one in looks[2:4]:
        assert one.state == "waiting", "never quiet"
        assert one.report.reason.startswith("Outcomes are not available since the look of 2024-04-01")
        assert "No drift of the score" in one.report.reason


def test_columns_without_the_report_say_so_too(world: World, looks: list[MonitorRecord]) -> None:
    url = world.settings.ledger_url
    brief = monitor_reports.brief(url, [one.id for one in looks])
    assert [one.without_outcomes for one in brief] == [False, False, True, True, False]
    assert [one.newly_without for one in brief] == [False, False, True, True, False]
    newest = monitor_history.newest(url, MODEL, LANE)
    assert newest
    assert not newest.without_outcomes


def test_a_later_look_catches_up_and_the_evidence_is_that_of_looks_that_had_all(
    looks: list[MonitorRecord], sound: list[MonitorRecord]
) -> None:
    assert [len(one.report.cohorts) for one in looks] == [0, 0, 0, 0, 3]
    assert [len(one.report.cohorts) for one in sound] == [0, 0, 1, 2, 3]
    assert looks[-1].report.cohorts == sound[-1].report.cohorts
    mine, theirs = looks[-1].report.promise, sound[-1].report.promise
    assert mine
    assert theirs
    assert mine.model_copy(update={"decision": theirs.decision}) == theirs


def test_a_look_that_is_repeated_once_the_query_is_sound_is_written_again_with_them(world: World, folder: Path) -> None:
    for month in MONTHS[:3]:
        scored(world.settings, month, "waiting", name=MODEL)
    with query(folder, GONE):
        first = looked(world, MONTHS[2], "waiting")
        assert looked(world, MONTHS[2], "waiting") == first, "as long as it breaks there is one report"
    again = looked(world, MONTHS[2], "waiting")
    assert (again.previous, again.score_runs) == (first.id, ())
    assert again.report.unavailable is None
    assert len(again.report.cohorts) == 1
    assert again.report.drift == first.report.drift, "rows are counted once"
    assert looked(world, MONTHS[2], "waiting") == again
    with query(folder, GONE):
        later = looked(world, MONTHS[3], "waiting")
        assert (later.score_runs, later.report.unavailable is None) == ((), False)
    assert looked(world, MONTHS[3], "waiting").previous == later.id, "also where no new row was counted"
    assert [f for f in audit([MODEL], settings=world.settings).findings if f.check == "monitor"] == []


def test_a_warehouse_that_is_away_is_tried_again_and_writes_nothing(world: World, looks: list[MonitorRecord]) -> None:
    before = len(reports_of(world.settings.ledger_url, MODEL))
    with pytest.raises(ServiceError):
        looked(world, date(2024, 7, 1), url="postgresql://reader@127.0.0.1:1/warehouse")
    assert len(reports_of(world.settings.ledger_url, MODEL)) == before


def test_the_command_writes_the_look_and_ends_with_one(world: World, folder: Path, looks: list[MonitorRecord]) -> None:
    with query(folder, GONE):
        shown = CliRunner().invoke(app, ["monitor", MODEL, "--as-of", "2024-07-01", "--json"])
    found = json.loads(shown.stdout)
    assert (shown.exit_code, found["state"]) == (1, "waiting"), shown.output
    assert "outcomes_that_moved" in found["report"]["unavailable"]["reason"]
    assert CliRunner().invoke(app, ["monitor", MODEL, "--as-of", "2024-07-01"]).exit_code == 0
