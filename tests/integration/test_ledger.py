"""The ledger on real PostgreSQL: append-only, chained, one line under concurrency."""

from __future__ import annotations

import itertools
import json
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import date, datetime, timedelta
from typing import Any

import adbc_driver_manager
import pyarrow as pa
import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import DBAPIError, ProgrammingError

from localstack.settings import ledger_url
from localstack.state import State
from support.factories import result
from support.rows import append, entry
from support.stacks import execute_as
from titleholder.data import warehouse
from titleholder.errors import DataError, ServiceError
from titleholder.ledger import database, lane_records, reigns, reports, store
from titleholder.ledger.database import engine as ledger_engine
from titleholder.ledger.database import reachable
from titleholder.ledger.decision import Entry, written_form
from titleholder.ledger.integrity import digest
from titleholder.ledger.migrations import migrate
from titleholder.settings import Settings

pytestmark = pytest.mark.slow


def test_a_row_reads_back_as_it_was_written_and_its_hash_holds(settings: Settings) -> None:
    written = append(settings, entry("roundtrip"))
    read = store.read(settings.ledger_url, "paper", "roundtrip")[-1]
    assert read == written
    assert digest(store.stored(settings.ledger_url, "paper", "roundtrip")[-1]) == read.hash


def test_rows_are_chained_by_hash(settings: Settings) -> None:
    rows = [append(settings, entry("chain", version=n)) for n in (1, 2, 3)]
    assert [r.sequence for r in rows] == [1, 2, 3]
    assert [r.previous_hash for r in rows] == ["", rows[0].hash, rows[1].hash]


def engine_of(state: State, role: str) -> Engine:
    return create_engine(ledger_url(state, role))


@pytest.mark.parametrize("who", ["ledger", "ledger_owner", "ledger_reader"])
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE titleholder.decisions SET reason = 'forged'",
        "DELETE FROM titleholder.decisions",
        "TRUNCATE titleholder.decisions",
        "UPDATE titleholder.lane_records SET reason = 'forged'",
        "DELETE FROM titleholder.lane_records",
        "TRUNCATE titleholder.lane_records",
        "UPDATE titleholder.reports SET sha256 = 'forged'",
        "DELETE FROM titleholder.reports",
        "TRUNCATE titleholder.reports",
        "UPDATE titleholder.seals SET hash = 'forged'",
        "DELETE FROM titleholder.seals",
        "TRUNCATE titleholder.seals",
    ],
)
def test_the_database_refuses_to_change_history(settings: Settings, state: State, who: str, statement: str) -> None:
    row = append(settings, entry("guard"))
    lane_records.add(settings.ledger_url, "paper", "guard", "archive", "tester", "")
    reports.add(settings.ledger_url, "paper", "guard", "r", {"card.html": "0" * 64}, row.id)
    with pytest.raises(DBAPIError, match=r"append-only|permission denied"):
        execute_as(state, who, statement)


COPY = """
INSERT INTO titleholder.decisions ({columns}) SELECT {columns} FROM titleholder.decisions ORDER BY id LIMIT 1
"""


@pytest.mark.parametrize("who", ["ledger", "ledger_reader"])
@pytest.mark.parametrize(
    "statement",
    [
        COPY.format(columns="model, lane, sequence, as_of, kind, hash"),
        "INSERT INTO titleholder.lane_records (model, lane, kind, actor, reason) VALUES ('a', 'b', 'delete', 'c', '')",
        "INSERT INTO titleholder.reports (model, lane, run_id, file, sha256) VALUES ('a', 'b', 'c', 'd', 'e')",
        "SELECT setval('titleholder.decisions_id_seq', 1)",
        "SELECT nextval('titleholder.decisions_id_seq')",
        "ALTER TABLE titleholder.decisions DISABLE TRIGGER no_change",
        "CREATE TABLE titleholder.mine (x int)",
        "CREATE OR REPLACE FUNCTION titleholder.digest(titleholder.decisions) RETURNS text LANGUAGE sql AS 'SELECT 1'",
        "INSERT INTO titleholder.seals (model, lane, of, number, previous_hash, hash) VALUES ('a', 'b', 'c', 1, '', '')",
        "SELECT titleholder.newest_seal('paper', 'live')",
        "SELECT titleholder.check_place(d, '', '', 1) FROM titleholder.decisions AS d",
        "SET ROLE ledger_owner",
    ],
)
def test_no_role_of_the_services_writes_past_the_function(
    settings: Settings, state: State, who: str, statement: str
) -> None:
    append(settings, entry("guard"))
    with pytest.raises(ProgrammingError, match=r"permission denied|must be owner"):
        execute_as(state, who, statement)


