"""Scoring runs on real PostgreSQL and MLflow: pinned, repeated, tampered with."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sqlalchemy.exc import DBAPIError
from typer.testing import CliRunner, Result

from localstack.settings import ledger_url
from localstack.state import State
from support.audit_world import EASY, World, models_in, replaced
from support.retraining import TESTER, retrain
from support.stacks import execute_as, tiny_rows
from support.succession_world import write_model
from titleholder.cli.main import app
from titleholder.data import features, run_scores
from titleholder.errors import ContractError, DataError, ServiceError, UsageError
from titleholder.ledger import guards, score_history, score_runs
from titleholder.ledger.database import engine
from titleholder.ledger.score_runs import Entry, ScoreRun
from titleholder.registry.client import Registry
from titleholder.settings import connection_url
from titleholder.spec.loader import load_specs
from titleholder.spec.model import ModelSpec
from titleholder.training import contributions
from titleholder.training.contributions import Contributions
from titleholder.workflow import batch_scoring, interventions, score_audit
from titleholder.workflow.audit import audit
from titleholder.workflow.garbage.collection import collect
from titleholder.workflow.payloads import PinnedVersion, RollbackOrder
from titleholder.workflow.preflight import run as preflight

pytestmark = pytest.mark.slow
MODEL, LANE = "nightly", "scored"
DAY = date(2024, 3, 10)
TOMORROW = date(2024, 3, 11)
SCORING = """
scoring:
  query: nightly_scoring.sql
  window: 2 days
  lane: scored
  parquet: true
"""
SQL = """
select id, happened_at, happened_at as known_at, signal, noise, price, kind
from tiny where happened_at >= :window_start and happened_at < :window_end and happened_at <= :as_of
"""


@pytest.fixture(scope="module")
def world(state: State, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One model with a champion in the lane `scored`, and one in the live lane."""
    folder = tmp_path_factory.mktemp("models")
    write_model(folder, MODEL, judgement=EASY, promotion=SCORING)
    (folder / "nightly_scoring.sql").write_text(SQL)
    text = (folder / f"{MODEL}.yaml").read_text()  # what the query returns is known when the event happens
    declared = "{known_at: known_at, available_at: happened_at}"
    assert declared in text
    (folder / f"{MODEL}.yaml").write_text(text.replace(declared, "{known_at: happened_at}"))
    with models_in(folder, state) as settings:
        rows = [retrain(MODEL, date(2024, 1, 1), lane, settings) for lane in (LANE, "live")]
        assert [row.kind for row in rows] == ["promote"] * 2
        yield World(MODEL, settings, state, rows)


def spec() -> ModelSpec:
    return load_specs(only=MODEL)[MODEL]


def pin(world: World, day: date = DAY, lane: str = LANE) -> PinnedVersion:
    return batch_scoring.pin(spec(), day, lane, url=connection_url("warehouse"), origin=TESTER, settings=world.settings)


def score(world: World, pinned: PinnedVersion) -> ScoreRun:
    return batch_scoring.score(pinned, url=connection_url("warehouse"), settings=world.settings)


def stored(world: World, run: int) -> pd.DataFrame:
    with engine(world.settings.ledger_url).connect() as connection:
        query = f"SELECT * FROM titleholder.scores WHERE run = {run} ORDER BY position"
        return pd.read_sql(query, connection)


def events(day: date = DAY, days: int = 2) -> pd.DataFrame:
    rows, end = tiny_rows(), pd.Timestamp(day, tz="UTC")
    inside = (rows["happened_at"] >= end - pd.Timedelta(days=days)) & (rows["happened_at"] < end)
    return rows[inside].sort_values(["happened_at", "id"]).reset_index(drop=True)


