"""Extraction: one stream into one file, and the rows at hand for the contract."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import date
from pathlib import Path

import adbc_driver_manager
import pandas as pd
import pyarrow as pa
import pytest

from support.factories import AS_OF, a_spec, rows, spans_of
from titleholder.data import contract, extraction
from titleholder.data import warehouse as warehouse_of
from titleholder.data.snapshots import Extract
from titleholder.errors import DataError, ServiceError


@pytest.fixture
def extract(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Extracts a frame, from a warehouse that sends it in batches of some size."""

    def run(frame: pd.DataFrame, size: int = 7, error: Exception | None = None) -> Extract:
        table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata()

        def batches() -> Iterator[pa.RecordBatch]:
            yield from table.to_batches(max_chunksize=size)
            if error:
                raise error

        @contextmanager
        def stream(*_: object) -> Iterator[tuple[pa.Schema, Iterator[pa.RecordBatch]]]:
            yield table.schema, batches()

        monkeypatch.setattr(extraction, "stream", stream)
        spec = a_spec()
        return extraction.extract("unused", spec, spans_of(spec), AS_OF, str(tmp_path / "snapshots"))

    return run


def test_equal_rows_give_one_file(extract, tmp_path: Path) -> None:
    found = [extract(rows(), size) for size in (1, 50, 1_000)]
    (file,) = (tmp_path / "snapshots").rglob("*.*")
    assert {e.uri for e in found} == {str(file)}
    assert file == tmp_path / "snapshots" / "small" / str(AS_OF) / f"{found[0].sha256}.parquet"
    assert extract(rows().assign(income=1.5)).sha256 != found[0].sha256


def test_the_contract_is_checked_on_what_was_written(extract) -> None:
    spec = a_spec()
    taken = extract(rows().assign(bad=[2, *rows()["bad"][1:]]))
    Path(taken.uri).unlink()  # the stored file is not read
    assert contract.violations(taken.read(), spec, spans_of(spec), AS_OF) == [
        "bad: is neither 0 nor 1 (1 row, e.g. 2, loan_id 0)"
    ]
    assert taken.rows == len(rows())


def test_a_query_that_fails_half_way_leaves_nothing(extract, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="division by zero"):
        extract(rows(), error=DataError("division by zero"))
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_warehouse_that_is_down_is_named_without_its_password() -> None:
    url = "postgresql://reader:secret@127.0.0.1:1/warehouse"
    opened = extraction.opened(url, a_spec(), spans_of(a_spec()), date(2024, 7, 1))
    with pytest.raises(ServiceError, match=r"the warehouse \(connection .*\) cannot be reached") as error, opened:
        pass
    assert "secret" not in str(error.value)


SQL = "\n-- loans\nselect a,\n  nothing\nfrom t where :window_start < :window_end and d < :as_of;"


class Warehouse:
    """Refuses every statement that orders rows, as PostgreSQL does: at the first `at` in it."""

    def __init__(self, at: str, said: str, columns: tuple[str, ...] = (), sqlstate: str = "42703") -> None:
        self._at, self._said, self._columns, self._sqlstate = at, said, columns, sqlstate

    def execute(self, sql: str, *_: object) -> None:
        if self._at in sql and "FROM (" in sql:
            fields = {
                "MESSAGE_PRIMARY": self._said,
                "STATEMENT_POSITION": str(sql.index(self._at) + 1),
                "SQLSTATE": self._sqlstate,
            }
            details = [(f"PG_DIAG_{key}", value.encode()) for key, value in fields.items()]
            noise = f"NOT_FOUND: Failed to prepare query: ERROR:  {self._said}\nLINE 3: x\n ^\nQuery was: {sql}"
            raise adbc_driver_manager.ProgrammingError(
                noise,
                status_code=adbc_driver_manager.AdbcStatusCode.NOT_FOUND,
                details=details,
                sqlstate=self._sqlstate,
            )

    def fetchall(self) -> None:
        """Nothing."""

    def fetch_record_batch(self) -> pa.RecordBatchReader:
        return pa.table({name: [1] for name in self._columns}).to_reader()


def failure(monkeypatch: pytest.MonkeyPatch, warehouse: Warehouse, sql: str = SQL, **changes: object) -> str:
    class Connection:
        def cursor(self) -> AbstractContextManager[Warehouse]:
            return nullcontext(warehouse)

        def close(self) -> None:
            """Nothing."""

    monkeypatch.setattr(warehouse_of.dbapi, "connect", lambda _: Connection())
    spec = a_spec(sql=sql, **changes)
    with pytest.raises(DataError) as error, extraction.stream("postgresql://db/w", spec, spans_of(spec), AS_OF):
        pass
    return str(error.value)


def test_a_failure_is_one_sentence_with_the_line_of_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """Line 4 of the file is line 4 of the statement too, less the comment's blank line, which is cut off."""
    said = failure(monkeypatch, Warehouse("nothing", 'column "nothing" does not exist'))
    assert said == 'small: small.sql, line 4 (`nothing`) failed in the warehouse: column "nothing" does not exist'


def test_parameters_before_it_do_not_move_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    said = failure(monkeypatch, Warehouse("d <", 'column "d" does not exist'))
    assert "line 5 (`from t where :window_start < :window_end and d < :as_of;`)" in said


def test_a_column_that_only_the_yaml_names_is_blamed_on_the_yaml(monkeypatch: pytest.MonkeyPatch) -> None:
    warehouse = Warehouse('"issued"', 'column "issued" does not exist', columns=tuple(rows()))
    said = failure(monkeypatch, warehouse, columns__event_time="issued")
    assert said == (
        "small: columns differ from the spec (- missing, + unexpected):\n"
        "      - issued   (close to 'issued_at')\n"
        "      + issued_at   (close to 'issued')\n"
        "Correct the columns in small.yaml, or small.sql."
    )


def test_a_bracket_that_is_never_closed_is_found_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    said = failure(monkeypatch, Warehouse("AS extract", 'syntax error at or near "AS"', sqlstate="42601"))
    assert said == 'small: small.sql, at its end, failed in the warehouse: syntax error at or near "AS"'


def test_ctrl_c_while_a_query_runs_is_no_fault_of_the_query(monkeypatch: pytest.MonkeyPatch) -> None:
    canceled = Warehouse("nothing", "canceling statement due to user request", sqlstate="57014")
    with pytest.raises(KeyboardInterrupt):
        failure(monkeypatch, canceled)
    ours = signal.signal(signal.SIGINT, signal.SIG_DFL)  # as in a task of Airflow, where an operator cancelled it
    try:
        assert "failed in the warehouse: canceling statement due to user request" in failure(monkeypatch, canceled)
    finally:
        signal.signal(signal.SIGINT, ours)
