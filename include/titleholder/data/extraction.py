"""A run's rows, from the warehouse into a snapshot: cohorts that an earlier run read are not read again.

The snapshot is byte for byte what reading everything gives; `titleholder.data.sharing` says how that is known. Where it
cannot be known, everything is read.
"""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
from dateutil.relativedelta import relativedelta
from pyarrow import ipc
from pydantic import BaseModel, ConfigDict

from titleholder.data import sharing, snapshots, warehouse
from titleholder.data.cohorts import Shelf, Sums, Version, amended, bounds, spool
from titleholder.errors import DataError
from titleholder.spec.model import ModelSpec
from titleholder.spec.sql import by_day, ordered
from titleholder.spec.windows import BEGINNING, Intervals, midnight

log = logging.getLogger(__name__)

COSTS = ("rows_read", "rows_shared", "cohorts_read", "cohorts_amended", "cohorts_shared")


class Extraction(BaseModel):
    """Where a run's rows are, and what they cost: rows that PostgreSQL sent, and rows that an earlier run had read.

    `cohorts_read` were read whole, `cohorts_amended` in part, `cohorts_shared` not at all.
    """

    model_config = ConfigDict(frozen=True)

    uri: str
    sha256: str
    rows: int
    rows_read: int
    rows_shared: int = 0
    cohorts_read: int = 0
    cohorts_amended: int = 0
    cohorts_shared: int = 0

    @property
    def costs(self) -> dict[str, float]:
        """What was read and what was shared, for MLflow."""
        return self.model_dump(exclude={"uri", "sha256", "rows"})


def extract(url: str, spec: ModelSpec, spans: Intervals, as_of: date, root: str, *, share: bool = True) -> Extraction:
    """Write the rows of the spec's query at `as_of` to `root/<model>/<as_of>/<sha256>.parquet`, by time and entity.

    With `share`, cohorts kept below `root` are used where they are unchanged, and new ones are kept.

    Raises:
        ServiceError: when the warehouse cannot be reached, or `root` cannot be written.
        DataError: when the query fails, with PostgreSQL's own message.
    """
    folder = f"{spec.name}/{as_of}"
    if share:
        try:
            return _shared(url, spec, spans, as_of, root)
        except (DataError, pa.ArrowException, OSError) as error:
            log.warning("%s as of %s: no cohort is shared, everything is read: %s", spec.name, as_of, error)
    with warehouse.stream(url, spec, spans, as_of) as (schema, batches):
        uri, sha256, rows = snapshots.write(root, folder, schema, batches)
    return Extraction(uri=uri, sha256=sha256, rows=rows, rows_read=rows)


def _shared(url: str, spec: ModelSpec, spans: Intervals, as_of: date, root: str) -> Extraction:
    columns = spec.columns
    roles = (columns.event_time, columns.entity, columns.known_at)
    with tempfile.TemporaryDirectory(prefix="titleholder-") as scratch:
        with warehouse.opened(url, spec, spans, as_of) as session:
            schema = session.describe(ordered(spec.sql, *roles[:2]))
            shelf = Shelf(root, spec, schema)
            reading = _Reading(session, shelf, spec, spans, as_of, Path(scratch))
            reading.run(sharing.statement(spec.sql, schema.names, *roles, collated=shelf.collated))
        uri, sha256, rows = snapshots.write(root, f"{spec.name}/{as_of}", schema, reading.batches(schema))
    log.info("%s as of %s: %s", spec.name, as_of, ", ".join(f"{name} {n}" for name, n in reading.costs.items()))
    return Extraction(uri=uri, sha256=sha256, rows=rows, **reading.costs)