def test_a_run_scores_the_window_with_the_pinned_version_and_says_what_it_rests_on(world: World) -> None:
    run = score(world, pin(world))
    rows, wanted = stored(world, run.id), events()
    made = world.rows[0]
    assert (run.version, run.decision, run.rows) == (made.challenger_version, made.id, len(wanted))
    assert rows["entity"].tolist() == wanted["id"].astype(str).tolist()
    assert rows["position"].tolist() == list(range(len(wanted)))
    logged = made.nominee.model
    model = Registry(world.settings.tracking_uri).models.read(logged.uri, logged.sha256, ModelSpec.restore(made.spec))
    features = wanted[["signal", "noise", "price", "kind"]].astype({"kind": object})
    np.testing.assert_allclose(rows["score"], model.predict_proba(features)[:, 1], rtol=0, atol=1e-12)
    assert hashlib.sha256(Path(run.input_uri).read_bytes()).hexdigest() == run.input_sha256
    assert pd.read_parquet(run.input_uri)["id"].tolist() == wanted["id"].tolist()
    pd.testing.assert_series_equal(pd.read_parquet(run.output_uri)["score"], rows["score"])
    assert (run.actor, run.written_by) == ("tester", "ledger")
    found = score_runs.digest_of(world.settings.ledger_url, run.id, timedelta(minutes=1))
    assert (found.hexdigest(), found.rows) == (run.scores_sha256, run.rows)


def test_pages_ask_the_ledger_as_its_reader_and_get_small_answers(world: World) -> None:
    runs = [score(world, pin(world)), score(world, pin(world, TOMORROW))]
    url = ledger_url(world.state, "ledger_reader")
    newest = score_history.newest(url, MODEL, LANE, 1)
    assert [(run.id, run.rows, run.version) for run in newest] == [(runs[1].id, runs[1].rows, runs[1].version)]
    assert [run.as_of for run in score_history.newest(url, MODEL, LANE, 60)] == [TOMORROW, DAY]
    (version,) = score_history.by_version(url, MODEL, LANE)
    assert (version.role, version.version, version.runs) == ("champion", runs[0].version, 2)
    assert (version.rows, version.first, version.last) == (sum(run.rows for run in runs), DAY, TOMORROW)
    assert score_history.newest_by_model(url, [MODEL, "no_such_model"], LANE)[MODEL].id == runs[1].id
    assert score_history.newest_by_model(url, [MODEL]) == {}, "nothing was scored in the lane live"


def test_a_repeated_run_finds_its_result_and_reads_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    first = score(world, pin(world))
    monkeypatch.setattr(batch_scoring.extraction, "extract", None)
    assert score(world, PinnedVersion.model_validate_json(pin(world).model_dump_json())) == first


def test_a_month_without_a_champion_scores_nothing_and_is_no_error(world: World) -> None:
    pinned = pin(world, date(2023, 12, 1))
    assert pinned.version is None
    with pytest.raises(UsageError, match="nightly had no champion in lane scored as of 2023-12-01: nothing is scored"):
        score(world, pinned)
    done = invoke("score", MODEL, "--as-of", "2023-12-01")
    assert (done.exit_code, "nothing was scored" in done.stdout) == (0, True)


def test_the_live_lane_goes_by_the_clock(world: World) -> None:
    assert pin(world, DAY, "live").version is None, "nobody was champion then, whatever the as-of date of its decision"
    assert pin(world, datetime.now(UTC).date(), "live").version == world.rows[1].challenger_version
    with pytest.raises(UsageError, match="lies in the future"):
        pin(world, datetime.now(UTC).date() + timedelta(days=2))
    with pytest.raises(UsageError, match="the window of 2 days would begin before 1900"):
        pin(world, date(1900, 1, 2))


def test_a_champion_that_changes_in_the_middle_of_a_run_and_one_that_comes_back(world: World) -> None:
    today = datetime.now(UTC).date()
    before = pin(world, today, "live")
    second = retrain(MODEL, date(2024, 2, 1), "live", world.settings)
    assert second.kind == "promote"
    runs = [score(world, before), score(world, pin(world, today, "live"))]
    order = RollbackOrder(reason="a test", actor="tester", run="x")
    back = interventions.rollback(MODEL, order, settings=world.settings, spec=spec())
    runs.append(score(world, pin(world, today, "live")))
    first = world.rows[1].challenger_version
    assert [run.version for run in runs] == [first, second.challenger_version, first]
    assert [run.decision for run in runs] == [world.rows[1].id, second.id, back.id]
    assert len({run.id for run in runs}) == 3, "a rollback adds a run and deletes none"