def test_the_reading_role_reads_and_appends_nothing(settings: Settings, state: State) -> None:
    row, url = append(settings, entry("read-only")), ledger_url(state, "ledger_reader")
    assert store.read(url, "paper", "read-only") == [row]
    for write in (
        lambda: store.append(url, [entry("read-only", version=2)], after=1),
        lambda: lane_records.add(url, "paper", "read-only", "delete", "mallory", ""),
        lambda: reports.add(url, "paper", "read-only", "r", {"card.html": "0" * 64}, row.id),
    ):
        with pytest.raises(ServiceError, match="permission denied"):
            write()
    assert store.read(url, "paper", "read-only") == [row]


def rollback(lane: str, before: int | None, after: int | None, **parts: object) -> Entry:
    blank = {"challenger_version": None, "verdict": None, "spans": None}
    return entry(lane).model_copy(
        update={**blank, "kind": "rollback", "champion_before": before, "champion_after": after, **parts}
    )


def test_a_backdated_rollback_by_somebody_else_becomes_one_of_now_by_the_role_that_wrote_it(
    settings: Settings, state: State
) -> None:
    """All that a writer says of place and time is ignored. Only the names that people gave can be false."""
    model = {"model": "backdated"}
    for version, before in ((1, None), (2, 1)):
        append(settings, entry("live", version=version, before=before).model_copy(update=model))
    forged = json.loads(written_form([rollback("live", 2, 1, actor="cfo").model_copy(update=model)]))
    forged[0] |= {
        "id": 1, "sequence": 1, "created_at": "2020-01-01", "written_by": "cfo", "previous_hash": "", "hash": "0", "seal": "0",
        "caused_by": 1, "fit": True,
    }  # fmt: skip
    with engine_of(state, "ledger").begin() as connection:
        statement = text("SELECT * FROM titleholder.append(2, CAST(:entries AS json))")
        connection.execute(statement, {"entries": json.dumps(forged)}).one()
        now = connection.scalar(text("SELECT clock_timestamp()"))
    rows = store.read(settings.ledger_url, "backdated", "live")
    row = rows[-1]
    assert (row.sequence, row.previous_hash, row.caused_by, row.seal) == (3, rows[1].hash, None, "")
    assert (row.actor, row.written_by) == ("cfo", "ledger")
    assert rows[1].created_at < row.created_at <= now
    assert digest(store.stored(settings.ledger_url, "backdated", "live")[-1]) == row.hash


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (entry("live", version=3), "champion_before is null, but version 2 is champion before this decision"),
        (entry("live", version=3, before=1), "champion_before is 1, but version 2 is champion"),
        (entry("live", version=3, before=2).model_copy(update={"champion_after": 4}), "champion_follows_from_kind"),
        (entry("live", kind="keep", version=3, before=2).model_copy(update={"champion_after": 3}), "champion_follows"),
        (entry("live", version=3, before=2).model_copy(update={"reason": "x" * 2**20}), "bytes, .* at most 33554432 and"),
        (entry("live", version=3, before=2).model_copy(update={"spec": {"x": "y" * 2**25}}), "bytes, .* at most 33554432"),
        (rollback("live", 2, 9), "a rollback cannot lead to version 9, which this lane does not know"),
        (rollback("live", 2, 2), "champion_follows_from_kind"),
        (rollback("live", 2, None), "champion_follows_from_kind"),
        (rollback("live", 2, 1, kind="decline"), "champion_follows_from_kind"),
        (rollback("live", 2, 1, kind="withdraw"), "champion_follows_from_kind"),
        (rollback("live", 2, None, kind="withdraw", challenger_version=3), "decisions_check"),
        (entry("live", date(2024, 2, 1), "recall", version=3, before=2, recalled=7), "a recall cannot lead to version 7"),
        (entry("live", kind="recall", version=3, before=2, recalled=1), "a recall cannot lead to version 1"),
        (entry("live", kind="keep", version=3, before=2).model_copy(update={"kind": "crown"}), "decisions_kind_check"),
        (entry("live\n", version=3), "decisions_lane_check"),
        (entry("live", version=-3, before=2), "decisions_cha"),
        (entry("live", kind="keep", version=3, before=2).model_copy(update={"reason": "\0"}), "unsupported Unicode"),
        (entry("live", version=3, before=2).model_copy(update={"spec": [1]}), "decisions_spec_check"),
        (entry("live", date(9999, 12, 31), version=3, before=2), "the as-of date 9999-12-31 lies in the future"),
        (entry("live", version=3, before=2).model_copy(update={"spans": {"holdout_start": "soon"}}), "soon"),
    ],
)  # fmt: skip
def test_a_champion_out_of_nowhere_is_refused(settings: Settings, made: Entry, message: str) -> None:
    model = {"model": "guarded"}
    if not store.read_lane(settings.ledger_url, "guarded", "live"):
        for version, before in ((1, None), (2, 1)):
            append(settings, entry("live", version=version, before=before).model_copy(update=model))
    with pytest.raises(DataError, match=f"the ledger refused the row: .*{message}"):
        append(settings, made.model_copy(update=model))
    assert len(store.read_lane(settings.ledger_url, "guarded", "live")) == 2