class _Reading:
    """The cohorts of one extraction, one file each in a scratch folder. Memory: one cohort and one batch."""

    def __init__(
        self, session: warehouse.Session, shelf: Shelf, spec: ModelSpec, spans: Intervals, as_of: date, scratch: Path
    ) -> None:
        self._session, self._shelf, self._scratch = session, shelf, scratch
        self._columns, self._spans, self._as_of = spec.columns, spans, as_of
        self._files: dict[int, Path] = {}
        self._settled: dict[date, Sums] = {}
        self.costs = dict.fromkeys(COSTS, 0)

    def run(self, sql: str) -> None:
        """Read what is not kept. Where a kept cohort fails its test, a second reading gets it whole.

        Raises:
            DataError: when the warehouse does not even send whole cohorts as it says they are.
        """
        versions = self._shelf.versions(self._spans)
        dated = [v for v in versions if self._columns.known_at and v.as_of <= self._as_of]
        kept = Kept({(v.cohort, v.sums): v for v in versions}, {v.cohort: v for v in dated})
        if not self._read(sql, kept):
            settled: dict[tuple[date, Sums], Version | None] = dict.fromkeys(self._settled.items())
            if not self._read(sql, Kept(settled, {})):
                raise DataError("the warehouse did not send the rows that it counted")

    def batches(self, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        """The rows of all cohorts, in the order of a snapshot."""
        for moment in sorted(self._files):
            with pa.memory_map(str(self._files[moment])) as file:
                rows = ipc.open_file(file).read_all()
                yield from pa.Table.from_arrays(rows.columns[: len(schema)], schema=schema).to_batches()

    def _read(self, sql: str, kept: Kept) -> bool:
        """One reading; whether every cohort is settled after it."""
        self._session.bind(sharing.HELD, kept.told())
        settled = True
        for sums, moment, rows in _by_cohort(self._session.read(sql)[1]):
            self.costs["rows_read"] += rows.num_rows
            if moment not in self._files:
                settled &= self._settle(moment, sums, rows, kept)
        return settled

    def _settle(self, moment: int, sums: Sums, news: pa.Table, kept: Kept) -> bool:
        """Make a cohort's file from what was sent and what is kept; False where that cannot be shown to be right."""
        file = self._scratch / f"{len(self._files)}.arrow"
        cohort = _month(moment, self._spans)
        how, rows = self._put_together(cohort, sums, news, kept, file)
        if rows is None:
            return False
        if how != "shared":
            spool(self._shelf.plain(rows), file)
        if cohort and how != "shared":
            self._shelf.keep(file, bounds(cohort, self._spans), self._as_of, sums)
        if cohort:
            self._settled[cohort] = sums
        self._files[moment] = file
        self.costs[f"cohorts_{how}"] += 1
        self.costs["rows_shared"] += {"read": 0, "shared": sums.n, "amended": sums.n - news.num_rows}[how]
        return True

    def _put_together(
        self, cohort: date | None, sums: Sums, news: pa.Table, kept: Kept, file: Path
    ) -> tuple[str, pa.Table | None]:
        if news.num_rows == sums.n:
            return "read", news
        if cohort and (same := kept.whole.get((cohort, sums))):
            return "shared", self._shelf.fetch(same, file)
        if cohort and (base := kept.bases.get(cohort)) and (before := self._shelf.fetch(base, file)) is not None:
            return "amended", amended(before, news, self._columns.entity, sums)
        return "", None


@dataclass(frozen=True)
class Kept:
    """What a reading need not get: cohorts with these sums, and of a cohort with a base what was known by then."""

    whole: Mapping[tuple[date, Sums], Version | None]
    bases: Mapping[date, Version]

    def told(self) -> str:
        """The same as PostgreSQL is told; see `titleholder.data.sharing`."""
        whole = [{"cohort": midnight(c).isoformat(), **asdict(sums)} for c, sums in self.whole]
        since = [
            {"cohort": midnight(c).isoformat(), "since": midnight(v.as_of).isoformat()} for c, v in self.bases.items()
        ]
        return json.dumps({"whole": whole, "since": since})


def _by_cohort(batches: Iterable[pa.RecordBatch]) -> Iterator[tuple[Sums, int, pa.Table]]:
    """The sums, the moment and the rows that were sent of one cohort after the other; each begins with a rank of 0."""
    held: list[pa.RecordBatch] = []
    for batch in batches:
        first = np.flatnonzero(batch.column(sharing.RANK).to_numpy() == 0).tolist()
        for start, end in pairwise(sorted({0, *first, batch.num_rows})):
            if held and start in first:
                yield _cohort(pa.Table.from_batches(held))
                held = []
            held.append(batch.slice(start, end - start))
    if held:
        yield _cohort(pa.Table.from_batches(held))


def _cohort(rows: pa.Table) -> tuple[Sums, int, pa.Table]:
    sums, moment = rows[sharing.SUMS][0].as_py(), rows[sharing.COHORT][0].cast(pa.int64()).as_py()
    return Sums.read(sums), moment, rows.slice(1)


def _month(moment: int, spans: Intervals) -> date | None:
    """The cohort that begins at `moment`; None for one outside the window, which is never kept."""
    try:
        cohort = datetime.fromtimestamp(moment / 1e6, UTC).date()
    except (ValueError, OverflowError, OSError):
        return None
    return cohort if spans.train_start < cohort + relativedelta(months=1) and cohort < spans.matured else None


def events(url: str, spec: ModelSpec, as_of: date) -> dict[date, int]:
    """How many rows the spec's query gives by the day of their event, over all of the past, as known at `as_of`.

    Raises:
        ServiceError: when the warehouse cannot be reached.
        DataError: when the query fails, with PostgreSQL's own message.
    """
    spans = Intervals(train_start=BEGINNING, holdout_start=BEGINNING, matured=as_of)
    with warehouse.opened(url, spec, spans, as_of) as session:
        _, batches = session.read(by_day(spec.sql, spec.columns.event_time))
        rows = [row for batch in batches for row in batch.to_pylist()]
    return {row["day"].date(): row["events"] for row in rows if row["day"] is not None}
