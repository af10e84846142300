"""A run's rows, from the warehouse into a snapshot."""

from __future__ import annotations

from datetime import date

from titleholder.data import snapshots, warehouse
from titleholder.spec.model import ModelSpec
from titleholder.spec.windows import Intervals


def extract(url: str, spec: ModelSpec, spans: Intervals, as_of: date, root: str) -> snapshots.Extract:
    """Stream the rows of the spec's query at `as_of` into `root/<model>/<as_of>/<sha256>.parquet`, by time and entity.

    The rows can be read from what is returned; the stored file is not fetched for it.

    Raises:
        ServiceError: when the warehouse cannot be reached, or `root` cannot be written.
        DataError: when the query fails, with PostgreSQL's own message.
    """
    with warehouse.stream(url, spec, spans, as_of) as (schema, batches):
        return snapshots.write(root, f"{spec.name}/{as_of}", schema, batches)