def test_entries_of_two_lanes_are_never_written_together(settings: Settings) -> None:
    with pytest.raises(DataError, match="one model and one lane"):
        append(settings, entry("one"), entry("another", version=2, before=1))
    assert store.read(settings.ledger_url, "paper", "one") == []


def test_a_record_of_a_lane_has_the_time_of_now_and_the_role_that_wrote_it(settings: Settings, state: State) -> None:
    append(settings, entry("recorded"))
    lane_records.add(settings.ledger_url, "paper", "recorded", "archive", "tester", "old")
    with pytest.raises(DataError, match="paper has no decision in lane nowhere"):
        lane_records.add(settings.ledger_url, "paper", "nowhere", "delete", "tester", "")
    with engine_of(state, "ledger").begin() as connection:
        found = text("SELECT written_by, clock_timestamp() - created_at FROM titleholder.lane_records WHERE lane = :of")
        ((by, age),) = connection.execute(found, {"of": "recorded"})
    assert by == "ledger"
    assert abs(age.total_seconds()) < 60


A, B = "a" * 64, "b" * 64


def test_a_report_may_have_every_sha256_that_was_recorded_of_it(settings: Settings, state: State) -> None:
    """Whoever draws it again records it again, in any order; a page reads it as the role that only reads."""
    url, reading = settings.ledger_url, ledger_url(state, "ledger_reader")
    row = append(settings, entry("drawn"))
    assert reports.of_decision(reading, row.id) is None
    for sha256 in (A, B, A):
        reports.add(url, "paper", "drawn", "r", {"card.html": sha256}, row.id)
    card = reports.Report("drawn", row.id, "r", "card.html", frozenset({A, B}))
    assert reports.of_decision(reading, row.id) == card
    for run in ("old", "new"):
        reports.add(url, "paper", "drawn", run, {"backtest.html": A, "backtest.json": B})
    newest = reports.Report("drawn", None, "new", "backtest.html", frozenset({A}))
    assert reports.newest_backtest(reading, "paper", "drawn", "backtest.html") == newest
    assert reports.newest_backtest(reading, "paper", "elsewhere", "backtest.html") is None
    assert next(r for r in reports.of_model(reading, "paper") if r.lane == "drawn") == card
    with engine_of(state, "ledger").begin() as connection:
        written = text(
            "SELECT DISTINCT written_by, clock_timestamp() - created_at < '1min' FROM titleholder.reports WHERE lane = 'drawn'"
        )
        assert connection.execute(written).all() == [("ledger", True)]


