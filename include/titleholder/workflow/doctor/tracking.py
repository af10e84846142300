"""MLflow: does it answer, is the login right, and is nobody let in without one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from importlib.metadata import version

import requests
from mlflow.exceptions import MlflowException
from requests.auth import HTTPBasicAuth

from titleholder.errors import ServiceError
from titleholder.registry.server import ABSENT, REFUSED, Server
from titleholder.registry.urls import without_login
from titleholder.workflow.doctor.report import Check, ok, skipped, warning, wrong
from titleholder.workflow.doctor.services import MLFLOW, Service

TIMEOUT = 10
"""Seconds for one request."""
USER, PASSWORD, TOKEN = "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN"
Login = Callable[[requests.PreparedRequest], requests.PreparedRequest]
NO_RUN = "0" * 32
"""The id of a run that does not exist: who may write is told so, and nothing is changed."""
SEARCH = "api/2.0/mlflow/experiments/search?max_results=1"
OWN_LOGIN = "Start it with `mlflow server --app-name titleholder` (docs/install-in-your-airflow.md), or behind a login"


def tracking(service: Service) -> Iterator[Check]:
    """MLflow as the user of this environment sees it."""
    address = os.environ.get(MLFLOW, "").rstrip("/")
    if not address.startswith(("http://", "https://")):
        why = f"{MLFLOW} is no address of a server" if address else f"{MLFLOW} is not set"
        yield skipped("MLflow", why)
        return
    anonymous = _asked(f"{address}/{SEARCH}")
    yield ok("MLflow", f"{without_login(address)} answers")
    server = Server(address)
    with server.reachable():
        server.client.search_experiments(max_results=1)
    user = os.environ.get(USER) or (f"the owner of {TOKEN}" if os.environ.get(TOKEN) else "")
    yield ok("MLflow: login", f"{user} is let in" if user else "none is set, and none is asked for")
    if anonymous.status_code in (401, 403):
        yield ok("MLflow: anonymous", f"a request without a login is refused ({anonymous.status_code})")
    else:
        found = f"a request without a login is answered ({anonymous.status_code}): whoever reaches it can write"
        yield warning("MLflow: anonymous", found, OWN_LOGIN)
    yield _writes(server, service, user or "nobody")
    yield _version(address)


def _asked(url: str, login: Login = lambda request: request) -> requests.Response:
    """An answer with this login or none; no other, such as one of a .netrc file, is sent."""
    try:
        return requests.get(url, auth=login, timeout=TIMEOUT)
    except requests.RequestException as error:
        address = without_login(url).partition("/api/")[0]
        raise ServiceError(f"MLflow at {address} does not answer ({type(error).__name__})") from None


def _log_in(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """The login that MLflow's client takes from the environment."""
    if user := os.environ.get(USER):
        HTTPBasicAuth(user, os.environ.get(PASSWORD, ""))(request)
    elif token := os.environ.get(TOKEN):
        request.headers["Authorization"] = f"Bearer {token}"
    return request


def _writes(server: Server, service: Service, user: str) -> Check:
    """Whether the user may write, as a service that appends must, and no other should."""
    try:
        server.client.set_tag(NO_RUN, "titleholder", "doctor")
        writes = True
    except MlflowException as error:
        if not REFUSED.search(str(error)) and error.error_code not in ABSENT:
            raise
        writes = error.error_code in ABSENT
    if writes == service.appends:
        return ok("MLflow: rights", f"{user} {'writes' if writes else 'only reads'}, as this service should")
    if writes:
        return warning("MLflow: rights", f"{user} may write", f"This service only reads: use such a user in {USER}")
    return wrong("MLflow: rights", f"{user} only reads", f"This service writes: use such a user in {USER}")


def _version(address: str) -> Check:
    client = version("mlflow")
    answer = _asked(f"{address}/version", _log_in)
    found = answer.text.strip()[:20] if answer.ok else f"unknown ({answer.status_code})"
    both = f"server {found}, client {client}"
    if found.split(".")[:2] == client.split(".")[:2]:
        return ok("MLflow: version", both)
    return warning("MLflow: version", both, f"Use MLflow {'.'.join(client.split('.')[:2])} on both")
