"""Extraction: one stream into one file, and the rows at hand for the contract."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from support.factories import AS_OF, a_spec, rows, spans_of
from titleholder.data import contract, extraction
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
    assert not (tmp_path / "snapshots").exists()


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg2"])
def test_an_address_for_libpq(scheme: str) -> None:
    assert extraction.libpq_url(f"{scheme}://reader:secret@db:5432/w") == "postgresql://reader:secret@db:5432/w"


def test_a_warehouse_that_is_down_is_named_without_its_password() -> None:
    url = "postgresql://reader:secret@127.0.0.1:1/warehouse"
    opened = extraction.opened(url, a_spec(), spans_of(a_spec()), date(2024, 7, 1))
    with pytest.raises(ServiceError, match=r"the warehouse \(connection .*\) cannot be reached") as error, opened:
        pass
    assert "secret" not in str(error.value)