@pytest.mark.parametrize(
    "wrong",
    [
        {"lane": "another"}, {"model": "another"}, {"run_id": "another"}, {"decision": 2**40}, {"sha256": {"x": "0"}},
        {"sha256": {"../x": A}}, {"run_id": "a/../b", "decision": None}, {"lane": "nowhere", "decision": None},
    ],
)  # fmt: skip
def test_a_report_of_something_else_than_its_decision_is_refused(settings: Settings, wrong: dict[str, Any]) -> None:
    row = append(settings, entry("refused"))
    about = {"model": "paper", "lane": "refused", "run_id": "r", "sha256": {"card.html": A}, "decision": row.id}
    with pytest.raises(DataError, match="the ledger refused the row"):
        reports.add(settings.ledger_url, **{**about, **wrong})
    assert reports.of_decision(settings.ledger_url, row.id) is None


ODD = {
    "text": "Zoë 🦀 \" \\ \n\t\x7f \u2028 'quoted' %s :name ${x}", "empty": "", "null": None, "float": [0.1, 1e-7, 1e300, -0.0],
    "huge": 10**40, "deep": {"b": [], "a": {}}, "flag": True,
}  # fmt: skip


def test_both_sides_hash_odd_values_alike(settings: Settings, state: State) -> None:
    made = entry("odd").model_copy(
        update={"spec": ODD, "reason": ODD["text"], "actor": "", "seed": -(2**63), "trained_through": date(1, 1, 1)}
    )
    written = append(settings, made)
    (row,) = store.stored(settings.ledger_url, "paper", "odd")
    assert row["spec"] == json.dumps(ODD, sort_keys=True), "the text is stored as it was given"
    assert digest(row) == row["hash"] == written.hash
    assert store.read(settings.ledger_url, "paper", "odd") == [written]
    with engine_of(state, "ledger_owner").begin() as connection:
        unlike = text("SELECT count(*) FROM titleholder.decisions AS d WHERE titleholder.digest(d) <> hash")
        assert connection.scalar(unlike) == 0
        for moment in ("2024-01-01 00:00:00+00", "0001-01-01 00:00:00.12+00", "9999-12-31 23:59:59.999999+00"):
            found = text("SELECT titleholder.digest(d) FROM (SELECT (json_populate_record(d, CAST(:new AS json))).* "
                         "FROM titleholder.decisions AS d WHERE id = :id) AS d")  # fmt: skip
            new = {"new": json.dumps({"created_at": moment, "caused_by": 2**62}), "id": row["id"]}
            expected = row | {"created_at": datetime.fromisoformat(moment), "caused_by": 2**62}
            assert connection.scalar(found, new) == digest(expected)


@pytest.mark.parametrize("name", ["deep", "long"])
def test_a_row_that_no_reader_takes_is_an_error_of_its_lane(settings: Settings, state: State, name: str) -> None:
    """The role that appends may write one past this package: PostgreSQL takes more than Python reads."""
    document = {"deep": "[" * 2000 + "]" * 2000, "long": "9" * 5000}[name]
    made = written_form([entry(f"odd-{name}")]).replace('"huge": 1e+20', f'"huge": {document}')
    assert document in made
    with engine_of(state, "ledger").begin() as connection:
        connection.execute(text("SELECT titleholder.append(0, CAST(:new AS json))"), {"new": made})
    for reading in (store.read_lane, store.read):
        with pytest.raises(DataError, match="cannot be read by this version"):
            reading(settings.ledger_url, "paper", f"odd-{name}")


def test_sixteen_writers_make_one_unbroken_line(settings: Settings) -> None:
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda n: append(settings, entry("crowd", version=n)), range(1, 33)))
    rows = store.read(settings.ledger_url, "paper", "crowd")
    assert [r.sequence for r in rows] == list(range(1, 33))
    assert all(b.previous_hash == a.hash for a, b in itertools.pairwise(rows))


def test_a_plan_that_was_overtaken_writes_nothing(settings: Settings) -> None:
    append(settings, entry("overtaken", version=1))
    assert store.append(settings.ledger_url, [entry("overtaken", version=2)], after=0) is None
    assert store.append(settings.ledger_url, [entry("overtaken", version=2)], after=2) is None
    assert [r.challenger_version for r in store.read(settings.ledger_url, "paper", "overtaken")] == [1]