def test_current_scores_are_those_of_the_newest_as_of_date(world: World) -> None:
    later, earlier = score(world, pin(world, TOMORROW)), score(world, pin(world))
    both = set(stored(world, later.id)["entity"]) & set(stored(world, earlier.id)["entity"])
    with engine(world.settings.ledger_url).connect() as connection:
        current = pd.read_sql("SELECT * FROM titleholder.current_scores WHERE model = 'nightly'", connection)
    current = current[current["lane"] == LANE].set_index("entity")
    assert both
    assert current.index.is_unique
    assert set(current.loc[sorted(both), "run"]) == {later.id}


def test_everything_wrong_with_the_rows_is_one_error_and_no_run(world: World) -> None:
    sql = SQL.replace("id, happened_at,", "id % 3 as id, happened_at + interval '5 days' as happened_at, bad,")
    sql = sql.replace("noise,", "kind as noise,").replace(
        "happened_at as known_at", ":as_of + interval '1 s' as known_at"
    )
    pinned = pin(world, date(2024, 3, 12))
    broken = pinned.spec.scoring.model_copy(update={"sql": sql}) if pinned.spec.scoring else None
    pinned = pinned.model_copy(update={"spec": pinned.spec.model_copy(update={"scoring": broken})})
    count = len(score_runs.of_model(world.settings.ledger_url, MODEL))
    with pytest.raises(ContractError) as failed:
        score(world, pinned)
    for expected in (
        "5 violations", "bad: is the target, which a query for scoring must not return", "id: is not unique (",
        "happened_at: is outside the window [2024-03-10, 2024-03-12)", "noise: has the wrong type; it must be a number",
        "known_at: is after as_of 2024-03-12", "Correct nightly_scoring.sql",
    ):  # fmt: skip
        assert expected in str(failed.value)
    assert len(score_runs.of_model(world.settings.ledger_url, MODEL)) == count


TEXTS = {"signal": 'The signal, {"loud"}', "kind": "What kind it is"}


def asking(pinned: PinnedVersion, **reasons: Any) -> PinnedVersion:
    """The same run by a spec that asks for reasons."""
    scoring = pinned.spec.scoring.model_copy(update={"reason_texts": TEXTS} | reasons) if pinned.spec.scoring else None
    return pinned.model_copy(update={"spec": pinned.spec.model_copy(update={"scoring": scoring})})


