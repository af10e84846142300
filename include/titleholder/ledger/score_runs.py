"""Scoring runs and their scores, append-only like the decisions: a run and all its scores are there, or neither."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any, Literal

import psycopg2
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
from pydantic import BaseModel, ConfigDict
from sqlalchemy import Connection, TextClause, text
from sqlalchemy.exc import DBAPIError

from titleholder.data import run_scores
from titleholder.errors import DataError
from titleholder.ledger.database import engine, limit, reachable
from titleholder.ledger.many_rows import reading

Role = Literal["champion", "challenger"]
_BEGIN = text("SELECT * FROM titleholder.begin_score_run(CAST(:run AS json))")
_COPY = "COPY titleholder.scores (run, position, entity, event_time, score, reasons) FROM STDIN (FORMAT csv)"
_OF_MODEL = text("SELECT * FROM titleholder.score_runs WHERE model = :model ORDER BY id")
_COUNTS = text("SELECT s.run, count(*) AS n FROM titleholder.scores AS s WHERE s.run = ANY(:runs) GROUP BY s.run")
_SCORES = (
    "SELECT position, entity, event_time, score, reasons FROM titleholder.scores WHERE run = {run:d} ORDER BY position"
)


class RunKey(BaseModel):
    """What a scoring run is known by: a second one of the same key finds the first one's result.

    `decision` is the one that made the version champion, so that a version that came back has runs of its own; of a
    challenger it is the one about it. The query is known by the SHA-256 of its text, connection and window,
    and of the reasons that are asked for.
    """

    model_config = ConfigDict(frozen=True)

    model: str
    lane: str
    as_of: date
    role: Role
    version: int
    decision: int
    query_sha256: str


class Entry(RunKey):
    """What a scoring run says of itself."""

    window_start: date
    input_uri: str
    input_sha256: str
    output_uri: str
    """The Parquet file of the scores; empty where there is none."""
    output_sha256: str
    rows: int
    scores_sha256: str
    """See `data.run_scores.Digest`."""
    reasons_for: Literal["", "high", "low"] = ""
    """Which scores its reasons are for, as in the spec; empty where it gives none."""
    reason_texts: dict[str, str] = {}
    """What features are called where they are reasons."""
    code_version: str
    actor: str
    airflow_run: str
    reason: str


class ScoreRun(Entry):
    """A scoring run as it stands in the ledger."""

    id: int
    created_at: datetime
    written_by: str


_KEY = tuple(RunKey.model_fields)
_FIND = text(
    f"SELECT * FROM titleholder.score_runs WHERE {' AND '.join(f'{name} = :{name}' for name in _KEY)}"  # noqa: S608
)


def find(url: str, key: RunKey) -> ScoreRun | None:
    """The run of this key; None where there is none."""
    with reachable(), engine(url).connect() as connection:
        return next(iter(_runs(connection, _FIND, **key.model_dump(include=set(_KEY)))), None)


def of_model(url: str, model: str) -> list[ScoreRun]:
    """Every scoring run of a model, in the order of writing."""
    with reachable(), engine(url).connect() as connection:
        return _runs(connection, _OF_MODEL, model=model)


def files(url: str, model: str) -> dict[str, set[str]]:
    """The SHA-256 of the inputs of a model's scoring runs, and of their files of scores, by lane."""
    found: dict[str, set[str]] = {}
    for run in of_model(url, model):
        found.setdefault(run.lane, set()).update(filter(None, (run.input_sha256, run.output_sha256)))
    return found


def write(url: str, entry: Entry, batches: Iterator[pa.RecordBatch], longest: timedelta) -> ScoreRun:
    """Write a run with its scores, in one transaction of at most this time; or the run of the same key that is there.

    While another process writes a run of the same key, this one waits for it.

    Raises:
        DataError: the ledger refuses the run or its scores; nothing was written.
        ServiceError: PostgreSQL does not answer; nothing was written.
    """
    with reachable(), engine(url).begin() as connection:
        seconds = int(longest.total_seconds())
        limit(connection, statement_timeout=seconds, lock_timeout=seconds)
        begun = connection.execute(_BEGIN, {"run": entry.model_dump_json()}).mappings().one_or_none()
        if begun:
            cursor = connection.connection.cursor()
            for batch in batches:
                _copy(cursor, begun["id"], batch)
    if begun:
        return ScoreRun.model_validate({**entry.model_dump(), **begun})
    if found := find(url, entry):
        return found
    raise DataError(f"{entry.model}: the ledger took no scoring run and has none of this key; run it again")


def _copy(cursor: Any, run: int, batch: pa.RecordBatch) -> None:
    """Every batch is a statement of its own, so that the server's memory does not grow with the rows."""
    numbered = batch.add_column(0, "run", pa.repeat(pa.scalar(run, pa.int64()), batch.num_rows))
    numbered = numbered.set_column(5, "reasons", _array_literals(numbered.column("reasons")))
    buffer = io.BytesIO()
    pacsv.write_csv(numbered, buffer, pacsv.WriteOptions(include_header=False, quoting_style="all_valid"))
    buffer.seek(0)
    try:
        cursor.copy_expert(_COPY, buffer)
    except psycopg2.Error as error:  # as SQLAlchemy raises it for its own statements
        raise DBAPIError.instance(_COPY, None, error, psycopg2.Error, hide_parameters=True) from error


def _array_literals(lists: pa.ListArray) -> pa.Array:
    """Lists of texts as PostgreSQL writes arrays; null stays null.

    >>> _array_literals(pa.array([["a", 'b"c'], [], None], pa.list_(pa.string()))).to_pylist()
    ['{"a","b\\\\"c"}', '{}', None]
    """
    texts = lists.flatten()
    for special in ("\\", '"'):
        texts = pc.replace_substring(texts, special, f"\\{special}")
    quoted = pc.binary_join_element_wise('"', texts, '"', "")
    ends = pc.cumulative_sum(pc.fill_null(pc.list_value_length(lists), 0))
    offsets = pa.concat_arrays([pa.array([0], pa.int32()), ends.cast(pa.int32())])
    joined = pc.binary_join(pa.ListArray.from_arrays(offsets, quoted, mask=lists.is_null()), ",")
    return pc.binary_join_element_wise("{", joined, "}", "")


def counts(url: str, runs: list[int], longest: timedelta) -> dict[int, int]:
    """How many scores each of these runs has; one without any is left out."""
    with reachable(), engine(url).begin() as connection:
        limit(connection, statement_timeout=int(longest.total_seconds()))
        return {row.run: row.n for row in connection.execute(_COUNTS, {"runs": runs})}


def digest_of(url: str, run: int, longest: timedelta) -> run_scores.Digest:
    """The digest of the scores that the ledger has of a run, read in batches of bounded size."""
    digest = run_scores.Digest()
    for batch in batches(url, run, longest):
        digest.update(batch)
    return digest


def batches(url: str, run: int, longest: timedelta) -> Iterator[pa.RecordBatch]:
    """The scores that the ledger has of a run, in the order of positions, in batches of bounded size.

    Raises:
        ServiceError: the ledger cannot be reached, or does not answer in time.
    """
    with reading(url, longest) as cursor:
        cursor.execute(_SCORES.format(run=run))
        for batch in cursor.fetch_record_batch():
            yield batch.cast(run_scores.SCHEMA)


def _runs(connection: Connection, query: TextClause, **values: Any) -> list[ScoreRun]:
    return [ScoreRun.model_validate(dict(row)) for row in connection.execute(query, values).mappings()]
