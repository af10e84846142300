"""What one task hands on to a later one, signed: Airflow lets people edit it in between (XCom).

A signed value is `{"map_index": …, "payload": "<JSON>", "signature": "<HMAC-SHA256>"}`. The payload travels as text:
the database that keeps it would turn 1e16 into an integer and -0.0 into 0. The signature also covers where it was
handed on: DAG, run, task, map index and key. So a value is good for one place only.
"""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from airflow.sdk import XComArg

from titleholder.errors import SignatureError, UsageError

VARIABLE = "TITLEHOLDER_SIGNING_KEY"
LEAST = 32
"""The least length of the key in bytes: that of the signature."""
RESULT = "return_value"
"""The key under which Airflow keeps what a task returns."""


class Place(NamedTuple):
    """Where a payload is handed on: under which key, by which task of which run."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int = -1
    key: str = RESULT

    @classmethod
    def of(cls, ti: Any, key: str = RESULT) -> Place:
        """The place of a task instance."""
        return cls(ti.dag_id, ti.run_id, ti.task_id, ti.map_index, key)


class Source(NamedTuple):
    """The task from which an argument comes, and under which key; by the DAG, which nobody can edit in Airflow."""

    task_id: str
    key: str
    mapped: bool


def source(argument: Any) -> Source | None:
    """Where a task's argument comes from; None for one that the DAG file states itself.

    Raises:
        TypeError: it is made of several tasks' values, which cannot be verified.
    """
    found = list(XComArg.iter_xcom_references(argument))
    if not found:
        return None
    if not isinstance(argument, XComArg) or len(found) > 1:
        raise TypeError(f"an argument is what one task handed on, and not a part of something else: {argument!r}")
    ((operator, key),) = found
    return Source(operator.task_id, key, operator.is_mapped)


def sign(payload: Mapping[str, Any], place: Place) -> dict[str, Any]:
    """A payload as it is handed on at this place."""
    text = json.dumps(payload)
    return {"map_index": place.map_index, "payload": text, "signature": _signature(text, place)}


def opened(value: Any, place: Place) -> dict[str, Any]:
    """The payload that was handed on at this place.

    Raises:
        SignatureError: nothing was, or another value than this.
    """
    where = f"{place.task_id} of the run {place.dag_id}/{place.run_id}"
    if value is None:
        raise SignatureError(
            f"{where} handed nothing on: it was marked as successful, or its result (XCom) was deleted. Clear "
            f"{place.task_id} and the tasks after it. Nothing was decided"
        )
    parts = (value.get("payload"), value.get("signature")) if isinstance(value, dict) else (None, None)
    text, signature = parts
    if not isinstance(text, str) or not isinstance(signature, str):
        genuine = False
    else:
        genuine = hmac.compare_digest(_signature(text, place), signature.encode("ascii", "replace").decode())
    if not genuine:
        raise SignatureError(
            f"what is there as the result (XCom {place.key}) of {where} was not handed on by it: it was edited, or is "
            f"of another task or run, or {VARIABLE} was changed. Clear {place.task_id} and the tasks after it. Nothing "
            "was decided"
        )
    found: dict[str, Any] = json.loads(str(text))
    return found


def received(value: Any, source: Source | None, ti: Any) -> Any:
    """The payload, or the payloads of a mapped task, that a task of the same run gets from `source`.

    Without a source the value is that of the DAG file, as it is.

    Raises:
        SignatureError: see `opened`.
    """
    if source is None:
        return value
    place = Place(ti.dag_id, ti.run_id, source.task_id, key=source.key)
    return _of_mapped(list(value or ()), place) if source.mapped else opened(value, place)


def _of_mapped(values: Sequence[Any], place: Place) -> list[dict[str, Any]]:
    """In the order of their map indexes, each once. One that failed has none."""
    given = [value.get("map_index") if isinstance(value, dict) else None for value in values]
    indexes = [index if isinstance(index, int) else -1 for index in given]
    found = [opened(value, place._replace(map_index=i)) for i, value in zip(indexes, values, strict=True)]
    if any(after <= before for before, after in itertools.pairwise(indexes)):
        raise SignatureError(
            f"the results (XCom) of {place.task_id} of the run {place.dag_id}/{place.run_id} are not where they were "
            f"handed on: one stands in another's place. Clear {place.task_id} and the tasks after it. Nothing was "
            "decided"
        )
    return found


def digest(payload: Mapping[str, Any]) -> str:
    """The SHA-256 of a payload, by which a task knows it again."""
    return hashlib.sha256(json.dumps(payload).encode()).hexdigest()


def need_key() -> bytes:
    """The key of the workers.

    Raises:
        UsageError: it is not set where this task runs, or too short; a retry cannot help.
    """
    key = os.environ.get(VARIABLE, "").encode()
    if len(key) >= LEAST:
        return key
    lack = f"has {len(key)} bytes, of which {LEAST} are needed" if key else "is not set"
    raise UsageError(
        f"{VARIABLE} {lack} where this task runs. It signs what one task hands on to the next, so that an edited XCom "
        'is refused. Make one with `python -c "import secrets; print(secrets.token_urlsafe(48))"`, and set it on every '
        "worker, and nowhere else"
    )


def _signature(text: str, place: Place) -> str:
    return hmac.new(need_key(), json.dumps([*place, text]).encode(), hashlib.sha256).hexdigest()
