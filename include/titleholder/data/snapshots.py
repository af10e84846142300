"""Immutable extracts by reference: Parquet files named by their own SHA-256, on a path or in an object store."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs
from pydantic import BaseModel, ConfigDict

from titleholder.errors import DataError, ServiceError
from titleholder.spec.windows import Intervals, midnight

ROW_GROUP = 65_536
"""Rows per Parquet row group. Fixed, so that equal rows give an equal file whatever the driver's batches were."""


class Origin(BaseModel):
    """Who or what asked for a run, and why, and where people see more of it.

    `url` is the address of the Airflow run, `decisions` what a decision's number is appended to for the address of its
    page; both are for MLflow's pages only, never for the ledger.
    """

    model_config = ConfigDict(frozen=True)

    actor: str
    airflow_run: str = ""
    reason: str = ""
    url: str = ""
    decisions: str = ""


class Snapshot(BaseModel):
    """A reference to the rows of one run and to what the run is. Small and frozen: it travels through XCom."""

    model_config = ConfigDict(frozen=True)

    model: str
    lane: str
    as_of: date
    spans: Intervals
    candidates: tuple[str, ...]
    spec_fingerprint: str
    uri: str
    sha256: str
    rows: int
    key: str
    run_id: str
    origin: Origin


def write(root: str, folder: str, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> tuple[str, str, int]:
    """Write the batches to `root/folder/<sha256>.parquet`; returns (uri, sha256, rows).

    The file appears whole or not at all, and equal content is written once. Memory: one row group.

    Raises:
        ServiceError: when the place cannot be written.
    """
    try:
        store, base = store_of(root)
        with tempfile.TemporaryDirectory(prefix="titleholder-") as scratch:
            local = Path(scratch) / "extract.parquet"
            rows = 0
            with pq.ParquetWriter(local, schema, compression="zstd") as writer:
                for chunked in _even(schema, batches):
                    table = chunked.combine_chunks()  # Parquet's pages end where chunks do
                    writer.write_table(table, row_group_size=ROW_GROUP)
                    rows += table.num_rows
            with local.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            target = f"{base}/{folder}/{digest}.parquet"
            if store.get_file_info(target).type == fs.FileType.NotFound:
                place(local, store, target)
    except (OSError, pa.ArrowInvalid) as error:
        raise ServiceError(f"snapshots: {root} cannot be written: {error}") from error
    return f"{root.rstrip('/')}/{folder}/{digest}.parquet", digest, rows


def store_of(root: str) -> tuple[fs.FileSystem, str]:
    """The file system and base path of a folder or of a URL such as s3://bucket/prefix."""
    if "://" in root:
        store, base = fs.FileSystem.from_uri(root)
        return store, base.rstrip("/")
    return fs.LocalFileSystem(), str(Path(root).absolute())


def place(local: Path, store: fs.FileSystem, target: str) -> None:
    """Copy a file of a scratch folder to `target`, which appears, or is replaced, whole or not at all."""
    store.create_dir(target.rpartition("/")[0], recursive=True)
    part = f"{target}.{local.parent.name}.part"
    fs.copy_files(str(local), part, source_filesystem=fs.LocalFileSystem(), destination_filesystem=store)
    store.move(part, target)


def _even(schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.Table]:
    """The same rows in tables of `ROW_GROUP` rows each, the last one shorter."""
    held: list[pa.RecordBatch] = []
    count = 0
    for batch in batches:
        held.append(batch)
        count += batch.num_rows
        while count >= ROW_GROUP:
            table = pa.Table.from_batches(held, schema=schema)
            yield table.slice(0, ROW_GROUP)
            held, count = table.slice(ROW_GROUP).to_batches(), count - ROW_GROUP
    if count:
        yield pa.Table.from_batches(held, schema=schema)


def read(snapshot: Snapshot) -> pd.DataFrame:
    """All rows of a snapshot, in their order; see `frame`."""
    return frame(snapshot.uri, snapshot.sha256)


def frame(uri: str, sha256: str) -> pd.DataFrame:
    """All rows of an extract, in their order.

    Raises:
        DataError: when the file is gone, or no longer hashes to `sha256`.
        ServiceError: when the place cannot be read.
    """
    with _opened(uri) as file:
        content = file.read()
    _hold(uri, hashlib.sha256(content).hexdigest(), sha256)
    rows: pd.DataFrame = pq.read_table(pa.BufferReader(content)).to_pandas()
    return rows


def verify(uri: str, sha256: str) -> None:
    """Hold an extract to its hash without keeping it in memory.

    Raises:
        DataError: when the file is gone, or no longer hashes to `sha256`.
        ServiceError: when the place cannot be read.
    """
    with _opened(uri) as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    _hold(uri, digest, sha256)


@contextmanager
def _opened(uri: str) -> Iterator[Any]:
    try:
        store, path = store_of(uri)
        with store.open_input_stream(path) as file:
            yield file
    except (FileNotFoundError, pa.ArrowInvalid) as error:
        raise DataError(f"snapshot {uri} cannot be read: {error}") from error
    except OSError as error:
        raise ServiceError(f"snapshots: {uri} cannot be read now: {error}") from error


def _hold(uri: str, digest: str, sha256: str) -> None:
    if digest != sha256:
        raise DataError(f"snapshot {uri} was changed: its SHA-256 is {digest}, expected {sha256}")


Part = Literal["training", "holdout"]


def part(rows: pd.DataFrame, spans: Intervals, event_time: str, which: Part) -> pd.DataFrame:
    """The training rows or the holdout rows of an extract."""
    split = midnight(spans.holdout_start)
    mask = rows[event_time] < split if which == "training" else rows[event_time] >= split
    return rows[mask].reset_index(drop=True)
