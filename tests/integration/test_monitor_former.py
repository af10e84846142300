"""Outcomes that mature after a reign: later looks of the lane judge them, and no alarm comes of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from localstack.state import State
from support.audit_world import World, models_in
from support.monitored_world import LANE, scored, watched, write_monitored
from support.retraining import TESTER, retrain
from titleholder.cli.monitor import _print
from titleholder.ledger.monitor_reports import MonitorRecord
from titleholder.settings import connection_url
from titleholder.workflow.audit import audit
from titleholder.workflow.monitoring import run as monitoring

pytestmark = pytest.mark.slow
MODEL = "followed"
FIRST = [date(2024, 2, 1), date(2024, 3, 1)]
LAST_OF_FIRST = date(2024, 3, 16)
SECOND = [date(2024, 4, 1), date(2024, 5, 1), date(2024, 6, 1)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def world(state: State, folder: Path) -> Iterator[World]:
    """In one lane the first champion stays; in another a second one follows it."""
    write_monitored(folder, MODEL, window="1 month", monitor="{minimum_rows: 100, tolerated_shortfall: 0.0}")
    with models_in(folder, state) as settings:
        rows = [retrain(MODEL, date(2023, 12, 1), lane, settings) for lane in (LANE, "stays")]
        yield World(MODEL, settings, state, rows)


def looked(world: World, as_of: date, lane: str = LANE) -> MonitorRecord:
    url = connection_url("warehouse")
    found = monitoring.run(watched(MODEL), as_of, lane, url=url, origin=TESTER, settings=world.settings)
    assert found
    return found


@pytest.fixture(scope="module")
def looks(world: World, folder: Path) -> list[MonitorRecord]:
    """Those of the second reign: the first month has the outcomes, then they are turned around."""
    for day in FIRST:
        scored(world.settings, day, name=MODEL)
        looked(world, day)
    scored(world.settings, LAST_OF_FIRST, name=MODEL)
    world.rows.append(retrain(MODEL, date(2024, 3, 1), LANE, world.settings))
    for day in SECOND:
        scored(world.settings, day, name=MODEL)
    found = [looked(world, SECOND[0])]
    file = folder / "tiny.sql"
    whole = file.read_text()
    file.write_text(whole.replace("known_at, bad,", "known_at, 1 - bad as bad,"))
    found.append(looked(world, SECOND[1]))
    file.write_text(whole.replace("from tiny", "from gone"))
    found.append(looked(world, SECOND[2]))
    file.write_text(whole)
    return [*found, looked(world, SECOND[2])]


def test_looks_of_the_next_reign_judge_what_matured_after_it_as_its_own_would_have(
    world: World, looks: list[MonitorRecord]
) -> None:
    for day in [*FIRST, LAST_OF_FIRST]:
        scored(world.settings, day, "stays", name=MODEL)
    own = looked(world, SECOND[0], "stays").report
    assert looks[0].decision == world.rows[2].id != world.rows[0].id
    assert looks[0].report.cohorts == ()
    (former,) = looks[0].report.former
    assert (former.decision, former.version) == (world.rows[0].id, world.rows[0].champion_after)
    assert [(one.start, one.end) for one in former.cohorts] == [(date(2024, 1, 1), date(2024, 2, 1))]
    assert former.cohorts == own.cohorts
    assert former.promise
    assert own.promise
    assert former.promise.model_copy(update={"decision": own.promise.decision}) == own.promise


def test_a_former_champion_is_no_alarm_however_much_is_missing_of_its_promise(looks: list[MonitorRecord]) -> None:
    (former,) = looks[1].report.former
    assert [one.end for one in former.cohorts] == [date(2024, 2, 1), date(2024, 3, 1)]
    assert former.cohorts[1].realised.estimate < 0.5 < former.cohorts[0].realised.estimate
    (last,) = looks[3].report.former
    for one in (former, last):
        assert one.promise
        assert one.promise.broken
    assert not [alarm for look in looks for alarm in look.report.alarms if alarm.kind == "performance"]


def test_outcomes_of_a_former_reign_that_cannot_be_read_are_said_and_read_later(looks: list[MonitorRecord]) -> None:
    broken, later = looks[2], looks[3]
    assert broken.report.unavailable
    assert broken.report.unavailable.months == 2, "March of the champion, half of March of the former one"
    assert 'relation "gone" does not exist' in broken.report.former[0].unread
    assert broken.report.former[0].cohorts == looks[1].report.former[0].cohorts
    assert later.report.unavailable is None
    assert later.report.former[0].unread == ""


def test_a_reign_is_judged_to_the_end_of_what_it_scored(looks: list[MonitorRecord]) -> None:
    (former,) = looks[3].report.former
    assert former.judged == former.scored == LAST_OF_FIRST, "its last month ends with it"


def test_the_command_shows_it_and_the_audit_finds_nothing(
    world: World, looks: list[MonitorRecord], capsys: pytest.CaptureFixture[str]
) -> None:
    _print(looks[1])
    shown = " ".join(capsys.readouterr().out.split())
    assert "Former champions, whose outcomes came later" in shown
    assert "No alarm comes of a former champion." in shown
    assert [f for f in audit([MODEL], settings=world.settings).findings if f.check == "monitor"] == []
