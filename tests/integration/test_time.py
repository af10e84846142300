"""Time on the real stack: one as-of date on everything a run leaves, invalid dates, months run again."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from mlflow import MlflowClient
from typer.testing import CliRunner

from localstack.state import State
from support import retraining
from support.audit_world import EASY, models_in
from support.stacks import tiny_rows
from support.succession_world import write_model
from support.time_world import execute
from titleholder.cli.main import app
from titleholder.data import as_of_range
from titleholder.errors import DataError, UsageError
from titleholder.ledger.decision import Decision
from titleholder.registry.client import Registry
from titleholder.settings import Settings, connection_url
from titleholder.spec.loader import load_specs
from titleholder.spec.model import ModelSpec
from titleholder.workflow.payloads import Snapshot

pytestmark = pytest.mark.slow
MODEL = "tiny_time"
MONTHS = [date(2024, m, 1) for m in (1, 2, 3, 4)]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    write_model(folder, MODEL)
    return folder


@pytest.fixture
def settings(models: Path, state: State) -> Iterator[Settings]:
    with models_in(models, state) as found:
        yield found


def extract(as_of: date, settings: Settings, lane: str = "dates", model: str = MODEL) -> Snapshot:
    return retraining.extract(model, as_of, lane, settings)


def retrain(model: str, as_of: date, lane: str, settings: Settings, *, report: bool = False) -> Decision:
    return retraining.retrain(model, as_of, lane, settings, candidates=("scorecard",), report=report)


def with_query(models: Path, model: str, sql: str, *edits: tuple[str, str], judgement: str = "") -> None:
    """A copy of the model `tiny` with a query of its own; `edits` change its YAML."""
    write_model(models, model, judgement=judgement)
    (models / f"{model}.sql").write_text(sql)
    yaml = (models / f"{model}.yaml").read_text()
    for old, new in (("query: tiny.sql", f"query: {model}.sql"), *edits):
        assert old in yaml
        yaml = yaml.replace(old, new)
    (models / f"{model}.yaml").write_text(yaml)


def spec() -> ModelSpec:
    return load_specs(only=MODEL)[MODEL]


def test_everything_that_a_run_leaves_says_as_of_when(settings: Settings) -> None:
    row = retrain(MODEL, MONTHS[1], "marked", settings, report=True)
    client, said = MlflowClient(settings.tracking_uri), "2024-02-01"
    version = client.get_model_version(MODEL, str(row.challenger_version))
    parent, trained = client.get_run(row.mlflow_run_id), client.get_run(version.run_id)
    assert str(row.as_of) == said
    assert f"/{said}/" in row.snapshot_uri
    assert parent.data.params["as_of"] == parent.data.tags["titleholder.as_of"] == said
    assert trained.data.tags["titleholder.as_of"] == version.tags["titleholder.as_of"] == said
    assert said in parent.info.run_name
    assert f"as of {said}" in version.description
    assert said in Path(client.download_artifacts(row.mlflow_run_id, f"card-{row.id}.html")).read_text()
    assert said in Path(client.download_artifacts(row.mlflow_run_id, "verdict.json")).read_text()


@pytest.mark.parametrize("off", [timedelta(days=-1), timedelta(days=1)])
def test_the_future_begins_where_the_warehouse_says(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, off: timedelta
) -> None:
    """A worker's clock that is wrong around midnight refuses no date of today, and accepts none of tomorrow."""
    url, spec, today = connection_url("warehouse"), load_specs(only=MODEL)[MODEL], datetime.now(UTC).date()
    monkeypatch.setattr(as_of_range, "today_utc", lambda: today + off)
    assert as_of_range.intervals(url, spec, today).matured < today
    with pytest.raises(UsageError, match=rf"lies in the future \(today is {today}\)"):
        as_of_range.intervals(url, spec, today + timedelta(days=1))


