"""The append-only table of decisions, in PostgreSQL. It is the truth; the registry's alias follows it."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, case, cast, column, select, table, text
from sqlalchemy.types import Date, Text

from titleholder.errors import DataError, ServiceError, UsageError, one_line
from titleholder.ledger import reigns
from titleholder.ledger.database import engine, limit, reachable
from titleholder.ledger.decision import DOCUMENTS, Decision, Entry, written_form
from titleholder.ledger.lane_entry import WHOLE, LaneEntry
from titleholder.spec.types import DECLINE, LIVE

LOCK_TIMEOUT = 60
"""Seconds that a run waits for the lock of a lane or of a model's alias."""
LOCK_IDLE, ALIAS_IDLE = 10, 45
"""Seconds for which a client may hold the lock of a lane, and that of an alias, and send the database nothing.

A client that was stopped or vanished then loses it. Under a lane's lock nobody waits for anything else, under that of
an alias for MLflow.
"""
_WRITTEN = tuple(Decision.model_fields)
_READ = dict.fromkeys([*_WRITTEN, *(name for name in LaneEntry.model_fields if name != "matured")])
"""The columns that are read: those that a writer fills, and those that the database derives for a `LaneEntry`."""
_TABLE = table("decisions", *map(column, _READ), schema="titleholder")
_APPEND = text("SELECT * FROM titleholder.append(:after, CAST(:entries AS json))")

ATTEMPTS = 30
"""How often a plan is made before the lane is said to be too busy; each time another run has written something."""
TURN = 60
"""Seconds, at most, that a run waits for those that plan in its lane, before it plans beside them."""
PAUSE = 0.05
"""Seconds, at most, before a plan is made again, times the number of the attempt."""


def read_lane(url: str, model: str, lane: str) -> list[LaneEntry]:
    """What succession needs to know of every row of a lane, in the order of writing: one query, a small answer.

    Raises:
        DataError: for a row that somebody wrote past this package, and that cannot be read.
    """
    with reachable(), engine(url).connect() as connection:
        of = _TABLE.c
        derived = (
            cast(of.spans.op("->>")("matured"), Date).label("matured"),
            *(case((of.champion_after.is_distinct_from(of.champion_before), of[name])).label(name) for name in WHOLE),
        )
        plain = [of[name] for name in LaneEntry.model_fields if name not in ("matured", *WHOLE)]
        wanted = select(*plain, *derived).where(of.model == model, of.lane == lane).order_by(of.sequence)
        try:
            return [LaneEntry.model_validate(dict(row)) for row in connection.execute(wanted).mappings()]
        except (ValueError, RecursionError) as error:
            said = f"{model}, lane {lane}: a decision cannot be read by this version: {one_line(error)}"
            raise DataError(f"{said}. `titleholder audit {model}` names it") from error


Plan = Callable[[list[LaneEntry]], list[Entry] | int]
"""Makes entries of a lane's rows, or finds the id of a decision that stands already."""


def write(plan: Plan, url: str, model: str, lane: str) -> Decision:
    """Write what is planned behind a lane's rows; planned again while another run overtakes it.

    Returns the first row that was written, or the decision that stands already.

    Raises:
        ServiceError: when the lane changed during every attempt.
    """
    for attempt in range(ATTEMPTS):
        rows = read_lane(url, model, lane)
        planned = plan(rows)
        if isinstance(planned, int):
            return decision(url, planned)
        if written := append(url, planned, after=rows[-1].sequence if rows else 0):
            return written[0]
        time.sleep(random.uniform(0, PAUSE * attempt))  # noqa: S311  (no secret: so that two runs do not keep step)
    raise ServiceError(f"{model}, lane {lane}: other runs kept writing for {ATTEMPTS} attempts. Try again in a moment.")


def append(url: str, entries: Sequence[Entry], *, after: int) -> list[Decision] | None:
    """Write these entries of one lane behind its row number `after`; None where that is no longer its last one.

    The first entry is a decision, the others are months re-judged because of it. All are written or none. A function
    of the database does it, which holds the lane's lock until it ends: it checks their places in the lane, and sets
    number, time, hashes and the role that wrote them.
    """
    with locking(url, LOCK_IDLE) as connection:
        places = connection.execute(_APPEND, {"after": after, "entries": written_form(entries)}).mappings().all()
    made = [Decision.model_validate({**e.model_dump(), **place}) for e, place in zip(entries, places, strict=False)]
    return made or None


@contextmanager
def in_turn(url: str, model: str, lane: str) -> Iterator[None]:
    """Inside, runs of the lane plan one after the other: of several that do so at once, all but one plan in vain.

    It saves work and promises nothing: who has waited too long goes on, and a turn ends early where the server ends its
    idle transaction. `write` finds out whether the lane has changed.
    """
    lock = text("SELECT pg_try_advisory_xact_lock(hashtextextended(:name, 0))")
    name, until = f"titleholder:turn:{model}:{lane}", time.monotonic() + TURN
    with reachable():
        connection = engine(url).connect()
    try:
        with reachable():
            while not connection.scalar(lock, {"name": name}) and time.monotonic() < until:
                connection.rollback()  # who waits holds no connection of a pooler
                time.sleep(4 * PAUSE)
        yield
    finally:
        connection.invalidate()  # the server may have ended it
        connection.close()


