"""What the page shows of MLflow: where the alias points, model cards, backtests. Asked briefly, never waited for."""

from __future__ import annotations

import os
import threading
import time
from typing import Any, NamedTuple
from urllib.parse import quote

import requests

ALIAS = "champion"
PATIENCE = 2.0
"""Seconds that MLflow may take to answer before the page goes without it."""
KEPT = 20.0
"""Seconds for which an answer about aliases, or the lack of one, is kept."""


class UnreachableError(Exception):
    """MLflow did not answer, or not as expected; says why."""


class Aliases(NamedTuple):
    """The version that each registered model's alias points at; `trouble` where MLflow could not be asked."""

    versions: dict[str, int | None]
    trouble: str = ""


_lock = threading.Lock()
_kept: tuple[float, Aliases] | None = None


def aliases() -> Aliases:
    """Where the alias `champion` of every registered model points: one look at MLflow, kept for a short while."""
    global _kept
    with _lock:
        if _kept is None or time.monotonic() - _kept[0] > KEPT:
            _kept = (time.monotonic(), _look())
        return _kept[1]


def _look() -> Aliases:
    found: dict[str, int | None] = {}
    token = ""
    try:
        while True:
            asked = {"max_results": 1000, **({"page_token": token} if token else {})}
            page = _get("/api/2.0/mlflow/registered-models/search", asked).json()
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
    return _get("/get-artifact", {"run_uuid": run_id, "path": path}, patience=10).content.decode()


def newest_backtest(model: str, lane: str) -> dict[str, Any] | None:
    """The last finished backtest of a lane as `titleholder backtest --json` has it; None where there is none.

    Raises:
        UnreachableError: MLflow does not answer.
    """
    experiment = _get("/api/2.0/mlflow/experiments/get-by-name", {"experiment_name": model}, missing=True)
    if experiment is None:
        return None
    body = {
        "experiment_ids": [experiment.json()["experiment"]["experiment_id"]],
        "filter": f"tags.`titleholder.kind` = 'backtest' AND tags.`titleholder.lane` = '{lane}' "
        "AND attributes.status = 'FINISHED'",
        "order_by": ["attributes.start_time DESC"],
        "max_results": 1,
    }
    runs = _send("POST", "/api/2.0/mlflow/runs/search", json=body).json().get("runs", [])
    if not runs:
        return None
    run_id = runs[0]["info"]["run_id"]
    tags = {tag["key"]: tag["value"] for tag in runs[0]["data"].get("tags", [])}
    told: dict[str, Any] = _get("/get-artifact", {"run_uuid": run_id, "path": "backtest.json"}, patience=10).json()
    return {**told, "run_id": run_id, "answer": tags.get("mlflow.note.content", "")}


def run_address(run_id: str) -> str:
    """Where a person sees a run."""
    return f"{_seen_by_people()}/#/runs/{quote(run_id, safe='')}"


def version_address(model: str, version: int) -> str:
    """Where a person sees a version."""
    return f"{_seen_by_people()}/#/models/{quote(model, safe='')}/versions/{version}"


def _seen_by_people() -> str:
    return (os.environ.get("TITLEHOLDER_MLFLOW_ADDRESS") or os.environ.get("MLFLOW_TRACKING_URI", "")).rstrip("/")


def _get(path: str, params: dict[str, Any], *, missing: bool = False, patience: float = PATIENCE) -> Any:
    return _send("GET", path, missing=missing, patience=patience, params=params)


def _send(method: str, path: str, *, missing: bool = False, patience: float = PATIENCE, **what: Any) -> Any:
    """An answer of MLflow; None for a 404 where that is expected."""
    server = os.environ.get("MLFLOW_TRACKING_URI", "").rstrip("/")
    if not server:
        raise UnreachableError("MLFLOW_TRACKING_URI is not set for Airflow's API server")
    login = (os.environ.get("MLFLOW_TRACKING_USERNAME", ""), os.environ.get("MLFLOW_TRACKING_PASSWORD", ""))
    try:
        answer = requests.request(method, f"{server}{path}", auth=login if login[0] else None, timeout=patience, **what)
    except requests.RequestException as error:
        raise UnreachableError(f"MLflow does not answer ({type(error).__name__})") from error
    if answer.status_code == 404 and missing:
        return None
    if not answer.ok:
        raise UnreachableError(f"MLflow answered {answer.status_code}")
    return answer
