"""The ledger on real PostgreSQL: append-only, chained, one line under concurrency."""

from __future__ import annotations

import itertools
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta

import adbc_driver_manager
import pyarrow as pa
import pytest
from sqlalchemy import create_engine
from sqlalchemy.exc import DBAPIError, IntegrityError

from support.factories import result
from support.rows import append, entry
from titleholder.data import warehouse
from titleholder.errors import ServiceError
from titleholder.ledger import lane_records, reigns, store
from titleholder.ledger.database import engine as ledger_engine
from titleholder.ledger.database import reachable
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


@pytest.mark.parametrize("who", ["TITLEHOLDER_LEDGER_URL", "TITLEHOLDER_LEDGER_OWNER_URL"])
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE titleholder.decisions SET reason = 'forged'",
        "DELETE FROM titleholder.decisions",
        "TRUNCATE titleholder.decisions",
        "UPDATE titleholder.lane_records SET reason = 'forged'",
        "DELETE FROM titleholder.lane_records",
        "TRUNCATE titleholder.lane_records",
    ],
)
def test_the_database_refuses_to_change_history(
    settings: Settings, env: dict[str, str], who: str, statement: str
) -> None:
    append(settings, entry("guard"))
    lane_records.add(settings.ledger_url, "paper", "guard", "archive", "tester", "")
    engine = create_engine(env[who])
    with pytest.raises(DBAPIError, match=r"append-only|permission denied"), engine.begin() as connection:
        connection.exec_driver_sql(statement)


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
    with pytest.raises(IntegrityError):
        store.append(settings.ledger_url, [entry("caused", april, version=4), refused], after=2)
    assert store.read(settings.ledger_url, "paper", "caused") == rows


def test_a_recall_is_refused_unless_its_verdict_names_the_champion(settings: Settings) -> None:
    append(settings, entry("recall", version=1))
    recall = entry("recall", date(2024, 2, 1), "recall", version=2, before=1, recalled=3)
    for forged in ({"champion_after": 4}, {"champion_after": None}, {"verdict": entry("recall").verdict}):
        with pytest.raises(IntegrityError):
            store.append(settings.ledger_url, [recall.model_copy(update=forged)], after=1)
    assert append(settings, recall).champion_after == 3


def test_a_lane_is_read_narrowly_and_agrees_with_its_decisions(settings: Settings) -> None:
    for n, kind in ((1, "promote"), (2, "keep"), (3, "promote")):
        append(settings, entry("narrow", date(2024, n, 1), kind, version=n, before=(n > 1 and 1) or None))
    checks = {
        4: result("TH201", "fail"), 5: result("TH503", "fail"), 6: result("TH301", "fail"),
        7: result("TH401", "fail", "warn"), 8: result("TH203"),
    }  # fmt: skip
    for n, check in checks.items():
        made = entry("narrow", date(2024, n, 1), "keep", version=n, before=3)
        verdict = made.verdict.model_copy(update={"checks": (check,)}) if made.verdict else None
        append(settings, made.model_copy(update={"verdict": verdict}))
    rollback = {"kind": "rollback", "challenger_version": None, "verdict": None, "spans": None, "champion_after": 1}
    append(settings, entry("narrow", date(2024, 9, 1), "keep", before=3).model_copy(update=rollback))
    whole, narrow = (read(settings.ledger_url, "paper", "narrow") for read in (store.read, store.read_lane))
    for decision, row in zip(whole, narrow, strict=True):
        for name in (
            "id", "sequence", "as_of", "kind", "champion_after", "matured", "look", "fit", "rule", "cohorts", "ranking",
            "changed", "created_at",
        ):  # fmt: skip
            assert getattr(row, name) == getattr(decision, name), name
        assert row.spec == (decision.spec if decision.changed else None)
    assert [row.fit for row in narrow] == [True, True, True, False, False, True, True, True, True]
    assert reigns.reign_before(narrow, "narrow", date(2025, 1, 1)) == reigns.reign_before(
        whole, "narrow", date(2025, 1, 1)
    )


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


def test_migrating_twice_is_migrating_once(env: dict[str, str]) -> None:
    before = store.read(env["TITLEHOLDER_LEDGER_URL"], "paper", "dates")
    migrate(env["TITLEHOLDER_LEDGER_OWNER_URL"])
    migrate(env["TITLEHOLDER_LEDGER_OWNER_URL"])
    assert store.read(env["TITLEHOLDER_LEDGER_URL"], "paper", "dates") == before


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGSTOP])
def test_a_vanished_client_frees_the_lock_in_seconds(settings: Settings, end: signal.Signals) -> None:
    """A killed process closes its socket; a stopped one, like a machine that is gone, says nothing ever after."""
    name = f"vanished-{end.name.lower()}"
    code = "import sys, time\nfrom titleholder.ledger import store\n"
    code += "with store.lane_locked(*sys.argv[1:]):\n    print('held', flush=True)\n    time.sleep(600)"
    command = [sys.executable, "-c", code, settings.ledger_url, "paper", name]
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