def test_a_decision_and_its_consequences_are_written_together_or_not_at_all(settings: Settings) -> None:
    april, may = date(2024, 4, 1), date(2024, 5, 1)
    first = append(settings, entry("caused", april), entry("caused", may, version=2, before=1))
    rows = store.read(settings.ledger_url, "paper", "caused")
    assert [r.caused_by for r in rows] == [None, first.id]
    assert rows[1].actor == "tester", "a month that is re-judged keeps who asked for it"
    refused = entry("caused", may, version=3).model_copy(update={"kind": "crown"})
    with pytest.raises(DataError):
        store.append(settings.ledger_url, [entry("caused", april, version=4), refused], after=2)
    assert store.read(settings.ledger_url, "paper", "caused") == rows


def test_a_recall_is_refused_unless_its_verdict_names_the_champion(settings: Settings) -> None:
    append(settings, entry("recall", version=1))
    append(settings, entry("recall", date(2024, 1, 15), "keep", version=3, before=1))
    recall = entry("recall", date(2024, 2, 1), "recall", version=2, before=1, recalled=3)
    for forged in ({"champion_after": 4}, {"champion_after": None}, {"verdict": entry("recall").verdict}):
        with pytest.raises(DataError):
            store.append(settings.ledger_url, [recall.model_copy(update=forged)], after=2)
    assert append(settings, recall).champion_after == 3


def test_a_lane_is_read_narrowly_and_agrees_with_its_decisions(settings: Settings) -> None:
    def of(*parts: Any, **more: Any) -> Entry:
        return entry(*parts, **more).model_copy(update={"model": "narrowly"})

    for n, kind in ((1, "promote"), (2, "keep"), (3, "promote")):
        append(settings, of("live", date(2024, n, 1), kind, version=n, before=(n > 1 and 1) or None))
    checks = {
        4: result("TH201", "fail"), 5: result("TH503", "fail"), 6: result("TH301", "fail"),
        7: result("TH401", "fail", "warn"), 8: result("TH203"),
    }  # fmt: skip
    for n, check in checks.items():
        made = of("live", date(2024, n, 1), "keep", version=n, before=3)
        verdict = made.verdict.model_copy(update={"checks": (check,)}) if made.verdict else None
        append(settings, made.model_copy(update={"verdict": verdict}))
    rollback = {"kind": "rollback", "challenger_version": None, "verdict": None, "spans": None, "champion_after": 1}
    append(settings, of("live", date(2024, 9, 1), "keep", before=3).model_copy(update=rollback))
    whole, narrow = (read(settings.ledger_url, "narrowly", "live") for read in (store.read, store.read_lane))
    for decision, row in zip(whole, narrow, strict=True):
        for name in (
            "id", "sequence", "as_of", "kind", "champion_after", "matured", "look", "fit", "rule", "cohorts", "ranking",
            "changed", "created_at",
        ):  # fmt: skip
            assert getattr(row, name) == getattr(decision, name), name
        assert row.spec == (decision.spec if decision.changed else None)
    assert [row.fit for row in narrow] == [True, True, True, False, False, True, True, True, True]
    assert reigns.reign_before(narrow, "live", date(2025, 1, 1)) == reigns.reign_before(whole, "live", date(2025, 1, 1))


def test_a_fold_goes_by_as_of_order_whatever_the_order_of_writing(settings: Settings) -> None:
    march, january = date(2024, 3, 1), date(2024, 1, 1)
    append(settings, entry("fold", march, version=3))
    append(settings, entry("fold", january, version=1))
    rows = store.read(settings.ledger_url, "paper", "fold")
    assert [r.as_of for r in reigns.in_force(rows, "fold")] == [january, march]
    reign = reigns.reign_before(rows, "fold", march)
    assert reign is not None
    assert reign.version == 1
    assert reigns.reign_before(rows, "fold", january) is None


