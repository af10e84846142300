"""Addresses of MLflow's pages, for people (pure). Without MLflow's library, so that a web server can afford it."""

from __future__ import annotations

import os
from urllib.parse import quote, urlsplit


def run(server: str, run_id: str) -> str:
    """Where a person sees a run; `server` is the tracking URI, over which `TITLEHOLDER_MLFLOW_ADDRESS` wins."""
    return f"{_seen_by_people(server)}/#/runs/{_part(run_id)}"


def artifact(server: str, experiment: str, run_id: str, path: str) -> str:
    """Where a person sees a file of a run."""
    return f"{_seen_by_people(server)}/#/experiments/{_part(experiment)}/runs/{_part(run_id)}/artifacts/{quote(path)}"


def version(server: str, model: str, number: int) -> str:
    """Where a person sees a model version."""
    return f"{_seen_by_people(server)}/#/models/{_part(model)}/versions/{number}"


def without_login(address: str) -> str:
    """An address as it may be shown: without a name and a password that may stand in it."""
    parts = urlsplit(address.rstrip("/"))
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _seen_by_people(server: str) -> str:
    return without_login(os.environ.get("TITLEHOLDER_MLFLOW_ADDRESS") or server)


def _part(name: str) -> str:
    return quote(name, safe="")
