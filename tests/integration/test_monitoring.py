"""Looks at a reign on real PostgreSQL and MLflow: drift, a broken feature, what came true, and a request to retrain."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score
from typer.testing import CliRunner, Result

from localstack.state import State
from support.audit_world import World, models_in
from support.monitored_world import LANE, MODEL, reports_of, scored, watched, write_monitored
from support.retraining import TESTER, retrain
from support.stacks import tiny_rows
from titleholder.cli.main import app
from titleholder.ledger import monitor_reports
from titleholder.ledger.database import engine
from titleholder.ledger.monitor_reports import MonitorRecord
from titleholder.registry.client import Registry
from titleholder.settings import connection_url
from titleholder.spec.model import ModelSpec
from titleholder.workflow.audit import audit
from titleholder.workflow.monitoring import look as looking
from titleholder.workflow.monitoring import run as monitoring
from titleholder.workflow.monitoring.watched import watched_at

pytestmark = pytest.mark.slow
MONTHS = [date(2024, month, 1) for month in range(2, 8)]
FED = """(
    select id, happened_at, signal, noise, case when happened_at >= '2024-04-01' then price * 100 else price end as price,
        case when happened_at >= '2024-05-01' and id % 20 = 0 then 'violet' else kind end as kind
    from tiny
    union all
    select id + 1000000, happened_at + (current_date - date '2024-07-01') * interval '1 day', signal + 2, noise, price,
        kind
    from tiny where happened_at >= '2024-05-15'
) as fed"""
"""From April 2024 on the price is in cents, from May on there is a new kind; and rows of today, with another signal."""


@pytest.fixture(scope="module")
def world(state: State, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A champion in two lanes."""
    folder = tmp_path_factory.mktemp("models")
    section = "{minimum_rows: 100, ask_for_retrain: {cooldown: 1 month}}"
    write_monitored(folder, window="1 month", monitor=section, table=FED)
    with models_in(folder, state) as settings:
        rows = [retrain(MODEL, date(2024, 1, 1), lane, settings) for lane in (LANE, "live")]
        yield World(MODEL, settings, state, rows)


def looked(world: World, as_of: date, lane: str = LANE, **options: bool) -> MonitorRecord | None:
    url = connection_url("warehouse")
    return monitoring.run(watched(), as_of, lane, url=url, origin=TESTER, settings=world.settings, **options)


@pytest.fixture(scope="module")
def looks(world: World) -> list[MonitorRecord]:
    """Six months, each scored and looked at."""
    found = []
    for month in MONTHS:
        scored(world.settings, month)
        record = looked(world, month)
        assert record
        found.append(record)
    return found


def test_each_month_is_one_look_at_the_new_rows(world: World, looks: list[MonitorRecord]) -> None:
    rows = tiny_rows()
    for month, one in zip(MONTHS, looks, strict=True):
        end = pd.Timestamp(month, tz="UTC")
        inside = (rows["happened_at"] >= end - pd.DateOffset(months=1)) & (rows["happened_at"] < end)
        assert one.report.volume
        assert one.report.drift
        assert one.report.volume.rows == int(inside.sum())
        assert [f.name for f in one.report.drift.features] == ["signal", "noise", "price", "kind", "score"]
        for feature in one.report.drift.features:
            assert sum(feature.counts) == sum(feature.cells) == one.report.volume.rows
            assert sum(feature.reference) == pytest.approx(one.report.drift.reference_rows / 2, abs=1)
        signal = one.report.drift.features[0]
        assert signal.missing == pytest.approx(rows.loc[inside, "signal"].isna().mean())
        assert one.decision == world.rows[0].id
        assert one.actor == "tester"
    assert [one.report.drift.looks for one in looks if one.report.drift] == [1, 2, 3, 4, 5, 6]


