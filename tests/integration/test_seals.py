"""The chain over the rows beside the decisions: whatever a superuser changes, removes or slips in is named."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import NullPool, create_engine, text

from localstack.postgres import SUPERUSER
from localstack.settings import ledger_url
from localstack.state import State
from support.rows import append, entry
from titleholder.ledger import lane_records, reports, seals, store
from titleholder.ledger.decision import Entry
from titleholder.settings import Settings

pytestmark = pytest.mark.slow
MODEL = "sealed"


def decision(lane: str, version: int = 1) -> Entry:
    return entry(lane, version=version).model_copy(update={"model": MODEL})


def written(settings: Settings, lane: str) -> None:
    """Two decisions; three rows before the second one, and one after it."""
    url = settings.ledger_url
    row = append(settings, decision(lane))
    reports.add(url, MODEL, lane, "r", {"card.html": "0" * 64, "card.json": "1" * 64}, row.id)
    lane_records.add(url, MODEL, lane, "archive", "tester", "done")
    append(settings, decision(lane, version=2))
    lane_records.add(url, MODEL, lane, "delete", "tester", "done")


def rows_of(settings: Settings, lane: str) -> dict[str, list[dict[str, Any]]]:
    """The decisions of a lane, as `seals.faults` takes them."""
    return {lane: store.stored(settings.ledger_url, MODEL, lane)}


def found(settings: Settings, lane: str) -> list[str]:
    """What is wrong with a lane's seals."""
    faults = seals.faults(settings.ledger_url, MODEL, rows_of(settings, lane))
    return [fault.explanation for fault in faults if fault.lane == lane]


def found_after(settings: Settings, state: State, lane: str, *statements: str) -> list[str]:
    """The same after what a superuser did without triggers, with `#` for each number; nothing of it stays."""
    rows = rows_of(settings, lane)
    with create_engine(ledger_url(state, SUPERUSER), poolclass=NullPool).connect() as connection:
        for table in ("lane_records", "reports", "seals"):
            connection.exec_driver_sql(f"ALTER TABLE titleholder.{table} DISABLE TRIGGER USER")
        for statement in statements:
            connection.execute(text(statement), {"lane": lane} if ":lane" in statement else {})
        faults = list(seals.faults_seen_by(connection, MODEL, rows))
    return [re.sub(r"\d+", "#", fault.explanation) for fault in faults if fault.lane == lane]


LAST = "id = (SELECT max(id) FROM titleholder.{} WHERE lane = :lane)"
CHANGED = "was changed: it does not have the hash of its seal."
BEFORE = "the seal before its own was changed or removed."
UNSEALED = "has no seal: it was not written as all others are."


@pytest.mark.parametrize(
    ("lane", "statement", "expected"),
    [
        ("changed", f"UPDATE titleholder.reports SET sha256 = repeat('2', 64) WHERE {LAST.format('reports')}",
         [f"Record of a report # {CHANGED}"]),
        ("backdated", f"UPDATE titleholder.lane_records SET created_at = '2020-01-01' WHERE {LAST.format('lane_records')}",
         [f"Lane record # {CHANGED}"]),
        ("removed", f"DELETE FROM titleholder.reports WHERE {LAST.format('reports')}",
         ["Record of a report # is gone; its seal is still there."]),
        ("both-removed",
         f"WITH gone AS (DELETE FROM titleholder.reports WHERE {LAST.format('reports')} RETURNING id) "
         "DELETE FROM titleholder.seals AS s USING gone WHERE s.of = 'reports' AND s.number = gone.id",
         [f"Lane record #: {BEFORE}"]),
        ("slipped-in",
         "INSERT INTO titleholder.lane_records (model, lane, kind, actor, reason, created_at, written_by) "
         "VALUES ('sealed', :lane, 'archive', 'cfo', '', now(), 'ledger')",
         [f"Lane record # {UNSEALED}"]),
        ("all-gone", "DELETE FROM titleholder.seals WHERE lane = :lane",
         [f"Lane record # {UNSEALED}"] * 2 + [f"Record of a report # {UNSEALED}"] * 2
         + ["Decision # knows a seal that is gone."]),
    ],
)  # fmt: skip
def test_what_a_superuser_did_to_the_rows_beside_the_decisions_is_named(
    settings: Settings, state: State, lane: str, statement: str, expected: list[str]
) -> None:
    written(settings, lane)
    assert found_after(settings, state, lane, statement) == expected
    assert found(settings, lane) == []


def test_seals_that_were_made_anew_contradict_the_decision_that_knows_one(settings: Settings, state: State) -> None:
    """Rows can be made to fit what came true later, and their seals with them, but not the next decision's hash."""
    written(settings, "anew")
    with create_engine(ledger_url(state, SUPERUSER), poolclass=NullPool).connect() as connection:
        rows = connection.execute(text("SELECT * FROM titleholder.reports WHERE lane = 'anew' ORDER BY id")).all()
    first = rows[0].id
    forge = f"UPDATE titleholder.reports SET sha256 = repeat('2', 64) WHERE id = {first}"
    again = """
        DO $$ DECLARE one record; before text := ''; BEGIN
        FOR one IN SELECT s.id, s.of, coalesce(to_jsonb(r), to_jsonb(l)) AS content FROM titleholder.seals AS s
            LEFT JOIN titleholder.reports AS r ON s.of = 'reports' AND r.id = s.number
            LEFT JOIN titleholder.lane_records AS l ON s.of = 'lane_records' AND l.id = s.number
            WHERE s.lane = 'anew' ORDER BY s.id
        LOOP
            UPDATE titleholder.seals SET previous_hash = before, hash = encode(sha256(convert_to(
                concat_ws(' ', before, one.of, one.content), 'UTF8')), 'hex') WHERE id = one.id RETURNING hash INTO before;
        END LOOP; END $$
    """
    said = found_after(settings, state, "anew", "SET LOCAL timezone = 'UTC'", forge, again)
    assert said == ["Decision # knows a seal that is gone."]


def test_a_decision_with_an_older_seal_than_the_one_before_is_named() -> None:
    places = {"live": {"a": 1, "b": 2}}
    rows = [{"id": n, "seal": seal} for n, seal in enumerate(["", "b", "b", "a"], 1)]
    assert [fault.decision for fault in seals._unknown("live", rows, places["live"])] == [4]


def test_many_writers_at_once_make_one_chain_in_each_lane(settings: Settings) -> None:
    for lane in ("one", "other"):
        append(settings, decision(lane))

    def add(n: int) -> None:
        lane_records.add(settings.ledger_url, MODEL, ("one", "other")[n % 2], "archive", f"w{n}", "")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(32)))
    assert found(settings, "one") == found(settings, "other") == []