@contextmanager
def locking(url: str, idle: int) -> Iterator[Connection]:
    """A transaction that waits for a lock and holds it, until its client has sent nothing for `idle` seconds."""
    with reachable(), engine(url).begin() as connection:
        limit(connection, lock_timeout=LOCK_TIMEOUT, idle_timeout=idle)
        yield connection


@contextmanager
def alias_locked(url: str, model: str) -> Iterator[None]:
    """Hold the right to move a model's alias: runs that let it follow the ledger do so one after the other.

    It is a lock of its own: the lanes go on meanwhile.
    """
    lock = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")
    with locking(url, ALIAS_IDLE) as connection:
        connection.execute(lock, {"name": f"titleholder:alias:{model}"})
        yield


def read(url: str, model: str, lane: str) -> list[Decision]:
    """Every row of a lane, verdicts and specs included, in the order of writing."""
    return [Decision.from_row(row) for row in stored(url, model, lane)]


def stored(url: str, model: str, lane: str) -> list[dict[str, Any]]:
    """Every row of a lane just as the database has it, in the order of writing: what hashes are checked against."""
    with reachable(), engine(url).connect() as connection:
        of = _TABLE.c
        wanted = _as_stored().where(of.model == model, of.lane == lane).order_by(of.sequence)
        return [dict(row) for row in connection.execute(wanted).mappings()]


def decision(url: str, number: int) -> Decision:
    """The decision with this id; UsageError where there is none."""
    if found := decisions(url, [number]):
        return found[0]
    raise UsageError(f"no decision {number} in the ledger; `titleholder history MODEL` shows each one's id")


def decisions(url: str, numbers: Collection[int]) -> list[Decision]:
    """The decisions with these ids, in the order of writing."""
    with reachable(), engine(url).connect() as connection:
        of = _TABLE.c
        wanted = _as_stored().where(of.id.in_(numbers)).order_by(of.id)
        return [Decision.from_row(dict(row)) for row in connection.execute(wanted).mappings()]


def newest_about(url: str, model: str, lane: str, version: int) -> int | None:
    """The id of the newest decision about a version in a lane; None where there is none."""
    with reachable(), engine(url).connect() as connection:
        of = _TABLE.c
        about = select(of.id).where(of.model == model, of.lane == lane, of.challenger_version == version)
        return connection.scalar(about.order_by(of.sequence.desc()).limit(1))


def champion(url: str, model: str, lane: str) -> int | None:
    """The version that the last row of a lane leaves as champion; None where there is none."""
    found = _last(url, model, lane)
    return found.champion_after if found else None


def retired(url: str, model: str) -> str:
    """When and why a model was retired, if its live lane ends with that; else empty."""
    found = _last(url, model, LIVE)
    return reigns.retirement([found]) if found else ""


def _last(url: str, model: str, lane: str) -> Any:
    """The last row of a lane but for declined rollbacks, which leave everything as it was."""
    with reachable(), engine(url).connect() as connection:
        of = _TABLE.c
        named = (of.id, of.kind, of.champion_after, of.created_at, of.asked_because)
        last = select(*named).where(of.model == model, of.lane == lane, of.kind != DECLINE)
        return connection.execute(last.order_by(of.sequence.desc()).limit(1)).one_or_none()


def models(url: str) -> list[str]:
    """The models that have decisions."""
    with reachable(), engine(url).connect() as connection:
        return list(connection.scalars(select(_TABLE.c.model).distinct().order_by("model")))


def lanes(url: str, model: str) -> list[str]:
    """The lanes in which a model has decisions."""
    with reachable(), engine(url).connect() as connection:
        return list(
            connection.scalars(select(_TABLE.c.lane).where(_TABLE.c.model == model).distinct().order_by("lane"))
        )


class References(NamedTuple):
    """What the decisions of a lane reference.

    `decisions` are their ids as texts, `versions` those that they are about, unfit ones too, with their MLflow runs;
    `snapshots` are SHA-256s.
    """

    decisions: set[str]
    versions: dict[int, set[str]]
    snapshots: set[str]


def references(url: str, model: str) -> dict[str, References]:
    """What the decisions of each of a model's lanes reference."""
    with reachable(), engine(url).connect() as connection:
        of = _TABLE.c
        others = [of.verdict.op("->")(key).label(key) for key in ("unfit", "also_unfit")]
        named = (of.lane, of.id, of.challenger_version, of.training_run_id, of.mlflow_run_id, of.snapshot_sha256)
        rows = connection.execute(select(*named, *others).where(of.model == model)).all()
    found: dict[str, References] = {}
    for row in rows:
        lane = found.setdefault(row.lane, References(set(), {}, set()))
        lane.decisions.add(str(row.id))
        if row.challenger_version is None:
            continue
        lane.snapshots.add(row.snapshot_sha256)
        lane.versions.setdefault(row.challenger_version, set()).update((row.training_run_id, row.mlflow_run_id))
        for candidate in (*(row.unfit or ()), *(row.also_unfit or ())):
            lane.versions.setdefault(candidate["version"], set()).add(row.mlflow_run_id)
    return found


def _as_stored() -> Select[Any]:
    """Whole rows as they were written, JSON documents as their texts; nothing that the database derives from them."""
    written = (_TABLE.c[name] for name in _WRITTEN)
    return select(*(cast(of, Text).label(of.name) if of.name in DOCUMENTS else of for of in written))