def test_which_version_was_champion_on_a_date(settings: Settings) -> None:
    append(settings, entry("dates", date(2024, 1, 1), version=1))
    append(settings, entry("dates", date(2024, 2, 1), "keep", version=2, before=1))
    append(settings, entry("dates", date(2024, 3, 1), version=3, before=1))
    rows = store.read(settings.ledger_url, "paper", "dates")
    days = (date(2023, 12, 31), date(2024, 2, 28), date(2024, 3, 1))
    found = [reigns.reign_after(rows, reigns.until(rows, "dates", day, by_clock=False)) for day in days]
    assert [r.version if r else None for r in found] == [None, 1, 3]
    assert "dates" in store.lanes(settings.ledger_url, "paper")


def test_runs_plan_in_a_lane_one_after_the_other(settings: Settings) -> None:
    url, planned = settings.ledger_url, []

    def plan(number: int) -> None:
        with store.in_turn(url, "paper", "turns"):
            planned.append(number)

    with ThreadPoolExecutor() as threads:
        with store.in_turn(url, "paper", "turns"):
            waiting = threads.submit(plan, 2)
            with store.in_turn(url, "paper", "another lane"):
                assert not wait([waiting], timeout=1).done
            planned.append(1)
        waiting.result(timeout=10)
    assert planned == [1, 2]


def test_a_run_whose_turn_does_not_come_or_is_ended_plans_all_the_same(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server ends the transaction of a client that plans for long, or was stopped."""
    monkeypatch.setattr(store, "TURN", 0.5)
    monkeypatch.setattr(database, "IDLE_TIMEOUT", 1)
    with store.in_turn(settings.ledger_url, "paper", "busy"):
        with store.in_turn(settings.ledger_url, "paper", "busy"):
            row = append(settings, entry("busy"))
        monkeypatch.setattr(store, "TURN", 60)
        began = time.monotonic()
        with store.in_turn(settings.ledger_url, "paper", "busy"):
            assert time.monotonic() - began < 30, "the first one's turn was ended"
    assert store.read(settings.ledger_url, "paper", "busy") == [row]


def test_migrating_twice_is_migrating_once(state: State, settings: Settings) -> None:
    before = store.read(settings.ledger_url, "paper", "dates")
    migrate(ledger_url(state, "ledger_owner"))
    migrate(ledger_url(state, "ledger_owner"))
    assert store.read(settings.ledger_url, "paper", "dates") == before


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGSTOP])
def test_a_vanished_client_frees_the_lock_in_seconds(settings: Settings, end: signal.Signals) -> None:
    """A killed process closes its socket; a stopped one, like a machine that is gone, says nothing ever after."""
    name = f"vanished-{end.name.lower()}"
    code = """
import sys, time
from sqlalchemy import text
from titleholder.ledger import store
with store.locking(sys.argv[1], store.LOCK_IDLE) as connection:
    connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": sys.argv[2]})
    print("held", flush=True)
    time.sleep(600)
"""
    command = [sys.executable, "-c", code, settings.ledger_url, f"titleholder:paper:{name}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout
            assert holder.stdout.readline() == "held\n"
            holder.send_signal(end)
            began = time.monotonic()
            append(settings, entry(name))
            took = time.monotonic() - began
        finally:
            holder.kill()
    assert took < (store.LOCK_IDLE + 5 if end == signal.SIGSTOP else 5)
    assert end == signal.SIGKILL or took > 2, "the lock was held"


def test_a_statement_that_hangs_ends_by_itself(settings: Settings) -> None:
    with (
        pytest.raises(ServiceError, match="statement timeout"),
        reachable(),
        ledger_engine(settings.ledger_url, short=True).begin() as connection,
    ):
        connection.exec_driver_sql("SELECT pg_sleep(60)")


def test_the_warehouse_ends_a_query_that_takes_too_long(env: dict[str, str]) -> None:
    began = time.monotonic()
    with warehouse.rows(env["AIRFLOW_CONN_WAREHOUSE"], "warehouse", timedelta(seconds=1)) as cursor:
        cursor.execute("SELECT pg_sleep(60)")
        with pytest.raises((adbc_driver_manager.Error, pa.ArrowException, OSError), match="statement timeout"):
            cursor.fetchall()
    assert time.monotonic() - began < 10