def test_the_broken_feature_is_an_alarm_after_two_looks_and_stays_one(looks: list[MonitorRecord]) -> None:
    about = [[a for a in one.report.alarms if a.name == "price"] for one in looks]
    assert [bool(found) for found in about] == [False, False, False, False, True, True], "April was scored on 1 May"
    assert [found[0].new for found in about if found] == [True, False]
    assert {found[0].since for found in about if found} == {date(2024, 6, 1)}
    assert "price has drifted: the share of 'above " in looks[4].report.reason
    assert [one.state for one in looks[:4]] == ["quiet"] * 4
    assert {a.name for one in looks for a in one.report.alarms} <= {"price", "performance", "score"}


def test_a_new_category_is_a_remark(looks: list[MonitorRecord]) -> None:
    remarks = [[r for r in one.report.remarks if r.startswith("kind:")] for one in looks]
    assert [bool(found) for found in remarks] == [False] * 4 + [True] * 2
    assert "have categories that no training row had: violet." in remarks[4][0]


def test_what_came_true_is_of_whole_matured_months_and_by_the_scores_of_that_time(
    world: World, looks: list[MonitorRecord]
) -> None:
    assert [len(one.report.cohorts) for one in looks] == [0, 0, 1, 2, 3, 4], "outcomes are final after two months"
    query = (
        "SELECT entity, score FROM titleholder.scores WHERE run IN "
        f"(SELECT id FROM titleholder.score_runs WHERE model = '{MODEL}' AND lane = '{LANE}')"
    )
    with engine(world.settings.ledger_url).connect() as connection:
        given = pd.read_sql(query, connection).astype({"entity": int}).set_index("entity")["score"]
    rows = tiny_rows().set_index("id")
    for one in looks[-1].report.cohorts:
        moments = [pd.Timestamp(day, tz="UTC") for day in (one.start, one.end)]
        part = rows[(rows["happened_at"] >= moments[0]) & (rows["happened_at"] < moments[1])]
        assert (one.rows, one.scored, one.events) == (len(part), len(part), int(part["bad"].sum()))
        assert one.realised.estimate == pytest.approx(roc_auc_score(part["bad"], given[part.index]), abs=1e-9)
        assert one.estimated
        assert one.estimated.lower < one.estimated.estimate < one.estimated.upper
        assert one.gain is None, "a first champion has no predecessor"
    promise = looks[-1].report.promise
    assert promise
    assert promise.decision == world.rows[0].id
    assert promise.cohorts == 4
    assert looks[-1].report.review is None
    assert looks[0].report.estimate
    assert looks[0].report.estimate.metric == "roc_auc"


