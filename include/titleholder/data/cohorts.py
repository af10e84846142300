"""Cohorts that were read before: what is kept of them, and how a kept one becomes the one that is wanted.

They are a cache and nothing else: a missing, damaged or unreadable file costs a reading, never a run.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from dateutil.relativedelta import relativedelta
from pyarrow import fs, ipc

from titleholder.data import snapshots
from titleholder.data.sharing import HASHES, RANK
from titleholder.spec.model import ModelSpec
from titleholder.spec.windows import Intervals

log = logging.getLogger(__name__)

FOLDER = "_cohorts"  # beside the models' folders; no model's name starts with an underscore
FORMAT = 2  # raise it when files written before must not be used any more


@dataclass(frozen=True)
class Sums:
    """What tells two states of a cohort apart; see `titleholder.data.sharing`."""

    n: int
    sum_1: int
    sum_2: int
    sum_3: int

    @classmethod
    def read(cls, text: str) -> Sums:
        """From the text that PostgreSQL sends, or that stands in a file's name."""
        return cls(*map(int, text.split()))

    def __str__(self) -> str:
        return f"{self.n} {self.sum_1} {self.sum_2} {self.sum_3}"

    @classmethod
    def of(cls, rows: pa.Table, *, collated: bool) -> Sums:
        """Of a cohort's rows in their order, from the hashes that came with them."""
        first, second = (rows[name].to_numpy() for name in HASHES)
        ranked = (second >> 32) * np.arange(1, rows.num_rows + 1) * collated
        return cls(rows.num_rows, _total(first), _total(second), _total(ranked))


def _total(values: npt.NDArray[np.int64]) -> int:
    """The exact sum, which 64 bits need not hold."""
    return (int((values >> 32).sum()) << 32) + int((values & 0xFFFFFFFF).sum())


@dataclass(frozen=True)
class Version:
    """A cohort as it was known on `as_of`, in a file."""

    cohort: date
    bounds: str
    as_of: date
    sums: Sums
    sha256: str
    written: float
    path: str


_NAME = re.compile(r"(\d{4}-\d\d-\d\d)((?:_-?\d+){4})_([0-9a-f]{64})\.arrow")


def bounds(cohort: date, spans: Intervals) -> str:
    """The part of a cohort that lies in the window, as a name. A cohort cut by the window is another one."""
    first, end = max(cohort, spans.train_start), min(cohort + relativedelta(months=1), spans.matured)
    return f"{first}_{end}"


class Shelf:
    """The cohorts kept of one query, below `root` (a folder or a URL such as s3://bucket/prefix)."""

    def __init__(self, root: str, spec: ModelSpec, schema: pa.Schema) -> None:
        self._store, base = snapshots.store_of(root)
        names = spec.columns
        parts = [FORMAT, spec.sql, names.event_time, names.entity, names.known_at, schema.to_string()]
        key = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
        self._base = f"{base}/{FOLDER}/{spec.name}/{key}"
        self.collated = collated(schema.field(names.entity).type)
        self.schema = pa.schema([*schema, *(pa.field(name, pa.int64()) for name in HASHES)])

    def versions(self, spans: Intervals) -> list[Version]:
        """What is kept of the window, oldest as-of date first."""
        try:
            found = self._store.get_file_info(fs.FileSelector(self._base, allow_not_found=True, recursive=True))
        except (OSError, pa.ArrowException) as error:
            log.warning("kept cohorts in %s cannot be listed: %s", self._base, error)
            return []
        read = (self._version(info) for info in found if info.type == fs.FileType.File)
        inside = [v for v in read if v and v.bounds == bounds(v.cohort, spans)]
        return sorted(inside, key=lambda v: (v.as_of, v.written))

    def _version(self, info: fs.FileInfo) -> Version | None:
        match, kept = _NAME.fullmatch(info.base_name), info.path.rsplit("/", 2)[-2]
        if match is None:
            return None
        as_of, sums = date.fromisoformat(match[1]), Sums.read(match[2].replace("_", " "))
        cohort = date.fromisoformat(kept[:10]).replace(day=1)
        return Version(cohort, kept, as_of, sums, match[3], info.mtime_ns or 0, info.path)

    def plain(self, rows: pa.Table) -> pa.Table:
        """The query's own columns and the hashes."""
        return pa.Table.from_arrays([rows[name] for name in self.schema.names], schema=self.schema)

    def fetch(self, version: Version, file: Path) -> pa.Table | None:
        """The rows of a version with their hashes, and its content in `file`; None where they are not to be had."""
        try:
            with self._store.open_input_stream(version.path) as stream:
                content = stream.read()
            whole = hashlib.sha256(content).hexdigest() == version.sha256
            rows = ipc.open_file(pa.BufferReader(content)).read_all() if whole else None
            file.write_bytes(content)
        except (OSError, pa.ArrowException) as error:
            log.warning("%s is read from the warehouse again: %s", version.path, error)
            return None
        if rows is None or rows.schema != self.schema or Sums.of(rows, collated=self.collated) != version.sums:
            log.warning("%s is read from the warehouse again: it is not what was kept", version.path)
            return None
        return rows

    def keep(self, file: Path, name: str, as_of: date, sums: Sums) -> None:
        """Put a file that `spool` wrote where later runs find it; where that cannot be done, they read again."""
        with file.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
        target = f"{self._base}/{name}/{as_of}_{str(sums).replace(' ', '_')}_{digest}.arrow"
        try:
            snapshots.place(file, self._store, target)
        except (OSError, pa.ArrowException) as error:
            log.warning("the cohort %s cannot be kept: %s", target, error)


def collated(kind: pa.DataType) -> bool:
    """Whether the database's collation may decide the order of entities: it can change under rows that do not."""
    return not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_temporal(kind))


def spool(rows: pa.Table, file: Path) -> None:
    """Write a cohort's rows to a file, as they are: Arrow keeps every bit."""
    with ipc.new_file(file, rows.schema, options=ipc.IpcWriteOptions(compression="lz4")) as writer:
        writer.write_table(rows.combine_chunks())


def amended(kept: pa.Table, news: pa.Table, entity: str, sums: Sums) -> pa.Table | None:
    """A kept cohort with the rows of `news` in place of those of the same entities, each at its rank.

    Rows that did not change keep their order among themselves. None unless count, hashes and order are those of `sums`.
    """
    try:
        stays = kept.filter(pc.invert(pc.is_in(kept[entity], value_set=news[entity].combine_chunks())))
    except pa.ArrowException:  # entities that cannot be compared
        return None
    if stays.num_rows + news.num_rows != sums.n:
        return None
    new = np.zeros(sums.n, dtype=bool)
    new[news[RANK].to_numpy() - 1] = True
    if new.sum() != news.num_rows:
        return None
    places = np.empty(sums.n, dtype=np.int64)
    places[new] = stays.num_rows + np.arange(news.num_rows)  # they came by rank
    places[~new] = np.arange(stays.num_rows)
    rows = pa.concat_tables([stays, news.select(stays.column_names)]).take(places)
    return rows if Sums.of(rows, collated=collated(rows.schema.field(entity).type)) == sums else None
