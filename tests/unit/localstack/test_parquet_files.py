"""Parquet files: every value arrives as it was, or a sentence says what did not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from localstack.parquet_files import BATCH, LARGEST, opened
from titleholder.errors import UsageError


def read(folder: Path, **columns: Any) -> tuple[pa.Table, list[str]]:
    pq.write_table(pa.table(columns), folder / "file.parquet")
    rows, total, said = opened(folder / "file.parquet", lambda _: None)
    table = rows.read_all()
    assert total == len(table)
    return table, said


def test_a_number_beyond_64_bits_with_a_sign_keeps_its_digits(tmp_path: Path) -> None:
    """PostgreSQL had -9223372036854775808 for the key 9223372036854775808, and nobody said so."""
    late = [1] * BATCH + [LARGEST + 1]
    table, _ = read(tmp_path, key=pa.array(late, pa.uint64()), count=pa.array([LARGEST] * len(late), pa.uint64()))
    assert table["key"].to_pylist()[::BATCH] == ["1", "9223372036854775808"], "the last one decides on all"
    assert table["count"].to_pylist()[0] == LARGEST
    assert pa.types.is_integer(table["count"].type)


def test_records_are_left_out_by_name(tmp_path: Path) -> None:
    """The driver refused the whole file, and named no column."""
    table, said = read(tmp_path, n=[1], meta=[{"k": 1}], more=pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64())))
    assert table.to_pydict() == {"n": [1]}
    assert [sentence.split(":")[0] for sentence in said] == ["meta is left out", "more is left out"]


def test_what_has_no_rows_or_columns_for_a_table(tmp_path: Path) -> None:
    assert len(read(tmp_path, key=pa.array([], pa.uint64()))[0]) == 0
    assert read(tmp_path, key=pa.array([None], pa.uint64()))[0]["key"].to_pylist() == [None]
    with pytest.raises(UsageError, match=r"each of its columns \(meta\) has records"):
        read(tmp_path, meta=[{"k": 1}])


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file.parquet").write_bytes(b"no")
    with pytest.raises(UsageError, match="cannot be read"):
        opened(tmp_path / "file.parquet", lambda _: None)