def test_a_repeated_look_finds_what_is_written_and_reads_nothing(
    world: World, looks: list[MonitorRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    count = len(reports_of(world.settings.ledger_url, MODEL))
    monkeypatch.setattr(looking, "reference_of", None)
    assert looked(world, MONTHS[-1]) == looks[-1]
    assert looked(world, date(2024, 5, 15)) == looks[3], "nothing was scored since the look of 1 May"
    assert looked(world, date(2023, 12, 1)) is None
    assert len(reports_of(world.settings.ledger_url, MODEL)) == count


def test_of_earlier_looks_two_are_read_whole_and_the_others_say_the_same_in_little(
    world: World, looks: list[MonitorRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole: list[int] = []
    read = monitor_reports._record
    monkeypatch.setattr(monitor_reports, "_record", lambda row: whole.append(row["id"]) or read(row))
    reign = watched_at(MODEL, LANE, MONTHS[-1], world.settings)
    assert reign
    assert len(looks) > 3
    assert set(whole) == {looks[0].id, reign.looks[-1].id}
    assert len(whole) <= 2
    for past, one in zip(reign.looks, looks, strict=False):
        assert one.report.drift
        assert one.report.volume
        assert (past.id, past.as_of, tuple(past.score_runs)) == (one.id, one.as_of, one.score_runs)
        assert past.counted_until == one.report.volume.end
        assert [tuple(cells) for cells in past.cells] == [f.cells for f in one.report.drift.features]
        assert past.log_evidence == [f.log_evidence for f in one.report.drift.features]
    assert reign.first == looks[0].report.drift


def test_a_look_without_new_rows_goes_on_with_outcomes(world: World, looks: list[MonitorRecord]) -> None:
    later = looked(world, date(2024, 8, 1))
    assert later
    assert later.report.volume is None
    assert later.report.drift == looks[-1].report.drift
    assert len(later.report.cohorts) == 5
    assert later.score_runs == ()


def test_the_live_lane_asks_once_and_a_backfill_never(world: World) -> None:
    today = datetime.now(UTC).date()
    run = scored(world.settings, today, "live")
    assert run.rows > 100
    section = watched().monitor
    assert section
    hasty = watched().model_copy(update={"monitor": section.model_copy(update={"persistence": 1})})
    url = connection_url("warehouse")
    reign = watched_at(MODEL, "live", today, world.settings)
    assert reign
    by_hand = looking.Look(hasty, today, reign, url, world.settings).entry("live", TESTER, backfill=False)
    assert (by_hand.report.state, by_hand.asks_retrain) == ("alarm", False), "nobody would start the retrain"
    assert "the next look of the DAG does it" in by_hand.ask_reason
    in_airflow = TESTER.model_copy(update={"airflow_run": "watched.monitor/r1"})
    found = monitoring.run(hasty, today, "live", url=url, origin=in_airflow, settings=world.settings)
    assert found
    assert "signal" in found.new_alarms
    assert found.asks_retrain
    assert found.ask_reason.startswith(f"The monitor of {today} asks for a retrain. ")
    assert [one.id for one in monitor_reports.asks(world.settings.ledger_url, MODEL)] == [found.id]
    again = monitoring.run(hasty, today, "live", url=url, origin=in_airflow, settings=world.settings)
    assert again == found
    assert not any(one.asks_retrain for one in reports_of(world.settings.ledger_url, MODEL) if one.lane == LANE)
    assert np.isfinite([f.log_evidence for f in found.report.drift.features if found.report.drift]).all()


def invoke(*words: str) -> Result:
    return CliRunner().invoke(app, [*words])


def test_the_command_line_says_the_state_first_and_looks_when_asked_to(
    world: World, looks: list[MonitorRecord]
) -> None:
    newest = [one for one in reports_of(world.settings.ledger_url, MODEL) if one.lane == LANE][-1]
    shown = invoke("monitor", MODEL)
    assert shown.exit_code == 0, (shown.output, shown.exception)
    first, second, *_ = shown.stdout.splitlines()
    assert first == f"ALARM: {MODEL}, version {newest.version}, as of {newest.as_of}"
    assert second.startswith("price has drifted") or "price has drifted" in shown.stdout
    for part in ("promised at promotion", "came true, 2024-04-01", "Drift: 6 looks", "assumes that the relation"):
        assert part in " ".join(shown.stdout.split()), part
    assert json.loads(invoke("monitor", MODEL, "--json").stdout)["id"] == newest.id
    again = json.loads(invoke("monitor", MODEL, "--as-of", str(MONTHS[-1]), "--json").stdout)
    assert again["id"] == looks[-1].id
    nothing = invoke("monitor", MODEL, "--lane", "elsewhere")
    assert (nothing.exit_code, "nothing was scored in lane elsewhere yet" in nothing.stdout) == (0, True)
    assert "nothing was scored until 2023-02-01" in invoke("monitor", MODEL, "--as-of", "2023-02-01").stdout


def test_the_audit_reads_every_report_and_names_one_that_was_changed(world: World, looks: list[MonitorRecord]) -> None:
    sound = audit([MODEL], settings=world.settings)
    assert [f for f in sound.findings if f.check == "monitor"] == []
    assert sound.monitor_reports == len(reports_of(world.settings.ledger_url, MODEL))
    changes = {
        "alarms = '{noise}'": "has other alarms in its columns",
        "score_runs = '{-5}'": "names scoring run -5, which is none of its reign",
        "report = jsonb_set(report, '{volume,rows}', '7')": "does not count as many rows by bin",
        "report = report - 'reason'": "cannot be read by this version",
    }
    where, row = f"WHERE id = {looks[-1].id}", looks[-1]
    for change, said in changes.items():
        with world.superuser() as cursor:
            cursor.execute("ALTER TABLE titleholder.monitor_reports DISABLE TRIGGER no_change")
            cursor.execute(f"UPDATE titleholder.monitor_reports SET {change} {where}")
            try:
                found = [f for f in audit([MODEL], settings=world.settings).findings if f.check == "monitor"]
            finally:
                cursor.execute(
                    f"UPDATE titleholder.monitor_reports SET alarms = %s, score_runs = %s, report = %s {where}",
                    (list(row.alarms), list(row.score_runs), row.report.model_dump_json()),
                )
                cursor.execute("ALTER TABLE titleholder.monitor_reports ENABLE ALWAYS TRIGGER no_change")
        assert len(found) == 1, change
        assert said in found[0].explanation


def test_few_rows_wait_for_later_ones_and_overlapping_windows_count_once(world: World) -> None:
    retrain(MODEL, date(2024, 1, 1), "patient", world.settings)
    section = watched().monitor
    assert section
    patient = watched().model_copy(update={"monitor": section.model_copy(update={"minimum_rows": 700})})

    def look(day: date) -> MonitorRecord:
        url = connection_url("warehouse")
        found = monitoring.run(patient, day, "patient", url=url, origin=TESTER, settings=world.settings)
        assert found
        return found

    first = scored(world.settings, MONTHS[0], "patient")
    waiting = look(MONTHS[0])
    assert (waiting.state, waiting.score_runs, waiting.report.waiting_rows) == ("waiting", (), first.rows)
    assert waiting.report.reason == f"{first.rows} rows were scored, and 700 are needed for a first look."
    assert look(MONTHS[0]) == waiting
    middle, last = (scored(world.settings, day, "patient") for day in (date(2024, 2, 15), MONTHS[1]))
    enough = look(MONTHS[1])
    assert enough.score_runs == (first.id, middle.id, last.id)
    assert enough.report.volume
    assert enough.report.drift
    rows = tiny_rows()
    inside = (rows["happened_at"] >= "2024-01-01") & (rows["happened_at"] < "2024-03-01")
    assert enough.report.volume.rows == int(inside.sum()) < first.rows + middle.rows + last.rows
    assert enough.report.drift.looks == 1


def test_a_successor_is_reviewed_against_its_predecessor_on_the_features_that_both_were_given(world: World) -> None:
    first, second = (retrain(MODEL, day, "line", world.settings) for day in (date(2023, 12, 1), date(2024, 1, 1)))
    assert (second.champion_before, second.champion_after) == (first.challenger, second.challenger)
    for month in MONTHS[:4]:
        scored(world.settings, month, "line")
    found = looked(world, MONTHS[5], "line")
    assert found
    assert found.report.review
    assert second.verdict
    assert second.verdict.gain
    assert found.report.review.predecessor == first.challenger
    assert found.report.review.promised.estimate == pytest.approx(second.verdict.gain.estimate)
    assert found.report.review.cohorts == len(found.report.cohorts) == 4
    logged = first.nominee.model
    model = Registry(world.settings.tracking_uri).models.read(logged.uri, logged.sha256, ModelSpec.restore(first.spec))
    rows = tiny_rows()
    in_cents = rows["happened_at"] >= "2024-04-01"
    rows["price"] *= np.where(in_cents, 100, 1)
    assert found.report.cohorts[-1].start == date(2024, 4, 1), "a month in which the price was in cents, for both"
    for one in found.report.cohorts:
        moments = [pd.Timestamp(day, tz="UTC") for day in (one.start, one.end)]
        part = rows[(rows["happened_at"] >= moments[0]) & (rows["happened_at"] < moments[1])]
        features = part[["signal", "noise", "price", "kind"]].astype({"kind": object})
        before = roc_auc_score(part["bad"], model.predict_proba(features)[:, 1])
        assert one.gain
        assert one.gain.estimate == pytest.approx(one.realised.estimate - before, abs=1e-9)
