"""The scores of a scoring run by the event times of its rows, as monitoring reads them."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from sqlalchemy import text

from titleholder.ledger.database import engine, reachable
from titleholder.ledger.many_rows import reading
from titleholder.spec.windows import midnight

_SINCE = text("SELECT count(*) FROM titleholder.scores AS s WHERE s.run = :run AND s.event_time >= :start")
_BETWEEN = (
    "SELECT entity, event_time, score FROM titleholder.scores WHERE run = {run:d} AND event_time >= '{start}' "
    "AND event_time < '{end}' ORDER BY position"
)
LONGEST = timedelta(minutes=15)
"""For reading the scores of a run."""


class EventScores(NamedTuple):
    """Scores with their entities, as text, and event times; each of shape (rows,), in the order of the run."""

    entities: NDArray[Any]
    event_times: NDArray[np.datetime64]
    scores: NDArray[np.float64]


def count(url: str, run: int, start: date) -> int:
    """How many scores a run has of events from the beginning of a day on."""
    with reachable(), engine(url).connect() as connection:
        return int(connection.scalar(_SINCE, {"run": run, "start": midnight(start)}) or 0)


def read(url: str, run: int, *, start: date, end: date = date.max) -> EventScores:
    """The scores of a run for the events of [start, end).

    Raises:
        ServiceError: the ledger cannot be reached, or does not answer in time.
    """
    query = _BETWEEN.format(run=run, start=midnight(start).isoformat(), end=midnight(end).isoformat())
    with reading(url, LONGEST) as cursor:
        cursor.execute(query)
        table = cursor.fetch_arrow_table()
    times = table["event_time"].cast(pa.timestamp("us", tz="UTC")).to_numpy()
    scores = np.asarray(table["score"].to_numpy(), dtype=np.float64)
    return EventScores(table["entity"].to_numpy(zero_copy_only=False), times, scores)