def test_the_future_is_refused_with_the_dates_that_work(settings: Settings) -> None:
    today = datetime.now(UTC).date()
    with pytest.raises(
        UsageError, match=rf"lies in the future \(today is {today}\); the first as_of .* the last is 20"
    ):
        extract(today + timedelta(days=1), settings)


def test_too_early_is_refused_with_the_first_date_that_works(settings: Settings) -> None:
    with pytest.raises(UsageError, match="^tiny_time: as_of 2022-06-01 leaves too few rows to train on: 0 in") as error:
        extract(date(2022, 6, 1), settings)
    assert "\n" not in str(error.value), "one sentence"
    happened = sorted(day.date() for day in tiny_rows()["happened_at"])
    enough = happened[spec().training.minimum_rows - 1] + timedelta(days=1)  # the first holdout_start that leaves 200
    first = next(
        day
        for day in (enough + timedelta(days=n) for n in range(400))
        if day - spec().windows.label_maturity - spec().windows.holdout >= enough
    )
    assert f"the first as_of with enough rows is {first}" in str(error.value)
    snapshot = extract(first, settings)
    assert snapshot.rows >= spec().training.minimum_rows
    assert snapshot.spans.rows_begin == happened[0]
    said = f"windows.train is 6 months, the rows begin on {happened[0]}: "
    note = MlflowClient(settings.tracking_uri).get_run(snapshot.run_id).data.tags["mlflow.note.content"]
    assert said in note
    with pytest.raises(UsageError, match=f"the first as_of with enough rows is {first}"):
        extract(first - timedelta(days=1), settings)


def test_too_late_is_refused_with_the_last_date_that_works(settings: Settings) -> None:
    """An empty holdout was trained for, registered and decided."""
    with pytest.raises(UsageError, match="too few rows") as error:
        extract(date(2026, 6, 1), settings)
    said = re.search(r"the first as_of with enough rows is 2023-\S+, the last is (\S+)$", str(error.value))
    assert said
    last = date.fromisoformat(said[1])
    assert last == tiny_rows()["known_at"].max().date() + timedelta(days=1), "the end of the data, not of the events"
    assert extract(last, settings).spans.holdout_start <= sorted(tiny_rows()["happened_at"])[-2].date()
    with pytest.raises(UsageError, match="leaves too few rows to judge by: 0 in the holdout"):
        extract(date(2024, 12, 1), settings)


