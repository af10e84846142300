"""What one task hands on to a later one, signed: Airflow lets people edit it in between (XCom).

A signed value is `{"payload": "<JSON>", "signature": "<HMAC-SHA256>"}`. The payload travels as text: the database that
keeps it would turn 1e16 into an integer and -0.0 into 0. The signature also covers where it was handed on: DAG, run and
task. So a value is good for one place only.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from collections.abc import Mapping
from typing import Any, NamedTuple

from airflow.sdk import XComArg

from titleholder.errors import SignatureError, UsageError
from titleholder.settings import SIGNING_KEY, SIGNING_KEY_BYTES

RESULT = "return_value"
"""The key under which Airflow keeps what a task returns."""


class Place(NamedTuple):
    """Where a payload is handed on: by which task of which run."""

    dag_id: str
    run_id: str
    task_id: str

    @classmethod
    def of(cls, ti: Any) -> Place:
        """The place of a task instance."""
        return cls(ti.dag_id, ti.run_id, ti.task_id)


Source = str | tuple[str, ...] | None
"""The task, or the tasks, from which an argument comes; None for one that the DAG file states itself."""


def source(argument: Any) -> Source:
    """Where a task's argument comes from: by the DAG, which nobody can edit in Airflow.

    Raises:
        TypeError: it is neither what one task returned nor a list of such, and cannot be verified.
    """
    if isinstance(argument, list | tuple):
        found = tuple(source(item) for item in argument)
        if all(isinstance(item, str) for item in found) and found:
            return found  # type: ignore[return-value]
    if isinstance(argument, XComArg):
        ((operator, key),) = XComArg.iter_xcom_references(argument)
        if key == RESULT and not operator.is_mapped:
            return str(operator.task_id)
    if list(XComArg.iter_xcom_references(argument)):
        raise TypeError(f"an argument is what one task returned, or a list of such: {argument!r}")
    return None


def sign(payload: Mapping[str, Any], place: Place) -> dict[str, Any]:
    """A payload as it is handed on at this place."""
    text = json.dumps(payload)
    return {"payload": text, "signature": _signature(text, place)}


def opened(value: Any, place: Place) -> dict[str, Any]:
    """The payload that was handed on at this place.

    Raises:
        SignatureError: nothing was, or another value than this.
    """
    where = f"{place.task_id} of the run {place.dag_id}/{place.run_id}"
    if value is None:
        raise SignatureError(
            f"{where} returned nothing: it was marked as successful, or its result (XCom) was deleted. Clear "
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
            f"what is there as the result (XCom) of {where} was not handed on by it: it was edited, or is "
            f"of another task or run, or {SIGNING_KEY} was changed. Clear {place.task_id} and the tasks after it. "
            "Nothing was decided"
        )
    found: dict[str, Any] = json.loads(str(text))
    return found


def received(value: Any, source: Source, ti: Any) -> Any:
    """The payload, or the payloads in their order, that a task of the same run gets from `source`.

    Of several tasks those that failed handed on nothing, and are left out. Without a source the value is that of the
    DAG file, as it is.

    Raises:
        SignatureError: see `opened`.
    """
    if source is None:
        return value
    if isinstance(source, str):
        return opened(value, Place(ti.dag_id, ti.run_id, source))
    places = [Place(ti.dag_id, ti.run_id, task_id) for task_id in source]
    return [opened(one, place) for one, place in zip(value, places, strict=True) if one is not None]


def digest(payload: Mapping[str, Any]) -> str:
    """The SHA-256 of a payload, by which a task knows it again."""
    return hashlib.sha256(json.dumps(payload).encode()).hexdigest()


def need_key() -> bytes:
    """The key of the workers.

    Raises:
        UsageError: it is not set where this task runs, or too short; a retry cannot help.
    """
    key = os.environ.get(SIGNING_KEY, "").encode()
    if len(key) >= SIGNING_KEY_BYTES:
        return key
    lack = f"has {len(key)} bytes, of which {SIGNING_KEY_BYTES} are needed" if key else "is not set"
    raise UsageError(
        f"{SIGNING_KEY} {lack} where this task runs. It signs what one task hands on to the next, so that an edited "
        'XCom is refused. Make one with `python -c "import secrets; print(secrets.token_urlsafe(48))"`, and set it on '
        "every worker, and nowhere else"
    )


def _signature(text: str, place: Place) -> str:
    return hmac.new(need_key(), json.dumps([*place, text]).encode(), hashlib.sha256).hexdigest()
