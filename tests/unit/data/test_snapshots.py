"""Extracts: written once under their own hash, checked once, read in parts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from titleholder.data import snapshots
from titleholder.data.snapshots import Extract
from titleholder.errors import DataError, ServiceError

ROWS = 150_000
"""More than two row groups."""
START = datetime(2024, 1, 1, tzinfo=UTC)
SHA256 = "55fac9e270e6535e89271d7fb028399cc1efd2dcfad65ab163034ac7a1059acc"
"""Of `table()` as a file that pyarrow 25.0.1 wrote: a file names the version of its writer."""


def table() -> pa.Table:
    """A row a minute, in order; `s` and `k` have gaps, `k` and `flag` none in the first rows."""
    rng = np.random.default_rng(1)
    return pa.table(
        {
            "id": pa.array(range(ROWS)),
            "at": pa.array([START + timedelta(minutes=i) for i in range(ROWS)], pa.timestamp("us", tz="UTC")),
            "x": rng.normal(size=ROWS),
            "s": pa.array([None if i % 7 == 0 else f"v{i % 50}" for i in range(ROWS)]),
            "k": pa.array([None if i % 11 == 0 else i % 5 for i in range(ROWS)], pa.int64()),
        }
    )


def write(root: Path | str, rows: pa.Table, size: int = 10_000) -> Extract:
    return snapshots.write(str(root), "m/2024-06-01", rows.schema, iter(rows.to_batches(max_chunksize=size)))


@pytest.fixture(scope="module")
def rows() -> pa.Table:
    return table()


@pytest.fixture(scope="module")
def written(rows: pa.Table, tmp_path_factory: pytest.TempPathFactory) -> Extract:
    return write(tmp_path_factory.mktemp("snapshots"), rows)


@pytest.fixture
def extract(written: Extract) -> Iterator[Extract]:
    with snapshots.opened(written.uri, written.sha256) as found:
        yield found


@pytest.mark.skipif(pa.__version__ != "25.0.1", reason="another version of pyarrow gives another file")
def test_the_bytes_of_a_file_have_not_changed(written: Extract) -> None:
    """If they do, extracts that the ledger names can no longer be written again from the same rows."""
    assert written.sha256 == SHA256


def test_equal_rows_give_an_equal_file_whatever_the_batches_were(rows: pa.Table, tmp_path: Path) -> None:
    first, *others = (write(tmp_path, rows, size) for size in (1_000, 65_536, ROWS))
    assert first.uri == f"{tmp_path}/m/2024-06-01/{first.sha256}.parquet"
    assert {(e.uri, e.sha256) for e in others} == {(first.uri, first.sha256)}
    assert [f.name for f in (tmp_path / "m" / "2024-06-01").iterdir()] == [f"{first.sha256}.parquet"], "written once"
    assert hashlib.sha256(Path(first.uri).read_bytes()).hexdigest() == first.sha256
    groups = pq.ParquetFile(first.uri).metadata
    assert [groups.row_group(n).num_rows for n in range(groups.num_row_groups)] == [65_536, 65_536, 18_928]


def test_what_was_written_is_read_without_the_stored_file(rows: pa.Table, tmp_path: Path) -> None:
    found = write(tmp_path, rows)
    Path(found.uri).unlink()
    assert found.rows == ROWS
    pd.testing.assert_frame_equal(found.read(), rows.to_pandas())


def test_no_rows_are_an_extract_too(rows: pa.Table, tmp_path: Path) -> None:
    found = write(tmp_path, rows.slice(0, 0))
    assert (found.rows, found.columns) == (0, rows.schema.names)
    pd.testing.assert_frame_equal(found.read(event_time="at", start=date(2024, 1, 1)), rows.slice(0, 0).to_pandas())


def test_a_place_that_cannot_be_written_is_named(rows: pa.Table, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ServiceError, match=f"snapshots: {tmp_path}/file cannot be written"):
        write(tmp_path / "file", rows)


def test_all_rows_and_columns(extract: Extract, rows: pa.Table) -> None:
    assert (extract.rows, extract.columns) == (ROWS, ["id", "at", "x", "s", "k"])
    pd.testing.assert_frame_equal(extract.read(), rows.to_pandas())


def test_columns_come_in_the_order_asked_for_and_once(extract: Extract, rows: pa.Table) -> None:
    pd.testing.assert_frame_equal(extract.read(["x", "id", "x"]), rows.to_pandas()[["x", "id"]])
    pd.testing.assert_frame_equal(
        extract.read(["x", "id"], event_time="at", end=date(2024, 1, 2)), rows.to_pandas()[["x", "id"]][:1440]
    )


@pytest.mark.parametrize("column", ["X", None])
def test_an_unknown_column_is_named_with_those_there_are(extract: Extract, column: str | None) -> None:
    with pytest.raises(DataError, match=f"has no column {column}; it has id, at, x, s, k"):
        extract.read(["x", "X"]) if column else extract.read(start=date(2024, 1, 1))


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (None, date(2024, 2, 1)),
        (date(2024, 2, 1), None),
        (date(2024, 2, 10), date(2024, 3, 20)),  # over the end of a row group
        (START + timedelta(minutes=65_536), START + timedelta(minutes=131_072)),  # exactly one
        (datetime(2024, 1, 5, 7, 30, 0, 1, tzinfo=UTC), date(2024, 1, 6)),
        (date(2030, 1, 1), None),
        (date(2024, 2, 1), date(2024, 2, 1)),
    ],
)
def test_a_range_of_event_time_is_half_open(
    extract: Extract, rows: pa.Table, start: date | None, end: date | None
) -> None:
    whole = rows.to_pandas()
    first, last = (
        pd.Timestamp(t) if isinstance(t, datetime) else t and pd.Timestamp(t, tz="UTC") for t in (start, end)
    )
    expected = whole[
        (whole["at"] >= (first or whole["at"].min())) & (whole["at"] < (last or pd.Timestamp.max.tz_localize("UTC")))
    ]
    found = extract.read(event_time="at", start=start, end=end)
    pd.testing.assert_frame_equal(found, expected.reset_index(drop=True))
    placed = extract.read(["x"], event_time="at", start=start, end=end, positions=True)
    assert placed.index.tolist() == expected.index.tolist() == extract.positions("at", start, end).tolist()
    assert placed["x"].tolist() == expected["x"].tolist()


def test_rows_whose_column_is_true_can_be_chosen_and_a_gap_is_not_true(tmp_path: Path) -> None:
    times = pa.array([START + timedelta(days=d) for d in range(5)], pa.timestamp("us", tz="UTC"))
    extract = write(tmp_path, pa.table({"at": times, "n": range(5), "kept": [True, False, None, True, True]}))
    assert extract.positions("at", where="kept").tolist() == [0, 3, 4]
    found = extract.read(["n"], event_time="at", end=date(2024, 1, 5), where="kept", positions=True)
    assert found["n"].tolist() == found.index.tolist() == [0, 3]
    with pytest.raises(DataError, match="has no column gone"):
        extract.positions("at", where="gone")


def test_rows_out_of_order_and_without_a_time(tmp_path: Path) -> None:
    times = [START + timedelta(days=d) if d is not None else None for d in (3, None, 1, 9, 2, None)]
    rows = pa.table({"at": pa.array(times, pa.timestamp("us", tz="UTC")), "n": range(6)})
    extract = write(tmp_path, rows)
    assert extract.read(event_time="at", end=date(2024, 1, 5))["n"].tolist() == [0, 2, 4]
    assert extract.positions("at", date(2024, 1, 3)).tolist() == [0, 3, 4]
    with pytest.raises(DataError, match="n is int64, not a timestamp"):
        extract.positions("n", date(2024, 1, 3))


def test_a_column_has_one_type_whichever_rows_are_read(tmp_path: Path) -> None:
    """What a segment is called, 1 or 1.0, must not depend on the rows beside it."""
    rows = pa.table(
        {
            "at": pa.array([START, START + timedelta(days=40)], pa.timestamp("us", tz="UTC")),
            "small": pa.array([1, None], pa.int16()),
            "flag": pa.array([True, None]),
            "whole": pa.array([1, 2]),
            "real": pa.array([1.5, None]),
        }
    )
    extract = write(tmp_path, rows)
    part = extract.read(event_time="at", end=date(2024, 2, 1))
    pd.testing.assert_frame_equal(part, rows.to_pandas().head(1))
    assert part.dtypes.equals(extract.read().dtypes)


def test_two_columns_of_one_name_can_be_read_and_refused(tmp_path: Path) -> None:
    rows = pa.Table.from_arrays([pa.array([1, None]), pa.array([3, 4])], names=["a", "a"])
    assert list(write(tmp_path, rows).read().columns) == ["a", "a"], "the contract names them"


def test_a_damaged_file_is_refused_by_name(rows: pa.Table, tmp_path: Path) -> None:
    found = write(tmp_path, rows)
    content = bytearray(Path(found.uri).read_bytes())
    content[1000] ^= 1
    Path(found.uri).write_bytes(content)
    for check in (snapshots.verify, snapshots.opened):
        with pytest.raises(
            DataError, match=f"snapshot {found.uri} was changed: its SHA-256 is .*, expected {found.sha256}"
        ):
            check(found.uri, found.sha256)
    for content in (b"", b"no Parquet"):
        Path(found.uri).write_bytes(content)
        with pytest.raises(DataError, match="was changed"), snapshots.opened(found.uri, found.sha256):
            pass
    sha256 = hashlib.sha256(b"no Parquet").hexdigest()
    with pytest.raises(DataError, match="cannot be read: Parquet"), snapshots.opened(found.uri, sha256):
        pass
    Path(found.uri).unlink()
    for check in (snapshots.verify, snapshots.opened):
        with pytest.raises(DataError, match=f"snapshot {found.uri} cannot be read"):
            check(found.uri, found.sha256)


def test_an_error_of_the_reader_is_not_one_of_the_snapshot(written: Extract) -> None:
    with pytest.raises(FileNotFoundError, match="elsewhere"), snapshots.opened(written.uri, written.sha256):
        raise FileNotFoundError("elsewhere")


def test_a_url_of_this_machine_is_a_path(rows: pa.Table, tmp_path: Path) -> None:
    found = write(f"file://{tmp_path}", rows)
    assert found.uri == f"file://{tmp_path}/m/2024-06-01/{found.sha256}.parquet"
    snapshots.verify(found.uri, found.sha256)
    with snapshots.opened(found.uri, found.sha256) as extract:
        assert extract.rows == ROWS


def test_a_file_is_hashed_once_however_often_it_is_read(written: Extract, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed, plain = [], hashlib.file_digest
    monkeypatch.setattr(snapshots.hashlib, "file_digest", lambda *args: hashed.append(1) or plain(*args))
    with snapshots.opened(written.uri, written.sha256) as extract:
        for _ in range(3):
            extract.read(["x"])
    assert len(hashed) == 1


def test_a_file_that_is_exchanged_once_it_was_verified_is_not_read(
    rows: pa.Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who verifies one file and opens another trusts a name."""
    found, plain = write(tmp_path, rows), hashlib.file_digest
    pq.write_table(rows.slice(1), other := tmp_path / "other.parquet")

    def exchanged(*args: object) -> object:
        digest = plain(*args)  # type: ignore[arg-type]
        other.replace(found.uri)
        return digest

    monkeypatch.setattr(snapshots.hashlib, "file_digest", exchanged)
    with snapshots.opened(found.uri, found.sha256) as extract:
        assert extract.rows == ROWS


def test_an_extract_is_not_mapped_and_lets_its_file_go_when_it_was_read(rows: pa.Table, tmp_path: Path) -> None:
    written = write(tmp_path, rows)
    written.__exit__()

    def opened() -> list[str]:
        return [str(fd.readlink()) for fd in Path("/proc/self/fd").iterdir() if fd.is_symlink()]

    with snapshots.opened(written.uri, written.sha256) as extract:
        frame = extract.read(["x"])
        assert written.uri in opened()
        assert written.uri not in Path("/proc/self/maps").read_text(), "its pages would count as this process's memory"
    assert written.uri not in opened()
    assert len(frame) == extract.rows
    kept = snapshots.opened(written.uri, written.sha256)
    assert written.uri in opened(), "as long as it is used"
    del kept
    assert written.uri not in opened()
