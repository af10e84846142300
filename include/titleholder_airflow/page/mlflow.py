"""What the page shows of MLflow: where the alias points, model cards, backtests. Asked briefly, by few at once."""

from __future__ import annotations

import os
import threading
import time
from typing import Any, NamedTuple

import requests

from titleholder.registry import urls

ALIAS = "champion"
PATIENCE, LONGER = 2.0, 5.0
"""Seconds that MLflow may take for an answer before the page goes without it: for what is small, and for a file."""
KEPT, FRESH = 20.0, 1.0
"""Seconds for which an answer about aliases is kept, and for which one that shows trouble is believed."""
AT_ONCE = 4
"""So many requests may wait for MLflow; the API server's other threads are for others."""


class UnreachableError(Exception):
    """MLflow did not answer, or not as expected; says why."""


class Aliases(NamedTuple):
    """The version that each registered model's alias points at; `trouble` where MLflow could not be asked."""

    versions: dict[str, int | None]
    trouble: str = ""


class Backtest(NamedTuple):
    """A backtest: its run, its answer in a sentence, and its months as `titleholder backtest --json` has them."""

    run_id: str
    answer: str
    metric: str
    labels_as_of: str
    months: list[dict[str, Any]]


_looking, _places = threading.Lock(), threading.BoundedSemaphore(AT_ONCE)
_kept: tuple[float, Aliases] | None = None


def aliases(older_than: float = KEPT) -> Aliases:
    """Where the alias `champion` of every registered model points, as seen at most so many seconds ago.

    While one request looks, the others take the older answer, if there is one.
    """
    global _kept
    known = _kept
    if known and time.monotonic() - known[0] <= older_than:
        return known[1]
    if not _looking.acquire(blocking=known is None):
        return known[1] if known else Aliases({}, "MLflow was not asked")
    try:
        if _kept is known:  # nobody was faster
            _kept = (time.monotonic(), _look())
        return _kept[1] if _kept else Aliases({}, "MLflow was not asked")
    finally:
        _looking.release()


def _look() -> Aliases:
    found: dict[str, int | None] = {}
    token = ""
    try:
        while True:
            asked = {"max_results": 1000, **({"page_token": token} if token else {})}
            page = _json(_ask("GET", "/api/2.0/mlflow/registered-models/search", params=asked))
            for model in page.get("registered_models", []):
                pointed = {a["alias"]: int(a["version"]) for a in model.get("aliases", [])}
                found[model["name"]] = pointed.get(ALIAS)
            if not (token := page.get("next_page_token", "")):
                return Aliases(found)
    except (UnreachableError, ValueError, KeyError) as error:
        return Aliases({}, str(error))


def artifact(run_id: str, path: str) -> str:
    """A text that hangs on a run.

    Raises:
        UnreachableError: MLflow does not answer, or has no such file.
    """
    answer = _ask("GET", "/get-artifact", patience=LONGER, missing=True, params={"run_uuid": run_id, "path": path})
    if answer is None:
        raise UnreachableError(f"MLflow has no {path} of this run")
    return str(answer.content.decode("utf-8", errors="replace"))


def newest_backtest(model: str, lane: str) -> Backtest | None:
    """The last finished backtest of a lane; None where there is none.

    Raises:
        UnreachableError: MLflow does not answer, or what it keeps is no backtest.
    """
    name = {"experiment_name": model}
    experiment = _ask("GET", "/api/2.0/mlflow/experiments/get-by-name", missing=True, params=name)
    if experiment is None:
        return None
    body = {
        "experiment_ids": [_json(experiment)["experiment"]["experiment_id"]],
        "filter": f"tags.`titleholder.kind` = 'backtest' AND tags.`titleholder.lane` = '{lane}' "
        "AND attributes.status = 'FINISHED'",
        "order_by": ["attributes.start_time DESC"],
        "max_results": 1,
    }
    runs = _json(_ask("POST", "/api/2.0/mlflow/runs/search", json=body)).get("runs", [])
    if not runs:
        return None
    run_id = runs[0]["info"]["run_id"]
    tags = {tag["key"]: tag["value"] for tag in runs[0]["data"].get("tags", [])}
    wanted = {"run_uuid": run_id, "path": "backtest.json"}
    told = _json(_ask("GET", "/get-artifact", patience=LONGER, params=wanted))
    try:
        return Backtest(
            run_id, tags.get("mlflow.note.content", ""), told["metric"], told["labels_as_of"], told["months"]
        )
    except (KeyError, TypeError) as error:
        raise UnreachableError("What MLflow keeps as backtest.json is none") from error


def run_address(run_id: str) -> str:
    """Where a person sees a run."""
    return urls.run(_server(), run_id)


def version_address(model: str, version: int) -> str:
    """Where a person sees a version."""
    return urls.version(_server(), model, version)


def _server() -> str:
    return os.environ.get("MLFLOW_TRACKING_URI", "").rstrip("/")


def _json(answer: Any) -> dict[str, Any]:
    try:
        found: dict[str, Any] = answer.json()
    except ValueError as error:
        raise UnreachableError("MLflow answered something that is no JSON") from error
    return found


def _ask(method: str, path: str, *, missing: bool = False, patience: float = PATIENCE, **what: Any) -> Any:
    """An answer of MLflow; None for a 404 where that is expected."""
    if not (server := _server()):
        raise UnreachableError("MLFLOW_TRACKING_URI is not set for Airflow's API server")
    login = (os.environ.get("MLFLOW_TRACKING_USERNAME", ""), os.environ.get("MLFLOW_TRACKING_PASSWORD", ""))
    if not _places.acquire(timeout=PATIENCE):
        raise UnreachableError("MLflow is asked by too many at once")
    try:
        answer = requests.request(method, f"{server}{path}", auth=login if login[0] else None, timeout=patience, **what)
    except requests.RequestException as error:
        raise UnreachableError(f"MLflow does not answer ({type(error).__name__})") from error
    finally:
        _places.release()
    if answer.status_code == 404 and missing:
        return None
    if not answer.ok:
        raise UnreachableError(f"MLflow answered {answer.status_code}")
    return answer
