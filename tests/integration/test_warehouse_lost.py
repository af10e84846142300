"""The connection to the warehouse is lost while a model's query runs: no fault of the query, and a later try may succeed."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from support.stacks import MODELS
from titleholder.data import extraction
from titleholder.errors import DataError, ServiceError
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
    with pytest.raises(
        ServiceError, match=r"tiny: the warehouse \(connection warehouse\) was lost while a query ran: "
    ):
        extract("(rows.id = 4000 and pg_terminate_backend(pg_backend_pid()))::text", settings, folder)
    assert [path for path in folder.rglob("*") if path.is_file()] == []


def test_a_row_that_the_query_cannot_compute_is_an_error_of_the_query(settings: Settings, folder: Path) -> None:
    """Also where other rows came before it: PostgreSQL still answers."""
    with pytest.raises(DataError, match=r"tiny: .*failed in the warehouse: .*division by zero"):
        extract("1 / (4000 - rows.id)", settings, folder)