def test_a_category_that_is_written_otherwise_and_a_feature_without_values_are_warned_of(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    sql = SQL.replace("kind", "upper(kind) as kind").replace("price", "null::float8 as price")
    run = score(world, asking(pin(world, date(2024, 3, 18)), sql=sql))
    assert run.rows
    said = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert f"{MODEL}, version {run.version}: price: none of {run.rows} rows has a value." in said
    (kind,) = [text for text in said if f"kind: {run.rows} of {run.rows} rows have a category" in text]
    assert "the model knows '" in kind
    caplog.clear()
    score(world, pin(world, date(2024, 3, 18)))
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == []


def test_a_run_gives_the_reasons_that_the_spec_asks_for(world: World) -> None:
    without = score(world, pin(world, date(2024, 3, 19)))
    pinned = asking(pin(world, date(2024, 3, 19)), reasons=2)
    run = score(world, pinned)
    assert (run.id, run.version) != (without.id, 0)
    assert run == score(world, pinned) == score_runs.find(world.settings.ledger_url, run)
    assert (without.reasons_for, without.reason_texts) == ("", {})
    assert (run.reasons_for, run.reason_texts) == ("high", TEXTS)
    assert stored(world, without.id)["reasons"].isna().all()
    rows, wanted = stored(world, run.id), events(date(2024, 3, 19))
    made = world.rows[0]
    logged, trained = made.nominee.model, ModelSpec.restore(made.spec)
    model = Registry(world.settings.tracking_uri).models.read(logged.uri, logged.sha256, trained)
    X = features.design_matrix(wanted, trained)
    values = Contributions(model, trained).of(X, rows["score"].to_numpy())
    names = trained.columns.features
    ranked = [sorted(zip(-row, names, strict=True), key=lambda of: of[0])[:2] for row in values]
    assert rows["reasons"].tolist() == [[name for value, name in row if value < 0] for row in ranked]
    assert rows["reasons"].map(len).max() == 2
    assert pd.read_parquet(run.output_uri)["reasons"].map(list).tolist() == rows["reasons"].tolist()
    found = score_runs.digest_of(world.settings.ledger_url, run.id, timedelta(minutes=1))
    assert found.hexdigest() == run.scores_sha256 != without.scores_sha256
    low = score(world, asking(pin(world, date(2024, 3, 19)), reasons=2, reasons_for="low"))
    assert low.id != run.id
    assert not any(
        set(up) & set(down) for up, down in zip(rows["reasons"], stored(world, low.id)["reasons"], strict=True)
    )


def test_current_scores_have_reasons_and_their_texts(world: World) -> None:
    run = score(world, asking(pin(world, date(2024, 3, 20)), reasons=4))
    with engine(world.settings.ledger_url).connect() as connection:
        query = f"SELECT entity, reasons, reason_texts FROM titleholder.current_scores WHERE run = {run.id}"
        current = pd.read_sql(query, connection)
    rows = stored(world, run.id).set_index("entity")["reasons"]
    assert len(current) == run.rows
    for entity, names, texts in current.itertuples(index=False):
        assert names == rows[entity]
        assert texts == [TEXTS.get(name, name) for name in names]


def test_an_audit_sees_that_reasons_were_changed(world: World) -> None:
    run = score(world, asking(pin(world, date(2024, 3, 21)), reasons=1))
    kept = stored(world, run.id)["reasons"][3]
    place = f"WHERE run = {run.id} AND position = 3"
    was = f"ARRAY[{', '.join(map(repr, kept))}]::text[]"
    change = "UPDATE titleholder.scores SET reasons"
    with tampered(world, f"{change} = '{{forged}}' {place}", f"{change} = {was} {place}"):
        found = audit([MODEL], settings=world.settings).findings
    assert [f.check for f in found] == ["scores"]
    assert audit([MODEL], settings=world.settings).findings == ()


def test_a_version_without_reasons_is_refused_by_name(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    pinned = asking(pin(world, date(2024, 3, 22)), reasons=1)
    monkeypatch.setattr(contributions, "unexplained", lambda *_: "Forest has no reasons; these estimators have: x")
    with pytest.raises(UsageError, match=f"version {pinned.version}: nightly: Forest has no reasons"):
        score(world, pinned)


def invoke(*words: str) -> Result:
    return CliRunner().invoke(app, [*words])


def test_the_command_line_runs_and_lists(world: World) -> None:
    done = invoke("score", MODEL, "--as-of", "2024-03-13", "--json")
    assert done.exit_code == 0, (done.output, done.exception)
    run = json.loads(done.stdout)
    assert run.pop("shadow") == {"runs": [], "failed": []}
    listed = json.loads(invoke("scores", MODEL, "--json").stdout)
    assert run in listed
    assert f"Run {run['id']}: {run['rows']} rows of [2024-03-11, 2024-03-13) scored by version" in (
        invoke("score", MODEL, "--as-of", "2024-03-13").stdout.replace("\n", " ")
    )
    assert "2024-03-13" in invoke("scores", MODEL, "--lane", LANE).stdout
    for words, said in (
        (("--lane", "scord"), f"`titleholder score {MODEL} --as-of 2023-03-01 --lane live`"),
        (("--lane", "live"), f"`titleholder score {MODEL} --as-of 2023-03-01 --lane {LANE}`"),
    ):
        done = invoke("score", MODEL, "--as-of", "2023-03-01", *words)
        assert (done.exit_code, said in done.stderr) == (0, True)
        assert "nothing was scored" in " ".join(done.stdout.split())
    for words, why in (
        ((), "give one of --input"), (("--as-of", "2024-03-13", "--input", "x"), "give one of --input"),
        (("--as-of", "2024-03-13", "--version", "1"), "--version goes with --input"),
        (("--input", "tiny", "--lane", "live"), "--lane goes with --as-of"),
    ):  # fmt: skip
        assert why in str(invoke("score", MODEL, *words).exception)


def an_entry(run: ScoreRun, **changes: Any) -> Entry:
    return Entry.model_validate(run.model_dump() | {"query_sha256": "0" * 64} | changes)


def batch(rows: int = 2) -> Any:
    import pyarrow as pa

    columns = [range(rows), [f"e{n}" for n in range(rows)], [0] * rows, [0.5] * rows, [None] * rows]
    arrays = [pa.array(list(c)).cast(f.type) for c, f in zip(columns, run_scores.SCHEMA, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=run_scores.SCHEMA)


@pytest.mark.parametrize(
    ("changes", "batches", "why"),
    [
        ({"rows": 3}, 1, "has 2 scores, not 3"),
        ({"rows": 1}, 1, "has 2 scores, not 1"),
        ({"rows": 4}, 2, "duplicate key"),
        ({"version": 99}, 1, "did not make version 99 of nightly champion in lane scored"),
        ({"lane": "live"}, 1, "did not make version"),
        ({"role": "king"}, 1, "did not make|role_check"),
        ({"scores_sha256": "x"}, 1, "scores_sha256_check"),
        ({"as_of": date(9999, 12, 31)}, 1, "the as-of date 9999-12-31 lies in the future"),
    ],
)
def test_the_database_takes_no_run_without_all_its_scores_nor_one_of_another_version(
    world: World, changes: dict[str, Any], batches: int, why: str
) -> None:
    made = an_entry(score(world, pin(world)), rows=2)
    entry = Entry.model_construct(**made.model_dump() | changes)
    with pytest.raises(DataError, match=why):
        score_runs.write(world.settings.ledger_url, entry, iter([batch()] * batches), timedelta(minutes=1))
    assert score_runs.find(world.settings.ledger_url, made) is None


@pytest.mark.parametrize("who", ["ledger", "ledger_owner", "ledger_reader"])
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE titleholder.scores SET score = 0",
        "DELETE FROM titleholder.scores",
        "TRUNCATE titleholder.scores",
        "UPDATE titleholder.score_runs SET version = 1",
        "DELETE FROM titleholder.score_runs",
        "TRUNCATE titleholder.score_runs",
        "INSERT INTO titleholder.scores (run, event_time, score, position, entity) "
        "SELECT max(id), now(), 0.5, 1, 'forged' FROM titleholder.score_runs",
        "INSERT INTO titleholder.scores (run, event_time, score, position, entity) VALUES (-1, now(), 0.5, 1, 'x')",
    ],
)
def test_no_role_changes_scores_or_adds_any_to_a_finished_run(world: World, who: str, statement: str) -> None:
    run = score(world, pin(world))
    with pytest.raises(DBAPIError, match=r"append-only|permission denied|was not begun by this transaction"):
        execute_as(world.state, who, statement)
    assert len(stored(world, run.id)) == run.rows


def test_the_reading_role_reads_scores_and_writes_none(world: World) -> None:
    run, url = score(world, pin(world)), ledger_url(world.state, "ledger_reader")
    assert run in score_runs.of_model(url, MODEL)
    with pytest.raises(ServiceError, match="permission denied"):
        score_runs.write(url, an_entry(run, rows=2), iter([batch()]), timedelta(minutes=1))


@contextmanager
def tampered(world: World, change: str, undo: str) -> Iterator[None]:
    """Scores after a statement of a superuser, and as they were before in the end."""
    with world.superuser() as cursor:
        _without_guards(cursor, change)
        try:
            yield
        finally:
            _without_guards(cursor, undo)


def _without_guards(cursor: Any, statement: str) -> None:
    for switch in ("DISABLE", "ENABLE ALWAYS"):
        for trigger in ("no_change", "only_own_run"):
            cursor.execute(f"ALTER TABLE titleholder.scores {switch} TRIGGER {trigger}")
        if switch == "DISABLE":
            cursor.execute(statement)


def test_an_audit_is_quiet_and_then_names_the_run_of_a_score_that_was_changed_added_or_removed(world: World) -> None:
    run = score(world, pin(world))
    report = audit([MODEL], settings=world.settings)
    assert report.findings == ()
    assert report.score_runs == len(score_runs.of_model(world.settings.ledger_url, MODEL))
    place = f"WHERE run = {run.id} AND position = 3"
    kept = stored(world, run.id).iloc[3]
    value = float(kept.score)
    row = f"({run.id}, '{kept.event_time}', {value!r}, 3, '{kept.entity}')"
    whole = "titleholder.scores (run, event_time, score, position, entity)"
    for change, undo in (
        (f"UPDATE titleholder.scores SET score = score + 1e-9 {place}", f"UPDATE titleholder.scores SET score = {value!r} {place}"),
        (f"DELETE FROM titleholder.scores {place}", f"INSERT INTO {whole} VALUES {row}"),
        (f"INSERT INTO {whole} VALUES ({run.id}, now(), 0.5, 100000, 'added')", "DELETE FROM titleholder.scores WHERE entity = 'added'"),
    ):  # fmt: skip
        with tampered(world, change, undo):
            found = audit([MODEL], settings=world.settings).findings
        assert [(f.check, f.lane, f.decision) for f in found] == [("scores", LANE, run.decision)], found
        assert f"Scoring run {run.id}" in found[0].explanation
    assert audit([MODEL], settings=world.settings).findings == ()


def test_a_collection_keeps_what_a_scoring_run_rests_on_and_deletes_what_none_does(world: World) -> None:
    run = score(world, pin(world, date(2024, 3, 17)))
    stray = Path(run.input_uri).with_name(f"{'ab' * 32}.parquet")
    stray.write_bytes(b"of a run that was never written")
    later = {"older_than": timedelta(0), "now": time.time() + 60, "settings": world.settings}
    collect([MODEL], **later, delete=True)
    assert not stray.exists()
    for known in score_runs.of_model(world.settings.ledger_url, MODEL):
        assert Path(known.input_uri).exists()
        assert not known.output_uri or Path(known.output_uri).exists()


def test_check_runs_the_scoring_query_and_names_what_is_wrong_with_its_columns(world: World, tmp_path: Path) -> None:
    def found() -> list[tuple[str, str]]:
        return [(f.outcome, f.explanation) for f in preflight.check(MODEL).findings if f.step == "scoring"]

    assert found() == [("ok", "nightly_scoring.sql returns what a version needs, and no outcome.")]
    query = Path(os.environ["TITLEHOLDER_MODELS"]) / "nightly_scoring.sql"
    with replaced(
        query, SQL.replace("signal,", "bad, extra,").replace("from tiny", "from tiny, (select 1 as extra) x").encode()
    ):
        faults = found()
    assert [outcome for outcome, _ in faults] == ["fault", "fault"]
    assert "bad: is the target" in faults[0][1]
    assert "- signal" in faults[1][1]
    assert "+ extra" in faults[1][1]
    with replaced(query, SQL.replace("from tiny", "from nowhere").encode()):
        ((outcome, explanation),) = found()
    assert outcome == "fault"
    assert "nightly_scoring.sql, line 3 (`from nowhere where happened_at >= :window_start" in explanation


def test_an_audit_counts_the_scores_of_older_runs(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    old = score(world, pin(world))
    score(world, pin(world, date(2024, 3, 18)))
    monkeypatch.setattr(score_audit.to_compare, "__defaults__", (1,))
    runs = len(score_runs.of_model(world.settings.ledger_url, MODEL))
    report = audit([MODEL], settings=world.settings)
    assert (report.findings, report.score_runs, report.scores_counted) == ((), runs, runs - 1)
    place = f"WHERE run = {old.id} AND position = 3"
    kept = stored(world, old.id).iloc[3]
    row = f"({old.id}, '{kept.event_time}', {float(kept.score)!r}, 3, '{kept.entity}')"
    undo = f"INSERT INTO titleholder.scores (run, event_time, score, position, entity) VALUES {row}"
    with tampered(world, f"DELETE FROM titleholder.scores {place}", undo):
        (found,) = audit([MODEL], settings=world.settings).findings
    assert (
        f"Scoring run {old.id} (as of 2024-03-10, version 1) wrote {old.rows} scores, and has {old.rows - 1} now"
        in found.explanation
    )


def test_an_audit_names_a_scoring_run_whose_input_is_gone(world: World) -> None:
    run = score(world, pin(world, date(2024, 3, 16)))
    path = Path(run.input_uri)
    content = path.read_bytes()
    path.unlink()
    try:
        (found,) = audit([MODEL], settings=world.settings).findings
    finally:
        path.write_bytes(content)
    assert found.check == "snapshot"
    assert f"Scoring run {run.id}" in found.explanation


def test_the_guards_of_the_ledger_know_the_tables_of_scores(world: World) -> None:
    for harm, said in (
        ("DROP TRIGGER only_own_run ON titleholder.scores", "The trigger only_own_run on scores is gone"),
        ("ALTER TABLE titleholder.score_runs DISABLE TRIGGER complete", "The trigger complete on score_runs"),
        ("GRANT UPDATE ON titleholder.scores TO ledger", "The role ledger has the right to UPDATE on titleholder.scores"),
    ):  # fmt: skip
        with world.harmed(harm) as connection:
            faults = list(guards.faults_seen_by(connection))
        assert len(faults) == 1
        assert said in faults[0]


NEXT = "(select t.price from tiny as t where t.happened_at > tiny.happened_at order by t.happened_at limit 1)"
LEAKY = SQL.replace("noise,", f"{NEXT} as noise,")


def test_the_leak_test_knows_the_scoring_query(world: World) -> None:
    query = Path(os.environ["TITLEHOLDER_MODELS"]) / "nightly_scoring.sql"
    sound = invoke("leaktest", MODEL, "--scoring", "--as-of", str(DAY), "--json")
    assert json.loads(sound.stdout)["leaks"] == [], sound.output
    with replaced(query, LEAKY.encode()):
        done = invoke("leaktest", MODEL, "--scoring", "--as-of", str(DAY), "--json")
    assert done.exit_code == 1, done.output
    found = {(leak["test"], leak["column"]) for leak in json.loads(done.stdout)["leaks"]}
    assert found == {("future", "noise"), ("event", "noise")}
    with replaced(query, SQL.replace("signal,", "bad,").encode()):
        failed = invoke("leaktest", MODEL, "--scoring", "--as-of", str(DAY)).exception
    assert "bad: is the target, which a query for scoring must not return" in str(failed)


def test_the_leak_test_asks_a_scoring_query_for_no_protected_column(world: World) -> None:
    """Nor for segments: `check` accepts a query without them, and here PostgreSQL said `column o.noise does not exist`."""
    spec = Path(os.environ["TITLEHOLDER_MODELS"]) / "nightly.yaml"
    changed = spec.read_text().replace(
        "numeric: [signal, noise, price]", "numeric: [signal, price]\n  protected: [noise]"
    )
    query = spec.with_name("nightly_scoring.sql")
    with replaced(spec, changed.encode()), replaced(query, SQL.replace("noise,", "").encode()):
        done = invoke("leaktest", MODEL, "--scoring", "--as-of", str(DAY), "--json")
    assert json.loads(done.stdout)["leaks"] == [], done.output
