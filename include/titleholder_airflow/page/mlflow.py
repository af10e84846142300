"""What the page reads from MLflow: aliases, model cards and backtest reports. Short timeouts, limited concurrency."""

from __future__ import annotations

import json
import os
import threading
import time
from concurrent.futures import Future
from http import HTTPStatus
from typing import Any, NamedTuple

import requests

from titleholder.registry import names, urls

TIMEOUT, FILE_TIMEOUT = 2.0, 5.0
"""Seconds that MLflow may take for an answer, and for a file, before the page is shown without it."""
KEPT, FRESH = 20.0, 1.0
"""Seconds for which aliases are kept, and for which an answer that shows a difference is believed."""
LARGEST = names.LARGEST_REPORT
"""Bytes that an answer may have: nothing that is asked for is larger than a report."""
PAGES = 20
"""Pages of 1000 models that are read."""
AT_ONCE = 4
"""The largest number of requests that wait for MLflow; the API server's other threads stay free."""


class UnavailableError(Exception):
    """MLflow does not answer, or not as expected; the message says why."""


class Aliases(NamedTuple):
    """The version of each registered model's alias; `error` says why MLflow could not be read."""

    versions: dict[str, int | None]
    error: str = ""


_looking, _slots = threading.Lock(), threading.BoundedSemaphore(AT_ONCE)
_kept: tuple[float, Aliases] | None = None


def aliases(max_age: float = KEPT) -> Aliases:
    """The version of every registered model's alias `champion`, read at most `max_age` seconds ago.

    While one request reads, the others take the older answer, if there is one.
    """
    global _kept
    known = _kept
    if known and time.monotonic() - known[0] <= max_age:
        return known[1]
    if not _looking.acquire(blocking=known is None):
        return known[1] if known else Aliases({}, "MLflow was not asked")
    try:
        if _kept is known:  # no other request was faster
            _kept = (time.monotonic(), _read_aliases())
        return _kept[1] if _kept else Aliases({}, "MLflow was not asked")
    finally:
        _looking.release()


def _read_aliases() -> Aliases:
    found: dict[str, int | None] = {}
    token = ""
    try:
        for _ in range(PAGES):
            wanted = {"max_results": 1000, **({"page_token": token} if token else {})}
            page = json.loads(_request("GET", "/api/2.0/mlflow/registered-models/search", params=wanted) or b"")
            for model in page.get("registered_models", []):
                versions = {a["alias"]: int(a["version"]) for a in model.get("aliases", [])}
                found[str(model["name"])] = versions.get(names.ALIAS)
            if not (token := page.get("next_page_token", "")):
                return Aliases(found)
        return Aliases({}, "MLflow has too many models")
    except UnavailableError as error:
        return Aliases({}, str(error))
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError):
        return Aliases({}, "MLflow gave an unexpected answer")


def artifact(run_id: str, path: str, timeout: float | None = None) -> bytes:
    """A file among a run's artifacts, which MLflow has so many seconds to send (`FILE_TIMEOUT`).

    Raises:
        UnavailableError: MLflow does not answer, or has no such file.
    """
    wanted = {"run_uuid": run_id, "path": path}
    answer = _request("GET", "/get-artifact", timeout=timeout or FILE_TIMEOUT, missing=True, params=wanted)
    if answer is None:
        raise UnavailableError(f"MLflow has no {path} of this run")
    return answer


def run_url(run_id: str) -> str:
    """Where a person sees a run."""
    return urls.run(_server(), run_id)


def version_url(model: str, version: int) -> str:
    """Where a person sees a version."""
    return urls.version(_server(), model, version)


def _server() -> str:
    return os.environ.get("MLFLOW_TRACKING_URI", "").rstrip("/")


def _request(method: str, path: str, *, missing: bool = False, timeout: float = TIMEOUT, **what: Any) -> bytes | None:
    """The body of an answer of MLflow; None for a 404 where that is expected.

    It is there within `timeout` or not at all, however slowly the server sends; no redirect is followed, because the
    login is for this server; and it is not larger than `LARGEST`, also when it was compressed.
    """
    if not (server := _server()):
        raise UnavailableError("MLFLOW_TRACKING_URI is not set for Airflow's API server")
    if not _slots.acquire(timeout=TIMEOUT):
        raise UnavailableError("Too many requests wait for MLflow")
    answer: Future[tuple[int, bytes]] = Future()
    arguments = (answer, method, f"{server}{path}", timeout, what)
    threading.Thread(target=_fetch, args=arguments, name="request to MLflow", daemon=True).start()
    try:
        status, body = answer.result(timeout)
    except TimeoutError:
        raise UnavailableError(f"MLflow does not answer within {timeout:g} s") from None
    except UnavailableError:
        raise
    except Exception as error:  # of requests, of urllib3, of what is below them
        raise UnavailableError(f"MLflow does not answer ({type(error).__name__})") from None
    if status == HTTPStatus.NOT_FOUND and missing:
        return None
    if status != HTTPStatus.OK:
        raise UnavailableError(f"MLflow answered {status}")
    return body


def _fetch(answer: Future[tuple[int, bytes]], method: str, url: str, timeout: float, what: dict[str, Any]) -> None:
    """Ask, and free the slot. A server that sends its headers byte by byte holds the slot, and no page."""
    login = (os.environ.get("MLFLOW_TRACKING_USERNAME", ""), os.environ.get("MLFLOW_TRACKING_PASSWORD", ""))
    options: dict[str, Any] = {
        "auth": login if login[0] else None,
        "allow_redirects": False,
        "stream": True,
        "headers": {"Accept-Encoding": "identity"},
        **what,
    }
    try:
        with requests.request(method, url, timeout=timeout, **options) as response:
            answer.set_result((response.status_code, _body(response, time.monotonic() + timeout)))
    except Exception as error:
        answer.set_exception(error)
    finally:
        _slots.release()


def _body(response: requests.Response, deadline: float) -> bytes:
    """What was sent, as it was sent, until the deadline."""
    body = bytearray()
    for part in response.raw.stream(65_536, decode_content=False):
        body += part
        if len(body) > LARGEST:
            raise UnavailableError(f"MLflow's answer is larger than {LARGEST // 1024**2} MB")
        if time.monotonic() > deadline:
            raise UnavailableError("MLflow's answer takes too long")
    return bytes(body)