def test_events_that_nobody_watched_are_refused_and_no_table_may_be_misspelt(
    settings: Settings, models: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The facts of a table that was loaded once end in the middle of the events."""
    loader = os.environ["TITLEHOLDER_LOADER_URL"]
    execute(
        loader,
        "drop table if exists tiny_followed",
        "create table tiny_followed as select id as of_id, known_at::date as seen from tiny where known_at < '2024-01-10'",
        "grant select on tiny_followed to reader",
    )
    join = "from tiny left join tiny_followed on of_id = id and seen <= :as_of"
    sql = (models / "tiny.sql").read_text().replace("from tiny", join)
    declared = "tables: {tiny: {"
    for name, edit in {
        "tiny_ended": "tables: {tiny_followed: {known_at: seen}, tiny: {",
        "tiny_rare": "tables: {tiny_followed: {known_at: seen + 0, longest_gap: 1 year}, tiny: {",
        "tiny_misspelt": "tables: {tiny_folowed: {known_at: seen}, tiny: {",
        "tiny_wrong": "tables: {tiny_followed: {known_at: sen}, tiny: {",
        "tiny_silent": declared,
    }.items():
        with_query(models, name, sql, (declared, edit))
    with pytest.raises(UsageError) as error:
        extract(date(2024, 4, 1), settings, model="tiny_ended")
    assert "as_of 2024-04-01 is after the end of the data: the facts of tiny_followed end on 2024-01-09" in str(
        error.value
    )
    assert "the last is 2024-01-10" in str(error.value)
    assert extract(date(2024, 2, 1), settings, model="tiny_ended").spans.undeclared == ()
    assert extract(date(2024, 4, 1), settings, model="tiny_rare").rows
    assert not caplog.messages
    assert extract(date(2024, 4, 1), settings, model="tiny_silent").spans.undeclared == ("public.tiny_followed",)
    assert "does not say when the rows of public.tiny_followed became known" in caplog.text
    for name, fault in (
        ("tiny_misspelt", "source.tables.tiny_folowed: there is no such table"),
        ("tiny_wrong", 'source.tables.tiny_followed failed in the warehouse: column "sen" does not exist'),
    ):
        with pytest.raises(DataError, match=fault):
            extract(date(2024, 4, 1), settings, model=name)


def test_a_holdout_of_one_class_is_refused_before_training(settings: Settings, models: Path) -> None:
    """The classes of a day are counted in the warehouse, also where they are true and false."""
    sql = (models / "tiny.sql").read_text()
    for name, kind in (("tiny_one_class", "int"), ("tiny_one_truth", "bool")):
        changed = f" (case when happened_at < '2023-11-15' then bad::int else 0 end)::{kind} as bad,"
        text = sql.replace(" bad,", changed)
        assert text != sql
        with_query(models, name, text)
        with pytest.raises(UsageError, match=r"only one class \(bad (0|False)\) to judge by: .* the last is") as error:
            extract(date(2024, 4, 1), settings, model=name)
        last = date.fromisoformat(str(error.value).split()[-1])
        assert extract(last, settings, model=name).spans.holdout_start < date(2023, 11, 15)


def test_a_date_before_all_calendars_is_refused_with_the_first_that_works(settings: Settings) -> None:
    with pytest.raises(UsageError, match=r"as_of 1900-06-01 is too early.*; the first as_of with enough rows is 2023-"):
        extract(date(1900, 6, 1), settings)


def test_history_that_was_loaded_at_once_is_known_from_that_day_on(settings: Settings, models: Path) -> None:
    loader, loaded = os.environ["TITLEHOLDER_LOADER_URL"], date(2024, 2, 10)
    execute(
        loader,
        "drop table if exists tiny_loaded",
        "create table tiny_loaded as select * from tiny",
        f"update tiny_loaded set known_at = greatest(known_at, timestamptz '{loaded} 00:00 UTC')",
    )
    sql = (models / "tiny.sql").read_text().replace("from tiny", "from tiny_loaded")
    with_query(models, "tiny_loaded", sql, ("{tiny: {", "{tiny_loaded: {"))
    for refused in (date(2023, 10, 1), loaded - timedelta(days=1)):
        with pytest.raises(UsageError, match=f"too few rows.*the first as_of with enough rows is {loaded}"):
            extract(refused, settings, model="tiny_loaded")
    assert extract(loaded, settings, model="tiny_loaded").rows > 1_000


def test_a_month_that_cannot_be_re_judged_stays_until_it_is_run_again(settings: Settings, models: Path) -> None:
    """A feature is added and a lane is run again: the first month's new champion needs what the later ones lack."""
    model, sql = "tiny_grown", (models / "tiny.sql").read_text()
    with_query(models, model, sql.replace(" price,", ""), ("signal, noise, price", "signal, noise"), judgement=EASY)
    for lane in ("upwards", "downwards"):
        for month in MONTHS[:3]:
            retrain(model, month, lane, settings)
    narrow = retraining.in_force(model, "upwards", settings)
    with_query(models, model, sql, judgement=EASY)
    first = retrain(model, MONTHS[0], "upwards", settings)
    assert first.kind == "promote"
    rows = retraining.in_force(model, "upwards", settings)
    assert [r.id for r in rows] == [first.id, narrow[1].id, narrow[2].id]
    shown = history(model, "upwards")
    assert shown.count(f"Run it again: version {first.challenger_version} is champion before it now") == 1
    assert shown.count("Run it again: it comes after 2024-02-01") == 1
    remedy = f"titleholder run {model} --as-of 2024-02-01 --until 2024-03-01 --lane upwards"
    assert remedy in shown
    refused = CliRunner().invoke(app, ["backtest", model, "--lane", "upwards"])
    assert refused.exit_code != 0
    assert isinstance(refused.exception, UsageError)
    assert remedy in str(refused.exception)
    for month in MONTHS[1:3]:
        retrain(model, month, "upwards", settings)
    for month in reversed(MONTHS[:3]):
        retrain(model, month, "downwards", settings)
    assert "Run it again" not in history(model, "upwards")
    shown = [
        [(r.as_of, r.kind, r.judged.gain) for r in retraining.in_force(model, lane, settings)]
        for lane in ("upwards", "downwards")
    ]
    assert shown[0] == shown[1]


def test_a_month_whose_snapshot_is_gone_stops_no_other(settings: Settings, models: Path) -> None:
    write_model(models, "tiny_gone", judgement=EASY)
    second = retrain("tiny_gone", MONTHS[1], "gone", settings)
    Path(second.snapshot_uri).unlink()
    first = retrain("tiny_gone", MONTHS[0], "gone", settings)
    assert [r.id for r in retraining.in_force("tiny_gone", "gone", settings)] == [first.id, second.id]
    assert "Run it again" in history("tiny_gone", "gone")
    again = retrain("tiny_gone", MONTHS[1], "gone", settings)
    assert again.judged.champion is not None
    assert again.judged.champion.version == first.challenger_version
    assert "Run it again" not in history("tiny_gone", "gone")


def history(model: str, lane: str) -> str:
    done = CliRunner().invoke(app, ["history", model, "--lane", lane], env={"COLUMNS": "260"})
    assert done.exit_code == 0, done.output
    rows = json.loads(CliRunner().invoke(app, ["history", model, "--lane", lane, "--json"]).stdout)
    notes = [row["note"] for row in rows if row["note"].startswith("Run it again")]
    assert len(notes) == done.output.count("Run it again")
    return done.output


def test_a_month_reprocessed_with_corrected_data_says_what_changed_after_it_and_why(
    settings: Settings, models: Path
) -> None:
    """The labels of the first months were entered wrongly; put right, the first month is run again."""
    loader, model, lane = os.environ["TITLEHOLDER_LOADER_URL"], "tiny_late", "backtest"
    execute(
        loader,
        "drop table if exists tiny_late",
        "create table tiny_late as select * from tiny",
        "update tiny_late set bad = (id % 5 = 0)::int where happened_at < '2023-11-01'",
    )
    sql = (models / "tiny.sql").read_text().replace("from tiny", "from tiny_late")
    with_query(models, model, sql, ("{tiny: {", "{tiny_late: {"))
    for month in MONTHS:
        retrain(model, month, lane, settings)
    before = retraining.in_force(model, lane, settings)
    execute(loader, "update tiny_late set bad = tiny.bad from tiny where tiny.id = tiny_late.id")
    retrain(model, MONTHS[0], lane, settings)
    after = retraining.in_force(model, lane, settings)
    assert [r.as_of for r in after] == MONTHS
    assert before[0].kind == "reject"
    assert after[0].kind == "promote"
    assert after[0].snapshot_sha256 != before[0].snapshot_sha256
    rejudged = [r for r in after[1:] if r.caused_by == after[0].id]
    assert rejudged, "later months meet a champion that was not there before"
    shown = CliRunner().invoke(app, ["history", model, "--lane", lane], env={"COLUMNS": "260"})
    assert shown.exit_code == 0, shown.output
    assert shown.output.count(f"(re-judged because of decision {after[0].id})") == len(rejudged)
    everything = CliRunner().invoke(app, ["history", model, "--lane", lane, "--all"], env={"COLUMNS": "260"})
    assert everything.output.count("2024-01-01") >= 2
    assert Registry(settings.tracking_uri).models.champion(model) is None
