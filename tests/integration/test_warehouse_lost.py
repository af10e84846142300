"""The connection to the warehouse is lost while a query runs: no fault of the query, and a later try may succeed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from psycopg2.errors import CardinalityViolation

from support.stacks import MODELS
from titleholder.cli import sql
from titleholder.data import extraction, warehouse
from titleholder.data.leakage.table_copies import copy_tables
from titleholder.data.table_reader import reading
from titleholder.errors import DataError, ServiceError, UsageError
from titleholder.settings import Settings, connection_url
from titleholder.spec.loader import load_specs
from titleholder.spec.model import ModelSpec
from titleholder.spec.windows import Intervals

pytestmark = pytest.mark.slow
SPANS = Intervals(train_start=date(2023, 1, 1), holdout_start=date(2023, 12, 1), matured=date(2024, 2, 1))


def extract(more: str, settings: Settings, root: Path) -> extraction.snapshots.Extract:
    """The extract of `tiny` with one more column."""
    spec = load_specs(MODELS, only="tiny")["tiny"]
    sql = f"with rows as ({spec.sql.rstrip().rstrip(';')}) select rows.*, {more} as more from rows"
    spec = ModelSpec.restore({**spec.model_dump(mode="json"), "sql": sql})
    return extraction.extract(connection_url("warehouse"), spec, SPANS, date(2024, 3, 1), str(root))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "snapshots"


def test_a_lost_connection_is_an_error_of_the_service_that_leaves_nothing(settings: Settings, folder: Path) -> None:
    """PostgreSQL ends the session at the query's own request, as it would all sessions when it is restarted."""
    with pytest.raises(ServiceError, match=r"the warehouse \(connection warehouse\) was lost while a query ran: "):
        extract("(rows.id = 4000 and pg_terminate_backend(pg_backend_pid()))::text", settings, folder)
    assert [path for path in folder.rglob("*") if path.is_file()] == []


LOST = r"the warehouse \(connection warehouse\) was lost while a query ran: server closed the connection unexpectedly$"
END = "SELECT pg_terminate_backend(pg_backend_pid())"


def of_the_leak_test(statement: str) -> None:
    spec = load_specs(MODELS, only="tiny")["tiny"]
    with copy_tables(connection_url("warehouse"), spec, SPANS, date(2024, 3, 1)) as copies:
        copies.rows(statement)


def in_a_trial_of_the_leak_test(statement: str) -> None:
    spec = load_specs(MODELS, only="tiny")["tiny"]
    with copy_tables(connection_url("warehouse"), spec, SPANS, date(2024, 3, 1)) as copies:
        copies.succeeds(lambda: copies.rows(statement), CardinalityViolation)


def of_new(statement: str) -> None:
    with reading(connection_url("warehouse"), "tiny", "warehouse") as reader:
        reader.correlations("1", {"asked": f"({statement})::int"})


def of_sql(statement: str) -> None:
    sql.sql(command=statement)


def of_nothing_else(statement: str) -> None:
    with warehouse.session(connection_url("warehouse"), "warehouse") as opened, opened.cursor() as cursor:
        cursor.execute(statement)


QUESTIONS = [of_the_leak_test, in_a_trial_of_the_leak_test, of_new, of_sql, of_nothing_else]


@pytest.mark.usefixtures("settings")
@pytest.mark.parametrize("ask", QUESTIONS)
def test_a_question_that_loses_its_connection_is_no_fault_of_the_data(ask: Callable[[str], None]) -> None:
    with pytest.raises(ServiceError, match=LOST):
        ask(END)


@pytest.mark.usefixtures("settings")
@pytest.mark.parametrize("ask", QUESTIONS[:4])
def test_a_question_that_fails_keeps_its_own_error(ask: Callable[[str], None]) -> None:
    with pytest.raises((DataError, UsageError), match="division by zero"):
        ask("SELECT 1 / 0")


def test_a_row_that_the_query_cannot_compute_is_an_error_of_the_query(settings: Settings, folder: Path) -> None:
    """Also where other rows came before it: PostgreSQL still answers."""
    with pytest.raises(DataError, match=r"tiny: .*failed in the warehouse: .*division by zero"):
        extract("1 / (4000 - rows.id)", settings, folder)
